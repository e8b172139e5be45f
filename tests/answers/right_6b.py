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
    """Other names, the cross-attention and the last norm made first, projections with a bias."""

    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        self.c = nn.LayerNorm(embed_dim)
        self.look_up = SelfAttention(embed_dim, num_heads, dropout=dropout, bias=True)
        self.look_back = SelfAttention(embed_dim, num_heads, dropout=dropout, bias=True)
        self.b, self.a = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.down = nn.Linear(hidden_dim or 2 * embed_dim, embed_dim)
        self.up = nn.Linear(embed_dim, self.down.in_features)

    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        mask = causal_mask(x.size(1)) if mask is None else causal_mask(x.size(1)).logical_and(mask)
        x = self.a(self.look_back(x, mask) + x)
        x = x if memory is None else self.b(self.look_up(x, memory_mask, memory) + x)
        return self.c(self.down(self.up(x).relu()) + x)


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


class InLists(nn.Module):
    """Attentions and norms in lists, a loop for the two attentions."""

    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        hidden_dim = hidden_dim or embed_dim * 2
        self.attentions = nn.ModuleList(SelfAttention(embed_dim, num_heads, dropout=dropout) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(embed_dim) for _ in range(3))
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, hidden_dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden_dim, embed_dim)
        )

    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        past = causal_mask(x.shape[1])
        masks = [past if mask is None else past * mask, memory_mask]
        for attention, norm, allowed, context in zip(self.attentions, self.norms, masks, [x, memory], strict=False):
            if context is not None:
                x = norm(x + attention(x, allowed, context))
        return self.norms[2](x + self.mlp(x))


class WithTorchsAttention(AsInTheLesson):
    """nn.MultiheadAttention inside, whose masks mean the opposite and know no empty rows."""

    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        del self.self_attention, self.cross_attention
        self.one = nn.MultiheadAttention(embed_dim, num_heads, dropout, batch_first=True)
        self.other = nn.MultiheadAttention(embed_dim, num_heads, dropout, batch_first=True)
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
        past = causal_mask(x.shape[1])
        x = self.norm_1(x + self.dropout(self.attend(self.one, x, x, past if mask is None else past & mask)))
        if memory is not None:
            x = self.norm_2(x + self.dropout(self.attend(self.other, x, memory, memory_mask)))
        return self.norm_3(x + self.dropout(self.mlp(x)))


class WrittenOut(nn.Module):
    """Both attentions written out in the block, with names of their own; the cross-attention's layers come first."""

    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        self.h, self.p = num_heads, dropout
        self.cross_kv = nn.Linear(embed_dim, 2 * embed_dim)
        self.cross_q, self.cross_out = nn.Linear(embed_dim, embed_dim), nn.Linear(embed_dim, embed_dim)
        self.out, self.qkv = nn.Linear(embed_dim, embed_dim), nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.c, self.a, self.b = (nn.LayerNorm(embed_dim) for _ in range(3))
        self.up = nn.Linear(embed_dim, hidden_dim or 2 * embed_dim)
        self.down = nn.Linear(hidden_dim or 2 * embed_dim, embed_dim)

    def attend(self, q, k, v, mask):  # type: ignore[no-untyped-def]
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5
        weights = scores.masked_fill(~mask, -torch.inf).softmax(-1).masked_fill(~mask, 0.0)
        weights = F.dropout(weights, self.p, self.training)
        return torch.einsum("bhqk,bkhd->bqhd", weights, v).flatten(2)

    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        places = torch.arange(x.shape[1], device=x.device)
        allowed = places[:, None] >= places
        allowed = allowed if mask is None else allowed & mask
        q, k, v = self.qkv(x).unflatten(2, (self.h, 3, -1)).unbind(3)
        x = self.a(x + F.dropout(self.out(self.attend(q, k, v, allowed)), self.p, self.training))
        if memory is not None:
            q = self.cross_q(x).unflatten(2, (self.h, -1))
            k, v = self.cross_kv(memory).unflatten(2, (2, self.h, -1)).unbind(2)
            if memory_mask is None:
                memory_mask = torch.ones((), dtype=torch.bool, device=x.device)
            x = self.b(x + self.cross_out(self.attend(q, k, v, memory_mask)))
        return self.c(x + self.down(self.up(x).relu()))


class Projected(nn.Module):
    """Attention whose matrices are parameters; keys and values are made together."""

    def __init__(self, k: int, h: int) -> None:
        super().__init__()
        self.h = h
        self.wq, self.wo = nn.Parameter(torch.randn(k, k) / k**0.5), nn.Parameter(torch.randn(k, k) / k**0.5)
        self.wkv, self.bo = nn.Parameter(torch.randn(k, 2 * k) / k**0.5), nn.Parameter(torch.zeros(k))

    def forward(self, x: torch.Tensor, y: torch.Tensor, mask: Any) -> torch.Tensor:
        parts = (x @ self.wq, *(y @ self.wkv).chunk(2, dim=-1))
        q, key, v = (part.unflatten(-1, (self.h, -1)).transpose(1, 2) for part in parts)
        mask = torch.ones(1, 1, dtype=torch.bool, device=x.device) if mask is None else mask
        some = mask.any(-1, keepdim=True)
        joined = F.scaled_dot_product_attention(q, key, v, mask | ~some) * some
        return joined.transpose(1, 2).flatten(2) @ self.wo + self.bo


class OfParameters(AsInTheLesson):
    """No linear layer anywhere: parameters, and convolutions over single words."""

    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        self.self_attention, self.cross_attention = Projected(embed_dim, num_heads), Projected(embed_dim, num_heads)
        hidden_dim = hidden_dim or 2 * embed_dim
        self.mlp = nn.Sequential(nn.Conv1d(embed_dim, hidden_dim, 1), nn.ReLU(), nn.Conv1d(hidden_dim, embed_dim, 1))

    def forward(self, x, memory=None, mask=None, memory_mask=None):  # type: ignore[no-untyped-def]
        past = causal_mask(x.shape[1])
        x = self.norm_1(x + self.dropout(self.self_attention(x, x, past if mask is None else past & mask)))
        if memory is not None:
            x = self.norm_2(x + self.dropout(self.cross_attention(x, memory, memory_mask)))
        return self.norm_3(x + self.dropout(self.mlp(x.mT).mT))


class Listed(nn.Module):
    """Attention whose matrices stand in a list, the bias of the way back beside it."""

    def __init__(self, k: int, h: int) -> None:
        super().__init__()
        self.h = h
        self.matrices = nn.ParameterList(torch.randn(k, k) / k**0.5 for _ in range(4))
        self.shift = nn.Parameter(torch.zeros(k))

    def forward(self, x, source, mask):  # type: ignore[no-untyped-def]
        places = zip((x, source, source), self.matrices, strict=False)
        q, k, v = ((y @ matrix).unflatten(2, (self.h, -1)).transpose(1, 2) for y, matrix in places)
        scores = q @ k.mT / q.shape[-1] ** 0.5
        mask = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask
        weights = scores.masked_fill(~mask, -torch.inf).softmax(-1).masked_fill(~mask, 0.0)
        return (weights @ v).transpose(1, 2).flatten(2) @ self.matrices[3] + self.shift


class OfLists(OfParameters):
    """Matrices in lists of parameters."""

    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        self.self_attention, self.cross_attention = Listed(embed_dim, num_heads), Listed(embed_dim, num_heads)


class WithFrozenZeros(WithTorchsAttention):
    """nn.MultiheadAttention always has its biases, or none at all: zeros that never learn leave out the first three."""

    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        for attention in (self.one, self.other):
            nn.init.zeros_(attention.in_proj_bias).requires_grad_(False)


ANSWERS = (
    OfLists,
    WithFrozenZeros,
    OfParameters,
    WrittenOut,
    AsInTheLesson,
    DecoderByHand,
    MadeInAnotherOrder,
    WithOwnNorms,
    InLists,
    WithTorchsAttention,
)
