"""Notebooks as they are run: exercises up to the first blank, and nbval turning red when it should."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from helpers.course.build.execute import kernel_environment

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_exercise_runs_up_to_its_first_blank_and_says_so(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, 4)
    checks = [i for i, cell in enumerate(notebook.cells) if "check" in cell.metadata.get("tags", [])]
    if not checks:
        return
    first = checks[0]
    notebook.cells = notebook.cells[: first + 1]
    client = NotebookClient(
        notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}, timeout=300
    )
    with pytest.raises(CellExecutionError) as raised:
        client.execute(env={**os.environ, **kernel_environment(str(tmp_path))})
    assert raised.value.ename == "CheckFailed"
    assert "blank" in raised.value.evalue
    failed = [
        i for i, cell in enumerate(notebook.cells) if any(o.output_type == "error" for o in cell.get("outputs", []))
    ]
    assert failed == [first]


def _nbval(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", str(path)]
    command += ["--sanitize-with", str(ROOT / "tests" / "nbval_sanitize.cfg"), "--rootdir", str(path.parent)]
    environment = {**os.environ, **kernel_environment(str(path.parent / "record"))}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=path.parent, env=environment)


def _check_tensor_only(notebook: NotebookNode) -> NotebookNode:
    """The cells that lead to the check tensor, with what they showed when they were built."""
    wanted = ("# @title Set-up", "# Exercise 2", "queries = torch.tensor([[[[12, 2, 17, 88]]")
    notebook.cells = [cell for cell in notebook.cells if cell.source.startswith(wanted)]
    assert len(notebook.cells) == len(wanted)
    return notebook


def test_a_changed_check_tensor_turns_nbval_red(tmp_path: Path) -> None:
    notebook = _check_tensor_only(nbformat.read(ROOT / "solutions" / "02_queries_keys_values.ipynb", 4))
    path = tmp_path / "check.ipynb"
    nbformat.write(notebook, path)
    green = _nbval(path)
    assert green.returncode == 0, green.stdout

    shown = notebook.cells[-1].outputs[0].data
    assert "[[[36., 77., 90., 37.]," in shown["text/plain"]
    shown["text/plain"] = shown["text/plain"].replace("90.", "91.", 1)
    nbformat.write(notebook, path)
    red = _nbval(path)
    assert red.returncode == 1
    assert "1 failed" in red.stdout
