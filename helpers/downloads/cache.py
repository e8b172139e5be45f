"""The course's cache: directories that appear under their names only when they are whole.

Who finds one may believe it; nobody ever finds a half one, and a cache that is filled is only read.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}
_IN_THE_WAY = {errno.EEXIST, errno.ENOTDIR}


class DownloadError(RuntimeError):
    """Something could not be had. The message says why, and what to do."""


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
        Fills the empty directory that it is given, whose parent it may use as a scratch directory. Only when it has
        returned does that directory get its name, so whatever stops it leaves nothing behind that could be believed.
        Of many processes that ask at once, one makes and the others wait.

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
        if explained := _explain(error, target):
            raise DownloadError(explained) from error
        raise
    return target


def is_about_disk(error: BaseException) -> bool:
    """Whether an error says that the cache is full or cannot be written, so that `make_once` explains it."""
    return isinstance(error, OSError) and error.errno in _FULL | _UNWRITABLE | _IN_THE_WAY


def no_space(target: Path) -> str:
    """Say that the disk is full."""
    return f"No space is left for {target}. Free some, or set COURSE_CACHE to a folder on a disk that has room."


def _explain(error: OSError, target: Path) -> str | None:
    """Say what to do about an error of the file system; None when it is not about the cache."""
    if error.errno in _FULL:
        return no_space(target)
    if error.errno in _UNWRITABLE:
        return f"The cache cannot be written: {error}. Set COURSE_CACHE to a folder of yours."
    if error.errno in _IN_THE_WAY:
        # Not always the path that the error names: that may be a folder below the file that is in the way.
        places = (target, *target.parents, target.parent / ".unfinished")
        if blocking := next((place for place in places if place.exists() and not place.is_dir()), None):
            return (
                f"The cache cannot be written: {blocking} is a file, where a folder should be. "
                "Move it away, or set COURSE_CACHE to a folder of yours."
            )
    return None


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
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
