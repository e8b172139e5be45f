"""Exercise 3's check: what is expected, wrong answers and what they are told. For every check: test_checks_all.py."""

from __future__ import annotations

import pytest
import torch
from answers import wrong_3
from answers.mutate import mutated
from answers.right_3 import TorchsOwn
from checks_support import failure
from torch import nn

from helpers import checks
from helpers.checks.answer.parts import PROJECTIONS
from helpers.checks.exercises.ex_03 import self_attention as expected_output
from helpers.layers import SelfAttention

check = checks.self_attention


@pytest.mark.parametrize(("answer", "explained_by"), [w[1:] for w in wrong_3.WRONG], ids=[w[0] for w in wrong_3.WRONG])
def test_wrong_answers_fail(answer: type, explained_by: str | None) -> None:
    assert failure(check, answer).misconception == explained_by


def test_what_the_misconceptions_change_is_right_by_itself() -> None:
    for seed in range(3):
        check(SelfAttention, seed=seed, record=False)


@pytest.mark.parametrize("bias", [True, False])
def test_what_is_expected_is_what_torchs_layer_gives(bias: bool) -> None:
    k, h = 12, 3
    layer = nn.MultiheadAttention(k, h, bias=bias, batch_first=True, dtype=torch.float64)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    weights = dict(zip((f"{name}.weight" for name in PROJECTIONS), layer.in_proj_weight.chunk(3), strict=True))
    weights["unify_heads.weight"] = layer.out_proj.weight
    if bias:
        weights |= dict(zip((f"{name}.bias" for name in PROJECTIONS), layer.in_proj_bias.chunk(3), strict=True))
        weights["unify_heads.bias"] = layer.out_proj.bias
    x, context = torch.randn(2, 5, k, dtype=torch.float64), torch.randn(2, 7, k, dtype=torch.float64)
    mask = torch.rand(2, h, 5, 7) < 0.7
    mask[..., 0] = True
    expected, _ = layer(x, context, context, attn_mask=~mask.flatten(0, 1))
    torch.testing.assert_close(expected_output(weights, h, x, mask, context), expected)
    torch.testing.assert_close(expected_output(weights, h, x), layer(x, x, x)[0])


OWN_WIDTH = "if self.h * self.d != k:\n            return super().forward(x, mask, context)"
EMPTY_ROW = "if empty.any():\n                return super().forward(x, mask, context)"


@pytest.mark.parametrize(
    ("code", "handed_on", "words"),
    [
        (OWN_WIDTH, "x, None, context", "the mask has no effect"),
        (OWN_WIDTH, "x, mask", "must match"),
        (EMPTY_ROW, "x, mask", "must match"),
    ],
)
def test_masks_and_contexts_are_looked_at_together_with_what_is_rare(code: str, handed_on: str, words: str) -> None:
    answer = mutated(TorchsOwn, (code, code.replace("x, mask, context", handed_on)))
    for seed in (1, 22, 333):
        assert words in str(failure(check, answer, seed))


def test_a_context_as_long_as_the_text_is_a_context_too() -> None:
    answer = mutated(
        TorchsOwn,
        ("x if context is None else context", "x if context is None or context.shape == x.shape else context"),
    )
    for seed in (1, 22, 333):
        assert "`context` changes nothing" in str(failure(check, answer, seed))


def test_an_answer_that_stops_at_inputs_that_are_not_contiguous_gets_a_remark(
    capsys: pytest.CaptureFixture[str],
) -> None:
    checks.self_attention(
        mutated(TorchsOwn, ("k = x.shape[-1]", "k = x.view(-1, x.shape[-1]).shape[-1]")), record=False
    )
    assert "for an input that is not contiguous" in capsys.readouterr().out
    checks.self_attention(TorchsOwn, record=False)
    assert "not contiguous" not in capsys.readouterr().out
