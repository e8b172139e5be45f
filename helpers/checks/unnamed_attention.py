"""Recognise the layers of an attention that is written out, whatever they are called and however they are joined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

import torch
from torch import nn

from helpers.checks.draw import Draw
from helpers.checks.parts import Weights, randomize
from helpers.checks.self_attention_case import PROJECTIONS

ATTENTION = (*PROJECTIONS, "unify_heads")
Piece = tuple[torch.Tensor, torch.Tensor | None]  # a matrix (k, k), and its bias


def attention_layers(layers: Sequence[nn.Module], k: int, known: Sequence[nn.Module] = ()) -> list[nn.Linear]:
    """Return the linear layers from k to k, 2 k or 3 k; among several that might be, the `known` ones."""
    fitting = [m for m in layers if isinstance(m, nn.Linear) and m.weight.shape in ((k, k), (2 * k, k), (3 * k, k))]
    return [m for m in fitting if not known or any(m is other for other in known)]


def is_whole(layers: Sequence[nn.Linear], k: int) -> bool:
    """Whether these are all layers of one attention: together they make three projections and one way back."""
    return sum(m.out_features for m in layers) == 4 * k and any(m.out_features == k for m in layers)


def attention_ways(draw: Draw, layers: Sequence[nn.Linear], h: int) -> list[Weights]:
    """Draw the layers' weights, and return everything that they could be, under the names of exercise 3.

    Parameters
    ----------
    draw : Draw
        Source of the weights.
    layers : sequence of nn.Linear
        Four layers from k to k, or fewer, of which some make two or three projections at once.
    h : int
        Number of heads.
    """
    layers = sorted(layers, key=lambda m: -m.out_features)  # whichever makes several projections comes first
    for layer in layers:
        randomize(layer.parameters(), draw)
    k = layers[0].in_features
    ways = []
    for pieces in _pieces(layers, k, h):
        for order in permutations(range(4)):
            if layers[0].out_features > k and order[3] < layers[0].out_features // k:
                continue  # what makes several at once is not the way back
            way: Weights = {}
            for name, i in zip(ATTENTION, order, strict=True):
                way[f"{name}.weight"], shift = pieces[i]
                if shift is not None:
                    way[f"{name}.bias"] = shift
            ways.append(way)
    return ways


def _pieces(layers: Sequence[nn.Linear], k: int, h: int) -> Iterator[list[Piece]]:
    """Yield the four matrices: where one layer makes several, its rows may be ordered by projection or by head."""
    parts = layers[0].out_features // k
    orders = permutations(("part", "head", "feature")) if parts > 1 else [("part", "head", "feature")]
    for order in orders:
        pieces: list[Piece] = []
        for layer in layers:
            sizes = {"part": layer.out_features // k, "head": h, "feature": k // h}
            shape = [sizes[axis] for axis in order]
            sorted_axes = [order.index(axis) for axis in ("part", "head", "feature")]
            rows = torch.arange(layer.out_features).reshape(shape).permute(sorted_axes).flatten(1)
            if sizes["part"] == 1:  # a layer by itself has its rows in the usual order
                rows = torch.arange(k)[None]
            weight = layer.weight.detach().cpu().double()
            bias = None if layer.bias is None else layer.bias.detach().cpu().double()
            pieces += [(weight[part], None if bias is None else bias[part]) for part in rows]
        yield pieces
