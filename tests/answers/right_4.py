"""Right answers to exercise 4, in many styles."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from answers.right_3 import WithOurAttention


class AsInTheLesson(nn.Module):
    """SelfAttention of exercise 3, the MLP in an nn.Sequential, dropout in all of torch's places."""

    def __init__(
        self,
        embed_dim,
        num_heads,
        hidden_dim=None,
        dropout=0.1,
        norm_first=False,
        bias=False,
        activation="relu",
        norm_eps=1e-5,
    ):
        super().__init__()
        self.attention = WithOurAttention(embed_dim, num_heads, dropout=dropout, bias=bias)
        self.norm_1 = nn.LayerNorm(embed_dim, eps=norm_eps)
        self.norm_2 = nn.LayerNorm(embed_dim, eps=norm_eps)
        hidden_dim = 2 * embed_dim if hidden_dim is None else hidden_dim
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, hidden_dim),
            {"relu": nn.ReLU, "gelu": nn.GELU}[activation](),
            nn.Dropout(dropout),
            nn.Linear(hidden_dim, embed_dim),
        )
        self.norm_first = norm_first
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        if self.norm_first:
            x = x + self.dropout(self.attention(self.norm_1(x), mask))
            return x + self.dropout(self.mlp(self.norm_2(x)))
        x = self.norm_1(x + self.dropout(self.attention(x, mask)))
        return self.norm_2(x + self.dropout(self.mlp(x)))


class Bent(nn.Module):
    """An MLP whose layers have names of their own."""

    def __init__(self, k, hidden, function, bias=True):
        super().__init__()
        self.up, self.down = nn.Linear(k, hidden, bias=bias), nn.Linear(hidden, k, bias=bias)
        self.function = function

    def forward(self, x):
        return self.down(self.function(self.up(x)))


class BiasEverywhereOrNowhere(nn.Module):
    """`bias` reaches the MLP and the norms too, as in torch."""

    def __init__(
        self,
        embed_dim,
        num_heads,
        hidden_dim=None,
        dropout=0.1,
        norm_first=False,
        bias=False,
        activation="relu",
        norm_eps=1e-5,
    ):
        super().__init__()
        hidden_dim = hidden_dim or 2 * embed_dim
        self.attention = WithOurAttention(embed_dim, num_heads, dropout=dropout, bias=bias)
        self.norm_1 = nn.LayerNorm(embed_dim, norm_eps, bias=bias)
        self.norm_2 = nn.LayerNorm(embed_dim, norm_eps, bias=bias)
        self.mlp = Bent(embed_dim, hidden_dim, getattr(F, activation), bias)
        self.first, self.p = norm_first, dropout

    def drop(self, x):
        return F.dropout(x, self.p, self.training)

    def attend(self, x, mask):
        return self.attention(x, mask=mask)

    def forward(self, x, mask=None):
        y = self.norm_1(x) if self.first else x
        y = self.drop(self.attend(y, mask)) + x
        y = y if self.first else self.norm_1(y)
        z = self.norm_2(y) if self.first else y
        z = self.drop(self.mlp(z)) + y
        return z if self.first else self.norm_2(z)


class WithTorchsAttention(BiasEverywhereOrNowhere):
    """nn.MultiheadAttention inside, whose masks mean the opposite and know no empty rows."""

    def __init__(self, embed_dim, num_heads, *args, **named):
        super().__init__(embed_dim, num_heads, *args, **named)
        bias, dropout = named.get("bias", False), named.get("dropout", 0.1)
        self.attention = nn.MultiheadAttention(embed_dim, num_heads, dropout, bias=bias, batch_first=True)
        self.h = num_heads

    def attend(self, x, mask=None):
        if mask is None:
            return self.attention(x, x, x, need_weights=False)[0]
        b, t, _ = x.shape
        mask = mask.expand(b, self.h, t, t)
        empty = ~mask.any(-1)
        out = self.attention(x, x, x, attn_mask=~(mask | empty[..., None]).reshape(-1, t, t), need_weights=False)[0]
        if not empty.any():
            return out
        return torch.where(empty.all(1)[..., None], self.attention.out_proj(torch.zeros_like(x)), out)


class WrittenOut(nn.Module):
    """Attention by hand, whose four layers have the names of exercise 3 and stand in another order."""

    def __init__(self, k, h, p, bias):
        super().__init__()
        self.h, self.p = h, p
        self.unify_heads = nn.Linear(k, k)
        self.to_values, self.to_keys, self.to_queries = (nn.Linear(k, k, bias=bias) for _ in range(3))

    def forward(self, x, mask):
        layers = (self.to_queries, self.to_keys, self.to_values)
        q, k, v = (layer(x).unflatten(2, (self.h, -1)).transpose(1, 2) for layer in layers)
        p = self.p if self.training else 0
        return self.unify_heads(F.scaled_dot_product_attention(q, k, v, mask, p).transpose(1, 2).flatten(2))


class OfOwnParts(AsInTheLesson):
    """No part is the lesson's."""

    def __init__(self, embed_dim, num_heads, hidden_dim=None, dropout=0.1, norm_first=False, bias=False, **named):
        super().__init__(embed_dim, num_heads, hidden_dim, dropout, norm_first, bias, **named)
        self.attention = WrittenOut(embed_dim, num_heads, dropout, bias)
        function = F.gelu if named.get("activation") == "gelu" else F.relu
        self.mlp = Bent(embed_dim, hidden_dim or 2 * embed_dim, function)


class OwnNorm(nn.Module):
    """Layer norm by hand."""

    def __init__(self, width, eps):
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.eps = eps

    def forward(self, x):
        x = x - x.mean(dim=-1, keepdim=True)
        return self.gain * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) + self.shift


class OddNorm(OwnNorm):
    """The same, with parameters that do not begin at 1 and 0."""

    def __init__(self, width, eps):
        super().__init__(width, eps)
        nn.init.normal_(self.gain, 0.0, 0.02)
        nn.init.normal_(self.shift)


class WithOwnNorm(AsInTheLesson):
    """Norms that are no nn.LayerNorm."""

    norm = OwnNorm

    def __init__(self, embed_dim, num_heads, hidden_dim=None, dropout=0.1, **named):
        super().__init__(embed_dim, num_heads, hidden_dim, dropout, **named)
        eps = named.get("norm_eps", 1e-5)
        self.norm_1, self.norm_2 = self.norm(embed_dim, eps), self.norm(embed_dim, eps)


class WithOddNorm(WithOwnNorm):
    norm = OddNorm


class Convolutions(nn.Module):
    """An MLP of two convolutions over single words."""

    def __init__(self, k, hidden, function):
        super().__init__()
        self.up, self.down = nn.Conv1d(k, hidden, 1), nn.Conv1d(hidden, k, 1)
        self.function = function

    def forward(self, x):
        return self.down(self.function(self.up(x.mT))).mT


class WithConvolutions(AsInTheLesson):
    def __init__(self, embed_dim, num_heads, hidden_dim=None, dropout=0.1, **named):
        super().__init__(embed_dim, num_heads, hidden_dim, dropout, **named)
        function = F.gelu if named.get("activation") == "gelu" else F.relu
        self.mlp = Convolutions(embed_dim, 2 * embed_dim if hidden_dim is None else hidden_dim, function)


ANSWERS = [
    AsInTheLesson,
    BiasEverywhereOrNowhere,
    WithTorchsAttention,
    OfOwnParts,
    WithOwnNorm,
    WithOddNorm,
    WithConvolutions,
]
