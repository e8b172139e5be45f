"""Mistakes written as a table: what it may hold, and what is said of one that does not fit the reference."""

from __future__ import annotations

import pytest
import torch

from helpers.checks.engine.mistakes import Mistakes


def half(x: torch.Tensor) -> torch.Tensor:
    """Half of it."""
    y = x / 2
    return y  # noqa: RET504  (a line of its own, to be changed)


def test_a_table_gives_names_sentences_and_changes() -> None:
    read = Mistakes(half).read(
        r"""
    doubled: It is doubled, and this sentence: it goes over
    two lines.
        / 2 => * 2
    nothing: Nothing is left.
        y = x / 2 => y = x\n    y = y - x
      or return y
            => return 0 * y
        / 2 =>
    """
    )
    assert [(m.name, m.sentence) for m in read] == [
        ("doubled", "It is doubled, and this sentence: it goes over two lines."),
        ("nothing", "Nothing is left."),
        ("nothing", "Nothing is left."),
    ]
    assert [m.answer(torch.tensor(3.0)).item() for m in read] == [6.0, 0.0, 0.0]


def test_a_sentence_without_a_change_is_refused() -> None:
    with pytest.raises(ValueError, match="no table of mistakes: 'tripled"):
        Mistakes(half).read("    halved: Fine.\n        / 2 => / 1\n    tripled: But how?\n    ")


def test_a_change_that_no_longer_applies_is_named() -> None:
    (mistake,) = Mistakes(half).read("    tripled: It is tripled.\n        / 5 => * 3\n    ")
    assert "'tripled' changes '/ 5', which is not in half" in mistake.problem
