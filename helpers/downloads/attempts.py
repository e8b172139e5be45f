"""One attempt to get something from the web: how long it may take, and what it says when it fails."""

from __future__ import annotations

import http
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from helpers.downloads.cache import DownloadError

# Seconds to look a name up and connect, and then to each next byte: together at most ten until the first one.
TIMEOUT = (4, 6)
# A busy server, or one that breaks off, is asked again after these many seconds; nobody else is.
PAUSES = (1, 2)
_BUSY = {408, 425, 429, 500, 502, 503, 504}


class AttemptError(Exception):
    """Something was not given. The text is the end of a sentence that begins with who should have given it.

    Attributes
    ----------
    may_pass
        Whether it makes sense to ask again at once.
    reached
        Whether anybody was there at all.
    """

    def __init__(self, reason: str, *, may_pass: bool = False, reached: bool = True) -> None:
        super().__init__(reason)
        self.may_pass, self.reached = may_pass, reached

    @property
    def advice(self) -> str:
        """What to do about it, in a sentence or two."""
        if self.reached:
            return "Nothing was kept. Try again later or on another network; if it stays so, tell your instructor."
        return "This computer seems to be offline. When the network is there, run this again."


@contextmanager
def attempt(address: str) -> Iterator[tuple[float, float]]:
    """Give the time limits for a request to `address`, and say in a few words what requests says in many.

    Raises
    ------
    AttemptError
        In place of what requests raises.
    """
    import requests
    from requests import exceptions as failures

    start = time.monotonic()
    proxies = requests.utils.get_environ_proxies(address)
    if not requests.utils.select_proxy(address, proxies):  # a proxy looks names up itself
        _look_up(urlsplit(address).hostname or "", TIMEOUT[0])
    try:
        yield max(0.5, TIMEOUT[0] - (time.monotonic() - start)), TIMEOUT[1]
    except failures.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        meaning = http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else "no meaning"
        raise AttemptError(f"answered {status} ({meaning})", may_pass=status in _BUSY) from error
    except failures.Timeout as error:
        raise AttemptError(f"gave no answer within {sum(TIMEOUT)} seconds", reached=False) from error
    except failures.ChunkedEncodingError as error:
        raise AttemptError("broke off before the end of the file", may_pass=True) from error
    except failures.SSLError as error:
        raise AttemptError(
            "could not be reached securely (is this computer's clock right, or does the network want you to log in?)"
        ) from error
    except failures.ConnectionError as error:
        if "Read timed out" in str(error):
            raise AttemptError(f"sent nothing more for {TIMEOUT[1]} seconds") from error
        if "refused" in str(error):
            raise AttemptError("refused the connection", reached=False) from error
        if "reset" in str(error).lower() or "aborted" in str(error):
            raise AttemptError("closed the connection without an answer", may_pass=True) from error
        raise AttemptError("could not be found or reached", reached=False) from error
    except requests.RequestException as error:
        raise AttemptError(f"gave an answer that is not understood ({type(error).__name__})") from error


def _look_up(host: str, seconds: float) -> None:
    """Look a name up, for so long at most: without a thread, a network that swallows the question takes a minute."""
    found = threading.Event()

    def ask() -> None:
        with suppress(OSError):
            socket.getaddrinfo(host, None)
        found.set()

    threading.Thread(target=ask, daemon=True).start()
    if not found.wait(seconds):
        raise AttemptError("could not be looked up: the network does not answer", reached=False)


def in_a_line(error: Exception) -> str:
    """Say an error in one line of at most about 300 characters: our own in its words, others with their name."""
    said = str(error) if isinstance(error, AttemptError | DownloadError) else f"{type(error).__name__}: {error}"
    return " ".join(said.split())[:300].rstrip(". ")
