"""Exercise 12c, top-p: what goes in, what is right, what the check looks at, and mistakes."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import torch

from helpers import layers
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.exercise import Exercise, Step
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen
from helpers.checks.looks.devices import seen_elsewhere
from helpers.checks.looks.used_before import overwrite, second_call

AXES = ("b", "v")
DEVICE = "for logits on another device, say a GPU, it stops: what is made on the way stays behind on the CPU."
EQUAL = (
    "of four equal tokens, more than two stay with p=0.5, where two have exactly p. `before >= p` drops the third; "
    "`before > p`, as in much published code, does not, nor does a threshold for the logits, which equal tokens share."
)
CUT_OFF = "logits that are minus infinity already, as after top-k, come back as something else, or it stops."
DTYPE = "for logits in float64, something else than float64 comes out, or it stops."


def expected_logits(logits: torch.Tensor, p: float) -> torch.Tensor:
    """Take tokens one by one, the likeliest first, until their probabilities add up to p: (b, v), in float64."""
    kept = torch.full(logits.shape, -math.inf, dtype=torch.float64)
    for row, numbers in enumerate(logits.double()):
        shares, total = numbers.softmax(dim=-1), 0.0
        for place in numbers.argsort(descending=True).tolist():
            kept[row, place] = numbers[place]
            total += float(shares[place])
            if total >= p:
                break
    return kept


def _logits(draw: Draw, b: int | None = None, v: int | None = None, wide: float = 2.0) -> torch.Tensor:
    """Draw logits (b, v): the texts differ in how sure they are, and the likeliest token stands anywhere."""
    sizes = draw.sizes("b v", 3, 12)
    b, v = b or sizes["b"], v or sizes["v"] + 6
    sure = torch.linspace(0.4, 1.6, b)[torch.randperm(b, generator=draw.generator)]
    return draw.normal(b, v, scale=wide) * sure[:, None]


def _between(logits: torch.Tensor, p: float) -> float:
    """A p near the one that is wanted, and not where rounding decides on which side of a total it lies."""
    totals = torch.cat([torch.zeros(1), logits.double().softmax(-1).sort(descending=True).values.cumsum(-1).flatten()])
    totals = totals.sort().values
    gaps = totals[1:] - totals[:-1]
    middles = (totals[1:] + totals[:-1]) / 2
    near = (middles - p).abs() + 10.0 * (gaps < 1e-4)
    return float(middles[near.argmin()])


def look_at_kept(
    subject: Subject,
    draw: Draw,
    p: float,
    what: str = "",
    b: int | None = None,
    v: int | None = None,
    wide: float = 2.0,
) -> Iterator[Seen]:
    """What is kept of some logits."""
    logits = _logits(draw, b, v, wide)
    if 0 < p < 1:
        p = _between(logits, p)
    came = subject.tensor(subject.answer, logits, p, name=subject.name)
    yield Seen(
        f"What comes back with p={p:.2f}{what}",
        came,
        functools.partial(expected_logits, logits, p),
        AXES,
        {"b": logits.shape[0], "v": logits.shape[1]},
        clue=functools.partial(_clue, logits, p),
        alone=lambda: subject.tensor(subject.answer, logits[:1], p, name=subject.name),
    )


def _clue(logits: torch.Tensor, p: float, got: torch.Tensor) -> str:
    """What is wrong with a row: how many tokens stay, or which."""
    if got.shape != logits.shape:
        return ""
    wanted, stay = expected_logits(logits, p).isfinite(), got.isfinite()
    for row in range(len(logits)):
        if not torch.equal(wanted[row], stay[row]):
            count, right = int(stay[row].sum()), int(wanted[row].sum())
            if count != right:
                return f"Of text {row}, {count} tokens stay, and {right} should"
            return f"Of text {row}, as many tokens stay as should, {right}, but not the likeliest ones"
    return "The right tokens stay, with other logits than they had"


def look_at_likeliest(subject: Subject, draw: Draw, p: float) -> Iterator[Seen]:
    """The likeliest token stays, however small p is; where it alone has p, nothing else does."""
    logits = _logits(draw)
    came = subject.tensor(subject.answer, logits, p, name=subject.name)
    told = {
        "some": f"With p={p:g} nothing is left of some text. The likeliest token always stays.",
        "one": f"With p={p:g} more than the likeliest token stays, or another one.",
    }
    is_shaped = came.shape == logits.shape
    left = came.isfinite()
    facts = {
        "some": is_shaped and bool(left.any(-1).all()),
        "one": is_shaped and torch.equal(left, expected_logits(logits, p).isfinite()),
    }
    yield Seen("The likeliest token", facts, lambda: {"some": True, "one": True}, told=told)


def look_twice(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Nothing is kept of a call."""
    logits = _logits(draw)
    subject.tensor(subject.answer, logits, _between(logits, 0.6), name=subject.name)
    overwrite(logits, by=[draw.normal(*logits.shape, scale=2.0)])
    p = _between(logits, 0.6)
    with second_call("with other logits"):
        came = subject.tensor(subject.answer, logits, p, name=subject.name)
    yield Seen("What comes back the second time", came, functools.partial(expected_logits, logits, p), AXES)


def look_at_equal(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Four equal tokens have a quarter each, without any rounding: two of them make exactly one half."""
    came = subject.tensor(subject.answer, torch.zeros(1, 4), 0.5, name=subject.name)
    yield Seen("Equal tokens", {"two": int(came.isfinite().sum()) == 2}, lambda: {"two": True})


def look_after_top_k(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Logits of which some are minus infinity already."""
    logits = _logits(draw)
    logits = logits.masked_fill(logits < logits.median(-1, keepdim=True).values, -math.inf)
    p = _between(logits, 0.8)
    came = subject.tensor(subject.answer, logits, p, name=subject.name)
    yield Seen("What comes back after top-k", came, lambda: expected_logits(logits, p), AXES)


def look_at_float64(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """The dtype stays."""
    logits = _logits(draw).double()
    p = _between(logits, 0.7)
    came = subject.tensor(subject.answer, logits, p, name=subject.name)
    yield Seen("What comes back", came, lambda: expected_logits(logits, p), AXES, dtype=torch.float64)


def look_elsewhere(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Tensors that are made on the way are made where the logits are."""
    logits = _logits(draw)
    yield from seen_elsewhere(subject, subject.answer, logits, _between(logits, 0.7))


# Mistakes

MISTAKES = Mistakes(layers.top_p).read(
    r"""
    the token that crosses p dropped: One token too few stays: the one with which the total reaches p is dropped. It
    belongs to the set: ask whether the tokens *before* it have reached p.
        probabilities.cumsum(dim=-1) - probabilities => probabilities.cumsum(dim=-1)
        before >= p => before > p
    everything may be dropped: Where the likeliest token alone has more than p, nothing is left, and nothing can be
    drawn. The token with which the total reaches p belongs to the set.
        probabilities.cumsum(dim=-1) - probabilities => probabilities.cumsum(dim=-1)
        before >= p => before > p
        outside[:, 0] = False =>
    nothing left at p=0: With p=0 nothing is left, and nothing can be drawn. The likeliest token always stays: make the
    first place of `outside` False.
        outside[:, 0] = False =>
    left in their order (hint 2): The logits come back sorted. Each belongs back into its token's own place: `scatter`
    with `places`.
        torch.empty_like(logits).scatter(-1, places, ordered) => ordered
    cut in the order, applied in place (hint 2): What is outside *in descending order* is cut off at the same numbers in
    the vocabulary's order. Bring it back to each token's own place first: `scatter` with `places`.
        ordered = ordered.masked_fill(outside, -math.inf) => ordered = logits.masked_fill(outside, -math.inf)
        torch.empty_like(logits).scatter(-1, places, ordered) => ordered
    gathered, not scattered (hint 2): The logits are looked up with `places`, which orders them once more. Going back is
    `scatter`: it writes `ordered[i, j]` to `places[i, j]`.
        torch.empty_like(logits).scatter(-1, places, ordered) => ordered.gather(-1, places)
    an index, not scatter (hint 2): `ordered[places]` and `x[places] = ordered` take `places` for numbers of texts, the
    first axis. `scatter(-1, places, ordered)` goes along the last one.
        torch.empty_like(logits).scatter(-1, places, ordered) => ordered[places]
      or torch.empty_like(logits).scatter(-1, places, ordered) => torch.empty_like(logits).index_put((places,), ordered)
    the first text, not the first place: `outside[0]` is all of the first text, so there nothing is cut off. The first
    place of each text is `outside[:, 0]`.
        outside[:, 0] = False => outside[0] = False
    not sorted: Tokens are added up in the vocabulary's order. The likeliest come first.
        logits.sort(dim=-1, descending=True)
          => logits, torch.arange(logits.shape[-1], device=logits.device).expand(logits.shape)
    the least likely kept: The tokens are in ascending order, so the unlikely ones are kept. Sort with
    `descending=True`.
        descending=True => descending=False
    the tail kept: It is the wrong way round: what belongs to the set is cut off, and the rest stays.
        outside = before >= p => outside = before < p
    each by its own probability: Each token is held against p by its own probability. It is the *total* of the likelier
    ones that counts.
        outside = before >= p => outside = probabilities < p
    a share of the likeliest: Tokens are kept if they have at least p times the probability of the likeliest one. That
    is called min-p. Here it is the total that counts.
        outside = before >= p => outside = probabilities < p * probabilities[:, :1]
    a number of tokens: p is taken for a share of the vocabulary: as many tokens stay whatever their probability is.
        outside = before >= p
          => outside = (torch.arange(logits.shape[-1], device=logits.device) >= p * logits.shape[-1]).expand_as(logits)
    logits added up: The logits are added up instead of the probabilities. Take their softmax first.
        ordered.softmax(dim=-1) => ordered
    1 - p for p: Too many or too few stay: it is 1 - p that the total is held against.
        before >= p => before >= 1 - p
    one token too many: One token too many stays: the set is complete with the token that reaches p.
        probabilities.cumsum(dim=-1) - probabilities => (probabilities.cumsum(dim=-1) - probabilities).roll(1, -1)
        outside[:, 0] = False => outside[:, :2] = False
    zeros, not minus infinity: What is cut off gets a logit of 0. That is no small probability: only minus infinity is
    never drawn.
        ordered.masked_fill(outside, -math.inf) => ordered.masked_fill(outside, 0.0)
    cut off with a small number: What is cut off gets a logit that is small but finite. Minus infinity is asked for.
        ordered.masked_fill(outside, -math.inf) => ordered.masked_fill(outside, -1e4)
    probabilities returned: Probabilities come back. Logits are asked for: those of the kept tokens as they were.
        torch.empty_like(logits).scatter(-1, places, ordered)
          => torch.empty_like(logits).scatter(-1, places, ordered).softmax(-1)
    log probabilities returned: Logarithms of probabilities come back. Leave the logits of the kept tokens as they were.
        torch.empty_like(logits).scatter(-1, places, ordered)
          => torch.empty_like(logits).scatter(-1, places, ordered).log_softmax(-1)
    the first text's set for all: All texts keep the tokens of the first one. Each text has a set of its own.
        outside[:, 0] = False
          => outside[:, 0] = False; outside = outside[:1].expand_as(outside)
        ordered = ordered.masked_fill
          => places = places[:1].expand_as(places)\n    ordered = logits.gather(-1, places).masked_fill
    as many for all as for the first: All texts keep as many tokens as the first one. Each text has a set of its own.
        outside[:, 0] = False => outside[:, 0] = False; outside = outside[:1].expand_as(outside)
    over the batch: Probabilities are taken, or added up, over the texts of the batch: `dim=-1` is the vocabulary.
        ordered.softmax(dim=-1) => ordered.softmax(dim=0)
      or probabilities.cumsum(dim=-1) => probabilities.cumsum(dim=0)
    sorted over the batch: The tokens are sorted over the texts of the batch: `dim=-1` is the vocabulary.
        logits.sort(dim=-1 => logits.sort(dim=0
        scatter(-1 => scatter(0
    nothing cut off: Nothing is cut off: all logits come back.
        outside = before >= p => outside = before > 2
    """
)

# The check

EXERCISE = Exercise(
    id="12c",
    title="top-p",
    passed="The likeliest tokens stay until their total reaches p, each in its own place; the input is left alone.",
    hints={1: ("one text", "several texts", "a small p", "p = 0"), 2: ()},
    steps=(
        Step("one text", look_at_kept, {"p": 0.7, "b": 1, "what": ", for one text"}),
        Step("several texts", look_at_kept, {"p": 0.6}),
        Step("several texts", look_at_kept, {"p": 0.9}),
        Step("a small p", look_at_kept, {"p": 0.3}),
        Step("a small p", look_at_likeliest, {"p": 0.01}),
        Step("p = 0", look_at_likeliest, {"p": 0.0}),
        Step("p = 1", look_at_kept, {"p": 1.0, "v": 9, "wide": 1.0}),
        Step("p = 1", look_at_kept, {"p": 1.0, "v": 4000, "b": 3, "wide": 0.5}),  # their total may be a little less
        Step("many tokens", look_at_kept, {"p": 0.8, "v": 400}),
        Step("nearly equal tokens", look_at_kept, {"p": 0.5, "wide": 0.1}),
        Step("a single token", look_at_kept, {"p": 0.5, "v": 1}),
        Step("calling it twice", look_twice),
        Step("equal tokens", look_at_equal, remark=EQUAL),
        Step("after top-k", look_after_top_k, remark=CUT_OFF),
        Step("float64", look_at_float64, remark=DTYPE),
        Step("other devices", look_elsewhere, remark=DEVICE),
    ),
    telling="several texts",
    misconceptions=MISTAKES,
)
