"""Binder, as far as it can be tried without Docker and without conda's own solver."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from lab_server import Server
from test_lab import own_environment, working_tree

from helpers.course.room import lab
from helpers.course.room.pins import name_of

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT: dict[str, Any] = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text("utf-8"))
(PIP_PART,) = (part["pip"] for part in ENVIRONMENT["dependencies"] if isinstance(part, dict))
IMPORT_NAMES = {"scikit-learn": "sklearn"}

# What a session does, with every way to the network cut: no connection, and no pip that would make one.
SESSION = """
import sys

def cut(event, arguments):
    if event == "subprocess.Popen" or event == "socket.connect" and isinstance(arguments[1], tuple):
        raise RuntimeError(f"this needs a network: {event} {arguments}")

sys.addaudithook(cut)
from helpers.data import load_reviews
from helpers.pretrained import load_encoder
from helpers.word_vectors import load_word_vectors

load_encoder()
load_word_vectors()
print(len(load_reviews("sample").train))
"""


def new_environment(folder: Path) -> Path:
    """An empty virtual environment; its `bin` folder is returned."""
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-m", "venv", str(folder)], check=True)
    return folder / "bin"


def run(command: list[str | Path], folder: Path, **environment: str) -> str:
    """What a command prints; when it fails, the test says what it printed."""
    done = subprocess.run(
        command, cwd=folder, env=own_environment() | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Server]:
    """JupyterLab as Binder starts it in a clone, after those lines of `postBuild` that say how it behaves."""
    (tmp_path / "home").mkdir()
    home = {"HOME": str(tmp_path / "home"), "JUPYTER_CONFIG_DIR": "", "JUPYTERLAB_SETTINGS_DIR": ""}
    lines = (ROOT / "binder" / "postBuild").read_text("utf-8").splitlines()
    run(["bash", "-euc", "\n".join(line for line in lines if line.startswith(("mkdir", "cp")))], ROOT, **home)
    clone = working_tree(tmp_path / "clone")
    command = [sys.executable, "-m", "jupyterlab", "--allow-root", "--no-browser", "--port=0"]
    server = Server(command, clone, tmp_path / "log", **home)
    yield server
    server.stop()


def test_binder_asks_nobody_about_news_as_make_lab_does_not(session: Server) -> None:
    """Read back from the server: a file in a wrong place, or a misspelt name, does not pass."""
    for plugin, settings in lab.SETTINGS.items():
        answer = json.loads(session.get(f"/lab/api/settings/{plugin}"))
        in_force = {name: answer["schema"]["properties"][name]["default"] for name in settings}
        assert in_force == settings
    copied = json.loads((ROOT / "binder" / "default_setting_overrides.json").read_text("utf-8"))
    assert copied == lab.SETTINGS


def test_each_binder_badge_opens_its_lesson(session: Server) -> None:
    page = (ROOT / "README.md").read_text("utf-8")
    opened = [unquote(path) for path in re.findall(r"https://mybinder\.org/v2/gh/\S+?\?urlpath=([^)\s]+)", page)]
    assert opened == [f"lab/tree/notebooks/{path.name}" for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    for path in opened:
        assert "jupyter-config-data" in session.get(f"/{path}"), "JupyterLab's page"
        notebook = json.loads(session.get(f"/api/contents/{path.removeprefix('lab/tree/')}?content=0"))
        assert notebook["type"] == "notebook"


@pytest.mark.fresh
def test_repo2docker_builds_from_what_stands_in_binder(tmp_path: Path) -> None:
    tools = new_environment(tmp_path / "venv")
    run([tools / "pip", "install", "--quiet", "jupyter-repo2docker"], tmp_path)
    course = working_tree(tmp_path / "course")
    said = run([tools / "jupyter-repo2docker", "--no-build", "--debug", course], tmp_path)
    (python,) = (part for part in ENVIRONMENT["dependencies"] if str(part).startswith("python="))
    assert f"Building conda environment for {python}" in said
    assert re.findall(r"env update .*--file \"(\S+)\"", said) == ["binder/environment.yml"]
    assert re.findall(r"^RUN (\./\S+)$", said, re.MULTILINE) == ["./binder/postBuild"]
    assert "requirements.txt" not in said
    assert "pip install" not in said, "torch and the rest are to come from environment.yml alone"


@pytest.mark.fresh
@pytest.mark.skipif(sys.platform != "linux", reason="Binder is Linux")
def test_binders_pip_part_installs_and_a_session_needs_no_network(tmp_path: Path) -> None:
    """conda hands its pip part to pip as a file of requirements, as is done here."""
    venv = new_environment(tmp_path / "venv")
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("\n".join(PIP_PART), "utf-8")
    # Where torch's own index cannot be reached, pip is not to try it again for each package.
    run([venv / "pip", "install", "--quiet", "--requirement", wanted], tmp_path, PIP_RETRIES="1")
    packages = [name_of(line) for line in PIP_PART if not line.startswith("-")]
    modules = [IMPORT_NAMES.get(name, name.replace("-", "_")) for name in packages]
    run([venv / "python", "-c", f"import {', '.join(modules)}"], tmp_path)
    cuda = run([venv / "python", "-c", "import torch; print(torch.version.cuda)"], tmp_path)
    assert cuda == "None\n", "Binder has no room for torch's GPU build"

    course, home = working_tree(tmp_path / "course"), tmp_path / "home"
    home.mkdir()
    (course / "binder" / "postBuild").chmod(0o755)
    path = f"{venv}{os.pathsep}{os.environ['PATH']}"
    inside = {"PATH": path, "HOME": str(home), "COURSE_CACHE": "", "XDG_CACHE_HOME": "", "XDG_DATA_HOME": ""}
    run(["./binder/postBuild"], course, **inside)
    assert "cull_idle_timeout" in (home / ".jupyter" / "jupyter_server_config.json").read_text("utf-8")
    assert int(run([venv / "python", "-c", SESSION], home, **inside).split()[-1]) > 10_000
    filled = {file for file in home.rglob("*") if file.is_file()}
    run([venv / "python", "-c", SESSION], home, **inside)
    assert {file for file in home.rglob("*") if file.is_file()} == filled, "a second session adds nothing"


@pytest.mark.fresh
def test_the_pins_fit_together_on_binders_python(tmp_path: Path) -> None:
    """Resolved for that Python, nothing installed. fastText, source only, is left out; so is torch, for its size."""
    (python,) = (str(part) for part in ENVIRONMENT["dependencies"] if str(part).startswith("python="))
    pins = [line for line in PIP_PART if name_of(line) not in {"fasttext", "torch"} and not line.startswith("-")]
    command: list[str | Path] = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
    command += ["--python-version", python.partition("=")[2], "--only-binary=:all:", "--target", tmp_path / "none"]
    said = run([*command, *pins], tmp_path)
    assert "Would install" in said
    for pin in pins:
        assert pin.replace("==", "-").lower() in said.replace("_", "-").lower(), pin
