"""Exercise 2's check: what is expected, wrong answers and what they are told. For every check: test_checks_all.py."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from answers import wrong_2
from answers.mutate import mutated
from answers.right_2 import WithBmm
from checks_support import failure
from torch import nn

from helpers import checks
from helpers.checks.exercises.ex_02 import CHECK_ANSWER, CHECK_TENSORS
from helpers.layers import DotProductAttention

check = checks.dot_product_attention


@pytest.mark.parametrize(("answer", "explained_by"), [w[1:] for w in wrong_2.WRONG], ids=[w[0] for w in wrong_2.WRONG])
def test_wrong_answers_fail(answer: type, explained_by: str | None) -> None:
    assert failure(check, answer).misconception == explained_by


def test_what_the_misconceptions_change_is_right_by_itself() -> None:
    q, k, v = torch.randn(2, 5, 3, 4), torch.randn(2, 7, 3, 4), torch.randn(2, 7, 3, 4)
    mask = torch.rand(2, 1, 5, 7) < 0.7
    mask[0, :, 0] = False
    expected = F.scaled_dot_product_attention(*(x.transpose(1, 2) for x in (q, k, v)), attn_mask=mask)
    torch.testing.assert_close(DotProductAttention(0.0)(q, k, v, mask), expected.transpose(1, 2).flatten(2))
    check(DotProductAttention, record=False)


def test_a_hard_coded_example_fails() -> None:
    class Parrot(nn.Module):
        def __init__(self, dropout):
            super().__init__()

        def forward(self, queries, keys, values, mask=None):
            if queries.shape == (1, 3, 1, 4):
                return torch.tensor([CHECK_ANSWER])
            return queries.flatten(2)

    queries, keys, values = (torch.tensor(x, dtype=torch.float32) for x in CHECK_TENSORS)
    assert Parrot(0)(queries, keys, values).tolist() == [CHECK_ANSWER]
    failure(check, Parrot)


def test_a_failure_says_what_is_right_so_far_and_repeats_with_its_seed() -> None:
    wrong = mutated(WithBmm, ("return out.transpose(1, 2).contiguous()", "return out.contiguous()"))
    failed = failure(check, wrong, seed=None)
    assert "Right so far: the scores, the weights, the weighted values." in str(failed)
    assert failed.seed is not None
    assert "seed" not in str(failed)  # nobody has to read it
    assert str(failure(check, wrong, failed.seed)) == str(failed)


def test_sizes_and_numbers_are_fresh_each_time() -> None:
    wrong = mutated(WithBmm, ("dim=2", "dim=1"))
    assert len({str(failure(check, wrong, seed=None)) for _ in range(3)}) == 3


def ending(code: str) -> list[tuple[str, str]]:
    """Change what the answer returns."""
    return [("return out.transpose", f"{code}; return out.transpose")]


DIFFERENT = [
    ([(".view(b, tq, h * d)", ".view(b, tq, h * d).transpose(1, 2)")], "should have the shape (b, tq, "),
    ([("F.softmax(scores, dim=2)", "torch.log_softmax(scores, dim=2)")], "The rows do not sum to 1"),
    ([("torch.bmm(weights, values)", "torch.bmm(weights, values).view(b, -1)[:1].repeat(b, 1)")], "in the first batch"),
    (ending("out[:, 1:] = out[:, :1]"), "right for one head, and wrong for several"),
    ([('"-inf"', '"-3"'), ("masked_fill(~mask, 0)", "abs()")], "A key that the mask forbids still gets a weight"),
    (ending("out = out - out.max(); out = out / out"), "begins in line"),
    ([("self.calculate_score(queries, keys)", "self.calculate_score(queries, keys.detach())")], "reaches `keys`"),
    (ending("out = out.float()"), "from inputs in torch.float64"),
    (
        ending("out = out + 0.01 * out.flatten(1).cumsum(0).view_as(out).roll(1, 0)"),
        "depends on the others in its batch",
    ),
    (ending("out = out + torch.rand(1)"), "something random is switched on"),
    (ending("out = out * 3"), "Every number is 3 times what it should be"),
    (ending("self.eval()"), "switches to eval mode"),
    (
        [
            (
                "weights = F.softmax(scores, dim=2)",
                "weights = F.softmax(scores, dim=2) * ((mask is None or b > 1 or tq > 3) or mask[:, :1].mT)",
            )
        ],
        "The mask hides its word as a query, too",
    ),
    (ending("out = out.flip(-1)"), "All the right numbers are there, in the wrong places"),
    ([("torch.bmm(queries, keys.transpose(1, 2))", "torch.bmm(queries, keys)")], "`queries` ("),
    (
        [("torch.bmm(weights, values)", "torch.bmm(weights, values.mT if tk == d else values)")],
        "for sizes that all differ",
    ),
    ([("nn.Dropout(dropout)", "nn.Dropout()")], "differ although dropout=0. Is the argument handed on"),
]


@pytest.mark.parametrize(("changes", "words"), DIFFERENT, ids=[words for _, words in DIFFERENT])
def test_what_differs_is_said_in_a_students_terms(changes: list[tuple[str, str]], words: str) -> None:
    failed = failure(check, mutated(WithBmm, *changes))
    assert failed.misconception is None
    assert words in str(failed)


def test_a_scale_that_is_kept_from_the_first_call_never_passes() -> None:
    answer = next(answer for what, answer, _ in wrong_2.WRONG if what == "remembers the first scale")
    for seed in range(12):
        assert "of a layer that was used before" in str(failure(check, answer, seed))


def test_an_answer_that_stops_at_inputs_that_are_not_contiguous_gets_a_remark(
    capsys: pytest.CaptureFixture[str],
) -> None:
    check(
        mutated(
            WithBmm,
            (
                "keys.transpose(1, 2).contiguous()",
                "keys.view(b, tk, h * d).view(b, tk, h, d).transpose(1, 2).contiguous()",
            ),
        ),
        record=False,
    )
    assert "for an input that is not contiguous" in capsys.readouterr().out
    check(WithBmm, record=False)
    assert "not contiguous" not in capsys.readouterr().out


def test_dropout_that_is_applied_twice_is_never_taken_for_another_mistake() -> None:
    answer = next(answer for what, answer, _ in wrong_2.WRONG if what == "dropout twice")
    for seed in range(12):
        assert failure(check, answer, seed).misconception == "dropout applied twice"
