"""Exercise 2, scaled dot-product attention: what goes in, what is right, what the check looks at, and mistakes."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from helpers import layers
from helpers.checks.answer.parts import Fitted
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import CAUSAL, PADDING, PER_HEAD, PER_QUERY, SHARED, Draw
from helpers.checks.engine.exercise import Exercise, Step
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen, close, same, seen_facts
from helpers.checks.engine.trouble import Trouble
from helpers.checks.looks import layer as looks
from helpers.checks.looks.case import Case, Input, Layer, Mask, leaked
from helpers.checks.looks.dropout import dropped_facts
from helpers.checks.looks.strides import NOT_CONTIGUOUS

# What goes in, and what is right


def attention(heads: Sequence[torch.Tensor], mask: torch.Tensor | None = None) -> torch.Tensor:
    """Return what torch makes of queries, keys and values (b, h, t, d), zeros where a query may attend to nothing."""
    queries, keys, values = heads
    if mask is None:
        return F.scaled_dot_product_attention(queries, keys, values)
    some = mask.any(-1, keepdim=True)  # torch's older versions give NaN for a row without a single True
    output = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask | ~some)
    return output.masked_fill(~some, 0.0)


class Attention(Case):
    """Queries, keys and values of several heads, and a mask."""

    takes = {  # noqa: RUF012
        "queries": Input("b tq h d"),
        "keys": Input("b tk h d"),
        "values": Input("b tk h d"),
        "mask": Mask("tq", "tk"),
    }
    output = "b tq h·d"
    long_sizes = {"tk": 61, "tq": 37}  # noqa: RUF012

    @classmethod
    def make(cls, subject: Subject, draw: Draw, *, dtype: torch.dtype = torch.float32, dropout: float = 0.0) -> Layer:
        module = subject.make(dropout)
        Fitted().insist_on_no_others(subject, module)
        return Layer(module)

    def drawn_sizes(self, draw: Draw, fixed: Mapping[str, int]) -> dict[str, int]:
        while True:
            sizes = draw.sizes("b tq tk h d", 2, 8, ["h*d", "b*h"])
            if sizes["b*h"] <= 15:  # an answer may loop over texts and heads
                return {name: sizes[name] for name in ("b", "tq", "tk", "h", "d")} | dict(fixed)

    def oracle(self, weights: Mapping[str, torch.Tensor], **given: Any) -> torch.Tensor:
        heads = [given[name].transpose(1, 2) for name in ("queries", "keys", "values")]
        return attention(heads, given.get("mask")).transpose(1, 2).flatten(2)


# What this check alone looks at


def look_at_scores(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """The scores; dividing by the root of d may as well be left to `forward`. Without the method, `forward` decides."""
    calculate_score: Any = getattr(subject.make(0.0), "calculate_score", None)
    if calculate_score is None:
        return
    sizes = draw.sizes("b·h tq tk d", 2, 8)
    n, tq, tk, d = sizes.values()
    queries, keys = draw.normal(n, tq, d), draw.normal(n, tk, d)
    products = queries.double() @ keys.double().transpose(1, 2)
    scores = subject.tensor(calculate_score, queries, keys, name="calculate_score")
    if scores.dtype == queries.dtype and same(scores, products):
        return  # whether they are scaled is still to be seen, so they are not called right
    axes = ("b·h", "tq", "tk")
    yield Seen("What `calculate_score` gives", scores, lambda: products / d**0.5, axes, sizes, dtype=queries.dtype)


def look_at_weights(subject: Subject, draw: Draw, mask: str | None = None, **fixed: int) -> Iterator[Seen]:
    """The weights of one head, seen through values that are the identity, with zeros behind it: tk and d differ."""
    sizes: dict[str, Any] = {**draw.sizes("b tq tk d", 2, 8), **fixed}
    case = Attention(subject, draw, mask=mask, h=1, **sizes)
    b, tk, d = case.sizes["b"], case.sizes["tk"], case.sizes["tk"] + case.sizes["d"]
    case.sizes |= {"d": d}
    numbers = draw.again("wider")
    case.given |= {
        "queries": numbers.normal(b, case.sizes["tq"], 1, d),
        "keys": numbers.normal(b, tk, 1, d),
        "values": torch.eye(tk, d).expand(b, tk, d)[:, :, None].contiguous(),
    }

    def narrow(output: torch.Tensor) -> torch.Tensor:
        return output[..., :tk] if output.shape[-1:] == (d,) and not output[..., tk:].any() else output

    got = narrow(case.call())
    seen = case.seen("The weight matrix of one head (the output for values that are the identity)", got)
    whole = seen.expected
    seen.expected = lambda: whole()[..., : tk if got.shape[-1:] == (tk,) else d]
    seen.axes, seen.shares = ("b", "tq", "tk"), True
    seen.clue = lambda got: "" if mask is None else leaked(got, case.given["mask"][:, 0])
    seen.alone = lambda: narrow(case.call(first_only=True))
    yield seen


CHECK_TENSORS = (
    [[[[12, 2, 17, 88]], [[1, 43, 13, 7]], [[69, 48, 18, 55]]]],
    [[[[10, 99, 65, 10]], [[85, 6, 114, 53]], [[25, 5, 3, 4]]]],
    [[[[33, 32, 18, 3]], [[36, 77, 90, 37]], [[19, 47, 72, 39]]]],
)
CHECK_ANSWER = [[36.0, 77.0, 90.0, 37.0], [33.0, 32.0, 18.0, 3.0], [36.0, 77.0, 90.0, 37.0]]


def look_at_check_tensor(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """The lesson's exact numbers: large enough to overflow a softmax that does not subtract its maximum."""
    queries, keys, values = (torch.tensor(numbers, dtype=torch.float32) for numbers in CHECK_TENSORS)
    mask = torch.tensor([True, False, True])[None, None, None]
    # With a key hidden: scores so far from 0 that only minus infinity, or something near it, hides one.
    for sign, words, hidden in (
        (1, "", None),
        (1, " with its second key masked", mask),
        (-1, " times -1, with a mask,", mask),
    ):
        case = Attention(subject, draw, b=1, tq=3, tk=3, h=1, d=4)
        case.layer = case.make(subject, draw)  # another for each: what is kept is another step's
        case.given = {"queries": sign * queries, "keys": keys, "values": values, "mask": hidden}
        seen = case.seen(f"The output for the check tensor{words}", alone=False)
        if hidden is None:
            seen.expected = lambda: torch.tensor([CHECK_ANSWER])
        else:
            seen.clue = functools.partial(_hiding, seen.expected())
        yield seen


def _hiding(expected: torch.Tensor, got: torch.Tensor) -> str:
    """Say how the hidden key, which is number 1, comes through."""
    wrong = (~close(got.float(), expected)).any(-1).nonzero()[:, 1].unique().tolist()
    if wrong == [1]:
        return "The mask hides its word as a query, too: it is for keys alone"
    return "The number that hides a score must win over every score, however large or small"


def look_at_dropout(subject: Subject, draw: Draw, p: float = 0.25) -> Iterator[Seen]:
    """Dropout falls on the weights: the values are the identity twice, so each weight can be read off twice."""
    b, h, tq, tk = 2, 2, 24, 16  # enough weights to tell p from dropping twice
    case = Attention(subject, draw, dropout=p, b=b, h=h, tq=tq, tk=tk, d=2 * tk, scale=0.6)
    case.given["values"] = torch.eye(tk).repeat(1, 2)[None, :, None].repeat(b, 1, h, 1)
    case.layer.module.train()
    first, second = case.call(), case.call()
    clean = case.oracle({}, **case.exact({}))
    if first.shape != clean.shape:
        yield case.seen("The output in train mode", first)
    came, again, right = (each.reshape(b, tq, h, 2, tk).unbind(3) for each in (first, second, clean))
    whole = torch.equal(came[0] != 0, came[1] != 0)
    features = "A dropped weight drops out for all features of its value; here single features are dropped."
    facts = {"random": (not torch.equal(came[0], again[0]), "Two calls give the same output: nothing is dropped.")}
    facts |= {"whole weights": (whole, features)} | dropped_facts(came[0], right[0], p, "weight", "the weights")
    yield seen_facts(f"Dropout in train mode with p = {p}", facts)


def look_at_kept_weights(subject: Subject, draw: Draw, mask: str | None = None) -> Iterator[Seen]:
    """The weights of the last call are kept: the pictures further down read them."""
    case = Attention(subject, draw, mask=mask)
    case.call()
    kept = getattr(case.layer.module, "weights", None)
    if not isinstance(kept, torch.Tensor):
        is_there = "has none" if kept is None else f"is a {type(kept).__name__}"
        sentence = (
            "`self.weights` should hold the weights of the last call, (b, h, tq, tk): the pictures further down read "
            f"it. After a call it {is_there}."
        )
        raise Trouble(sentence, "no weights", type(kept).__name__)
    queries, keys = (case.given[name].double().transpose(1, 2) for name in ("queries", "keys"))
    hidden = None if case.given["mask"] is None else ~case.given["mask"]
    scores = queries @ keys.mT / case.sizes["d"] ** 0.5
    right = (scores if hidden is None else scores.masked_fill(hidden, -torch.inf)).softmax(-1)
    what = "What `self.weights` holds after a call" + case.words
    yield Seen(what, kept.detach(), lambda: right, ("b", "h", "tq", "tk"), case.sizes, shares=True)


def look_closely(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Float64 is float64 all through: a change that float32 cannot hold comes out at the end."""
    case = Attention(subject, draw, dtype=torch.float64)
    change, first = draw.normal(*case.given["values"].shape, dtype=torch.float64), case.call()
    case.given["values"] = case.given["values"] + 1e-9 * change
    second = case.call()
    case.given["values"] = change
    what = "What a tiny change of the values in float64 changes, times a billion,"
    yield Seen(what, ((second - first) * 1e9).float(), case.seen("", first).expected, ("b", "tq", "h·d"), case.sizes)


# Mistakes

MISTAKES = Mistakes(layers.DotProductAttention).read(
    """
    no scaling: The scores are not scaled: divide them by the square root of d, the width of one head.
         / math.sqrt(queries.shape[-1]) =>
    scaled by d: The scores are divided by d itself, not by its square root: the weights come out too even.
        math.sqrt(queries.shape[-1]) => queries.shape[-1]
    multiplied by the root: The scores are multiplied by the square root of d. They should be divided by it.
        / math.sqrt(queries.shape[-1]) => * math.sqrt(queries.shape[-1])
    scaled by the width of all heads: The scores are divided by the square root of h * d, the width of all heads
    together. What counts is d, the width of one.
         / math.sqrt(queries.shape[-1]) =>
        self.calculate_score(queries, keys) => self.calculate_score(queries, keys) / math.sqrt(h * d)
    scaled twice: The scores are divided by the square root of d twice: once in `calculate_score` and once after it.
        self.calculate_score(queries, keys) => self.calculate_score(queries, keys) / math.sqrt(d)
    scaled by the keys' number: The scores are divided by the square root of the number of keys. What counts is d, the
    width of one head.
        math.sqrt(queries.shape[-1]) => math.sqrt(keys.shape[1])
    scaled by the queries' number: The scores are divided by the square root of the number of queries. What counts is d,
    the width of one head.
        math.sqrt(queries.shape[-1]) => math.sqrt(queries.shape[1])
    softmax over the queries: Softmax runs over the queries: each key shares itself out. It is each query that shares
    out a weight of 1 among the keys.
        dim=-1 => dim=1
    softmax over batch and heads: Softmax runs over the first axis, so texts and heads of one batch compete. It should
    run over the keys.
        dim=-1 => dim=0
    softmax over the heads: Softmax runs over the heads: they compete for each key. Each head has weights of its own,
    over the keys.
        torch.softmax(scores, dim=-1) => scores.view(b, h, tq, tk).softmax(1).view(b * h, tq, tk)
    no softmax: The scores are used as weights as they are. Softmax turns them into weights that sum to 1.
        torch.softmax(scores, dim=-1) => scores
    sigmoid for softmax: Each weight comes from a sigmoid of its own, so a query's weights do not sum to 1 as in
    softmax.
        torch.softmax(scores, dim=-1) => scores.sigmoid()
    softmax that overflows: The softmax overflows: exp of a large score is infinite, and infinity divided by infinity is
    NaN. `torch.softmax` subtracts each row's maximum first.
        torch.softmax(scores, dim=-1) => scores.exp() / scores.exp().sum(-1, keepdim=True)
    keys and queries swapped: Keys and queries have changed places: the scores have a row for each key. They should have
    a row for each query.
        queries @ keys.transpose => keys @ queries.transpose
    values left out: The values are left out: what comes back are the weights. Multiply them with the values, so that
    each query gets an average of values.
        weights @ values => weights; d = tk
    keys for values: The weights average the keys. They should average the values.
        weights @ values => weights @ keys
    values summed up: The output is the same for all queries: the values are added up without the weights.
        weights @ values => values.sum(1, keepdim=True).expand(-1, tq, -1)
    heads split by reshape alone: Queries, keys and values are reshaped to (b * h, t, d) without a transpose first, so
    heads and words are mixed up. Bring the heads beside the batch, then reshape.
        x.transpose(1, 2).reshape(b * h => x.reshape(b * h
    heads joined by reshape alone: The heads are joined in the wrong order: (b, h, tq, d) is reshaped to (b, tq, h * d)
    without bringing the heads behind the queries first.
        .transpose(1, 2).reshape(b, tq, h * d) => .reshape(b, tq, h * d)
    heads joined feature by feature: The heads are joined in the wrong order: first feature of every head, second
    feature of every head, and so on. One head after the other is wanted, h before d.
        .transpose(1, 2).reshape(b, tq, h * d) => .permute(0, 2, 3, 1).reshape(b, tq, h * d)
    heads averaged: The heads are averaged into one. They should stand side by side: (b, tq, h * d).
        .transpose(1, 2).reshape(b, tq, h * d) => .mean(1)
    heads not joined: The output still has an axis for the heads. Join them: (b, tq, h * d).
        .transpose(1, 2).reshape(b, tq, h * d) => .transpose(1, 2)
    mask ignored: The mask changes nothing: keys that are forbidden still get weight.
        if mask is not None: => if False:
    mask inverted: The mask works the wrong way round: here True means that a key may be attended to.
        ~mask => mask
    mask after softmax: No mask reaches softmax: forbidden keys get 0 only after it, and what is left of the weights no
    longer sums to 1. Hide the scores before softmax, and keep the result: `scores = scores.masked_fill(...)`.
        scores.masked_fill(~mask, -math.inf) => scores
    mask multiplied into the scores: The scores are multiplied by the mask, so a forbidden key's score is 0, and exp(0)
    = 1 is no small weight. Minus infinity is.
        scores.masked_fill(~mask, -math.inf) => scores * mask
        weights.masked_fill(~mask, 0.0) => weights
    mask added to the scores: The mask is added to the scores, where True counts 1 and False 0: a forbidden key is
    hardly less likely. Minus infinity hides it.
        scores.masked_fill(~mask, -math.inf) => scores + mask
      or scores.masked_fill(~mask, -math.inf) => scores + mask
        weights.masked_fill(~mask, 0.0) => weights
    weights kept the other way round: `self.weights` is transposed: a row is a query, a column a key, (b, h, tq, tk).
    The next picture reads it.
        reshape(b, h, tq, tk) => reshape(b, h, tq, tk).mT
    weights kept without an axis for the heads: `self.weights` holds (b * h, tq, tk). The next picture reads (b, h, tq,
    tk): reshape it, as the skeleton does.
        self.weights = weights.detach().reshape(b, h, tq, tk) => self.weights = weights.detach()
    a small number for minus infinity: A forbidden key's score is made smaller by a fixed number, and a large score wins
    over it. Only minus infinity, or the smallest number there is, is small enough.
        scores.masked_fill(~mask, -math.inf) => scores - 100.0 * ~mask
        weights.masked_fill(~mask, 0.0) => weights
    mask of the first text: The mask of the first text in the batch is used for all of them.
        mask.expand(b, h, tq, tk) => (mask if mask.dim() < 4 else mask[:1]).expand(b, h, tq, tk)
    mask of the first head: The mask of the first head is used for all heads.
        mask.expand(b, h, tq, tk) => (mask if mask.dim() < 4 else mask[:, :1]).expand(b, h, tq, tk)
    mask repeated in another order: The mask is repeated for the heads in another order than the scores have: text after
    text in the one, head after head in the other. So texts get each other's masks.
        mask.expand(b, h, tq, tk
        => (mask.expand(b, h, tq, tk) if mask[..., 0, 0].numel() > b else mask.expand(b, 1, tq, tk).repeat(h, 1, 1, 1)
    NaN where nothing may be attended to: Where a query may attend to nothing, softmax divides 0 by 0, and NaN comes
    out. Zeros are wanted there.
        weights.masked_fill(~mask, 0.0) => weights
    an average where nothing may be attended to: Where a query may attend to nothing, it gets the average of all values.
    Zeros are wanted there.
        weights.masked_fill(~mask, 0.0) => weights
        -math.inf => -1e9
    dropout on the scores: Dropout falls on the scores, before softmax. A score of 0 still gets weight: drop weights,
    after softmax.
        torch.softmax(scores, dim=-1) => self.dropout(scores).softmax(-1)
        self.dropout(weights) => weights
    dropout on the output: Dropout falls on the output. It belongs on the weights, after softmax.
        self.dropout(weights) => weights
        output.reshape(b, h, tq, d).transpose(1, 2).reshape(b, tq, h * d
            => self.dropout(output.reshape(b, h, tq, d).transpose(1, 2).reshape(b, tq, h * d)
    dropout in eval mode: Dropout is active in eval mode too, so predictions are random. `nn.Dropout` knows the mode;
    `F.dropout` has to be told with `training=self.training`.
        self.dropout(weights) => nn.functional.dropout(weights, self.dropout.p)
    no dropout: Nothing is dropped in train mode: the `dropout` argument has no effect.
        self.dropout(weights) => weights
    weights kept with probability p: `dropout` is the probability that a weight is dropped; here it is that of staying.
        nn.Dropout(dropout) => nn.Dropout(1 - dropout)
    dropout applied twice: Dropout is applied twice, so more weights are dropped than `dropout` says. The given line
    does it already.
        self.dropout(weights) => self.dropout(self.dropout(weights))
    """
)

# The check

step = Attention.step


EXERCISE = Exercise(
    id="2",
    title="scaled dot-product attention",
    passed="Scores, weights, heads, masks, gradients and dropout agree with torch's own function.",
    hints={1: ("the scores",), 2: ("the weights",)},
    steps=(
        Step("the scores", look_at_scores),
        Step("the weights", look_at_weights),
        step("the weighted values", looks.output, h=1),
        step("several heads", looks.output),
        *(step("sizes of 1", looks.output, ones=ones) for ones in ("b tq", "h d", "tk", "b h")),
        step("equal sizes", looks.output, b=3, tq=3, tk=3, h=3, d=3),
        step("long inputs", looks.output, long=True),
        Step("masks", look_at_weights, {"mask": PADDING}),
        *(step("masks", looks.output, mask=mask) for mask in (PADDING, CAUSAL, PER_QUERY, PER_HEAD, SHARED)),
        step("masks", looks.output, mask=CAUSAL, tq=6, tk=6),
        step("masks", looks.output, mask=PADDING, ones="tq"),
        step("masks", looks.output, mask=PER_QUERY, ones="b"),
        step("masks", looks.output, mask=PER_HEAD, ones="h d"),
        Step("large numbers", look_at_check_tensor),
        step("float64", looks.output, dtype=torch.float64, mask=PER_QUERY),
        step("the gradients", looks.gradients),
        step("the gradients", looks.gradients, mask=PER_QUERY),
        step("rows without any key", looks.empty_rows, mask=PADDING),
        step("rows without any key", looks.empty_rows, mask=PER_HEAD),
        step("rows without any key", looks.gradients, mask=PADDING, empty=True, remark=looks.NAN_GRADIENT),
        step("using a layer twice", looks.second_use, mask=PADDING),
        step("eval mode", looks.eval_mode),
        step("eval mode", looks.eval_mode, mask=PADDING),
        step("train mode without dropout", looks.train_mode, twice=True, b=2, h=2),
        step("train mode without dropout", looks.train_mode, twice=True, mask=PADDING, b=2, h=2),
        Step("dropout", look_at_dropout),
        Step("float64", look_closely),
        Step("the weights that are kept", look_at_kept_weights),
        Step("the weights that are kept", look_at_kept_weights, {"mask": PER_QUERY}),
        step("other devices", looks.elsewhere, mask=PER_QUERY),
        step("inputs that are not contiguous", looks.scattered, mask=PER_QUERY, remark=NOT_CONTIGUOUS),
    ),
    telling="several heads",
    misconceptions=MISTAKES,
)
