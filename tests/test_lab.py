"""`make lab`: a student's copies are made where missing, never touched, and JupyterLab opens on them."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
from pathlib import Path

import pytest
from lab_server import Server, own_environment, working_tree

from helpers.course import __main__
from helpers.course.project import Project
from helpers.course.room import lab, prefetch
from helpers.course.room.lab import lab_command, refresh_copies
from helpers.downloads import DownloadError

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A course of two lessons in a folder of its own."""
    project = Project(tmp_path / "course")
    project.notebooks.mkdir(parents=True)
    for name in ("00_start_here", "02_queries"):
        ship(project, name, "first")
    monkeypatch.setattr(lab, "fetch_sample", list)
    monkeypatch.setattr(lab.Project, "here", lambda: project)
    return project


def ship(project: Project, name: str, text: str) -> None:
    """Put a version of a lesson where the course keeps it."""
    cell = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": [text]}
    pairing = {"jupytext": {"formats": "ipynb,py:percent"}, "kernelspec": {"name": "python3"}}
    notebook = {"cells": [cell], "metadata": pairing, "nbformat": 4, "nbformat_minor": 5}
    (project.notebooks / f"{name}.ipynb").write_text(json.dumps(notebook, indent=1), "utf-8")


def refresh(project: Project) -> list[str]:
    """Do what each `make lab` does before it opens JupyterLab."""
    return refresh_copies(project.notebooks, project.root / "work")


def text_of(project: Project, name: str) -> str:
    """What the student's copy says."""
    copy = json.loads((project.root / "work" / f"{name}.ipynb").read_text("utf-8"))
    return "".join(copy["cells"][0]["source"])


def test_each_lesson_is_copied(project: Project) -> None:
    assert refresh(project) == []
    copies = sorted(path.name for path in (project.root / "work").glob("*.ipynb"))
    assert copies == ["00_start_here.ipynb", "02_queries.ipynb"]
    assert text_of(project, "02_queries") == "first"


def test_a_copy_is_not_paired_with_a_percent_file(project: Project) -> None:
    refresh(project)
    copy = json.loads((project.root / "work" / "02_queries.ipynb").read_text("utf-8"))
    assert copy["metadata"] == {"kernelspec": {"name": "python3"}}


def test_work_that_is_there_is_never_touched(project: Project) -> None:
    refresh(project)
    mine = project.root / "work" / "02_queries.ipynb"
    mine.write_text("my answer", "utf-8")
    ship(project, "02_queries", "second")
    for _ in range(2):
        assert refresh(project) == [
            "02 has a newer version: to get it, delete or rename work/02_queries.ipynb and run this again. Yours "
            "is not touched."
        ]
        assert mine.read_text("utf-8") == "my answer"


def test_a_copy_that_was_renamed_makes_room_for_the_newer_version(project: Project) -> None:
    refresh(project)
    ship(project, "02_queries", "second")
    (project.root / "work" / "02_queries.ipynb").rename(project.root / "work" / "my_02.ipynb")
    assert refresh(project) == []
    assert text_of(project, "02_queries") == "second"
    assert text_of(project, "my_02") == "first"
    assert refresh(project) == []


def test_a_notebook_that_came_from_elsewhere_is_left_alone(project: Project) -> None:
    mine = project.root / "work" / "02_queries.ipynb"
    mine.parent.mkdir()
    mine.write_text("from last year", "utf-8")
    assert refresh(project) == []
    assert mine.read_text("utf-8") == "from last year"


def test_a_damaged_record_stops_nobody(project: Project) -> None:
    refresh(project)
    (project.root / "work" / ".course.json").write_text("{", "utf-8")
    assert refresh(project) == []


def catch_start(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """Instead of starting JupyterLab, write down the command and its environment."""
    started: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(lab.os, "execve", lambda _, command, environment: started.append((command, environment)))
    monkeypatch.setattr(lab.subprocess, "call", lambda *_, **__: 0)
    return started


@pytest.mark.parametrize(("cores", "threads"), [(1, "1"), (2, "1"), (8, "7"), (None, "1")])
def test_a_kernel_leaves_one_core_to_the_browser(
    cores: int | None, threads: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = catch_start(monkeypatch)
    monkeypatch.setattr("psutil.cpu_count", lambda logical: cores)
    monkeypatch.setattr(lab.os, "cpu_count", lambda: None)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    __main__.main(["lab"])
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    __main__.main(["lab"])
    assert [environment["OMP_NUM_THREADS"] for _, environment in started] == [threads, "5"]


def test_jupyterlab_is_started_on_the_copies_at_the_first_lesson(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = catch_start(monkeypatch)
    assert __main__.main(["lab", "--", "--no-browser", "--port", "9"]) == 0
    command, _ = started[0]
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={project.root / 'work'}" in command
    assert "--LabApp.default_url=/lab/tree/00_start_here.ipynb" in command
    assert command[-3:] == ["--no-browser", "--port", "9"]


def test_root_may_start_it_only_where_it_is_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab.os, "geteuid", lambda: 0)
    assert "--allow-root" in lab_command(tmp_path, [])
    monkeypatch.setattr(lab.os, "geteuid", lambda: 1000)
    assert "--allow-root" not in lab_command(tmp_path, [])


def test_outside_a_clone_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lab.Project, "here", lambda: Project(tmp_path))
    assert __main__.main(["lab"]) == 1
    assert "in a clone of the course" in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


def test_starting_imports_nothing_heavy() -> None:
    """torch alone takes longer to import than the 5 s that a second start may cost on a slow laptop."""
    heavy = "{'torch', 'transformers', 'nbformat', 'pandas'}"
    code = f"import sys, helpers.course.room.lab; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_prefetch_says_what_is_missing_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fetched = []

    def unreachable() -> None:
        raise DownloadError("no network")

    sample = [("the reviews", unreachable), ("the encoder", lambda: fetched.append("encoder"))]
    monkeypatch.setattr(prefetch, "SAMPLE", sample)
    assert prefetch.run(argparse.Namespace()) == 1
    assert fetched == ["encoder"]
    assert capsys.readouterr().err == "Missing: the reviews. no network\n"


def test_a_students_jupyterlab_has_nothing_of_nbgrader(tmp_path: Path) -> None:
    """`make test` installs it into the same environment."""
    pytest.importorskip("nbgrader")
    course = working_tree(tmp_path / "course")
    command = [sys.executable, "-m", "helpers.course", "lab", "--no-browser", "--", "--port=0"]
    server = Server(command, course, tmp_path / "log", PYTHONPATH=str(course))
    try:
        found = re.search(r'<script id="jupyter-config-data"[^>]*>(.*?)</script>', server.get("/lab"), re.DOTALL)
        assert found is not None
        shown = json.loads(found[1])
        there = {extension["name"] for extension in shown["federated_extensions"]}
        assert {"@jupyter/nbgrader", "@jupyter-widgets/jupyterlab-manager"} <= there
        assert set(shown["disabledExtensions"]) == set(lab.FOR_INSTRUCTORS)
        for page in ("/formgrader", "/assignments", "/courses", "/nbgrader_version"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                server.get(page)
        assert json.loads(server.get("/api/contents/"))["content"]
    finally:
        server.stop()


@pytest.mark.fresh
def test_make_lab_in_a_new_clone_opens_the_course(tmp_path: Path) -> None:
    clone = working_tree(tmp_path / "a clone")  # the space is on purpose
    make = ["make", "lab", "ARGS=--no-browser --port=0"]

    interrupted = subprocess.Popen(make, cwd=clone, env=own_environment(), start_new_session=True)
    deadline = time.monotonic() + 120
    while not (clone / ".venv" / "install.log").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(5)  # pip is at work by now
    os.killpg(interrupted.pid, signal.SIGINT)
    assert interrupted.wait(60) != 0
    assert not (clone / ".venv" / ".course.json").exists()

    log = tmp_path / "log"
    server = Server(make, clone, log)
    try:
        assert json.loads(server.get("/api/status"))["kernels"] == 0
        names = {item["name"] for item in json.loads(server.get("/api/contents/"))["content"]}
        assert {path.name for path in (ROOT / "notebooks").glob("*.ipynb")} <= names
        assert server.path == "/lab/tree/00_start_here.ipynb"
        settings = json.loads(server.get("/lab/api/settings/@jupyterlab/apputils-extension:notification"))
        assert settings["schema"]["properties"]["fetchNews"]["default"] == "false"
    finally:
        server.stop()

    python = [str(clone / ".venv" / "bin" / "python"), "-m", "jupyterlab", "--allow-root", "--no-browser", "--port=0"]
    plain = Server(python, clone / "work", log)
    plain.stop()
    again = Server(make, clone, log)
    again.stop()
    assert again.seconds - plain.seconds < 5
