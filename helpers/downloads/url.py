"""Download one file from the first of several addresses that gives it, and believe it only when its hash is right."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from helpers.downloads.attempts import PAUSES, AttemptError, attempt
from helpers.downloads.hashes import file_sha256

if TYPE_CHECKING:
    from tqdm import tqdm


def url_download(title: str, addresses: Sequence[str], sha256: str, file: Path) -> None:
    """Download `file`.

    Parameters
    ----------
    title
        What it is, in a reader's words, for the progress bar.
    addresses
        Where it can be had, the best place first.
    sha256
        The hash that it must have, whatever address it comes from.
    file
        Where it goes. Nothing is there unless it is whole and its hash is right.

    Raises
    ------
    helpers.downloads.attempts.AttemptError
        When no address gives it, with what each did.
    """
    said: dict[str, AttemptError] = {}
    waiting = list(addresses)
    for pause in (0, *PAUSES):
        time.sleep(pause)
        for address in waiting:
            try:
                _attempt(title, address, sha256, file)
            except AttemptError as error:
                said[address] = error
                file.unlink(missing_ok=True)
            else:
                return
        waiting = [address for address in waiting if said[address].may_pass]
        if not waiting:
            break
    hosts = "; ".join(f"{urlsplit(address).hostname} {error}" for address, error in said.items())
    raise AttemptError(hosts, reached=any(error.reached for error in said.values()))


def _attempt(title: str, address: str, sha256: str, file: Path) -> None:
    import pooch
    from tqdm.auto import tqdm

    with attempt(address) as timeout, tqdm(desc=title, unit="B", unit_scale=True, delay=2, leave=False) as bar:
        download = pooch.HTTPDownloader(progressbar=_Progress(bar), chunk_size=1 << 16, timeout=timeout)
        download(address, str(file), None)
    if (found := file_sha256(file)) != sha256:
        with file.open("rb") as content:
            page = content.read(1000).lstrip().lower().startswith((b"<!doctype html", b"<html"))
        hint = " (a web page: does this network want you to log in?)" if page else ""
        raise AttemptError(f"sent a file{hint} with SHA-256 {found}, but it must have {sha256}")


class _Progress:
    """A bar as pooch wants one. pooch resets it at the end, which would show a bar that had no need to appear."""

    def __init__(self, bar: tqdm) -> None:
        self._bar = bar

    @property
    def total(self) -> int | None:
        return self._bar.total

    @total.setter
    def total(self, count: int) -> None:
        self._bar.total = count

    def update(self, count: int) -> None:
        self._bar.update(count)

    def reset(self) -> None:
        self._bar.n = 0

    def close(self) -> None:
        self._bar.close()
