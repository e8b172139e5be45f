"""Exercise 6a, the causal mask: what is right, what the check looks at, and mistakes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from helpers import layers
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.exercise import Exercise, Step
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen
from helpers.checks.engine.trouble import Trouble, insist_on_numbers, wrong_kind

_MADE = {"ndarray": "a NumPy array", "list": "a Python list"}


def expected_mask(t: int) -> torch.Tensor:
    """Return the mask (t, t): a query may attend to a key that stands no later than itself."""
    place = torch.arange(t)
    return place[None, :] <= place[:, None]


def call(subject: Subject, t: int) -> torch.Tensor:
    """Return the answer's mask.

    Raises
    ------
    Trouble
        It is no tensor, or not one of True and False.
    """
    mask = subject.call(subject.answer, t, name=subject.name)
    kind = type(mask).__name__
    if kind in _MADE:  # a mask has no gradients, so that it need not be torch's from the start
        sentence = f"`{subject.name}` returns {_MADE[kind]} where a tensor is wanted: `torch.tensor` makes one of it."
        raise Trouble(sentence, "kind", kind)
    if not isinstance(mask, torch.Tensor):
        raise wrong_kind(mask, subject.name)
    insist_on_numbers(mask, subject.name)
    if mask.dtype != torch.bool:
        sentence = f"`{subject.name}` returns a tensor of {mask.dtype}: True and False are wanted, torch.bool."
        raise Trouble(sentence, "dtype", mask.dtype, tuple(mask.flatten().tolist()))
    return mask


def look_at_mask(subject: Subject, draw: Draw, t: int | None = None) -> Iterator[Seen]:
    """The mask for a text of t words."""
    t = draw.random.randint(4, 9) if t is None else t
    what = f"The mask for {t} words" if t > 1 else "The mask for a single word"

    def clue(got: torch.Tensor) -> str:
        wrong = (got.bool() != expected_mask(t)).nonzero()
        if got.shape != (t, t) or not len(wrong):
            return ""
        query, key = wrong[0].tolist()
        may = "may" if bool(got[query, key]) else "may not"
        if key == query:
            return f"Here word {query} {may} attend to itself"
        return f"Here word {query} {may} attend to word {key}, which stands {'later' if key > query else 'earlier'}"

    yield Seen(what, call(subject, t), lambda: expected_mask(t), ("tq", "tk"), {"tq": t}, clue=clue)


# Mistakes

MISTAKES = Mistakes(layers.causal_mask, math=math).read(
    """
    nothing is hidden: Every word may attend to every other: this mask hides nothing. Words that are not written yet
    must be False.
        .tril() =>
    True means hidden: The mask is the wrong way round: here True means that a key may be attended to. (torch's own
    layers mean the opposite by True.)
        .tril() => .triu(1)
    the other triangle: Each word may look at itself and at what comes after it. A row is a query, a column is a key:
    turn it round.
        .tril() => .triu()
    without the diagonal: No word may attend to itself, so the first one has nothing to attend to at all. The diagonal
    is allowed.
        .tril() => .tril(-1)
    all but itself: Each word may attend to all the others, and not to itself. It is the later words that must be
    hidden.
        torch.ones(t, t, dtype=torch.bool).tril() => ~torch.eye(t, dtype=torch.bool)
    one word too far: Each word may look one word ahead: at the very word that it should predict. The triangle ends at
    the diagonal.
        .tril() => .tril(1)
    only itself: Each word may attend to itself alone. What stands before it is allowed, too.
        torch.ones(t, t, dtype=torch.bool).tril() => torch.eye(t, dtype=torch.bool)
    only the last two: Each word may attend to itself and the one before it. Everything that stands before it is
    allowed.
        .tril() => .tril().triu(-1)
    mirrored: The triangle is mirrored: the first word may look at everything but the first words.
        .tril() => .tril().flip(1)
    0 and minus infinity: These are numbers to be added to the scores, 0 and minus infinity, or nearly so. The course's
    masks are True and False.
        torch.ones(t, t, dtype=torch.bool).tril() => torch.full((t, t), -math.inf).triu(1)
      or torch.ones(t, t, dtype=torch.bool).tril() => torch.full((t, t), -1e9).triu(1)
      or torch.ones(t, t, dtype=torch.bool).tril() => torch.full((t, t), torch.finfo(torch.float32).min).triu(1)
    numbers for True and False: The triangle is right, but it holds the numbers 1.0 and 0.0. Make it of True and False:
    `dtype=torch.bool`.
        torch.bool => torch.float32
    whole numbers for True and False: The triangle is right, but it holds the whole numbers 1 and 0. Make it of True and
    False: `dtype=torch.bool`.
        torch.bool => torch.long
      or torch.bool => torch.int32
      or torch.bool => torch.uint8
    axes for batch and heads: The triangle is right, but it has an axis too many, for batch or heads. (t, t) is enough:
    it fits every text and every head.
        .tril() => .tril()[None, None]
      or .tril() => .tril()[None]
    """
)

# The check

EXERCISE = Exercise(
    id="6a",
    title="the causal mask",
    passed="Every word may attend to itself and to what stands before it, and to nothing else, at every length.",
    hints={1: ("the mask", "one word", "two words", "three words"), 2: ("a long text",)},
    steps=(
        Step("the mask", look_at_mask),
        Step("one word", look_at_mask, {"t": 1}),
        Step("two words", look_at_mask, {"t": 2}),
        Step("three words", look_at_mask, {"t": 3}),
        Step("a long text", look_at_mask, {"t": 131}),
    ),
    telling="the mask",
    misconceptions=MISTAKES,
)
