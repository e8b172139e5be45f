"""Exercise 0's check, the small example of lesson 00."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from checks_support import failure

from helpers import checks
from helpers.checks.exercises.ex_00 import MISTAKES

check = checks.weighted_average


def in_place(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    values *= weights
    return values.sum()


WRONG = {
    "an axis too many": (lambda values, weights: (values * weights).sum(keepdim=True, dim=0), "without axes"),
    "a number": (lambda values, weights: (values * weights).sum().item(), r"plain Python number, -?\d+\.?\d{0,4},"),
    "a NumPy number": (lambda v, w: np.average(v.detach(), weights=w.detach()), r"a NumPy number, -?\d+\.?\d{0,4},"),
    "a tuple of one": (lambda values, weights: ((values * weights).sum(),), "a comma behind what is returned"),
    "in place": (in_place, "make a new one instead"),
    "sums of their own": (lambda values, weights: values.sum() * weights.sum(), "added up on their own"),
    "all pairs": (lambda values, weights: torch.outer(values, weights).sum(), "added up on their own"),
    "no gradient for the weights": (lambda values, weights: values @ weights.detach(), "reaches the weights"),
    "through their sum alone": (lambda v, w: (v * w.detach()).sum() / w.sum(), "the gradient of the weights"),
    "through some of the weights": (
        lambda v, w: v[:2] @ w[:2] + v[2:] @ w[2:].detach(),
        "the gradient of the weights",
    ),
    "the first two": (lambda values, weights: (values * weights)[:2].sum(), "Not right yet"),
    "of three only": (lambda v, w: v[0] * w[0] + v[1] * w[1] + v[2] * w[2], "Not right yet"),
    "hard-coded": (lambda values, weights: torch.tensor(4.0), "Not right yet"),
}


@pytest.mark.parametrize(("answer", "words"), WRONG.values(), ids=WRONG)
def test_wrong_answers_fail(answer: Callable, words: str) -> None:
    failed = failure(check, answer)
    assert failed.misconception in (None, "plain sum")
    assert re.search(words, str(failed)), str(failed)


def test_lesson_00_shows_what_somebody_who_forgot_the_weights_reads() -> None:
    text = str(failure(check, MISTAKES[0].answer, seed=7))
    assert text.startswith("✗ Exercise 0: The weights play no part: this is the plain mean of the values.")
    assert "expected" in text


def test_float64_is_a_remark(capsys: pytest.CaptureFixture[str]) -> None:
    check(lambda values, weights: (values.float() * weights.float()).sum(), seed=1, record=False)
    assert "in float64" in capsys.readouterr().out
