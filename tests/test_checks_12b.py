"""Exercise 12b's check: what is expected, wrong answers and what they are told. For every check: test_checks_all.py."""

from __future__ import annotations

import inspect
import re
from functools import partial
from typing import Any

import pytest
import torch
from answers.mutate import defined, mutated
from answers.right_12b import Expanded, InGroups, TurnedLate, WithTorchsFunction
from checks_support import failure as failure_of
from torch import nn
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaRotaryEmbedding

from helpers import checks, layers
from helpers.checks.exercises.ex_12b import grouped_attention

SEEDS = (1, 22)
failure = partial(failure_of, checks.grouped_query_attention)


def test_the_oracle_is_transformers_own_layer() -> None:
    torch.manual_seed(0)
    config = LlamaConfig(hidden_size=48, num_attention_heads=6, num_key_value_heads=2, attn_implementation="eager")
    theirs = LlamaAttention(config, layer_idx=0).eval()
    x = torch.randn(2, 7, 48)
    positions = LlamaRotaryEmbedding(config)(x, torch.arange(7)[None])
    causal = torch.full((7, 7), -torch.inf).triu(1)[None, None]
    names = {"q_proj": "to_queries", "k_proj": "to_keys", "v_proj": "to_values", "o_proj": "unify_heads"}
    weights = {f"{ours}.weight": getattr(theirs, name).weight.double() for name, ours in names.items()}
    expected = theirs(hidden_states=x, position_embeddings=positions, attention_mask=causal)[0]
    ours = grouped_attention(weights, {"h": 6, "kv": 2}, 10000.0, x.double())
    torch.testing.assert_close(ours.float(), expected, rtol=0, atol=1e-5)  # theirs is in float32


# Other wrong answers


class KeepsItsOwnCache(TurnedLate):
    """One cache for all texts, in the layer."""

    def forward(self, x, mask=None, cache=None):  # type: ignore[no-untyped-def]
        if cache is not None:
            self.__dict__.setdefault("kept", {})
            cache = self.kept
        return super().forward(x, mask, cache)


class AllHeads(TurnedLate):
    """As many key heads as query heads."""

    def __init__(self, embed_dim: int, num_heads: int, num_kv_heads: int, base: float = 10000.0) -> None:
        super().__init__(embed_dim, num_heads, num_heads, base)


class WithBias(TurnedLate):
    def __init__(self, embed_dim: int, num_heads: int, num_kv_heads: int, base: float = 10000.0) -> None:
        super().__init__(embed_dim, num_heads, num_kv_heads, base)
        self.unify_heads = nn.Linear(embed_dim, embed_dim)


class NoKeys(TurnedLate):
    def __init__(self, embed_dim: int, num_heads: int, num_kv_heads: int, base: float = 10000.0) -> None:
        super().__init__(embed_dim, num_heads, num_kv_heads, base)
        self.to_k = self.to_keys
        del self.to_keys


class GivesTheCacheToo(TurnedLate):
    def forward(self, x, mask=None, cache=None):  # type: ignore[no-untyped-def]
        return super().forward(x, mask, cache), cache


class NeedsAMask(TurnedLate):
    def forward(self, x, mask, cache=None):  # type: ignore[no-untyped-def]
        return super().forward(x, mask, cache)


class NaNAtPadding(TurnedLate):
    """What softmax makes of a row of minus infinities."""

    def forward(self, x, mask=None, cache=None):  # type: ignore[no-untyped-def]
        out = super().forward(x, mask, cache)
        if mask is None:
            return out
        t = x.shape[1]
        some = (torch.ones(t, mask.shape[-1], dtype=torch.bool).tril(mask.shape[-1] - t) & mask).any(-1).any(1)
        return out.masked_fill(~some[..., None], torch.nan)


class LooksAtHeadZero(TurnedLate):
    def forward(self, x, mask=None, cache=None):  # type: ignore[no-untyped-def]
        return super().forward(x, mask if mask is None else mask[:, :1], cache)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (AllHeads, "`to_keys` maps .* num_kv_heads"),
        (WithBias, "`unify_heads` has a bias, and should have none"),
        (NoKeys, "has no `to_keys`"),
        (GivesTheCacheToo, "returns 2 things"),
        (NeedsAMask, "missing 1 required positional argument: 'mask'"),
        (NaNAtPadding, "NaN"),
        (LooksAtHeadZero, "mask"),
        (KeepsItsOwnCache, "Not right yet|stops with"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_layer_is_told_what_differs(answer: Any, words: str) -> None:
    for seed in SEEDS:
        failed = failure(answer, seed)
        assert re.search(words, str(failed)), str(failed)


REPEATED = ("[:, :, :, None].expand(-1, -1, -1, group, -1)", "[:, :, None].expand(-1, -1, group, -1, -1)")


@pytest.mark.parametrize(
    ("answer", "old", "new", "name"),
    [
        (InGroups, "(2, (-1, g))", "(2, (g, -1)).transpose(2, 3)", None),
        (InGroups, "seen + torch.arange", "torch.arange", "positions forgotten"),
        (InGroups, "self.head_dim**0.5", "x.shape[-1]**0.5", "scaled by the model's width"),
        (WithTorchsFunction, "torch.arange(seen, seen + x.size(1)", "torch.arange(0, x.size(1)", None),
        (Expanded, *REPEATED, "heads in the wrong order"),
        (TurnedLate, "allowed & mask", "mask", "the mask replaces the causal one"),
        (TurnedLate, "every[-t:], self.base", "every[:t], self.base", None),
        (InGroups, "positions, self.base", "positions", "base has no effect"),
    ],
)  # fmt: skip
def test_a_slip_in_another_style_is_recognised(answer: Any, old: str, new: str, name: str | None) -> None:
    for seed in SEEDS:
        failed = failure(mutated(answer, (old, new)), seed)
        assert name is None or failed.misconception == name, str(failed)


def test_the_cache_may_hold_unturned_keys_but_no_copies() -> None:
    kept = 'cache["keys"], cache["values"] = k, v'
    copied = mutated(TurnedLate, (kept, f'{kept}; cache["more"] = k'))
    assert "are enough" in str(failure(copied))


def test_a_faulty_rotate_is_traced_back_to_its_exercise() -> None:
    """The student's own `rotate` is what the layer calls: its mistake is told as one of 12a."""
    both_plus = mutated(layers.rotate, ("first * cos - second", "first * cos + second"))
    source = inspect.getsource(layers.GroupedQueryAttention)
    answer = defined(source, "GroupedQueryAttention", vars(layers) | {"rotate": both_plus})
    for seed in SEEDS:
        failed = failure(answer, seed)
        assert "see 12a" in str(failed), str(failed)
        assert failed.misconception == "rotate: both with a plus"


KEEP, JOIN = 'cache["keys"], cache["values"] = keys, values', 'keys = torch.cat([cache["keys"], keys], dim=1)'


@pytest.mark.parametrize(
    "changes",
    [
        [(JOIN, "keys = torch.cat([self.kept, keys], dim=1)"), (KEEP, f"{KEEP}; self.kept = keys")],
        [(KEEP, 'cache["keys"], cache["values"] = keys[:, -64:], values[:, -64:]')],
        [("rotate(keys, positions, self.base)", "rotate(keys, positions, 10000.0 if seen else self.base)")],
    ],
    ids=["the last text's keys", "the last 64 keys", "base without a cache alone"],
)
def test_what_goes_wrong_only_with_some_cache_is_refused(changes: list[tuple[str, str]]) -> None:
    source = inspect.getsource(layers.GroupedQueryAttention)
    for old, new in changes:
        assert old in source
        source = source.replace(old, new)
    answer = defined(source, "GroupedQueryAttention", vars(layers))
    for seed in SEEDS:
        failure(answer, seed)


def test_a_cache_of_another_layout_is_a_remark(capsys: pytest.CaptureFixture[str]) -> None:
    checks.grouped_query_attention(WithTorchsFunction, seed=1, record=False)
    assert "filled cache" not in capsys.readouterr().out
    checks.grouped_query_attention(mutated(TurnedLate, ('"keys"', '"k"')), seed=1, record=False)
    assert "hands over a filled cache" in capsys.readouterr().out
