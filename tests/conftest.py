"""What every test shares: a place of its own for progress, and matplotlib as it was."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


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
