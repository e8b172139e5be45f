"""Exercise 12c's check: what is expected, wrong answers and what they are told. For every check: test_checks_all.py."""

from __future__ import annotations

import math
import re
from functools import partial
from typing import Any

import pytest
import torch
from answers import right_12c
from answers.right_12c import from_below, in_a_loop, shifted_by_one
from checks_support import failure as failure_of
from transformers import TopPLogitsWarper

from helpers import checks
from helpers.checks.exercises.ex_12c import expected_logits

SEEDS = (1, 22, 333)
failure = partial(failure_of, checks.top_p)


@pytest.mark.parametrize("p", [0.11, 0.52, 0.93])
def test_the_oracle_is_transformers_own(p: float) -> None:
    logits = torch.randn(9, 40, generator=torch.Generator().manual_seed(1)) * 3
    theirs = TopPLogitsWarper(p)(None, logits)
    assert torch.equal(expected_logits(logits, p).float(), theirs)


def test_the_set_of_the_oracle_is_the_smallest_that_has_p() -> None:
    logits = torch.tensor([[0.5, 0.2, 0.3]]).log()
    for p, kept in ((0.0, [1, 0, 0]), (0.4, [1, 0, 0]), (0.6, [1, 0, 1]), (0.9, [1, 1, 1]), (1.0, [1, 1, 1])):
        assert expected_logits(logits, p).isfinite().int().tolist() == [kept]


# Other wrong answers


def in_place(logits: torch.Tensor, p: float) -> torch.Tensor:
    ordered, places = logits.sort(dim=-1, descending=True)
    outside = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1) >= p
    outside[:, 0] = False
    logits[torch.zeros_like(outside).scatter(-1, places, outside)] = -math.inf
    return logits


def one_less(logits: torch.Tensor, p: float) -> torch.Tensor:
    """The least likely of the kept ones goes, unless it is the only one."""
    kept = from_below(logits, p)
    least = kept.masked_fill(kept.isinf(), math.inf).min(-1, keepdim=True).values
    only = kept.isfinite().sum(-1, keepdim=True) == 1
    return kept.masked_fill((kept == least) & ~only, -math.inf)


def a_fixed_number(logits: torch.Tensor, p: float) -> torch.Tensor:
    least = logits.topk(min(5, logits.shape[-1])).values[:, -1:]
    return logits.masked_fill(logits < least, -math.inf)


def rescaled(logits: torch.Tensor, p: float) -> torch.Tensor:
    return from_below(logits, p) / 2


def of_the_whole_batch(logits: torch.Tensor, p: float) -> torch.Tensor:
    return from_below(logits.flatten()[None], p).view(logits.shape)


def remembering(logits: torch.Tensor, p: float) -> torch.Tensor:
    return vars(remembering).setdefault(f"{logits.shape}", from_below(logits, p))


def ids(logits: torch.Tensor, p: float) -> torch.Tensor:
    return from_below(logits, p).argmax(-1)


def drawn(logits: torch.Tensor, p: float) -> torch.Tensor:
    kept = from_below(logits, p)
    return kept.masked_fill(torch.rand(kept.shape) < 0.3, -math.inf)


def flat(logits: torch.Tensor, p: float) -> torch.Tensor:
    return from_below(logits, p)[0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (in_place, "changes its input `logits` in place"),
        (one_less, "tokens stay, and|dropped"),
        (a_fixed_number, "tokens stay, and|a share of the vocabulary"),
        (rescaled, "with other logits than they had"),
        (of_the_whole_batch, "depends on the others in its batch|tokens stay, and"),
        (remembering, "tokens stay, and|Not right yet"),
        (ids, "real numbers are wanted"),
        (drawn, "random"),
        (flat, "shape"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_answer_is_told_what_differs(answer: Any, words: str) -> None:
    for seed in SEEDS:
        vars(answer).clear()
        failed = failure(answer, seed)
        assert re.search(words, str(failed)), str(failed)


def test_open_blanks_are_counted() -> None:
    def skeleton(logits: torch.Tensor, p: float) -> torch.Tensor:
        before = ...
        outside = ...
        return before or outside

    assert "2 blanks are still open" in str(failure(skeleton))


def remarks_on(answer: Any, capsys: pytest.CaptureFixture[str]) -> str:
    checks.top_p(answer, seed=1, record=False)
    return capsys.readouterr().out


def test_one_more_where_the_total_is_exactly_p_is_a_remark(capsys: pytest.CaptureFixture[str]) -> None:
    assert "two have exactly p" in remarks_on(shifted_by_one, capsys)
    for answer in (from_below, in_a_loop, right_12c.by_two_sorts):
        assert "exactly p" not in remarks_on(answer, capsys)


def test_a_message_names_no_place_where_minus_infinity_is_right() -> None:
    assert "expected -inf, got -inf" not in str(failure(a_fixed_number))


def refuses_one(logits, p):  # type: ignore[no-untyped-def]
    assert p < 0.95
    return from_below(logits, p)


def past_the_end(logits, p):  # type: ignore[no-untyped-def]
    ordered = logits.sort(dim=-1, descending=True).values
    last = (ordered.softmax(-1).cumsum(-1) < p).sum(-1, keepdim=True)
    return logits.masked_fill(logits < ordered.gather(-1, last), -torch.inf)


@pytest.mark.parametrize("answer", [refuses_one, past_the_end])
def test_p_may_be_one(answer: Any) -> None:
    for seed in SEEDS:
        failure(answer, seed)
