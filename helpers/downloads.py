"""The one place where the course downloads a file of its own: into a cache, verified, once.

A directory of the cache appears under its name only when it is whole. Who finds it may believe it; nobody
ever finds a half one, and a cache that is filled is only read.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from helpers.pip_download import pip_download

_FULL = {errno.ENOSPC, errno.EDQUOT}
_UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}


class DownloadError(RuntimeError):
    """A file could not be had. The message says why, and what to do."""


def cache_dir() -> Path:
    """Where downloads are kept: `COURSE_CACHE`, or the place that the operating system has for caches."""
    if chosen := os.environ.get("COURSE_CACHE"):
        return Path(chosen).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("attention-course"))


def offline() -> bool:
    """Whether `COURSE_OFFLINE=1` forbids the network."""
    return os.environ.get("COURSE_OFFLINE", "0") not in {"", "0"}


def make_once(target: Path, make: Callable[[Path], None]) -> Path:
    """Return the directory `target`, filled by `make` the first time that anybody asks for it.

    Parameters
    ----------
    target
        A directory in the cache. When it exists, it is whole, and nothing is written.
    make
        Fills the empty directory that it is given. Only when it has returned does that directory get its
        name, so whatever stops it leaves nothing behind that could be believed. Of many processes that ask
        at once, one makes and the others wait.

    Raises
    ------
    DownloadError
        When the disk is full or the cache cannot be written.
    """
    if target.is_dir():
        return target
    try:
        with _alone(target.with_name(f"{target.name}.lock")):
            if not target.is_dir():
                unfinished = target.parent / ".unfinished" / target.name
                shutil.rmtree(unfinished, ignore_errors=True)  # left by a process that was killed
                unfinished.mkdir(parents=True)
                try:
                    # A name of its own: what the killed one started may still be writing under the old name.
                    whole = Path(tempfile.mkdtemp(dir=unfinished)) / target.name
                    whole.mkdir()
                    make(whole)
                    _flush(whole)
                    whole.rename(target)
                finally:
                    shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        if error.errno in _FULL:
            raise DownloadError(_no_space(target)) from error
        if error.errno in _UNWRITABLE:
            raise DownloadError(
                f"The cache cannot be written: {error}. Set COURSE_CACHE to a folder of yours."
            ) from error
        raise
    return target


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


def extract_members(
    archive: Path, members: Iterable[str], folder: Path, *, sha256: Mapping[str, str] | None = None
) -> None:
    """Unpack some members of a zip file (a wheel is one) into `folder`: call it within `make_once`.

    Parameters
    ----------
    archive
        The zip file.
    members
        Names inside it. Each file is put right into `folder`, under the last part of its name.
    folder
        A directory that exists.
    sha256
        For some of `members`, the SHA-256 that the unpacked file must have.

    Raises
    ------
    DownloadError
        When a member is missing or has another hash, or when any name in the archive would lead out of the
        directory that it is unpacked into.
    """
    with zipfile.ZipFile(archive) as zipped:
        for name in zipped.namelist():
            if _leads_out(name):
                raise DownloadError(f"{archive} is not unpacked: its member {name!r} leads out of it.")
        for member in members:
            place = folder / PurePosixPath(member).name
            try:
                with zipped.open(member) as source, place.open("wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
            except (KeyError, zipfile.BadZipFile) as error:
                raise DownloadError(f"{archive} is not what it should be: {error}.") from error
            if wanted := (sha256 or {}).get(member):
                _verify(place, wanted)


def _verify(path: Path, wanted: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted:
        raise DownloadError(_other_hash(path.name, found, wanted))


def _leads_out(name: str) -> bool:
    return any(path.anchor or ".." in path.parts for path in (PurePosixPath(name), PureWindowsPath(name)))


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait until no other process holds `lock`, and say so when that takes a while."""
    from filelock import FileLock, Timeout

    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock)
    try:
        held.acquire(timeout=2)
    except Timeout:
        print(f"Another program is filling {lock.with_suffix('')}: waiting for it …", file=sys.stderr)
        held.acquire()
    try:
        yield
    finally:
        held.release()


def _flush(folder: Path) -> None:
    """Bring a directory's files to the disk, so that a power cut cannot leave empty ones under good names."""
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _explain(requirement: str, sha256: str, said: str, target: Path) -> str:
    """Say in a sentence or two what pip says on a page."""
    if found := re.search(r"Got\s+([0-9a-f]{64})", said):
        return _other_hash(requirement, found[1], sha256)
    if os.strerror(errno.ENOSPC) in said:
        return _no_space(target)
    if "Retrying (" in said:
        reason = "pip cannot reach PyPI, so this computer seems to be offline"
    else:
        reason = (said.strip().splitlines() or ["pip said nothing"])[-1].removeprefix("ERROR: ").rstrip(".")
    return (
        f"{requirement} could not be downloaded: {reason}. When the network is there, run once: "
        "python -m helpers.course prefetch"
    )


def _other_hash(what: str, found: str, wanted: str) -> str:
    return (
        f"{what} has SHA-256 {found}, but it must have {wanted}: this is not the file that the course was made "
        "with, so it was not kept. Try again on another network; if it stays so, tell your instructor."
    )


def _no_space(target: Path) -> str:
    return f"No space is left for {target}. Free some, or set COURSE_CACHE to a folder on a disk that has room."
