"""What the instructor's commands raise: a message that names the file, the line and what to do."""

from __future__ import annotations

from pathlib import Path


class CourseError(Exception):
    """Something in the course's source has to be mended by a person.

    Parameters
    ----------
    path
        The file that holds the mistake.
    line
        Its line, counted from 1, or None when the mistake concerns the whole file.
    message
        What is wrong and what to do about it.
    """

    def __init__(self, path: Path, line: int | None, message: str) -> None:
        self.path, self.line, self.message = path, line, message
        place = f"{path}:{line}" if line else f"{path}"
        super().__init__(f"{place}: {message}")
