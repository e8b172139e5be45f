"""Exercise 5, positional encoding: what the check looks at."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from typing import Any

import torch

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.run import Exercise, Step
from helpers.checks.engine.seen import Seen, close
from helpers.checks.engine.trouble import Trouble
from helpers.checks.exercises.mistakes_5 import MISCONCEPTIONS
from helpers.checks.looks.devices import seen_elsewhere
from helpers.checks.looks.dropout import how_often, seen_unasked_dropout
from helpers.checks.looks.refusal import Refusal, describe_outcome, outcome
from helpers.checks.looks.strides import NOT_CONTIGUOUS, seen_scattered
from helpers.checks.looks.used_before import second_call

AXES = ("b", "t", "k")


def expected_encoding(t: int, k: int) -> torch.Tensor:
    """Return the encoding of positions 0 to t - 1, (t, k) in float64: the paper's formula, a number at a time."""
    rows = []
    for position in range(t):
        angles = [position / 10000 ** (2 * (place // 2) / k) for place in range(k)]
        rows.append([math.cos(angle) if place % 2 else math.sin(angle) for place, angle in enumerate(angles)])
    return torch.tensor(rows, dtype=torch.float64)


def _sizes(draw: Draw, odd: bool = False, max_len: int | None = None, **fixed: int) -> tuple[dict[str, int], int]:
    """Draw b, t, k, all different, with k large enough for every mistake in the exponent to show; and max_len."""
    sizes = draw.sizes("b t", 3, 7)
    sizes["k"] = 2 * draw.random.randint(4, 8) + odd
    more = draw.random.randint(1, 9)
    sizes |= fixed
    return sizes, max_len or max(sizes["b"], sizes["t"]) + more


def look_at_encoding(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """The encoding itself: what is added to zeros."""
    sizes, max_len = _sizes(draw, **settings)
    b, t, k = sizes.values()
    added = subject.tensor(subject.make(k, 0.0, max_len), torch.zeros(b, t, k))
    expected = expected_encoding(t, k).expand(b, t, k)
    yield Seen("What is added to zeros", added, lambda: expected, AXES, sizes, dtype=torch.float32)


def look_at_odd_encoding(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """The same for an odd width, at which careless code stops."""
    try:
        yield from look_at_encoding(subject, draw, odd=True)
    except Trouble as trouble:
        if trouble.key[0] != "raised":
            raise
        sentence = f"With an odd width there is one sine more than there are cosines. {trouble.sentence}"
        raise Trouble(sentence, "stops at an odd width") from None


def look_at_sum(subject: Subject, draw: Draw, dtype: torch.dtype = torch.float32, **settings: Any) -> Iterator[Seen]:
    """Words and positions added up; `settings` are those of `_sizes`."""
    sizes, max_len = _sizes(draw, **settings)
    b, t, k = sizes.values()
    x = draw.normal(b, t, k, dtype=dtype)
    layer = subject.make(k, 0.0, max_len)
    output = subject.tensor(layer, x)
    double = dtype == torch.float64
    if double and output.dtype == dtype:
        output = output.float()  # a table in float32 is right too: its rounding must not count as a mistake
        dtype = torch.float32
    yield Seen(
        "In float64, the output" if double else "The output",
        output,
        lambda: x.double() + expected_encoding(t, k),
        AXES,
        sizes,
        dtype=dtype,
        alone=lambda: subject.tensor(layer, x[:1]),
    )


def look_at_longest(subject: Subject, draw: Draw, default: bool = False) -> Iterator[Seen]:
    """A text as long as the table passes; a longer one is refused, and the message names both lengths."""
    longest = 512 if default else draw.random.randint(5, 9)
    layer = subject.make(4, 0.0) if default else subject.make(4, 0.0, longest)
    fits = torch.zeros(2, longest, 4)
    refused = isinstance(subject.call(lambda: outcome(layer, fits)), Refusal)
    told = {"taken": f"With max_len={longest}, a text of {longest} tokens should pass; here it is refused."}
    yield Seen("What comes of a text of max_len tokens", {"taken": not refused}, lambda: {"taken": True}, told=told)
    output = subject.tensor(layer, fits)
    what = f"For a text of {longest} tokens, which is max_len, the output"
    yield Seen(what, output, lambda: expected_encoding(longest, 4).expand(2, -1, -1), AXES, {"b": 2, "k": 4})

    for more in (2, 1):
        came = subject.call(lambda: outcome(layer, torch.zeros(2, longest + more, 4)))  # noqa: B023
        is_refused = isinstance(came, Refusal)
        kind = describe_outcome(came)
        both = is_refused and {str(longest), str(longest + more)} <= set(re.findall(r"\d+", came.message))
        words = (
            f"a text of {longest + more} tokens should raise a ValueError that names both lengths; here comes {kind}."
        )
        told = {
            "came": f"With max_len={longest}, {words}",
            "both named": f"The {kind} should name both lengths, {longest + more} and {longest}.",
        }
        facts = {"came": is_refused or kind, "both named": both or not is_refused or kind}
        yield Seen("What comes of a text longer than max_len", facts, lambda: dict.fromkeys(facts, True), told=told)  # noqa: B023


def look_at_gradients(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """The gradient goes through to the words, and nothing here is to be trained."""
    sizes, max_len = _sizes(draw)
    x = draw.normal(*sizes.values()).requires_grad_()
    layer = subject.make(sizes["k"], 0.0, max_len)
    output = subject.tensor(layer, x)
    trained = {name: parameter for name, parameter in layer.named_parameters() if parameter.requires_grad}
    has_table = any(parameter.numel() >= max_len * sizes["k"] for parameter in trained.values())
    advice = "keep the table as a buffer, `register_buffer`" if has_table else "the formula has nothing to learn"
    told = {"fixed": f"The layer has something to train, {', '.join(f'`{name}`' for name in trained)}: {advice}."}
    facts = {"fixed": not trained or ("the table" if has_table else "something else")}
    yield Seen("The layer", facts, lambda: {"fixed": True}, told=told)
    ahead = draw.normal(*output.shape)
    (got,) = subject.gradients(output, [x], ahead)
    yield Seen("The gradient of the words", got, lambda: ahead.double(), AXES, sizes)


def look_at_eval(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """No dropout in eval mode."""
    sizes, max_len = _sizes(draw)
    b, t, k = sizes.values()
    x = draw.normal(b, t, k)
    layer = subject.make(k, 0.6, max_len)
    first, second = (subject.tensor(layer, x) for _ in range(2))
    facts = {"the same twice": bool(torch.equal(first, second))}
    told = {"the same twice": "Two calls with the same input differ in eval mode: dropout belongs to training only."}
    yield Seen("Eval mode", facts, lambda: {"the same twice": True}, told=told)
    what = "The output in eval mode with dropout 0.6"
    yield Seen(what, first, lambda: x.double() + expected_encoding(t, k), AXES, sizes)


def look_at_training(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """With p = 0 no dropout in train mode either."""
    sizes, max_len = _sizes(draw)
    b, t, k = sizes.values()
    x = draw.normal(b, t, k)
    layer = subject.make(k, 0.0, max_len).train()
    first, second = (subject.tensor(layer, x) for _ in range(2))
    yield seen_unasked_dropout(first, second)
    what = "The output in train mode with dropout 0"
    yield Seen(what, first, lambda: x.double() + expected_encoding(t, k), AXES, sizes)


def look_at_dropout(subject: Subject, draw: Draw, dropout: float | None = 0.25) -> Iterator[Seen]:
    """Dropout falls on the sum: what is dropped is 0, what is kept is the sum divided by 1 - p; by default p is 0.1."""
    p = 0.1 if dropout is None else dropout
    b, t, k = 4, 11, 32
    x = draw.normal(b, t, k)
    clean = x + expected_encoding(t, k)
    layer = (subject.make(k) if dropout is None else subject.make(k, p)).train()
    first, second = (subject.tensor(layer, x) for _ in range(2))
    if first.shape != clean.shape:
        yield Seen("The output in train mode", first, lambda: clean, AXES, {"b": b, "t": t, "k": k})
        return
    unworded = [subject.tensor(layer, torch.zeros(b, t, k)) for _ in range(2)]
    kept = first != 0
    facts = {
        "the positions": not torch.equal(*unworded),
        # At position 0 the sines are 0: there, what differs from call to call is the words.
        "the words": not torch.equal(first[:, 0, 0::2], second[:, 0, 0::2]),
        "as often as p": how_often(1 - kept.double().mean().item(), p, kept.numel()),
        "the rest made up for": bool(close(first.double(), clean / (1 - p), 100.0)[kept].all()),
        "each on its own": all(bool((kept != kept.narrow(axis, 0, 1)).any()) for axis in range(3)),
    }
    told = {
        "the positions": "For words that are all zero, two calls give the same: the positions are never dropped.",
        "the words": "Two calls give the same for the words: they are never dropped.",
        "as often as p": f"About {p:.0%} of the sum's numbers should be exactly 0 in each call.",
        "the rest made up for": f"The numbers that are kept should be the sum, divided by 1 - {p}.",
        "each on its own": "Each number should be dropped or kept on its own; here they go together.",
    }
    made = " for a layer made without `dropout`, which is 0.1 then" if dropout is None else f" with p = {p}"
    expected = dict.fromkeys(facts, True)
    yield Seen(f"Dropout in train mode{made}", facts, lambda: expected, told=told, says_it_all=dropout is None)


def look_twice(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A layer that was used for shorter and for longer texts, and for larger batches, keeps nothing of them."""
    sizes, longest = _sizes(draw, b=2)
    b, t, k = sizes.values()
    layer = subject.make(k, 0.0, longest + 1)  # a text of max_len tokens is another step's
    subject.tensor(layer, draw.normal(b + 3, t - 1, k))
    for length, words in ((t, "a shorter"), (t, "another"), (t - 2, "a longer"), (longest, "a shorter")):
        x = draw.normal(b, length, k)
        what = f"The output of a layer that was used before, for {words} text,"
        with second_call(f"after {words} text"):
            output = subject.tensor(layer, x)
        expected = x.double() + expected_encoding(length, k)
        yield Seen(what, output, functools.partial(torch.clone, expected), AXES, {**sizes, "t": length})


def look_at_scattered(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Words that are not contiguous."""
    sizes, max_len = _sizes(draw)
    yield seen_scattered(subject, subject.make(sizes["k"], 0.0, max_len), draw.normal(*sizes.values()))


def look_elsewhere(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """The layer moves to another device with all that it needs."""
    sizes, max_len = _sizes(draw)
    yield from seen_elsewhere(subject, subject.make(sizes["k"], 0.0, max_len), draw.normal(*sizes.values()))


def _sum(right: str, **settings: Any) -> Step:
    simpler = [("in float32, but not in float64", {"dtype": torch.float32})] if "dtype" in settings else []
    return Step(right, look_at_sum, settings, tuple(simpler))


EXERCISE = Exercise(
    id="5",
    title="positional encoding",
    passed="Angles, sines and cosines agree with the formula, for every width; positions are added along each text.",
    hints=(
        "Work out one row by hand: k = 4, position 3. There are two clocks. By which two numbers is 3 divided, and in "
        "which order do the four sines and cosines stand?",
        "Divide the column of positions by 10000 ** (even / embed_dim), where even holds 0, 2, 4 ...; columns 0::2 get "
        "the sine, columns 1::2 the cosine; add the first t rows to x, whose last two axes are (t, k).",
    ),
    steps=(
        Step("the encoding", look_at_encoding, {"t": 11}),  # long enough for the smallest angles to show
        _sum("the sum"),
        _sum("a batch larger than max_len", b=9, max_len=8),
        Step("odd widths", look_at_odd_encoding),
        *(_sum("sizes of 1", **{axis: 1}) for axis in AXES),
        _sum("as many words as features", t=6, k=6, max_len=9),
        _sum("as many texts as words", b=5, t=5, max_len=9),
        _sum("as many texts as features", b=6, k=6, max_len=9),
        _sum("long texts", t=43, k=6, max_len=50),
        Step("using a layer twice", look_twice),
        Step("texts that are too long", look_at_longest),
        Step("texts that are too long", look_at_longest, {"default": True}),
        Step("the gradients", look_at_gradients),
        Step("eval mode", look_at_eval),
        Step("train mode without dropout", look_at_training),
        Step("dropout", look_at_dropout),
        Step("the default dropout", look_at_dropout, {"dropout": None}),
        _sum("float64", dtype=torch.float64),
        Step("other devices", look_elsewhere),
        Step("inputs that are not contiguous", look_at_scattered, remark=NOT_CONTIGUOUS),
    ),
    telling="the sum",
    misconceptions=MISCONCEPTIONS,
)
