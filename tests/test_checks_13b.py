"""Exercise 13b's check: what is expected, wrong answers and what they are told. For every check: test_checks_all.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import pytest
import torch
from answers import right_13b
from answers.mutate import mutated
from checks_support import failure as failure_of
from torch import nn

from helpers import checks
from helpers.checks.engine.draw import Draw
from helpers.checks.exercises.ex_13b import _model, expected_logits
from helpers.layers import where_heads_meet, without_heads

SEEDS = (1, 22, 333)

failure = partial(failure_of, checks.without_heads)


def test_the_oracle_is_what_the_small_model_gives_head_by_head() -> None:
    """A plain sum over the heads that are left, with torch's own attention."""
    draw = Draw(5, "oracle")
    model, ids, sizes = _model(draw.seed)
    silent = [(1, 0), (1, 2), (2, 1)]
    with torch.no_grad():
        x = model.words(ids) + model.places.weight[: ids.shape[1]]
        for number, layer in enumerate(model.layers):
            added = layer.unify_heads.bias.expand_as(x)
            for head in range(sizes["h"]):
                part = slice(head * sizes["d"], (head + 1) * sizes["d"])
                names = ("to_queries", "to_keys", "to_values")
                q, k, v = (x @ getattr(layer, name).weight[part].T for name in names)
                found = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
                if (number, head) not in silent:
                    added = added + found @ layer.unify_heads.weight[:, part].T
            x = x + added
        torch.testing.assert_close(expected_logits(draw, silent), model.to_logits(x), atol=1e-4, rtol=1e-4)


def test_where_heads_meet_names_every_layer_in_order() -> None:
    small, _, sizes = _model(Draw(3, "plumbing").seed)
    assert where_heads_meet(small) == [(layer.unify_heads, sizes["d"]) for layer in small.layers]
    llama, _, sizes = _model(Draw(3, "plumbing").seed, llama=True)
    assert where_heads_meet(llama) == [(layer.self_attn.o_proj, sizes["d"]) for layer in llama.model.layers]


def test_the_reference_puts_everything_back_also_after_a_layer_that_is_missing() -> None:
    model, ids, _ = _model(Draw(4, "back").seed)
    before = model(ids)
    with suppress(IndexError), without_heads(model, [(0, 1), (9, 0)]):
        raise AssertionError("never reached")
    assert torch.equal(model(ids), before)
    assert not any(part._forward_pre_hooks for part in model.modules())


def no_manager(model: nn.Module, heads: list[tuple[int, int]]) -> Iterator[None]:
    """`@contextmanager` was lost."""
    yield


@contextmanager
def never_yields(model: nn.Module, heads: list[tuple[int, int]]) -> Iterator[None]:
    for matrix, _ in where_heads_meet(model):
        matrix.register_forward_pre_hook(lambda *_: None)
    return
    yield


@contextmanager
def late(model: nn.Module, heads: list[tuple[int, int]]) -> Iterator[None]:
    """Each hook looks up the loop's variables when it runs."""
    layers, hooks = where_heads_meet(model), []
    for layer, head in heads:
        matrix, width = layers[layer]

        def hook(matrix: Any, given: Any) -> torch.Tensor:
            x = given[0].clone()
            x[..., head * width : (head + 1) * width] = 0  # noqa: B023
            return x

        hooks.append(matrix.register_forward_pre_hook(hook))
    try:
        yield
    finally:
        for handle in hooks:
            handle.remove()


@contextmanager
def without_finally(model: nn.Module, heads: list[tuple[int, int]]) -> Iterator[None]:
    with right_13b.with_a_view(model, heads):
        pass
    hooks = [*map(partial(_hung, model), heads)]
    yield
    for handle in hooks:
        handle.remove()


def _hung(model: nn.Module, pair: tuple[int, int]) -> Any:
    matrix, width = where_heads_meet(model)[pair[0]]
    part = slice(pair[1] * width, (pair[1] + 1) * width)

    def hook(matrix: Any, given: Any) -> torch.Tensor:
        x = given[0].clone()
        x[..., part] = 0
        return x

    return matrix.register_forward_pre_hook(hook)


@contextmanager
def weights_restored_too_late(model: nn.Module, heads: list[tuple[int, int]]) -> Iterator[None]:
    kept = []
    for layer, head in heads:
        matrix, width = where_heads_meet(model)[layer]
        kept.append((matrix, matrix.weight.data.clone()))
        matrix.weight.data[:, head * width : (head + 1) * width] = 0
    yield
    for matrix, weight in reversed(kept):
        matrix.weight.data.copy_(weight)


@contextmanager
def restored_in_the_wrong_order(model: nn.Module, heads: list[tuple[int, int]]) -> Iterator[None]:
    """Of two heads in one layer, the second copy has the first one's zeros in it."""
    kept = []
    for layer, head in heads:
        matrix, width = where_heads_meet(model)[layer]
        kept.append((matrix, matrix.weight.data.clone()))
        matrix.weight.data[:, head * width : (head + 1) * width] = 0
    try:
        yield
    finally:
        for matrix, weight in kept:
            matrix.weight.data.copy_(weight)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (late, "the last head's number for all"),
        (without_finally, "hooks stay after an error"),
        (weights_restored_too_late, "weights not put back after an error"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_an_answer_written_otherwise_is_recognised_by_what_it_does(answer: Any, name: str) -> None:
    for seed in SEEDS:
        assert failure(answer, seed).misconception == name


@contextmanager
def one_at_a_time(model: nn.Module, heads: list[tuple[int, int]]) -> Iterator[None]:
    """Clears what others hung there before it begins: a second one inside ends the first."""
    own = [matrix for matrix, _ in where_heads_meet(model)]
    mine = {id(hook) for hook in one_at_a_time.__dict__.setdefault("hooks", [])}
    for matrix in own:
        for key in [key for key, hook in matrix._forward_pre_hooks.items() if id(hook) in mine]:
            del matrix._forward_pre_hooks[key]
    hooks = [_hung(model, pair) for pair in heads]
    one_at_a_time.__dict__["hooks"] += [hook for matrix in own for hook in matrix._forward_pre_hooks.values()]
    try:
        yield
    finally:
        for handle in hooks:
            handle.remove()


@contextmanager
def always_the_same_width(model: nn.Module, heads: list[tuple[int, int]]) -> Iterator[None]:
    """The storyteller's own width, by heart."""
    layers = where_heads_meet(model)
    hooks = []
    for layer, head in heads:

        def hook(matrix: Any, given: Any, head: int = head) -> torch.Tensor:
            x = given[0].clone()
            x[..., head * 32 : (head + 1) * 32] = 0
            return x

        hooks.append(layers[layer][0].register_forward_pre_hook(hook))
    try:
        yield
    finally:
        for handle in hooks:
            handle.remove()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (no_manager, "Leave `@contextmanager` above the function"),
        (never_yields, "didn't yield"),
        (restored_in_the_wrong_order, "Afterwards weights|says something else than before"),
        (one_at_a_time, "two open, one inside the other|inner one is closed"),
        (always_the_same_width, "says without"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_answer_is_told_what_differs(answer: Any, words: str) -> None:
    for seed in SEEDS:
        failed = failure(answer, seed)
        assert re.search(words, str(failed)), str(failed)


def test_open_blanks_are_counted_and_named() -> None:
    @contextmanager
    def skeleton(model: nn.Module, heads: list[tuple[int, int]]) -> Iterator[None]:
        hooks = []

        def hook(matrix: Any, inputs: Any) -> Any:
            return ...

        hooks += ...
        yield hook

    assert "2 blanks are still open" in str(failure(skeleton))


def remarks_on(answer: Any, capsys: pytest.CaptureFixture[str]) -> str:
    checks.without_heads(answer, seed=1, record=False)
    return capsys.readouterr().out


@contextmanager
def not_when_stopped(model: nn.Module, heads: list[tuple[int, int]]) -> Iterator[None]:
    hooks = [_hung(model, pair) for pair in heads]
    try:
        yield
    except Exception:
        for handle in hooks:
            handle.remove()
        raise
    for handle in hooks:
        handle.remove()


@contextmanager
def detached(model: nn.Module, heads: list[tuple[int, int]]) -> Iterator[None]:
    hooks = [
        matrix.register_forward_pre_hook(lambda _, given: given[0].detach()) for matrix, _ in where_heads_meet(model)
    ]
    try:
        with right_13b.with_a_view(model, heads):
            yield
    finally:
        for handle in hooks:
            handle.remove()


@contextmanager
def in_place(model: nn.Module, heads: list[tuple[int, int]]) -> Iterator[None]:
    def silence(head: int, width: int) -> Any:
        def hook(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            inputs[0][..., head * width : (head + 1) * width] = 0

        return hook

    places = where_heads_meet(model)
    with ExitStack() as stack:
        for layer, head in heads:
            matrix, width = places[layer]
            stack.callback(matrix.register_forward_pre_hook(silence(head, width)).remove)
        yield


def test_what_no_text_asks_for_is_a_remark(capsys: pytest.CaptureFixture[str]) -> None:
    assert "weights of the model are other than they were" in remarks_on(right_13b.by_other_weights, capsys)
    elsewhere = mutated(right_13b.with_a_mask, (", device=matrix.weight.device", ""))
    assert "on another device" in remarks_on(elsewhere, capsys)
    assert "somebody stops the cell in the middle" in remarks_on(not_when_stopped, capsys)
    assert "cannot be trained" in remarks_on(detached, capsys)
    assert "changes the very numbers that entered" in remarks_on(in_place, capsys)
    assert "One thing" not in remarks_on(right_13b.with_a_mask, capsys)


def test_one_inside_the_other_meets_in_one_layer_whatever_the_seed() -> None:
    """Whoever takes off every `forward` but the class's own opens an outer `with` on the same layer, too."""
    gone = 'matrix.__dict__.pop("forward", None)'
    answer = mutated(right_13b.by_another_forward, ("matrix.forward = before", gone))
    for seed in range(12):
        assert "inner one is closed" in str(failure(answer, seed))
