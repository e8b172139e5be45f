"""Exercise 12b, grouped-query attention with a cache: what goes in, what is right, what is looked at, and mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F

from helpers import layers
from helpers.checks.answer.parts import Wanted, fit_linear, part
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import CAUSAL, PADDING, PER_HEAD, PER_QUERY, Draw
from helpers.checks.engine.exercise import Exercise
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen
from helpers.checks.exercises import ex_12a
from helpers.checks.looks import layer as looks
from helpers.checks.looks.case import Case, Input, Layer, Mask

# What goes in, and what is right


def grouped_attention(
    weights: Mapping[str, torch.Tensor],
    sizes: Mapping[str, int],
    base: float,
    x: torch.Tensor,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return what torch's functions give with these weights: (b, t, k) gives (b, t, k), in float64."""
    heads = {"to_queries": sizes["h"], "to_keys": sizes["kv"], "to_values": sizes["kv"]}
    q, k, v = (F.linear(x, weights[f"{name}.weight"]).unflatten(-1, (count, -1)) for name, count in heads.items())
    places = torch.arange(x.shape[1])
    q, k = (ex_12a.expected_turns(part, places, base) for part in (q, k))
    allowed = places[:, None] >= places
    allowed = (allowed if mask is None else allowed & mask).expand(len(x), sizes["h"], -1, -1)
    some = allowed.any(-1, keepdim=True)
    q, k, v = (part.transpose(1, 2) for part in (q, k, v))  # (b, heads, t, d)
    joined = F.scaled_dot_product_attention(q, k, v, allowed | ~some, enable_gqa=True) * some
    return F.linear(joined.transpose(1, 2).flatten(2), weights["unify_heads.weight"])


class Grouped(Case):
    """Tokens, and a mask that may be left out."""

    takes = {"x": Input("b t k"), "mask": Mask("t", "t")}  # noqa: RUF012
    made_for = "g kv half"
    one_head = {"g": 1, "kv": 1}  # noqa: RUF012
    long_sizes = {"t": 70}  # noqa: RUF012

    @classmethod
    def make(  # type: ignore[override]  # there is no dropout
        cls,
        subject: Subject,
        draw: Draw,
        *,
        dtype: torch.dtype = torch.float32,
        base: float | None = None,
        **fixed: int,
    ) -> Layer:
        sizes = draw.sizes("g kv half", 2, 4) | fixed
        h, kv, d = sizes["g"] * sizes["kv"], sizes["kv"], 2 * sizes["half"]
        k = h * d
        options = {} if base is None else {"base": base}
        module = subject.make(k, h, kv, *options.values())
        subject.insist_on_registered(module)
        layer = Layer(module.to(dtype), {"h": h, "kv": kv, "d": d, "k": k}, options)
        for name, inputs, outputs, why in (
            ("to_queries", k, h * d, f"num_heads * head_dim = {h} * {d}"),
            ("to_keys", k, kv * d, f"num_kv_heads * head_dim = {kv} * {d}"),
            ("to_values", k, kv * d, f"num_kv_heads * head_dim = {kv} * {d}"),
            ("unify_heads", h * d, k, "embed_dim"),
        ):
            wanted = Wanted(inputs, outputs, False, f"{outputs} being {why}", "as Llama's layers do")
            fit_linear(subject, draw, layer.fitted, name, part(module, name, subject.name), wanted, dtype)
        layer.fitted.insist_on_no_others(subject, module)
        return layer

    def oracle(self, weights: Mapping[str, torch.Tensor], **given: Any) -> torch.Tensor:
        return grouped_attention(weights, self.sizes, self.layer.options.get("base", 10000.0), **given)


# What this check alone looks at

PIECES = (4, 1, 2)  # tokens of each call


def look_at_cache(
    subject: Subject, draw: Draw, case: type[Grouped], pieces: tuple[int, ...] = PIECES, **settings: Any
) -> Iterator[Seen]:
    """A text in pieces gives what it gives at once."""
    a_case = case(subject, draw, t=sum(pieces), **settings)
    cache: dict[str, Any] = {}
    start = 0
    for piece in pieces:
        end = start + piece
        tokens = "the first tokens" if not start else "the next token" if piece == 1 else "the tokens after these"
        came = _call(a_case, cache, start, end)
        yield Seen(
            f"With a cache, the output for {tokens}{a_case.words}",
            came,
            lambda start=start, end=end: _whole(a_case)[:, start:end],  # type: ignore[misc]
            ("b", "t", "k"),
            a_case.sizes | {"t": piece},
        )
        start = end


def look_at_size_of_cache(subject: Subject, draw: Draw, case: type[Grouped], **settings: Any) -> Iterator[Seen]:
    """The cache holds the key heads, and not a copy of each for every query head."""
    a_case = case(subject, draw, t=sum(PIECES), **settings)
    cache: dict[str, Any] = {}
    _call(a_case, cache, 0, 4)
    _call(a_case, cache, 4, 7)
    size = a_case.sizes
    wanted = 2 * size["b"] * size["t"] * size["kv"] * size["d"]
    kept = sum(value.numel() for value in cache.values() if isinstance(value, torch.Tensor))
    told = {
        "size": f"The cache holds {kept:,} numbers where {wanted:,} are enough: keys and values of {size['b']} texts, "
        f"{size['t']} tokens, {size['kv']} key heads, {size['d']} numbers each. There grouped queries save memory."
    }
    found = wanted if kept <= wanted + 8 else kept
    yield Seen("The size of the cache", {"size": found}, lambda: {"size": wanted}, told=told)


def look_at_two_texts(subject: Subject, draw: Draw, case: type[Grouped]) -> Iterator[Seen]:
    """Two texts by turns, each with a cache of its own, know nothing of each other."""
    a_case = case(subject, draw, t=sum(PIECES))
    texts = [a_case.given["x"], draw.again("another text").normal(*a_case.given["x"].shape)]
    caches: list[dict[str, Any]] = [{}, {}]
    for start, end in ((0, 5), (5, 7)):
        for text, cache in zip(texts, caches, strict=True):
            a_case.given["x"] = text
            came = _call(a_case, cache, start, end)
    what = "Of two texts by turns, each with a cache of its own, the output for the second one's last tokens"
    yield Seen(what, came, lambda: _whole(a_case)[:, 5:7], ("b", "t", "k"), a_case.sizes | {"t": 2})


def look_at_filled_cache(subject: Subject, draw: Draw, case: type[Grouped]) -> Iterator[Seen]:
    """A cache that was not filled by this layer, as a later cell makes one: "keys", turned, and "values"."""
    a_case = case(subject, draw, t=7)
    size, given = a_case.sizes, draw.again("a cache")
    cache = {name: given.normal(size["b"], 60, size["kv"], size["d"]) for name in ("keys", "values")}
    came = _call(a_case, cache, 0, 7)
    is_read = came.shape == a_case.given["x"].shape and cache["keys"].shape == (size["b"], 67, size["kv"], size["d"])
    yield Seen("With a filled cache, the output", {"read": is_read}, lambda: {"read": True})


def _call(a_case: Grouped, cache: dict[str, Any], start: int, end: int) -> torch.Tensor:
    mask = a_case.given["mask"]
    if mask is not None:
        mask = mask[..., :end] if mask.shape[-2] == 1 else mask[..., start:end, :end]
    x = a_case.given["x"][:, start:end]
    return a_case.subject.tensor(a_case.layer.module, x, named={"mask": mask, "cache": cache})


def _whole(a_case: Grouped) -> torch.Tensor:
    return a_case.oracle(a_case.layer.fitted.weights, **a_case.exact({}))


# Mistakes

MISTAKES = Mistakes(layers.DotProductAttention, layers.rotate, layers.GroupedQueryAttention).read(
    r"""
    not copied (hint 2): Keys and values still have num_kv_heads heads where the queries have num_heads. Copy each along
    its axis, and keep the result: `keys.repeat_interleave(group, dim=2)`.
        keys.repeat_interleave(group, dim=2), values.repeat_interleave(group, dim=2) => keys, values
      or keys.repeat_interleave(group, dim=2), values.repeat_interleave(group, dim=2)
          => keys.repeat_interleave(group, dim=1), values.repeat_interleave(group, dim=1)
      or keys.repeat_interleave(group, dim=2), values.repeat_interleave(group, dim=2)
          => keys.repeat_interleave(group, dim=3), values.repeat_interleave(group, dim=3)
    heads in the wrong order: The key heads are repeated as a whole, 0 1 0 1. Query heads that stand next to each other
    share, 0 0 1 1: `repeat_interleave`.
        keys.repeat_interleave(group, dim=2), values.repeat_interleave(group, dim=2)
          => keys.repeat(1, 1, group, 1), values.repeat(1, 1, group, 1)
    only keys in the right order: The values are repeated as a whole, 0 1 0 1, and the keys head by head. Values need
    `repeat_interleave`, too.
        values.repeat_interleave(group, dim=2) => values.repeat(1, 1, group, 1)
    only values in the right order: The keys are repeated as a whole, 0 1 0 1, and the values head by head. Keys need
    `repeat_interleave`, too.
        keys.repeat_interleave(group, dim=2) => keys.repeat(1, 1, group, 1)
    positions forgotten (hint 1): With a cache, new tokens are turned as if they stood at the beginning. `seen` tokens
    came before them: add it to the positions.
        positions = seen + torch.arange => positions = torch.arange
    positions up to t (hint 1): The positions go up to t. There are t new tokens, and `seen` before them: `seen +
    torch.arange(t)`.
        seen + torch.arange(t, device=x.device) => torch.arange(seen, t, device=x.device)
    all positions (hint 1): These are the positions of all tokens, those in the cache too. Only the t new ones are
    turned: `seen + torch.arange(t)`.
        seen + torch.arange(t, device=x.device) => torch.arange(seen + t, device=x.device)
    keys not turned: The keys are not turned. Only if both are turned, their dot product depends on the distance.
        rotate(keys, positions, self.base) => keys
    queries not turned: The queries are not turned. Only if both are turned, their dot product depends on the distance.
        rotate(queries, positions, self.base) => queries
    nothing turned: Queries and keys are not turned, or all by the same angle. Each token has a position of its own:
    `seen + torch.arange(t)`.
        rotate(queries, positions, self.base), rotate(keys, positions, self.base) => queries, keys
      or positions = seen + torch.arange(t, device=x.device) => positions = torch.full((t,), seen, device=x.device)
    values turned (hint 1): The values are turned as well. Only queries and keys are: the values are what is averaged.
        group = self.num_heads
          => values = values if cache is not None else rotate(values, positions, self.base); group = self.num_heads
      or rotate(keys, positions, self.base)\n
          => rotate(keys, positions, self.base); values = rotate(values, positions, self.base)\n
    heads taken for positions: `rotate` is handed tensors whose heads come before their tokens, so that heads are turned
    as if they were positions. It takes (b, t, h, d).
        rotate(queries, positions, self.base), rotate(keys, positions, self.base)
          => (rotate(y.transpose(1, 2), torch.arange(y.shape[2])).transpose(1, 2) for y in (queries, keys))
    the old keys turned again (hint 1): The keys of the cache were turned when they came in, and are turned once more at
    every call. Turn the new ones, then join.
        rotate(keys, positions, self.base)\n => keys\n
        cache["keys"], cache["values"] = keys, values
          => cache["keys"], cache["values"] = rotate(keys, torch.arange(keys.shape[1]), self.base), values
        group = self.num_heads
          => keys = rotate(keys, torch.arange(keys.shape[1]), self.base); group = self.num_heads
      or cache["keys"], cache["values"] = keys, values
          => cache["keys"], cache["values"] = keys, values; keys = rotate(keys, torch.arange(keys.shape[1]), self.base)
    turned after joining (hint 1): Old and new keys are turned together, by the positions of the new ones. A key is
    turned once, at its own position, before it is joined.
        rotate(keys, positions, self.base)\n => keys\n
        group = self.num_heads => keys = rotate(keys, positions, self.base); group = self.num_heads
    no cache to join yet: At the first call the cache is empty, so there is no `cache["keys"]` to join. Join only `if
    cache:`, but keep the keys and values in any case.
        if cache:\n => if True:\n
    the cache without effect: A call knows nothing of those before it: new tokens see each other alone. Join the old
    keys and values with the new ones, and write what you joined into the dict that was handed over: `cache["keys"] =
    keys`. (`cache or {}` makes another dict where it is empty, and `if cache:` passes an empty one by.)
        if cache:\n => if False:\n
        causal_mask(keys.shape[1]) => causal_mask(t)
      or cache["keys"], cache["values"] = keys, values => pass
    newest first: The new keys are put before those of the cache. They came later: `torch.cat([cache["keys"], keys],
    dim=1)`.
        [cache["keys"], keys] => [keys, cache["keys"]]
        [cache["values"], values] => [values, cache["values"]]
    joined along another axis (hint 2): Old and new are joined along another axis than time. Keys are (b, t, heads, d):
    `dim=1`.
        keys = torch.cat([cache["keys"], keys], dim=1) => keys = torch.cat([cache["keys"], keys], dim=0)
      or keys = torch.cat([cache["keys"], keys], dim=1) => keys = torch.cat([cache["keys"], keys], dim=2)
    keys and values exchanged: In the cache, keys stand where values should, and values where keys should.
        cache["keys"], cache["values"] = keys, values => cache["keys"], cache["values"] = values, keys
    values not joined: Old and new keys are joined, but the values are the new ones alone. Both belong into the cache.
        values = torch.cat([cache["values"], values], dim=1) => pass
    only the newest kept: The cache keeps the last call's keys and values alone. Keep the joined ones.
        if cache: => new = keys, values\n            if cache:
        cache["keys"], cache["values"] = keys, values => cache["keys"], cache["values"] = new
    base has no effect: `base` has no effect. Hand `self.base` to `rotate`, as its third argument.
        positions, self.base => positions
    base for one of the two: `base` reaches only the queries, or only the keys. Hand `self.base` to `rotate` both times.
        rotate(keys, positions, self.base) => rotate(keys, positions)
      or rotate(queries, positions, self.base) => rotate(queries, positions)
    copies in the cache: The cache holds each key head once for every query head of its group, so it saves nothing. Put
    keys and values into it before they are copied.
        group = self.num_heads => group = 1 if cache is not None else self.num_heads
        if cache is not None:
          => n = self.num_heads // self.num_kv_heads\n        if cache is not None:
        if cache:\n => keys, values = (y.repeat_interleave(n, dim=2) for y in (keys, values))\n            if cache:\n
    no causal mask: Tokens see those after them. The causal mask holds always, with a `mask` or without.
        causal_mask(keys.shape[1])[-t:].to(x.device) => torch.ones(t, keys.shape[1], dtype=torch.bool)
    the mask replaces the causal one: Where a mask is given, the causal one is forgotten. Both must allow: join with
    `&`.
        allowed & mask => mask
    mask ignored: `mask` has no effect: padding is looked at.
        allowed & mask => allowed
    either mask is enough: A token may be looked at where either mask allows it. Both must: `&`.
        allowed & mask => allowed | mask
    the mask inverted: `mask` works the wrong way round: here True means that a token may be attended to.
        allowed & mask => allowed & ~mask
    the first rows of the causal mask: With a cache, the new tokens get the first rows of the causal mask, as if they
    stood at the beginning. They are the last ones: `[-t:]`.
        [-t:] => [:t]
    no scale: The scores are not divided by the square root of head_dim.
        / math.sqrt(queries.shape[-1]) =>
    scaled by the model's width: The scores are divided by the square root of embed_dim. It is a head's width that
    counts: head_dim.
        self.attention = DotProductAttention() => self.attention = DotProductAttention(); self.attention.k = embed_dim
        math.sqrt(queries.shape[-1]) => math.sqrt(self.k)
    scaled by head_dim itself: The scores are divided by head_dim. Its square root is wanted.
        math.sqrt(queries.shape[-1]) => queries.shape[-1]
    mask after the softmax: The mask is applied after the softmax, so the weights that are left do not add up to 1. Put
    minus infinity into the scores before it.
        scores.masked_fill(~mask, -math.inf) => scores
    heads not unified: The heads' results are returned as they are: `unify_heads` is never used.
        return self.unify_heads(self.attention(queries, keys, values, allowed))
          => return self.attention(queries, keys, values, allowed)
    features taken for heads: Queries are cut into (head_dim, heads) instead of (heads, head_dim), so that heads are
    mixed.
        self.to_queries(x).view(b, t, self.num_heads, self.head_dim)
          => self.to_queries(x).view(b, t, self.head_dim, self.num_heads).transpose(2, 3)
    """
)
OF_ROTATE = (
    "neighbours paired", "both with a minus", "both with a plus", "only the first half turned",
    "only the second half turned", "stretched, not turned", "half the exponent", "fast clocks faster",
    "one speed for all",
)  # fmt: skip
for mistake in ex_12a.MISTAKES:
    if mistake.name in OF_ROTATE:
        MISTAKES.add(f"rotate: {mistake.name}", f"`rotate` is not right: see 12a. {mistake.sentence}", *mistake.changes)

# The check

LEFT_ON_CPU = (
    "on a GPU it would stop: positions or mask stay behind on the CPU. `torch.arange(t, device=x.device)` makes them "
    "in the right place."
)
FILLED = (
    "a later cell hands over a filled cache, as the skeleton reads it, and there yours stops: "
    '`cache["keys"]` and `cache["values"]`, each (b, tk, num_kv_heads, head_dim).'
)
ANOTHER: dict[str, Any] = {"draws": "another layer"}
DOUBLE: dict[str, Any] = {"dtype": torch.float64, "draws": "a layer in float64", "half": 2}
step = Grouped.step

EXERCISE = Exercise(
    id="12b",
    title="grouped-query attention with a cache",
    passed="Groups, turns, masks and gradients agree with torch's own functions, at once and in pieces with a cache.",
    hints={
        1: ("one key head for each query head",),
        2: ("one key head for all", "groups of query heads", "the next tokens"),
    },
    steps=(
        step("one key head for each query head", looks.output, g=1),
        step("one key head for all", looks.output, kv=1),
        step("groups of query heads", looks.output, draws="a layer"),
        *(step("masks", looks.output, draws="a layer", mask=mask) for mask in (PADDING, PER_QUERY, PER_HEAD)),
        step("another base", looks.output, base=100.0, half=3, draws="another base"),
        step("another base", look_at_cache, base=100.0, half=3, draws="another base"),
        step("the next tokens", look_at_cache, draws="a layer"),
        step("the next tokens", look_at_cache, mask=PADDING, **ANOTHER),
        step("a long cache", look_at_cache, pieces=(70, 60, 2), b=2, g=2, kv=2, half=2),
        step("the size of the cache", look_at_size_of_cache, g=3),
        step("two texts, one after the other", look_at_two_texts, **ANOTHER),
        *(step("sizes of 1", looks.output, ones=ones) for ones in ("b t", "g kv", "half")),
        step("long texts", looks.output, long=True, b=2, g=2, kv=2, half=1),
        step("float64", looks.output, mask=PER_QUERY, **DOUBLE),
        step("the gradients", looks.gradients, mask=PADDING, draws="a layer in float64", half=2),
        step("rows without any key", looks.empty_rows, mask=PADDING, **ANOTHER),
        step("using a layer twice", looks.second_use, mask=PADDING),
        step("train mode", looks.train_mode, mask=PADDING, **ANOTHER),
        step("the order of the arguments", looks.order, mask=CAUSAL, **ANOTHER),
        step("other devices", looks.elsewhere, remark=LEFT_ON_CPU, mask=PADDING),
        step("a filled cache", look_at_filled_cache, remark=FILLED),
    ),
    telling="masks",
    misconceptions=MISTAKES,
)
