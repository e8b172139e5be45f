"""A copy of the course, and JupyterLab on it, for the tests that start the real server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def working_tree(folder: Path) -> Path:
    """What a clone would hold if everything here were committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def own_environment() -> dict[str, str]:
    """This process's environment, without what the tests and the make that started them put there."""
    strange = ("MAKE", "MFLAGS", "COURSE_OFFLINE", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(strange)}


class Server:
    """JupyterLab, started by `command`, known by the address that it prints."""

    def __init__(self, command: list[str], folder: Path, log: Path, **environment: str) -> None:
        begin = time.monotonic()
        env = {**own_environment(), **environment}
        with log.open("w") as output:
            self.process = subprocess.Popen(
                command, cwd=folder, env=env, stdout=output, stderr=output, start_new_session=True
            )
        address = re.compile(r"(http://127\.0\.0\.1:\d+)(/\S*)\?token=(\w+)")
        while not (found := address.search(log.read_text())):
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < begin + 1500, log.read_text()
            time.sleep(0.05)
        self.host, self.path, self.token = found.groups()
        while True:  # the address is printed a little before anybody answers there
            try:
                self.get("/api/status")
                break
            except urllib.error.URLError:
                assert time.monotonic() < begin + 1500, log.read_text()
                time.sleep(0.05)
        self.seconds = time.monotonic() - begin

    def get(self, path: str) -> str:
        """The text of a page of the server."""
        request = urllib.request.Request(self.host + path, headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(answer.read().decode())

    def stop(self) -> None:
        """End the server and all that it started."""
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(30)
