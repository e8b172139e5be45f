"""Download one file from the first of several addresses that gives it, and believe it only when its hash is right."""

from __future__ import annotations

import http
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from helpers.cache import DownloadError
from helpers.file_hashes import file_sha256

if TYPE_CHECKING:
    from tqdm import tqdm

# Seconds to connect, and then to the next byte: together at most ten until the first one, or the next address is asked.
TIMEOUT = (4, 6)
# A busy server, or one that breaks off, is asked again after these many seconds; nobody else is.
PAUSES = (1, 2)
_BUSY = {408, 425, 429, 500, 502, 503, 504}


def url_download(title: str, addresses: Sequence[str], sha256: str, file: Path) -> None:
    """Download `file`.

    Parameters
    ----------
    title
        What it is, in a reader's words, for the progress bar and for errors.
    addresses
        Where it can be had, the best place first.
    sha256
        The hash that it must have, whatever address it comes from.
    file
        Where it goes. Nothing is there unless it is whole and its hash is right.

    Raises
    ------
    helpers.cache.DownloadError
        When no address has it, with what each said, and what to do.
    """
    said: dict[str, _AttemptError] = {}
    waiting = list(addresses)
    for pause in (0, *PAUSES):
        time.sleep(pause)
        for address in waiting:
            try:
                _attempt(title, address, sha256, file)
            except _AttemptError as error:
                said[address] = error
                file.unlink(missing_ok=True)
            else:
                return
        waiting = [address for address in waiting if said[address].may_pass]
        if not waiting:
            break
    raise DownloadError(_explain(title, said))


class _AttemptError(Exception):
    """One address did not give the file. Its text follows the address's name in a sentence."""

    def __init__(self, reason: str, *, may_pass: bool = False, reached: bool = True) -> None:
        super().__init__(reason)
        self.may_pass, self.reached = may_pass, reached


def _attempt(title: str, address: str, sha256: str, file: Path) -> None:
    import pooch
    from tqdm.auto import tqdm

    with _explained(), tqdm(desc=title, unit="B", unit_scale=True, delay=2, leave=False) as bar:
        download = pooch.HTTPDownloader(progressbar=_Progress(bar), chunk_size=1 << 16, timeout=TIMEOUT)
        download(address, str(file), None)
    if (found := file_sha256(file)) != sha256:
        with file.open("rb") as content:
            page = content.read(1000).lstrip().lower().startswith((b"<!doctype html", b"<html"))
        hint = " (a web page: does this network want you to log in?)" if page else ""
        raise _AttemptError(f"sent a file{hint} with SHA-256 {found}, but it must have {sha256}")


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


@contextmanager
def _explained() -> Iterator[None]:
    """Say in a few words what requests says in many."""
    import requests
    from requests import exceptions as failures

    try:
        yield
    except failures.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        meaning = http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else "no meaning"
        raise _AttemptError(f"answered {status} ({meaning})", may_pass=status in _BUSY) from error
    except failures.Timeout as error:
        raise _AttemptError(f"gave no answer within {sum(TIMEOUT)} seconds", reached=False) from error
    except failures.ChunkedEncodingError as error:
        raise _AttemptError("broke off before the end of the file", may_pass=True) from error
    except failures.SSLError as error:
        raise _AttemptError(
            "could not be reached securely (is this computer's clock right, or does the network want you to log in?)"
        ) from error
    except failures.ConnectionError as error:
        if "Read timed out" in str(error):
            raise _AttemptError(f"sent nothing more for {TIMEOUT[1]} seconds") from error
        if "refused" in str(error):
            raise _AttemptError("refused the connection", reached=False) from error
        if "reset" in str(error).lower() or "aborted" in str(error):
            raise _AttemptError("closed the connection without an answer", may_pass=True) from error
        raise _AttemptError("could not be found or reached", reached=False) from error
    except requests.RequestException as error:
        raise _AttemptError(f"gave an answer that is not understood ({type(error).__name__})") from error


def _explain(title: str, said: dict[str, _AttemptError]) -> str:
    hosts = "; ".join(f"{urlsplit(address).hostname} {error}" for address, error in said.items())
    if any(error.reached for error in said.values()):
        advice = "Nothing was kept. Try again later or on another network; if it stays so, tell your instructor."
    else:
        advice = "This computer seems to be offline. When the network is there, run this again."
    return f"{title} could not be downloaded: {hosts}. {advice}"
