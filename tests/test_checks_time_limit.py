"""Code that never ends is ended, in every thread, whatever it swallows; and afterwards all is as before."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from helpers.checks.answer.time_limit import TimeLimit, TookTooLong

# ruff: noqa: E722, SIM105, B012


def loop() -> None:
    while True:
        pass


def on_one_line() -> None:
    # fmt: off
    while True: pass  # noqa: E701
    # fmt: on


def swallowing_exceptions() -> None:
    while True:
        try:
            while True:
                pass
        except Exception:
            pass


def asleep_and_swallowing_everything() -> None:
    while True:
        try:
            time.sleep(0.1)
        except BaseException:
            pass


def nested() -> None:
    while True:
        try:
            while True:
                try:
                    while True:
                        try:
                            time.sleep(0.1)
                        except BaseException:
                            pass
                except:
                    pass
        except:
            pass


def recursion_in_the_handler(depth: int = 0) -> None:
    try:
        while True:
            pass
    except BaseException:
        recursion_in_the_handler(depth + 1)


def going_on_in_finally() -> None:
    while True:
        try:
            time.sleep(0.01)
        finally:
            continue


def generator() -> None:
    def numbers() -> Iterator[int]:
        while True:
            try:
                yield 1
            except BaseException:
                pass

    for _ in numbers():
        pass


def comprehension() -> None:
    sum(0 for _ in iter(int, 1))


def suppressed() -> None:
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(0.1)


def callbacks() -> None:
    while True:
        try:
            sorted(range(1000), key=lambda i: (time.sleep(0.01), i))
        except:
            pass


def swallowed_then_returned() -> int:
    try:
        while True:
            pass
    except BaseException:
        return 7


ENDLESS: list[Callable[[], Any]] = [
    loop,
    on_one_line,
    swallowing_exceptions,
    asleep_and_swallowing_everything,
    nested,
    recursion_in_the_handler,
    going_on_in_finally,
    generator,
    comprehension,
    suppressed,
    callbacks,
    swallowed_then_returned,
]


def in_thread(function: Callable[[], None]) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    if errors:
        raise errors[0]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("where", ["main thread", "another thread"])
@pytest.mark.parametrize("endless", ENDLESS, ids=lambda function: function.__name__)
def test_what_never_ends_is_ended(endless: Callable[[], Any], where: str) -> None:
    def run() -> None:
        before = sys.gettrace(), signal.getsignal(signal.SIGALRM)
        limit, started = TimeLimit(0.2), time.monotonic()
        with pytest.raises(TookTooLong) as raised:
            limit.run(endless)
        assert time.monotonic() - started < 20  # a second at most on an idle machine
        # On a busy machine another thread's time can be up before the first line of the answer.
        empty = where == "another thread" and not raised.value.stack
        assert empty or any(file == __file__ for file, _, _ in raised.value.stack), raised.value.stack
        assert (sys.gettrace(), signal.getsignal(signal.SIGALRM)) == before
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
        count = 0
        for _ in range(10000):  # nothing comes late
            count += len([1])
        time.sleep(0.06)
        assert count == 10000

    if where == "main thread":
        run()
    else:
        in_thread(run)


def test_a_debugger_works_afterwards() -> None:
    """Withdrawing a requested exception makes Python 3.11 hang in the next function that is traced."""
    with pytest.raises(TookTooLong):
        TimeLimit(0.05).run(loop)
    events = []

    def trace(frame: Any, event: str, arg: Any) -> Any:
        events.append(event)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    (lambda: None)()
    sys.settrace(before)
    assert "call" in events


def test_what_ends_in_time_returns_and_raises_as_always() -> None:
    limit = TimeLimit(5)
    assert limit.run(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        limit.run(lambda: 1 // 0)


def test_all_calls_together_have_a_limit_too() -> None:
    limit = TimeLimit(0.2)

    def many() -> None:
        for _ in range(30):
            limit.run(lambda: time.sleep(0.05))

    with pytest.raises(TookTooLong):
        many()


def test_somebody_elses_alarm_still_rings() -> None:
    rang: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        TimeLimit(5).run(lambda: time.sleep(0.1))
        assert not rang
        time.sleep(0.5)
        assert rang == [1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_pressed_stop_button_stops() -> None:
    with pytest.raises(KeyboardInterrupt):
        TimeLimit(5).run(lambda: signal.raise_signal(signal.SIGINT))
