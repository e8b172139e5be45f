"""Make `.venv` and install the course's pinned packages into it: the first thing that `make` does.

It runs with the system's Python, so it uses the standard library only, and only what Python 3.6 can read
(hence annotations without `list[str]`): whoever has an old Python gets a line about it, not a SyntaxError.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from helpers.course.room import machine

ROOT = Path(__file__).resolve().parents[3]
# A student installs what opens and runs the lessons, and waits for no more than that.
EXTRAS = {
    "lab": ["fasttext", "lab"],
    "all": ["browser", "build", "fasttext", "instructor", "lab", "mark", "peft", "site", "test"],
    "site": ["build", "site"],
}


def main(purpose: str, root: Path = ROOT) -> int:
    """Bring `.venv` to what `purpose` ("lab", "site" or "all") needs; do nothing when it is there already."""
    if not machine.python_fits():
        return other_python(purpose)
    venv = root / ".venv"
    done, wanted = installed(venv), fingerprint(root)
    if done.get("fingerprint") == wanted and set(EXTRAS[purpose]) <= set(done["extras"]):
        return 0
    problems = machine.missing(venv, purpose)
    if problems:
        print("\n".join(problems), file=sys.stderr)
        return 1
    extras = sorted({*EXTRAS[purpose], *done.get("extras", [])})
    stamp(venv).unlink(missing_ok=True)
    status = make_venv(venv) or install(root, venv, extras)
    if not status:
        stamp(venv).write_text(json.dumps({"fingerprint": wanted, "extras": extras}), "utf-8")
    return status


def other_python(purpose: str) -> int:
    """Go on with a Python that fits, unless the user has named this one."""
    chosen = os.environ.get("PYTHON")
    found = "" if chosen else machine.fitting_python()
    if found:
        os.execv(found, [found, "-E", "-S", "-X", "utf8", "-m", "helpers.course.room.bootstrap", purpose])
    version = "{}.{}".format(*sys.version_info[:2])
    print(
        f"Python 3.11, 3.12 or 3.13 is needed, and {chosen or sys.executable} is {version}. Install one of "
        "them, or say where one is: make … PYTHON=/path/to/python3.12",
        file=sys.stderr,
    )
    return 1


def stamp(venv: Path) -> Path:
    """The file that says what has been installed: it is there only when the installation came to its end."""
    return venv / ".course.json"


def installed(venv: Path) -> dict:
    """What the stamp says: nothing when there is none, or when the environment's Python has gone."""
    try:
        return dict(json.loads(stamp(venv).read_text("utf-8"))) if python_of(venv).exists() else {}
    except (OSError, ValueError):
        return {}


def fingerprint(root: Path) -> str:
    """One hash of all that decides what `.venv` holds. File times play no part: in a clone they mean nothing."""
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    pins = (root / "constraints.txt").read_text("utf-8")
    parts = [project, pins, sys.version_info[:2], str(root)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def python_of(venv: Path) -> Path:
    """The interpreter of a virtual environment."""
    return venv / "bin" / "python"


def make_venv(venv: Path) -> int:
    """Make the environment, or keep the one that is there if this Python made it, in this place."""
    try:
        settings = (venv / "pyvenv.cfg").read_text("utf-8")
    except OSError:
        settings = ""
    fits = "version = {}.{}.".format(*sys.version_info[:2]) in settings and str(venv) in settings
    if fits and python_of(venv).exists():
        pip = subprocess.run([str(python_of(venv)), "-m", "pip", "--version"], capture_output=True)
        if pip.returncode == 0:
            return 0
    print("Making {} with Python {}.{}".format(venv.name, *sys.version_info[:2]), flush=True)
    # An environment made by another environment's interpreter would depend on that one.
    base = Path(getattr(sys, "_base_executable", sys.executable))
    if venv in base.parents:  # left half made by a command that was stopped: it would delete itself
        base = base.resolve()
    return subprocess.run([str(base), "-m", "venv", "--clear", str(venv)]).returncode


def install(root: Path, venv: Path, extras: list) -> int:
    """Let pip install everything at the pinned versions; what is there already stays."""
    command = [str(python_of(venv)), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    command += ["--progress-bar", "off", "--constraint", "constraints.txt"]
    command += ["--editable", ".[{}]".format(",".join(extras))]
    environment = dict(os.environ, CXX=machine.compiler(), PYTHONUNBUFFERED="1", PYTHONUTF8="1")
    log = venv / "install.log"
    with log.open("w", encoding="utf-8") as copy:
        pip = subprocess.Popen(
            command,
            cwd=root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        for line in show_steps(pip.stdout):
            copy.write(line)
        status = pip.wait()
    if status:
        print(failure(log), file=sys.stderr)
    return status


def show_steps(lines):  # type: ignore[no-untyped-def]
    """Hand pip's lines through, and show on one moving line (or, in a log, a line a step) how far it is."""
    moving = sys.stdout.isatty()
    packages, shown = 0, ""
    for line in lines:
        yield line
        words = line.split()
        step = detail = ""
        if words[:1] == ["Collecting"] or line.startswith("Processing "):
            packages += 1
            step, detail = "Finding and downloading packages", f"{packages}: {words[1]}"
        elif words[:1] == ["Downloading"] and "MB)" in words[-1]:
            step, detail = "Finding and downloading packages", " ".join(words[1:])
        elif line.strip().startswith("Building wheel for fasttext"):
            step, detail = "Compiling fastText", "takes a minute"
        elif line.startswith("Installing collected packages"):
            step, detail = "Installing packages", f"{line.count(',') + 1}, takes a minute or two"
        if step and moving:
            print(f"\r\033[K{step} ({detail})"[:90], end="", flush=True)
        elif step and step != shown:
            print(step, flush=True)
        shown = step or shown
    if moving:
        print("\r\033[K", end="")


def failure(log: Path) -> str:
    """Say in a line why pip gave up."""
    said = log.read_text("utf-8")
    if "No space left on device" in said:
        why = "the disk is full. On Linux, torch from PyPI brings several GB for GPUs: see the README for less"
    elif "Retrying (" in said:
        why = "pip cannot reach PyPI; is this computer offline?"
    else:
        why = "pip says: " + (said.strip().splitlines() or ["nothing"])[-1]
    return f"The installation stopped: {why} (everything it said: {log}). The same command goes on from here."


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        sys.exit(130)
