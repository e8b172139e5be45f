"""End an answer that never ends, even one that swallows every exception.

In the main thread a timer interrupts the answer, a blocking call such as `time.sleep` included. Anywhere else, and
where there is no such timer (Windows), the answer is traced from the start and looks at the clock on every line.

One exception is not enough: `except BaseException: pass` inside a loop would swallow it. So once the time is up,
every further step of the answer asks for the exception again, until the answer has been left. The tracer that asks
must be made of C functions: Python raises a requested exception at the next call or jump, and a tracer written in
Python would be hit by it itself, upon which Python switches tracing off.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
Place = tuple[str, int, str]
REPEAT = 0.05  # seconds between two interruptions of an answer that is still running
HERE = (lambda: 0).__code__.co_filename


class TimeUp(BaseException):
    """Raised inside the answer. Not an `Exception`, so that an ordinary `except Exception` lets it pass."""


class TookTooLong(Exception):  # noqa: N818
    """The answer was ended.

    Attributes
    ----------
    stack : list of (str, int, str)
        File, line and module of each frame that was running when the time was up, innermost first.
    """

    def __init__(self, stack: list[Place]) -> None:
        super().__init__("the time is up")
        self.stack = stack


class TimeLimit:
    """A limit on each call of an answer, and on all of them together.

    Parameters
    ----------
    seconds : float
        Time on the wall clock that one call may take. All calls together may take four times as long: a busy
        machine must not turn a right answer into a slow one.
    """

    def __init__(self, seconds: float = 5.0) -> None:
        self.seconds = seconds
        self._left = 4 * seconds
        self._stack: list[Place] | None = None
        self._deadline = 0.0

    def run(self, function: Callable[[], T]) -> T:
        """Return `function()`, or raise TookTooLong when the time is up."""
        started = time.monotonic()
        allowed = max(min(self.seconds, self._left), REPEAT)
        self._stack, self._deadline = None, started + allowed
        timed = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        alarm = _Timer(self._tick) if timed else _Watcher()
        trace = sys.gettrace()
        value: Any = None
        try:
            alarm.start(allowed)
            if not timed:
                sys.settrace(self._look_at_clock)
            value = function()
        except TimeUp:
            self._stack = self._stack or []
        finally:
            # A last interruption can be on its way, and hits one of these lines. It is let come, never withdrawn:
            # after a withdrawal Python 3.11 thinks for ever that one is waiting, and the next debugger hangs.
            while True:
                try:
                    sys.settrace(trace)
                    alarm.stop()
                    break
                except TimeUp:
                    continue
            self._left -= time.monotonic() - started
        if self._stack is not None:  # also when the answer swallowed the interruption and then returned
            raise TookTooLong(self._stack)
        return value

    def _tick(self, _signal: int, frame: FrameType | None) -> None:
        """Interrupt the answer, unless it has just been left."""
        if frame is not None and frame.f_code.co_filename != HERE:
            self._end(frame)
            raise TimeUp

    def _look_at_clock(self, frame: FrameType, _event: str, _arg: Any) -> Any:
        """Trace function for threads that no timer can interrupt."""
        if frame.f_code.co_filename == HERE:
            return None
        if time.monotonic() > self._deadline:
            self._end(frame)
            return frame.f_trace
        return self._look_at_clock

    def _end(self, frame: FrameType) -> None:
        """Make every further step of the answer ask for TimeUp."""
        tracer = _keeps_raising()
        frames = []
        step: FrameType | None = frame
        while step is not None and step.f_code is not TimeLimit.run.__code__:
            frames.append(step)
            step = step.f_back
        if self._stack is None:
            self._stack = [(f.f_code.co_filename, f.f_lineno, f.f_globals.get("__name__", "")) for f in frames]
        for f in frames:
            f.f_trace = tracer
            f.f_trace_opcodes = True
        sys.settrace(tracer)


class _Timer:
    """The operating system's alarm clock, which interrupts the main thread, asleep or not."""

    def __init__(self, handler: Callable[[int, FrameType | None], None]) -> None:
        self._handler = handler

    def start(self, seconds: float) -> None:
        self._started = time.monotonic()
        self._before = signal.signal(signal.SIGALRM, self._handler)
        self._other = signal.setitimer(signal.ITIMER_REAL, seconds, REPEAT)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)
        left, interval = self._other
        if left:  # somebody else's alarm was running: let it go on, as if nothing had happened
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - self._started), 1e-3), interval)


class _Watcher:
    """A second thread that asks for TimeUp, for a loop such as `while True: pass` in which no new line begins."""

    def start(self, seconds: float) -> None:
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._over = threading.Event()
        threading.Thread(target=self._watch, args=(seconds,), daemon=True).start()

    def _watch(self, seconds: float) -> None:
        while not self._over.wait(seconds):
            with self._lock:
                if not self._over.is_set():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(TimeUp))
            seconds = REPEAT

    def stop(self) -> None:
        with self._lock:
            self._over.set()


def _keeps_raising() -> Callable[..., Any]:
    """Return a trace function, without a line of Python in it, that asks for TimeUp at a quarter of all events.

    Not at every event: where Python jumps back into a `try`, it takes an exception for one from inside that `try`,
    so an answer could swallow at the same place for ever and never get further.
    """
    ask = ctypes.pythonapi["PyThreadState_SetAsyncExc"]
    # A trace function is handed (frame, event, argument) as well; the C function does not look at them.
    ask.argtypes = [ctypes.c_ulong, *[ctypes.py_object] * 4]
    raising = functools.partial(ask, threading.get_ident(), TimeUp)
    idle = functools.partial(ask, 0, TimeUp)  # no thread has this number, so nothing happens
    chosen = random.Random(0).choices([raising, idle], weights=[1, 3], k=9973)
    # What a trace function returns goes on tracing, so C's own result is replaced by the next of the chosen.
    ask.restype = functools.partial(next, itertools.cycle(chosen))
    return raising
