"""Misconceptions about the causal mask, as small wrong implementations."""

from __future__ import annotations

import math

import torch

from helpers.checks.engine.run import Misconceptions

MISCONCEPTIONS = Misconceptions()


def _all(t: int) -> torch.Tensor:
    return torch.ones(t, t, dtype=torch.bool)


@MISCONCEPTIONS(
    "nothing is hidden",
    "Every word may attend to every other: this mask hides nothing. Words that are not written yet must be False.",
)
def nothing_hidden(t: int) -> torch.Tensor:
    return _all(t)


@MISCONCEPTIONS(
    "True means hidden",
    "The mask is the wrong way round: here True means that a key may be attended to. (torch's own layers mean the "
    "opposite by True.)",
)
def inverted(t: int) -> torch.Tensor:
    return _all(t).triu(1)


@MISCONCEPTIONS(
    "the other triangle",
    "Each word may look at itself and at what comes after it. A row is a query, a column is a key: turn it round.",
)
def upper_triangle(t: int) -> torch.Tensor:
    return _all(t).triu()


@MISCONCEPTIONS(
    "without the diagonal",
    "No word may attend to itself, so the first one has nothing to attend to at all. The diagonal is allowed.",
)
def without_diagonal(t: int) -> torch.Tensor:
    return _all(t).tril(-1)


@MISCONCEPTIONS(
    "all but itself",
    "Each word may attend to all the others, and not to itself. It is the later words that must be hidden.",
)
def all_but_diagonal(t: int) -> torch.Tensor:
    return ~torch.eye(t, dtype=torch.bool)


@MISCONCEPTIONS(
    "one word too far",
    "Each word may look one word ahead: at the very word that it should predict. The triangle ends at the diagonal.",
)
def one_ahead(t: int) -> torch.Tensor:
    return _all(t).tril(1)


@MISCONCEPTIONS("only itself", "Each word may attend to itself alone. What stands before it is allowed, too.")
def only_itself(t: int) -> torch.Tensor:
    return torch.eye(t, dtype=torch.bool)


@MISCONCEPTIONS(
    "only the last two",
    "Each word may attend to itself and the one before it. Everything that stands before it is allowed.",
)
def last_two(t: int) -> torch.Tensor:
    return _all(t).tril().triu(-1)


@MISCONCEPTIONS("mirrored", "The triangle is mirrored: the first word may look at everything but the first words.")
def mirrored(t: int) -> torch.Tensor:
    return _all(t).tril().flip(1)


@MISCONCEPTIONS(
    "0 and minus infinity",
    "These are numbers to be added to the scores, 0 and minus infinity. The course's masks are True and False.",
)
def to_be_added(t: int) -> torch.Tensor:
    return torch.full((t, t), -math.inf).triu(1)


@MISCONCEPTIONS(
    "numbers for True and False",
    "The triangle is right, but it holds the numbers 1.0 and 0.0. Make it of True and False: `dtype=torch.bool`.",
)
def numbers(t: int) -> torch.Tensor:
    return torch.ones(t, t).tril()


@MISCONCEPTIONS(
    "whole numbers for True and False",
    "The triangle is right, but it holds the whole numbers 1 and 0. Make it of True and False: `dtype=torch.bool`.",
)
def whole_numbers(t: int) -> torch.Tensor:
    return torch.ones(t, t, dtype=torch.long).tril()


@MISCONCEPTIONS(
    "axes for batch and heads",
    "The triangle is right, but it has axes for batch and heads. (t, t) is enough: it fits every text and every head.",
)
def with_more_axes(t: int) -> torch.Tensor:
    return _all(t).tril()[None, None]
