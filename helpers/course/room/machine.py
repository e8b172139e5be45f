"""What has to be on a machine before the course can be installed on it.

Like `bootstrap`, it runs before anything is installed: the standard library only, written so that Python 3.6
can read it (hence annotations without `list[str]`).
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 13)
COMPILERS = ("c++", "g++", "clang++")
# Measured on Linux with torch's CPU build: .venv, what pip unpacks and keeps on the way, the course's cache.
VENV_GB, PIP_GB, CACHE_GB = {"lab": 2.1, "site": 2.2, "all": 2.6}, 1.0, 0.2


def missing(venv: Path, purpose: str) -> list:
    """Say what this machine lacks, a line for each thing; empty when everything is here."""
    lines = (no_venv(), no_compiler(), no_headers(), no_git(), no_space(venv, VENV_GB[purpose]))
    return [line for line in lines if line]


def python_fits() -> bool:
    """Whether the Python that runs this is one that the course is made for."""
    return OLDEST <= sys.version_info[:2] <= NEWEST


def fitting_python() -> str:
    """Find the newest Python on the PATH that fits, or return nothing."""
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        # A manager of several Pythons may have a command for one that it then refuses to start.
        if found and subprocess.call([found, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return found
    return ""


def no_venv() -> str:
    """A line when this Python came without what makes virtual environments."""
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        return ""
    return "Python's venv module is missing. " + remedy(versioned("venv"), "python3-pip", "python")


def compiler() -> str:
    """A C++ compiler that starts ($CXX, or one of the usual names), or nothing."""
    for name in [os.environ["CXX"]] if os.environ.get("CXX") else COMPILERS:
        try:
            subprocess.run([*name.split(), "--version"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue  # a Mac has a c++ that only says that there is none
        return name
    return ""


def no_compiler() -> str:
    """A line when nothing here compiles C++."""
    if compiler() or compiled_already():
        return ""
    tried = os.environ.get("CXX") or ", ".join(COMPILERS)
    return f"A C++ compiler is missing (tried {tried}); fastText needs one. " + remedy("g++", "gcc-c++", "")


def compiled_already() -> bool:
    """Whether a folder that pip looks into has a wheel of fastText, as `make wheelhouse` makes one."""
    folders = os.environ.get("PIP_FIND_LINKS", "").split()
    return any(list(Path(folder).glob("fasttext-*.whl")) for folder in folders)


def no_headers() -> str:
    """A line when this Python's C headers are not here."""
    header = Path(sysconfig.get_path("include"), "Python.h")
    if header.is_file() or compiled_already():
        return ""
    line = f"{header} is missing; fastText needs it to compile. "
    return line + remedy(versioned("dev"), "python3-devel", "python")


def no_git() -> str:
    """A line when git is not here."""
    return "" if shutil.which("git") else "git is missing. " + remedy("git", "git", "git")


def no_space(venv: Path, venv_gb: float) -> str:
    """A line when a disk is too full for what goes onto it."""
    caches = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    needs = [
        (venv, max(venv_gb - size_gb(venv), 0.3)),
        (Path(tempfile.gettempdir()), PIP_GB),
        (Path(os.environ.get("COURSE_CACHE") or caches).expanduser(), CACHE_GB),
    ]
    disks = {}  # type: dict
    for place, need in needs:
        while not os.path.exists(str(place)):  # Path.exists raises where a folder above it cannot be looked into
            place = place.parent
        disks.setdefault(place.stat().st_dev, [place, 0.0])[1] += need
    for place, need in disks.values():
        free = shutil.disk_usage(str(place)).free / 1e9
        if free < need:
            return f"{need:.1f} GB are needed on the disk that holds {place}; {free:.1f} GB are free."
    return ""


def size_gb(folder: Path) -> float:
    """How much a folder holds already, for instance after an installation that was stopped."""
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e9


def versioned(part: str) -> str:
    """Debian's name for a part of this Python, such as `python3.12-dev`."""
    return "python{}.{}-{}".format(*sys.version_info[:2], part)


def remedy(apt: str, dnf: str, brew: str) -> str:
    """The command that installs what is missing, for the package manager that this machine has."""
    if shutil.which("apt-get"):
        return f"Install it: sudo apt-get install {apt}"
    if shutil.which("dnf"):
        return f"Install it: sudo dnf install {dnf}"
    if sys.platform == "darwin":
        return "Install it: " + (f"brew install {brew}" if brew else "xcode-select --install")
    return "Install it with your system's package manager."
