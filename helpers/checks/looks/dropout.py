"""What dropout does, as facts that do not depend on which numbers happen to be dropped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import nn

from helpers.checks.answer.subject import Subject
from helpers.checks.answer.undisturbed import reseed
from helpers.checks.engine.seen import Seen, close


def how_often(share: float, p: float, count: int) -> bool | str:
    """Return whether a share of `count` numbers is what dropping each with probability p gives, or else what it is.

    Within seven standard deviations: a right answer fails once in 10^12 checks.
    """
    chances: dict[bool | str, float] = {True: p, "as often as 1 - p": 1 - p, "as if dropped twice": 1 - (1 - p) ** 2}
    for word, chance in chances.items():
        if abs(share - chance) < 7 * math.sqrt(chance * (1 - chance) / count):
            return word
    return "otherwise"


def dropout_facts(first: torch.Tensor, second: torch.Tensor, clean: torch.Tensor, p: float) -> dict[str, bool | str]:
    """Return what is as it should be in two outputs of a layer in train mode, True or what it is instead.

    Parameters
    ----------
    first, second : tensor (b, tq, h, 2, tk)
        The weights, read off twice through values that are the identity twice, in two calls.
    clean : tensor (b, tq, h, 2, tk)
        The weights without dropout.
    p : float
        The probability that a weight is dropped.
    """
    kept = first != 0
    share = 1 - kept.double().mean().item()
    return {
        "random": not torch.equal(first, second),
        "as often as p": how_often(share, p, kept[:, :, :, 0].numel()),
        "whole weights": torch.equal(kept[:, :, :, 0], kept[:, :, :, 1]),
        "the rest made up for": bool(close(first.double(), clean / (1 - p), 100.0)[kept].all()),
        "each on its own": all(_varies(kept[:, :, :, 0], axis) for axis in range(4)),
    }


def dropout_told(p: float) -> dict[str, str]:
    """Return what to tell a student for whom one of these facts is wrong."""
    return {
        "random": "Two calls with the same input give the same output: nothing is dropped.",
        "as often as p": f"About {p:.0%} of the weights should be exactly 0 in each call.",
        "whole weights": "A dropped weight drops out for all features of its value; here single features are dropped.",
        "the rest made up for": f"The weights that are kept should be the softmax's, divided by 1 - {p}.",
        "each on its own": "Each weight should be dropped or kept on its own; here they go together in rows.",
    }


def seen_without_dropout(first: torch.Tensor, second: torch.Tensor) -> Seen:
    """Return whether two calls in eval mode agree."""
    told = {"the same twice": "Two calls with the same input differ in eval mode: dropout belongs to training only."}
    return Seen(
        "Eval mode", {"the same twice": torch.equal(first, second)}, lambda: dict.fromkeys(told, True), told=told
    )


def seen_unasked_dropout(first: torch.Tensor, second: torch.Tensor) -> Seen:
    """Return whether two calls in train mode agree, of a layer that was made with dropout=0."""
    told = {
        "the same twice": "Two calls with the same input differ although dropout=0. Is the argument handed on, as in "
        "`nn.Dropout(dropout)`?"
    }
    facts = {"the same twice": torch.equal(first, second)}
    return Seen("Train mode", facts, lambda: {"the same twice": True}, told=told, says_it_all=True)


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
    told = {"random": f"Two calls with the same input give the same output although {shown}: nothing is dropped."}
    facts = {"random": not torch.equal(first, second)}
    expected = dict.fromkeys(told, True)
    return Seen("Dropout in train mode", facts, lambda: expected, told=told, says_it_all=p is None)


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
    told = {"0.1": "Where nothing else is said, dropout is 0.1. Here it is another number."}
    same_as_named = torch.equal(output(0.1), first) or not torch.equal(output(None), first)  # random in its own way
    yield Seen("The default of dropout", {"0.1": same_as_named}, lambda: {"0.1": True}, told=told, says_it_all=True)


def _varies(kept: torch.Tensor, axis: int) -> bool:
    """Whether what is kept differs along an axis."""
    return bool((kept != kept.narrow(axis, 0, 1)).any())
