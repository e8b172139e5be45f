"""What dropout does, as facts that do not depend on which numbers happen to be dropped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn

from helpers.checks.answer.subject import Subject
from helpers.checks.answer.undisturbed import reseed
from helpers.checks.engine.seen import Seen, close, seen_facts

Facts = dict[str, tuple[Any, str]]


def how_often(share: float, p: float, count: int) -> bool | str:
    """Return whether a share of `count` numbers is what dropping each with probability p gives, or else what it is.

    Within seven standard deviations: a right answer fails once in 10^12 checks.
    """
    chances: dict[bool | str, float] = {True: p, "as often as 1 - p": 1 - p, "as if dropped twice": 1 - (1 - p) ** 2}
    for word, chance in chances.items():
        if abs(share - chance) < 7 * math.sqrt(chance * (1 - chance) / count):
            return word
    return "otherwise"


def dropped_facts(came: torch.Tensor, clean: torch.Tensor, p: float, single: str, of: str) -> Facts:
    """Return what is as it should be in numbers after dropout: their share, the rest, and that each falls on its own.

    Parameters
    ----------
    came, clean : tensor
        The numbers in train mode, and without dropout, none of which is 0.
    p : float
        The probability that one is dropped.
    single, of : str
        What a message calls one of the numbers, and all of them.
    """
    kept = came != 0
    share = how_often(1 - kept.double().mean().item(), p, kept.numel())
    rest = bool(close(came.double(), clean / (1 - p), 100.0)[kept].all())
    one_by_one = all(bool((kept != kept.narrow(axis, 0, 1)).any()) for axis in range(kept.dim()))
    return {
        "each on its own": (one_by_one, f"Each {single} should be dropped or kept on its own; here they go together."),
        "as often as p": (share, f"About {p:.0%} of {of} should be exactly 0 in each call."),
        "the rest made up for": (rest, f"The numbers that are kept should be those of {of}, divided by 1 - {p}."),
    }


def seen_the_same_twice(first: torch.Tensor, second: torch.Tensor, asked: bool = True) -> Seen:
    """Return whether two calls agree: in eval mode, or of a layer made with dropout=0, for which nobody `asked`."""
    told = "Two calls with the same input differ "
    if asked:
        told += "in eval mode: dropout belongs to training only."
    else:
        told += "although dropout=0. Is the argument handed on, as in `nn.Dropout(dropout)`?"
    mode = "Eval mode" if asked else "Train mode"
    return seen_facts(mode, {"the same twice": (torch.equal(first, second), told)}, says_it_all=not asked)


@contextmanager
def in_train_mode(layer: nn.Module) -> Iterator[None]:
    """Switch a layer that is shared to train mode, and back to eval mode."""
    layer.train()
    try:
        yield
    finally:
        layer.eval()


class Called(NamedTuple):
    """A layer, and a call of it."""

    layer: nn.Module
    call: Callable[[], torch.Tensor]


def seen_with_dropout(first: torch.Tensor, second: torch.Tensor, p: float | None) -> Seen:
    """Return whether two calls in train mode differ; p is None for a layer that was told nothing."""
    shown = "dropout is 0.1 where nothing else is said" if p is None else f"dropout={p}"
    told = f"Two calls with the same input give the same output although {shown}: nothing is dropped."
    facts = {"random": (not torch.equal(first, second), told)}
    return seen_facts("Dropout in train mode", facts, says_it_all=p is None)


def seen_in_train_mode(case: Called, p: float | None) -> Seen:
    """Call a layer twice in train mode, and return whether the outputs differ."""
    with in_train_mode(case.layer):
        return seen_with_dropout(case.call(), case.call(), p)


def seen_default_dropout(subject: Subject, case_with: Callable[[float | None], Called]) -> Iterator[Seen]:
    """Yield whether a layer that is told nothing drops as one with dropout=0.1 does.

    Parameters
    ----------
    subject : Subject
        The answer.
    case_with : callable
        Gives a case with this dropout, or with none named; the same weights and inputs each time.
    """

    def output(dropout: float | None) -> torch.Tensor:
        case = case_with(dropout)
        reseed(subject.seeds[1])
        with in_train_mode(case.layer):
            return case.call()

    first = output(None)
    yield seen_in_train_mode(case_with(None), None)
    told = "Where nothing else is said, dropout is 0.1. Here it is another number."
    same_as_named = torch.equal(output(0.1), first) or not torch.equal(output(None), first)  # random in its own way
    yield seen_facts("The default of dropout", {"0.1": (same_as_named, told)}, says_it_all=True)
