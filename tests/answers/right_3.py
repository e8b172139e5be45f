"""Right answers to exercise 3, in many styles."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from answers.right_2 import WithBmm


class WithOurAttention(nn.Module):
    """As in the lesson: the attention of exercise 2 between projections."""

    def __init__(self, embed_dim, num_heads=8, head_dim=None, dropout=0.1, bias=False):
        super().__init__()
        if head_dim is None:
            if embed_dim % num_heads:
                raise ValueError(f"embed_dim {embed_dim} is not divisible by num_heads {num_heads}")
            head_dim = embed_dim // num_heads
        self.num_heads, self.head_dim = num_heads, head_dim
        self.to_queries = nn.Linear(embed_dim, num_heads * head_dim, bias=bias)
        self.to_keys = nn.Linear(embed_dim, num_heads * head_dim, bias=bias)
        self.to_values = nn.Linear(embed_dim, num_heads * head_dim, bias=bias)
        self.unify_heads = nn.Linear(num_heads * head_dim, embed_dim)
        self.attention = WithBmm(dropout)

    def forward(self, x, mask=None, context=None):
        if context is None:
            context = x
        b, t, _ = x.shape
        queries = self.to_queries(x).view(b, t, self.num_heads, self.head_dim)
        keys = self.to_keys(context).view(b, -1, self.num_heads, self.head_dim)
        values = self.to_values(context).view(b, -1, self.num_heads, self.head_dim)
        return self.unify_heads(self.attention(queries, keys, values, mask))


class AllInOne(nn.Module):
    """No attention layer inside, torch's function instead; other names for everything but the four layers."""

    def __init__(self, embed_dim, num_heads=8, head_dim=None, dropout=0.1, bias=False):
        super().__init__()
        assert head_dim is not None or embed_dim % num_heads == 0, f"{embed_dim} / {num_heads}"
        self.h, self.d, self.p = num_heads, head_dim or embed_dim // num_heads, dropout
        for name in ("to_queries", "to_keys", "to_values"):
            setattr(self, name, nn.Linear(embed_dim, self.h * self.d, bias))
        self.unify_heads = nn.Linear(self.h * self.d, embed_dim)

    def forward(self, x, mask=None, context=None):
        source = x if context is None else context
        q, k, v = (
            layer(y).unflatten(-1, (self.h, self.d)).transpose(1, 2)
            for layer, y in ((self.to_queries, x), (self.to_keys, source), (self.to_values, source))
        )
        out = F.scaled_dot_product_attention(q, k, v, mask, self.p if self.training else 0.0)
        return self.unify_heads(out.transpose(1, 2).flatten(2))


class HeadByHead(nn.Module):
    """A loop over the heads, each with its slice of the weights."""

    def __init__(self, embed_dim, num_heads=8, head_dim=None, dropout=0.1, bias=False):
        super().__init__()
        d, rest = divmod(embed_dim, num_heads)
        if head_dim is None and rest:
            raise ValueError("does not divide", embed_dim, num_heads)
        self.d = d if head_dim is None else head_dim
        self.heads = num_heads
        width = self.heads * self.d
        self.to_queries = nn.Linear(embed_dim, width, bias=bias)
        self.to_keys = nn.Linear(embed_dim, width, bias=bias)
        self.to_values = nn.Linear(embed_dim, width, bias=bias)
        self.unify_heads = nn.Linear(width, embed_dim, bias=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, mask=None, context=None):
        c = x if context is None else context
        b, t, tk = x.shape[0], x.shape[1], c.shape[1]
        mask = torch.ones(1, dtype=torch.bool) if mask is None else mask
        mask = mask.expand(b, self.heads, t, tk)
        q, k, v = self.to_queries(x), self.to_keys(c), self.to_values(c)
        out = []
        for i in range(self.heads):
            part = slice(i * self.d, (i + 1) * self.d)
            scores = q[..., part] @ k[..., part].mT / self.d**0.5
            weights = scores.masked_fill(~mask[:, i], -torch.inf).softmax(-1).masked_fill(~mask[:, i], 0)
            out.append(self.dropout(weights) @ v[..., part])
        return self.unify_heads(torch.cat(out, -1))


class Einsums(AllInOne):
    """Einsum from the input to the output, weights in view."""

    def forward(self, x, mask=None, context=None):
        context = x if context is None else context

        def split(layer, y):
            w = layer.weight.view(self.h, self.d, -1)
            out = torch.einsum("btk,hdk->bthd", y, w)
            return out if layer.bias is None else out + layer.bias.view(self.h, self.d)

        scores = torch.einsum("bihd,bjhd->bhij", split(self.to_queries, x), split(self.to_keys, context))
        scores = scores / self.d**0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        weights = scores.softmax(-1)
        if mask is not None:
            weights = torch.where(mask, weights, 0.0)
        weights = F.dropout(weights, self.p, self.training)
        w = self.unify_heads.weight.view(-1, self.h, self.d)
        values = split(self.to_values, context)
        return torch.einsum("bhij,bjhd,khd->bik", weights, values, w) + self.unify_heads.bias


class TorchsOwn(AllInOne):
    """The functional form of torch's own layer where heads have their usual width."""

    def forward(self, x, mask=None, context=None):
        k = x.shape[-1]
        if self.h * self.d != k:
            return super().forward(x, mask, context)
        context = x if context is None else context
        b, t, tk = x.shape[0], x.shape[1], context.shape[1]
        layers = (self.to_queries, self.to_keys, self.to_values)
        bias = None if layers[0].bias is None else torch.cat([layer.bias for layer in layers])
        blocked = empty = None
        if mask is not None:
            full = mask.expand(b, self.h, t, tk)
            empty = ~full.any(-1)
            blocked = (~(full | empty[..., None])).reshape(b * self.h, t, tk)
            if empty.any():
                return super().forward(x, mask, context)
        out, _ = F.multi_head_attention_forward(
            x.transpose(0, 1),
            context.transpose(0, 1),
            context.transpose(0, 1),
            embed_dim_to_check=k,
            num_heads=self.h,
            in_proj_weight=torch.cat([layer.weight for layer in layers]),
            in_proj_bias=bias,
            bias_k=None,
            bias_v=None,
            add_zero_attn=False,
            dropout_p=self.p,
            out_proj_weight=self.unify_heads.weight,
            out_proj_bias=self.unify_heads.bias,
            training=self.training,
            attn_mask=blocked,
            need_weights=False,
        )
        return out.transpose(0, 1)


class OwnLinear(nn.Module):
    """A linear layer written by the student, weights the other way round."""

    def __init__(self, inputs, outputs, bias=True):
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(inputs, outputs) / inputs**0.5)
        self.shift = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x):
        x = x @ self.matrix
        return x if self.shift is None else x + self.shift


class WithOwnLinear(WithOurAttention):
    """Projections that are no `nn.Linear`."""

    def __init__(self, embed_dim, num_heads=8, head_dim=None, dropout=0.1, bias=False):
        super().__init__(embed_dim, num_heads, head_dim, dropout, bias)
        inner = self.num_heads * self.head_dim
        self.to_queries = OwnLinear(embed_dim, inner, bias)
        self.to_keys = OwnLinear(embed_dim, inner, bias)
        self.to_values = nn.Sequential(OwnLinear(embed_dim, inner, bias))
        self.unify_heads = OwnLinear(inner, embed_dim)


class Lazy(WithOurAttention):
    """Layers that learn their input width from the first input."""

    def __init__(self, embed_dim, num_heads=8, head_dim=None, dropout=0.1, bias=False):
        super().__init__(embed_dim, num_heads, head_dim, dropout, bias)
        self.to_keys = nn.LazyLinear(self.num_heads * self.head_dim, bias=bias)


ANSWERS = [WithOurAttention, AllInOne, HeadByHead, Einsums, TorchsOwn, WithOwnLinear, Lazy]
