"""Right answers to exercise 6b, in many styles."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from answers.right_6a import causal_mask
from helpers.layers import DecoderBlock as DecoderByHand
from helpers.layers import SelfAttention


class AsInTheLesson(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        hidden_dim = 2 * embed_dim if hidden_dim is None else hidden_dim
        self.self_attention = SelfAttention(embed_dim, num_heads, dropout=dropout)
        self.norm_1 = nn.LayerNorm(embed_dim)
        self.cross_attention = SelfAttention(embed_dim, num_heads, dropout=dropout)
        self.norm_2 = nn.LayerNorm(embed_dim)
        self.mlp = nn.Sequential(nn.Linear(embed_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, embed_dim))
        self.norm_3 = nn.LayerNorm(embed_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        allowed = causal_mask(x.shape[1]).to(x.device)
        if mask is not None:
            allowed = allowed & mask
        x = self.norm_1(x + self.dropout(self.self_attention(x, allowed)))
        if memory is not None:
            x = self.norm_2(x + self.dropout(self.cross_attention(x, memory_mask, context=memory)))
        return self.norm_3(x + self.dropout(self.mlp(x)))


class MadeInAnotherOrder(nn.Module):
    """Parts made in another order, projections with a bias, sums the other way round, masks joined by a function."""

    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        hidden_dim = hidden_dim or 2 * embed_dim
        self.norm_3 = nn.LayerNorm(embed_dim)
        self.cross_attention = SelfAttention(embed_dim, num_heads, dropout=dropout, bias=True)
        self.self_attention = SelfAttention(embed_dim, num_heads, dropout=dropout, bias=True)
        self.norm_2, self.norm_1 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.mlp = nn.Sequential(nn.Linear(embed_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, embed_dim))
        self.p = dropout

    def drop(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, self.p, self.training)

    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        past = causal_mask(x.size(1)).to(x.device)
        mask = past if mask is None else past.logical_and(mask)
        x = self.norm_1(self.drop(self.self_attention(x, mask)) + x)
        x = x if memory is None else self.norm_2(self.drop(self.cross_attention(x, memory_mask, memory)) + x)
        return self.norm_3(self.drop(self.mlp(x)) + x)


class OwnNorm(nn.Module):
    def __init__(self, k: int) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(k)), nn.Parameter(torch.zeros(k))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x - x.mean(-1, keepdim=True)
        return self.gain * x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() + self.shift


class WithOwnNorms(AsInTheLesson):
    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        self.norm_1, self.norm_2, self.norm_3 = (OwnNorm(embed_dim) for _ in range(3))


class InALoop(AsInTheLesson):
    """A loop for the two attentions; the masks are multiplied; dropout inside the MLP as well."""

    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        up, bend, down = self.mlp
        self.mlp = nn.Sequential(up, bend, nn.Dropout(dropout), down)

    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        past = causal_mask(x.shape[1]).to(x.device)
        masks = [past if mask is None else past * mask, memory_mask]
        parts = [(self.self_attention, self.norm_1), (self.cross_attention, self.norm_2)]
        for (attention, norm), allowed, context in zip(parts, masks, [x, memory], strict=True):
            if context is not None:
                x = norm(x + self.dropout(attention(x, allowed, context)))
        return self.norm_3(x + self.dropout(self.mlp(x)))


class WithTorchsAttention(AsInTheLesson):
    """nn.MultiheadAttention inside, whose masks mean the opposite and know no empty rows."""

    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        self.self_attention = nn.MultiheadAttention(embed_dim, num_heads, dropout, batch_first=True)
        self.cross_attention = nn.MultiheadAttention(embed_dim, num_heads, dropout, batch_first=True)
        self.h = num_heads

    def attend(self, layer: nn.MultiheadAttention, x: torch.Tensor, context: torch.Tensor, mask: Any) -> torch.Tensor:
        (b, t, _), tk, h = x.shape, context.shape[1], self.h
        mask = torch.ones(1, dtype=torch.bool) if mask is None else mask
        mask = mask.expand(b, h, t, tk)
        some = mask.any(-1)  # (b, h, t)
        if some.all():
            return layer(x, context, context, attn_mask=~mask.reshape(-1, t, tk), need_weights=False)[0]
        projections = zip(
            (x, context, context), layer.in_proj_weight.chunk(3), layer.in_proj_bias.chunk(3), strict=True
        )
        q, key, v = (F.linear(y, w, c).unflatten(-1, (h, -1)).transpose(1, 2) for y, w, c in projections)
        joined = F.scaled_dot_product_attention(q, key, v, mask | ~some[..., None]) * some[..., None]
        return layer.out_proj(joined.transpose(1, 2).flatten(2))

    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        past = causal_mask(x.shape[1]).to(x.device)
        x = self.norm_1(x + self.dropout(self.attend(self.self_attention, x, x, past if mask is None else past & mask)))
        if memory is not None:
            x = self.norm_2(x + self.dropout(self.attend(self.cross_attention, x, memory, memory_mask)))
        return self.norm_3(x + self.dropout(self.mlp(x)))


class WrittenOut(nn.Module):
    """Attention by hand, whose four layers have the names of exercise 3."""

    def __init__(self, k: int, h: int, p: float) -> None:
        super().__init__()
        self.h, self.p = h, p
        self.to_queries, self.to_keys, self.to_values = (nn.Linear(k, k, bias=False) for _ in range(3))
        self.unify_heads = nn.Linear(k, k)

    def forward(self, x, y, mask):  # type: ignore[no-untyped-def]
        layers = zip((self.to_queries, self.to_keys, self.to_values), (x, y, y), strict=True)
        q, k, v = (layer(z).unflatten(-1, (self.h, -1)) for layer, z in layers)
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5
        mask = torch.ones((), dtype=torch.bool, device=x.device) if mask is None else mask
        weights = scores.masked_fill(~mask, -torch.inf).softmax(-1).masked_fill(~mask, 0.0)
        weights = F.dropout(weights, self.p, self.training)
        return self.unify_heads(torch.einsum("bhqk,bkhd->bqhd", weights, v).flatten(2))


class Convolutions(nn.Module):
    """An MLP of two convolutions over single words."""

    def __init__(self, k: int, hidden: int) -> None:
        super().__init__()
        self.up, self.down = nn.Conv1d(k, hidden, 1), nn.Conv1d(hidden, k, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(self.up(x.mT).relu()).mT


class OfOwnParts(AsInTheLesson):
    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        self.self_attention, self.cross_attention = (WrittenOut(embed_dim, num_heads, dropout) for _ in range(2))
        self.mlp = Convolutions(embed_dim, hidden_dim or 2 * embed_dim)

    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        places = torch.arange(x.shape[1], device=x.device)
        allowed = places[:, None] >= places
        allowed = allowed if mask is None else allowed & mask
        x = self.norm_1(x + self.dropout(self.self_attention(x, x, allowed)))
        if memory is not None:
            x = self.norm_2(x + self.dropout(self.cross_attention(x, memory, memory_mask)))
        return self.norm_3(x + self.dropout(self.mlp(x)))


class WithFrozenZeros(WithTorchsAttention):
    """nn.MultiheadAttention always has its biases, or none at all: zeros that never learn leave out the first three."""

    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        for attention in (self.self_attention, self.cross_attention):
            nn.init.zeros_(attention.in_proj_bias).requires_grad_(False)


ANSWERS = (
    AsInTheLesson,
    DecoderByHand,
    MadeInAnotherOrder,
    WithOwnNorms,
    InALoop,
    OfOwnParts,
    WithTorchsAttention,
    WithFrozenZeros,
)
