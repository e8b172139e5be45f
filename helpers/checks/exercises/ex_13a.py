"""Exercise 13a, the score of an induction head: what goes in, what is right, what the check looks at, and mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from helpers import layers
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.exercise import Exercise, Step
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen
from helpers.checks.looks.devices import seen_elsewhere
from helpers.checks.looks.gradients import seen_gradients
from helpers.checks.looks.strides import NOT_CONTIGUOUS, seen_scattered
from helpers.checks.looks.used_before import overwrite

DEVICE = (
    "for weights on another device, say a GPU, it stops, or what comes back stays on the CPU. Make new tensors with "
    "`device=weights.device`."
)
FLOAT64 = "for weights in float64, something else than float64 comes out, or it stops."
GRADIENT = "no gradient reaches the weights: they are detached, or turned into plain numbers, on the way."


def expected_scores(weights: torch.Tensor, period: int) -> torch.Tensor:
    """Add up, head by head and word by word, what the second time gives to the word after the first appearance."""
    scores = []
    for head in weights:
        total = head.new_zeros(())
        for word in range(period):
            total = total + head[period + word, word + 1]
        scores.append(total / period)
    return torch.stack(scores)


def _weights(draw: Draw, dtype: torch.dtype = torch.float32, **fixed: int) -> tuple[torch.Tensor, dict[str, int]]:
    """Draw attention (h, t, t) on a line said twice, and sizes, all different."""
    while True:
        sizes = {"h": draw.random.randint(2, 6), "period": draw.random.randint(3, 8), **fixed}
        if sizes["h"] not in (sizes["period"], 2 * sizes["period"]):
            break
    t = 2 * sizes["period"]
    # Not causal, for then much is 0, and mistakes look alike.
    return draw.normal(sizes["h"], t, t, scale=1.5, dtype=dtype).softmax(-1), sizes | {"t": t}


def look_at_scores(subject: Subject, draw: Draw, dtype: torch.dtype = torch.float32, **fixed: int) -> Iterator[Seen]:
    """The score of each head."""
    weights, sizes = _weights(draw, dtype, **fixed)
    h, period = sizes["h"], sizes["period"]
    heads = "1 head" if h == 1 else f"{h} heads"
    words = "a single word" if period == 1 else f"{period} words"
    yield Seen(
        f"What comes of {heads} on a line of {words}, said twice,",
        subject.tensor(subject.answer, weights, period, name=subject.name),
        lambda: expected_scores(weights, period),
        ("h",),
        sizes,
        dtype=dtype if dtype == torch.float64 else None,
    )


def look_at_a_perfect_head(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A head that looks nowhere else in the second time scores 1, and one that never looks there scores 0."""
    period = draw.random.randint(4, 9)
    words = torch.arange(period)
    weights = torch.eye(2 * period).repeat(2, 1, 1)
    weights[0, period + words] = 0.0
    weights[0, period + words, 1 + words] = 1.0
    yield Seen(
        "What comes of one head that always looks at the right word, and one that looks at each word itself,",
        subject.tensor(subject.answer, weights, period, name=subject.name),
        lambda: torch.tensor([1.0, 0.0 if period > 1 else 1.0]),
        ("h",),
        {"h": 2},
    )


def look_twice(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Nothing is kept of weights that were looked at before."""
    weights, sizes = _weights(draw)
    period = sizes["period"]
    subject.tensor(subject.answer, weights, period, name=subject.name)
    overwrite(weights, by=[draw.normal(*weights.shape).softmax(-1)])
    yield Seen(
        "What comes of other weights, as many as those before,",
        subject.tensor(subject.answer, weights, period, name=subject.name),
        lambda: expected_scores(weights, period),
        ("h",),
        sizes,
    )


def look_elsewhere(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Tensors that are made on the way are made where the weights are."""
    weights, sizes = _weights(draw)
    yield from seen_elsewhere(subject, subject.answer, weights, sizes["period"])


def look_at_scattered(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Weights whose numbers lie apart in memory, as a slice of larger ones."""
    weights, sizes = _weights(draw)
    yield seen_scattered(subject, lambda given: subject.answer(given, sizes["period"]), weights)


def look_at_gradients(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """The gradient of a score reaches the weights that it is the mean of."""
    weights, sizes = _weights(draw)
    period = sizes["period"]
    weights.requires_grad_()
    scores = subject.tensor(subject.answer, weights, period, name=subject.name)
    named: dict[str, Any] = {"the weights": weights.detach().double()}
    yield from seen_gradients(
        subject,
        draw,
        scores,
        {"the weights": weights},
        lambda x: expected_scores(x["the weights"], period),
        named,
        {"the weights": ("h", "tq", "tk")},
        sizes,
    )


# Mistakes

MISTAKES = Mistakes(layers.induction_scores).read(
    """
    the same word: It looks at the word's own first appearance. What helps is the word *after* it, one place further on.
        queries - period + 1 => queries - period
    the word before: It looks at the place before the word's first appearance. What comes next is the place after it.
        queries - period + 1 => queries - period - 1
    one place too far: It looks two places after the word's first appearance. The word after it is one place further on.
        queries - period + 1 => (queries - period + 2).clamp(max=2 * period - 1)
    the word just before: It takes the weight to the word just before, in the second time. That is the job "previous
    word".
        queries - period + 1 => queries - 1
    the word itself: It takes the weight from each word to itself. The place after its *first* appearance is wanted.
        queries - period + 1 => queries
    always the first word: It takes the weight to the first word of the line. Each word has a place of its own to look
    at.
        queries - period + 1 => torch.zeros_like(queries)
    one query too many: The mean begins one word too early: the last word of the first time is in it. The second time
    begins at place `period`.
        torch.arange(period, 2 * period) => torch.arange(period - 1, 2 * period)
    the first word left out: The first word of the second time is left out. It stands at place `period`, and counts.
        torch.arange(period, 2 * period) => torch.arange(period + 1, 2 * period)
    the last word left out: The last word of the second time is left out. It should look at place `period`, and counts.
        torch.arange(period, 2 * period) => torch.arange(period, 2 * period - 1)
    the first time: The queries are the words of the first time. They cannot know what comes next: take those of the
    second time, from place `period` on.
        torch.arange(period, 2 * period) => torch.arange(period)
        queries - period + 1 => (queries + 1)
    divided by the whole line (hint 2): The right weights are added up, and divided by the length of the whole line.
    Only the second time is averaged: `period` words.
        .mean(dim=-1) => .sum(dim=-1) / weights.shape[-1]
    sum instead of mean (hint 2): The right weights are added up. Divide by their number: the mean is wanted.
        .mean(dim=-1) => .sum(dim=-1)
    no mean (hint 2): The right weight of each word comes back. Take their mean: one number for each head.
        .mean(dim=-1) =>
    largest instead of mean (hint 2): Of each head the largest weight comes back. The mean is wanted.
        .mean(dim=-1) => .amax(dim=-1)
    middle instead of mean (hint 2): Of each head the median comes back. The mean is wanted.
        .mean(dim=-1) => .median(dim=-1).values
    heads mixed (hint 2): The mean is taken over the heads. Each head has a score of its own: average along the words,
    the last axis.
        .mean(dim=-1) => .mean(dim=0)
    one number for all (hint 2): One number comes back for all heads together. Each has a score of its own:
    `mean(dim=-1)`.
        .mean(dim=-1) => .mean()
    queries and keys exchanged (hint 2): Queries and keys are exchanged. A row is the word that looks, a column the one
    that is looked at: `weights[:, queries, keys]`.
        weights[:, queries, keys] => weights[:, keys, queries]
    every query with every key (hint 2): Each word of the second time is paired with *all* of these places. Each has one
    of its own: `weights[:, queries, keys]`, both indices at once.
        weights[:, queries, keys] => weights[:, queries][:, :, keys].flatten(1)
    the whole first time: It takes all that the second time gives to the first time. Only the one place after the word's
    first appearance counts.
        weights[:, queries, keys] => weights[:, queries, :period].sum(dim=-1)
    every place counts: It takes the mean of all weights of the second time, to whatever place. One place counts for
    each word.
        weights[:, queries, keys] => weights[:, queries].flatten(1)
    looks there most: It counts how often the right place gets the *largest* weight. The mean of the weights themselves
    is wanted.
        weights[:, queries, keys] => (weights[:, queries].argmax(-1) == keys).float()
    """
)

# The check

EXERCISE = Exercise(
    id="13a",
    title="the score of an induction head",
    passed="Each head's score is the mean weight from the second time to what came next, for every length.",
    hints={1: ("the scores", "a perfect head", "other lengths"), 2: ("one head",)},
    steps=(
        Step("the scores", look_at_scores),
        Step("a perfect head", look_at_a_perfect_head),
        Step("other lengths", look_at_scores, {"period": 11}),
        Step("other lengths", look_at_scores, {"period": 2, "h": 3}),
        Step("other lengths", look_at_scores, {"period": 1, "h": 5}),
        Step("one head", look_at_scores, {"h": 1}),
        Step("one line after another", look_twice),
        Step("another device", look_elsewhere, remark=DEVICE),
        Step("float64", look_at_scores, {"dtype": torch.float64}, remark=FLOAT64),
        Step("the gradients", look_at_gradients, remark=GRADIENT),
        Step("weights that are not contiguous", look_at_scattered, remark=NOT_CONTIGUOUS),
    ),
    telling="the scores",
    misconceptions=MISTAKES,
)
