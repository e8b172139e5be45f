"""Run a lesson's solution from top to bottom and keep what it shows, byte for byte the same each time."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import tempfile
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from helpers.course.build.demo_pictures import pictures_of
from helpers.course.build.lesson import Lesson

_WIDGET = "application/vnd.jupyter.widget-view+json"


def kernel_environment(record: str) -> dict[str, str]:
    """The environment in which solutions are executed, when they are built and when nbval runs them again.

    One thread, no network, no GPU and no progress bars: what a cell shows is then the same on every machine.

    Parameters
    ----------
    record
        A folder for progress and feedback, so that building leaves the person's own alone.
    """
    return {
        "COURSE_DATA": "sample",
        "COURSE_OFFLINE": "1",
        "COURSE_RECORD": record,
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
        "MKL_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "TQDM_DISABLE": "1",
    }


def execute(lesson: Lesson, notebook: NotebookNode) -> None:
    """Run `notebook` in place, in an empty folder, and tidy its outputs.

    Raises
    ------
    CourseError
        When a cell fails, writes to stderr or shows what no static page can, with the cell's line.
    """
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            record_timing=False,
            timeout=900,
        )
        try:
            # What a kernel itself writes to the terminal is no part of a notebook, and would break the progress bar.
            environment = {**os.environ, **kernel_environment(folder), "COURSE_PRECISION": "float32"}
            client.execute(env=environment, stderr=subprocess.DEVNULL)
        except CellExecutionError as error:
            failed = next(
                i
                for i, node in enumerate(notebook.cells)
                if any(o.output_type == "error" for o in node.get("outputs", []))
            )
            raise lesson.cells[failed].error(0, f"this cell fails: {error.ename}: {error.evalue}") from error
    notebook.metadata.pop("widgets", None)  # a demo's state means nothing without a kernel; its pictures are kept below
    notebook.metadata["language_info"] = {"name": "python"}  # as it was, without the version that ran it
    for index, node in enumerate(notebook.cells):
        if node.cell_type == "code":
            node.metadata.pop("execution", None)
            try:
                node.outputs = _tidy(node.outputs, set(node.metadata.get("tags", [])), client.widget_state)
            except ValueError as error:
                raise lesson.cells[index].error(0, str(error)) from error


def pictures(notebook: NotebookNode) -> list[bytes]:
    """The first PNG of each cell tagged `expected-output`, in order.

    Raises
    ------
    ValueError
        When such a cell draws none.
    """
    found = []
    for node in notebook.cells:
        if "expected-output" not in node.metadata.get("tags", []):
            continue
        images = [o.data["image/png"] for o in node.outputs if "image/png" in o.get("data", {})]
        if not images:
            first = node.source.split("\n")[0]
            raise ValueError(f"a cell tagged `expected-output` draws no picture: {first!r}")
        found.append(base64.b64decode(images[0]))
    return found


def _tidy(outputs: list[NotebookNode], tags: set[str], widgets: dict[str, dict[str, Any]]) -> list[NotebookNode]:
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream" and output.name == "stderr":
            raise ValueError(f"this cell writes to stderr: {output.text.strip()[:300]}")
        data = output.get("data", {})
        if _WIDGET in data:
            if "nbval-ignore-output" not in tags:
                raise ValueError("this cell shows a widget: tag it `nbval-ignore-output`, its state is kept nowhere")
            line = data.get("text/plain", "")
            if not line.startswith("["):  # a widget of ipywidgets' own: its text form is code
                continue
            shown = pictures_of(data[_WIDGET]["model_id"], widgets)
            output.data = data = NotebookNode({"text/plain": line})  # what a page without a kernel can say
            if shown:  # and what it can show
                data["image/png"], output.metadata["image/png"] = shown[0]
        if "image/png" in data:
            data["image/png"] = _bare_png(data["image/png"], output.metadata.get("image/png", {}).get("alt", ""))
        if output.output_type == "stream" and kept and kept[-1].output_type == "stream":
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def _bare_png(encoded: str, alt: str) -> str:
    """The same pixels without matplotlib's chunks, which name its version, and with a description of the picture."""
    described = PngInfo()
    if alt:
        described.add_itxt("Description", alt)
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        bare = io.BytesIO()
        image.save(bare, "PNG", optimize=True, pnginfo=described)
    return base64.b64encode(bare.getvalue()).decode() + "\n"
