"""Exercise 6a, the causal mask: what the check looks at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.run import Exercise, Step
from helpers.checks.engine.seen import Seen
from helpers.checks.engine.trouble import Trouble, insist_on_numbers, wrong_kind
from helpers.checks.exercises.mistakes_6a import MISCONCEPTIONS


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


class Counted(TorchFunctionMode):
    """Counts what is asked of torch."""

    calls = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        return function(*args, **(kwargs or {}))


def look_at_longer_mask(subject: Subject, draw: Draw, t: int) -> Iterator[Seen]:
    """The mask for a text whose places do not fit into a byte.

    An answer that fills its mask a place at a time would take long for that; its places are Python's numbers, which
    have no end.
    """

    def count(few: int) -> int:
        with Counted() as counted:
            subject.answer(few)
        return counted.calls

    few = 9
    if subject.call(count, few, name=subject.name) < few * (few + 1) // 2:
        yield from look_at_mask(subject, draw, t)


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
        Step("a long text", look_at_longer_mask, {"t": 263}),
    ),
    telling="the mask",
    misconceptions=MISCONCEPTIONS,
)
