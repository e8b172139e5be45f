"""Exercise 3, self-attention with many heads: what goes in, what is right, what is looked at, and mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from helpers import layers
from helpers.checks.answer.parts import PROJECTIONS, Fitted, fit_attention
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import CAUSAL, PADDING, PER_HEAD, PER_QUERY, Draw
from helpers.checks.engine.exercise import Exercise, Step
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen, seen_facts
from helpers.checks.engine.trouble import Trouble, told_first
from helpers.checks.exercises import ex_02
from helpers.checks.looks import layer as looks
from helpers.checks.looks.case import Case, Input, Layer, Mask
from helpers.checks.looks.dropout import seen_with_dropout
from helpers.checks.looks.strides import NOT_CONTIGUOUS
from helpers.checks.looks.where_dropout import all_kept, seen_dropout

# What goes in, and what is right


def self_attention(
    weights: Mapping[str, torch.Tensor],
    h: int,
    x: torch.Tensor,
    mask: torch.Tensor | None = None,
    context: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return what torch's functions give with these weights: (b, t, k) gives (b, t, k), in float64."""
    projected = _projected(weights, h, x, x if context is None else context)
    joined = ex_02.attention(projected, mask).transpose(1, 2).flatten(2)
    return F.linear(joined, weights["unify_heads.weight"], weights.get("unify_heads.bias"))


def _projected(
    weights: Mapping[str, torch.Tensor], h: int, x: torch.Tensor, context: torch.Tensor
) -> list[torch.Tensor]:
    """Return queries, keys and values, (b, h, t, d)."""
    return [
        F.linear(source, weights[f"{name}.weight"], weights.get(f"{name}.bias")).unflatten(-1, (h, -1)).transpose(1, 2)
        for name, source in zip(PROJECTIONS, (x, context, context), strict=True)
    ]


class Attention(Case):
    """Words, a context that may be given, and a mask over what is attended to."""

    takes = {  # noqa: RUF012
        "x": Input("b t k"),
        "mask": Mask("t", "tk"),
        "context": Input("b tk k", optional=True),
    }
    usually_absent = ("context",)
    made_for = "h m own_width"
    long_sizes = {"t": 41, "tk": 59}  # noqa: RUF012

    @classmethod
    def make(
        cls,
        subject: Subject,
        draw: Draw,
        *,
        dtype: torch.dtype = torch.float32,
        dropout: float | None = 0.0,
        heads: str = "usual",
        bias: bool = False,
        remainder: int = 0,
        defaults: bool = False,
        **fixed: int,
    ) -> Layer:
        sizes = draw.sizes("h m own_width", 2, 8, ["h*m"]) | fixed | ({"h": 8, "m": 3} if defaults else {})
        k = sizes["h"] * sizes["m"] + remainder
        d = {"usual": sizes["m"], "wide": k, "own": sizes["own_width"]}[heads]
        said = ({} if heads == "usual" else {"head_dim": d}) | ({"bias": True} if bias else {})
        named = said | ({} if dropout is None or defaults else {"dropout": dropout})
        module = subject.make(k, *([] if defaults else [sizes["h"]]), **named)
        subject.insist_on_registered(module)
        layer = Layer(module.to(dtype), {"h": sizes["h"], "k": k, "d": d, "h·d": sizes["h"] * d}, said, Fitted())
        fit_attention(subject, draw, layer.fitted, module, layer.sizes, dtype, bias)
        layer.fitted.insist_on_no_others(subject, module)
        return layer

    def settle(self, kinds: Mapping[str, Any]) -> None:
        if not kinds["context"]:
            self.sizes["tk"] = self.sizes["t"]

    def oracle(self, weights: Mapping[str, torch.Tensor], **given: Any) -> torch.Tensor:
        return self_attention(weights, self.sizes["h"], **given)


# What this check alone looks at


def look_at_error(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """An embed_dim that does not divide by num_heads is refused, in whatever words."""
    h = draw.random.randrange(3, 7)
    k = h * draw.random.choice([2, 3, 4]) + draw.random.randrange(1, h)
    refused = False
    try:
        subject.make(k, h)
    except Trouble as trouble:
        if trouble.key[0] != "raised":
            raise
        refused = True
    told = f"{subject.name}({k}, {h}) should raise an error: {k} does not divide by {h}."
    yield seen_facts("The width of a head", {"an error": (refused, told)})


def look_at_own_width(subject: Subject, draw: Draw, case: type[Attention]) -> Iterator[Seen]:
    """With a head_dim, nothing has to divide."""
    with told_first("With a head_dim, embed_dim need not divide by num_heads.", "refused"):
        yield case(subject, draw, heads="own", bias=True, remainder=1).seen("The output")


def look_at_dropout(subject: Subject, draw: Draw, case: type[Attention], p: float | None = 0.4) -> Iterator[Seen]:
    """Dropout falls on the attention's weights, one by one, and on nothing else; None: as often as by default."""
    few: dict[str, Any] = {"b": 6, "t": 8, "tk": 3, "h": 2, "m": 3}
    a_case = case(subject, draw, context=True, dropout=p, dtype=torch.float64, **few)
    a_case.layer.module.train()
    share = 0.1 if p is None else p
    first, second = a_case.call(), a_case.call()
    yield seen_with_dropout(first, second, p)
    x = a_case.given["x"]
    if first.shape != x.shape:
        yield a_case.seen("The output in train mode", first)
        return
    weights = a_case.layer.fitted.weights
    queries, keys, values = _projected(weights, 2, x.double(), a_case.given["context"].double())
    shares = (queries @ keys.mT / queries.shape[-1] ** 0.5).softmax(-1)
    kept = all_kept(6).reshape(-1, 2, 3)  # of two heads, three weights each
    attended = torch.einsum("bhtj,whj,bhjd->btwhd", shares, kept / (1 - share), values).flatten(-2).flatten(0, 1)
    ways = F.linear(attended, weights["unify_heads.weight"], weights.get("unify_heads.bias"))
    name = "the attention's weights"
    told = {name: "The attention's weights are never dropped."}
    made = " for a layer made without `dropout`, which is 0.1 then" if p is None else ""
    yield seen_dropout(first.flatten(0, 1), ways, {name: kept.flatten(1)}, share, told, f"Dropout in train mode{made}")


# Mistakes

MISTAKES = Mistakes(layers.DotProductAttention, layers.SelfAttention).read(
    r"""
    heads split by reshape alone: The projections are reshaped to heads without a transpose, so a head sees pieces of
    several words. Split the last axis into (h, d) first, then bring the heads beside the batch.
        x.transpose(1, 2).reshape(b * h => x.reshape(b * h
    heads interleaved: The last axis is split into (d, h), so that neighbouring features go to different heads. It
    should be (h, d): head after head.
        self.num_heads, self.head_dim) => self.head_dim, self.num_heads).transpose(2, 3)
    heads and width exchanged: The last two axes should be (h, d), and are (d, h): there are as many heads as a head is
    wide.
        self.num_heads, self.head_dim) => self.head_dim, self.num_heads)
    values not cut into heads: The values are projected, but not cut into heads as queries and keys are.
        self.to_values(context).view(b, tk, self.num_heads, self.head_dim) => self.to_values(context)
    one head: There is one head as wide as all of them: the projections are not split into heads.
        self.num_heads, self.head_dim) => 1, -1)
    unify_heads left out: The heads stand side by side, but `unify_heads` is never applied: nothing combines them.
        self.unify_heads(attended) => attended
    unify_heads without its bias: `unify_heads` has no bias. It always has one, whatever the `bias` argument says about
    the projections.
        nn.Linear(num_heads * head_dim, embed_dim) => nn.Linear(num_heads * head_dim, embed_dim, bias=False)
    bias ignored: The `bias` argument has no effect: with bias=True the projections still have none.
        bias=bias => bias=False
    always a bias: The projections always have a bias. They should have one only if `bias` says so; `nn.Linear` has one
    by default.
        , bias=bias =>
    one projection for all: Queries and keys go through one and the same layer, so a word always finds itself best.
    Queries, keys and values need one each.
        self.to_keys = nn.Linear(embed_dim, num_heads * head_dim, bias=bias) => self.to_keys = self.to_queries
        self.to_values = nn.Linear(embed_dim, num_heads * head_dim, bias=bias) => self.to_values = self.to_queries
    queries and keys exchanged: What `to_queries` makes serves as keys, and what `to_keys` makes as queries: they are
    exchanged, where they are made or where they are handed to the attention.
        self.to_keys(context) => self.to_queries(context)
        self.to_queries(x) => self.to_keys(x)
    keys for values: The keys are averaged in place of the values: `to_values` is never used.
        self.to_values(context) => self.to_keys(context)
    values not projected: The input itself is averaged: it should go through `to_values` first.
        self.to_values(context) => context
    context ignored: `context` changes nothing: keys and values should come from it where it is given, not from x.
        if context is None: => if True:
    queries from the context: The queries come from `context`. They come from x: each word of x asks, and the context
    answers.
        self.to_queries(x).view(b, t, => self.to_queries(context).view(b, tk,
      or self.to_queries(x) => self.to_queries(context)
    context and x exchanged: x and `context` are exchanged: queries come from x, keys and values from the context.
        b, t, _ = x.shape => x, context = context, x; b, t, _ = x.shape
    values from x: With a `context` only the keys come from it. The values have to come from it too, one for each key.
        self.to_values(context).view(b, tk, => self.to_values(x).view(b, t,
    keys from x: With a `context` only the values come from it. The keys have to come from it too, one for each value.
        self.to_keys(context).view(b, tk, => self.to_keys(x).view(b, t,
    as many keys as queries: Keys and values are reshaped with the length of x, but a `context` has a length of its own.
        tk = context.shape[1] => tk = t
    scaled by the model's width: The scores are divided by the square root of embed_dim. Each head is only head_dim
    wide: that is what counts.
        math.sqrt(queries.shape[-1]) => math.sqrt(self.width)
        DotProductAttention(dropout) => DotProductAttention(dropout); self.attention.width = embed_dim
    scaled by the usual width: The scores are always divided by the square root of embed_dim / num_heads. With a
    head_dim of its own, a head's width is head_dim.
        math.sqrt(queries.shape[-1]) => math.sqrt(self.width)
        DotProductAttention(dropout) => DotProductAttention(dropout); self.attention.width = embed_dim // num_heads
    scaled twice: The scores are scaled twice: the attention of exercise 2 divides by the square root of head_dim
    already.
        self.to_queries(x) => (self.to_queries(x) / math.sqrt(self.head_dim))
    head_dim ignored: `head_dim` has no effect: the projections map embed_dim to embed_dim, not to num_heads * head_dim.
        if head_dim is None: => if True:
    always wide heads: Every head is as wide as the model. With head_dim=None a head is embed_dim // num_heads wide.
        if head_dim is None: => head_dim = embed_dim\n        if False:
    a remainder passed over: Where embed_dim does not divide by num_heads, features get lost silently. Raise an error,
    as the skeleton does.
        if embed_dim % num_heads: => if False:
    dropout not passed on: The `dropout` argument has no effect: hand it on to the attention.
        DotProductAttention(dropout) => DotProductAttention(0.0)
    dropout on the output as well: Dropout falls on the layer's output, too. It belongs on the attention's weights
    alone.
        self.unify_heads(attended) => self.attention.dropout(self.unify_heads(attended))
    dropout on the output alone: Dropout falls on the layer's output. It belongs on the attention's weights, after
    softmax.
        self.dropout(weights) => weights
        self.unify_heads(attended) => self.attention.dropout(self.unify_heads(attended))
    a fixed dropout: Dropout is 0.1 whatever the `dropout` argument says: hand it on to the attention.
        DotProductAttention(dropout) => DotProductAttention(0.1)
    mask not passed on: The mask has no effect: hand it on to the attention.
        values, mask) => values)
    mask not passed on with a context: With a `context` the mask has no effect: it counts there as well.
        if context is None: => mask = mask if context is None else None\n        if context is None:
    heads averaged: The heads are averaged before `unify_heads`. They should stand side by side: (b, t, h * d).
        .transpose(1, 2).reshape(b, tq, h * d) => .mean(1).repeat(1, 1, h)
    no scaling: The scores are not scaled: divide them by the square root of head_dim.
        / math.sqrt(queries.shape[-1]) =>
    softmax over the queries: Softmax runs over the queries. Each query shares out a weight of 1 among the keys.
        dim=-1 => dim=1
    softmax over the heads: Softmax runs over the heads: each head has weights of its own, over the keys.
        torch.softmax(scores, dim=-1) => scores.view(b, h, tq, tk).softmax(1).view(b * h, tq, tk)
    heads joined by reshape alone: The heads are joined in the wrong order: bring them behind the words, (b, t, h, d),
    before you reshape to (b, t, h * d).
        .transpose(1, 2).reshape(b, tq, h * d) => .reshape(b, tq, h * d)
    heads joined feature by feature: The heads are joined feature by feature. One head after the other is wanted, h
    before d.
        .transpose(1, 2).reshape(b, tq, h * d) => .permute(0, 2, 3, 1).reshape(b, tq, h * d)
    mask inverted: The mask works the wrong way round: here True means that a word may be attended to (torch's own
    layers mean the opposite).
        ~mask => mask
    NaN where nothing may be attended to: Where a word may attend to nothing, NaN comes out. The attention should give
    zeros there, and `unify_heads` its bias.
        weights.masked_fill(~mask, 0.0) => weights
    an average where nothing may be attended to: Where a word may attend to nothing, it gets the average of all values.
    The attention should give zeros there.
        weights.masked_fill(~mask, 0.0) => weights
        -math.inf => -1e9
    dropout in eval mode: Dropout is active in eval mode too, so predictions are random.
        self.dropout(weights) => nn.functional.dropout(weights, self.dropout.p)
    """
)

# The check

step = Attention.step
output: Any = partial(step, look=looks.output)

EXERCISE = Exercise(
    id="3",
    title="self-attention with many heads",
    passed="Projections, heads, masks, context, gradients and dropout agree with torch's own layers.",
    hints={1: ("several heads", "context", "head_dim"), 2: ("one head", "masks", "masks with a context")},
    steps=(
        output("one head", h=1),
        output("several heads"),
        output("bias", bias=True),
        output("head_dim", heads="own", bias=True),
        output("head_dim", heads="wide"),
        Step("the error for a remainder", look_at_error),
        step("head_dim", look_at_own_width),
        output("context", context=True, t=5, tk=5),
        output("context", context=True),
        *(output("masks", mask=mask) for mask in (PADDING, CAUSAL, PER_QUERY, PER_HEAD)),
        *(output("masks with a context", mask=mask, context=True) for mask in (PADDING, CAUSAL, PER_HEAD)),
        output("head_dim", heads="own", mask=PER_QUERY, context=True),
        output("masks with a context", mask=PADDING, context=True, t=5, tk=5),
        step("the order of the arguments", looks.order, mask=PADDING, context=True),
        output("masks", mask=PADDING, context=True, ones="t"),
        output("masks", mask=PER_QUERY, ones="b h"),
        output("sizes of 1", ones="b t"),
        output("sizes of 1", ones="m tk", context=True),
        output("long inputs", long=True, context=True),
        output("float64", dtype=torch.float64, mask=PER_QUERY, bias=True, context=True),
        step("the gradients", looks.gradients),
        step("the gradients", looks.gradients, bias=True, mask=PER_QUERY, context=True),
        step("rows without any key", looks.empty_rows, mask=PADDING),
        step("rows without any key", looks.empty_rows, mask=PER_HEAD, context=True),
        step("rows without any key", looks.gradients, mask=PADDING, empty=True, remark=looks.NAN_GRADIENT),
        step("using a layer twice", looks.second_use, mask=PADDING, context=True),
        step("eval mode", looks.eval_mode),
        step("eval mode", looks.eval_mode, mask=PER_QUERY, context=True),
        step("train mode without dropout", looks.train_mode),
        step("train mode without dropout", looks.train_mode, mask=PER_QUERY, context=True),
        step("dropout", look_at_dropout),
        output(
            "the defaults", what="The output of a layer made with embed_dim alone, which has 8 heads,", defaults=True
        ),
        step("the defaults", look_at_dropout, p=None),
        step("other devices", looks.elsewhere, mask=PER_QUERY, context=True),
        step("inputs that are not contiguous", looks.scattered, mask=PER_QUERY, remark=NOT_CONTIGUOUS),
    ),
    telling="several heads",
    misconceptions=MISTAKES,
)
