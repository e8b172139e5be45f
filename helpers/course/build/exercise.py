"""From a solution to what a student gets: code blanked out, answers to questions folded, other answers gone."""

from __future__ import annotations

from helpers.course.build.lesson import BEGIN, END, STUB, Cell, Lesson, cell_id

# These say something to the build only, and would puzzle a reader.
_FOR_THE_BUILD = {"export", "nbval-ignore-output", "nbval-skip"}


def exercise_cells(lesson: Lesson, *, think_answers: bool = True) -> list[Cell]:
    """The cells of a lesson's exercise notebook; answers to questions are folded, or left out."""
    cells: list[Cell] = []
    pictures = 0
    for cell in lesson.cells:
        if "solution" in cell.tags or ("answer" in cell.tags and not think_answers):
            continue
        source = cell.source
        if "exercise" in cell.tags:
            source = blanked(cell)
        elif "answer" in cell.tags:
            source = folded(cell)
        tags = [tag for tag in cell.tags if tag not in _FOR_THE_BUILD]
        cells.append(Cell(cell.path, cell.line, cell.kind, source, tags, cell.id, cell.blank_lines))
        if "expected-output" in cell.tags:
            pictures += 1
            call = f'media.what_you_should_see("{picture_name(lesson, pictures)}")'
            cells.append(Cell(cell.path, cell.line, "code", call, ["form"], cell_id("code", call, 1)))
    return cells


def picture_name(lesson: Lesson, number: int) -> str:
    """The name of a lesson's n-th expected picture, counted from 1."""
    return f"{lesson.name}_{number}"


def blanked(cell: Cell) -> str:
    """An exercise's source with each solution region replaced by its stubs, or by one `raise`."""
    number, title = cell.exercise
    lines: list[str] = []
    stubs: list[str] | None = None
    for line in cell.source.split("\n"):
        if BEGIN.match(line):
            stubs = []
            indent = line[: len(line) - len(line.lstrip())]
        elif END.match(line):
            lines += stubs or [f'{indent}raise NotImplementedError("Exercise {number}: {title}")']
            stubs = None
        elif stubs is None:
            lines.append(line)
        elif stub := STUB.match(line):
            lines_indent, code = stub.groups()
            stubs.append(f"{lines_indent}{code}".rstrip())
    return "\n".join(lines)


def folded(cell: Cell) -> str:
    """An answer behind a line that a reader opens: its bold first words."""
    summary, text = cell.answer
    return f"<details><summary>{summary}</summary>\n\n{text}\n\n</details>"


def reference(cell: Cell) -> str:
    """A cell's source as the reference: the answer, without the marks around it."""
    lines = cell.source.split("\n")
    return "\n".join(line for line in lines if not (BEGIN.match(line) or END.match(line) or STUB.match(line)))
