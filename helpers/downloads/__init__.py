"""The one place where the course downloads a file of its own: into a cache, verified, once."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

from helpers.downloads.archives import extract_members
from helpers.downloads.attempts import AttemptError
from helpers.downloads.cache import DownloadError, cache_dir, make_once, no_space, offline
from helpers.downloads.hashes import other_hash
from helpers.downloads.pip import pip_download
from helpers.downloads.url import url_download

__all__ = [
    "DownloadError",
    "cache_dir",
    "extract_members",
    "fetch_file",
    "fetch_package",
    "make_once",
    "offline",
]


def fetch_file(title: str, addresses: Sequence[str], sha256: str, *, folder: str, name: str, instead: str = "") -> Path:
    """Download a file from the first of several addresses that gives it, and return its place in the cache.

    Parameters
    ----------
    title
        What it is, in a reader's words, for the progress bar and for errors.
    addresses
        Where it can be had, the best place first. Each is given ten seconds to begin.
    sha256
        The file's SHA-256, in hexadecimal.
    folder
        The directory in the cache that holds it, and nothing else.
    name
        The file's name in there.
    instead
        A sentence that says what to use as long as the file cannot be had; it ends every error.

    Raises
    ------
    DownloadError
        When it cannot be had: no network, another hash, no space, or `COURSE_OFFLINE=1`.
    """
    # The hash is part of the name: a course that is updated to another file must not find the old one.
    target = cache_dir() / f"{folder}-{sha256[:12]}"
    try:
        if not target.is_dir() and offline():
            raise DownloadError(
                f"{title} is not in the cache ({cache_dir()}), and COURSE_OFFLINE=1 forbids the network."
            )
        return make_once(target, lambda place: url_download(title, addresses, sha256, place / name)) / name
    except AttemptError as error:
        said = f"{title} could not be downloaded: {error}. {error.advice} {instead}"
        raise DownloadError(said.strip()) from error
    except DownloadError as error:
        raise DownloadError(f"{error} {instead}".strip()) from None  # its text is in this one


def fetch_package(requirement: str, sha256: str, *, binary: bool, size: int | None = None) -> Path:
    """Download one file from PyPI by package name, and return its place in the cache.

    pip does it, so it works wherever pip can install: behind a proxy, with a mirror, from a folder of wheels
    (`PIP_FIND_LINKS`). pip is given the hash, and looks at nothing before that is right.

    Parameters
    ----------
    requirement
        `name==version`.
    sha256
        The file's SHA-256, in hexadecimal.
    binary
        True for the package's wheel, False for its source archive.
    size
        The file's bytes, for the progress bar (shown when it takes longer than two seconds).

    Raises
    ------
    DownloadError
        When it cannot be had: no network, another hash, no space, or `COURSE_OFFLINE=1`.
    """
    target = cache_dir() / "packages" / f"{requirement.replace('==', '-')}-{sha256}"
    if not target.is_dir() and offline():
        raise DownloadError(
            f"{requirement} is not in the cache ({cache_dir()}), and COURSE_OFFLINE=1 forbids the network. "
            "With a network, run once: python -m helpers.course prefetch"
        )

    def download(folder: Path) -> None:
        status, said = pip_download(requirement, sha256, folder, binary=binary, size=size)
        if status:
            raise DownloadError(_explain(requirement, sha256, said, target))

    return next(make_once(target, download).iterdir())


def _explain(requirement: str, sha256: str, said: str, target: Path) -> str:
    """Say in a sentence or two what pip says on a page."""
    if found := re.search(r"Got\s+([0-9a-f]{64})", said):
        return other_hash(requirement, found[1], sha256)
    if os.strerror(errno.ENOSPC) in said:
        return no_space(target)
    if busy := re.search(r"too many (\d+) error responses", said):
        reason = f"PyPI is busy (it answered {busy[1]} again and again)"
    elif "Connection interrupted" in said or "IncompleteRead" in said:
        reason = "the connection broke off, and did so again each time that pip went on"
    elif "Retrying (" in said:
        reason = "pip cannot reach PyPI, so this computer seems to be offline"
    elif "No matching distribution" in said:
        reason = "pip finds it nowhere: what it asks, PyPI or another index, does not have it, or is busy"
    else:
        reason = (said.strip().splitlines() or ["pip said nothing"])[-1].removeprefix("ERROR: ").rstrip(".")
    return (
        f"{requirement} could not be downloaded: {reason}. When the network is there, run once: "
        "python -m helpers.course prefetch"
    )
