"""A class on one server: many students start lesson 2 at once, with one cache between them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from test_lab import own_environment

ROOT = Path(__file__).resolve().parents[1]
STUDENTS = 50

# Imports once what fifty kernels would import fifty times, then forks. Each child does what lesson 2 does: its set-up
# cell, the word vectors, the sentences of its last section. Then it asks for the archive that these came from, as
# lesson 3 asks for a model that is there. An audit hook counts the programs that are started.
CLASSROOM = """
import hashlib, importlib, json, os, sys, traceback
from pathlib import Path

set_up, students, read_only, log, cache = json.loads(sys.argv[1])
for name in ("datasets", "torch", "helpers.data", "helpers.checks", "helpers.plots", "matplotlib.pyplot"):
    importlib.import_module(name)

CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.utime", "os.chmod", "shutil.rmtree"}

def watch(event, arguments):
    if event == "subprocess.Popen" and "pip" in arguments[1]:
        with open(log, "a") as file:
            file.write("pip\\n")
    if read_only:
        writes = event == "open" and bool(int(arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if (event in CHANGES or writes) and str(cache) in str(arguments[0]):
            raise PermissionError(13, f"read-only: {event}", str(arguments[0]))

def student(number):
    sys.addaudithook(watch)
    exec(set_up, {"__name__": "__main__"})
    from helpers.texts import rated_sentences
    from helpers.data import load_sentences
    from helpers.downloads import fetch_package
    from helpers.word_vectors import load_word_vectors
    seen = [load_sentences(), load_word_vectors().nearest_words("river", 3)]
    archive = fetch_package(rated_sentences.PACKAGE, rated_sentences.PACKAGE_SHA256, binary=False)
    seen.append(hashlib.sha256(archive.read_bytes()).hexdigest())
    return hashlib.sha256(repr(seen).encode()).hexdigest()

begin, started = os.pipe()
children = {}
for number in range(students):
    child = os.fork()
    if not child:
        os.close(started)
        os.read(begin, 1)  # until all are here
        try:
            print("saw", student(number), flush=True)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    children[child] = number
os.close(started)
print("codes", json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]))
"""


def classroom(cache: Path, log: Path, students: int, read_only: bool = False) -> tuple[list[int], set[str]]:
    """Exit codes of a class that starts lesson 2 at once, and what they saw: one digest, if they saw the same."""
    cells = nbformat.read(ROOT / "notebooks" / "02_queries_keys_values.ipynb", 4).cells
    set_up = next(cell.source for cell in cells if cell.cell_type == "code")
    environment = own_environment() | {"OMP_NUM_THREADS": "1", "COURSE_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    arguments = json.dumps([set_up, students, read_only, str(log), str(cache)])
    done = subprocess.run(
        [sys.executable, "-c", CLASSROOM, arguments],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=cache.parent,
    )
    lines = done.stdout.splitlines()
    (codes,) = (json.loads(line.removeprefix("codes ")) for line in lines if line.startswith("codes "))
    return codes, {line.removeprefix("saw ") for line in lines if line.startswith("saw ")}


def contents(cache: Path) -> dict[str, str]:
    """Every file of the cache, and its digest; the empty ones that only serve as locks are left out."""
    return {
        str(path.relative_to(cache)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(cache.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


@pytest.mark.fresh
def test_fifty_students_with_one_empty_cache_make_one_download(tmp_path: Path) -> None:
    cache, log = tmp_path / "cache", tmp_path / "log"
    codes, seen = classroom(cache, log, STUDENTS)
    assert codes == [0] * STUDENTS
    assert len(seen) == 1
    assert log.read_text() == "pip\n"
    files = contents(cache)
    assert not [name for name in files if ".unfinished" in name]
    (archive,) = (name for name in files if name.startswith("packages/"))
    assert archive.split("/")[1].endswith(files[archive]), "the folder is named after the hash that it must have"

    # The same cache on a disk that nobody in the room may write to.
    log.unlink()
    assert classroom(cache, log, 5, read_only=True) == ([0] * 5, seen)
    assert not log.exists()
    assert contents(cache) == files
    # The hook does see who writes: an empty cache cannot be filled.
    empty = tmp_path / "empty"
    empty.mkdir()
    assert classroom(empty, log, 1, read_only=True)[0] == [1]
    assert os.listdir(empty) == []
