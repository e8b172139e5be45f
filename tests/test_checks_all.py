"""What holds for the check of every exercise: right answers in any style pass, each misconception is told its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

import pytest
from answers.detached import detached
from checks_support import failure

from helpers import checks
from helpers.checks import EXERCISES
from helpers.checks.engine.exercise import Exercise

SEEDS = (1, 22)


def check_of(number: str) -> Callable[..., None]:
    return getattr(checks, EXERCISES[number].check)  # type: ignore[no-any-return]


def exercise_of(number: str) -> Exercise:
    return checks.exercise_of(number)


def right_answers() -> Iterable[Any]:
    for number in EXERCISES:
        answers = import_module(f"answers.right_{number}").ANSWERS
        named = answers if isinstance(answers, dict) else {answer.__name__: answer for answer in answers}
        for name, answer in named.items():
            yield pytest.param(number, answer, id=f"{number}-{name}")


def learning_answers() -> Iterable[Any]:
    """The right answers that have something to learn."""
    return [case for case in right_answers() if case.values[0] in ("1", "3", "4", "6b", "7", "12b")]


def misconceptions() -> Iterable[Any]:
    for number in EXERCISES:
        for misconception in exercise_of(number).misconceptions:
            yield pytest.param(number, misconception, id=f"{number}-{misconception.name}")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("number", "answer"), list(right_answers()))
def test_right_answers_in_any_style_pass(
    number: str, answer: Any, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    check_of(number)(answer, seed=seed, record=False)
    assert capsys.readouterr().out.startswith(f"✓ Exercise {number}: {EXERCISES[number].title}.")


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(("number", "answer"), learning_answers())
def test_no_parameter_may_be_detached_however_an_answer_is_written(number: str, answer: Any, rank: int) -> None:
    failed = failure(check_of(number), detached(answer, rank))
    assert "gradient" in str(failed).lower()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("number", "misconception"), list(misconceptions()))
def test_each_misconception_is_told_its_own_sentence(number: str, misconception: Any, seed: int) -> None:
    failed = failure(check_of(number), misconception.answer, seed)
    assert failed.misconception == misconception.name, str(failed)
    assert misconception.sentence in str(failed)
    others = (other for other in exercise_of(number).misconceptions if other.name != misconception.name)
    assert not any(other.sentence in str(failed) for other in others)


@pytest.mark.parametrize("number", EXERCISES)
def test_no_sentence_stands_for_two_misconceptions(number: str) -> None:
    listed = {(m.name, m.sentence) for m in exercise_of(number).misconceptions}
    assert len(listed) >= 8
    assert len({name for name, _ in listed}) == len({sentence for _, sentence in listed}) == len(listed)
