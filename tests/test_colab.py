"""Colab: a bare machine, one notebook, and a first cell that brings the rest."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from test_lab import own_environment, working_tree

from helpers.course.room.pins import declared, name_of

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# What Colab has had for years, older than what `make` installs; the rest of its packages come from this environment.
COLABS_OWN = ["ipython==7.34.0", "ipykernel==6.17.1", "ipywidgets==7.7.1"]


def set_up_cell(path: Path) -> str:
    """The first code cell of a notebook."""
    return str(next(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"))


def installing_part(path: Path) -> str:
    """The beginning of the set-up cell: its first imports, and the `if` that installs."""
    tree = ast.parse(set_up_cell(path))
    (place,) = (i for i, node in enumerate(tree.body) if isinstance(node, ast.If))
    tree.body = tree.body[: place + 1]
    return ast.unparse(tree)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_first_cell_installs_where_helpers_is_missing_and_nowhere_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = installing_part(path)
    commands: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
    exec(source, {})
    assert commands == []

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("COURSE_SOURCE", "git+file:///a/fork")
    exec(source, {})
    monkeypatch.delenv("COURSE_SOURCE")
    exec(source, {})
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    assert commands[0] == [*pip, "git+file:///a/fork"]
    assert commands[1][:-1] == pip
    assert re.fullmatch(r"git\+https://github\.com/[\w.-]+/[\w.-]+", commands[1][-1])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_tagged_form_are_folded_in_colab_and_jupyterlab(path: Path) -> None:
    cells = nbformat.read(path, 4).cells
    forms = [cell for cell in cells if "form" in cell.metadata.get("tags", [])]
    assert forms
    assert all(cell.metadata["cellView"] == "form" for cell in forms)
    assert all(cell.metadata["jupyter"]["source_hidden"] for cell in forms)


def needed(names: list[str]) -> set[str]:
    """Distributions that these need, directly or not, as far as they are installed here; themselves too."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = name_of(waiting.pop())
        if name in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # for another kind of machine
            continue
        found.add(name)
        waiting += [need for need in distribution.requires or [] if "extra ==" not in need]
    return found


def colab_packages(folder: Path) -> None:
    """Link into `folder` what Colab has for the course already, and nothing else that happens to be installed here."""
    theirs = {name_of(package) for package in COLABS_OWN} | {"widgetsnbextension", "jupyterlab-widgets"}
    wanted = [*declared(ROOT)["dependencies"], "ipykernel", "ipywidgets", "pip"]
    folder.mkdir(parents=True)
    for name in needed(wanted) - theirs:
        distribution = metadata.distribution(name)
        for entry in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
            link, target = folder / entry, Path(str(distribution.locate_file(entry)))
            if target.exists() and not link.exists():
                link.symlink_to(target)


class Colab:
    """A new virtual environment like Colab's: its packages, `google.colab`, but no `helpers`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        base = getattr(sys, "_base_executable", sys.executable)
        subprocess.run([base, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
        self.python = folder / "venv" / "bin" / "python"
        (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
        # Beside the environment, not in it: pip sees these packages, and could not replace one if it wanted to.
        # The name matters to dill, with which datasets tells installed code from the user's own.
        packages = folder / "theirs" / "site-packages"
        colab_packages(packages)
        (packages / "google" / "colab").mkdir(parents=True, exist_ok=True)
        (packages / "google" / "colab" / "__init__.py").touch()
        (site / "colab.pth").write_text(f"{packages}\n")
        self.pip("install", "--quiet", *COLABS_OWN)
        kernel = {"argv": [str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]}
        spec = folder / "kernels" / "colab" / "kernel.json"
        spec.parent.mkdir(parents=True)
        spec.write_text(json.dumps({**kernel, "display_name": "Colab", "language": "python"}))

    def pip(self, *arguments: str) -> str:
        """Run pip in the environment, and return what it prints."""
        command = [str(self.python), "-m", "pip", "--disable-pip-version-check", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=own_environment(), check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout

    def installed(self) -> set[str]:
        """`name==version` of everything that pip sees."""
        return {f"{entry['name']}=={entry['version']}" for entry in json.loads(self.pip("list", "--format=json"))}

    def run(self, notebook: NotebookNode, folder: Path, source: str) -> None:
        """Run the notebook's cells as Colab would, the course to be had from `source`."""
        environment = {
            name: value for name, value in own_environment().items() if not name.startswith(("COURSE_", "HF_"))
        }
        environment |= {"COURSE_SOURCE": source, "COURSE_RECORD": str(self.folder / "record")}
        # Whatever would have to be compiled could not be.
        environment |= {"CC": "/bin/false", "CXX": "/bin/false", "COURSE_CACHE": str(self.folder / "cache")}
        os.environ["JUPYTER_PATH"], before = str(self.folder), os.environ.get("JUPYTER_PATH")
        try:
            client = NotebookClient(
                notebook, kernel_name="colab", resources={"metadata": {"path": str(folder)}}, timeout=600
            )
            client.execute(env=environment)
        finally:
            os.environ.pop("JUPYTER_PATH")
            if before is not None:
                os.environ["JUPYTER_PATH"] = before


def committed(folder: Path) -> Path:
    """A repository whose only commit holds what stands here."""
    working_tree(folder)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-C", str(folder)]
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "the course"]):
        subprocess.run([*git, *command], check=True)
    return folder


def shown(cell: NotebookNode) -> str:
    """What a cell printed."""
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


@pytest.mark.fresh
def test_a_notebook_alone_in_colab_installs_the_course_and_runs(tmp_path: Path) -> None:
    colab = Colab(tmp_path / "colab")
    before = colab.installed()
    assert {"torch", "transformers", "datasets", "ipywidgets"} <= {package.partition("==")[0] for package in before}
    assert not any(package.startswith(("attention", "fasttext", "jupytext", "nbval")) for package in before)
    source = f"git+file://{committed(tmp_path / 'course')}"

    (tmp_path / "content").mkdir()
    exercise = nbformat.read(ROOT / "notebooks" / "02_queries_keys_values.ipynb", 4)
    check = next(i for i, cell in enumerate(exercise.cells) if "check" in cell.metadata.get("tags", []))
    exercise.cells = exercise.cells[: check + 1]
    with pytest.raises(CellExecutionError) as raised:
        colab.run(exercise, tmp_path / "content", source)
    assert raised.value.ename == "CheckFailed", raised.value.evalue
    assert "blank" in raised.value.evalue
    set_up = next(cell for cell in exercise.cells if cell.cell_type == "code")
    # What pip may say of its own configuration on the machine that tests is no word about the course.
    said = [line for line in shown(set_up).splitlines() if line and not line.startswith("WARNING: Location")]
    assert [line.split()[0] for line in said] == ["Random", "Running", "Colab"], said  # of set_seed and set_device

    added = colab.installed() - before
    assert {package.partition("==")[0] for package in added} == {"attention-course"}
    assert before <= colab.installed(), "pip replaced something that Colab has"

    solution = nbformat.read(ROOT / "solutions" / "02_queries_keys_values.ipynb", 4)
    colab.run(solution, tmp_path / "content", "nothing is installed twice")
    assert all(cell.execution_count for cell in solution.cells if cell.cell_type == "code")

    others = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(set_up_cell(path)) for path in NOTEBOOKS])
    colab.run(others, tmp_path / "content", "nothing is installed twice")
    assert list((tmp_path / "content").iterdir()) == [], "a lesson litters the folder that it runs in"


@pytest.mark.fresh
def test_a_wheel_brings_every_file_of_helpers(tmp_path: Path) -> None:
    course = committed(tmp_path / "course")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(course)]
    subprocess.run(pip, env=own_environment(), check=True)
    (wheel,) = tmp_path.glob("*.whl")
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "--list", str(wheel)], capture_output=True, text=True, check=True
    )
    packed = {line.split()[0] for line in listed.stdout.splitlines()}
    ours = {str(path.relative_to(course)) for path in (course / "helpers").rglob("*") if path.is_file()}
    assert {name for name in packed if name.startswith("helpers/")} == ours
    assert any(name.endswith(".npz") for name in ours)
    assert not any(name.startswith(("solutions", "tests")) for name in packed)
