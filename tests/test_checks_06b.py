"""Exercise 6b's check: what is expected, wrong answers and what they are told. For every check: test_checks_all.py."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from answers.mutate import mutated
from answers.right_6a import causal_mask
from answers.right_6b import AsInTheLesson
from checks_support import failure
from torch import nn

from helpers import checks
from helpers.checks.exercises.ex_06b import decoder as expected_output

SEEDS = (1, 22)


def test_the_oracle_is_torchs_own_layer() -> None:
    torch.manual_seed(3)
    layer = nn.TransformerDecoderLayer(12, 3, 20, dropout=0.0, batch_first=True).double().eval()
    weights = {"mlp_1.weight": layer.linear1.weight, "mlp_1.bias": layer.linear1.bias}
    weights |= {"mlp_2.weight": layer.linear2.weight, "mlp_2.bias": layer.linear2.bias}
    for name, attention in (("self_attention", layer.self_attn), ("cross_attention", layer.multihead_attn)):
        for kind in ("weight", "bias"):
            parts = getattr(attention, f"in_proj_{kind}").chunk(3)
            for role, part in zip(("to_queries", "to_keys", "to_values"), parts, strict=True):
                weights[f"{name}.{role}.{kind}"] = part
            weights[f"{name}.unify_heads.{kind}"] = getattr(attention.out_proj, kind)
    for number, norm in enumerate((layer.norm1, layer.norm2, layer.norm3), start=1):
        nn.init.normal_(norm.weight)
        weights |= {f"norm_{number}.weight": norm.weight, f"norm_{number}.bias": norm.bias}
    x, memory = torch.randn(2, 5, 12).double(), torch.randn(2, 7, 12).double()
    seen = torch.ones(2, 7, dtype=torch.bool)
    seen[1, 4:] = False
    theirs = layer(x, memory, tgt_mask=~causal_mask(5), memory_key_padding_mask=~seen)
    ours = expected_output(weights, 3, x, memory, memory_mask=seen[:, None, None])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)  # both in 64 bits


# Other wrong answers


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


class KeptInAList(AsInTheLesson):
    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        self.norms = [self.norm_1, self.norm_2, self.norm_3]
        del self.norm_1, self.norm_2, self.norm_3

    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        allowed = causal_mask(x.shape[1])
        x = self.norms[0](x + self.self_attention(x, allowed if mask is None else allowed & mask))
        if memory is not None:
            x = self.norms[1](x + self.cross_attention(x, memory_mask, memory))
        return self.norms[2](x + self.mlp(x))


class SwitchesItselfToEval(AsInTheLesson):
    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        self.eval()
        return super().forward(x, memory, mask, memory_mask)


class SetsTheSeed(AsInTheLesson):
    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        torch.manual_seed(1)
        return super().forward(x, memory, mask, memory_mask)


class AnotherDefault(AsInTheLesson):
    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.2) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)


class NoneByDefault(AsInTheLesson):
    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.0) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)


class MasksMixedUp(AsInTheLesson):
    """Wrong only where text and memory are equally long."""

    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        if mask is not None and memory_mask is not None and mask.shape == memory_mask.shape:
            memory_mask = mask & memory_mask
        return super().forward(x, memory, mask, memory_mask)


class AnyHead(AsInTheLesson):
    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, memory, mask if mask is None else mask.any(1, keepdim=True), memory_mask)


class NormWithoutWeights(AsInTheLesson):
    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        self.norm_3 = nn.LayerNorm(embed_dim, elementwise_affine=False)


class AsWideAsTheModel(AsInTheLesson):
    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim or embed_dim, dropout)


class ForShortTexts(AsInTheLesson):
    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        self.register_buffer("past", causal_mask(64))

    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        past = self.past[: x.shape[1], : x.shape[1]]
        return super().forward(x, memory, past if mask is None else past & mask, memory_mask)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (KeptInAList, "`self.norms` is a plain list"),
        (SwitchesItselfToEval, "switches to eval mode"),
        (SetsTheSeed, "sets torch's random seed"),
        (AnotherDefault, "dropout is 0.1. Here it is another number"),
        (NoneByDefault, "the same output although dropout is 0.1 where nothing else is said"),
        (MasksMixedUp, "Not right yet: the output with a memory and a padding mask"),
        (AnyHead, "right without a mask"),
        (NormWithoutWeights, "has no weight and bias to learn"),
        (AsWideAsTheModel, "`mlp` should hold two linear layers"),
        (ForShortTexts, "Right so far: .*sizes of 1, a memory as long as the text"),
        (InPlace, "changes its input `x` in place"),
        (NeedsMemory, "missing 1 required positional argument: 'memory'"),
        (NoMLP, "`NoMLP` has no `mlp`"),
        (DetachedMemory, "No gradient reaches `memory`"),
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
    ("changes", "words"),
    [
        ([("self.dropout(self.mlp(x))", "self.mlp(x)")], "of what the MLP returns."),
        ([("self.dropout(self.cross", "(self.cross")], "of what the attention to the memory returns."),
        (
            [("num_heads, dropout=dropout", "num_heads, dropout=0.0")],
            "of the weights of the attention to x and the weights of the attention to the memory.",
        ),
        (
            [("self.dropout(self.mlp(x))", "self.mlp(x)"), ("self.dropout(self.self", "(self.self")],
            "of what the attention to x returns and what the MLP returns.",
        ),
        ([("x + self.dropout(self.mlp(x))", "self.dropout(x + self.mlp(x))")], "never gives what comes out"),
    ],
)
def test_dropout_falls_where_the_text_says_and_each_place_that_is_missing_is_named(
    changes: list[tuple[str, str]], words: str
) -> None:
    for seed in SEEDS:
        assert words in str(failure(checks.decoder_block, mutated(AsInTheLesson, *changes), seed))


def test_a_causal_mask_that_stays_behind_gets_a_remark(capsys: pytest.CaptureFixture[str]) -> None:
    checks.decoder_block(mutated(AsInTheLesson, (".to(x.device)", "")), seed=1, record=False)
    assert "on a GPU it would stop" in capsys.readouterr().out


SLIPS = [
    ("allowed = allowed & mask", "allowed = allowed and mask", "`and`, `or`, `not` and `if` want one truth value"),
    ("allowed = allowed & mask", "allowed = allowed + mask", "joined with `|` or `+`"),
    ("(x, memory_mask, context=memory)", "(x, allowed, context=memory)", "The memory has a mask of its own"),
    ("(x, memory_mask, context=memory)", "(memory, memory_mask, context=x)", "Each word of x asks"),
    ("self.norm_2(x", "self.norm_1(x", "`norm_1` stands after both attentions"),
    ("self.cross_attention(x,", "self.self_attention(x,", "`self_attention` looks at the memory, too"),
]


@pytest.mark.parametrize(("old", "new", "words"), SLIPS)
def test_a_common_slip_gets_a_sentence(old: str, new: str, words: str) -> None:
    for seed in SEEDS:
        assert words in str(failure(checks.decoder_block, mutated(AsInTheLesson, (old, new)), seed))


def test_causal_only_where_a_mask_is_given_is_called_that() -> None:
    changes = [("allowed = causal_mask(x.shape[1]).to(x.device)", "allowed = None")]
    changes.append(("allowed = allowed & mask", "allowed = causal_mask(x.shape[1]).to(x.device) & mask"))
    assert failure(checks.decoder_block, mutated(AsInTheLesson, *changes)).misconception == (
        "causal only where a mask is given"
    )


def test_an_answer_that_never_ends_is_ended_once() -> None:
    class Endless(AsInTheLesson):
        calls = 0

        def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
            Endless.calls += 1
            while True:
                pass

    assert "still running" in str(failure(checks.decoder_block, Endless))
    assert Endless.calls == 1


JOINED, HANDED_ON = "allowed = allowed & mask", "self.cross_attention(x, {},"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (HANDED_ON.format("memory_mask"), HANDED_ON.format("None if self.training else memory_mask"), "in train mode"),
        (JOINED, f"{JOINED}[:, :, :, :]", "too many indices"),
        (JOINED, f"{JOINED} if mask.dim() > 2 else allowed", r"a mask \(t, t\)"),
        (JOINED, f"{JOINED} if mask.dim() != 3 else allowed", r"a mask \(1, t, t\)"),
    ],
)
def test_masks_of_every_shape_are_looked_at_and_in_train_mode_too(old: str, new: str, words: str) -> None:
    for seed in SEEDS:
        assert re.search(words, str(failure(checks.decoder_block, mutated(AsInTheLesson, (old, new)), seed)))
