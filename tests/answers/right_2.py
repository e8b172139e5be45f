"""Right answers to exercise 2, in many styles."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class WithBmm(nn.Module):
    """As in the lesson: heads beside the batch, `bmm`, masked_fill."""

    def __init__(self, dropout):
        super().__init__()
        self.dropout = nn.Dropout(dropout)

    def calculate_score(self, queries, keys):
        return torch.bmm(queries, keys.transpose(1, 2)) / math.sqrt(queries.shape[-1])

    def forward(self, queries, keys, values, mask=None):
        b, tq, h, d = queries.size()
        tk = keys.size(1)
        queries = queries.transpose(1, 2).contiguous().view(b * h, tq, d)
        keys = keys.transpose(1, 2).contiguous().view(b * h, tk, d)
        values = values.transpose(1, 2).contiguous().view(b * h, tk, d)
        scores = self.calculate_score(queries, keys)
        if mask is not None:
            mask = mask.expand(b, h, tq, tk).reshape(b * h, tq, tk)
            scores = scores.masked_fill(~mask, float("-inf"))
        weights = F.softmax(scores, dim=2)
        if mask is not None:
            weights = weights.masked_fill(~mask, 0)
        self.weights = weights.detach().view(b, h, tq, tk)
        weights = self.dropout(weights)
        out = torch.bmm(weights, values).view(b, h, tq, d)
        return out.transpose(1, 2).contiguous().view(b, tq, h * d)


class WithEinsum(nn.Module):
    """No transposes at all; the scaling is left to `forward`; other names for everything."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def calculate_score(self, a, b):
        return torch.einsum("nid,njd->nij", a, b)

    def forward(self, q, k, v, allowed=None):
        s = torch.einsum("bihd,bjhd->bhij", q, k) * q.size(-1) ** -0.5
        if allowed is not None:
            s = torch.where(allowed, s, torch.tensor(-torch.inf, dtype=s.dtype))
        w = torch.nan_to_num(s.softmax(-1)) if allowed is not None else s.softmax(-1)
        self.weights = w
        w = F.dropout(w, p=self.p, training=self.training)
        return torch.einsum("bhij,bjhd->bihd", w, v).flatten(start_dim=2)


class WithTorchsFunction(nn.Module):
    """torch's own function does it all; there is no `calculate_score`."""

    def __init__(self, dropout):
        super().__init__()
        self.dropout = dropout

    def forward(self, queries, keys, values, mask=None):
        p = self.dropout if self.training else 0.0
        heads = [x.transpose(1, 2) for x in (queries, keys, values)]
        queries_, keys_, _ = heads
        every = torch.eye(keys.shape[1], dtype=keys.dtype, device=keys.device).expand(*keys_.shape[:2], -1, -1)
        self.weights = F.scaled_dot_product_attention(queries_, keys_, every, attn_mask=mask).detach()
        out = F.scaled_dot_product_attention(*heads, attn_mask=mask, dropout_p=p)
        return out.permute(0, 2, 1, 3).reshape(*queries.shape[:2], -1)


class WithLoops(nn.Module):
    """A head at a time, a text at a time; scores by hand; `...` in indices only."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.drop = nn.Dropout(p=dropout)

    def calculate_score(self, queries, keys):
        rows = [(queries * keys[:, j : j + 1]).sum(-1) for j in range(keys.shape[1])]
        return torch.stack(rows, dim=-1) / queries.shape[-1] ** 0.5

    def forward(self, queries, keys, values, mask=None):
        b, tq, h, _ = queries.shape
        if mask is not None:
            mask = mask.expand(b, h, tq, keys.shape[1])
        texts, kept = [], []
        for i in range(b):
            heads = []
            for j in range(h):
                scores = self.calculate_score(queries[i : i + 1, :, j], keys[i : i + 1, :, j])[0, ...]
                weights = scores
                if mask is not None:
                    weights = scores.masked_fill(~mask[i, j], torch.finfo(scores.dtype).min)
                weights = torch.softmax(weights, -1)
                if mask is not None:
                    weights = weights * mask[i, j]
                kept.append(weights.detach())
                heads.append(self.drop(weights) @ values[i, ..., j, :])
            texts.append(torch.cat(heads, dim=-1))
        self.weights = torch.stack(kept).view(b, h, tq, -1)
        return torch.stack(texts)


class ByHandSoftmax(nn.Module):
    """Softmax by hand, minus the maximum; dropout by hand; an additive mask; matmul with `@`."""

    def __init__(self, dropout: float):
        super().__init__()
        self.keep = 1 - dropout

    @staticmethod
    def calculate_score(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        scale = torch.sqrt(torch.tensor(queries.shape[-1]))
        return queries @ keys.mT / scale

    def forward(self, queries, keys, values, mask=None):
        b, tq, h, d = queries.shape
        q, k, v = (x.movedim(2, 1).flatten(0, 1) for x in (queries, keys, values))
        scores = self.calculate_score(q, k).unflatten(0, (b, h))
        if mask is not None:
            scores = scores + (~mask) * -1e30
        e = torch.exp(scores - scores.amax(-1, keepdim=True))
        if mask is not None:
            e = e * mask
        w = e / e.sum(-1, keepdim=True).clamp(min=1e-30)
        self.weights = w.detach().clone()
        if self.training:
            w = w * (torch.rand_like(w) < self.keep) / self.keep
        return (w.flatten(0, 1) @ v).reshape(b, h, tq, d).swapaxes(1, 2).reshape(b, tq, h * d)


class InFloat64(nn.Module):
    """Computes in float64, whatever comes in."""

    def __init__(self, dropout):
        super().__init__()
        self.dropout = nn.Dropout(dropout)

    def calculate_score(self, queries, keys):
        scores = torch.matmul(queries.double(), keys.double().transpose(-2, -1)) / np.sqrt(keys.shape[-1])
        return scores.to(queries.dtype)

    def forward(self, queries, keys, values, mask=None):
        q, k, v = (x.double().permute(0, 2, 1, 3) for x in (queries, keys, values))
        scores = q.matmul(k.transpose(2, 3)).div(math.sqrt(q.size(3)))
        if mask is None:
            mask = torch.ones(1, 1, 1, 1, dtype=torch.bool)
        scores = scores.masked_fill(mask.logical_not(), -1e9)
        weights = scores.softmax(3).masked_fill(mask.logical_not(), 0.0)
        self.weights = weights.detach().to(queries.dtype)
        weights = self.dropout(weights)
        return weights.matmul(v).permute(0, 2, 1, 3).flatten(2).to(queries.dtype)


class Talkative(WithBmm):
    """Prints shapes, as one does while searching; and has a `...` that does nothing."""

    def forward(self, queries, keys, values, mask=None):
        print("queries", queries.shape)
        if mask is None:
            ...
        return super().forward(queries, keys, values, mask)


ANSWERS = [WithBmm, WithEinsum, WithTorchsFunction, WithLoops, ByHandSoftmax, InFloat64, Talkative]
