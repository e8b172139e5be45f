"""Results as they come, in an SQLite file: what a run that was stopped goes on from."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Mark:
    """How one exercise of one student fared."""

    student: str
    lesson: str
    exercise: str
    points: float
    outcome: str  # passed, wrong, reference, blank, broken, missing, too long, memory, crashed
    misconception: str | None
    sentence: str  # all that the check said
    seconds: float
    seed: int | None
    source: str  # the file
    code: str  # the exercise's cell
    digest: str  # of what was run and how


_COLUMNS = [field.name for field in fields(Mark)]


class Store:
    """One run's results. Use it in a ``with`` statement.

    Parameters
    ----------
    file
        Made where it is missing.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(file)
        columns = ", ".join(
            f"{name} NOT NULL" if name in ("student", "lesson", "exercise") else name for name in _COLUMNS
        )
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS marks ({columns}, PRIMARY KEY (student, exercise))")
        self._connection.execute("CREATE TABLE IF NOT EXISTS unread (student, source PRIMARY KEY, reason)")
        self._connection.commit()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.commit()
        self._connection.close()

    def digest(self, student: str, exercise: str) -> str | None:
        """The digest of what was marked before."""
        row = self._connection.execute(
            "SELECT digest FROM marks WHERE student = ? AND exercise = ?", (student, exercise)
        ).fetchone()
        return row[0] if row else None

    def keep(self, mark: Mark) -> None:
        """Keep a mark, in place of an older one of the same student's exercise. It is on the disk at once."""
        places = ", ".join("?" * len(_COLUMNS))
        with self._connection:
            self._connection.execute(f"INSERT OR REPLACE INTO marks VALUES ({places})", astuple(mark))

    def begin(self) -> None:
        """Forget what could not be read the last time: it is told anew."""
        with self._connection:
            self._connection.execute("DELETE FROM unread")

    def keep_unread(self, student: str, source: str, reason: str) -> None:
        """Keep what could not be marked."""
        with self._connection:
            self._connection.execute("INSERT OR REPLACE INTO unread VALUES (?, ?, ?)", (student, source, reason))

    def forget_all_but(self, kept: set[tuple[str, str]]) -> None:
        """Forget marks of (student, exercise) whose notebooks are no longer among the submissions."""
        gone = [
            row
            for row in self._connection.execute("SELECT student, exercise FROM marks").fetchall()
            if tuple(row) not in kept
        ]
        with self._connection:
            self._connection.executemany("DELETE FROM marks WHERE student = ? AND exercise = ?", gone)

    def marks(self) -> Iterator[Mark]:
        """Every mark, by student and exercise."""
        rows = self._connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM marks ORDER BY student, lesson, exercise")
        yield from (Mark(*row) for row in rows)

    def unread(self) -> list[tuple[str, str, str]]:
        """What could not be marked: student, file, reason."""
        return self._connection.execute("SELECT student, source, reason FROM unread ORDER BY source").fetchall()
