"""A web server on this machine that fails as servers on the internet do."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LONG = 60  # seconds that no test waits for


class FaultServer(ThreadingHTTPServer):
    """Answers each path with the behaviours that are planned for it, one a request, the last one for ever.

    A behaviour is `"ok"`, a status code, or one of `"cut short"`, `"stall"` (nothing is ever sent), `"stall halfway"`
    and `"reset"`. `requests` holds the paths that were asked for.
    """

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.contents: dict[str, bytes] = {}  # of paths that do not answer with `content`
        self.plans: dict[str, list[str | int]] = {}
        self.requests: list[str] = []
        self.halfway = threading.Event()  # set when half a body is on its way
        self.stopped = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def plan(self, path: str, *behaviours: str | int) -> str:
        """Say what the path answers, and return its address."""
        self.plans[path] = list(behaviours)
        return self.address + path


class _Handler(BaseHTTPRequestHandler):
    server: FaultServer

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        behaviours = self.server.plans[self.path]
        behaviour = behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
        content = self.server.contents.get(self.path, self.server.content)
        if isinstance(behaviour, int):
            self.send_error(behaviour)
        elif behaviour == "stall":
            self.server.stopped.wait(LONG)
        elif behaviour == "reset":
            # Closing with time 0 to linger sends a reset instead of an orderly end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        else:
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/octet-stream")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if behaviour == "ok":
                self.wfile.write(content)
                return
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.server.halfway.set()
            if behaviour == "stall halfway":
                self.server.stopped.wait(LONG)
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[None]:
    """Serve until the block ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        if isinstance(server, FaultServer):
            server.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


def refusing_address() -> tuple[socket.socket, str]:
    """Return an address that refuses connections for as long as the socket, which is bound but not listening, lives."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken, f"http://127.0.0.1:{taken.getsockname()[1]}/refused"
