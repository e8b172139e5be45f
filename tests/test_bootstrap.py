"""What `make` does first: says in a line what a machine lacks, and otherwise brings .venv up to date."""

from __future__ import annotations

import ast
import io
import json
import os
import resource
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from helpers.course.room import bootstrap, machine

ROOT = Path(__file__).resolve().parents[1]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository of which only what bootstrap reads is there, with an environment that has all it needs."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["a>=1"]\n', "utf-8")
    (tmp_path / "constraints.txt").write_text("a==1.0\n", "utf-8")
    python = bootstrap.python_of(tmp_path / ".venv")
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    mark_installed(tmp_path, "all")
    return tmp_path


def mark_installed(project: Path, purpose: str) -> None:
    stamp = {"fingerprint": bootstrap.fingerprint(project), "extras": bootstrap.EXTRAS[purpose]}
    bootstrap.stamp(project / ".venv").write_text(json.dumps(stamp), "utf-8")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Stand in for pip, and collect the extras that it was asked for."""
    calls: list[list[str]] = []
    monkeypatch.setattr(machine, "missing", lambda *_: [])
    monkeypatch.setattr(bootstrap, "make_venv", lambda _: 0)
    monkeypatch.setattr(bootstrap, "install", lambda root, venv, extras: calls.append(extras) or 0)
    return calls


def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    """Leave on the PATH nothing but the named programs, which do nothing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in programs:
        (folder / name).write_text("#!/bin/sh\n", "utf-8")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CXX", raising=False)


@pytest.mark.parametrize(
    "file", ["helpers/__init__.py", "helpers/course/__init__.py", machine.__file__, bootstrap.__file__]
)
def test_an_old_python_can_read_what_runs_first(file: str) -> None:
    ast.parse((ROOT / file).read_text("utf-8"), feature_version=(3, 6))


def test_an_old_python_gets_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "OLDEST", (3, 98))
    monkeypatch.setenv("PYTHON", "python3.8")
    assert bootstrap.main("lab", project) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "Python 3.11, 3.12 or 3.13 is needed, and python3.8 is" in line


def test_a_python_that_fits_is_found_unless_one_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty_path(tmp_path, monkeypatch, "python3.10", "python3.11", "python3.12", "python3.13")
    broken = tmp_path / "bin" / "python3.13"
    broken.write_text("#!/bin/sh\nexit 127\n", "utf-8")  # as the shims of version managers do
    started: list[list[str]] = []
    monkeypatch.setattr(bootstrap.os, "execv", lambda _, command: started.append(command))
    monkeypatch.setattr(machine, "OLDEST", (3, 11))
    monkeypatch.delenv("PYTHON", raising=False)
    bootstrap.other_python("lab")
    assert started[0][0] == str(tmp_path / "bin" / "python3.12")
    monkeypatch.setenv("PYTHON", "python3.8")
    assert bootstrap.other_python("lab") == 1
    assert len(started) == 1


def test_a_missing_compiler_and_git_get_a_line_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty_path(tmp_path, monkeypatch, "apt-get")
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: Usage(0, 0, 1e12))
    lines = machine.missing(tmp_path / ".venv", "lab")
    assert [line for line in lines if "Python.h" not in line] == [
        "A C++ compiler is missing (tried c++, g++, clang++); fastText needs one. Install it: sudo apt-get install g++",
        "git is missing. Install it: sudo apt-get install git",
    ]


def test_a_compiler_that_only_says_that_it_is_missing_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty_path(tmp_path, monkeypatch, "c++", "clang++")
    (tmp_path / "bin" / "c++").write_text("#!/bin/sh\necho install the tools\nexit 1\n", "utf-8")
    assert machine.compiler() == "clang++"


def test_the_compiler_that_the_user_names_is_the_one_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_path(tmp_path, monkeypatch, "c++", "my-c++")
    monkeypatch.setenv("CXX", "my-c++ -O2")
    assert machine.compiler() == "my-c++ -O2"
    monkeypatch.setenv("CXX", "no-c++")
    assert "tried no-c++" in machine.no_compiler()


def test_missing_headers_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty_path(tmp_path, monkeypatch, "apt-get")
    monkeypatch.setattr(machine.sysconfig, "get_path", lambda _: str(tmp_path))
    version = "{}.{}".format(*sys.version_info[:2])
    assert machine.no_headers() == (
        f"{tmp_path / 'Python.h'} is missing; fastText needs it to compile. "
        f"Install it: sudo apt-get install python{version}-dev"
    )


def test_a_python_without_venv_gets_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty_path(tmp_path, monkeypatch, "apt-get")
    assert machine.no_venv() == ""
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else name)
    assert machine.no_venv().startswith("Python's venv module is missing. Install it: sudo apt-get install python3.")


def test_needs_on_one_disk_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "not" / "yet" / "there"))
    monkeypatch.setattr(machine.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: Usage(0, 0, 3.1e9))
    assert machine.no_space(tmp_path / ".venv", 2.0) == "3.2 GB are needed on the disk that holds " + (
        f"{tmp_path}; 3.1 GB are free."
    )
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: Usage(0, 0, 3.3e9))
    assert machine.no_space(tmp_path / ".venv", 2.0) == ""


def test_what_is_installed_already_needs_no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".venv").mkdir()
    with (tmp_path / ".venv" / "torch").open("wb") as file:
        file.truncate(int(1.5e9))  # a sparse file: its size is all that counts here
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: Usage(0, 0, 2e9))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    assert machine.no_space(tmp_path / ".venv", 2.0) == ""


def test_a_folder_that_nobody_may_look_into_counts_as_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as another user's home; the tests may run as root, who may look everywhere."""
    stat = os.stat

    def refused(path: str | Path, **options: bool) -> os.stat_result:
        if Path(path).name == "forbidden":
            raise PermissionError(13, "Permission denied")
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refused)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "forbidden"))
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: Usage(0, 0, 9e9))
    assert machine.no_space(tmp_path / ".venv", 2.0) == ""


def test_nothing_is_made_where_something_is_missing(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(project / ".venv")
    monkeypatch.setattr(machine, "missing", lambda *_: ["no compiler", "no git"])
    assert bootstrap.main("lab", project) == 1
    assert capsys.readouterr().err == "no compiler\nno git\n"
    assert not (project / ".venv").exists()


def test_an_environment_that_is_up_to_date_is_left_alone(project: Path, installed: list[list[str]]) -> None:
    assert bootstrap.main("all", project) == 0
    assert bootstrap.main("lab", project) == 0
    assert installed == []


def test_file_times_play_no_part(project: Path, installed: list[list[str]]) -> None:
    for time_of_change in (0, 4e9):
        os.utime(project / "constraints.txt", (time_of_change, time_of_change))
        assert bootstrap.main("all", project) == 0
    assert installed == []


def test_a_new_pin_is_installed_and_settings_of_tools_are_not(project: Path, installed: list[list[str]]) -> None:
    with (project / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("[tool.ruff]\nline-length = 80\n")
    bootstrap.main("all", project)
    assert installed == []
    (project / "constraints.txt").write_text("a==1.1\n", "utf-8")
    for _ in range(2):
        assert bootstrap.main("lab", project) == 0
    assert installed == [bootstrap.EXTRAS["all"]]  # once, and nothing that was there is left behind


def test_tests_install_what_a_student_does_not_need(project: Path, installed: list[list[str]]) -> None:
    mark_installed(project, "lab")
    bootstrap.main("lab", project)
    assert installed == []
    bootstrap.main("all", project)
    assert installed == [bootstrap.EXTRAS["all"]]


def test_another_place_or_a_python_that_has_gone_is_made_anew(
    project: Path, installed: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    moved = tmp_path_factory.mktemp("moved") / "repository"
    project.rename(moved)
    bootstrap.main("all", moved)
    assert len(installed) == 1
    bootstrap.python_of(moved / ".venv").unlink()
    bootstrap.python_of(moved / ".venv").symlink_to("/no/such/python")
    bootstrap.main("all", moved)
    assert len(installed) == 2


@pytest.mark.parametrize("interrupted", [True, False], ids=["Ctrl-C", "pip fails"])
def test_an_installation_that_stopped_is_taken_up_again(
    project: Path, installed: list[list[str]], monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    def stop(*_: object) -> int:
        if interrupted:
            raise KeyboardInterrupt
        return 1

    (project / "constraints.txt").write_text("a==1.1\n", "utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(bootstrap, "install", stop)
        if interrupted:
            with pytest.raises(KeyboardInterrupt):
                bootstrap.main("all", project)
        else:
            assert bootstrap.main("all", project) == 1
    (project / "constraints.txt").write_text("a==1.0\n", "utf-8")  # also when the old pins come back
    bootstrap.main("all", project)
    assert len(installed) == 1


def test_a_second_make_costs_less_than_a_tenth_of_a_second(project: Path) -> None:
    """As make runs it. Processor time, so that what else this machine does plays no part."""
    shutil.copytree(ROOT / "helpers", project / "helpers", ignore=shutil.ignore_patterns("assets", "__pycache__"))
    command = [sys.executable, "-E", "-S", "-X", "utf8", "-m", "helpers.course.room.bootstrap", "all"]
    subprocess.run(command, cwd=project, check=True)  # the first one compiles
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=project, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 0.1


def test_an_environment_of_this_place_and_python_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv = tmp_path / ".venv"
    assert bootstrap.make_venv(venv) == 0  # a real one, with pip
    commands: list[list[str]] = []
    run = subprocess.run

    def remembered(command: list[str], **options: bool) -> subprocess.CompletedProcess[str]:
        if "pip" in command:
            return run(command, **options)  # type: ignore[call-overload, no-any-return]
        commands.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(bootstrap.subprocess, "run", remembered)
    assert bootstrap.make_venv(venv) == 0
    assert commands == []
    settings = (venv / "pyvenv.cfg").read_text("utf-8")
    for change in (settings.replace(str(tmp_path), "/elsewhere"), settings.replace("version = 3.", "version = 2.")):
        (venv / "pyvenv.cfg").write_text(change, "utf-8")
        assert bootstrap.make_venv(venv) == 0
    assert [command[1:] for command in commands] == [["-m", "venv", "--clear", str(venv)]] * 2
    assert not Path(commands[0][0]).is_relative_to(sys.prefix)  # made by the system's Python, not by an environment's


def test_an_environment_left_half_made_is_not_made_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its interpreter is there already, and `make` takes it: `venv --clear` would delete what it runs."""
    left = bootstrap.python_of(tmp_path / ".venv")
    left.parent.mkdir(parents=True)
    base = Path(sys._base_executable).resolve()
    left.symlink_to(base)
    commands: list[list[str]] = []
    done = subprocess.CompletedProcess([], 0)
    monkeypatch.setattr(bootstrap.subprocess, "run", lambda command: commands.append(command) or done)
    monkeypatch.setattr(bootstrap.sys, "_base_executable", str(left))
    assert bootstrap.make_venv(tmp_path / ".venv") == 0
    assert commands == [[str(base), "-m", "venv", "--clear", str(tmp_path / ".venv")]]


def test_pips_pages_become_a_line_for_each_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = [
        "Collecting torch==2.13.0\n",
        "  Downloading torch-2.13.0-cp311.whl (191.8 MB)\n",
        "Collecting numpy\n",
        "  Building wheel for fasttext (pyproject.toml): started\n",
        "Installing collected packages: torch, numpy\n",
        "Successfully installed torch-2.13.0 numpy\n",
    ]
    assert list(bootstrap.show_steps(pages)) == pages
    assert capsys.readouterr().out.splitlines() == [
        "Finding and downloading packages",
        "Compiling fastText",
        "Installing packages",
    ]
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", terminal)
    list(bootstrap.show_steps(pages))
    assert "\r\033[KFinding and downloading packages (torch-2.13.0-cp311.whl (191.8 MB))" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\033[K")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("ERROR: [Errno 28] No space left on device", "the disk is full"),
        ("WARNING: Retrying (Retry(total=4\nERROR: No matching distribution found for x", "offline"),
        ("error: g++ failed\nERROR: Failed to build fasttext", "ERROR: Failed to build fasttext"),
    ],
)
def test_why_pip_gave_up_is_said_in_a_line(tmp_path: Path, said: str, why: str) -> None:
    log = tmp_path / "install.log"
    log.write_text(said, "utf-8")
    line = bootstrap.failure(log)
    assert why in line
    assert str(log) in line
    assert "\n" not in line
