"""Cells to an `.ipynb` or a percent file, the same bytes every time."""

from __future__ import annotations

import json
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

from helpers.course.build.grading import grading_metadata
from helpers.course.build.lesson import Cell, Lesson
from helpers.course.build.pairing import KERNEL


def notebook_from(lesson: Lesson, cells: list[Cell]) -> NotebookNode:
    """A notebook without outputs that holds `cells`, paired as its lesson is."""
    metadata = lesson.notebook().metadata
    metadata["kernelspec"] = dict(KERNEL)
    metadata["jupytext"].pop("main_language", None)  # the kernel says so
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


def differences(found: NotebookNode, wanted: NotebookNode) -> list[str]:
    """Where a notebook is not the one that the build would make, outputs aside; empty when it is.

    Parameters
    ----------
    found
        The notebook on disk, perhaps with what a tool left in it.
    wanted
        The build's.

    Returns
    -------
    list of str
        Such as "metadata of the notebook: papermill" or "cell 3: metadata.tags", cells counted from 1.
    """
    one, other = _without_outputs(found), _without_outputs(wanted)
    places = [f"metadata of the notebook: {key}" for key in _unequal(one["metadata"], other["metadata"])]
    if len(one["cells"]) != len(other["cells"]):
        return [*places, f"{len(one['cells'])} cells, not {len(other['cells'])}"]
    for number, (cell, right) in enumerate(zip(one["cells"], other["cells"], strict=True), 1):
        parts = [key for key in _unequal(cell, right) if key != "metadata"]
        parts += [f"metadata.{key}" for key in _unequal(cell["metadata"], right["metadata"])]
        if parts:
            places.append(f"cell {number}: {', '.join(parts)}")
    return places


def _unequal(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    nothing = object()
    return sorted(key for key in {*found, *wanted} if found.get(key, nothing) != wanted.get(key, nothing))


def _without_outputs(notebook: NotebookNode) -> dict[str, Any]:
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
