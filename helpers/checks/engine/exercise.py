"""What a check knows of an exercise: its steps, and the misconceptions that explain what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from helpers.checks.answer.subject import Subject
from helpers.checks.answer.undisturbed import reseed
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen
from helpers.checks.engine.trouble import Trouble


@dataclass(frozen=True)
class Step:
    """One thing that a check looks at.

    Attributes
    ----------
    right : str
        What is right when the step passes, as in "the scores".
    look : callable
        `look(subject, draw, **settings)` makes and calls the answer and yields what it sees, a `Seen` at a time.
        With equal draws it does the same for a student's answer and for a misconception.
    settings : mapping
        What kind of case this is.
    simpler : sequence of (str, mapping)
        Easier cases, to be tried when this one fails: "It is right " goes before the words, and the settings change.
    remark : str
        If given, the step is not needed for a pass: where it fails, this is said beside it, or what it saw.
    draws : str
        Steps that name the same draw the same, so they can share what is slow to make.
    """

    right: str
    look: Callable[..., Iterator[Seen]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    simpler: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    remark: str = ""
    draws: str = ""

    def run(self, subject: Subject, seed: int, making: int = 0, calling: int = 0, **changes: Any) -> Iterator[Seen]:
        """Look at `subject`.

        With the same inputs, `making` gives other numbers to what is drawn while an instance is made, and `calling`
        to what it draws later.
        """
        settings = {**self.settings, **changes}
        own = f"{self.right} {dict(self.settings)}"
        draw = Draw(seed, self.draws or own, str(settings), own)
        subject.seeds = (draw.seed + making, draw.seed + calling)
        reseed(subject.seeds[1])
        return self.look(subject, draw, **settings)


@dataclass(frozen=True)
class Exercise:
    """Everything that a check knows of an exercise.

    Attributes
    ----------
    id, title : str
        As in `EXERCISES`.
    passed : str
        What a pass says was looked at.
    hints : mapping
        For each of the lesson's folded hints, by its number, what is right when the steps pass that it is about:
        where one of them fails again, the check points to it, unless the misconception names another hint.
    steps : sequence of Step
        In teaching order: the first one that is not right is explained.
    telling : str
        What is right when that step passes in which different mistakes give different results: it decides between
        misconceptions that give the same elsewhere.
    misconceptions : Mistakes
        At least eight.
    """

    id: str
    title: str
    passed: str
    hints: Mapping[int, tuple[str, ...]]
    steps: tuple[Step, ...]
    telling: str
    misconceptions: Mistakes


@dataclass
class Report:
    """How an answer fared: `problem` is what was seen first that is not right, at step `at`."""

    trails: list[list[Seen | Trouble]]
    problem: Seen | Trouble | None

    @property
    def at(self) -> int:
        return len(self.trails) - 1
