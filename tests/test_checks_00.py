"""Exercise 0's check, the small example of lesson 00."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from answers import right_0
from checks_support import failure

from helpers import checks
from helpers.checks.mistakes_0 import MISCONCEPTIONS, plain_mean

check = checks.weighted_average


@pytest.mark.parametrize("answer", right_0.ANSWERS.values(), ids=right_0.ANSWERS)
def test_right_answers_pass_in_any_style(answer: Callable) -> None:
    for seed in range(5):
        check(answer, seed=seed, record=False)


@pytest.mark.parametrize("misconception", MISCONCEPTIONS, ids=lambda m: m.name)
def test_each_misconception_gets_its_own_sentence(misconception) -> None:
    for seed in range(5):
        failed = failure(check, misconception.answer, seed)
        assert failed.misconception == misconception.name
        assert misconception.sentence in str(failed)


WRONG = {
    "an axis too many": (lambda values, weights: (values * weights).sum(keepdim=True, dim=0), "without axes"),
    "a number": (lambda values, weights: (values * weights).sum().item(), "plain Python number"),
    "no gradient for the weights": (lambda values, weights: values @ weights.detach(), "reaches the weights"),
    "the first two": (lambda values, weights: (values * weights)[:2].sum(), "Not right yet"),
    "of three only": (lambda v, w: v[0] * w[0] + v[1] * w[1] + v[2] * w[2], "Not right yet"),
    "hard-coded": (lambda values, weights: torch.tensor(4.0), "Not right yet"),
}


@pytest.mark.parametrize(("answer", "words"), WRONG.values(), ids=WRONG)
def test_wrong_answers_fail(answer: Callable, words: str) -> None:
    failed = failure(check, answer)
    assert failed.misconception is None
    assert words in str(failed)


def test_lesson_00_shows_what_somebody_who_forgot_the_weights_reads() -> None:
    text = str(failure(check, plain_mean, seed=7))
    assert text.startswith("✗ Exercise 0: The weights play no part: this is the plain mean of the values.")
    assert "expected" in text
    assert "seed=7" in text
