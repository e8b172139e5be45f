"""How long marking takes: notebooks made from tested answers, marked by the course's command or by nbgrader itself."""

from __future__ import annotations

import inspect
import itertools
import json
import linecache
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from helpers.checks import EXERCISES, exercise_of
from helpers.course.build.coverage import right_answers
from helpers.course.mark.command import names
from helpers.course.project import Project

# Without this nbgrader writes `raise NotImplementedError()` over every skeleton, and stops a cell after 30 s.
_NBGRADER_AS_IT_COMES = """
c = get_config()
c.GenerateAssignment.preprocessors = [
    f"nbgrader.preprocessors.{name}" for name in ("LockCells", "ClearOutput", "ComputeChecksums", "SaveCells")
]
c.ClearSolutions.enforce_metadata = False
c.Execute.timeout = 1200
"""


def mark_class(way: str, lesson: str, count: str, workers: str, tests: str) -> dict[str, Any]:
    """Mark notebooks of one lesson, every second one with a wrong answer.

    Parameters
    ----------
    way
        ``"course"``: the course's command. ``"nbgrader"``: `nbgrader autograde` with its own steps, which execute the
        whole notebook. ``"nbgrader, configured"``: the same with the configuration that the course writes for it.
    lesson, count, workers
        Such as "07", "1000" and "2"; nbgrader has no workers.
    tests
        The folder of the repository's tests, which holds the right answers.

    Returns
    -------
    dict
        `seconds`, and `peak_bytes`: of all processes together, shared memory counted once.
    """
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder)
        books = submissions(lesson, int(count), Path(tests))
        if way == "course":
            for number, book in enumerate(books):
                _write(course / "submitted" / f"student {number:05}" / "lesson.ipynb", book)
            command = ["helpers.course", "mark", str(course / "submitted"), "--out", str(course / "report")]
            command += ["--workers", workers]
        else:
            command = ["nbgrader", "autograde", lesson]
            _make_nbgrader_course(course, way, lesson, books)
        seconds, peak = _timed(command, course if way.startswith("nbgrader") else Project.here().root)
    return {"seconds": seconds, "peak_bytes": peak}


def submissions(lesson: str, count: int, tests: Path) -> Iterator[dict[str, Any]]:
    """Yield notebooks of a lesson as students hand them in, answered right and wrong in turn."""
    project = Project.here()
    checked = names(project)
    (path,) = project.notebooks.glob(f"{lesson}_*.ipynb")
    kinds = {
        number: itertools.cycle(_in_turn(_right(number, checked[number], tests), _wrong(number)))
        for number, listed in EXERCISES.items()
        if listed.lesson == lesson
    }
    for _ in range(count):
        book: dict[str, Any] = json.loads(path.read_text("utf-8"))
        for cell in book["cells"]:
            graded = cell["metadata"].get("nbgrader", {})
            if graded.get("solution"):
                cell["source"] = next(kinds[graded["grade_id"].removeprefix("exercise-")])
        yield book


def as_cell(answer: Any, name: str, module: ModuleType) -> str:
    """The source of an answer and of all that stands beside it in its module, under the name that is checked."""
    source = inspect.getsource(module)
    functions = [answer] if inspect.isfunction(answer) else filter(inspect.isfunction, vars(answer).values())
    for file in {function.__code__.co_filename for function in functions} - {module.__file__}:
        source += "\n\n" + "".join(linecache.getlines(file))  # a change to one of the module's answers
    source = source.replace("from __future__ import annotations\n", "")
    return source if answer.__name__ == name else f"{source}\n\n{name} = {answer.__name__}\n"


def _right(number: str, name: str, tests: Path) -> list[str]:
    answers = [answer for answer in right_answers(tests, number) if answer.__module__.startswith("answers.")]
    return [as_cell(answer, name, sys.modules[answer.__module__]) for answer in answers]


def _wrong(number: str) -> list[str]:
    return [mistake.source for mistake in exercise_of(number).misconceptions]


def _in_turn(right: list[str], wrong: list[str]) -> list[str]:
    longest = max(len(right), len(wrong))
    return [kind[place % len(kind)] for place in range(longest) for kind in (right, wrong)]


def _make_nbgrader_course(folder: Path, way: str, lesson: str, books: Iterator[dict[str, Any]]) -> None:
    if way == "nbgrader":
        (folder / "nbgrader_config.py").write_text(_NBGRADER_AS_IT_COMES, "utf-8")
    else:
        _run(["helpers.course", "nbgrader", str(folder)], Project.here().root)
    (path,) = Project.here().notebooks.glob(f"{lesson}_*.ipynb")
    _write(folder / "source" / lesson / "lesson.ipynb", json.loads(path.read_text("utf-8")))
    _run(["nbgrader", "generate_assignment", lesson], folder)
    for number, book in enumerate(books):
        _write(folder / "submitted" / f"student{number:05}" / lesson / "lesson.ipynb", book)


def _write(path: Path, book: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(book), "utf-8")


def _run(arguments: list[str], where: Path) -> None:
    subprocess.run([sys.executable, "-m", *arguments], cwd=where, check=True, capture_output=True, env=_environment())


def _environment() -> dict[str, str]:
    """nbgrader starts a program that pip put beside this Python."""
    return {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])}


def _timed(arguments: list[str], where: Path) -> tuple[float, int]:
    """Run a command to its end; return its seconds, and the most bytes that it and all its processes held at once."""
    import psutil

    begin, peak = time.perf_counter(), 0
    with tempfile.TemporaryFile() as said:
        command = [sys.executable, "-m", *arguments]
        running = subprocess.Popen(command, cwd=where, stdout=said, stderr=subprocess.STDOUT, env=_environment())
        top = psutil.Process(running.pid)
        while running.poll() is None:
            peak = max(peak, sum(map(_held, [top, *_children(top)])))
            time.sleep(2)  # looking takes time, too
        # nbgrader ends with 1 where it could not mark one of the notebooks.
        if running.returncode:
            said.seek(0)
            raise RuntimeError(said.read().decode(errors="replace")[-2000:])
    return time.perf_counter() - begin, peak


def _children(process: Any) -> list[Any]:
    import psutil

    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _held(process: Any) -> int:
    """Bytes of a process, where several share a page only its part of it; nothing where it has just ended."""
    import psutil

    try:
        found = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
    return int(getattr(found, "pss", found.rss))
