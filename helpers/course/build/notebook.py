"""Cells to an `.ipynb` or a percent file, the same bytes every time."""

from __future__ import annotations

import json
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

from helpers.course.build.grading import grading_metadata
from helpers.course.build.lesson import Cell, Lesson


def notebook_from(lesson: Lesson, cells: list[Cell]) -> NotebookNode:
    """A notebook without outputs that holds `cells`, paired as its lesson is."""
    metadata = lesson.notebook().metadata
    metadata["language_info"] = {"name": "python"}  # no version: it would change with the machine that builds
    nodes = []
    grading = grading_metadata(cells)
    for cell in cells:
        make = nbformat.v4.new_code_cell if cell.kind == "code" else nbformat.v4.new_markdown_cell
        nodes.append(make(cell.source, id=cell.id, metadata=_cell_metadata(cell, grading.get(cell.id))))
    return nbformat.v4.new_notebook(cells=nodes, metadata=metadata)


def ipynb_text(notebook: NotebookNode) -> str:
    """The notebook as JSON, keys sorted, as Jupyter writes it."""
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def percent_text(notebook: NotebookNode) -> str:
    """The notebook as a percent file."""
    return str(jupytext.writes(notebook, fmt="py:percent"))


def without_outputs(notebook: NotebookNode) -> dict[str, Any]:
    """What a person or the build decides of a notebook: everything but what executing it added."""
    plain: dict[str, Any] = json.loads(nbformat.writes(notebook))
    plain["metadata"].pop("course", None)
    for cell in plain["cells"]:
        cell.pop("outputs", None)
        cell.pop("execution_count", None)
    return plain


def _cell_metadata(cell: Cell, grading: dict[str, Any] | None) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    if cell.tags:
        metadata["tags"] = cell.tags
    if "form" in cell.tags:
        metadata["cellView"] = "form"  # Colab
        metadata["jupyter"] = {"source_hidden": True}  # JupyterLab
    if cell.blank_lines is not None:
        metadata["lines_to_next_cell"] = cell.blank_lines  # jupytext's: saving in JupyterLab then changes no line
    if grading is not None:
        metadata["nbgrader"] = grading
    return metadata
