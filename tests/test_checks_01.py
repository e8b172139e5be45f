"""Exercise 1's check: its formula, wrong answers and what they are told. What every check does: test_checks_all.py."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
import torch
from answers.mutate import mutated
from answers.right_1 import WithLinear, WithParameters
from answers.wrong_1 import WRONG
from checks_support import failure as failure_of

from helpers import checks
from helpers.checks.exercises.ex_01 import MISTAKES, Weights
from helpers.layers import AdditiveAttention

failure = partial(failure_of, checks.additive_attention)


def test_the_formula_agrees_with_a_loop_in_plain_python() -> None:
    torch.manual_seed(1)
    parts = {"W": torch.randn(3, 2), "U": torch.randn(3, 4), "v": torch.randn(3), "U_bias": torch.randn(3)}
    parts = {name: value.double() for name, value in parts.items()}
    query, keys = torch.randn(2, 2).double(), torch.randn(2, 5, 4).double()
    mask = torch.tensor([[True, True, False, True, False], [False] * 5])
    given = {"query": query, "keys": keys, "mask": mask}
    named = {"W.weight": parts["W"], "U.weight": parts["U"], "U.bias": parts["U_bias"], "v.weight": parts["v"][None]}
    weights = Weights.oracle(Weights.__new__(Weights), named, **given)
    for text in range(2):
        powers = []
        for place in range(5):
            inside = parts["W"] @ query[text] + parts["U"] @ keys[text, place] + parts["U_bias"]
            score = sum(float(parts["v"][i]) * float(inside[i].tanh()) for i in range(3))
            powers.append(float(torch.tensor(score).double().exp()) * bool(mask[text, place]))
        for place in range(5):
            share = powers[place] / sum(powers) if any(powers) else 0.0
            assert float(weights[text, place]) == pytest.approx(share, abs=1e-6)  # exp of a float32 score


def test_the_lessons_answer_is_right() -> None:
    for seed in (1, 22, 333):
        checks.additive_attention(AdditiveAttention, seed=seed, record=False)


def test_a_number_that_hides_too_little_never_passes() -> None:
    answer = next(answer for name, answer, _ in WRONG if name == "minus 1e3")
    for seed in range(12):
        assert "must win over every score" in str(failure(answer, seed))


@pytest.mark.parametrize("before", ["scores", "~mask, torch.finfo(scores.dtype).min)"], ids=["plain", "masked"])
def test_the_maximum_of_all_texts_never_passes(before: str) -> None:
    """For small scores it would do."""
    answer = mutated(WithParameters, (f"{before}.amax(1, keepdim=True)", f"{before}.amax()"))
    for seed in range(6):
        assert "for scores in the thousands" in str(failure(answer, seed))


def test_what_fails_is_not_called_right() -> None:
    """Of the steps with sizes of 1, the first ones pass."""
    answer = next(answer for name, answer, _ in WRONG if name == "adds the query where it fits")
    told = str(failure(answer))
    assert "Right so far: the weights, the context." in told


def test_a_pass_is_recorded() -> None:
    from helpers.progress import read_progress

    checks.additive_attention(AdditiveAttention)
    assert read_progress()["1"]["passed"]


# Wrong answers


@pytest.mark.parametrize(("answer", "name"), [(a, n) for _, a, n in WRONG], ids=[what for what, _, _ in WRONG])
def test_a_wrong_answer_fails_and_is_recognised_by_what_it_does(answer: Any, name: str | None) -> None:
    failed = failure(answer)
    assert failed.misconception == name, str(failed)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("one tensor", "returns one tensor where a pair of tensors"),
        ("a list", "returns a Python list where a pair of tensors"),
        ("three things", "returns 3 things"),
        ("nothing", "returns None where a pair of tensors"),
        ("NumPy", "Stay with torch"),
        ("keys detached", "the gradient of `keys`"),
        ("query detached", "No gradient reaches `query`"),
        ("W detached", "No gradient reaches"),
        ("float32 only", "keep the dtype"),
        ("keys changed", "changes its input `keys` in place"),
        ("only the first text", "right in the first batch element only"),
        ("scores divided by 7", "Not right yet: the tensor of weights"),
        ("no W", "`W` maps 4 features to 3; it should map 4 to 5"),
        ("no v of its own", "it should map 5 to 1, from hidden_dim to one score"),
        ("minus 1e3", "must win over every score"),
        ("remembers the mask", "does it keep something of the first call"),
        ("remembers keys of this shape", "of a layer that was used before|What comes out for one text depends"),
        ("no mask in train mode", "The tensor of weights in train mode with a mask"),
        ("on the CPU", "a tensor stays on the CPU"),
        ("right unless batch and keys are equal", "Right so far: the weights, the context, sizes of 1"),
        ("W for U where it fits", "`W` and `U` share weights"),
        ("scaled in train mode", "the tensor of weights in train mode"),
        ("dropout without a mask", "In train mode, something is dropped at random"),
        ("U in a list", "`self.layers` is a plain list"),
        ("v is no parameter", "`v` is a Tensor. It should be a layer"),
    ],
)
def test_a_wrong_answer_is_told_what_differs(what: str, words: str) -> None:
    answer = next(answer for name, answer, _ in WRONG if name == what)
    told = str(failure(answer, seed=22))
    assert re.search(words, told), told


def test_open_blanks_are_counted_and_named() -> None:
    class Skeleton(WithLinear):
        def forward(self, query: torch.Tensor, keys: torch.Tensor, mask: torch.Tensor | None = None) -> Any:
            scores = ...
            if mask is not None:
                scores = scores.masked_fill(~mask, -torch.inf)
            weights = ...
            context = ...
            return context, weights

    assert "3 blanks are still open" in str(failure(Skeleton))


def test_a_second_failure_at_the_same_step_points_to_the_hint_about_it() -> None:
    told = []
    for name in ("no tanh", "softmax over the batch", "plain mean", "plain sum"):
        with pytest.raises(checks.CheckFailed) as raised:
            checks.additive_attention(next(m.answer for m in MISTAKES if m.name == name))
        told.append(str(raised.value))
    assert ["Hint" in one for one in told] == [False, True, False, True]
    assert "Hint 1, folded above the exercise" in told[1]  # about the scores
    assert "Hint 2, folded above the exercise" in told[3]  # about the context


def test_a_nan_gradient_where_nothing_may_be_attended_to_is_no_failure_but_gets_a_remark(
    capsys: pytest.CaptureFixture[str],
) -> None:
    added = mutated(
        WithLinear,
        ("scores.masked_fill(~mask, -math.inf)", "scores + torch.zeros_like(scores).masked_fill(~mask, -math.inf)"),
        ("weights.masked_fill(~mask, 0.0)", "weights.nan_to_num()"),
    )
    for seed in (1, 22):
        checks.additive_attention(added, seed=seed, record=False)
        assert "its gradient is NaN" in capsys.readouterr().out


KEPT = """        if not hasattr(self, 'kept') or self.kept.shape[:2] != keys.shape[:2]:
            self.kept = self.U(keys)
"""


def test_what_is_kept_between_calls_is_not_blamed_on_the_batch() -> None:
    keeps = mutated(WithLinear, ("        hidden =", KEPT + "        hidden ="), ("+ self.U(keys)", "+ self.kept"))
    for seed in range(6):
        told = str(failure(keeps, seed))
        assert "of a layer that was used before" in told
        assert "depends on the others in its batch" not in told


def test_what_is_kept_must_not_outlive_the_weights_that_made_it() -> None:
    """The keys that a layer has read, by their numbers: after a step of training they would be read otherwise."""
    memory = "        kept = self.__dict__.setdefault('kept', {}).setdefault(float(keys.sum()), self.U(keys))\n"
    keeps = mutated(
        WithLinear, ("        hidden =", memory + "        hidden ="), ("None] + self.U(keys)", "None] + kept")
    )
    for seed in range(6):
        assert "with other weights since" in str(failure(keeps, seed))


def test_what_is_wrong_in_train_mode_alone_never_passes() -> None:
    for what in ("scaled in train mode", "dropout without a mask", "a little dropout"):
        answer = next(answer for name, answer, _ in WRONG if name == what)
        for seed in range(12):
            assert "train mode" in str(failure(answer, seed))


def test_an_answer_that_stops_at_inputs_that_are_not_contiguous_gets_a_remark(
    capsys: pytest.CaptureFixture[str],
) -> None:
    viewed = mutated(WithLinear, ("self.U(keys)", "self.U(keys.view(-1, keys.shape[2])).view(*keys.shape[:2], -1)"))
    checks.additive_attention(viewed, seed=1, record=False)
    assert "for an input that is not contiguous" in capsys.readouterr().out
    checks.additive_attention(WithLinear, seed=1, record=False)
    assert "not contiguous" not in capsys.readouterr().out
