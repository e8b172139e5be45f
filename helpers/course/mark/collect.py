"""Find the notebooks in a folder of submissions, however it was exported, and say what cannot be read and why."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

MOST_BYTES = 50_000_000  # of one notebook: more is a mistake, and would fill the memory
_GRADE_ID = re.compile(r"(?:exercise|check)-(\d+[a-z]?)$")
# Moodle: "Ada Lovelace_123456_assignsubmission_file_02.ipynb"; Canvas: "lovelaceada_LATE_4711_891011_02.ipynb"
_MOODLE = re.compile(r"(?P<student>.+?)_\d+_assignsubmission_(?:file|onlinetext)_?")
_CANVAS = re.compile(r"(?P<student>[^_]+)_(?:LATE_)?\d+_\d+_")
_SKIPPED = {".ipynb_checkpoints", "__MACOSX", "__pycache__"}


@dataclass(frozen=True)
class Found:
    """A file of a submission: of whom, where it lies, and when it was last changed."""

    student: str
    source: str  # as a person would name it: path, and the place inside a zip file
    content: bytes = field(repr=False)
    changed: float  # seconds since 1970


@dataclass(frozen=True)
class Submission:
    """A notebook of one lesson by one student."""

    student: str
    lesson: str  # "02"
    source: str
    notebook: dict[str, Any] = field(repr=False)
    changed: float = 0.0


@dataclass(frozen=True)
class Unread:
    """What was handed in and cannot be marked, with the reason."""

    student: str
    source: str
    reason: str


def collect(folder: Path, lessons: dict[str, str]) -> Iterator[Submission | Unread]:
    """Go through a folder, a student at a time, and yield every notebook to mark and everything else that is there.

    Three layouts are known: nbgrader's `submitted/STUDENT/ASSIGNMENT/`, one folder a student, and one flat folder as
    Moodle and Canvas export it, with the student's name at the front of the file's name. Zip files are looked into.
    A lesson is known by the notebook's own metadata, never by its file's name. Of two versions of one lesson by one
    student the later one counts, and the other is named as unread.

    Parameters
    ----------
    folder
        What was exported.
    lessons
        Number of the lesson for each exercise's id: {"2": "02", "6a": "06"}.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_skipped(path.relative_to(folder)))
    by_student: dict[str, list[Path]] = {}
    for path in files:
        by_student.setdefault(_student(path.relative_to(folder)), []).append(path)
    for student, paths in sorted(by_student.items()):
        yield from _of_student(student, paths, folder, lessons)


def count(folder: Path) -> int:
    """How many files `collect` will look at, zip files counted once: for a progress bar."""
    return sum(path.is_file() and not _is_skipped(path.relative_to(folder)) for path in folder.rglob("*"))


def _of_student(
    student: str, paths: list[Path], folder: Path, lessons: dict[str, str]
) -> Iterator[Submission | Unread]:
    kept: dict[str, Submission] = {}
    for path in paths:
        for item in _read(student, path, folder):
            read = item if isinstance(item, Unread) else _recognized(item, lessons)
            if isinstance(read, Unread):
                yield read
                continue
            other = kept.get(read.lesson)
            if other is None:
                kept[read.lesson] = read
                continue
            earlier, later = sorted((other, read), key=lambda one: (one.changed, one.source))
            kept[read.lesson] = later
            yield Unread(student, earlier.source, f"an earlier version of lesson {later.lesson}: {later.source} counts")
    yield from (kept[lesson] for lesson in sorted(kept))


def _read(student: str, path: Path, folder: Path) -> Iterator[Found | Unread]:
    source = path.relative_to(folder).as_posix()
    try:
        content = path.read_bytes() if path.stat().st_size <= MOST_BYTES else None
        changed = path.stat().st_mtime
    except OSError as error:
        yield Unread(student, source, f"cannot be read: {error.strerror or error}")
        return
    if content is None:
        yield Unread(student, source, f"larger than {MOST_BYTES // 1_000_000} MB")
    elif path.suffix.lower() == ".zip":
        yield from _unzipped(student, source, content)
    else:
        yield Found(student, source, content, changed)


def _unzipped(student: str, source: str, content: bytes) -> Iterator[Found | Unread]:
    """Read the members in memory: nothing is unpacked, so no name in the file can lead anywhere."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                place = PurePosixPath(member.filename)
                if member.is_dir() or _is_skipped(place):
                    continue
                inside = f"{source}!{member.filename}"
                if member.file_size > MOST_BYTES:
                    yield Unread(student, inside, f"larger than {MOST_BYTES // 1_000_000} MB")
                    continue
                yield Found(student, inside, archive.read(member), _changed(member))
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError) as error:
        yield Unread(student, source, f"not a zip file that can be read: {error}")


def _changed(member: zipfile.ZipInfo) -> float:
    from datetime import datetime

    try:
        return datetime(*member.date_time).timestamp()
    except ValueError:  # some programs write a month 0
        return 0.0


def _recognized(found: Found, lessons: dict[str, str]) -> Submission | Unread:
    """Say which lesson a file is of, from the ids that the build wrote into its cells."""

    def unread(reason: str) -> Unread:
        return Unread(found.student, found.source, reason)

    if not found.source.lower().endswith(".ipynb"):
        return unread("not a notebook")
    try:
        notebook = json.loads(found.content)
    except (ValueError, RecursionError) as error:
        return unread(f"broken JSON: {error}")
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        return unread("JSON, but not a notebook: it has no list of cells")
    known = {lessons[exercise] for cell in cells if (exercise := exercise_of(cell)) in lessons}
    if not known:
        return unread("no exercise of this course in it: another course's notebook, or its cells were made anew")
    if len(known) > 1:
        return unread(f"exercises of several lessons in one notebook: {', '.join(sorted(known))}")
    return Submission(found.student, known.pop(), found.source, notebook, found.changed)


def exercise_of(cell: dict[str, Any]) -> str:
    """Return the id of the exercise that a cell belongs to by its metadata, "" where it belongs to none."""
    metadata = cell.get("metadata")
    entry = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = entry.get("grade_id") if isinstance(entry, dict) else None
    match = _GRADE_ID.match(grade_id) if isinstance(grade_id, str) else None
    return match[1] if match else ""


def _is_skipped(place: PurePosixPath | Path) -> bool:
    return any(part in _SKIPPED or part.startswith("._") for part in place.parts) or place.name == ".DS_Store"


def _student(place: Path) -> str:
    """Name the student from where a file lies below the exported folder."""
    parts = list(place.parts)
    if parts[0] == "submitted" and len(parts) > 2:
        parts = parts[1:]
    front = parts[0]
    for pattern in (_MOODLE, _CANVAS):
        if match := pattern.match(front):
            return match["student"].strip()
    if len(parts) > 1:
        return front
    return place.stem  # a flat folder with one file a student
