"""What a step of a check sees, and when two of them count as the same."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# How far right answers differ by rounding: relative to the largest number in the tensor, and where all should be 0.
# In float64 not far less, since a constant such as the square root of d may have been computed in float32.
ROUNDING = {"torch.float64": (1e-6, 1e-8)}
ROUNDING_OTHERWISE = (3e-5, 5e-6)


@dataclass
class Seen:
    """One thing that came out of an answer, beside what should have come.

    Attributes
    ----------
    what : str
        How a message begins: "The output with a causal mask".
    got : tensor, None or dict
        What came: numbers, None for a gradient that does not arrive, or facts by name.
    expected : callable
        Gives what should have come; called for a student's answer only.
    axes : sequence of str
        Names of the tensor's axes, "h·d" where two are folded into one.
    sizes : mapping
        Size of every axis, by name.
    also : callable, optional
        Gives further tensors that count as right.
    dtype : torch.dtype, optional
        What the dtype must be, where that matters.
    told : mapping
        For facts: what to tell a student for whom this fact is wrong.
    remarks : mapping
        For facts of a step that is not needed for a pass: what to say beside it, instead of the step's remark.
    shares : bool
        Whether the numbers along the last axis should add up to 1.
    clue : callable, optional
        Says what can be seen in a wrong result of this step in particular; empty if nothing.
    alone : callable, optional
        Gives the first batch element's part, computed from that element alone.
    says_it_all : bool
        Whether `told` says what is wrong, and no misconception could say it better.
    """

    what: str
    got: Any
    expected: Callable[[], Any]
    axes: Sequence[str] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    also: Callable[[], list[torch.Tensor]] | None = None
    dtype: torch.dtype | None = None
    told: Mapping[str, str] = field(default_factory=dict)
    remarks: Mapping[str, str] = field(default_factory=dict)
    shares: bool = False
    clue: Callable[[torch.Tensor], str] | None = None
    alone: Callable[[], torch.Tensor] | None = None
    says_it_all: bool = False

    def __post_init__(self) -> None:
        self.expected = functools.cache(self.expected)

    @functools.cached_property
    def right(self) -> bool:
        """Whether what came is what should have come."""
        return self.accepts(self.got)

    def accepts(self, got: Any) -> bool:
        """Whether `got` is what should have come."""
        if self.dtype is not None and getattr(got, "dtype", None) != self.dtype:
            return False
        return same(got, self.expected()) or any(same(got, other) for other in (self.also() if self.also else []))


def seen_facts(what: str, facts: Mapping[str, tuple[Any, str]], says_it_all: bool = False) -> Seen:
    """Return facts that should all be True: each is True or what it is instead, and has the sentence for a student."""
    got = {name: fact for name, (fact, _) in facts.items()}
    told = {name: sentence for name, (_, sentence) in facts.items() if sentence}
    return Seen(what, got, lambda: dict.fromkeys(got, True), told=told, says_it_all=says_it_all)


def same(one: Any, other: Any, slack: float = 1.0) -> bool:
    """Whether two results are the same up to rounding: tensors, numbers by name, or facts.

    Parameters
    ----------
    one : Any
        What came: its precision decides how much rounding is allowed.
    other : Any
        What it is compared with.
    slack : float
        How many times more rounding is allowed.
    """
    import torch

    if not isinstance(one, torch.Tensor) or not isinstance(other, torch.Tensor):
        return type(one) is type(other) and bool(one == other)
    if one.shape != other.shape:
        return False
    return bool(close(one, other, slack).all())


def close(one: torch.Tensor, other: torch.Tensor, slack: float = 1.0) -> torch.Tensor:
    """Return, place by place, whether two tensors of one shape agree up to rounding; NaN agrees with NaN."""
    a, b = one.detach().cpu().double(), other.detach().cpu().double()
    largest = float(b.abs().nan_to_num(nan=0.0, posinf=0.0).max()) if b.numel() else 0.0
    relative, absolute = ROUNDING.get(str(one.dtype), ROUNDING_OTHERWISE)
    allowed = slack * (relative * largest + absolute)
    return ((a - b).abs() <= allowed) | (a == b) | (a.isnan() & b.isnan())
