"""Print how many misconceptions each exercise's check explains, and how many right answers it is tested with."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from helpers.checks import EXERCISES, exercise_of

HELP = "print what the exercises' checks cover, as a Markdown table"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--names", action="store_true", help="list the misconceptions by name, too")


def run(args: argparse.Namespace) -> int:
    print(coverage_table(Path.cwd() / "tests", names=args.names))
    return 0


def coverage_table(tests: Path, names: bool = False) -> str:
    """Return a Markdown table, counted from the lists that the checks and their tests use.

    Parameters
    ----------
    tests : Path
        The repository's tests, whose `answers/right_N.py` hold right answers to exercise N in many styles.
    names : bool
        Whether to list the misconceptions by name below the table.

    Raises
    ------
    FileNotFoundError
        An exercise has no right answers there.
    """
    rows = ["| exercise | misconceptions that it explains | right answers that it passes |", "|---|---:|---:|"]
    lists = []
    for number, listed in EXERCISES.items():
        answers = right_answers(tests, number)
        misconceptions = exercise_of(number).misconceptions
        rows.append(f"| {number}. {listed.title} | {len(misconceptions)} | {len(answers)} |")
        lists.append(f"- {number}: {'; '.join(m.name for m in misconceptions)}")
    return "\n".join([*rows, "", *lists] if names else rows)


def changes_that_no_longer_apply() -> list[str]:
    """Name each misconception whose change cannot be made to the reference as it is now, a line each."""
    return [
        f"exercise {number}: {misconception.problem}"
        for number in EXERCISES
        for misconception in exercise_of(number).misconceptions
        if misconception.problem
    ]


def right_answers(tests: Path, number: str) -> list[Any]:
    """Return the right answers to an exercise that its check is tested with.

    Raises
    ------
    FileNotFoundError
        There are none in `tests`.
    """
    file = tests / "answers" / f"right_{number}.py"
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing. Run this in the repository, whose tests hold the right answers.")
    if str(tests) not in sys.path:  # these files import each other
        sys.path.insert(0, str(tests))
    answers = import_module(f"answers.right_{number}").ANSWERS
    return list(answers.values() if isinstance(answers, dict) else answers)
