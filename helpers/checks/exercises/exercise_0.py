"""Exercise 0, a weighted average: what the check looks at. A small example of a check, too.

The weights add up to 1, and an answer may count on that, or not: dividing by their sum is right, too. So what it would
give for weights that do not add up to 1 must play no part, in the gradients either.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.run import Exercise, Step
from helpers.checks.engine.seen import Seen
from helpers.checks.exercises.mistakes_0 import MISCONCEPTIONS
from helpers.checks.looks.gradients import seen_gradients


def look_at_average(
    subject: Subject, draw: Draw, n: int | None = None, dtype: torch.dtype = torch.float32
) -> Iterator[Seen]:
    """The average, and the gradients of values and weights."""
    n = draw.random.randrange(4, 9) if n is None else n
    values = draw.normal(n, dtype=dtype, scale=2.0).requires_grad_()
    weights = draw.normal(n, dtype=dtype).softmax(0).requires_grad_()
    average = subject.tensor(subject.answer, values, weights, name=subject.name)
    double = dtype == torch.float64
    what = f"The average of {n} values" if n > 1 else "The average of a single value"
    yield Seen(
        what + " in float64" * double,
        average,
        lambda: torch.dot(values.detach().double(), weights.detach().double()),
        sizes={"n": n},
        dtype=dtype if double else None,
    )
    exact = {"the values": values.detach().double(), "the weights": weights.detach().double()}
    leaves = {"the values": values, "the weights": weights}
    axes = dict.fromkeys(leaves, ("n",))
    seen = seen_gradients(subject, draw, average, leaves, lambda x: torch.dot(*x.values()), exact, axes, {"n": n})
    yield next(seen)
    of_weights = next(seen)
    of_weights.also = lambda: _on_other_sums(of_weights)
    yield of_weights


def _on_other_sums(seen: Seen) -> list[torch.Tensor]:
    """The gradient that would be right if it were the same as the answer's in the one direction that changes the sum.

    In every other direction, more weight here is less weight there; adding one number to all places changes nothing.
    """
    expected = seen.expected()
    if not isinstance(seen.got, torch.Tensor) or seen.got.shape != expected.shape:
        return []
    return [expected + (seen.got.detach().cpu().double() - expected).mean()]


EXERCISE = Exercise(
    id="0",
    title="a weighted average",
    passed="The average and its gradients are right.",
    hints=(
        "`values * weights` multiplies place by place.",
        "`.sum()` adds up all the places of a tensor. The weights add up to 1 already, so nothing is to be divided.",
    ),
    steps=(
        Step("the average", look_at_average),
        Step("one value", look_at_average, {"n": 1}),
        Step("many values", look_at_average, {"n": 100}),
        Step("float64", look_at_average, {"dtype": torch.float64}, (("in float32", {"dtype": torch.float32}),)),
    ),
    telling="the average",
    misconceptions=MISCONCEPTIONS,
)
