"""The checks of exercises 6a and 6b: right answers in any style pass, each misconception gets its own sentence."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import checks
from helpers.checks import exercise_6a, exercise_6b, mistakes_6a, mistakes_6b
from helpers.checks.decoder_case import expected_output
from helpers.checks.mistakes_6b import DecoderByHand
from helpers.layers import SelfAttention

SEEDS = (1, 22)


def failure(check: Callable[..., None], answer: Any, seed: int = 1) -> checks.CheckFailed:
    with pytest.raises(checks.CheckFailed) as raised:
        check(answer, seed=seed, record=False)
    return raised.value


def causal_mask(t: int) -> torch.Tensor:
    return torch.ones(t, t, dtype=torch.bool).tril()


# Right answers to 6a


def by_comparing(t: int) -> torch.Tensor:
    place = torch.arange(t)
    return place[:, None] >= place


def not_upper(t: int) -> torch.Tensor:
    return ~torch.triu(torch.ones(t, t), diagonal=1).bool()


def in_loops(t: int) -> torch.Tensor:
    mask = torch.zeros((t, t), dtype=torch.bool)
    for i in range(t):
        for j in range(i + 1):
            mask[i, j] = True
    return mask


def from_numpy(t: int) -> torch.Tensor:
    return torch.from_numpy(np.tri(t, dtype=bool))


def by_counting(t: int) -> torch.Tensor:
    return torch.eye(t).cumsum(0) > 0


def torchs_turned_round(t: int) -> torch.Tensor:
    return nn.Transformer.generate_square_subsequent_mask(t) == 0


RIGHT_MASKS = (causal_mask, by_comparing, not_upper, in_loops, from_numpy, by_counting, torchs_turned_round)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("answer", RIGHT_MASKS, ids=lambda answer: answer.__name__)
def test_right_masks_in_any_style_pass(answer: Any, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    checks.causal_mask(answer, seed=seed, record=False)
    assert capsys.readouterr().out.startswith("✓ Exercise 6a: the causal mask.")


# Right answers to 6b


class AsInTheLesson(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        hidden_dim = 2 * embed_dim if hidden_dim is None else hidden_dim
        self.self_attention = SelfAttention(embed_dim, num_heads, dropout=dropout)
        self.norm_1 = nn.LayerNorm(embed_dim)
        self.cross_attention = SelfAttention(embed_dim, num_heads, dropout=dropout)
        self.norm_2 = nn.LayerNorm(embed_dim)
        self.mlp = nn.Sequential(nn.Linear(embed_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, embed_dim))
        self.norm_3 = nn.LayerNorm(embed_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        allowed = causal_mask(x.shape[1]).to(x.device)
        if mask is not None:
            allowed = allowed & mask
        x = self.norm_1(x + self.dropout(self.self_attention(x, allowed)))
        if memory is not None:
            x = self.norm_2(x + self.dropout(self.cross_attention(x, memory_mask, context=memory)))
        return self.norm_3(x + self.dropout(self.mlp(x)))


class MadeInAnotherOrder(nn.Module):
    """Other names, the cross-attention and the last norm made first, projections with a bias."""

    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        self.c = nn.LayerNorm(embed_dim)
        self.look_up = SelfAttention(embed_dim, num_heads, dropout=dropout, bias=True)
        self.look_back = SelfAttention(embed_dim, num_heads, dropout=dropout, bias=True)
        self.b, self.a = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.down = nn.Linear(hidden_dim or 2 * embed_dim, embed_dim)
        self.up = nn.Linear(embed_dim, self.down.in_features)

    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        mask = causal_mask(x.size(1)) if mask is None else causal_mask(x.size(1)).logical_and(mask)
        x = self.a(self.look_back(x, mask) + x)
        x = x if memory is None else self.b(self.look_up(x, memory_mask, memory) + x)
        return self.c(self.down(self.up(x).relu()) + x)


class OwnNorm(nn.Module):
    def __init__(self, k: int) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(k)), nn.Parameter(torch.zeros(k))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x - x.mean(-1, keepdim=True)
        return self.gain * x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() + self.shift


class WithOwnNorms(AsInTheLesson):
    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        self.norm_1, self.norm_2, self.norm_3 = (OwnNorm(embed_dim) for _ in range(3))


class InLists(nn.Module):
    """Attentions and norms in lists, a loop for the two attentions."""

    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        hidden_dim = hidden_dim or embed_dim * 2
        self.attentions = nn.ModuleList(SelfAttention(embed_dim, num_heads, dropout=dropout) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(embed_dim) for _ in range(3))
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, hidden_dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden_dim, embed_dim)
        )

    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        past = causal_mask(x.shape[1])
        masks = [past if mask is None else past * mask, memory_mask]
        for attention, norm, allowed, context in zip(self.attentions, self.norms, masks, [x, memory], strict=False):
            if context is not None:
                x = norm(x + attention(x, allowed, context))
        return self.norms[2](x + self.mlp(x))


class WithTorchsAttention(AsInTheLesson):
    """nn.MultiheadAttention inside, whose masks mean the opposite and know no empty rows."""

    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        del self.self_attention, self.cross_attention
        self.one = nn.MultiheadAttention(embed_dim, num_heads, dropout, batch_first=True)
        self.other = nn.MultiheadAttention(embed_dim, num_heads, dropout, batch_first=True)
        self.h = num_heads

    def attend(self, layer: nn.MultiheadAttention, x: torch.Tensor, context: torch.Tensor, mask: Any) -> torch.Tensor:
        (b, t, _), tk, h = x.shape, context.shape[1], self.h
        mask = torch.ones(1, dtype=torch.bool) if mask is None else mask
        mask = mask.expand(b, h, t, tk)
        some = mask.any(-1)  # (b, h, t)
        if some.all():
            return layer(x, context, context, attn_mask=~mask.reshape(-1, t, tk), need_weights=False)[0]
        projections = zip(
            (x, context, context), layer.in_proj_weight.chunk(3), layer.in_proj_bias.chunk(3), strict=True
        )
        q, key, v = (F.linear(y, w, c).unflatten(-1, (h, -1)).transpose(1, 2) for y, w, c in projections)
        joined = F.scaled_dot_product_attention(q, key, v, mask | ~some[..., None]) * some[..., None]
        return layer.out_proj(joined.transpose(1, 2).flatten(2))

    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        past = causal_mask(x.shape[1])
        x = self.norm_1(x + self.dropout(self.attend(self.one, x, x, past if mask is None else past & mask)))
        if memory is not None:
            x = self.norm_2(x + self.dropout(self.attend(self.other, x, memory, memory_mask)))
        return self.norm_3(x + self.dropout(self.mlp(x)))


RIGHT_BLOCKS = (AsInTheLesson, DecoderByHand, MadeInAnotherOrder, WithOwnNorms, InLists, WithTorchsAttention)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("answer", RIGHT_BLOCKS, ids=lambda answer: answer.__name__)
def test_right_blocks_in_any_style_pass(answer: Any, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    checks.decoder_block(answer, seed=seed, record=False)
    assert capsys.readouterr().out.startswith("✓ Exercise 6b: the decoder block.")


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


@pytest.mark.parametrize(
    ("check", "answer"), [(checks.causal_mask, causal_mask), (checks.decoder_block, AsInTheLesson)]
)
def test_the_check_answers_in_a_fifth_of_a_second(check: Any, answer: Any) -> None:
    seconds = []
    for seed in range(5):
        started = time.process_time()
        check(answer, seed=seed, record=False)
        seconds.append(time.process_time() - started)
    assert min(seconds) < 0.2


# Misconceptions

BOTH = [(checks.causal_mask, m, mistakes_6a.MISCONCEPTIONS) for m in mistakes_6a.MISCONCEPTIONS] + [
    (checks.decoder_block, m, mistakes_6b.MISCONCEPTIONS) for m in mistakes_6b.MISCONCEPTIONS
]


@pytest.mark.parametrize("exercise", [exercise_6a.EXERCISE, exercise_6b.EXERCISE], ids=lambda e: e.id)
def test_there_are_enough_misconceptions_each_with_its_own_words(exercise: Any) -> None:
    all_of_them = exercise.misconceptions
    assert len(all_of_them) >= 8
    assert len({m.name for m in all_of_them}) == len({m.sentence for m in all_of_them}) == len(all_of_them)
    assert len(exercise.hints) == 2


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("check", "misconception", "others"), BOTH, ids=[m.name for _, m, _ in BOTH])
def test_each_misconception_is_told_its_own_sentence(check: Any, misconception: Any, others: Any, seed: int) -> None:
    failed = failure(check, misconception.answer, seed)
    assert failed.misconception == misconception.name, str(failed)
    assert misconception.sentence in str(failed)
    assert not any(other.sentence in str(failed) for other in others if other is not misconception)


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
