"""Which checks a student has passed: a small file on their own computer."""

from __future__ import annotations

import functools
import html
import json
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

_LOCK_SECONDS = 1.0  # two kernels hold the file for milliseconds; longer means a stuck file system


class CheckRecord(TypedDict):
    """What is kept of one exercise's check."""

    tries: int  # runs up to and including the first pass
    failures: int  # in a row, since the last pass
    passed: str | None  # when it first passed: UTC, ISO 8601


def record_dir() -> Path:
    """Where progress and feedback are kept: ``COURSE_RECORD``, else the user's own data folder.

    The folder may not exist yet: whoever writes into it makes it.
    """
    chosen = os.environ.get("COURSE_RECORD")
    if chosen:
        return Path(os.path.expanduser(chosen))
    import platformdirs

    return Path(platformdirs.user_data_dir("attention-course"))


def record_check(exercise: str, passed: bool) -> int:
    """Record one run of an exercise's check.

    Nothing that goes wrong with the file makes a check fail: a folder that cannot be written is named once, and
    the session then counts in memory.

    Parameters
    ----------
    exercise
        The exercise's id, such as ``"2"`` or ``"6a"``.
    passed
        Whether the check passed.

    Returns
    -------
    int
        How often in a row it has now failed; 0 after a pass.
    """
    path = _progress_path()
    unsaved = _kept_in_memory(path)
    try:
        with _locked(path):
            checks = _read_or_set_aside(path)
            if exercise in unsaved:
                checks[exercise] = unsaved[exercise]
            checks[exercise] = record = _counted(checks.get(exercise), passed)
            _write(path, checks)
            unsaved.pop(exercise, None)
    except OSError as error:
        _warn_once(
            f"Your progress cannot be kept in {path.parent} ({error.strerror or error}). Checks work all the "
            "same. To keep it, set COURSE_RECORD to a folder that you can write to."
        )
        unsaved[exercise] = record = _counted(read_progress().get(exercise), passed)
    return record["failures"]


def read_progress() -> dict[str, CheckRecord]:
    """What is recorded of each check that has run, by the exercise's id; empty before the first."""
    path = _progress_path()
    try:
        checks = _read(path)
    except OSError:
        checks = {}
    except ValueError:
        try:
            with _locked(path):
                checks = _read_or_set_aside(path)
        except OSError:
            checks = {}
    return checks | _kept_in_memory(path)


def forget_progress() -> None:
    """Delete the record of every check. Feedback stays.

    Raises
    ------
    OSError
        The file is there and cannot be deleted.
    """
    path = _progress_path()
    _kept_in_memory(path).clear()
    if path.is_file():
        with _locked(path):
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class ProgressRow:
    """One exercise in the table: ``when`` is local time, empty until its check has passed."""

    exercise: str
    title: str
    state: str
    when: str
    tries: int


@dataclass(frozen=True, repr=False)
class ProgressTable:
    """What ``progress_table`` returns: a table in a notebook, lines of text in a terminal."""

    rows: tuple[ProgressRow, ...]

    @property
    def summary(self) -> str:
        """How many checks have passed, in words."""
        passed = sum(row.state == "passed" for row in self.rows)
        return f"{passed} of {len(self.rows)} checks passed"

    def __repr__(self) -> str:
        width = max((len(row.title) for row in self.rows), default=0)
        lines = [
            f"{row.exercise:>3}  {row.title:<{width}}  {row.state:<7}  {row.when:<16}  tries: {row.tries}"
            for row in self.rows
        ]
        return "\n".join([self.summary, *lines])

    def _repr_html_(self) -> str:
        head = "".join(
            f"<th scope='col' style='text-align:left'>{name}</th>"
            for name in ("No.", "Exercise", "Check", "When", "Tries")
        )
        body = ""
        for row in self.rows:
            cells = (row.title, ("✓ " if row.state == "passed" else "") + row.state, row.when, str(row.tries))
            body += f"<tr><th scope='row'>{html.escape(row.exercise)}</th>"
            body += "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in cells)
            body += "</tr>"
        caption = f"<caption>{self.summary}</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def progress_table(exercises: Mapping[str, str]) -> ProgressTable:
    """Your progress as a table: whether each exercise's check has passed, when, and after how many tries.

    Parameters
    ----------
    exercises
        Title of each exercise by its id, in the order to show them.
    """
    checks = read_progress()
    rows = []
    for exercise, title in exercises.items():
        record = checks.get(exercise)
        if record is None:
            rows.append(ProgressRow(exercise, title, "not yet", "", 0))
        elif record["passed"] is None:
            rows.append(ProgressRow(exercise, title, "tried", "", record["tries"]))
        else:
            when = datetime.fromisoformat(record["passed"]).astimezone().strftime("%Y-%m-%d %H:%M")
            rows.append(ProgressRow(exercise, title, "passed", when, record["tries"]))
    return ProgressTable(tuple(rows))


def _progress_path() -> Path:
    return record_dir() / "progress.json"


def _counted(before: CheckRecord | None, passed: bool) -> CheckRecord:
    record: CheckRecord = {"tries": 0, "failures": 0, "passed": None} if before is None else {**before}
    if record["passed"] is None:
        record["tries"] += 1
        if passed:
            record["passed"] = datetime.now(UTC).isoformat(timespec="seconds")
    record["failures"] = 0 if passed else record["failures"] + 1
    return record


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(f"{path}.lock").acquire(timeout=_LOCK_SECONDS, poll_interval=0.01):
            yield
    except NotImplementedError as error:  # filelock's word for a file system without locks
        raise OSError(str(error)) from error


def _read(path: Path) -> dict[str, CheckRecord]:
    """Raise ``ValueError`` where the file holds something else than this module writes."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    checks = json.loads(content)
    if not isinstance(checks, dict):
        raise ValueError(f"a table was expected, not {type(checks).__name__}")
    for exercise, record in checks.items():
        if not isinstance(record, dict) or record.keys() != CheckRecord.__required_keys__:
            raise ValueError(f"entry {exercise!r} is {record!r}")
        if type(record["tries"]) is not int or type(record["failures"]) is not int:
            raise ValueError(f"entry {exercise!r} is {record!r}")
        if record["passed"] is not None:
            try:
                datetime.fromisoformat(record["passed"])
            except TypeError as error:
                raise ValueError(f"entry {exercise!r} is {record!r}") from error
    return checks


def _read_or_set_aside(path: Path) -> dict[str, CheckRecord]:
    """Call this under the lock only: another kernel may just have written a good file."""
    try:
        return _read(path)
    except ValueError as error:
        aside = path.with_name(f"progress-damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}.json")
        os.replace(path, aside)
        warnings.warn(
            f"The record of your progress could not be read ({error}). It now lies in {aside}; a new one begins.",
            stacklevel=3,
        )
        return {}


def _write(path: Path, checks: dict[str, CheckRecord]) -> None:
    """Write beside the file, then rename: a reader sees the old file or the new one, never half of one."""
    handle, name = tempfile.mkstemp(prefix="progress-", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(checks, file, indent=1, sort_keys=True)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


@functools.cache
def _kept_in_memory(path: Path) -> dict[str, CheckRecord]:
    """What this session could not write to ``path``."""
    return {}


@functools.cache
def _warn_once(message: str) -> None:
    warnings.warn(message, stacklevel=3)
