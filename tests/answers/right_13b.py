"""Right answers to exercise 13b, in many styles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from helpers.layers import where_heads_meet, without_heads

Heads = Collection[tuple[int, int]]


@contextmanager
def with_a_mask(model: nn.Module, heads: Heads) -> Iterator[None]:
    """One hook for each layer, which multiplies."""
    layers = where_heads_meet(model)
    handles = []
    try:
        for number in {layer for layer, _ in heads}:
            matrix, width = layers[number]
            keep = torch.ones(matrix.in_features // width, device=matrix.weight.device)
            keep[[head for layer, head in heads if layer == number]] = 0
            numbers = keep.repeat_interleave(width)
            handles.append(matrix.register_forward_pre_hook(lambda _, given, numbers=numbers: given[0] * numbers))
        yield
    finally:
        while handles:
            handles.pop().remove()


@contextmanager
def with_a_view(model: nn.Module, heads: Heads) -> Iterator[None]:
    """Cuts the last axis into heads; the hook returns a tensor, not a tuple."""

    def hook(matrix: nn.Module, given: tuple[Tensor, ...], layer: int, width: int) -> Tensor:
        x = given[0].unflatten(-1, (-1, width)).clone()
        for number, head in heads:
            if number == layer:
                x[..., head, :] = 0.0
        return x.flatten(-2)

    hooks = [
        matrix.register_forward_pre_hook(partial(hook, layer=layer, width=width))
        for layer, (matrix, width) in enumerate(where_heads_meet(model))
    ]
    try:
        yield
    finally:
        for handle in hooks:
            handle.remove()


@contextmanager
def in_place(model: nn.Module, heads: Heads) -> Iterator[None]:
    """Changes what comes in itself, which nobody else reads."""
    layers = where_heads_meet(model)

    def hook(head: int, width: int, matrix: nn.Module, given: tuple[Tensor, ...]) -> None:
        given[0][..., head * width : head * width + width] = 0

    hooks = [layers[a][0].register_forward_pre_hook(partial(hook, b, layers[a][1])) for a, b in heads]
    try:
        yield
    finally:
        [handle.remove() for handle in hooks]


class AsAClass:
    """The two halves as methods."""

    def __init__(self, model: nn.Module, heads: Heads) -> None:
        self.layers, self.heads, self.hooks = where_heads_meet(model), list(heads), []

    def __enter__(self) -> None:
        for layer, head in self.heads:
            matrix, width = self.layers[layer]
            self.hooks.append(matrix.register_forward_pre_hook(self.silence(head, width)))

    def silence(self, head: int, width: int) -> Any:
        def hook(matrix: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor]:
            places = torch.arange(given[0].shape[-1], device=given[0].device) // width
            return (given[0].masked_fill(places == head, 0.0),)

        return hook

    def __exit__(self, *_: object) -> None:
        for hook in self.hooks:
            hook.remove()


@contextmanager
def with_an_exit_stack(model: nn.Module, heads: Heads) -> Iterator[None]:
    layers = where_heads_meet(model)
    with ExitStack() as stack:
        for layer, head in sorted(heads):
            matrix, width = layers[layer]

            def hook(matrix: nn.Module, given: tuple[Tensor, ...], start: int = head * width, size: int = width) -> Any:
                (x,) = given
                return torch.cat(
                    [x[..., :start], torch.zeros_like(x[..., start : start + size]), x[..., start + size :]], -1
                )

            stack.callback(matrix.register_forward_pre_hook(hook).remove)
        yield


@contextmanager
def by_taking_off_what_it_adds(model: nn.Module, heads: Heads) -> Iterator[None]:
    """A hook after the matrix: what the head added there is subtracted."""
    wanted = defaultdict(list)
    for layer, head in set(heads):
        wanted[layer].append(head)
    hooks = []
    try:
        for layer, named in wanted.items():
            matrix, width = where_heads_meet(model)[layer]

            def hook(matrix: Any, given: Any, output: Tensor, named: list[int] = named, width: int = width) -> Tensor:
                for head in named:
                    part = slice(head * width, (head + 1) * width)
                    output = output - given[0][..., part] @ matrix.weight[:, part].T
                return output

            hooks.append(matrix.register_forward_hook(hook))
        yield
    finally:
        for handle in hooks:
            handle.remove()


@contextmanager
def by_another_forward(model: nn.Module, heads: Heads) -> Iterator[None]:
    """Puts another `forward` in front of the matrix's own, and takes it off again."""
    replaced = []
    try:
        for layer, head in heads:
            matrix, width = where_heads_meet(model)[layer]
            before = matrix.forward
            replaced.append((matrix, before))

            def forward(x: Tensor, before: Any = before, head: int = head, width: int = width) -> Tensor:
                x = x.clone()
                x[:, :, width * head : width * (head + 1)].zero_()
                return before(x)

            matrix.forward = forward
        yield
    finally:
        for matrix, before in reversed(replaced):
            matrix.forward = before


@contextmanager
def by_other_weights(model: nn.Module, heads: Heads) -> Iterator[None]:
    """Sets the columns that would read the head to zero, and puts the numbers back."""
    kept = []
    try:
        for layer, head in heads:
            matrix, width = where_heads_meet(model)[layer]
            columns = matrix.weight.data[:, head * width : (head + 1) * width]
            kept.append((columns, columns.clone()))
            columns.zero_()
        yield
    finally:
        for columns, numbers in reversed(kept):
            columns.copy_(numbers)


def returns_a_manager(model: nn.Module, heads: Heads) -> AbstractContextManager[None]:
    @contextmanager
    def manager() -> Iterator[None]:
        handles = []
        for number, (matrix, width) in enumerate(where_heads_meet(model)):
            named = [head for layer, head in heads if layer == number]
            if named:
                handles.append(matrix.register_forward_pre_hook(partial(silent, named, width)))
        try:
            yield
        except BaseException:
            for handle in handles:
                handle.remove()
            raise
        for handle in handles:
            handle.remove()

    def silent(named: list[int], width: int, matrix: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        parts = list(inputs[0].split(width, dim=-1))
        for head in named:
            parts[head] = parts[head] * 0
        return torch.cat(parts, dim=-1)

    return manager()


ANSWERS = (
    without_heads,
    with_a_mask,
    with_a_view,
    in_place,
    AsAClass,
    with_an_exit_stack,
    by_taking_off_what_it_adds,
    by_another_forward,
    by_other_weights,
    returns_a_manager,
)
