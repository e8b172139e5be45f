"""Exercise 4, the Transformer block: what the check looks at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import CAUSAL, PADDING, PER_HEAD, PER_QUERY, Draw
from helpers.checks.engine.run import Exercise, Step, simpler_cases
from helpers.checks.engine.seen import Seen
from helpers.checks.exercises.block_case import make_case
from helpers.checks.exercises.block_dropout import seen_block_dropout
from helpers.checks.exercises.mistakes_4 import MISCONCEPTIONS
from helpers.checks.looks.devices import seen_elsewhere
from helpers.checks.looks.dropout import (
    in_train_mode,
    seen_default_dropout,
    seen_in_train_mode,
    seen_without_dropout,
)
from helpers.checks.looks.gradients import seen_gradients
from helpers.checks.looks.numerical_gradients import seen_other_gradients
from helpers.checks.looks.used_before import overwrite, second_call


def look_at_output(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """The output for random weights and inputs; `settings` are those of `make_case`."""
    what = "In float64, the output" if settings.get("dtype") == torch.float64 else "The output"
    yield make_case(subject, draw, **settings).seen(what)


def look_at_default_eps(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Words that hardly vary show how large the number is that keeps the norm from dividing by 0."""
    case = make_case(subject, draw, options={"norm_first": True}, scale=3e-3)
    yield case.seen("The output with the default norm_eps for words of tiny variance")


def look_at_empty_rows(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """A text that is nothing but padding."""
    case = make_case(subject, draw, mask=PADDING, **settings)
    assert case.mask is not None
    case.mask[-1] = False
    yield case.seen("The output where a word may attend to nothing,")


def look_at_gradients(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """The gradients of the input and of all weights."""
    case = make_case(subject, draw, dtype=torch.float64, **settings)
    case.x.requires_grad_()
    output = case.call()
    yield case.seen("The output", output)
    leaves: dict[str, torch.Tensor] = {"x": case.x, **case.fitted.parameters}
    exact = {"x": case.x.detach().double(), **case.fitted.weights}

    def torchs(leaves: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return case.expected(leaves, leaves["x"])

    axes = {"x": ("b", "t", "k")}
    yield from seen_gradients(subject, draw, output, leaves, torchs, exact, axes, case.sizes, case.words)
    yield from seen_other_gradients(subject, draw, case.layer, case.call, case.fitted.parameters.values())


def look_at_eval(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """No dropout in eval mode."""
    case = make_case(subject, draw, dropout=P, **settings)
    first, second = case.call(), case.call()
    yield seen_without_dropout(first, second)
    yield case.seen(f"The output in eval mode with dropout={P}", first)


def look_at_training(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """With dropout=0 none in train mode either."""
    yield make_case(subject, draw, **settings).seen_in_train_mode("The output in train mode with dropout=0")


def look_at_dropout(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """Train mode is random; where dropout falls is left open."""
    yield seen_in_train_mode(make_case(subject, draw, dropout=P, b=4, t=8, **settings), P)


def look_at_default_dropout(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Where nothing else is said, dropout is 0.1."""
    yield from seen_default_dropout(
        subject, lambda dropout: make_case(subject, draw, hidden=False, dropout=dropout, b=4, t=8)
    )


def look_at_places_of_dropout(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """Dropout falls on the attention's weights and on what attention and MLP return, as the lesson's text has it.

    With texts of one word there are few numbers to drop.
    """
    p = 0.4
    case = make_case(subject, draw, dropout=p, dtype=torch.float64, b=36, t=1, h=2, m=2, more=1, **settings)
    with in_train_mode(case.layer):
        output = case.call()
    yield seen_block_dropout(output[:, 0], case, p, "Dropout in train mode" + case.words)


def look_at_defaults(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Nothing said but the two sizes."""
    yield make_case(subject, draw, hidden=False, dropout=None).seen(
        "The output of a block made with embed_dim and num_heads alone"
    )


def look_twice(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A block that has been used keeps nothing: neither of other sizes, nor of other numbers of the same sizes."""
    case = make_case(subject, draw, mask=PADDING)
    assert case.mask is not None
    case.call()
    for in_place in (False, True):
        others = [draw.normal(*case.x.shape), case.mask.roll(1, 0)]
        if in_place:
            overwrite(case.x, case.mask, by=others)
        else:
            case.x, case.mask = others
        with second_call("with other numbers"):
            what = "The output of a block that was used before, for other tensors of the same sizes,"
            yield replace(case.seen(what), alone=None)
    case.x, case.mask, case.words = draw.normal(5, 9, case.sizes["k"]), None, ""
    case.sizes = case.sizes | {"b": 5, "t": 9}
    with second_call():
        what = "The output of a block that was used before, with other sizes and a mask,"
        yield replace(case.seen(what), alone=None)


def look_elsewhere(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """Tensors that are made on the way are made where the inputs are."""
    case = make_case(subject, draw, mask=PER_QUERY, **settings)
    yield from seen_elsewhere(subject, case.layer, case.x, case.mask)


SIMPLER: tuple[tuple[str, dict[str, Any]], ...] = (
    ("without a mask", {"mask": None}),
    ("without bias", {"bias": False}),
    ("for one head, and wrong for several", {"h": 1, "m": 6}),
    ("for a batch of one, and wrong for several", {"b": 1}),
    ("in float32, but not in float64", {"dtype": torch.float32}),
    ("for tensors that have no axis of size 1", {"ones": ""}),
    ("for shorter inputs", {"long": False}),
)
_USUAL: dict[str, Any] = {
    "mask": None, "bias": False, "h": None, "m": None, "b": None, "dtype": torch.float32, "ones": "", "long": False,
}  # fmt: skip


def _output(right: str, draws: str = "a block", **settings: Any) -> Step:
    return Step(right, look_at_output, settings, simpler_cases(settings, _USUAL, SIMPLER), draws=draws)


OTHER_PLACES = (
    "dropout is applied in other places than in the text of the exercise, which drops some of the attention's "
    "weights, and some of what attention and MLP return before it is added."
)
P = 0.7
FIRST: dict[str, Any] = {"options": {"norm_first": True}}
EXERCISE = Exercise(
    id="4",
    title="the Transformer block",
    passed="Attention, MLP, norms first and last, masks and gradients agree with torch's own layer, and dropout is for "
    "training only.",
    hints=(
        "Draw the block as two halves of one shape: something is computed from x, and something is added to it. What "
        "is computed in each half, and what exactly is added?",
        "Say for each half, once for norm_first=False and once for True: what goes into the norm, and what goes around "
        "it? Every argument of `__init__` should turn up in one of the parts.",
    ),
    steps=(
        _output("norm last"),
        _output("norm first", **FIRST),
        _output("GELU", options={"activation": "gelu"}),
        _output("norm_eps", options={"norm_eps": 0.5}),
        _output("norm_eps", options={"norm_eps": 0.5, "norm_first": True}),
        Step("norm_eps", look_at_default_eps, draws="a block"),
        _output("bias", bias=True),
        *(_output("masks", mask=mask) for mask in (PADDING, CAUSAL, PER_HEAD)),
        _output("masks with norm first", "another block", mask=PADDING, **FIRST),
        _output("sizes of 1", ones="b m"),
        _output("sizes of 1", ones="t h"),
        _output("long inputs", "another block", long=True),
        _output(
            "float64",
            dtype=torch.float64,
            mask=PER_QUERY,
            bias=True,
            options={"norm_first": True, "activation": "gelu"},
        ),
        Step("the gradients", look_at_gradients),
        Step("the gradients", look_at_gradients, {"bias": True, "mask": PER_QUERY, **FIRST}),
        Step("rows without any key", look_at_empty_rows, draws="another block"),
        Step("rows without any key", look_at_empty_rows, FIRST, draws="another block"),
        Step("using a block twice", look_twice),
        Step("eval mode", look_at_eval, draws="a block with dropout"),
        Step("eval mode", look_at_eval, {"mask": PADDING, **FIRST}, draws="a block with dropout"),
        Step("train mode without dropout", look_at_training, draws="another block"),
        Step("train mode without dropout", look_at_training, {"mask": PER_QUERY}, draws="another block"),
        Step("train mode without dropout", look_at_training, {"mask": PADDING, **FIRST}, draws="another block"),
        Step("dropout", look_at_dropout, draws="a block with dropout"),
        Step("dropout", look_at_dropout, FIRST, draws="a block with dropout"),
        Step("the defaults", look_at_defaults, draws="the defaults"),
        Step("the defaults", look_at_default_dropout, draws="the defaults"),
        Step("the places of dropout", look_at_places_of_dropout, remark=OTHER_PLACES),
        Step("the places of dropout", look_at_places_of_dropout, FIRST, remark=OTHER_PLACES),
        Step("other devices", look_elsewhere),
        Step("other devices", look_elsewhere, FIRST),
    ),
    telling="norm first",
    misconceptions=MISCONCEPTIONS,
)
