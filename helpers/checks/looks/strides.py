"""Hand over tensors whose numbers lie apart in memory, as after `expand` or `transpose`: `view` stops at some."""

from __future__ import annotations

from collections.abc import Callable

import torch

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.seen import Seen, same, seen_facts
from helpers.checks.engine.trouble import Trouble

NOT_CONTIGUOUS = (
    "for an input that is not contiguous, such as a transposed one, it stops. `reshape` copies where `view` cannot."
)


def scattered(x: torch.Tensor) -> torch.Tensor:
    """Return the same numbers in a tensor that is not contiguous."""
    return x.detach().transpose(0, -1).contiguous().transpose(0, -1)


def seen_scattered(subject: Subject, answer: Callable[..., torch.Tensor], *inputs: torch.Tensor | None) -> Seen:
    """Return whether an answer gives the same for scattered inputs.

    Parameters
    ----------
    subject : Subject
        The answer.
    answer : callable
        Its instance, or the function that it is.
    *inputs : tensor, optional
        By place; what is None is left out.
    """
    given = [x for x in inputs if x is not None]
    wanted = subject.call(answer, *given)
    try:
        came = subject.call(answer, *map(scattered, given))
    except Trouble:
        came = None
    pairs = zip(_all(came), _all(wanted), strict=False)
    agree = came is not None and all(same(one, other) for one, other in pairs)
    return seen_facts("For inputs that are not contiguous, what comes", {"the same": (agree, "")})


def _all(value: object) -> list[object]:
    return list(value) if isinstance(value, tuple | list) else [value]
