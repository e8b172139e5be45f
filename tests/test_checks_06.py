"""The checks of exercises 6a and 6b: wrong answers and what they are told. For every check: test_checks_all.py."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from answers.right_6a import causal_mask
from answers.right_6b import AsInTheLesson
from checks_support import failure
from torch import nn

from helpers import checks
from helpers.checks import exercise_6a, exercise_6b
from helpers.checks.decoder_case import expected_output

SEEDS = (1, 22)


def test_the_oracle_is_torchs_own_layer() -> None:
    torch.manual_seed(3)
    layer = nn.TransformerDecoderLayer(12, 3, 20, dropout=0.0, batch_first=True).double().eval()
    weights = {"mlp_1.weight": layer.linear1.weight, "mlp_1.bias": layer.linear1.bias}
    weights |= {"mlp_2.weight": layer.linear2.weight, "mlp_2.bias": layer.linear2.bias}
    for name, attention in (("self-attention", layer.self_attn), ("cross-attention", layer.multihead_attn)):
        for kind in ("weight", "bias"):
            parts = getattr(attention, f"in_proj_{kind}").chunk(3)
            for role, part in zip(("to_queries", "to_keys", "to_values"), parts, strict=True):
                weights[f"{name}.{role}.{kind}"] = part
            weights[f"{name}.unify_heads.{kind}"] = getattr(attention.out_proj, kind)
    for number, norm in enumerate((layer.norm1, layer.norm2, layer.norm3), start=1):
        nn.init.normal_(norm.weight)
        weights |= {f"norm {number}.weight": norm.weight, f"norm {number}.bias": norm.bias}
    x, memory = torch.randn(2, 5, 12).double(), torch.randn(2, 7, 12).double()
    seen = torch.ones(2, 7, dtype=torch.bool)
    seen[1, 4:] = False
    theirs = layer(x, memory, tgt_mask=~causal_mask(5), memory_key_padding_mask=~seen)
    ours = expected_output(weights, 3, x, memory, memory_mask=seen[:, None, None])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)  # both in 64 bits


# Other wrong answers


def only_eight(t: int) -> torch.Tensor:
    return torch.ones(9, 9, dtype=torch.bool).tril()[:t, :t]


def as_list(t: int) -> list[list[bool]]:
    return causal_mask(t).tolist()  # type: ignore[no-any-return]


def too_large(t: int) -> torch.Tensor:
    return causal_mask(t + 1)


def window(t: int) -> torch.Tensor:
    return causal_mask(t).triu(-60)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (only_eight, r"should have the shape .* = \(120, 120\)"),
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


class InPlace(AsInTheLesson):
    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        with torch.no_grad():
            x *= 2
        return super().forward(x, memory, mask, memory_mask)


class NeedsMemory(AsInTheLesson):
    def forward(self, x, memory, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, memory, mask, memory_mask)


class NoMLP(AsInTheLesson):
    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        del self.mlp


class DetachedMemory(AsInTheLesson):
    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, memory if memory is None else memory.detach(), mask, memory_mask)


class NotForEmptyRows(AsInTheLesson):
    """Lets texts of padding look at everything."""

    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        if memory_mask is not None:
            memory_mask = memory_mask | ~memory_mask.any(-1, keepdim=True)
        return super().forward(x, memory, mask, memory_mask)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (InPlace, "changes its input `x` in place"),
        (NeedsMemory, "missing 1 required positional argument: 'memory'"),
        (NoMLP, "finds no MLP"),
        (DetachedMemory, "No gradient reaches memory"),
        (NotForEmptyRows, "where a word may attend to nothing"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_block_is_told_what_differs(answer: Any, words: str) -> None:
    for seed in SEEDS:
        failed = failure(checks.decoder_block, answer, seed)
        assert re.search(words, str(failed)), str(failed)
        assert failed.misconception is None


@pytest.mark.parametrize(
    ("check", "exercise"),
    [(checks.causal_mask, exercise_6a.EXERCISE), (checks.decoder_block, exercise_6b.EXERCISE)],
    ids=["6a", "6b"],
)
def test_a_second_failure_offers_the_first_hint_and_a_third_the_second(check: Any, exercise: Any) -> None:
    told = []
    for _ in range(3):
        with pytest.raises(checks.CheckFailed) as raised:
            check(exercise.misconceptions[0].answer)
        told.append(str(raised.value))
    assert "Hint" not in told[0]
    assert exercise.hints[0] in told[1]
    assert exercise.hints[1] in told[2]
