"""Refresh the exact versions: `constraints.txt`, and the two environment files that name some of them."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from helpers.course.project import Project

HELP = "install the newest versions that pyproject.toml allows, and write them down as the pins"

# Not left to pip: without a pin it takes the newest torch, whose Linux wheel brings several GB for GPUs, also
# where a CPU build of this version is at hand. And soupsieve 3 refuses the Python 3.11.2 that Debian 12 has.
TORCH = "torch==2.13.0"
BY_HAND = (TORCH, "soupsieve<3")

HEADER = """\
# The exact versions that `make` installs, for Python 3.11 to 3.13. Written by `make pins`: ranges are in
# pyproject.toml, and only torch and soupsieve are chosen by hand (helpers/course/room/pins.py).
"""

ENVIRONMENT = """\
# For conda users, and for Binder (binder/environment.yml is the same file). Written by `make pins`.
#
#   conda env create -f environment.yml
#   conda activate attention-course
#   pip install --no-deps -e .
#   python -m helpers.course lab
name: attention-course
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.12
  - pip
  # fastText has no wheels: pip compiles it. On Windows, without Microsoft's compiler, take out fasttext and this.
  - cxx-compiler
  # JupyterLab comes from conda, because Binder's own image has it from there.
  - {jupyterlab}
  - pip:
      # torch for the CPU, from torch's own index: the Linux wheel on PyPI brings several GB for GPUs, for which
      # Binder has no room. If your computer has an NVIDIA GPU, take this line out.
      - --extra-index-url https://download.pytorch.org/whl/cpu
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rewrite",
        action="store_true",
        help="install nothing; write the environment files again from the pins there are",
    )


def run(args: argparse.Namespace) -> int:
    project = Project.here()
    constraints = project.root / "constraints.txt"
    if not args.rewrite:
        frozen = freeze(project.root)
        constraints.write_text(constraints_text(frozen), "utf-8")
    text = environment_text(declared(project.root), constraints.read_text("utf-8"))
    for path in environment_files(project.root):
        path.write_text(text, "utf-8")
    print(f"written: {constraints.name}, environment.yml, binder/environment.yml")
    return 0


def environment_files(root: Path) -> list[Path]:
    """The files that hold `environment_text`: one for people, one for Binder."""
    return [root / "environment.yml", root / "binder" / "environment.yml"]


def declared(root: Path) -> dict[str, Any]:
    """What `pyproject.toml` says under [project]."""
    project: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return project


def freeze(root: Path) -> list[str]:
    """Install the course with all its extras into a new environment, and return pip's list of what is there."""
    extras = ",".join(sorted(declared(root)["optional-dependencies"]))
    with tempfile.TemporaryDirectory() as folder:
        python = str(Path(folder, "bin", "python"))
        print(f"Installing the newest versions, with {' and '.join(BY_HAND)}: takes some minutes", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [python, "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", *BY_HAND, "--editable", f"{root}[{extras}]"], check=True)
        frozen = subprocess.run([*pip, "freeze", "--all"], check=True, capture_output=True, text=True)
    return frozen.stdout.splitlines()


def constraints_text(frozen: list[str]) -> str:
    """Turn pip's list into `constraints.txt`.

    The course itself is left out, and so is what follows a plus sign: `2.13.0+cpu` is a build for one kind of
    machine, and its pin, `2.13.0`, lets each machine have its own.
    """
    pins = [line.partition("+")[0] for line in frozen if re.fullmatch(r"[\w.-]+==\S+", line)]
    return HEADER + "".join(f"{pin}\n" for pin in sorted(pins, key=str.lower) if name_of(pin) != "attention-course")


def environment_text(project: dict[str, Any], constraints: str) -> str:
    """The environment file: what a student needs, at the pinned versions."""
    pins = {name_of(line): line for line in constraints.splitlines() if "==" in line}
    extras = project["optional-dependencies"]
    (jupyterlab,) = (need for need in extras["lab"] if name_of(need) == "jupyterlab")
    # nbval is there too, so that whoever has only conda can check the notebooks.
    needs = [*project["dependencies"], *extras["fasttext"], *extras["lab"], "nbval"]
    from_conda = {"jupyterlab", "pip"}
    names = sorted({name_of(need) for need in needs} - from_conda)
    lines = [f"      - {pins[name]}\n" for name in names]
    return ENVIRONMENT.format(jupyterlab=jupyterlab) + "".join(lines)


def name_of(requirement: str) -> str:
    """A requirement's name as PyPI compares it: lower case, with dashes."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", found[0] if found else requirement).lower()
