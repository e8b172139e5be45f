"""A lesson as a page: its solution's cells and outputs, put so that nothing is given away before a click."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

import nbformat
from nbformat import NotebookNode

from helpers.course.build.exercise import blanked, folded, reference
from helpers.course.build.lesson import Cell, Lesson
from helpers.course.build.notebook import notebook_from
from helpers.course.project import Project

_BADGE = re.compile(r"^\[!\[[^\]]*\]\([^)]*\)\]\([^)]*\)\s*\n", re.MULTILINE)
_DEMO = re.compile(r"\[Demo: (?P<about>.+)\. Run the cell to try it\.\]")
_PREDICT = "**Predict first:**"


@dataclass
class Page:
    """A page's source, and the pictures that it shows, by their file's name."""

    notebook: NotebookNode
    pictures: dict[str, bytes] = field(default_factory=dict)


def lesson_page(project: Project, lesson: Lesson, executed: NotebookNode) -> Page:
    """Turn a lesson and its executed notebook into what Sphinx reads.

    Raises
    ------
    CourseError
        A picture has no alternative text: the build writes one wherever a figure has a title.
    """
    page = Page(notebook_from(lesson, []))
    reveal = False
    for cell, node in zip(lesson.cells, executed.cells, strict=True):
        said = [output.get("data", {}).get("text/plain", "") for output in node.get("outputs", [])]
        outputs = [_shown(page, cell, output) for output in node.get("outputs", [])]
        if demo := next((found for line in said if (found := _DEMO.match(line))), None):
            page.notebook.cells.append(_code(cell.source, _pictures_only(outputs)))
            page.notebook.cells.append(_where_to_play(project, lesson, demo["about"]))
        else:
            page.notebook.cells += _nodes(project, lesson, cell, outputs, reveal)
        reveal = cell.kind == "markdown" and _PREDICT in cell.source
    return page


def _nodes(
    project: Project, lesson: Lesson, cell: Cell, outputs: list[NotebookNode], reveal: bool
) -> Iterator[NotebookNode]:
    if cell.kind == "markdown":
        source = _with_ways_in(project, lesson, cell.source) if cell is lesson.cells[0] else cell.source
        if "answer" in cell.tags:
            source = folded(cell)
        elif "solution" in cell.tags:
            source = f"<details><summary>Our answer</summary>\n\n{cell.source}\n\n</details>"
        yield nbformat.v4.new_markdown_cell(source)
    elif cell.source.startswith("feedback_box("):
        return  # it needs a kernel to write to
    elif "exercise" in cell.tags:
        yield _code(blanked(cell), [])
        yield _code(reference(cell), outputs, "hide-input", "Our answer")
    elif "solution" in cell.tags:
        yield _code(cell.source, outputs, "hide-cell", "Our answer")
    elif "form" in cell.tags:
        title = re.match(r"# @title (.+)", cell.source)
        yield _code(cell.source, outputs, "hide-input", title[1] if title else "The code of this cell")
    elif reveal and outputs:
        yield _code(cell.source, outputs, "hide-output", "See what comes out")
    else:
        yield _code(cell.source, outputs)


def _code(source: str, outputs: list[NotebookNode], tag: str = "", summary: str = "") -> NotebookNode:
    metadata = {"tags": [tag], "mystnb": {"code_prompt_show": summary, "code_prompt_hide": summary}} if tag else {}
    return nbformat.v4.new_code_cell(source, outputs=outputs, metadata=metadata)


def _shown(page: Page, cell: Cell, output: NotebookNode) -> NotebookNode:
    """An output as the page shows it: a picture as a file, with its alternative text."""
    data = output.get("data", {})
    if "image/png" not in data:
        return output
    beside = output.metadata.get("image/png", {})
    alt = beside.get("alt", "")
    if not alt:
        raise cell.error(0, "a picture without an alternative text: give its figure a title, then `make notebooks`")
    png = base64.b64decode(data["image/png"])
    name = f"{hashlib.sha256(png).hexdigest()[:16]}.png"
    page.pictures[name] = png
    escaped = re.sub(r"([\\\[\]*_`$<&])", r"\\\1", " ".join(alt.split()))
    shown = nbformat.from_dict(output)
    width = f"{{width={beside['width']}px}}" if "width" in beside else ""
    shown["data"] = {"text/markdown": f"![{escaped}](/pictures/{name}){width}"}
    shown["metadata"] = {}
    return shown


def _pictures_only(outputs: list[NotebookNode]) -> list[NotebookNode]:
    return [output for output in outputs if "text/markdown" in output.get("data", {})]


def addresses(project: Project, lesson: Lesson) -> dict[str, str]:
    """Where a lesson can be worked through, by the place's name."""
    path = f"notebooks/{lesson.name}.ipynb"
    return {
        "Colab": f"https://colab.research.google.com/github/{project.slug}/blob/{project.branch}/{path}",
        "Binder": f"https://mybinder.org/v2/gh/{project.slug}/{project.branch}?urlpath=lab/tree/{quote(path)}",
    }


def _with_ways_in(project: Project, lesson: Lesson, source: str) -> str:
    """The title cell with plain links in the place of badges, whose pictures other sites would send."""
    links = [(address, f"Open in {place}", "") for place, address in addresses(project, lesson).items()]
    links.append((f"../notebooks/{lesson.name}.ipynb", "Download the exercise notebook", " download"))
    row = " ".join(f'<a href="{html.escape(address)}"{more}>{text}</a>' for address, text, more in links)
    title, newline, rest = _BADGE.sub("", source).lstrip().partition("\n")
    rest = rest.replace("\n**Before:**", "\n\n**Before:**")
    return f'{title}{newline}\n<p class="course-ways-in">{row}</p>\n{rest}'


def _where_to_play(project: Project, lesson: Lesson, about: str) -> NotebookNode:
    places = " or ".join(f"[{place}]({address})" for place, address in addresses(project, lesson).items())
    return nbformat.v4.new_markdown_cell(
        f":::{{admonition}} A demo to play with: {about}\n:class: course-demo\n"
        f"Here it stands still. It moves in {places}, or on your own computer after `make lab`.\n:::"
    )
