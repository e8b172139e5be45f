"""Exercise 1, additive attention: what the check looks at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.run import Exercise, Step, simpler_cases
from helpers.checks.engine.seen import Seen
from helpers.checks.exercises.additive_case import Case
from helpers.checks.exercises.additive_parts import additive_weights, draw_parts
from helpers.checks.exercises.attention_case import NAN_GRADIENT
from helpers.checks.exercises.mistakes_1 import MISCONCEPTIONS
from helpers.checks.looks.devices import seen_elsewhere
from helpers.checks.looks.gradients import seen_gradients
from helpers.checks.looks.numerical_gradients import seen_other_gradients
from helpers.checks.looks.strides import NOT_CONTIGUOUS, seen_scattered
from helpers.checks.looks.used_before import overwrite, second_call


def look_at_weights(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """The weights; `settings` are those of `Case`."""
    case = Case(subject, draw, **settings)
    yield case.seen_weights(case.call()[1])


def look_at_both(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """The weights, then the context; `settings` are those of `Case`."""
    case = Case(subject, draw, **settings)
    context, weights = case.call()
    before = "In float64, the " if case.dtype == torch.float64 else "The "
    yield case.seen_weights(weights, before + "tensor of weights")
    yield case.seen_context(context, before + "context")


def look_at_large_scores(subject: Subject, draw: Draw, mask: bool = False) -> Iterator[Seen]:
    """Scores in the thousands, exact ones: they overflow a softmax that does not subtract its maximum.

    In float64: from such numbers, float32 cannot subtract the logarithm of a sum of powers as exactly as we compare.
    """
    case = Case(subject, draw, mask=mask, hidden=3, q=4, k=6, tk=9, dtype=torch.float64)
    yield case.seen_weights(case.call()[1])  # weights of 0 and 1 alone would be little to tell mistakes apart by
    # Each key is a unit vector and U is ±30, so each tanh is exactly ±1, and each score an odd multiple of 1024: that
    # of key 0 is -1024, of key 1 1024, of key 2 7168, of key 3 -7168.
    case.query = torch.zeros_like(case.query)
    ahead = draw.normal(3).sign()
    some = torch.tensor([[1, 1, -1], [-1, -1, 1], [1, 1, 1], [-1, -1, -1]]).T * ahead[:, None]
    large = {"U": 30 * torch.cat([some, draw.normal(3, 2).sign()], 1), "v": 1024 * 2.0 ** torch.arange(3) * ahead}
    # The first text has the best key, the others have not: no text's maximum will do for another.
    places = torch.randint(2, case.keys.shape[:2], generator=draw.generator)
    places[:, :2] = torch.arange(2)
    places = torch.tensor([3, 1])[places] if mask else places
    places[0] = torch.randperm(9, generator=draw.generator) % 6
    case.keys = F.one_hot(places, 6).double()
    case.hold(draw_parts(draw, case.arguments) | large)
    if mask:  # the best keys are forbidden: what hides them must be lower than the scores that are left, below -1000
        scores = case.parts["v"] @ case.parts["U"].sign()  # of the 6 unit vectors
        case.mask, case.words = scores[places] < 0, " with a mask (b, tk) that forbids the best keys"
    context, weights = case.call()
    seen = case.seen_weights(weights, "For scores in the thousands, the tensor of weights")
    if mask:
        seen.clue = lambda got: (
            "The number that hides a score must win over every score, however large; and where a maximum is "
            "subtracted, it is each text's own"
        )
    yield seen
    yield case.seen_context(context, "For scores in the thousands, the context")


def look_at_empty_rows(subject: Subject, draw: Draw, gradients: bool = False) -> Iterator[Seen]:
    """A text in which nothing may be attended to."""
    case = Case(subject, draw, mask=True, dtype=torch.float64)
    assert case.mask is not None
    case.mask[-1] = False
    case.words = " where nothing may be attended to"
    seen = _with_gradients(case)
    yield from seen if gradients else islice(seen, 2)


def look_at_gradients(subject: Subject, draw: Draw, mask: bool = False) -> Iterator[Seen]:
    """The gradients of the query, the keys, W, U and v."""
    yield from _with_gradients(Case(subject, draw, mask=mask, dtype=torch.float64))


def _with_gradients(case: Case) -> Iterator[Seen]:
    leaves = {"the query": case.query.requires_grad_(), "the keys": case.keys.requires_grad_()}
    context, weights = case.call()
    yield case.seen_weights(weights)
    yield case.seen_context(context)
    held = case.roles.held
    leaves |= {n: p for n, p in case.layer.named_parameters() if n in held and "bias" not in held[n].part}
    exact = {name: leaf.detach().double() for name, leaf in leaves.items()}
    biases = {name: value for name, value in case.parameters().items() if name not in leaves}

    def formula(leaves: Mapping[str, torch.Tensor]) -> torch.Tensor:
        parts = case.roles.read({**biases, **leaves}, case.arguments)
        weights = additive_weights(parts, leaves["the query"], leaves["the keys"], case.mask)
        return torch.einsum("bt,btk->bk", weights, leaves["the keys"])

    axes = {"the query": ("b", "q"), "the keys": ("b", "tk", "k")}
    yield from seen_gradients(case.subject, case.draw, context, leaves, formula, exact, axes, case.sizes, case.words)
    yield from seen_other_gradients(case.subject, case.draw, case.layer, lambda: case.call()[0], list(leaves.values()))


def look_at_training(subject: Subject, draw: Draw, mask: bool = False) -> Iterator[Seen]:
    """Nothing in this layer is random, not in train mode either; there are enough keys for any change to show."""
    case = Case(subject, draw, mask=mask, b=4, tk=9)
    case.layer.train()
    context, weights = case.call()
    again = case.call()
    told = {"the same twice": "Two calls with the same input differ."}
    facts = {"the same twice": torch.equal(context, again[0]) and torch.equal(weights, again[1])}
    yield Seen("Train mode" + case.words, facts, lambda: {"the same twice": True}, told=told)
    yield case.seen_weights(weights, "The tensor of weights in train mode")
    yield case.seen_context(context, "The context in train mode")


def look_twice(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A layer that has been used keeps nothing: neither of other sizes or numbers, nor of the weights that it had."""
    case = Case(subject, draw, mask=True, b=3, tk=9)  # among few keys, a mask may leave a single one: its weight is 1
    assert case.mask is not None
    case.call()
    overwrite(
        case.query,
        case.keys,
        case.mask,
        by=[draw.normal(*case.query.shape), draw.normal(*case.keys.shape), case.mask.roll(1, 1)],
    )
    b, tk = case.sizes["b"] - 1, case.sizes["tk"] + 2
    for which in ("with other numbers", "with other sizes and without a mask", "after a change of W, U and v"):
        with second_call(which):
            context, weights = case.call()
        changed = which.startswith("after")
        case.words = " of a layer whose W, U and v have changed" if changed else " of a layer that was used before"
        # A text by itself would be one more call of this layer, and other because it has been used: no clue.
        yield replace(case.seen_weights(weights), alone=None)
        yield replace(case.seen_context(context), alone=None)
        if case.mask is None:  # the same inputs again: the last look is at what training changes
            case.hold(draw_parts(draw, case.arguments))
        else:
            case.query, case.keys = draw.normal(b, case.arguments.q), draw.normal(b, tk, case.arguments.k)
            case.mask, case.sizes = None, case.sizes | {"b": b, "tk": tk}


def look_at_scattered(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Inputs that are not contiguous."""
    case = Case(subject, draw, mask=True, b=2, tk=4)
    yield seen_scattered(subject, case.layer, case.query, case.keys, case.mask)


def look_elsewhere(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Tensors that are made on the way are made where the inputs are."""
    case = Case(subject, draw, mask=True)
    yield from seen_elsewhere(subject, case.layer, case.query, case.keys, case.mask)


SIMPLER: tuple[tuple[str, dict[str, Any]], ...] = (
    ("without a mask", {"mask": False}),
    ("for sizes that all differ", dict.fromkeys(("b", "tk", "q", "k", "hidden"))),
    ("for a batch of one, and wrong for several", {"b": 1}),
    ("in float32, but not in float64", {"dtype": torch.float32}),
    ("for sizes above 1", {"ones": ""}),
    ("for fewer keys", {"long": False}),
)
_USUAL: dict[str, Any] = {"mask": False, "b": None, "dtype": torch.float32, "ones": "", "long": False}


def _both(right: str, **settings: Any) -> Step:
    return Step(right, look_at_both, settings, simpler_cases(settings, _USUAL, SIMPLER))


EXERCISE = Exercise(
    id="1",
    title="additive attention",
    passed="Scores, weights, context, masks and gradients agree with the formula.",
    hints=(
        "W q is (b, hidden) and U k is (b, tk, hidden). To add the first to each of the tk rows of the second, it "
        "needs an axis of length 1 in the middle: `[:, None]`.",
        "v turns (b, tk, hidden) into one score for each key: (b, tk). For the context, give the weights an axis at "
        "the end, (b, tk, 1), multiply them with the keys, and add up over the keys.",
    ),
    steps=(
        Step("the weights", look_at_weights, {}, simpler_cases({}, _USUAL, SIMPLER)),
        _both("the context"),
        *(_both("sizes of 1", ones=ones) for ones in ("b tk", "b", "tk", "q k", "hidden")),
        _both("equal sizes", **dict.fromkeys(("b", "tk", "q", "k", "hidden"), 4)),
        _both("many keys", long=True),
        Step("masks", look_at_weights, {"mask": True}, simpler_cases({"mask": True}, _USUAL, SIMPLER)),
        _both("masks and context", mask=True),
        *(_both("masks and context", mask=True, ones=ones) for ones in ("b", "tk")),
        Step("using a layer twice", look_twice),
        _both("float64", mask=True, dtype=torch.float64),
        Step("large scores", look_at_large_scores),
        Step("large scores", look_at_large_scores, {"mask": True}),
        Step("the gradients", look_at_gradients),
        Step("the gradients", look_at_gradients, {"mask": True}),
        Step("rows without any key", look_at_empty_rows),
        Step("rows without any key", look_at_empty_rows, {"gradients": True}, remark=NAN_GRADIENT),
        Step("train mode", look_at_training),
        Step("train mode", look_at_training, {"mask": True}),
        Step("another device", look_elsewhere),
        Step("inputs that are not contiguous", look_at_scattered, remark=NOT_CONTIGUOUS),
    ),
    telling="masks and context",
    misconceptions=MISCONCEPTIONS,
)
