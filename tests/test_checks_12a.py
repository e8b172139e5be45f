"""Exercise 12a's check: what is expected, wrong answers and what they are told. For every check: test_checks_all.py."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
import torch
from answers.right_12a import with_tables
from checks_support import failure as failure_of
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from helpers import checks
from helpers.checks.exercises.ex_12a import expected_turns

SEEDS = (1, 22, 333)
failure = partial(failure_of, checks.rotate)


@pytest.mark.parametrize("base", [10000.0, 500000.0])
def test_the_oracle_is_transformers_own_function(base: float) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(hidden_size=24, num_attention_heads=3, num_key_value_heads=3)
    if getattr(config, "rope_parameters", None):
        config.rope_parameters["rope_theta"] = base
    else:
        config.rope_theta = base
    queries, keys = torch.randn(2, 2, 7, 3, 8)
    positions = torch.arange(3, 10)
    cos, sin = LlamaRotaryEmbedding(config)(queries, positions[None])
    theirs = apply_rotary_pos_emb(queries, keys, cos, sin, unsqueeze_dim=2)
    for x, turned in zip((queries, keys), theirs, strict=True):
        ours = expected_turns(x, positions, base)
        torch.testing.assert_close(ours, turned.double(), rtol=0, atol=1e-5)  # their angles are in float32


def test_dot_products_of_the_oracle_depend_on_the_distance_alone() -> None:
    query, key = torch.randn(2, 1, 1, 1, 16, dtype=torch.float64)
    places = torch.arange(50)
    turned = [expected_turns(x.expand(1, 50, 1, 16), places)[0, :, 0] for x in (query, key)]
    products = turned[0] @ turned[1].T
    for distance in range(-49, 50):
        assert float(products.diagonal(distance).std(correction=0)) < 1e-10


# Other wrong answers


def table_of_eight(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    """A table for eight positions, beyond which the last one is taken."""
    return with_tables(x, positions.clamp(max=7), base)


def table_by_place(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    """A table for as many positions as there are vectors."""
    turned = with_tables(x, torch.arange(x.shape[1]), base)
    return turned[:, positions] if int(positions.max()) < x.shape[1] else turned


def remembering(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    kept = vars(remembering).setdefault("kept", {})
    return kept.setdefault((x.shape, int(positions.sum()), base), with_tables(x, positions, base))


def in_place(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    return x.copy_(with_tables(x, positions, base))


def squeezed(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    return with_tables(x, positions, base).squeeze()


def heads_first(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    return with_tables(x, positions, base).transpose(1, 2)


def through_numpy(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    return torch.from_numpy(with_tables(x.detach(), positions, base).numpy())


def degrees(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    return with_tables(x, torch.deg2rad(positions.float()), base)


def first_text_for_all(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    return with_tables(x[:1].expand_as(x), positions, base)


def nothing(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> None:
    with_tables(x, positions, base)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (table_of_eight, "Not right yet: what is turned|positions in the thousands"),
        (table_by_place, "`positions` is ignored"),
        (remembering, "the second time"),
        (in_place, "changes its input `x` in place"),
        (squeezed, "shape"),
        (heads_first, r"\(b, t, h, d\)"),
        (through_numpy, "No gradient reaches x"),
        (degrees, "take radians"),
        (first_text_for_all, "Not right yet"),
        (nothing, "returns None"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_answer_is_told_what_differs(answer: Any, words: str) -> None:
    for seed in SEEDS:
        vars(answer).clear()
        failed = failure(answer, seed)
        assert re.search(words, str(failed)), str(failed)


def test_open_blanks_are_counted() -> None:
    def skeleton(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
        speeds = ...
        angles = ...
        return speeds or angles

    assert "2 blanks are still open" in str(failure(skeleton))


def on_the_cpu(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    half = x.shape[-1] // 2
    angles = positions[:, None] * base ** (-torch.arange(half) / half)
    first, second = x[..., :half], x[..., half:]
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def test_what_stays_on_the_cpu_and_another_dtype_are_remarks(capsys: pytest.CaptureFixture[str]) -> None:
    checks.rotate(on_the_cpu, seed=1, record=False)
    told = capsys.readouterr().out
    assert "on another device" in told
    assert "keeps the dtype of x" in told
    checks.rotate(with_tables, seed=1, record=False)
    assert "One thing" not in capsys.readouterr().out
