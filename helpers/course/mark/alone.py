"""Run a function in a process of its own, with limits, so that nothing that it does reaches anybody else.

This keeps accidents apart: endless loops, crashes, a full memory, files that are deleted. It is no sandbox for people
who mean harm: what runs here may read what the person who marks may read. For that, run the whole command in a
container, as a user of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

_NEW_USER, _NEW_PID, _NEW_NET = 0x10000000, 0x20000000, 0x40000000  # of Linux' unshare(2)
_SET_SUBREAPER, _SET_DEATH_SIGNAL = 36, 1  # of Linux' prctl(2)
_LOADED_BEFORE = ["helpers.course.mark.examine"]  # brings torch and the checks: each answer then starts at once
_MOST_REPORT_BYTES = 1_000_000


@dataclass(frozen=True)
class Limits:
    """What one answer may use up."""

    wall_seconds: float = 60.0
    cpu_seconds: int = 40
    memory: int = 2 * 2**30  # bytes, beyond what is loaded before the answer
    file_bytes: int = 10_000_000  # of each file that it writes
    processes: int = 64  # beyond those that the user runs already; root has no such limit


@dataclass(frozen=True)
class Ended:
    """How it ended: `report` is what the function returned, None where it did not get that far, with the reason."""

    report: Any
    reason: str  # "", "too long", "memory", "killed by SIGSEGV", "ended by itself", ...
    seconds: float


def run_alone(function: Callable[..., Any], *args: Any, limits: Limits) -> Ended:
    """Call `function(*args)` in a new process, forked from one that has torch and the checks loaded.

    Parameters
    ----------
    function
        At the top of a module. Returns what JSON can hold.
    limits
        Where it is ended, with all processes that it has started.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(_LOADED_BEFORE)
    ours, theirs = context.Pipe(duplex=False)
    started = time.monotonic()
    process = context.Process(target=_supervise, args=(theirs, function, args, limits), daemon=False)
    process.start()
    theirs.close()
    try:
        report, reason = _wait(ours, limits)
    finally:
        ours.close()
        _end(process)
    return Ended(report, reason, time.monotonic() - started)


def _wait(pipe: Connection, limits: Limits) -> tuple[Any, str]:
    # The supervisor keeps the time; a little more is given to it for ending what it supervises.
    if not pipe.poll(limits.wall_seconds + 15):
        return None, "too long"
    try:
        report, reason = json.loads(pipe.recv_bytes(2 * _MOST_REPORT_BYTES))
    except (EOFError, OSError, ValueError):
        return None, "ended by itself"
    return report, reason


def _end(process: Any) -> None:
    process.join(5)
    if process.is_alive():
        process.kill()
        process.join()
    process.close()


def _supervise(pipe: Connection, function: Callable[..., Any], args: tuple[Any, ...], limits: Limits) -> None:
    """In the new process: start the answer in another one, wait for it, and end all that it leaves behind."""
    libc = ctypes.CDLL(None, use_errno=True)
    has_prctl = hasattr(libc, "prctl")
    if has_prctl:
        libc.prctl(_SET_SUBREAPER, 1, 0, 0, 0)  # whoever loses its parent becomes a child of this process
    apart = _unshare(libc)
    reading, writing = os.pipe()
    with tempfile.TemporaryDirectory(prefix="answer-", ignore_cleanup_errors=True) as folder:
        child = os.fork()
        if child == 0:
            os.close(reading)
            pipe.close()
            if has_prctl:
                libc.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
            _run(function, args, limits, folder, writing, apart)
        os.close(writing)
        os.setpgid(0, 0)
        content, status = _watched(child, reading, limits)
        _end_descendants()
    reason = ""
    report = None
    try:
        report = json.loads(content)
    except ValueError:
        reason = _reason(status)
    pipe.send_bytes(json.dumps([report, reason]).encode())
    pipe.close()
    os._exit(0)


def _run(
    function: Callable[..., Any], args: tuple[Any, ...], limits: Limits, folder: str, writing: int, apart: bool
) -> None:
    """In the answer's process: set limits, go into an empty folder, close the doors, and report."""
    status = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        os.chdir(folder)
        os.environ.update(HOME=folder, TMPDIR=folder, COURSE_RECORD=folder, COURSE_OFFLINE="1", HF_HUB_OFFLINE="1")
        _limit(limits)
        if not apart:
            _forbid_sockets()
        report = json.dumps(function(*args)).encode()[:_MOST_REPORT_BYTES]
        while report:
            report = report[os.write(writing, report) :]
        status = 0
    except MemoryError:
        status = 101
    finally:
        os._exit(status)


def _limit(limits: Limits) -> None:
    def at_most(what: int, value: int) -> None:
        _, hard = resource.getrlimit(what)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (value, value))

    at_most(resource.RLIMIT_CORE, 0)
    at_most(resource.RLIMIT_CPU, limits.cpu_seconds)
    at_most(resource.RLIMIT_FSIZE, limits.file_bytes)
    if os.path.exists("/proc/self/statm"):  # elsewhere there is no telling what is in use already
        with open("/proc/self/statm") as file:
            in_use = int(file.read().split()[0]) * resource.getpagesize()
        at_most(resource.RLIMIT_AS, in_use + limits.memory)
        at_most(resource.RLIMIT_NPROC, _threads_of(os.getuid()) + limits.processes)


def _threads_of(user: int) -> int:
    """How many threads a user runs: what the limit counts. Read by hand, since psutil takes 15 ms for it."""
    threads = 0
    for process in os.scandir("/proc"):
        with contextlib.suppress(OSError):  # it has just ended
            if process.name.isdigit() and process.stat().st_uid == user:
                threads += os.stat(f"{process.path}/task").st_nlink - 2
    return threads


def _unshare(libc: ctypes.CDLL) -> bool:
    """Go where there is no network, and where all processes end with the first one. Not every system lets us."""
    if not hasattr(libc, "unshare"):
        return False
    user = 0 if os.geteuid() == 0 else _NEW_USER
    return any(libc.unshare(user | what) == 0 and what & _NEW_NET for what in (_NEW_PID | _NEW_NET, _NEW_PID))


def _forbid_sockets() -> None:
    """Where the system leaves the network reachable: at least no Python code reaches it by mistake."""
    import socket

    def refuse(*_args: Any, **_named: Any) -> Any:
        raise OSError("There is no network while an answer is being marked.")

    for name in ("socket", "create_connection", "getaddrinfo"):
        setattr(socket, name, refuse)


def _watched(child: int, reading: int, limits: Limits) -> tuple[bytes, int]:
    """Read what the answer's process reports, and wait for its end; end it when its time is up."""
    import select

    content, deadline = b"", time.monotonic() + limits.wall_seconds
    while (left := deadline - time.monotonic()) > 0 and len(content) <= _MOST_REPORT_BYTES:
        ready, _, _ = select.select([reading], [], [], min(left, 0.2))
        if ready:
            part = os.read(reading, 65536)
            if not part:
                break
            content += part
        elif _too_many():
            break
    os.close(reading)
    while time.monotonic() < deadline + 0.2:  # closing the pipe is not the end: it may go on computing
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return content, status
        if time.monotonic() >= deadline or _too_many():
            break
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return content, -1


_MOST_PROCESSES = 100


def _too_many() -> bool:
    """Whether only a bomb explains how many processes there are: root may start any number."""
    import psutil

    return len(psutil.Process().children(recursive=True)) > _MOST_PROCESSES


def _end_descendants() -> None:
    """End everything that the answer has started and not ended: first stopped, so that nothing new comes."""
    import psutil

    for _ in range(50):
        rest = psutil.Process().children(recursive=True)
        if not rest:
            return
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in rest:
                try:
                    os.kill(process.pid, number)
                except ProcessLookupError:
                    continue
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    break
            except ChildProcessError:
                break
        time.sleep(0.01)


def _reason(status: int) -> str:
    if status == -1:
        return "too long"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return "too long" if number == signal.SIGXCPU else f"killed by {signal.Signals(number).name}"
    return "memory" if os.WEXITSTATUS(status) == 101 else "ended by itself"
