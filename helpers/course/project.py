"""Where things are in the repository, and what `pyproject.toml` says of it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from helpers.course.errors import CourseError


@dataclass(frozen=True)
class Project:
    """A copy of the repository on disk.

    Parameters
    ----------
    root
        The folder that holds `pyproject.toml`, `solutions/` and `notebooks/`.
    """

    root: Path

    @classmethod
    def here(cls) -> Project:
        """The repository that this package was installed from (`pip install -e .`)."""
        return cls(Path(__file__).resolve().parents[2])

    @property
    def solutions(self) -> Path:
        return self.root / "solutions"

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"

    @property
    def helpers(self) -> Path:
        return self.root / "helpers"

    @property
    def layers(self) -> Path:
        return self.helpers / "layers.py"

    @property
    def expected(self) -> Path:
        return self.helpers / "assets" / "expected"

    @cached_property
    def _settings(self) -> dict[str, Any]:
        path = self.root / "pyproject.toml"
        try:
            settings: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))["tool"]["course"]
        except (OSError, KeyError) as error:
            raise CourseError(path, None, "no [tool.course] with `slug` and `branch` in it") from error
        return settings

    @property
    def slug(self) -> str:
        """`account/repository`, as GitHub, Colab and Binder spell it."""
        return str(self._settings["slug"])

    @property
    def branch(self) -> str:
        return str(self._settings["branch"])

    @property
    def hub(self) -> str:
        """The address of the JupyterHub that hand-out links lead to."""
        return str(self._settings.get("hub", "https://hub.example.org")).rstrip("/")

    @property
    def think_answers(self) -> bool:
        """Whether the exercise notebooks hold an answer, folded, below each question for discussion."""
        value = self._settings.get("think_answers", True)
        if not isinstance(value, bool):
            path = self.root / "pyproject.toml"
            raise CourseError(path, None, f"think_answers is {value!r}; write `true` or `false`, without quotes")
        return value

    def relative(self, path: Path) -> Path:
        """`path` as seen from the root, for messages."""
        return path.relative_to(self.root)
