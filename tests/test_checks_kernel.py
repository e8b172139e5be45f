"""Checks as a student meets them: in a notebook's kernel."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

CELLS = [
    "import time, torch\nfrom torch import nn\nfrom helpers import checks\n"
    "from helpers.checks.engine import run as engine\nengine.SECONDS = 1.0",
    # 1: blanks; Python 3.11 cannot give the source of a class that was defined in a notebook
    "class SelfAttention(nn.Module):\n    def __init__(self, embed_dim):\n        super().__init__()\n"
    "        self.d = ...\n\n"
    "    def forward(self, x):\n        return x[..., 0] + ...",
    "checks.self_attention(SelfAttention)",
    # 3: a loop that swallows everything
    "def weighted_average(values, weights):\n    while True:\n        try:\n            time.sleep(0.2)\n"
    "        except BaseException:\n            pass",
    "checks.weighted_average(weighted_average)",
    # 5: a wrong answer, twice, then a right one
    "def weighted_average(values, weights):\n    return (values * weights).mean()",
    "checks.weighted_average(weighted_average, seed=5)",
    "def weighted_average(values, weights):\n    return values @ weights",
    "checks.weighted_average(weighted_average)",
]


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> NotebookNode:
    folder: Path = tmp_path_factory.mktemp("kernel")
    cells = new_notebook(cells=[new_code_cell(source) for source in CELLS])
    client = NotebookClient(
        cells, kernel_name="python3", allow_errors=True, timeout=120, resources={"metadata": {"path": str(folder)}}
    )
    environment = {**os.environ, "COURSE_RECORD": str(folder / "record"), "OMP_NUM_THREADS": "1"}
    return nbformat.from_dict(client.execute(env=environment))


def shown(notebook: NotebookNode, cell: int) -> NotebookNode:
    (output,) = notebook.cells[cell].outputs
    return output


def test_a_failure_is_an_error_of_a_few_lines_without_a_traceback(notebook: NotebookNode) -> None:
    output = shown(notebook, 6)
    assert (output.output_type, output.ename) == ("error", "CheckFailed")
    assert output.evalue.startswith("✗ Exercise 0: The sum is divided by the number of values as well.")
    assert output.traceback == output.evalue.splitlines()
    assert len(output.traceback) == 3  # the last one is a hint, since this is the second failure
    assert "Hint 1" in output.traceback[2]


def test_blanks_of_a_class_are_found(notebook: NotebookNode) -> None:
    message = shown(notebook, 2).evalue
    assert "2 blanks are still open: `self.d = ...` in `__init__` (line 4 of the cell), " in message
    assert "`return x[..., 0] + ...` in `forward` (line 7 of the cell)" in message


def test_an_endless_loop_ends_and_the_kernel_goes_on(notebook: NotebookNode) -> None:
    assert "was still running after 1 seconds" in shown(notebook, 4).evalue
    assert shown(notebook, 8).text.startswith("✓ Exercise 0: a weighted average.")
