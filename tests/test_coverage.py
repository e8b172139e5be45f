"""What the page of numbers says of the checks is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers import checks
from helpers.checks import EXERCISES
from helpers.checks.engine.mistakes import Mistake
from helpers.checks.exercises import ex_02
from helpers.course.__main__ import main
from helpers.course.build import coverage
from helpers.layers import DotProductAttention

ROOT = Path(__file__).parent.parent


def test_the_table_in_docs_is_what_the_command_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["coverage"]) == 0
    table = capsys.readouterr().out.strip()
    assert table in (ROOT / "docs" / "measured.md").read_text("utf-8"), (
        "The table in docs/measured.md is out of date: run `python -m helpers.course coverage` and paste what it "
        f"prints over the old one:\n{table}"
    )


def test_every_exercise_has_eight_misconceptions_and_five_right_answers_or_is_the_small_example() -> None:
    table = coverage.coverage_table(ROOT / "tests")
    counts = {row[0]: (int(row[1]), int(row[2])) for row in re.findall(r"\| (\w+)\. .* \| (\d+) \| (\d+) \|", table)}
    assert list(counts) == list(EXERCISES)
    for number, (misconceptions, right) in counts.items():
        assert misconceptions >= (4 if number == "0" else 8), number
        assert right >= 5, number


def test_the_table_counts_what_is_there() -> None:
    before = coverage.coverage_table(ROOT / "tests", names=True)
    assert f"- 2: {ex_02.MISTAKES[0].name}; " in before
    removed = ex_02.MISTAKES.pop()
    try:
        assert coverage.coverage_table(ROOT / "tests") != before.split("\n\n")[0]
    finally:
        ex_02.MISTAKES.append(removed)


def test_outside_the_repository_the_command_says_where_to_run_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Run this in the repository"):
        coverage.coverage_table(tmp_path)


def test_a_change_that_no_longer_applies_is_named_with_its_exercise_and_met_by_no_student(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from answers.mutate import mutated
    from answers.right_2 import WithBmm
    from checks_support import failure

    assert coverage.changes_that_no_longer_apply() == []
    ex_02.MISTAKES.insert(0, Mistake("gone", "Gone.", (("no such line", ""),), (DotProductAttention,), {}))
    try:
        (problem,) = coverage.changes_that_no_longer_apply()
        assert problem.startswith("exercise 2: 'gone' changes 'no such line'")
        failed = failure(checks.dot_product_attention, mutated(WithBmm, ("dim=2", "dim=1")))
        assert failed.misconception == "softmax over the queries"
    finally:
        del ex_02.MISTAKES[0]
