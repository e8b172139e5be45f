"""Exercise 6a's check: wrong answers and what they are told. For every check: test_checks_all.py."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from answers.right_6a import causal_mask
from checks_support import failure

from helpers import checks

SEEDS = (1, 22)


def only_eight(t: int) -> torch.Tensor:
    return torch.ones(9, 9, dtype=torch.bool).tril()[:t, :t]


def as_list(t: int) -> list[list[bool]]:
    return causal_mask(t).tolist()  # type: ignore[no-any-return]


def too_large(t: int) -> torch.Tensor:
    return causal_mask(t + 1)


def window(t: int) -> torch.Tensor:
    return causal_mask(t).triu(-60)


def cut_out(t: int) -> torch.Tensor:
    return causal_mask(128)[:t, :t]


def turned_for_odd(t: int) -> torch.Tensor:
    return causal_mask(t).T if t % 2 else causal_mask(t)


def without_numbers(t: int) -> torch.Tensor:
    return causal_mask(t).to("meta")


def sparse(t: int) -> torch.Tensor:
    return causal_mask(t).to_sparse()


def nothing_for_one(t: int) -> torch.Tensor:
    return causal_mask(t) & (torch.tensor(t) > 1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (cut_out, r"should have the shape .* = \(131, 131\)"),
        (without_numbers, "on the device `meta`"),
        (sparse, "to_dense"),
        (nothing_for_one, "word 0 may not attend to itself"),
        (only_eight, r"should have the shape .* = \(131, 131\)"),
        (as_list, "Python list"),
        (too_large, "should have the shape"),
        (window, "Right so far: the mask, one word, two words.*"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_mask_is_told_what_differs(answer: Any, words: str) -> None:
    for seed in SEEDS:
        failed = failure(checks.causal_mask, answer, seed)
        assert re.search(words, str(failed)), str(failed)
        assert failed.misconception is None
