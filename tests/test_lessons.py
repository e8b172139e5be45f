"""What every lesson has, whoever wrote it, and what its outputs may not hold."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest

from helpers.course.build.lesson import Cell, Lesson

ROOT = Path(__file__).resolve().parents[1]
PATHS = sorted((ROOT / "solutions").glob("*.py"))
EXECUTED = sorted((ROOT / "solutions").glob("*.ipynb"))
TIME = re.compile(r"\*\*Time:\*\* (\d+) minutes(?:[,;] (?:the core path.*? takes (\d+)|all of them on the core path))")

each_lesson = pytest.mark.parametrize("lesson", [Lesson.read(path) for path in PATHS], ids=lambda lesson: lesson.name)


def words(cell: Cell) -> int:
    """Words that a student reads: no addresses, no tables, nothing folded away."""
    text = re.sub(r"<details>.*?</details>", "", cell.source, flags=re.DOTALL)
    text = re.sub(r"^\|.*$", "", text, flags=re.MULTILINE)  # a table is looked up, not read through
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return len(re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text))


def time_of(lesson: Lesson) -> tuple[int, int]:
    match = TIME.search(lesson.cells[0].source)
    assert match, "the title cell says `**Time:** N minutes; the core path (sections …) takes M.`"
    total, core = match.groups()
    return int(total), int(core or total)


@each_lesson
def test_title_cell_says_what_comes_and_how_long_it_takes(lesson: Lesson) -> None:
    title = lesson.cells[0].source
    for wanted in ("colab-badge.svg", "mybinder.org", "**After this lesson you can**", "**Before:**"):
        assert wanted in title
    points = len(re.findall(r"^- ", title, flags=re.MULTILINE))
    assert 3 <= points <= 5
    total, core = time_of(lesson)
    assert core <= total


@each_lesson
def test_set_up_comes_first_and_is_folded(lesson: Lesson) -> None:
    code = [cell for cell in lesson.cells if cell.kind == "code"]
    assert "form" in code[0].tags
    assert "set_seed(2021)" in code[0].source
    assert "DEVICE = set_device()" in code[0].source
    assert "parameters" in code[1].tags


@each_lesson
def test_sections_say_their_minutes_and_add_up(lesson: Lesson) -> None:
    headings = [
        line
        for cell in lesson.cells
        if cell.kind == "markdown"
        for line in cell.source.split("\n")
        if re.match(r"## \d+\. ", line)
    ]
    minutes = [re.search(r"\((\d+) minutes?(, optional)?\)$", line) for line in headings]
    assert all(minutes), [line for line, found in zip(headings, minutes, strict=True) if not found]
    total, core = time_of(lesson)
    told = [(int(found[1]), bool(found[2])) for found in minutes if found]
    # A title cell rounds; a reader who adds up should not wonder.
    assert abs(sum(m for m, _ in told) - total) <= 5
    assert abs(sum(m for m, optional in told if not optional) - core) <= 5


@each_lesson
def test_prose_between_two_code_cells_is_short(lesson: Lesson) -> None:
    prose = 0
    for cell in lesson.cells[1:]:
        if cell.kind == "code" or {"solution", "answer"} & set(cell.tags) or cell.source.startswith("## Summary"):
            prose = 0
            if cell.source.startswith("## Summary"):
                break
            continue
        prose += words(cell)
        assert prose <= 150, f"line {cell.line}: {prose} words without anything to run"


@each_lesson
def test_code_cells_fit_on_a_screen(lesson: Lesson) -> None:
    for cell in lesson.cells:
        if cell.kind == "code" and not {"form", "exercise", "export"} & set(cell.tags):
            assert len(cell.source.split("\n")) <= 26, f"line {cell.line}"


@each_lesson
def test_lesson_ends_with_a_summary_and_feedback_is_asked_for(lesson: Lesson) -> None:
    text = "\n".join(cell.source for cell in lesson.cells)
    assert "## Summary" in text
    assert "feedback_box(" in text


@each_lesson
def test_a_stuck_student_can_go_on(lesson: Lesson) -> None:
    exported = [c for c in lesson.cells if {"exercise", "export"} <= set(c.tags)]
    for cell in exported:
        name = re.search(r"^(?:class|def) (\w+)", cell.source, flags=re.MULTILINE)
        assert name
        assert any(re.search(rf"^# from helpers.layers import .*\b{name[1]}\b", c.source) for c in lesson.cells), name[
            1
        ]


@each_lesson
def test_each_exercise_has_two_hints(lesson: Lesson) -> None:
    exercises = [cell for cell in lesson.cells if "exercise" in cell.tags]
    folded = sum(cell.source.count("<summary>Hint") for cell in lesson.cells if cell.kind == "markdown")
    assert folded >= 2 * len(exercises)


@pytest.mark.parametrize("path", EXECUTED, ids=lambda path: path.stem)
def test_outputs_hold_no_error_and_no_machine(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert outputs
    assert not [o for o in outputs if o.output_type == "error"]
    text = json.dumps([o for o in outputs if "image/png" not in o.get("data", {})])
    assert not re.search(r"(?<![\w.:/])/(home|root|tmp|Users|work)/", text)


def test_the_map_in_lesson_0_agrees_with_the_lessons() -> None:
    start = next(cell.source for path in PATHS[:1] for cell in Lesson.read(path).cells if "| lesson |" in cell.source)
    rows = dict(re.findall(r"^\| (.+?) \| .+? \| (\d+ \| \d+) \|$", start, flags=re.MULTILINE))
    for path in PATHS:
        lesson = Lesson.read(path)
        row = next(
            value for name, value in rows.items() if path.stem in name or name.startswith(f"{int(path.stem[:2])}. ")
        )
        assert tuple(int(x) for x in row.split(" | ")) == time_of(lesson), path.stem
    assert len(rows) == len(PATHS)


@each_lesson
def test_what_the_build_writes_below_expected_pictures_can_be_called(lesson: Lesson) -> None:
    text = "\n".join(cell.source for cell in lesson.cells)
    if any("expected-output" in cell.tags for cell in lesson.cells):
        assert re.search(r"^from helpers import .*\bmedia\b", text, re.MULTILINE), "`media` is not imported"
