"""Find the notebooks in a folder of submissions, however it was exported, and say what cannot be read and why."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

MOST_BYTES = 50_000_000  # of one notebook: more is a mistake, and would fill the memory
_GRADE_ID = re.compile(r"(?:exercise|check)-(\d+[a-z]?)$")
# Moodle: "Ada Lovelace_123456_assignsubmission_file_02.ipynb"; Canvas: "lovelaceada_LATE_4711_891011_02.ipynb"
_MOODLE = re.compile(r"(?P<student>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?")
_CANVAS = re.compile(r"(?P<student>[^_]+)_(?:LATE_)?(?P<id>\d+)_\d+_")
_SKIPPED = {".ipynb_checkpoints", "__MACOSX", "__pycache__"}


@dataclass(frozen=True)
class Found:
    """A file that was handed in: whose it is by its place, and how to get at it."""

    student: str
    number: str  # of the student in Moodle or Canvas, where the name has one
    source: str  # as a person would name it: path, and the place inside a zip file
    content: Callable[[], bytes] = field(repr=False)
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
    """Go through what was exported, a student at a time, and yield every notebook to mark and all else that is there.

    Three layouts are known: nbgrader's `submitted/STUDENT/ASSIGNMENT/`, one folder a student, and one flat folder as
    Moodle and Canvas export it, with the student's name at the front of the file's name. Zip files are looked into:
    the whole export may be one, or what a student handed in. A lesson is known by the notebook's own metadata, never
    by its file's name. Of two versions of one lesson by one student the later one counts, and the other is named.

    Parameters
    ----------
    folder
        What was exported: a folder, or a zip file.
    lessons
        Number of the lesson for each exercise's id: {"2": "02", "6a": "06"}.
    """
    by_name: dict[str, dict[str, list[Found]]] = {}
    files = _files(folder)
    for path in files:
        for item in _looked_into(path, folder, len(files) == 1):
            if isinstance(item, Unread):
                yield item
            else:
                by_name.setdefault(item.student, {}).setdefault(item.number, []).append(item)
    yield from _empty_folders(folder)
    for name, by_number in sorted(by_name.items()):
        for number, items in sorted(by_number.items()):
            student = f"{name} ({number})" if len(by_number) > 1 and number else name
            yield from _of_student(student, items, lessons)


def count(folder: Path) -> int:
    """How many files `collect` will look at, zip files counted once: for a progress bar."""
    return len(_files(folder))


def _files(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    return sorted(path for path in folder.rglob("*") if path.is_file() and not _is_skipped(path.relative_to(folder)))


def _empty_folders(folder: Path) -> Iterator[Unread]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.is_dir() and not _is_skipped(path.relative_to(folder)) and not any(map(Path.is_file, path.rglob("*"))):
            yield Unread(_student(PurePosixPath(path.name, "file"))[0], f"{path.name}/", "an empty folder")


def _of_student(student: str, items: list[Found], lessons: dict[str, str]) -> Iterator[Submission | Unread]:
    kept: dict[str, Submission] = {}
    for item in items:
        read = _recognized(student, item, lessons)
        if isinstance(read, Unread):
            yield read
            continue
        other = kept.get(read.lesson)
        if other is None:
            kept[read.lesson] = read
            continue
        earlier, later = sorted((other, read), key=lambda one: (one.changed, _natural(one.source)))
        kept[read.lesson] = later
        yield Unread(student, earlier.source, f"an earlier version of lesson {later.lesson}: {later.source} counts")
    yield from (kept[lesson] for lesson in sorted(kept))


def _natural(source: str) -> list[str | int]:
    """For sorting as a person would: `02.ipynb`, `02 (2).ipynb`, `02 (10).ipynb`."""
    parts = re.split(r"(\d+)", str(PurePosixPath(source).with_suffix("")))
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def _looked_into(path: Path, folder: Path, is_alone: bool) -> Iterator[Found | Unread]:
    """A file, or everything in a zip file; `is_alone` where nothing else was exported."""
    place = PurePosixPath(path.relative_to(folder).as_posix() if path != folder else path.name)
    student, number = _student(place)
    try:
        size, changed = path.stat().st_size, path.stat().st_mtime
    except OSError as error:
        yield Unread(student, str(place), f"cannot be read: {error.strerror or error}")
        return
    if path.suffix.lower() == ".zip":
        yield from _unzipped(path, (), place, str(place), is_alone)
    elif size > MOST_BYTES:
        yield Unread(student, str(place), f"larger than {MOST_BYTES // 1_000_000} MB")
    else:
        yield Found(student, number, str(place), path.read_bytes, changed)


def _unzipped(
    path: Path, within: tuple[str, ...], place: PurePosixPath, source: str, is_alone: bool
) -> Iterator[Found | Unread]:
    """List the members of a zip file. Nothing is unpacked, so no name in it can lead anywhere.

    Parameters
    ----------
    path, within
        The zip file, and the names of the zip files in it that lead to this one.
    place
        Where it lies: this says whose it is, unless it holds what many students handed in.
    source
        What a person would call it.
    """
    try:
        members = [
            member
            for member in _opened(path, within).infolist()
            if not member.is_dir() and not _is_skipped(PurePosixPath(member.filename))
        ]
        is_of_many = not _named(place.parts[0]) and _is_of_many(members, is_alone)
        for member in members:
            inside, named = PurePosixPath(member.filename), f"{source}!{member.filename}"
            its = inside if is_of_many else place.with_suffix("") / inside.name
            student, number = _student(its)
            if member.file_size > MOST_BYTES:
                yield Unread(student, named, f"larger than {MOST_BYTES // 1_000_000} MB")
            elif inside.suffix.lower() == ".zip":
                yield from _unzipped(path, (*within, member.filename), its, named, False)
            else:
                yield Found(student, number, named, partial(_member, path, within, member), _changed(member))
    except _BROKEN_ZIP as error:
        yield Unread(_student(place)[0], source, f"not a zip file that can be read: {error}")


_BROKEN_ZIP = (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError)


def _opened(path: Path, within: tuple[str, ...]) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(path)
    for name in within:
        archive = zipfile.ZipFile(io.BytesIO(archive.read(name)))
    return archive


def _member(path: Path, within: tuple[str, ...], member: zipfile.ZipInfo) -> bytes:
    return _opened(path, within).read(member)


def _is_of_many(members: list[zipfile.ZipInfo], is_alone: bool) -> bool:
    """Whether a zip file holds what several students handed in, and not one student's files."""
    fronts = {PurePosixPath(member.filename).parts[0] for member in members if "/" in member.filename}
    named = any(_named(PurePosixPath(member.filename).parts[0]) for member in members)
    return named or "submitted" in fronts or (is_alone and len(fronts - {".."}) > 1)


def _changed(member: zipfile.ZipInfo) -> float:
    from datetime import datetime

    try:
        return datetime(*member.date_time).timestamp()
    except ValueError:  # some programs write a month 0
        return 0.0


def _recognized(student: str, found: Found, lessons: dict[str, str]) -> Submission | Unread:
    """Say which lesson a file is of, from the ids that the build wrote into its cells."""

    def unread(reason: str) -> Unread:
        return Unread(student, found.source, reason)

    if not found.source.lower().endswith(".ipynb"):
        return unread("not a notebook")
    try:
        content = found.content()
    except _BROKEN_ZIP as error:
        return unread(f"cannot be read: {error}")
    try:
        notebook = json.loads(content)
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
    return Submission(student, known.pop(), found.source, notebook, found.changed)


def exercise_of(cell: dict[str, Any]) -> str:
    """Return the id of the exercise that a cell belongs to by its metadata, "" where it belongs to none."""
    metadata = cell.get("metadata")
    entry = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = entry.get("grade_id") if isinstance(entry, dict) else None
    match = _GRADE_ID.match(grade_id) if isinstance(grade_id, str) else None
    return match[1] if match else ""


def _is_skipped(place: PurePosixPath | Path) -> bool:
    return any(part in _SKIPPED or part.startswith("._") for part in place.parts) or place.name == ".DS_Store"


def _student(place: PurePosixPath) -> tuple[str, str]:
    """Name the student from where a file lies below what was exported, and the number where the name has one."""
    parts = list(place.parts)
    if parts[0] == "submitted" and len(parts) > 2:
        parts = parts[1:]
    if match := _named(parts[0]):
        return match["student"].strip(), match["id"]
    return (parts[0] if len(parts) > 1 else place.stem), ""  # one folder a student, or one file


def _named(name: str) -> re.Match[str] | None:
    return _MOODLE.match(name) or _CANVAS.match(name)
