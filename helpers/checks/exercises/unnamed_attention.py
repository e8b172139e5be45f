"""Recognise the matrices of an attention that is written out, whatever they are called and however they are joined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product
from typing import overload

import torch
from torch import nn

from helpers.checks.engine.draw import Draw
from helpers.checks.exercises.parts import Weights, randomize
from helpers.checks.exercises.self_attention_case import PROJECTIONS

ATTENTION = (*PROJECTIONS, "unify_heads")
Piece = tuple[torch.Tensor, torch.Tensor | None]  # a matrix (k, k), and its bias


@dataclass(frozen=True, eq=False)
class Matrix:
    """What maps k features to k, 2 k or 3 k: a linear layer, or a parameter that belongs to no layer.

    Attributes
    ----------
    name : str
        What the block calls it.
    weight, bias : tensor
        What it is made of.
    layer : nn.Linear, optional
        The layer, if it is one: then a row is an output.
    number : int, optional
        Which one it is, where a parameter (n, k, k) holds several.
    last_bias : tensor, optional
        The only bias beside several parameters: it belongs to the way back.
    """

    name: str
    weight: torch.Tensor
    bias: torch.Tensor | None
    layer: nn.Linear | None = None
    number: int | None = None
    last_bias: torch.Tensor | None = None

    @property
    def outputs(self) -> int:
        return max(self.weight.shape[-2:])

    @property
    def may_be_turned(self) -> bool:
        """Whether its shape does not tell rows from columns."""
        return self.layer is None and self.weight.shape[-1] == self.weight.shape[-2]

    def numbers(self, turned: bool) -> torch.Tensor:
        """(outputs, inputs)."""
        weight = self.weight if self.number is None else self.weight[self.number]
        turned = turned if self.may_be_turned else weight.shape[0] < weight.shape[1]
        return (weight.T if turned else weight).detach().cpu().double()


def attention_matrices(block: nn.Module, others: set[int], k: int) -> list[Matrix]:
    """Return what may be part of an attention, from k features to k, 2 k or 3 k.

    Parameters
    ----------
    block : nn.Module
        Where to look.
    others : set of int
        `id` of the modules that are something else.
    k : int
        Number of features.
    """
    found = []
    for name, module in block.named_modules():
        if id(module) in others:
            continue
        if isinstance(module, nn.Linear):
            if module.weight.shape in ((k, k), (2 * k, k), (3 * k, k)):
                found.append(Matrix(name, module.weight, module.bias, module))
        elif not isinstance(module, nn.LayerNorm | nn.Conv1d | nn.ParameterList | nn.ParameterDict):
            found += _loose(name, module, k)
    return found


def _loose(start: str, module: nn.Module, k: int) -> list[Matrix]:
    """Return a module's own matrices; their biases stand in the same order, or there is one, for the way back."""
    lists = [m for m in module.children() if isinstance(m, nn.ParameterList | nn.ParameterDict)]
    held = [p for part in (*lists, module) for p in part._parameters.values() if p is not None]
    own = {f"{start}.{i}": p for i, p in enumerate(held)}
    shapes = [(k, n * k) for n in (1, 2, 3)] + [(n * k, k) for n in (2, 3)]
    matrices = []
    for name, parameter in own.items():
        if tuple(parameter.shape) in shapes:
            matrices.append(Matrix(name, parameter, None))
        elif parameter.dim() == 3 and parameter.shape[1:] == (k, k):
            matrices += [Matrix(name, parameter, None, number=i) for i in range(len(parameter))]
    shifts = [p for p in own.values() if p.dim() == 1 and not bool((p == 1).all())]
    if [len(shift) for shift in shifts] == [k]:
        matrices = [replace(matrix, last_bias=shifts[0]) for matrix in matrices]
    elif [len(shift) for shift in shifts] == [matrix.outputs for matrix in matrices]:
        matrices = [replace(matrix, bias=shift) for matrix, shift in zip(matrices, shifts, strict=True)]
    return matrices


def is_whole(matrices: Sequence[Matrix], k: int) -> bool:
    """Whether these are all of one attention: together they make three projections and one way back."""
    return sum(m.outputs for m in matrices) == 4 * k and any(m.outputs == k for m in matrices)


def claimed(matrices: Sequence[Matrix]) -> set[int]:
    """Return the `id` of the layers and of the parameters."""
    return {id(part) for m in matrices for part in (m.layer, m.weight, m.bias, m.last_bias) if part is not None}


class Ways(Sequence[Weights]):
    """Draws the weights of an attention; holds everything that they could be, under the names of exercise 3.

    Parameters
    ----------
    draw : Draw
        Source of the weights.
    matrices : sequence of Matrix
        Four from k to k, or fewer, of which some make two or three projections at once.
    h : int
        Number of heads.
    bias : bool, optional
        If given, the projections all have a bias or none has.
    """

    def __init__(self, draw: Draw, matrices: Sequence[Matrix], h: int, bias: bool | None = None) -> None:
        self._matrices = sorted(matrices, key=lambda m: -m.outputs)  # what makes several projections comes first
        own = {id(p): p for m in self._matrices for p in (m.weight, m.bias, m.last_bias) if p is not None}
        randomize(own.values(), draw)
        self._last = next((m.last_bias.detach().cpu().double() for m in matrices if m.last_bias is not None), None)
        self._h, self._k = h, min(m.outputs for m in matrices)
        joint = self._matrices[0].outputs // self._k
        has_bias = [m.bias is not None for m in self._matrices for _ in range(m.outputs // self._k)]
        usual = ("part", "head", "feature")
        self._keys = [
            (turned, order, places)
            for turned, order, places in product(
                (True, False) if any(m.may_be_turned for m in matrices) else (False,),
                list(permutations(usual)) if joint > 1 else [usual],
                permutations(range(4)),
            )
            if not (joint > 1 and places[3] < joint)  # what makes several at once is not the way back
            and (bias is None or all(has_bias[place] == bias for place in places[:3]))
        ]
        self._pieces: dict[tuple[bool, tuple[str, ...]], list[Piece]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, i: int) -> Weights: ...
    @overload
    def __getitem__(self, i: slice) -> list[Weights]: ...
    def __getitem__(self, i: int | slice) -> Weights | list[Weights]:
        if isinstance(i, slice):
            return [self[number] for number in range(len(self))[i]]
        turned, order, places = self._keys[i]
        if (turned, order) not in self._pieces:
            self._pieces[turned, order] = list(self._cut(turned, order))
        way: Weights = {}
        for name, place in zip(ATTENTION, places, strict=True):
            way[f"{name}.weight"], shift = self._pieces[turned, order][place]
            if shift is not None:
                way[f"{name}.bias"] = shift
        if self._last is not None:
            way.setdefault("unify_heads.bias", self._last)
        return way

    def _cut(self, turned: bool, order: tuple[str, ...]) -> Iterator[Piece]:
        """Yield the four matrices: where one makes several, its rows may be ordered by projection or by head."""
        for matrix in self._matrices:
            sizes = {"part": matrix.outputs // self._k, "head": self._h, "feature": self._k // self._h}
            shape = [sizes[axis] for axis in order]
            sorted_axes = [order.index(axis) for axis in ("part", "head", "feature")]
            rows = torch.arange(matrix.outputs).reshape(shape).permute(sorted_axes).flatten(1)
            if sizes["part"] == 1:  # one by itself has its rows in the usual order
                rows = torch.arange(self._k)[None]
            weight = matrix.numbers(turned)
            bias = None if matrix.bias is None else matrix.bias.detach().cpu().double()
            for part in rows:
                yield weight[part], None if bias is None else bias[part]
