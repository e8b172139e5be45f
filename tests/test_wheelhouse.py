"""A room without a network installs the course from a stick."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_binder import SESSION
from test_lab import own_environment, working_tree

from helpers.course.room import machine, wheelhouse

ROOT = Path(__file__).resolve().parents[1]


def test_the_wheelhouse_holds_what_make_lab_installs_and_nothing_for_instructors() -> None:
    wanted = " ".join(wheelhouse.requirements(ROOT))
    for name in ("torch", "transformers", "jupyterlab", "fasttext", "ipywidgets"):
        assert name in wanted
    for name in ("nbgrader", "pytest", "playwright"):
        assert name not in wanted


def test_who_has_a_wheel_of_fasttext_needs_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setattr(machine.sysconfig, "get_path", lambda name: str(tmp_path / "no headers"))
    lacking = machine.missing(tmp_path / ".venv", "lab")
    assert any("compiler" in line for line in lacking)
    assert any("Python.h" in line for line in lacking)
    (tmp_path / "fasttext-0.9.3-cp312-cp312-linux_x86_64.whl").touch()
    monkeypatch.setenv("PIP_FIND_LINKS", f"/elsewhere {tmp_path}")
    assert not [line for line in machine.missing(tmp_path / ".venv", "lab") if "fastText" in line]


@pytest.mark.fresh
def test_a_room_without_a_network_installs_from_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "stick"
    made = subprocess.run(
        [sys.executable, "-m", "helpers.course", "wheelhouse", str(folder)],
        cwd=ROOT,
        env=own_environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr[-3000:]
    assert str(folder) in made.stdout.splitlines()[-1]
    assert "make lab" in (folder / "README.txt").read_text("utf-8")
    assert not [path.name for path in folder.iterdir() if path.is_dir()]

    room = working_tree(tmp_path / "course")
    cut = {name: value for name, value in own_environment().items() if not name.startswith("PIP_")}
    cut |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
    cut |= {"COURSE_CACHE": str(tmp_path / "cache"), "CXX": "no-compiler", "CC": "no-compiler"}
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        cut[proxy] = "http://127.0.0.1:9"  # nobody answers there
    base = getattr(sys, "_base_executable", sys.executable)
    python = str(room / ".venv" / "bin" / "python")
    for command in (
        [base, "-E", "-S", "-m", "helpers.course.room.bootstrap", "lab"],  # the two steps of `make lab` before it opens
        [python, "-m", "helpers.course", "prefetch"],
        [python, "-c", SESSION],
    ):
        done = subprocess.run(command, cwd=room, env=cut, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
