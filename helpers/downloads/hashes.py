"""SHA-256: what says that a file is the one that the course was made with."""

from __future__ import annotations

import hashlib
from pathlib import Path

from helpers.downloads.cache import DownloadError


def file_sha256(path: Path) -> str:
    """Compute a file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(path: Path, wanted: str) -> None:
    """Compare a file's SHA-256 with the published one.

    Raises
    ------
    DownloadError
        When they differ, with both.
    """
    if (found := file_sha256(path)) != wanted:
        raise DownloadError(other_hash(path.name, found, wanted))


def other_hash(what: str, found: str, wanted: str) -> str:
    """Say that a file is not the one that was published."""
    return (
        f"{what} has SHA-256 {found}, but it must have {wanted}: this is not the file that the course was made "
        "with, or not all of it, so it was not kept. Try again on another network; if it stays so, tell your "
        "instructor."
    )
