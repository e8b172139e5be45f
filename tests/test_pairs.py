"""What tools leave in a notebook: the pair still opens in JupyterLab, and the build says what is out of step."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import jupytext
import nbformat
import pytest
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupytext.async_contentsmanager import build_async_jupytext_contents_manager_class
from nbformat import NotebookNode
from tornado.web import HTTPError

from helpers.course.build.lesson import Lesson
from helpers.course.build.notebook import differences, ipynb_text, notebook_from
from helpers.course.build.pairing import HEADER, with_header

LESSON = f"""{HEADER}
# %% [markdown]
# # 1. A lesson

# %% tags=["form"]
import math

# %%
math.pi


# %% tags=["parameters"]
size = 2
"""

# What JupyterLab puts into the server: its own manager of files, with jupytext's pairs.
Contents = build_async_jupytext_contents_manager_class(AsyncLargeFileManager)


@pytest.fixture
def lesson(tmp_path: Path) -> Lesson:
    """A percent file and its notebook, as the build writes them."""
    path = tmp_path / "01_lesson.py"
    path.write_text(LESSON, "utf-8")
    lesson = Lesson.read(path)
    path.with_suffix(".ipynb").write_text(ipynb_text(notebook_from(lesson, lesson.cells)), "utf-8")
    return lesson


def papermill(notebook: NotebookNode) -> None:
    """As papermill 2.7 leaves it: empty tags on every cell, markdown too."""
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])
        cell.metadata["papermill"] = {"duration": 0.1, "exception": False, "status": "completed"}
    notebook.metadata["papermill"] = {"parameters": {}, "version": "2.7.0"}


def nbconvert_inplace(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        cell.metadata["execution"] = {"iopub.status.busy": "2026-11-26T21:05:55.131985Z"}
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11.7", "pygments_lexer": "ipython3"}


def jupyterlab(notebook: NotebookNode) -> None:
    left = {"scrolled": True, "collapsed": True, "trusted": True, "editable": True, "slideshow": {"slide_type": ""}}
    for cell in notebook.cells:
        cell.metadata.update(left, tags=cell.metadata.get("tags", []))
        cell.metadata.setdefault("jupyter", {})["outputs_hidden"] = True
        cell.metadata["jp-MarkdownHeadingCollapsed"] = True
    notebook.metadata["kernelspec"]["display_name"] = "Python 3 (ipykernel)"


def vs_code(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        cell.metadata["vscode"] = {"languageId": "python"}
        cell.id = f"W{cell.id}"
    notebook.metadata["kernelspec"] = {"display_name": ".venv (3.12.3)", "language": "python", "name": "venv"}


def colab(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        cell.metadata.update(id=cell.id, outputId="f3", colab={"height": 35}, executionInfo={"status": "ok"})
    notebook.metadata["colab"] = {"provenance": []}


def older_jupyter(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        cell.metadata.update(ExecuteTime={"start_time": "2026"}, hidden=True, heading_collapsed=True, run_control={})
    notebook.metadata["kernel_info"] = {"name": "python3"}


TOOLS = [papermill, nbconvert_inplace, jupyterlab, vs_code, colab, older_jupyter]


def leave(lesson: Lesson, change: Callable[[NotebookNode], None]) -> NotebookNode:
    """Change the notebook of a lesson, and make it an hour newer than the percent file."""
    path = lesson.path.with_suffix(".ipynb")
    notebook = nbformat.read(path, 4)
    change(notebook)
    nbformat.write(notebook, path)
    now = path.stat().st_mtime
    os.utime(lesson.path, (now - 3600, now - 3600))
    return notebook


async def open_and_save(lesson: Lesson) -> NotebookNode:
    """Open the notebook in JupyterLab and save it as it is."""
    contents = Contents(root_dir=str(lesson.path.parent))
    name = lesson.path.with_suffix(".ipynb").name
    model = await contents.get(name)
    await contents.save({"type": "notebook", "format": "json", "content": model["content"]}, name)
    opened: NotebookNode = nbformat.from_dict(model["content"])
    return opened


@pytest.mark.parametrize("tool", TOOLS)
def test_a_pair_opens_whatever_a_tool_left_and_saving_changes_no_line(
    lesson: Lesson, tool: Callable[[NotebookNode], None]
) -> None:
    leave(lesson, tool)
    opened = asyncio.run(open_and_save(lesson))
    assert [cell.source for cell in opened.cells] == [cell.source for cell in lesson.cells]
    assert [cell.metadata.get("tags", []) for cell in opened.cells] == [cell.tags for cell in lesson.cells]
    assert lesson.path.read_text("utf-8") == LESSON


@pytest.mark.parametrize("tool", TOOLS)
def test_what_a_tool_left_is_named(lesson: Lesson, tool: Callable[[NotebookNode], None]) -> None:
    wanted = notebook_from(lesson, lesson.cells)
    assert differences(nbformat.read(lesson.path.with_suffix(".ipynb"), 4), wanted) == []
    assert differences(leave(lesson, tool), wanted) != []


def test_names_say_which_cell_and_what_of_it(lesson: Lesson) -> None:
    wanted = notebook_from(lesson, lesson.cells)
    left = differences(leave(lesson, papermill), wanted)
    assert left[:3] == [
        "metadata of the notebook: papermill",
        "cell 1: metadata.papermill, metadata.tags",
        "cell 2: metadata.papermill",
    ]
    left = differences(leave(lesson, lambda notebook: notebook.cells.pop()), wanted)
    assert left[-1] == "3 cells, not 4"


def test_a_notebook_that_was_edited_alone_does_not_open_as_the_older_percent_file(lesson: Lesson) -> None:
    """Else JupyterLab would show the percent file, and the edit would be gone with the next save."""
    leave(lesson, lambda notebook: notebook.cells[-1].update(source="size = 3"))
    with pytest.raises(HTTPError, match="more recent") as refused:
        asyncio.run(open_and_save(lesson))
    assert refused.value.status_code == 400


@pytest.mark.parametrize("header", ["", "# ---\n# jupyter:\n#   jupytext:\n#     formats: ipynb\n# ---\n", HEADER])
def test_the_build_writes_the_header(header: str) -> None:
    body = "\n# %%\n# ---\n1\n"
    assert with_header(header + body) == HEADER + body
    assert jupytext.reads(HEADER + body, fmt="py:percent").metadata["jupytext"]["formats"] == "ipynb,py:percent"
