"""A lesson's source: the percent file, its cells, and the marks that the build reads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jupytext
from nbformat import NotebookNode

from helpers.course.errors import CourseError

MARKS = {"exercise", "solution", "answer", "check", "expected-output", "form", "parameters", "export"}
NBVAL = {"nbval-ignore-output", "nbval-skip", "raises-exception"}

BEGIN = re.compile(r"^\s*# BEGIN SOLUTION\s*$")
END = re.compile(r"^\s*# END SOLUTION\s*$")
STUB = re.compile(r"^(\s*)# STUB: ?(.*)$")
# The bold words that an answer begins with: what stands on the fold in the exercise notebook.
ANSWER = re.compile(r"\A\*\*(?P<summary>[^*\n]+?)\.\*\*\s+(?P<text>\S.*)\Z", re.DOTALL)
EXERCISE = re.compile(r"^# Exercise (?P<id>\d+[a-z]?): (?P<title>.+?)\s*$")


@dataclass
class Cell:
    """One cell of a percent file, with the place it came from."""

    path: Path
    line: int  # of its first line of source
    kind: str  # "code" or "markdown"
    source: str
    tags: list[str]
    id: str
    blank_lines: int | None = None  # below it in the percent file, where that is not jupytext's own choice

    @property
    def exercise(self) -> tuple[str, str]:
        """An exercise's id and title, from the first line: `# Exercise 2: scaled dot-product attention`."""
        match = EXERCISE.match(self.source.split("\n", 1)[0])
        if match is None:
            raise self.error(0, "an exercise cell starts with a line like `# Exercise 2: what it is`")
        return match["id"], match["title"]

    @property
    def answer(self) -> tuple[str, str]:
        """What stands on an answer's fold, and what lies under it: `**One answer.** Because …`."""
        match = ANSWER.match(self.source)
        if match is None or self.kind != "markdown":
            raise self.error(0, "an answer is a markdown cell that starts with bold words: `**One answer.** Because`")
        return match["summary"], match["text"].rstrip()

    def error(self, offset: int, message: str) -> CourseError:
        """A mistake `offset` lines below the cell's first line."""
        return CourseError(self.path, self.line + offset, message)


@dataclass
class Lesson:
    """A percent file under `solutions/`, read and checked."""

    path: Path
    text: str
    cells: list[Cell]

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def title(self) -> str:
        """The first heading, such as `2. Queries, keys, values`."""
        headings = (re.search(r"^# (.+)$", cell.source, re.MULTILINE) for cell in self.cells if cell.kind == "markdown")
        return next((found[1] for found in headings if found), self.name)

    @classmethod
    def read(cls, path: Path, text: str | None = None) -> Lesson:
        """Read a percent file.

        Parameters
        ----------
        path
            The file; also what errors name.
        text
            Its content, where that is at hand already.

        Raises
        ------
        CourseError
            For a mark that the build cannot follow, with the line it stands on.
        """
        if text is None:
            text = path.read_text("utf-8")
        lesson = cls(path, text, list(_cells(path, text)))
        _check_marks(lesson)
        return lesson

    def notebook(self) -> NotebookNode:
        """The percent file as a notebook without outputs, as jupytext reads it, with ids that last."""
        notebook = jupytext.reads(self.text, fmt="py:percent")
        for node, cell in zip(notebook.cells, self.cells, strict=True):
            node["id"] = cell.id
        return notebook


def cell_id(kind: str, source: str, occurrence: int) -> str:
    """An id from what a cell says and how often it has been said before, so that rebuilding changes none."""
    return hashlib.sha256(f"{kind}\0{source}\0{occurrence}".encode()).hexdigest()[:12]


def _cells(path: Path, text: str) -> Iterator[Cell]:
    notebook = jupytext.reads(text, fmt="py:percent")
    starts = [number for number, line in enumerate(text.split("\n"), 1) if re.match(r"# %%(\s|$)", line)]
    if len(starts) != len(notebook.cells):
        raise CourseError(path, None, "every cell starts with `# %%`; something stands before the first one")
    seen: dict[tuple[str, str], int] = {}
    for node, start in zip(notebook.cells, starts, strict=True):
        key = (node.cell_type, node.source)
        seen[key] = seen.get(key, 0) + 1
        tags = list(node.metadata.get("tags", []))
        blank_lines = node.metadata.get("lines_to_next_cell")
        yield Cell(path, start + 1, node.cell_type, node.source, tags, cell_id(*key, seen[key]), blank_lines)


def _check_marks(lesson: Lesson) -> None:
    exercises: dict[str, Cell] = {}
    unchecked: Cell | None = None
    for cell in lesson.cells:
        for tag in cell.tags:
            if tag not in MARKS | NBVAL:
                known = ", ".join(sorted(MARKS | NBVAL))
                raise CourseError(cell.path, cell.line - 1, f"unknown tag {tag!r}; known are {known}")
        if "exercise" in cell.tags:
            if unchecked is not None:
                raise unchecked.error(0, f"exercise {unchecked.exercise[0]} has no cell tagged `check` after it")
            number, _ = cell.exercise
            if number in exercises:
                first = exercises[number].line
                raise cell.error(0, f"a second exercise {number}; the first stands on line {first}")
            exercises[number] = unchecked = cell
        if "answer" in cell.tags:
            _ = cell.answer  # raises where there is none
        if "check" in cell.tags:
            if unchecked is None:
                raise cell.error(0, "a `check` cell without an exercise before it")
            unchecked = None
        _check_regions(cell)
    if unchecked is not None:
        raise unchecked.error(0, f"exercise {unchecked.exercise[0]} has no cell tagged `check` after it")


def _check_regions(cell: Cell) -> None:
    opened: int | None = None
    stubs_may_follow = False
    regions = 0
    for offset, line in enumerate(cell.source.split("\n")):
        if BEGIN.match(line):
            if "exercise" not in cell.tags:
                raise cell.error(offset, "a solution region in a cell that is not tagged `exercise`")
            if opened is not None:
                start = cell.line + opened
                raise cell.error(offset, f"a solution region inside the one that opens on line {start}")
            opened, stubs_may_follow, regions = offset, True, regions + 1
        elif END.match(line):
            if opened is None:
                raise cell.error(offset, "`# END SOLUTION` without a `# BEGIN SOLUTION` before it")
            opened = None
        elif STUB.match(line):
            if opened is None:
                raise cell.error(offset, "`# STUB:` outside a solution region")
            if not stubs_may_follow:
                raise cell.error(offset, "`# STUB:` below the answer; stubs stand at the top of their region")
        else:
            stubs_may_follow = False
    if opened is not None:
        raise cell.error(opened, "`# BEGIN SOLUTION` is never closed; add `# END SOLUTION`")
    if "exercise" in cell.tags and not regions:
        raise cell.error(0, "an exercise without a solution region: nothing would be left to do")
