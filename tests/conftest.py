"""What every test shares: a place of its own for progress, and the environment of an executed lesson."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.course.build.execute import kernel_environment


def pytest_configure(config: pytest.Config) -> None:
    """nbval's kernels inherit this process's environment: give them the one that lessons were built in."""
    if getattr(config.option, "nbval", False):
        os.environ.update(kernel_environment(tempfile.mkdtemp(prefix="course-record-")))


@pytest.fixture(autouse=True)
def own_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test touches the person's own progress and feedback."""
    monkeypatch.setenv("COURSE_RECORD", str(tmp_path / "record"))


@pytest.fixture(autouse=True)
def own_style() -> Iterator[None]:
    """A test that draws in the course's style leaves matplotlib's own to the next."""
    yield
    if "matplotlib" in sys.modules:
        sys.modules["matplotlib"].rcdefaults()
