"""Exercise 4's check: what is expected, wrong answers and what they are told. For every check: test_checks_all.py."""

from __future__ import annotations

import pytest
import torch
from answers import right_4, wrong_4
from answers.mutate import mutated
from checks_support import failure
from torch import nn

from helpers import checks
from helpers.checks.answer.parts import PROJECTIONS
from helpers.checks.exercises.ex_04 import block as expected_output
from helpers.layers import TransformerBlock

check = checks.transformer_block


@pytest.mark.parametrize(("answer", "explained_by"), [w[1:] for w in wrong_4.WRONG], ids=[w[0] for w in wrong_4.WRONG])
def test_wrong_answers_fail(answer: type, explained_by: str | None) -> None:
    assert failure(check, answer).misconception == explained_by


def test_what_the_misconceptions_change_is_right_by_itself() -> None:
    for seed in range(3):
        check(TransformerBlock, seed=seed, record=False)


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_what_is_expected_is_what_torchs_layer_gives(norm_first: bool, activation: str) -> None:
    k, h, eps = 12, 3, 0.1
    layer = nn.TransformerEncoderLayer(
        k, h, 20, 0.0, activation, eps, batch_first=True, norm_first=norm_first, dtype=torch.float64
    )
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    inside = layer.self_attn
    weights = {}
    for i, name in enumerate(PROJECTIONS):
        weights[f"attention.{name}.weight"] = inside.in_proj_weight.chunk(3)[i]
        weights[f"attention.{name}.bias"] = inside.in_proj_bias.chunk(3)[i]
    named = {"attention.unify_heads": inside.out_proj, "norm_1": layer.norm1, "norm_2": layer.norm2}
    for name, part in (named | {"mlp_1": layer.linear1, "mlp_2": layer.linear2}).items():
        weights[f"{name}.weight"], weights[f"{name}.bias"] = part.weight, part.bias
    x = torch.randn(2, 5, k, dtype=torch.float64)
    causal = torch.ones(5, 5, dtype=torch.bool).tril()
    expected = layer(x, src_mask=~causal)
    torch.testing.assert_close(expected_output(weights, h, x, causal, norm_first, activation, eps), expected)


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        (
            [("self.dropout(self.attention(self.norm_1(x), mask))", "self.attention(self.norm_1(x), mask)")],
            ["attention r"],
        ),
        ([("self.dropout(self.attention(x, mask))", "self.attention(x, mask)")], ["attention r"]),
        ([("self.dropout(self.mlp(self.norm_2(x)))", "self.mlp(self.norm_2(x))")], ["MLP r"]),
        ([("num_heads, dropout=dropout", "num_heads, dropout=0.0")], ["attention's weights"]),
        (
            [
                ("num_heads, dropout=dropout", "num_heads, dropout=0.0"),
                ("self.dropout(self.attention(x, mask))", "self.attention(x, mask)"),
            ],
            ["attention's weights", "attention r"],
        ),
        ([("x + self.dropout(self.mlp(x))", "self.dropout(x + self.mlp(x))")], ["never gives what comes out"]),
    ],
)
def test_dropout_falls_where_the_text_says_and_each_place_that_is_missing_is_named(
    changes: list[tuple[str, str]], places: list[str]
) -> None:
    told = str(failure(check, mutated(right_4.AsInTheLesson, *changes)))
    assert all(place in told for place in places), told
    assert "train mode" in told


def test_dropout_inside_the_mlp_too_is_right_as_in_torchs_own_block() -> None:
    inside = '{"relu": nn.ReLU, "gelu": nn.GELU}[activation](),\n            nn.Dropout(dropout),'
    check(
        mutated(right_4.AsInTheLesson, (inside, inside.replace("\n            nn.Dropout(dropout),", ""))), record=False
    )
    check(right_4.AsInTheLesson, record=False)


class AnotherDefault(right_4.AsInTheLesson):
    def __init__(self, embed_dim, num_heads, hidden_dim=None, dropout=0.2, **options):
        super().__init__(embed_dim, num_heads, hidden_dim, dropout, **options)


class AsWideAsTheModel(right_4.AsInTheLesson):
    def __init__(self, embed_dim, num_heads, hidden_dim=None, dropout=0.1, **options):
        super().__init__(embed_dim, num_heads, hidden_dim or embed_dim, dropout, **options)


class OneNormForAllBlocks(right_4.AsInTheLesson):
    norms: dict = {}  # noqa: RUF012

    def __init__(self, embed_dim, num_heads, hidden_dim=None, dropout=0.1, norm_first=False, bias=False, **options):
        super().__init__(embed_dim, num_heads, hidden_dim, dropout, norm_first, bias, **options)
        self.norm_1 = self.norms.setdefault(embed_dim, self.norm_1)


class SwitchesItselfToEval(right_4.AsInTheLesson):
    def forward(self, x, mask=None):
        self.eval()
        return super().forward(x, mask)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (AnotherDefault, "dropout is 0.1. Here it is another number"),
        (AsWideAsTheModel, "`mlp` should hold two linear layers"),
        (OneNormForAllBlocks, "something is kept from one time to the next"),
        (SwitchesItselfToEval, "switches to eval mode"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_block_is_told_what_differs(answer: type, words: str) -> None:
    for seed in range(3):
        failed = failure(check, answer, seed)
        assert words in str(failed), str(failed)
        assert failed.misconception is None


def test_a_text_of_padding_is_looked_at_with_the_norm_first_too() -> None:
    line = "self.attention(self.norm_1(x), mask)"
    answer = mutated(
        right_4.AsInTheLesson,
        (line, f"({line} + (0 if mask is None or mask.dim() < 4 else x * ~mask.any(-1)[:, 0, :, None]))"),
    )
    for seed in (1, 22, 333):
        first_line = str(failure(check, answer, seed)).splitlines()[0]
        assert "where a word may attend to nothing" in first_line
        assert "norm_first=True" in first_line


def test_train_mode_is_looked_at_with_a_mask() -> None:
    last = "self.norm_1(x + self.dropout(self.attention(x, {}"
    answer = mutated(right_4.AsInTheLesson, (last.format("mask"), last.format("None if self.training else mask")))
    for seed in (1, 22, 333):
        told = str(failure(check, answer, seed))
        assert "in train mode with dropout=0" in told
        assert "depends on the others" not in told
