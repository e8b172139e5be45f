"""Notebooks as they are run: exercises up to the first blank, and nbval turning red when it should."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from lab_server import own_environment
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
    """Run nbval on a notebook as `make test` does."""
    make = ["make", "--dry-run", "test"]
    listed = subprocess.run(make, cwd=ROOT, env=own_environment(), capture_output=True, text=True, check=True)
    (line,) = (line for line in listed.stdout.splitlines() if line.endswith(" solutions"))
    command = [sys.executable, *line.split()[1:-1], "--numprocesses", "0", "-q", "-p", "no:cacheprovider", str(path)]
    strange = kernel_environment("").keys()
    environment = {name: value for name, value in os.environ.items() if name not in strange}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)


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


def test_nbval_runs_lessons_in_the_environment_that_they_were_built_in(tmp_path: Path) -> None:
    wanted = {name: value for name, value in kernel_environment("").items() if name != "COURSE_RECORD"}
    as_built = f"import os\n{wanted!r}.items() <= os.environ.items()"
    elsewhere = 'import tempfile\nos.environ["COURSE_RECORD"].startswith(tempfile.gettempdir())'
    cells = [_shows(source, {"text/plain": "True"}) for source in (as_built, elsewhere)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "environment.ipynb")
    done = _nbval(tmp_path / "environment.ipynb")
    assert done.returncode == 0, done.stdout


def test_a_cell_may_publish_more_than_a_queue_holds(tmp_path: Path) -> None:
    """What nbval reads only afterwards is cut off, and a right notebook turns red: on a slow machine, by its bars."""
    flood = "from IPython.display import clear_output\nfor _ in range(20_000):\n    clear_output()\n'done'"
    notebook = nbformat.v4.new_notebook(cells=[_shows(flood, {"text/plain": "'done'"})])
    nbformat.write(notebook, tmp_path / "flood.ipynb")
    done = _nbval(tmp_path / "flood.ipynb")
    assert done.returncode == 0, done.stdout


def _shows(source: str, data: dict[str, str]) -> NotebookNode:
    """A cell that ends with an expression, as it was executed."""
    output = nbformat.v4.new_output("execute_result", data, execution_count=1)
    return nbformat.v4.new_code_cell(source, execution_count=1, outputs=[output])
