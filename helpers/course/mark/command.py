"""Mark a class: run the checks on every notebook that was handed in, and say what the class has not understood."""

from __future__ import annotations

import argparse
import ast
import csv
import hashlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from helpers.checks import EXERCISES
from helpers.course.build.lesson import Lesson
from helpers.course.mark.alone import Limits
from helpers.course.mark.collect import Submission, collect, count
from helpers.course.mark.engine import Job, Rules, cluster, jobs_of, mark_all
from helpers.course.mark.report import write_reports
from helpers.course.mark.store import Store
from helpers.course.project import Project

HELP = "mark a folder of notebooks that students handed in, and write marks and a report for the class"
SEEDS = (2021, 1409)
_COLUMNS = ["student", "lesson", "exercise", "points", "outcome", "misconception", "sentence", "seconds", "seed"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("submissions", type=Path, help="folder or zip file as nbgrader, Moodle or Canvas exports it")
    parser.add_argument("--out", type=Path, required=True, help="folder for marks and reports; a stopped run goes on")
    parser.add_argument("--scheduler", metavar="tcp://HOST:8786", help="a Dask scheduler (default: this computer)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="answers at a time on this computer")
    limits = Limits()
    parser.add_argument(
        "--seconds", type=float, default=limits.wall_seconds, help=f"for one answer (default: {limits.wall_seconds:g})"
    )
    parser.epilog = (
        "Each answer runs in a process of its own, with limits. That keeps accidents apart; it is no sandbox for "
        "people who mean harm. For that, run this in a container, as a user of its own."
    )


def run(args: argparse.Namespace) -> int:
    if not args.submissions.is_dir() and not (args.submissions.is_file() and args.submissions.suffix == ".zip"):
        print(f"{args.submissions} is no folder, and no zip file.", file=sys.stderr)
        return 1
    if args.out.resolve().is_relative_to(args.submissions.resolve()):
        print(f"{args.out} lies among the submissions: choose another folder for the reports.", file=sys.stderr)
        return 1
    rules = Rules(SEEDS, Limits(wall_seconds=args.seconds), names(Project.here()), version())
    started = time.perf_counter()
    with Store(args.out / "results.db") as store:
        try:
            seen = _mark(args, rules, store)
        except KeyboardInterrupt:
            print("\nStopped. What is marked is kept; the same command goes on from there.", file=sys.stderr)
            return 130
        except OSError as error:
            print(f"{args.scheduler or 'The workers'} cannot be reached: {error}", file=sys.stderr)
            return 1
        store.forget_all_but(seen)
        write_marks(store, args.out / "marks.csv")
        write_reports(store, args.out)
        also = " and gradebook.db" if _write_gradebook(store, args.out / "gradebook.db") else ""
        unread = store.unread()
    seconds = time.perf_counter() - started
    print(f"{len(seen)} answers in {seconds:.0f} s. Written: report.html, marks.csv, students/{also}.")
    if unread:
        print(f"{len(unread)} {'file was' if len(unread) == 1 else 'files were'} not marked; the report says why.")
    if not seen:
        print(f"There is no notebook of this course in {args.submissions}.", file=sys.stderr)
        return 1
    return 0


def _mark(args: argparse.Namespace, rules: Rules, store: Store) -> set[tuple[str, str]]:
    """Mark everything; return (student, exercise) of all that was there."""
    from tqdm.auto import tqdm

    lessons = {number: listed.lesson for number, listed in EXERCISES.items()}
    seen: set[tuple[str, str]] = set()
    store.begin()
    bar = tqdm(total=count(args.submissions), unit="notebook", desc="Marking")

    def jobs() -> Iterator[Job]:
        for item in collect(args.submissions, lessons):
            if isinstance(item, Submission):
                yield from jobs_of(item, rules)
            else:
                store.keep_unread(item.student, item.source, item.reason)
                bar.update()

    told: set[str] = set()

    def done(job: Job) -> None:
        seen.add((job.submission.student, job.exercise))
        if job.submission.source not in told:
            told.add(job.submission.source)
            bar.update()

    with bar, cluster(args.scheduler, args.workers) as client:
        mark_all(jobs(), rules, client, store, done)
    return seen


def names(project: Project) -> dict[str, str]:
    """What each exercise's check is handed, read from the lessons: {"2": "DotProductAttention"}."""
    found: dict[str, str] = {}
    for path in sorted(project.solutions.glob("*.py")):
        number = ""
        for cell in Lesson.read(path).cells:
            if "exercise" in cell.tags:
                number = cell.exercise[0]
            elif "check" in cell.tags:
                calls = (node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call))
                found[number] = next(call.args[0].id for call in calls if isinstance(call.args[0], ast.Name))
    return found


def version() -> str:
    """A fingerprint of checks, reference and marking: where one of them changes, everything is marked anew."""
    total = hashlib.sha256()
    helpers = Path(__file__).parents[2]
    for path in sorted([*helpers.glob("checks/**/*.py"), helpers / "layers.py", *helpers.glob("course/mark/*.py")]):
        total.update(path.read_bytes())
    return total.hexdigest()


def _write_gradebook(store: Store, file: Path) -> bool:
    """Write nbgrader's gradebook where nbgrader is installed; return whether it is."""
    from helpers.course.mark.gradebook import write_gradebook

    lessons = {path.stem[:2]: path.stem for path in Project.here().solutions.glob("*.py")}
    try:
        write_gradebook(store.marks(), lessons, file)
    except ImportError:
        print('No gradebook.db: nbgrader is not installed (pip install -e ".[instructor]").', file=sys.stderr)
        return False
    return True


def write_marks(store: Store, path: Path) -> None:
    """Write a line for each exercise of each student."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:  # with the mark by which Excel knows UTF-8
        writer = csv.DictWriter(file, _COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(asdict(mark) for mark in store.marks())
