"""Tell an answer that refuses an input, in words of its own, from one that happens to stop somewhere inside torch."""

from __future__ import annotations

import dis
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

_RAISE = dis.opmap["RAISE_VARARGS"]  # what `raise` and `assert` are compiled to


@dataclass(frozen=True)
class Refusal:
    """An error that was raised on purpose: its type's name, and its message."""

    kind: str
    message: str


@dataclass(frozen=True)
class Returned:
    """An error that was handed back like a result, where it should have been raised."""

    kind: str


def outcome(function: Callable[..., Any], *args: Any) -> Any:
    """Return what a call gives, a `Refusal`, or the exception that it stopped with elsewhere."""
    try:
        value = function(*args)
        return Returned(type(value).__name__) if isinstance(value, BaseException) else value
    except Exception as error:
        if raised_in(error) is None:
            return error
        if isinstance(error, NotImplementedError):  # a blank
            return error
        return Refusal(type(error).__name__, str(error))


def raised_in(error: BaseException) -> FrameType | None:
    """Return where a `raise` or an `assert` raised an error; None where it comes out of code that is not Python."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    # Where C code stops, the last line of Python is a call or an operation, and no `raise`.
    if place is None or place.tb_frame.f_code.co_code[place.tb_lasti] != _RAISE:
        return None
    return place.tb_frame


def describe_outcome(came: Any) -> str:
    """Return what came, in a few words."""
    import torch

    if isinstance(came, Refusal):
        return came.kind
    if isinstance(came, Returned):
        return f"a {came.kind} by `return`, which stops nobody: `raise` it"
    if isinstance(came, Exception):
        return f"{type(came).__name__} from inside torch" if isinstance(came, RuntimeError) else type(came).__name__
    if isinstance(came, torch.Tensor):
        return f"an output of shape {tuple(came.shape)}"
    return type(came).__name__
