"""Explain why an answer is not right: by a misconception that gives the same, or by what differs and where."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.describe import clues, nan_sentence, shape_sentence, values_sentence
from helpers.checks.engine.seen import Seen, same
from helpers.checks.engine.trouble import Trouble

if TYPE_CHECKING:
    from helpers.checks.engine.exercise import Exercise, Report, Step
    from helpers.checks.engine.mistakes import Mistake

SECOND_DRAW = 10**6  # added to the seed: no check's own seed is as large
MORE_DRAWS = 4
SLACK = 10.0  # two right answers differ by rounding; an answer and a misconception may differ a little more
RANDOM = "Two calls on the same input give different numbers: something random is switched on, or never overwritten"
KEPT = (
    "Made anew and called in the same way, it gives other numbers: something is kept from one time to the next, or "
    "memory is read that nothing was written to, as `torch.empty` gives it"
)
_SURE = {"too long", "edited", "side effect", "open"}  # troubles that explain themselves


@dataclass(frozen=True)
class Diagnosis:
    """What a student reads first, what was expected and came, and the misconception's name if there is one."""

    sentence: str
    detail: str
    misconception: str | None = None


def diagnose(exercise: Exercise, subject: Subject, seed: int, report: Report) -> Diagnosis:
    """Explain the problem that `report` ends with."""
    problem = report.problem
    step = exercise.steps[report.at]
    if isinstance(problem, Trouble) and problem.key[0] in _SURE:
        return Diagnosis(problem.sentence, "")
    says_it_all = isinstance(problem, Seen) and problem.says_it_all
    found = None if says_it_all else _matching(exercise, subject, seed, report)
    only_here = found is not None and not _passes_earlier(found, exercise, subject, seed, report)
    if only_here and not _explains(found, step, subject, seed, problem):
        found = None
    if isinstance(problem, Trouble):
        if found is None:
            return Diagnosis(problem.sentence, "")
        detail = "" if problem.sentence == found.sentence else problem.sentence
        return Diagnosis(found.sentence, detail, found.name)
    assert problem is not None
    sentence, detail = _difference(step, subject, seed, len(report.trails[-1]) - 1, problem, found is None)
    if found is None:
        return Diagnosis(sentence, detail[:1].upper() + detail[1:])
    where = f"{problem.what.rstrip(',')}: "
    if only_here:  # so it is not the whole answer that goes wrong
        return Diagnosis(where + found.sentence, detail[:1].upper() + detail[1:] or sentence, found.name)
    return Diagnosis(found.sentence, where + detail if detail else sentence, found.name)


def _matching(exercise: Exercise, subject: Subject, seed: int, report: Report) -> Mistake | None:
    """Find a misconception that gives, on the very same inputs, what the answer gave up to its first mistake.

    It must give the same on a second draw, too, of other sizes and numbers: causes may coincide where sizes are small.
    Numbers are good evidence. Facts, errors and nothing but zeros are less: there it must also give the same in the
    `telling` step. That step decides where several are left; then the earlier ones.
    """
    import torch

    step, trail = exercise.steps[report.at], report.trails[-1]
    here = [m for m in exercise.misconceptions if not m.problem and _gives(m, step, subject, seed, trail)]
    if not here:
        return None
    other = seed + SECOND_DRAW
    again = _trail(step, subject, other)
    here = [m for m in here if _gives(m, step, subject, other, again)]
    got = getattr(report.problem, "got", None)
    is_weak = not isinstance(got, torch.Tensor) or not bool(got.any())
    if not here or (len(here) == 1 and not is_weak):
        return here[0] if here else None
    at = next(i for i, step in enumerate(exercise.steps) if step.right == exercise.telling)
    telling = exercise.steps[at]
    trail = report.trails[at] if at < report.at else _trail(telling, subject, seed)
    agree = [m for m in here if _gives(m, telling, subject, seed, trail)]
    here = agree if agree or is_weak else here
    if len(here) < 2:
        return here[0] if here else None
    earlier = list(zip(exercise.steps, report.trails[:-1], strict=False))
    return max(here, key=lambda m: sum(_gives(m, step, subject, seed, trail) for step, trail in earlier))


def _passes_earlier(found: Mistake, exercise: Exercise, subject: Subject, seed: int, report: Report) -> bool:
    """Whether a misconception is right wherever the answer was: as far as the first step of each kind tells."""
    first: dict[str, tuple[Step, list[Seen | Trouble]]] = {}
    for step, trail in zip(exercise.steps, report.trails[:-1], strict=False):
        first.setdefault(step.right, (step, trail))
    return all(_gives(found, step, subject, seed, trail) for step, trail in first.values())


def _explains(found: Mistake | None, step: Step, subject: Subject, seed: int, problem: Seen | Trouble | None) -> bool:
    """Whether a misconception explains what goes wrong in this step, although it is wrong where the answer was right.

    An answer may make a mistake in one case only; or the two may coincide. Numbers tell, on a few more draws.
    """
    import torch

    if found is None or not isinstance(problem, Seen):
        return False
    if not isinstance(problem.got, torch.Tensor):
        return True
    draws = (seed + count * SECOND_DRAW for count in range(2, 2 + MORE_DRAWS))
    return all(_gives(found, step, subject, draw, _trail(step, subject, draw)) for draw in draws)


def _trail(step: Step, subject: Subject, seed: int) -> list[Seen | Trouble]:
    """What a step sees, on other numbers, up to the first thing that is not right."""
    trail: list[Seen | Trouble] = []
    try:
        for seen in step.run(subject, seed):
            trail.append(seen)
            if not seen.right:
                break
    except Trouble as trouble:
        trail.append(trouble)
    except Exception as error:  # what came cannot be looked at
        return [Trouble("", "unforeseen", type(error).__name__)]
    return trail


def _gives(misconception: Mistake, step: Step, subject: Subject, seed: int, trail: list[Seen | Trouble]) -> bool:
    """Whether a misconception gives in this step what the answer gave, `trail`."""
    key = (misconception.name, misconception.changes)
    if key not in subject.twins:
        subject.twins[key] = Subject(misconception.answer, notes=subject.notes)
    twin = subject.twins[key]
    twin.shares = subject.shares
    steps = step.run(twin, seed)
    for came in trail:
        try:
            seen = next(steps, None)
        except Trouble as trouble:
            return isinstance(came, Trouble) and came.key == trouble.key
        except Exception:  # what it gave has a shape that the step cannot look at
            return False
        if seen is None or isinstance(came, Trouble):
            return False
        if came.right:
            if not came.accepts(seen.got):
                return False
        elif not same(came.got, seen.got, SLACK) or seen.right or came.accepts(seen.got):
            return False
    return True


def _difference(step: Step, subject: Subject, seed: int, index: int, seen: Seen, at_length: bool) -> tuple[str, str]:
    """Return what differs, in a student's terms, and what was expected and what came.

    Not `at_length`, where a misconception explains it already, other cases are not tried.
    """
    import torch

    expected = seen.expected()
    if isinstance(expected, dict):
        told = [text for name, text in seen.told.items() if seen.got.get(name) != expected[name]]
        return f"{_not_right(seen)} {told[0]}" if told else _not_right(seen), ""
    if not isinstance(seen.got, torch.Tensor):
        return _unreached(seen), ""
    got = seen.got.detach()
    if got.shape != expected.shape:
        return shape_sentence(seen, got, expected), ""
    if seen.dtype is not None and got.dtype != seen.dtype and same(got.cpu().double(), expected, 1e3):
        return f"{seen.what} comes out in {got.dtype}, from inputs in {seen.dtype}: keep the dtype of the inputs.", ""
    detail = values_sentence(seen, got, expected)
    if bool(got.isnan().any()) and not bool(expected.isnan().any()):
        line = _first_nan(step, subject, seed, index)
        hint = f", and begins in line {line}." if line else "."
        return nan_sentence(seen, got) + hint, detail
    if seen.what.startswith("The gradient") and not got.any():
        return _unreached(seen), detail
    if not at_length:
        return _not_right(seen), detail
    found = [*_in_other_cases(step, subject, seed, index, seen)]
    if RANDOM not in found and KEPT not in found:
        found += clues(seen, got, expected)
    return " ".join([_not_right(seen), *(f"{clue}." for clue in found[:2])]), detail


def _not_right(seen: Seen) -> str:
    what = seen.what.rstrip(",")
    return f"Not right yet: {what[:1].lower() if what[1:2].islower() else what[:1]}{what[1:]}."


def _unreached(seen: Seen) -> str:
    where = seen.what.removeprefix("The gradient of ")
    return (
        f"No gradient reaches {where}. Is it used at all, or is something detached, or turned into NumPy, on the way?"
    )


def _in_other_cases(step: Step, subject: Subject, seed: int, index: int, seen: Seen) -> Iterator[str]:
    """Try the same with other random numbers, in simpler cases, and without the neighbours in the batch."""
    repeated = _quietly(step, subject, seed, index, calling=1)
    if repeated is not None and not same(repeated.got, seen.got):
        once_more = _quietly(step, subject, seed, index)  # with the same random numbers
        yield RANDOM if once_more is None or same(once_more.got, seen.got) else KEPT
        return
    remade = _quietly(step, subject, seed, index, making=1) if isinstance(subject.answer, type) else None
    if remade is not None and not same(remade.got, seen.got):
        yield (
            "Made anew, the layer gives other numbers although the exercise's own weights are the same: it uses "
            "weights that the exercise does not have"
        )
        return
    for words, changes in step.simpler:
        simple = _quietly(step, subject, seed, index, **changes)
        if simple is not None and simple.right:
            yield f"It is right {words}"
            break
    if seen.alone is not None:
        try:
            alone = seen.alone()
        except Trouble:
            return
        if alone.shape == seen.got[:1].shape and not same(alone, seen.got[:1]):
            yield "What comes out for one text depends on the others in its batch"


def _quietly(step: Step, subject: Subject, seed: int, index: int, **changes: Any) -> Seen | None:
    """Look again in another case; None where the answer does not get that far."""
    try:
        return next(islice(step.run(subject, seed, **changes), index, None), None)
    except Exception:
        return None


def _first_nan(step: Step, subject: Subject, seed: int, index: int) -> str:
    """Return the line of the answer that makes the first NaN, as "12 of `forward`, `...`"."""
    import torch
    from torch.overrides import TorchFunctionMode

    class Watch(TorchFunctionMode):
        line = ""

        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = function(*args, **(kwargs or {}))
            if not self.line and isinstance(out, torch.Tensor) and out.is_floating_point() and bool(out.isnan().any()):
                frame = sys._getframe(1)
                while frame is not None and frame.f_globals.get("__name__") != subject.module:
                    frame = frame.f_back  # type: ignore[assignment]
                if frame is not None:
                    code = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip().split("  #")[0]
                    self.line = f"{frame.f_lineno} of the cell, in `{frame.f_code.co_name}`" + (
                        f", `{code}`" if code else ""
                    )
            return out

    with Watch() as watch:
        _quietly(step, subject, seed, index)
    return watch.line
