"""Exercise 0, a weighted average: what goes in, what is right, and mistakes. A small example of a check, too.

The weights add up to 1, and an answer may count on that, or not: dividing by their sum is right, too. So what it would
give for weights that do not add up to 1 must play no part, in the gradients either.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.exercise import Exercise, Step
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen
from helpers.checks.looks.gradients import seen_gradients


def weighted_average(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the lesson's own answer, which mistakes change."""
    return (values * weights).sum()


def look_at_average(
    subject: Subject, draw: Draw, n: int | None = None, dtype: torch.dtype = torch.float32
) -> Iterator[Seen]:
    """The average, and the gradients of values and weights."""
    n = draw.random.randrange(4, 9) if n is None else n
    values = draw.normal(n, dtype=dtype, scale=2.0).requires_grad_()
    weights = draw.normal(n, dtype=dtype).softmax(0).requires_grad_()
    average = subject.tensor(subject.answer, values, weights, name=subject.name)
    exact = {"the values": values.detach().double(), "the weights": weights.detach().double()}
    what = f"The average of {n} values" if n > 1 else "The average of a single value"
    yield Seen(what, average, lambda: torch.dot(*exact.values()), sizes={"n": n}, dtype=dtype)
    leaves = {"the values": values, "the weights": weights}
    axes = dict.fromkeys(leaves, ("n",))
    seen = seen_gradients(subject, draw, average, leaves, lambda x: torch.dot(*x.values()), exact, axes, {"n": n})
    yield next(seen)
    of_weights = next(seen)
    of_weights.also = lambda: _on_other_sums(of_weights)
    yield of_weights


def _on_other_sums(seen: Seen) -> list[torch.Tensor]:
    """The gradient that would be right if it were the answer's in the one direction that changes the weights' sum."""
    expected = seen.expected()
    if not isinstance(seen.got, torch.Tensor) or seen.got.shape != expected.shape:
        return []
    return [expected + (seen.got.detach().cpu().double() - expected).mean()]


MISTAKES = Mistakes(weighted_average).read(
    """
    plain mean: The weights play no part: this is the plain mean of the values.
        (values * weights).sum() => values.mean()
    plain sum: This is the plain sum of the values. The weights play no part, or are added up on their own, to 1:
    multiply each value by its weight first, then add up.
        (values * weights).sum() => values.sum()
    not added up: Each value is multiplied by its weight, but the products still have to be added up.
        (values * weights).sum() => values * weights
    divided by the number of values: The sum is divided by the number of values as well. The weights add up to 1: they
    have divided already.
        .sum() => .mean()
    values plus weights: Values and weights are added. Multiply each value by its weight.
        values * weights => values + weights
    divided by the weights: Each value is divided by its weight. Multiply: a large weight should count more.
        values * weights => values / weights
    the most trusted alone: Only the value with the largest weight counts here. All of them should.
        (values * weights).sum() => values[weights.argmax()]
    softmax of the weights: The weights go through a softmax, which evens them out. They add up to 1 already.
        * weights => * weights.softmax(0)
    every pair: Every value meets every weight here. Each value should meet its own weight only.
        (values * weights).sum() => (values[:, None] * weights[None]).mean()
    """
)

EXERCISE = Exercise(
    id="0",
    title="a weighted average",
    passed="The average and its gradients are right.",
    hints={1: ("the average",), 2: ("one value", "many values")},
    steps=(
        Step("the average", look_at_average),
        Step("one value", look_at_average, {"n": 1}),
        Step("many values", look_at_average, {"n": 100}),
        Step(
            "float64",
            look_at_average,
            {"dtype": torch.float64},
            remark="for numbers in float64 something else than float64 comes out, or it stops.",
        ),
    ),
    telling="the average",
    misconceptions=MISTAKES,
)
