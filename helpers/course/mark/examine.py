"""Run an answer and its check, and say how it fared: what the process of one answer does."""

from __future__ import annotations

import ast
import io
import linecache
import sys
from contextlib import redirect_stdout
from types import ModuleType
from typing import Any

import torch

from helpers import checks, layers
from helpers.checks.answer.subject import Subject
from helpers.checks.answer.time_limit import TimeLimit
from helpers.checks.answer.undisturbed import undisturbed
from helpers.checks.engine import run
from helpers.course.mark.answer import Answer

torch.set_num_threads(1)
for _number in checks.EXERCISES:  # loaded and compiled once, before any answer runs
    for _mistake in checks.exercise_of(_number).misconceptions:
        _mistake.problem  # noqa: B018

_FAILED = checks.CheckFailed
PASSED, WRONG, REFERENCE, BLANK, BROKEN, TOO_LONG = "passed", "wrong", "reference", "blank", "broken", "too long"


def examine(answer: Answer, exercise: str, seeds: tuple[int, ...]) -> dict[str, Any]:
    """Return what the check says about an answer: it is wrong only if the check fails with every seed.

    Returns
    -------
    dict
        `outcome`, `sentence` (all that the check says), `misconception` (None where none explains it) and `seed`.
    """
    try:
        module = _defined(answer)
        found = module[answer.name]
    except BaseException as error:
        return _report(BROKEN, f"The cell stops with {type(error).__name__}: {error}", None, None)
    if run.is_reference(found):
        return _report(REFERENCE, "The answer is the course's own, imported.", None, None)
    told = _checked(exercise, found, seeds)
    used = [name for name in answer.others if any(name in cell for cell in answer.cells)]
    if told["outcome"] != WRONG or not used:
        return told
    # It may be wrong only because another exercise's answer is, and that one has a mark of its own.
    module.update({name: getattr(layers, name) for name in used})
    again = _checked(exercise, found, seeds)
    if again["outcome"] == PASSED:
        theirs = " and ".join(f"`{name}`" for name in used)
        again["sentence"] += f"\n  That is so with the course's own {theirs}; with yours, it is not."
    return again


def _checked(exercise: str, found: Any, seeds: tuple[int, ...]) -> dict[str, Any]:
    check = getattr(checks, checks.EXERCISES[exercise].check)
    said = io.StringIO()
    first: Any = None
    for seed in seeds:
        if first is not None and (first.seed is None or not _is_right(exercise, found, seed)):
            continue  # where nothing was drawn, another seed changes nothing
        try:
            with redirect_stdout(said):
                check(found, seed=seed, record=False)
        except _FAILED as failure:
            first = first or failure
            continue
        return _report(PASSED, said.getvalue().strip(), None, seed)
    outcome = BLANK if first.blank else TOO_LONG if " was still running after " in str(first) else WRONG
    return _report(outcome, str(first), first.misconception, first.seed)


def _is_right(exercise: str, found: Any, seed: int) -> bool:
    """Whether an answer passes. To find out why not takes most of a failing check's time, and is known already."""
    subject = Subject(found, TimeLimit(run.SECONDS))
    with undisturbed():
        try:
            return run.examine(checks.exercise_of(exercise), subject, seed).problem is None
        finally:
            subject.put_back()


def _report(outcome: str, sentence: str, misconception: str | None, seed: int | None) -> dict[str, Any]:
    return {"outcome": outcome, "sentence": sentence, "misconception": misconception, "seed": seed}


def _defined(answer: Answer) -> dict[str, Any]:
    """Run the statements of an answer as a notebook would, and return all names that they define."""
    module = ModuleType("__answer__")
    sys.modules[module.__name__] = module
    for number, (source, taken) in enumerate(zip(answer.cells, answer.taken, strict=True), start=1):
        file = f"<cell {number}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        body = ast.parse(source).body
        for place in taken:
            try:
                exec(compile(ast.Module([body[place]], []), file, "exec"), module.__dict__)
            except Exception:
                # What another cell prepares may fail here, a file being elsewhere: it matters only if it is used.
                if answer.own == number - 1:
                    raise
    return module.__dict__
