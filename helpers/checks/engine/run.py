"""Run a check: look at an answer step by step, explain the first thing that is not right, keep the record."""

from __future__ import annotations

import functools
import inspect
import os
import secrets
from collections import Counter
from typing import Any

from helpers.checks.answer.blanks import describe_blanks, open_blanks
from helpers.checks.answer.subject import Subject
from helpers.checks.answer.time_limit import TimeLimit
from helpers.checks.answer.undisturbed import undisturbed
from helpers.checks.engine.diagnose import diagnose
from helpers.checks.engine.exercise import Exercise, Report, Step
from helpers.checks.engine.failure import CheckFailed
from helpers.checks.engine.seen import Seen
from helpers.checks.engine.trouble import Trouble

SECONDS = 5.0  # that one call of an answer may take
REFERENCE = "this is the course's own answer, imported: fine for going on; when it is marked, it earns no point."


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
            failure = _no_answer(exercise, subject) or find_failure(exercise, subject, seed)
            remarks = [] if failure else find_remarks(exercise, subject, seed)
        finally:
            subject.put_back()
    if record and not (failure and failure.blank):  # somebody who is still writing has not failed
        record_check(exercise.id, failure is None)
    if failure is None:
        _failed_at().clear()
        print(f"✓ Exercise {exercise.id}: {exercise.title}. {exercise.passed}")
        for remark in remarks:
            print(f"  One thing: {remark}")
        return
    raise _with_hint(exercise, failure) if record else failure from None


@functools.cache
def _failed_at() -> Counter[tuple[str, str]]:
    """How often a check has failed at which step since the last pass, in this session."""
    return Counter()


def _with_hint(exercise: Exercise, failure: CheckFailed) -> CheckFailed:
    """Point to the lesson's hint about the mistake, or the step at which an answer fails, from the second time on."""
    place = (exercise.id, failure.step)
    _failed_at()[place] += not failure.blank
    numbers = [found.hint for found in exercise.misconceptions if found.name == failure.misconception and found.hint]
    numbers += [number for number, steps in exercise.hints.items() if failure.step in steps]
    if _failed_at()[place] < 2 or not numbers:
        return failure
    told = f"{failure}\n  Hint {numbers[0]}, folded above the exercise, is about this."
    return CheckFailed(told, *failure.details)


def is_reference(answer: Any) -> bool:
    """Whether what is checked was written by the course: imported, or a subclass that adds nothing."""
    does = getattr(answer, "forward", answer)
    return getattr(does, "__module__", "") == "helpers.layers"


def find_failure(exercise: Exercise, subject: Subject, seed: int) -> CheckFailed | None:
    """Return what is not right yet with an answer, explained, or None."""
    blanks = open_blanks(subject.answer)
    if any(blank.needed for blank in blanks):
        return CheckFailed(f"✗ Exercise {exercise.id}: {describe_blanks(blanks)}", exercise.id, blank=True)
    report = examine(exercise, subject, seed)
    if report.problem is None:
        return None
    if blanks:  # a `...` that stands alone does no harm by itself, but here something is missing
        return CheckFailed(f"✗ Exercise {exercise.id}: {describe_blanks(blanks)}", exercise.id, blank=True)
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
    so_far = f"Right so far: {', '.join(right)}." if right else ""
    if so_far or hidden:
        lines.append(f"  {so_far}{hidden}".replace("   ", "  "))
    blank = isinstance(report.problem, Trouble) and report.problem.key[0] == "open"
    return CheckFailed("\n".join(lines), exercise.id, diagnosis.misconception, seed, wrong, blank)


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
    if is_reference(subject.answer):
        remarks.insert(0, REFERENCE)
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


def _no_answer(exercise: Exercise, subject: Subject) -> CheckFailed | None:
    """Refuse what cannot be an answer at all, and, where nbgrader is marking, the course's own."""
    wrong = _not_an_answer(subject)
    if os.environ.get("NBGRADER_EXECUTION") == "autograde" and is_reference(subject.answer):
        wrong = REFERENCE
    return CheckFailed(f"✗ Exercise {exercise.id}: {wrong}", exercise.id) if wrong else None


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
