"""The metadata that nbgrader reads, worked out from a cell's tags."""

from __future__ import annotations

from typing import Any

from helpers.course.build.lesson import Cell

_POINTS = 1  # what every check is worth; an instructor changes it in nbgrader's own form grader


def grading_metadata(cells: list[Cell]) -> dict[str, dict[str, Any]]:
    """nbgrader's metadata (schema 3) by cell id, for exercises and their checks."""
    found: dict[str, dict[str, Any]] = {}
    exercise = ""
    for cell in cells:
        if "exercise" in cell.tags:
            exercise = cell.exercise[0]
            found[cell.id] = _entry(f"exercise-{exercise}", solution=True)
        elif "check" in cell.tags:
            found[cell.id] = {**_entry(f"check-{exercise}", grade=True, locked=True), "points": _POINTS}
    return found


def _entry(grade_id: str, *, solution: bool = False, grade: bool = False, locked: bool = False) -> dict[str, Any]:
    return {
        "grade": grade,
        "grade_id": grade_id,
        "locked": locked,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
