"""The same points in nbgrader's own gradebook, so that its `export` and its form grader show them."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from helpers.course.mark.store import Mark

_AT_A_TIME = 200  # students: so many are written together, or none of them


def write_gradebook(marks: Iterable[Mark], lessons: dict[str, str], file: Path, most: float = 1.0) -> None:
    """Write marks into an nbgrader gradebook; what it holds of other assignments stays.

    Parameters
    ----------
    marks
        Sorted by student.
    lessons
        Name of the notebook for each lesson's number: {"02": "02_queries_keys_values"}.
    file
        `gradebook.db`, made where it is missing.
    most
        Points that a check is worth.

    Raises
    ------
    ImportError
        nbgrader is not installed.
    """
    from nbgrader.api import Gradebook, MissingEntry

    known: set[str] = set()
    # nbgrader makes its tables with a program that pip put beside this Python.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    with warnings.catch_warnings(), Gradebook(f"sqlite:///{file.absolute()}") as book:
        warnings.simplefilter("ignore")  # SQLAlchemy's, about how nbgrader asks
        commit = book.db.commit
        book.db.commit = book.db.flush  # nbgrader waits for the disk three times for each student
        each = groupby(marks, key=lambda mark: (mark.student, mark.lesson))
        for count, ((student, lesson), some) in enumerate(each, start=1):
            name = lessons[lesson]
            own = list(some)
            if name not in known:
                known.add(name)
                book.update_or_create_assignment(name)
                book.update_or_create_notebook(name, name)
            for mark in own:
                cell = f"check-{mark.exercise}"
                if f"{name}/{cell}" not in known:
                    known.add(f"{name}/{cell}")
                    book.update_or_create_grade_cell(cell, name, name, max_score=most, cell_type="code")
            book.update_or_create_student(student)
            with contextlib.suppress(MissingEntry):
                book.remove_submission(name, student)  # a cell that is new since then would have no place in it
            book.add_submission(name, student)
            for mark in own:
                grade = book.find_grade(f"check-{mark.exercise}", name, name, student)
                grade.auto_score, grade.needs_manual_grade = mark.points, False
            if count % _AT_A_TIME == 0:
                commit()
        commit()
