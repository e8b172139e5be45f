"""Tell an answer that refuses an input, in words of its own, from one that happens to stop somewhere inside torch."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from helpers.checks.engine.trouble import raised_in


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


def refused_or_told(came: Any, input_: str) -> tuple[bool | str, str]:
    """Return, as facts are seen, whether an input was refused, or else what came; and what to tell a student."""
    kind = describe_outcome(came)
    return isinstance(came, Refusal) or kind, f"{input_} should raise a ValueError; here comes {kind}."


def names_numbers(came: Any, *numbers: int) -> bool:
    """Whether an error's message says these numbers."""
    return {*map(str, numbers)} <= set(re.findall(r"\d+", getattr(came, "message", "")))
