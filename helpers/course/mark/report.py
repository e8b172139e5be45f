"""Pages to hand back and to teach from: one for each student, and one for the class, which need no network."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.checks import EXERCISES
from helpers.course.mark.store import Mark, Store

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

# How a class is coloured: kind -> words beside the colour. What an answer's outcome is, `kind_of` says.
KINDS = {
    "passed": "right",
    "wrong": "not right yet",
    "blank": "blanks still open",
    "reference": "the course's own answer",
    "trouble": "did not run, or never ended",
    "missing": "not handed in",
}
_STUDENTS_WORDS = {
    "passed": "Right: 1 point.",
    "wrong": "Not right yet.",
    "blank": "There are blanks left.",
    "reference": "This is the course's own answer, imported: fine for going on, but worth no point.",
    "broken": "The cell does not run.",
    "missing": "Not found.",
    "too long": "It did not come to an end.",
    "memory": "It asked for too much memory.",
    "crashed": "It ended Python.",
}
_MOST_SLOW, _SLOW = 10, 5.0  # seconds
_MOST_MISCONCEPTIONS = 12  # of an exercise: what one student alone has done is on that student's page
_PICTURE_HEIGHT, _COLUMN = 420, 44


@dataclass
class Shared:
    """A misconception: how many share it, what they were told, and the answer of one of them."""

    name: str
    sentence: str
    example: str
    count: int = 0


@dataclass
class OfExercise:
    """What the class made of one exercise."""

    number: str
    title: str
    kinds: Counter[str] = field(default_factory=Counter)
    shared: dict[str, Shared] = field(default_factory=dict)
    unexplained: int = 0

    @property
    def all(self) -> int:
        return self.kinds.total()

    @property
    def right(self) -> int:
        return self.kinds["passed"]

    @property
    def shares(self) -> list[tuple[str, float]]:
        """Percent of each kind that there is."""
        return [(kind, 100 * self.kinds[kind] / self.all) for kind in KINDS if self.kinds[kind]]

    @property
    def told(self) -> str:
        """The bar in words."""
        return ", ".join(f"{self.kinds[kind]} {words}" for kind, words in KINDS.items() if self.kinds[kind])

    @property
    def misconceptions(self) -> list[Shared]:
        """The most frequent first."""
        return sorted(self.shared.values(), key=lambda one: (-one.count, one.name))[:_MOST_MISCONCEPTIONS]


def write_reports(store: Store, out: Path) -> None:
    """Write `report.html` and, for each student, `students/NAME.html`.

    Nothing is held in memory but counts, a letter for each answer, and one example for each misconception.
    """
    pages = _pages()
    style = (resources.files("helpers") / "assets" / "marking" / "style.css").read_text("utf-8")
    (out / "students").mkdir(parents=True, exist_ok=True)
    exercises: dict[str, OfExercise] = {}
    rows: dict[str, dict[str, str]] = {}
    references: dict[str, list[str]] = defaultdict(list)
    troubles: list[Mark] = []
    slow: list[Mark] = []
    unread = store.unread()
    student_page = pages.get_template("student.html")
    for student, some in groupby(store.marks(), key=lambda mark: mark.student):
        marks = sorted(some, key=lambda mark: list(EXERCISES).index(mark.exercise))
        rows[student] = {mark.exercise: kind_of(mark) for mark in marks}
        for mark in marks:
            _count(exercises.setdefault(mark.exercise, OfExercise(mark.exercise, EXERCISES[mark.exercise].title)), mark)
            if mark.outcome == "reference":
                references[student].append(mark.exercise)
            elif kind_of(mark) == "trouble":
                troubles.append(mark)
            elif mark.seconds > _SLOW:
                slow = sorted([*slow, mark], key=lambda one: -one.seconds)[:_MOST_SLOW]
        page = student_page.render(
            style=style,
            student=student,
            points=sum(mark.points for mark in marks),
            marks=marks,
            titles={number: listed.title for number, listed in EXERCISES.items()},
            words=_STUDENTS_WORDS,
            unread=[(source, reason) for whose, source, reason in unread if whose == student],
        )
        (out / "students" / f"{file_name(student)}.html").write_text(page, "utf-8")
    numbers = [number for number in EXERCISES if number in exercises]
    report = pages.get_template("report.html").render(
        style=style,
        kinds=KINDS,
        students=len(rows),
        answers=sum(map(len, rows.values())),
        exercises=[exercises[number] for number in numbers],
        picture=picture(rows.values(), numbers),
        references=sorted(references.items()),
        troubles=troubles,
        slow=slow,
        unread=unread,
        pages=[
            (student, f"{file_name(student)}.html", list(row.values()).count("passed"), len(row))
            for student, row in rows.items()
        ],
    )
    (out / "report.html").write_text(report, "utf-8")


def kind_of(mark: Mark) -> str:
    """How a mark is coloured."""
    return mark.outcome if mark.outcome in KINDS else "trouble"


def file_name(student: str) -> str:
    """A name for a student's page that every file system takes."""
    return re.sub(r"[^\w.@+ -]", "_", student).strip(". ") or "_"


def picture(rows: Iterable[dict[str, str]], numbers: list[str]) -> str:
    """Draw students x exercises as SVG: rows sorted, those with most right answers first."""
    order = {kind: place for place, kind in enumerate(KINDS)}

    def weight(row: dict[str, str]) -> tuple[int, list[int]]:
        return -sum(kind == "passed" for kind in row.values()), [order[row.get(n, "missing")] for n in numbers]

    ordered = sorted(rows, key=weight)
    if not ordered:
        return ""
    height = min(_PICTURE_HEIGHT, 14 * len(ordered))
    parts = []
    for column, number in enumerate(numbers):
        x = column * _COLUMN
        parts.append(f'<text x="{x + _COLUMN / 2 - 2}" y="14" text-anchor="middle">{number}</text>')
        done = 0
        # Neighbours of one kind are one rectangle, so ten thousand students draw as fast as ten.
        for kind, same in groupby(ordered, key=lambda row, number=number: row.get(number, "missing")):  # type: ignore[misc]
            count = sum(1 for _ in same)
            top, size = 22 + height * done / len(ordered), height * count / len(ordered)
            words = f"exercise {number}: {KINDS[kind]}, {count} in a row"
            parts.append(
                f'<rect class="{kind}" x="{x}" y="{top:.2f}" width="{_COLUMN - 4}" height="{size:.2f}">'
                f"<title>{words}</title></rect>"
            )
            done += count
    width = len(numbers) * _COLUMN
    label = f"{len(ordered)} students by {len(numbers)} exercises, sorted by points"
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {width} {height + 24:.0f}" width="{width}" '
        f'height="{height + 24:.0f}">{"".join(parts)}</svg>'
    )


def said(sentence: str) -> str:
    """What a check found, in one line, without the exercise's number."""
    return re.sub(r"^✗ Exercise \w+: ", "", sentence.split("\n")[0])


def _count(exercise: OfExercise, mark: Mark) -> None:
    exercise.kinds[kind_of(mark)] += 1
    if mark.outcome != "wrong":
        return
    if mark.misconception is None:
        exercise.unexplained += 1
        return
    one = exercise.shared.setdefault(mark.misconception, Shared(mark.misconception, said(mark.sentence), mark.code))
    one.count += 1
    if len(mark.code) < len(one.example):  # the shortest says it best
        one.example = mark.code


def _pages() -> Environment:
    from jinja2 import Environment, PackageLoader

    pages = Environment(loader=PackageLoader("helpers", "assets/marking"), autoescape=True, trim_blocks=True)
    pages.filters["code"] = _with_code
    return pages


def _with_code(sentence: str) -> Markup:
    """What a check says, as HTML: names of its code stand between backticks."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(sentence))))
