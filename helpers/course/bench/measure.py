"""Run a part of the benchmark in a process of its own, and say what it took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Cost:
    """What a process and all that it started took."""

    seconds: float  # wall clock, as the process itself measured it
    cpu_seconds: float  # user and system, of all its processes and threads together
    peak_bytes: int  # resident memory of its largest process
    found: dict[str, Any] = field(default_factory=dict)  # what else the process reports


class FailedError(RuntimeError):
    """A part of the benchmark did not come to its end; the message is the end of what it said."""


def measure(arguments: list[str], environment: dict[str, str]) -> Cost:
    """Run `python -m helpers.course.bench.parts ARGUMENTS`, whose last line is what it found, as JSON.

    Raises
    ------
    FailedError
        When the process fails.
    """
    command = [sys.executable, "-m", "helpers.course.bench.parts", *arguments]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=said, stderr=subprocess.STDOUT)
        try:
            # What a kernel's process took counts as its parent's, once that has waited for it.
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            process.returncode = 0  # it has been waited for
        said.seek(0)
        lines = said.read().strip().splitlines()
    if status:
        raise FailedError("\n".join(lines[-15:]) or "it said nothing")
    found = json.loads(lines[-1])
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(found.pop("seconds"), usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit, found)
