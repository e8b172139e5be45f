"""Right answers to exercise 1, in many styles."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn


class WithLinear(nn.Module):
    """As in the lesson."""

    def __init__(self, query_dim, key_dim, hidden_dim):
        super().__init__()
        self.W = nn.Linear(query_dim, hidden_dim, bias=False)
        self.U = nn.Linear(key_dim, hidden_dim, bias=False)
        self.v = nn.Linear(hidden_dim, 1, bias=False)

    def forward(self, query, keys, mask=None):
        hidden = torch.tanh(self.W(query)[:, None] + self.U(keys))
        scores = self.v(hidden)[:, :, 0]
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf)
        weights = torch.softmax(scores, dim=-1)
        if mask is not None:
            weights = weights.masked_fill(~mask, 0.0)
        context = (weights[:, None] @ keys)[:, 0]
        return context, weights


class WithBiases(nn.Module):
    """A bias wherever there can be one; the lowest number there is for minus infinity."""

    def __init__(self, q, k, h):
        super().__init__()
        self.W = nn.Linear(q, h)
        self.U = nn.Linear(k, h)
        self.v = nn.Linear(h, 1)

    def forward(self, query, keys, mask=None):
        scores = self.v((self.W(query).unsqueeze(1) + self.U(keys)).tanh()).squeeze(-1)
        if mask is None:
            weights = scores.softmax(1)
        else:
            lowest = torch.finfo(scores.dtype).min
            weights = torch.where(mask, scores, lowest).softmax(1) * mask
        return torch.einsum("bt,btk->bk", weights, keys), weights


class WithParameters(nn.Module):
    """Plain parameters, written transposed; softmax by hand."""

    def __init__(self, query_dim, key_dim, hidden_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(query_dim, hidden_dim))
        self.U = nn.Parameter(torch.randn(key_dim, hidden_dim))
        self.v = nn.Parameter(torch.randn(hidden_dim))

    def forward(self, query, keys, mask=None):
        inside = (query @ self.W).unsqueeze(1) + keys @ self.U
        scores = inside.tanh() @ self.v
        powers = (scores - scores.amax(1, keepdim=True)).exp()
        if mask is not None:
            shifted = scores - scores.masked_fill(~mask, torch.finfo(scores.dtype).min).amax(1, keepdim=True)
            powers = torch.where(mask, shifted.clamp(max=0).exp(), 0.0)
        total = powers.sum(1, keepdim=True)
        weights = powers / torch.where(total == 0, 1.0, total)
        return (weights.unsqueeze(-1) * keys).sum(dim=1), weights


class WithOneMatrix(WithLinear):
    """W and U side by side are one matrix: query and keys are joined first, the keys in front."""

    def forward(self, query, keys, mask=None):
        b, tk, _ = keys.shape
        pairs = torch.cat([keys, query[:, None].expand(b, tk, -1)], dim=-1)
        both = torch.cat([self.U.weight, self.W.weight], dim=1)
        scores = self.v(torch.tanh(F.linear(pairs, both))).view(b, tk)
        if mask is not None:
            scores = scores.masked_fill(mask.logical_not(), float("-inf"))
        weights = F.softmax(scores, dim=1)
        if mask is not None:
            weights = torch.nan_to_num(weights)
        return torch.bmm(weights.unsqueeze(1), keys).squeeze(1), weights


class WithAColumn(nn.Module):
    """Parameters the way torch keeps them, and a column for v."""

    def __init__(self, query_dim, key_dim, hidden_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(hidden_dim, query_dim))
        self.U = nn.Parameter(torch.randn(hidden_dim, key_dim))
        self.v = nn.Parameter(torch.randn(hidden_dim, 1))

    def forward(self, query, keys, mask=None):
        scores = (torch.tanh((query @ self.W.T)[:, None, :] + keys @ self.U.T) @ self.v).flatten(1)
        if mask is None:
            mask = torch.ones_like(scores, dtype=torch.bool)
        weights = torch.softmax(scores.masked_fill(~mask, -torch.inf), -1).masked_fill(~mask, 0)
        return torch.matmul(keys.transpose(1, 2), weights[:, :, None])[:, :, 0], weights


class WithLoops(nn.Module):
    """A text at a time, a key at a time."""

    def __init__(self, query_dim, key_dim, hidden_dim):
        super().__init__()
        self.W = nn.Linear(query_dim, hidden_dim)
        self.U = nn.Linear(key_dim, hidden_dim, bias=False)
        self.v = nn.Parameter(torch.randn(hidden_dim))

    def forward(self, query, keys, mask=None):
        contexts, rows = [], []
        for i in range(len(keys)):
            allowed = [t for t in range(keys.shape[1]) if mask is None or mask[i, t]]
            row = keys.new_zeros(keys.shape[1])
            context = keys.new_zeros(keys.shape[2]) + 0 * keys[i].sum(0)
            if allowed:
                scores = torch.stack([self.v @ torch.tanh(self.W(query[i]) + self.U(keys[i, t])) for t in allowed])
                row = row.index_put((torch.tensor(allowed, device=keys.device),), scores.softmax(0))
                context = sum(row[t] * keys[i, t] for t in allowed)
            contexts.append(context)
            rows.append(row)
        return torch.stack(contexts), torch.stack(rows)


class Attended(NamedTuple):
    context: torch.Tensor
    weights: torch.Tensor


class WithLazyLayers(nn.Module):
    """Layers that look at their input's size; a named pair; weights handed out without a gradient."""

    def __init__(self, query_dim, key_dim, hidden_dim):
        super().__init__()
        self.W = nn.LazyLinear(hidden_dim)
        self.U = nn.LazyLinear(hidden_dim)
        self.v = nn.LazyLinear(1)

    def forward(self, query, keys, mask=None):
        scores = self.v(torch.tanh(self.W(query[:, None]) + self.U(keys)))[..., 0]
        if mask is not None:
            scores[~mask] = -torch.inf
        weights = torch.nan_to_num(F.softmax(scores, -1))
        return Attended(torch.einsum("btk,bt->bk", keys, weights), weights.detach())


class WithSumsOfLogarithms(WithLinear):
    """Softmax by way of a logarithm: in float32, large scores come out less exactly."""

    def forward(self, query, keys, mask=None):
        scores = self.v(torch.tanh(self.W(query)[:, None] + self.U(keys))).flatten(1)
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        weights = (scores - scores.logsumexp(1, keepdim=True)).exp()
        if mask is not None:
            weights = weights.masked_fill(~mask, 0.0)
        return torch.einsum("bt,btk->bk", weights, keys), weights


class WithWeightNorm(WithLinear):
    """v in two parameters, its length and its direction, and U too."""

    def __init__(self, query_dim, key_dim, hidden_dim):
        super().__init__(query_dim, key_dim, hidden_dim)
        self.U = nn.utils.parametrizations.weight_norm(self.U)
        self.v = nn.utils.parametrizations.weight_norm(self.v)


ANSWERS = [
    WithLinear,
    WithBiases,
    WithParameters,
    WithOneMatrix,
    WithAColumn,
    WithLoops,
    WithLazyLayers,
    WithSumsOfLogarithms,
    WithWeightNorm,
]
