"""Regenerate everything that comes from `solutions/*.py`, or say what is out of step with it."""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from tqdm.auto import tqdm

from helpers.course.build import badges
from helpers.course.build.coverage import changes_that_no_longer_apply
from helpers.course.build.dependencies import digest
from helpers.course.build.execute import execute, pictures
from helpers.course.build.exercise import exercise_cells, picture_name
from helpers.course.build.exports import layers_source
from helpers.course.build.lesson import Lesson
from helpers.course.build.notebook import differences, ipynb_text, notebook_from, percent_text
from helpers.course.build.pairing import with_header
from helpers.course.errors import CourseError
from helpers.course.project import Project

# Pages that lead to the repository, as lessons do.
_PAGES = ("README.md", "HANDOUTS.md", "CITATION.cff")

HELP = "regenerate notebooks, layers.py and pictures from the solutions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="lessons to build, such as 02 (default: all)")
    parser.add_argument("--check", action="store_true", help="change nothing; name each file that is out of step")
    parser.add_argument("--force", action="store_true", help="execute lessons even when nothing they use has changed")
    parser.add_argument("--root", type=Path, help="the repository (default: the one that helpers is installed from)")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, help="lessons executed at a time")


def run(args: argparse.Namespace) -> int:
    project = Project(args.root.resolve()) if args.root else Project.here()
    try:
        if args.check:
            problems = check(project)
            for problem in problems:
                print(problem)
            if problems:
                print(f"{len(problems)} out of step; `make notebooks` rebuilds them", file=sys.stderr)
            return 1 if problems else 0
        built = build(project, names=args.names, force=args.force, jobs=args.jobs)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"executed: {', '.join(built) or 'nothing, all lessons are up to date'}")
    return 0


@dataclass
class Sources:
    """What people edit, with headers and addresses as the build wants them."""

    lessons: list[Lesson]
    layers: str
    rewritten: dict[Path, str]  # files with another header, or links that lead elsewhere -> their right text
    think_answers: bool


def read_sources(project: Project) -> Sources:
    """Read every lesson and check its marks; nothing is written."""
    lessons: list[Lesson] = []
    rewritten: dict[Path, str] = {}
    for path in sorted(project.solutions.glob("*.py")):
        text = path.read_text("utf-8")
        right = badges.with_slug(with_header(text), project.slug, project.branch)
        right = badges.with_own_notebook(right, path.stem)
        if right != text:
            rewritten[path] = right
        lessons.append(Lesson.read(path, right))
    titles = {lesson.name: lesson.title for lesson in lessons}
    for page in (project.root / name for name in _PAGES):
        if page.exists():
            text = page.read_text("utf-8")
            right = badges.with_slug(text, project.slug, project.branch)
            right = badges.with_pull_links(right, titles, project.hub, project.slug, project.branch)
            if right != text:
                rewritten[page] = right
    return Sources(lessons, layers_source(lessons), rewritten, project.think_answers)


def check(project: Project) -> list[str]:
    """What is out of step, a line each: empty when every generated file is as the sources say."""
    sources = read_sources(project)
    problems = [
        f"{project.relative(path)}: its header or a link is not as the build writes it (links lead to {project.slug})"
        for path in sources.rewritten
    ]
    if _text(project.layers) != sources.layers:
        problems.append(f"{project.relative(project.layers)}: not what the exported cells say")
    wanted: set[Path] = set()
    for lesson in sources.lessons:
        executed = project.solutions / f"{lesson.name}.ipynb"
        wanted |= {executed, lesson.path, *_picture_paths(project, lesson)}
        if reason := stale(project, lesson):
            problems.append(f"{project.relative(executed)}: {reason}")
        else:
            for path, content in _pictures(project, lesson, nbformat.read(executed, 4)).items():
                if not path.exists() or path.read_bytes() != content:
                    problems.append(f"{project.relative(path)}: not the picture that the solution draws")
        for path, text in _exercise_files(project, lesson, sources.think_answers).items():
            wanted.add(path)
            if not path.exists():
                problems.append(f"{project.relative(path)}: missing")
            elif _text(path) != text:
                problems.append(f"{project.relative(path)}: not what the solution makes of it; was it edited by hand?")
    for path in _generated(project) - wanted:
        problems.append(f"{project.relative(path)}: no solution makes this file")
    if project == Project.here():  # the checks are this course's, whichever repository is looked at
        problems += changes_that_no_longer_apply()
    return sorted(problems)


def build(project: Project, names: list[str] | None = None, *, force: bool = False, jobs: int = 2) -> list[str]:
    """Write what `check` would complain about.

    Parameters
    ----------
    names
        Lessons to build, by the start of their names; all when empty.
    force
        Execute a lesson even when its digest says that nothing changed.
    jobs
        How many lessons are executed at a time.

    Returns
    -------
    The names of the lessons that were executed.

    Raises
    ------
    CourseError
        For a mistake in a mark (nothing is written then) or a cell that fails (its lesson is not written).
    """
    sources = read_sources(project)
    chosen = [x for x in sources.lessons if not names or any(x.name.startswith(name) for name in names)]
    if not chosen:
        known = ", ".join(lesson.name for lesson in sources.lessons)
        raise CourseError(project.solutions, None, f"no lesson called {' or '.join(names or [])}; there are {known}")
    for path, text in sources.rewritten.items():
        _write(path, text.encode())
    _write(project.layers, sources.layers.encode())
    to_run = [lesson for lesson in chosen if force or stale(project, lesson)]
    failures = _execute_all(project, to_run, jobs)
    for lesson in chosen:
        if lesson.name not in failures:
            executed = nbformat.read(project.solutions / f"{lesson.name}.ipynb", 4)
            for path, picture in _pictures(project, lesson, executed).items():
                _write(path, picture)
            for path, text in _exercise_files(project, lesson, sources.think_answers).items():
                _write(path, text.encode())
    if not names:
        _remove_orphans(project, sources.lessons)
    if failures:
        raise next(iter(failures.values()))
    return [lesson.name for lesson in to_run]


def stale(project: Project, lesson: Lesson) -> str | None:
    """Why a lesson has to be executed again, or None."""
    path = project.solutions / f"{lesson.name}.ipynb"
    if not path.exists():
        return "missing"
    try:
        executed = nbformat.read(path, 4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError):
        return "not a notebook"
    if places := differences(executed, notebook_from(lesson, lesson.cells)):
        more = f"; {len(places) - 3} more" if len(places) > 3 else ""
        return f"not what {lesson.path.name} says ({'; '.join(places[:3])}{more})"
    if executed.metadata.get("course", {}).get("digest") != digest(project, lesson):
        return f"older than {lesson.path.name} or the helpers that it imports"
    return None


def _execute_all(project: Project, lessons: list[Lesson], jobs: int) -> dict[str, CourseError]:
    failures: dict[str, CourseError] = {}
    if not lessons:
        return failures
    pool = ThreadPoolExecutor(max_workers=max(1, min(jobs, len(lessons))))
    try:
        running = {pool.submit(_execute_one, project, lesson): lesson for lesson in lessons}
        with tqdm(total=len(lessons), desc="executing", unit="lesson") as bar:
            for done in as_completed(running):
                try:
                    done.result()
                except CourseError as error:
                    failures[running[done].name] = error
                    tqdm.write(str(error))
                bar.update()
    finally:
        pool.shutdown(cancel_futures=True)
    return failures


def _execute_one(project: Project, lesson: Lesson) -> None:
    notebook = notebook_from(lesson, lesson.cells)
    before = digest(project, lesson)
    execute(lesson, notebook)
    notebook.metadata["course"] = {"digest": before}
    _pictures(project, lesson, notebook)  # a missing one is an error before anything is written
    _write(project.solutions / f"{lesson.name}.ipynb", ipynb_text(notebook).encode())


def _pictures(project: Project, lesson: Lesson, executed: NotebookNode) -> dict[Path, bytes]:
    try:
        drawn = pictures(executed)
    except ValueError as error:
        raise CourseError(lesson.path, None, str(error)) from error
    return dict(zip(_picture_paths(project, lesson), drawn, strict=True))


def _picture_paths(project: Project, lesson: Lesson) -> list[Path]:
    marked = sum("expected-output" in cell.tags for cell in lesson.cells)
    return [project.expected / f"{picture_name(lesson, number)}.png" for number in range(1, marked + 1)]


def _exercise_files(project: Project, lesson: Lesson, think_answers: bool) -> dict[Path, str]:
    notebook = notebook_from(lesson, exercise_cells(lesson, think_answers=think_answers))
    return {
        project.notebooks / f"{lesson.name}.ipynb": ipynb_text(notebook),
        project.notebooks / f"{lesson.name}.py": percent_text(notebook),
    }


def _generated(project: Project) -> set[Path]:
    return {
        *project.solutions.glob("*.ipynb"),
        *project.notebooks.glob("*.ipynb"),
        *project.notebooks.glob("*.py"),
        *project.expected.glob("*.png"),
    }


def _remove_orphans(project: Project, lessons: list[Lesson]) -> None:
    names = {lesson.name for lesson in lessons}
    drawn = {path for lesson in lessons for path in _picture_paths(project, lesson)}
    for path in _generated(project):
        if path.stem not in names and path not in drawn:
            path.unlink()


def _text(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


def _write(path: Path, content: bytes) -> None:
    """Write only what differs, and all of it or nothing."""
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(content)
    partial.replace(path)
