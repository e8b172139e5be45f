"""Exercise 13a's check: what is expected, wrong answers and what they are told. For every check: test_checks_all.py."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from answers import right_13a
from checks_support import failure as failure_of

from helpers import checks
from helpers.checks.exercises.ex_13a import expected_scores

SEEDS = (1, 22, 333)

failure = partial(failure_of, checks.induction_scores)


def test_the_oracle_takes_one_weight_for_each_word_of_the_second_time() -> None:
    weights = np.arange(2 * 6 * 6.0).reshape(2, 6, 6)
    wanted = [(head[3, 1] + head[4, 2] + head[5, 3]) / 3 for head in weights]
    np.testing.assert_allclose(expected_scores(torch.tensor(weights), 3).numpy(), wanted)


def whole_diagonal(weights: torch.Tensor, period: int) -> torch.Tensor:
    return weights.diagonal(offset=1 - period, dim1=-2, dim2=-1).mean(-1)


def diagonal_of_the_same_word(weights: torch.Tensor, period: int) -> torch.Tensor:
    return weights.diagonal(offset=-period, dim1=-2, dim2=-1).mean(-1)


def diagonal_of_the_word_before(weights: torch.Tensor, period: int) -> torch.Tensor:
    return weights.diagonal(offset=-1, dim1=-2, dim2=-1)[:, period - 1 :].mean(-1)


def all_queries(weights: torch.Tensor, period: int) -> torch.Tensor:
    return weights.diagonal(offset=1 - period, dim1=-2, dim2=-1)[:, 1:].sum(-1) / weights.shape[1]


def columns_look(weights: torch.Tensor, period: int) -> torch.Tensor:
    return weights.diagonal(offset=period - 1, dim1=-2, dim2=-1)[:, 1:].mean(-1)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (whole_diagonal, "one query too many"),
        (diagonal_of_the_same_word, "the same word"),
        (diagonal_of_the_word_before, "the word just before"),
        (all_queries, "divided by the whole line"),
        (columns_look, "queries and keys exchanged"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_an_answer_written_otherwise_is_recognised_by_what_it_does(answer: Any, name: str) -> None:
    for seed in SEEDS:
        assert failure(answer, seed).misconception == name


def in_place(weights: torch.Tensor, period: int) -> torch.Tensor:
    scores = right_13a.with_diagonal(weights, period)
    weights.zero_()
    return scores


def one_number(weights: torch.Tensor, period: int) -> float:
    return right_13a.with_diagonal(weights, period).mean().item()


def remembering(weights: torch.Tensor, period: int) -> torch.Tensor:
    memo = remembering.__dict__.setdefault("memo", {})
    return memo.setdefault((weights.data_ptr(), weights.shape), right_13a.with_diagonal(weights, period))


def nothing(weights: torch.Tensor, period: int) -> None:
    right_13a.with_diagonal(weights, period)


def of_twelve_words(weights: torch.Tensor, period: int) -> torch.Tensor:
    return right_13a.with_diagonal(weights, 12)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (in_place, "changes its input `weights` in place"),
        (one_number, "returns a plain Python number"),
        (remembering, "other weights, as many as those before"),
        (nothing, "returns None"),
        (of_twelve_words, "."),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_answer_is_told_what_differs(answer: Any, words: str) -> None:
    for seed in SEEDS:
        vars(answer).clear()  # what it remembers of the seed before
        failed = failure(answer, seed)
        assert re.search(words, str(failed)), str(failed)
        assert failed.misconception is None


def test_open_blanks_are_counted_and_named() -> None:
    def skeleton(weights: torch.Tensor, period: int) -> torch.Tensor:
        queries = ...
        keys = ...
        return queries or keys or ...

    assert "3 blanks are still open" in str(failure(skeleton))


def remarks_on(answer: Any, capsys: pytest.CaptureFixture[str]) -> str:
    checks.induction_scores(answer, seed=1, record=False)
    return capsys.readouterr().out


def test_what_no_text_asks_for_is_a_remark(capsys: pytest.CaptureFixture[str]) -> None:
    assert "another device" in remarks_on(right_13a.with_a_mask, capsys)
    assert "no gradient reaches the weights" in remarks_on(right_13a.with_numpy, capsys)
    assert "in float64" in remarks_on(right_13a.with_plain_numbers, capsys)
    assert "One thing" not in remarks_on(right_13a.with_diagonal, capsys)
