"""Open the course in JupyterLab, on the student's own copies of the lessons in `work/`."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from helpers.course.project import Project
from helpers.course.room.prefetch import fetch_sample

HELP = "open JupyterLab on your own copies of the lessons, in work/"

# A first view without questions: JupyterLab neither offers its news nor looks for updates of itself.
SETTINGS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}
# `make test` installs nbgrader, and Jupyter Notebook with it, into the same environment. Their menus and buttons would
# puzzle a student; an instructor who wants them starts `.venv/bin/jupyter lab`.
FOR_INSTRUCTORS = ["@jupyter/nbgrader", "@jupyter-notebook/lab-extension"]
NBGRADER = ("assignment_list", "course_list", "formgrader", "validate_assignment")
# A log of warnings only, and no look for language servers: that asks npm, which may take seconds.
QUIET = ["--log-level=WARN", "--LanguageServerManager.autodetect=False"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-browser", action="store_true", help="print the address, open no browser")
    parser.add_argument("arguments", nargs="*", metavar="-- ARGUMENT", help="anything else that JupyterLab understands")


def run(args: argparse.Namespace) -> int:
    project = Project.here()
    if not project.notebooks.is_dir():
        print(f"There are no lessons in {project.notebooks}: run this in a clone of the course.", file=sys.stderr)
        return 1
    fetch_sample()  # what is missing is said; a lesson that needs it says so again
    work = project.root / "work"
    for line in refresh_copies(project.notebooks, work):
        print(line)
    write_whole(settings_of(work) / "overrides.json", json.dumps(SETTINGS).encode())
    write_whole(settings_of(work) / "page_config.json", json.dumps({"disabledExtensions": FOR_INSTRUCTORS}).encode())
    command = lab_command(work, [*(["--no-browser"] if args.no_browser else []), *args.arguments])
    sys.stdout.flush()
    environment = {"OMP_NUM_THREADS": str(threads_beside_a_browser()), **os.environ}
    if os.name != "nt":  # there, exec gives the prompt back while JupyterLab runs on
        os.execve(command[0], command, environment)
    return subprocess.call(command, env=environment)


def threads_beside_a_browser() -> int:
    """How many threads a kernel computes with: one for each core but one, and at least one.

    PyTorch takes every core. Its threads wait for each other at each step, so one that shares its core with a browser
    holds up the rest.
    """
    import psutil  # ipykernel brings it

    return max(1, (psutil.cpu_count(logical=False) or os.cpu_count() or 1) - 1)


def refresh_copies(notebooks: Path, work: Path) -> list[str]:
    """Copy the lessons that the student has not got yet; never touch one that is there.

    Parameters
    ----------
    notebooks
        The exercises as the course ships them.
    work
        The student's folder. `work/.course.json` remembers which version each copy was made from.

    Returns
    -------
    list of str
        A line for each lesson that has a newer version than the student's copy.
    """
    work.mkdir(exist_ok=True)
    news = []
    with FileLock(work / ".course.lock"):
        record = work / ".course.json"
        made_from = read_record(record)
        for source in sorted(notebooks.glob("*.ipynb")):
            content = source.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            copy = work / source.name
            if not copy.exists():
                write_whole(copy, unpaired(content))
                made_from[copy.name] = digest
            elif made_from.get(copy.name, digest) != digest:
                number = copy.name.partition("_")[0]
                news.append(
                    f"{number} has a newer version: to get it, delete or rename work/{copy.name} and run this "
                    "again. Yours is not touched."
                )
        write_whole(record, json.dumps(made_from, indent=1).encode())
    return news


def read_record(record: Path) -> dict[str, str]:
    """Which version each copy was made from, as far as that is known."""
    try:
        return dict(json.loads(record.read_text("utf-8")))
    except (OSError, ValueError):
        return {}


def unpaired(content: bytes) -> bytes:
    """The notebook without jupytext's metadata: a student's save makes one file, not two."""
    notebook = json.loads(content)
    notebook["metadata"].pop("jupytext", None)
    return json.dumps(notebook, indent=1, ensure_ascii=False).encode() + b"\n"


def write_whole(path: Path, content: bytes) -> None:
    """Write so that a half file never stands under this name, to be taken for the student's work later."""
    path.parent.mkdir(exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def settings_of(work: Path) -> Path:
    """Where JupyterLab finds the defaults that the course sets; what a user sets by hand counts for more."""
    return work / ".jupyterlab"


def lab_command(work: Path, arguments: list[str]) -> list[str]:
    """The command that starts JupyterLab on `work`, at the first lesson."""
    lessons = sorted(path.name for path in work.glob("00_*.ipynb"))
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={work}"]
    command += [f"--LabApp.app_settings_dir={settings_of(work)}", *QUIET]
    command += [f"--ServerApp.jpserver_extensions=nbgrader.server_extensions.{name}=False" for name in NBGRADER]
    command.append("--LabApp.default_url=" + (f"/lab/tree/{lessons[0]}" if lessons else "/lab"))
    if getattr(os, "geteuid", lambda: -1)() == 0:  # in a container; Jupyter refuses without it
        command.append("--allow-root")
    return [*command, *arguments]
