"""Right answers to exercise 12b, in many styles."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from answers.right_12a import in_a_loop as turn_in_a_loop
from answers.right_12a import with_complex_numbers, with_tables
from helpers.layers import DotProductAttention, causal_mask, rotate
from helpers.layers import GroupedQueryAttention as AsInTheLesson


class Skeleton(nn.Module):
    """What the skeleton gives."""

    def __init__(self, embed_dim: int, num_heads: int, num_kv_heads: int, base: float = 10000.0) -> None:
        super().__init__()
        self.num_heads, self.num_kv_heads, self.base = num_heads, num_kv_heads, base
        self.head_dim = embed_dim // num_heads
        self.to_queries = nn.Linear(embed_dim, num_heads * self.head_dim, bias=False)
        self.to_keys = nn.Linear(embed_dim, num_kv_heads * self.head_dim, bias=False)
        self.to_values = nn.Linear(embed_dim, num_kv_heads * self.head_dim, bias=False)
        self.attention = DotProductAttention()
        self.unify_heads = nn.Linear(num_heads * self.head_dim, embed_dim, bias=False)


class WithTorchsFunction(Skeleton):
    """torch's attention, which shares keys by itself; the keys are kept with their heads first."""

    def forward(self, x, mask=None, cache=None):  # type: ignore[no-untyped-def]
        cache = {} if cache is None else cache
        seen = cache["keys"].size(1) if "keys" in cache else 0
        positions = torch.arange(seen, seen + x.size(1), device=x.device)
        q, k, v = (
            layer(x).unflatten(-1, (-1, self.head_dim)) for layer in (self.to_queries, self.to_keys, self.to_values)
        )
        q, k = (with_tables(y, positions, self.base) for y in (q, k))
        if seen:
            k, v = torch.cat((cache["keys"], k), 1), torch.cat((cache["values"], v), 1)
        cache.update(keys=k, values=v)
        allowed = torch.arange(k.size(1), device=x.device) <= positions[:, None]
        allowed = allowed if mask is None else allowed.logical_and(mask)
        some = allowed.any(-1, keepdim=True)
        q, k, v = (y.transpose(1, 2) for y in (q, k, v))
        joined = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed | ~some, enable_gqa=True)
        return self.unify_heads((joined * some).transpose(1, 2).flatten(2))


class InGroups(Skeleton):
    """No copies: the queries of a group share an axis."""

    def forward(self, x, mask=None, cache=None):  # type: ignore[no-untyped-def]
        b, t, _ = x.shape
        g = self.num_heads // self.num_kv_heads
        seen = cache["keys"].shape[1] if cache else 0
        positions = seen + torch.arange(t, device=x.device)
        q = with_complex_numbers(self.to_queries(x).view(b, t, -1, self.head_dim), positions, self.base)
        k = with_complex_numbers(self.to_keys(x).view(b, t, -1, self.head_dim), positions, self.base)
        v = self.to_values(x).view(b, t, -1, self.head_dim)
        if cache is not None:
            for name, new in (("keys", k), ("values", v)):
                cache[name] = torch.cat([cache[name], new], dim=1) if seen else new
            k, v = cache["keys"], cache["values"]
        tk = k.shape[1]
        scores = torch.einsum("bqngd,bknd->bngqk", q.unflatten(2, (-1, g)), k).flatten(1, 2) / self.head_dim**0.5
        allowed = torch.ones(t, tk, dtype=torch.bool, device=x.device).tril(tk - t)
        if mask is not None:
            allowed = allowed & mask
        weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1).masked_fill(~allowed, 0.0)
        joined = torch.einsum("bngqk,bknd->bqngd", weights.unflatten(1, (-1, g)), v)
        return self.unify_heads(joined.flatten(2))


class TurnedLate(Skeleton):
    """The keys are kept as they were, and all are turned at every call: dearer, and the same."""

    def forward(self, x, mask=None, cache=None):  # type: ignore[no-untyped-def]
        b, t, _ = x.shape
        q = self.to_queries(x).view(b, t, self.num_heads, self.head_dim)
        k = self.to_keys(x).view(b, t, self.num_kv_heads, self.head_dim)
        v = self.to_values(x).view(b, t, self.num_kv_heads, self.head_dim)
        if cache:
            k, v = torch.cat([cache["keys"], k], 1), torch.cat([cache["values"], v], 1)
        if cache is not None:
            cache["keys"], cache["values"] = k, v
        every = torch.arange(k.shape[1], device=x.device)
        q, k = rotate(q, every[-t:], self.base), rotate(k, every, self.base)
        index = torch.arange(self.num_heads) // (self.num_heads // self.num_kv_heads)
        allowed = causal_mask(k.shape[1])[-t:].to(x.device)
        allowed = allowed if mask is None else allowed & mask
        return self.unify_heads(self.attention(q, k[:, :, index], v[:, :, index], allowed))


class HeadByHead(Skeleton):
    """A loop over query heads."""

    def forward(self, x, mask=None, cache=None):  # type: ignore[no-untyped-def]
        b, t, _ = x.shape
        before = cache.get("keys") if cache is not None else None
        seen = 0 if before is None else before.shape[1]
        positions = torch.arange(seen, seen + t)
        q = turn_in_a_loop(self.to_queries(x).reshape(b, t, self.num_heads, -1), positions, self.base)
        k = turn_in_a_loop(self.to_keys(x).reshape(b, t, self.num_kv_heads, -1), positions, self.base)
        v = self.to_values(x).reshape(b, t, self.num_kv_heads, -1)
        if before is not None:
            k, v = torch.hstack([before, k]), torch.hstack([cache["values"], v])
        if cache is not None:
            cache |= {"keys": k, "values": v}
        allowed = positions[:, None] >= torch.arange(k.shape[1])
        allowed = (allowed if mask is None else allowed & mask).expand(b, self.num_heads, -1, -1)
        results = []
        for head in range(self.num_heads):
            shared = head * self.num_kv_heads // self.num_heads
            scores = q[:, :, head] @ k[:, :, shared].mT / self.head_dim**0.5
            weights = torch.where(allowed[:, head], scores, -torch.inf).softmax(-1)
            weights = torch.where(allowed[:, head], weights, 0.0)
            results.append(weights @ v[:, :, shared])
        return self.unify_heads(torch.cat(results, dim=-1))


class Expanded(Skeleton):
    """Heads are copied with `expand`, and the cache is filled in any case."""

    def forward(self, x, mask=None, cache=None):  # type: ignore[no-untyped-def]
        if cache is None:
            cache = {}
        start = 0 if not cache else cache["keys"].shape[1]
        new = torch.arange(x.shape[1], device=x.device) + start
        split = (*x.shape[:2], -1, self.head_dim)
        queries = rotate(self.to_queries(x).view(split), new, self.base)
        turned = rotate(self.to_keys(x).view(split), new, self.base)
        for name, made in (("keys", turned), ("values", self.to_values(x).view(split))):
            cache[name] = torch.cat([*([cache[name]] if start else []), made], dim=1)
        group = self.num_heads // self.num_kv_heads
        keys, values = (cache[n][:, :, :, None].expand(-1, -1, -1, group, -1).flatten(2, 3) for n in ("keys", "values"))
        past = causal_mask(keys.shape[1]).to(x.device)[start:]
        return self.unify_heads(self.attention(queries, keys, values, past if mask is None else past & mask))


ANSWERS = (AsInTheLesson, WithTorchsFunction, InGroups, TurnedLate, HeadByHead, Expanded)
