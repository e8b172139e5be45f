"""Measure the course: what each lesson, check and mark takes, what its ways to train and to ask gain, in Markdown."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from helpers.checks import EXERCISES
from helpers.course.bench.measure import Cost, FailedError, measure
from helpers.course.project import Project

HELP = "measure what each lesson and each check takes, and the training loop beside others"

# What the course holds itself to, on two cores without a GPU: so with one thread, seconds may be more.
CORES = 2
SECONDS, SECONDS_OF = 60, {"06": 90, "08": 90, "13": 90, "14": 120}
PEAK_GIB = 1.5

# Lesson 7's model, trained in four ways: what the table says, and what `helpers.course.bench.parts` is asked.
ON_ALL = [("the course's loop", "course"), ("the same, blocks from torch.nn.TransformerEncoder", "torch")]
ON_SOME = [("the course's loop", "course"), ("every text padded to 512 tokens", "padded")]
EPOCHS = "2"
# Lesson 9's model, asked in two ways.
ASKED = [("the model loaded once a session", "once"), ("the model loaded at every call", "each")]
QUESTIONS = 10
# What a student waits for a check, on one core: for one that fails before any other, for others that fail, and for
# one that passes.
FIRST_SECONDS, FAILING_SECONDS, PASSING_SECONDS = 0.3, 0.15, 0.2
TABLES = ["lessons", "training", "asking", "checks", "marking"]
# Marking: lesson, by what, how many at a time; a class of lesson 7, and three notebooks beside nbgrader.
CLASS = [("07", "course", "1"), ("07", "course", "2")]
BESIDE_NBGRADER = 3
WAYS = ["course", "nbgrader, configured", "nbgrader"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="lessons to measure, such as 02 (default: all)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="torch's threads (default: 1 2)")
    parser.add_argument(
        "--only", choices=TABLES, nargs="+", default=TABLES, metavar="TABLE", help=f"some of: {', '.join(TABLES)}"
    )
    parser.add_argument(
        "--cached",
        action="store_true",
        help="use the cache there is; by default each lesson downloads into an empty one",
    )
    parser.add_argument(
        "--texts", type=int, default=512, help="texts for the comparison with padding to 512 (0: all; default: 512)"
    )
    parser.add_argument(
        "--notebooks", type=int, default=1000, help="notebooks to mark (0: only beside nbgrader; default: 1000)"
    )


def run(args: argparse.Namespace) -> int:
    project = Project.here()
    lessons = [path for path in sorted(project.solutions.glob("*.ipynb")) if chosen(path.stem, args.names)]
    if not lessons:
        print(f"no lesson called {' or '.join(args.names)} in {project.solutions}", file=sys.stderr)
        return 1
    trouble: list[str] = []
    if "lessons" in args.only:
        print(heading(lesson_columns(args.threads)), flush=True)
        for path in progress(lessons, "lessons"):
            tqdm.write(lesson_row(path, args.threads, args.cached, trouble))
    if "training" in args.only:
        print("\n" + heading(TRAINING_COLUMNS), flush=True)
        rows = [(*way, 0) for way in ON_ALL] + [(*way, args.texts) for way in ON_SOME]
        for title, way, texts in progress(rows, "training"):
            tqdm.write(training_row(title, way, texts, max(args.threads), trouble))
    if "asking" in args.only:
        print("\n" + heading(ASKING_COLUMNS), flush=True)
        for title, way in progress(ASKED, "asking"):
            tqdm.write(asking_row(title, way, max(args.threads), trouble))
    if "checks" in args.only:
        print("\n" + heading(CHECK_COLUMNS), flush=True)
        for number in progress(list(EXERCISES), "checks"):
            tqdm.write(check_row(number, project.root / "tests", trouble))
    if "marking" in args.only:
        print("\n" + heading(MARKING_COLUMNS), flush=True)
        marked = [(args.notebooks, *row) for row in CLASS if args.notebooks]
        marked += [(BESIDE_NBGRADER, lesson, way, "2") for lesson in ("02", "07") for way in WAYS]
        for count, lesson, way, workers in progress(marked, "marking"):
            tqdm.write(marking_row(count, lesson, way, workers, project.root / "tests", trouble))
    for line in trouble:
        print(line, file=sys.stderr)
    return 1 if trouble else 0


def chosen(name: str, names: list[str]) -> bool:
    """Whether a lesson is asked for: all are when none is named."""
    return not names or any(name.startswith(start) for start in names)


def progress(rows: list[Any], title: str) -> Iterable[Any]:
    """A bar below the table, which stays on its own stream so that the table can be kept in a file."""
    return tqdm(rows, desc=title, unit="row", file=sys.stderr, leave=False)


def budget(name: str) -> int:
    """The seconds that a lesson may take."""
    return SECONDS_OF.get(name[:2], SECONDS)


def heading(columns: list[str]) -> str:
    """The first two lines of a table."""
    return "| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|"


def lesson_columns(threads: list[int]) -> list[str]:
    """What the lessons' table says of each."""
    columns = ["lesson", "seconds allowed", "MB downloaded"]
    for count in threads:
        columns += [f"seconds, {plural(count, 'thread')}", "of a CPU", "peak GiB"]
    return columns


def lesson_row(path: Path, threads: list[int], cached: bool, trouble: list[str]) -> str:
    """Measure a lesson with each number of threads; downloads are counted in the first run, with an empty cache."""
    allowed = budget(path.stem)
    cells: list[str] = []
    downloaded = 0
    with tempfile.TemporaryDirectory() as empty:
        for count in threads:
            try:
                cost = measure(["lesson", str(path), "" if cached else empty], {"OMP_NUM_THREADS": str(count)})
            except FailedError as error:
                trouble.append(f"{path.stem} failed with {plural(count, 'thread')}: {error}")
                cells += ["failed", "", ""]
                continue
            downloaded += cost.found["downloaded"]
            cells += lesson_cells(path.stem, allowed, cost, count, trouble)
    megabytes = "not measured" if cached else f"{downloaded / 1e6:.1f}"
    return "| " + " | ".join([path.stem, str(allowed), megabytes, *cells]) + " |"


def lesson_cells(name: str, allowed: int, cost: Cost, threads: int, trouble: list[str]) -> list[str]:
    """What one run took; what is above its budget is in bold, and goes into `trouble` too."""
    peak = cost.peak_bytes / 2**30
    seconds_cell, peak_cell = f"{cost.seconds:.0f}", f"{peak:.2f}"
    if cost.seconds > allowed and threads >= CORES:
        seconds_cell = f"**{seconds_cell}**"
        trouble.append(f"{name} took {cost.seconds:.0f} s with {plural(threads, 'thread')}; {allowed} are allowed")
    if peak > PEAK_GIB:
        peak_cell = f"**{peak_cell}**"
        trouble.append(f"{name} held {peak:.2f} GiB with {plural(threads, 'thread')}; {PEAK_GIB} are allowed")
    return [seconds_cell, f"{cost.cpu_seconds:.0f}", peak_cell]


TRAINING_COLUMNS = [
    "training lesson 7's model",
    "threads",
    "texts × epochs",
    "seconds",
    "of a CPU, with set-up and test",
    "texts a second",
    "peak GiB",
    "test accuracy",
    "parameters",
]


def training_row(title: str, way: str, texts: int, threads: int, trouble: list[str]) -> str:
    """Measure one way to train."""
    try:
        cost = measure(["train", way, str(texts), EPOCHS], {"OMP_NUM_THREADS": str(threads), "TQDM_DISABLE": "1"})
    except FailedError as error:
        trouble.append(f"{title} failed: {error}")
        return f"| {title} | failed |"
    found = cost.found
    cells = [
        title,
        str(found["threads"]),
        f"{found['texts'] // int(EPOCHS):,} × {EPOCHS}",
        f"{cost.seconds:.1f}",
        f"{cost.cpu_seconds:.0f}",
        f"{found['texts'] / cost.seconds:.0f}",
        f"{cost.peak_bytes / 2**30:.2f}",
        f"{found['accuracy']:.3f}",
        f"{found['parameters']:,}",
    ]
    return "| " + " | ".join(cells) + " |"


ASKING_COLUMNS = ["asking lesson 9's model", "threads", "questions", "seconds", "of a CPU, with imports", "peak GiB"]


def asking_row(title: str, way: str, threads: int, trouble: list[str]) -> str:
    """Measure one way to ask."""
    try:
        cost = measure(["ask", way, str(QUESTIONS)], {"OMP_NUM_THREADS": str(threads), "TQDM_DISABLE": "1"})
    except FailedError as error:
        trouble.append(f"{title} failed: {error}")
        return f"| {title} | failed |"
    cells = [title, str(cost.found["threads"]), str(QUESTIONS), f"{cost.seconds:.1f}", f"{cost.cpu_seconds:.0f}"]
    return "| " + " | ".join([*cells, f"{cost.peak_bytes / 2**30:.2f}"]) + " |"


CHECK_COLUMNS = [
    "check of exercise",
    "wrong answers",
    "seconds of a CPU: the first",
    "median",
    "slowest",
    "right answers",
    "seconds of a CPU: median",
    "slowest",
]


def check_row(number: str, tests: Path, trouble: list[str]) -> str:
    """Measure how long answers to an exercise are checked, with one thread."""
    try:
        cost = measure(["check", number, str(tests)], {"OMP_NUM_THREADS": "1"})
    except FailedError as error:
        trouble.append(f"the check of exercise {number} failed: {error}")
        return f"| {number} | failed |"
    first, failing, passing = (cost.found[key] for key in ("first", "failing", "passing"))

    def cell(seconds: float, allowed: float, what: str) -> str:
        if seconds <= allowed:
            return f"{seconds:.2f}"
        trouble.append(f"exercise {number}: {seconds:.2f} s for {what}; {allowed} are allowed")
        return f"**{seconds:.2f}**"

    cells = [number, str(len(failing)), cell(first, FIRST_SECONDS, "the first wrong answer")]
    cells += [f"{statistics.median(failing):.2f}", cell(max(failing), FAILING_SECONDS, "a wrong answer")]
    cells += [str(len(passing)), f"{statistics.median(passing):.2f}"]
    cells += [cell(max(passing), PASSING_SECONDS, "a right answer")]
    return "| " + " | ".join(cells) + " |"


MARKING_COLUMNS = ["notebooks", "lesson", "marked by", "at a time", "seconds", "notebooks a minute", "GiB in all"]


def marking_row(count: int, lesson: str, way: str, workers: str, tests: Path, trouble: list[str]) -> str:
    """Measure how long a class is marked; nbgrader takes one notebook after the other."""
    try:
        cost = measure(["mark", way, lesson, str(count), workers, str(tests)], {"OMP_NUM_THREADS": str(CORES)})
    except FailedError as error:
        trouble.append(f"marking lesson {lesson} by {way} failed: {error}")
        return f"| {count} | {lesson} | {way} | failed |"
    at_a_time = workers if way == "course" else "1"
    cells = [f"{count:,}", lesson, way, at_a_time, f"{cost.seconds:.0f}", f"{count / cost.seconds * 60:.0f}"]
    return "| " + " | ".join([*cells, f"{cost.found['peak_bytes'] / 2**30:.2f}"]) + " |"


def plural(count: int, noun: str) -> str:
    """`1 thread`, `2 threads`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
