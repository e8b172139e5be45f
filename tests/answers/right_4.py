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


class BiasEverywhereOrNowhere(nn.Module):
    """`bias` reaches the MLP and the norms too, as in torch; dropout in the attention alone."""

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
        self.linear1 = nn.Linear(embed_dim, hidden_dim, bias=bias)
        self.linear2 = nn.Linear(hidden_dim, embed_dim, bias=bias)
        self.act = getattr(F, activation)
        self.first = norm_first

    def forward(self, x, mask=None):
        y = self.norm_1(x) if self.first else x
        y = self.attention(y, mask=mask) + x
        y = y if self.first else self.norm_1(y)
        z = self.norm_2(y) if self.first else y
        z = self.linear2(self.act(self.linear1(z))) + y
        return z if self.first else self.norm_2(z)


class WithTorchsAttention(BiasEverywhereOrNowhere):
    """nn.MultiheadAttention inside, whose masks mean the opposite and know no empty rows."""

    def __init__(self, embed_dim, num_heads, *args, **named):
        super().__init__(embed_dim, num_heads, *args, **named)
        bias, dropout = named.get("bias", False), named.get("dropout", 0.1)
        self.inner = nn.MultiheadAttention(embed_dim, num_heads, dropout, bias=bias, batch_first=True)
        self.h = num_heads
        del self.attention

    def attention(self, x, mask=None):
        if mask is None:
            return self.inner(x, x, x, need_weights=False)[0]
        b, t, _ = x.shape
        mask = mask.expand(b, self.h, t, t)
        empty = ~mask.any(-1)
        out = self.inner(x, x, x, attn_mask=~(mask | empty[..., None]).reshape(-1, t, t), need_weights=False)[0]
        if not empty.any():
            return out
        return torch.where(empty.all(1)[..., None], self.inner.out_proj(torch.zeros_like(x)), out)


class InlineWithOtherNames(nn.Module):
    """Attention written out in the block itself, with names of its own; the layers stand in another order."""

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
        self.norm_first, self.h, self.p = norm_first, num_heads, dropout
        self.norm_1, self.norm_2 = (nn.LayerNorm(embed_dim, eps=norm_eps) for _ in range(2))
        self.out = nn.Linear(embed_dim, embed_dim)
        self.v = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.q = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.k = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.up = nn.Linear(embed_dim, 2 * embed_dim if hidden_dim is None else hidden_dim)
        self.down = nn.Linear(self.up.out_features, embed_dim)
        self.activation = nn.GELU() if activation == "gelu" else nn.ReLU()

    def attend(self, x, mask):
        q, k, v = (f(x).unflatten(2, (self.h, -1)).transpose(1, 2) for f in (self.q, self.k, self.v))
        p = self.p if self.training else 0
        return self.out(F.scaled_dot_product_attention(q, k, v, mask, p).transpose(1, 2).flatten(2))

    def forward(self, x, mask=None):
        if self.norm_first:
            x = x + self.attend(self.norm_1(x), mask)
            return x + self.down(self.activation(self.up(self.norm_2(x))))
        x = self.norm_1(x + self.attend(x, mask))
        return self.norm_2(x + self.down(self.activation(self.up(x))))


class JointProjection(InlineWithOtherNames):
    """One layer makes values, keys and queries at once."""

    def __init__(self, embed_dim, num_heads, *args, **named):
        super().__init__(embed_dim, num_heads, *args, **named)
        del self.q, self.k, self.v
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim, bias=named.get("bias", False))

    def attend(self, x, mask):
        v, k, q = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (y.unflatten(2, (self.h, -1)).transpose(1, 2) for y in (q, k, v))
        p = self.p if self.training else 0
        return self.out(F.scaled_dot_product_attention(q, k, v, mask, p).transpose(1, 2).flatten(2))


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
    """Norms that are no nn.LayerNorm; an MLP of bare parameters."""

    norm = OwnNorm

    def __init__(self, embed_dim, num_heads, hidden_dim=None, dropout=0.1, **named):
        super().__init__(embed_dim, num_heads, hidden_dim, dropout, **named)
        eps = named.get("norm_eps", 1e-5)
        self.norm_1, self.norm_2 = self.norm(embed_dim, eps), self.norm(embed_dim, eps)
        hidden = 2 * embed_dim if hidden_dim is None else hidden_dim
        self.w1 = nn.Parameter(torch.randn(embed_dim, hidden) / embed_dim**0.5)
        self.b1 = nn.Parameter(torch.zeros(hidden))
        self.w2 = nn.Parameter(torch.randn(hidden, embed_dim) / hidden**0.5)
        self.b2 = nn.Parameter(torch.zeros(embed_dim))
        self.function = F.gelu if named.get("activation") == "gelu" else F.relu
        del self.mlp

    def mlp(self, x):
        return self.function(x @ self.w1 + self.b1) @ self.w2 + self.b2


class WithOddNorm(WithOwnNorm):
    norm = OddNorm


class WithConvolutions(AsInTheLesson):
    """The MLP as two convolutions over single words."""

    def __init__(self, embed_dim, num_heads, hidden_dim=None, dropout=0.1, **named):
        super().__init__(embed_dim, num_heads, hidden_dim, dropout, **named)
        hidden = 2 * embed_dim if hidden_dim is None else hidden_dim
        self.up, self.down = nn.Conv1d(embed_dim, hidden, 1), nn.Conv1d(hidden, embed_dim, 1)
        self.function = F.gelu if named.get("activation") == "gelu" else F.relu
        del self.mlp

    def mlp(self, x):
        return self.down(self.function(self.up(x.mT))).mT


class TorchsOwn(nn.Module):
    """torch's own layer inside."""

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
        self.layer = nn.TransformerEncoderLayer(
            embed_dim,
            num_heads,
            2 * embed_dim if hidden_dim is None else hidden_dim,
            dropout,
            activation,
            norm_eps,
            batch_first=True,
            norm_first=norm_first,
            bias=bias,
        )
        self.norm_1, self.norm_2 = self.layer.norm1, self.layer.norm2
        self.h = num_heads

    def forward(self, x, mask=None):
        if mask is None:
            return self.layer(x)
        b, t, _ = x.shape
        mask = mask.expand(b, self.h, t, t)
        if not mask.any(-1).all():
            return self.without_attention(x, mask)
        return self.layer(x, src_mask=~mask.reshape(-1, t, t))

    def without_attention(self, x, mask):
        """Texts of padding alone: their attention gives what the output projection makes of zeros."""
        inside = self.layer.self_attn

        def attend(y):
            some = mask.any(-1)
            full = (mask | ~some[..., None]).reshape(-1, *mask.shape[-2:])
            out = inside(y, y, y, attn_mask=~full, need_weights=False)[0]
            return torch.where(some.all(1)[..., None], out, inside.out_proj(torch.zeros_like(y)))

        layer = self.layer
        if layer.norm_first:
            x = x + attend(layer.norm1(x))
            return x + layer._ff_block(layer.norm2(x))
        x = layer.norm1(x + attend(x))
        return layer.norm2(x + layer._ff_block(x))


class Projections(nn.Module):
    """Attention whose matrices are parameters, three of them in one."""

    def __init__(self, k, h, p):
        super().__init__()
        self.h, self.p = h, p
        self.wqkv, self.wo = nn.Parameter(torch.randn(3, k, k) / k**0.5), nn.Parameter(torch.randn(k, k) / k**0.5)

    def forward(self, x, mask=None):
        q, keys, values = (torch.einsum("btk,kjd->bjtd", x, w.unflatten(1, (self.h, -1))) for w in self.wqkv)
        mask = torch.ones(1, 1, dtype=torch.bool, device=x.device) if mask is None else mask
        some = mask.any(-1, keepdim=True)
        p = self.p if self.training else 0.0
        joined = F.scaled_dot_product_attention(q, keys, values, mask | ~some, dropout_p=p) * some
        return joined.transpose(1, 2).flatten(2) @ self.wo


class OfParameters(AsInTheLesson):
    """The attention's matrices are parameters; with bias=True it is the lesson's."""

    def __init__(self, embed_dim, num_heads, hidden_dim=None, dropout=0.1, norm_first=False, bias=False, **options):
        super().__init__(embed_dim, num_heads, hidden_dim, dropout, norm_first, bias, **options)
        if not bias:
            self.attention = Projections(embed_dim, num_heads, dropout)


ANSWERS = [
    OfParameters,
    AsInTheLesson,
    BiasEverywhereOrNowhere,
    WithTorchsAttention,
    InlineWithOtherNames,
    JointProjection,
    WithOwnNorm,
    WithOddNorm,
    WithConvolutions,
    TorchsOwn,
]
