"""Exercise 6a, the causal mask: what the check looks at."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from helpers.checks.draw import Draw
from helpers.checks.engine import Exercise, Step
from helpers.checks.mistakes_6a import MISCONCEPTIONS
from helpers.checks.seen import Seen
from helpers.checks.subject import Subject
from helpers.checks.trouble import Trouble, insist_on_numbers, wrong_kind


def expected_mask(t: int) -> torch.Tensor:
    """Return the mask (t, t), a place at a time: a query may attend to a key that stands no later than itself."""
    return torch.tensor([[key <= query for key in range(t)] for query in range(t)])


def call(subject: Subject, t: int) -> torch.Tensor:
    """Return the answer's mask.

    Raises
    ------
    Trouble
        It is no tensor, or not one of True and False.
    """
    mask = subject.call(subject.answer, t, name=subject.name)
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


EXERCISE = Exercise(
    id="6a",
    title="the causal mask",
    passed="Every word may attend to itself and to what stands before it, and to nothing else, at every length.",
    hints=(
        "Write the mask for three words on paper: a row for each query, a column for each key. Which of the nine "
        "places are True? What is the shape of the Trues?",
        "`torch.ones(t, t, dtype=torch.bool)` is True everywhere. `torch.tril` keeps the triangle below the diagonal, "
        "and the diagonal with it, and makes the rest False.",
    ),
    steps=(
        Step("the mask", look_at_mask),
        Step("one word", look_at_mask, {"t": 1}),
        Step("two words", look_at_mask, {"t": 2}),
        Step("three words", look_at_mask, {"t": 3}),
        Step("a long text", look_at_mask, {"t": 131}),
    ),
    telling="the mask",
    misconceptions=MISCONCEPTIONS,
)
