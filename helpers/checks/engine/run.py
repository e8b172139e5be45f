"""Run a check: look at an answer step by step, explain the first thing that is not right, keep the record."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from helpers.checks.answer.blanks import describe_blanks, open_blanks
from helpers.checks.answer.subject import Subject
from helpers.checks.answer.time_limit import TimeLimit
from helpers.checks.answer.undisturbed import reseed, undisturbed
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.failure import CheckFailed
from helpers.checks.engine.seen import Seen
from helpers.checks.engine.trouble import Trouble

SECONDS = 5.0  # that one call of an answer may take


@dataclass(frozen=True)
class Misconception:
    """A small wrong implementation, and the sentence for a student whose answer does the same."""

    name: str
    sentence: str
    answer: Any


class Misconceptions(list[Misconception]):
    """The misconceptions of an exercise; an instance decorates a wrong answer with its name and its sentence.

    Where two explain an answer equally well, the one that stands first is taken: put the more specific one there.
    """

    def __call__(self, name: str, sentence: str) -> Callable[[Any], Any]:
        def add(answer: Any) -> Any:
            self.append(Misconception(name, sentence, answer))
            return answer

        return add


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


def simpler_cases(
    settings: Mapping[str, Any], usual: Mapping[str, Any], cases: Sequence[tuple[str, Mapping[str, Any]]]
) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """Keep the cases that differ from `settings`, where `usual` says what a setting is that is not named."""
    return tuple(
        (words, changes)
        for words, changes in cases
        if any(settings.get(name, usual.get(name)) != value for name, value in changes.items())
    )


@dataclass(frozen=True)
class Exercise:
    """Everything that a check knows of an exercise.

    Attributes
    ----------
    id, title : str
        As in `EXERCISES`.
    passed : str
        What a pass says was looked at.
    hints : sequence of str
        Offered from the second failure in a row on, one more each time; never the answer.
    steps : sequence of Step
        In teaching order: the first one that is not right is explained.
    telling : str
        What is right when that step passes in which different mistakes give different results: it decides between
        misconceptions that give the same elsewhere.
    misconceptions : sequence of Misconception
        At least eight.
    """

    id: str
    title: str
    passed: str
    hints: tuple[str, ...]
    steps: tuple[Step, ...]
    telling: str
    misconceptions: Misconceptions


@dataclass
class Report:
    """How an answer fared: `problem` is what was seen first that is not right, at step `at`."""

    trails: list[list[Seen | Trouble]]
    problem: Seen | Trouble | None

    @property
    def at(self) -> int:
        return len(self.trails) - 1


def run_check(exercise: Exercise, answer: Any, seed: int | None = None, record: bool = True) -> None:
    """Check an answer: print one line if it is right, raise CheckFailed if not, and keep the record.

    Parameters
    ----------
    exercise : Exercise
        What the answer should be.
    answer : class or function
        The student's.
    seed : int, optional
        Draws sizes and numbers; a fresh one if None. A failure says which it was.
    record : bool
        Whether progress and failures are counted.

    Raises
    ------
    CheckFailed
        The answer is not right yet.
    """
    from helpers.progress import record_check

    seed = secrets.randbelow(10**6) if seed is None else seed
    subject = Subject(answer, TimeLimit(SECONDS))
    with undisturbed():
        try:
            failure = find_failure(exercise, subject, seed)
            remarks = [] if failure else find_remarks(exercise, subject, seed)
        finally:
            subject.put_back()
    failures = record_check(exercise.id, failure is None) if record else 0
    if failure is None:
        print(f"✓ Exercise {exercise.id}: {exercise.title}. {exercise.passed}")
        for remark in remarks:
            print(f"  One thing: {remark}")
        return
    if failures > 1:
        hint = min(failures - 2, len(exercise.hints) - 1)
        failure = CheckFailed(f"{failure}\n  Hint {hint + 1}: {exercise.hints[hint]}", *failure.details)
    raise failure from None


def find_failure(exercise: Exercise, subject: Subject, seed: int) -> CheckFailed | None:
    """Return what is not right yet with an answer, explained, or None."""
    from helpers.checks.engine.diagnose import diagnose

    wrong_thing = _not_an_answer(subject)
    if wrong_thing:
        return CheckFailed(f"✗ Exercise {exercise.id}: {wrong_thing}", exercise.id)
    blanks = open_blanks(subject.answer)
    if any(blank.needed for blank in blanks):
        return CheckFailed(f"✗ Exercise {exercise.id}: {describe_blanks(blanks)}", exercise.id)
    report = examine(exercise, subject, seed)
    if report.problem is None:
        return None
    if blanks:  # a `...` that stands alone does no harm by itself, but here something is missing
        return CheckFailed(f"✗ Exercise {exercise.id}: {describe_blanks(blanks)}", exercise.id)
    hidden = f" It printed {_lines(subject)}, not shown." if subject.printed.lines else ""
    diagnosis = diagnose(exercise, subject, seed, report)
    lines = [f"✗ Exercise {exercise.id}: {diagnosis.sentence}"]
    if diagnosis.detail:
        lines.append(f"  {diagnosis.detail}")
    # A step that saw nothing found nothing right: an answer without `calculate_score` has no scores to praise.
    # Nor is a thing right of which one step of several fails.
    looked_at = zip(exercise.steps, report.trails[:-1], strict=False)
    wrong = exercise.steps[report.at].right
    right = list(dict.fromkeys(step.right for step, trail in looked_at if trail and step.right != wrong))
    so_far = f"Right so far: {', '.join(right)}. " if right else ""
    lines.append(f"  {so_far}The same numbers again: seed={seed}.{hidden}")
    return CheckFailed("\n".join(lines), exercise.id, diagnosis.misconception, seed)


def find_remarks(exercise: Exercise, subject: Subject, seed: int) -> list[str]:
    """Return what could be better about a right answer."""
    subject.forget_shared()  # a remark is about what a new instance does
    remarks: list[str] = []
    for step in exercise.steps:
        problem = _look(step, subject, seed)[1] if step.remark and step.remark not in remarks else None
        if problem is not None:
            told = getattr(problem, "remarks", {})
            wrong = (told[name] for name in told if problem.got.get(name) is not True)  # type: ignore[union-attr]
            remarks.append(next(wrong, step.remark))
    remarks = list(dict.fromkeys(remarks))
    if subject.printed.lines:
        remarks.append(f"it prints {_lines(subject)}, which this check hid. Take the `print` out again.")
    return remarks


def examine(exercise: Exercise, subject: Subject, seed: int) -> Report:
    """Go through the steps up to the first thing that is not right."""
    report = Report([], None)
    used: Report | None = None  # what an instance that other steps had used gave, where a new one is right
    for step in exercise.steps:
        trail, report.problem = ([], None) if step.remark else _look(step, subject, seed)
        if report.problem is not None and subject.forget_shared():
            found = Report([*report.trails, trail], report.problem)
            trail, report.problem = _look(step, subject, seed)
            if report.problem is None:  # something is kept: a later step may explain it, each with its own instance
                subject.shares = False
                used = used or found
        report.trails.append(trail)
        if report.problem is not None:
            break
    return used if used is not None and report.problem is None else report


def _look(step: Step, subject: Subject, seed: int) -> tuple[list[Seen | Trouble], Seen | Trouble | None]:
    """Return what a step sees, up to the first thing that is not right, and that thing."""
    trail: list[Seen | Trouble] = []
    try:
        for seen in step.run(subject, seed):
            trail.append(seen)
            if not seen.right:
                return trail, seen
    except Exception as error:
        trail.append(error if isinstance(error, Trouble) else _unforeseen(error))
        return trail, trail[-1]
    return trail, None


def _unforeseen(error: Exception) -> Trouble:
    """A student never meets a traceback from our code: what stopped it is what the answer gave."""
    kind = type(error).__name__
    sentence = f"What comes out cannot be compared with what was expected ({kind}: {error}). Has it the right shape?"
    return Trouble(sentence, "unforeseen", kind)


def _not_an_answer(subject: Subject) -> str:
    """Say what is wrong with something that cannot be an answer at all."""
    answer = subject.answer
    if inspect.isclass(answer) or inspect.isroutine(answer):
        return ""
    from torch import nn

    if isinstance(answer, nn.Module):
        kind = type(answer).__name__
        return f"Hand over the class itself, `{kind}`, without calling it: the check makes its own."
    if not callable(answer):
        return f"Hand over your class or function; {type(answer).__name__} is none."
    return ""


def _lines(subject: Subject) -> str:
    count = subject.printed.lines
    return "1 line" if count == 1 else f"{count} lines"
