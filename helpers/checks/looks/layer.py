"""What the checks of all layers look at, written once for any `Case`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import PER_HEAD, Draw
from helpers.checks.engine.seen import Seen, same, seen_facts
from helpers.checks.engine.trouble import Trouble
from helpers.checks.looks.case import Case, Mask
from helpers.checks.looks.devices import seen_elsewhere
from helpers.checks.looks.dropout import (
    Called,
    in_train_mode,
    seen_default_dropout,
    seen_in_train_mode,
    seen_the_same_twice,
)
from helpers.checks.looks.gradients import seen_gradients, seen_reached
from helpers.checks.looks.strides import seen_scattered
from helpers.checks.looks.used_before import overwrite, second_call

Kind = type[Case]
P = 0.7
BY_SIZES = "The output of a block made with embed_dim and num_heads alone"
NAN_GRADIENT = (
    "where nothing may be attended to, its gradient is NaN. One text of padding would spoil all weights in training."
)


def output(subject: Subject, draw: Draw, case: Kind, what: str = "The output", **settings: Any) -> Iterator[Seen]:
    """The output for random weights and inputs."""
    double = settings.get("dtype") == torch.float64
    yield case(subject, draw, **settings).seen("In float64, the output" if double else what)


def empty_rows(subject: Subject, draw: Draw, case: Kind, **settings: Any) -> Iterator[Seen]:
    """A query that may attend to nothing."""
    yield _with_an_empty_row(case(subject, draw, **settings), settings).seen("The output")


def gradients(subject: Subject, draw: Draw, case: Kind, empty: bool = False, **settings: Any) -> Iterator[Seen]:
    """The gradients of the inputs and of all weights; with `empty`, where a query may attend to nothing."""
    a_case = case(subject, draw, dtype=torch.float64, **settings)
    if empty:
        _with_an_empty_row(a_case, settings)
    inputs = {name: a_case.given[name].requires_grad_() for name in a_case.inputs if a_case.given[name] is not None}
    came = a_case.call()
    yield a_case.seen("The output", came)
    fitted = a_case.layer.fitted

    def right(leaves: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return a_case.oracle(leaves, **a_case.exact(leaves))

    exact = fitted.weights | {name: x.detach().double() for name, x in inputs.items()}
    axes = {name: case.takes[name].axes.split() for name in inputs}  # type: ignore[union-attr]
    leaves = inputs | fitted.parameters
    yield from seen_gradients(subject, draw, came, leaves, right, exact, axes, a_case.sizes, a_case.words)
    yield from seen_reached(subject, draw, a_case.layer.module, a_case.call, fitted.parameters.values())


def _with_an_empty_row(case: Case, settings: Mapping[str, Any]) -> Case:
    for name in case.takes:
        if isinstance(case.takes[name], Mask) and case.given[name] is not None:
            case.given[name][(-1, 0, -1) if settings[name] == PER_HEAD else -1] = False
    case.words = " where a word may attend to nothing," + case.words
    return case


def eval_mode(subject: Subject, draw: Draw, case: Kind, **settings: Any) -> Iterator[Seen]:
    """No dropout in eval mode."""
    a_case = case(subject, draw, dropout=P, **settings)
    first, second = a_case.call(), a_case.call()
    yield seen_the_same_twice(first, second)
    yield a_case.seen(f"The output in eval mode with dropout={P}", first)


def train_mode(subject: Subject, draw: Draw, case: Kind, twice: bool = False, **settings: Any) -> Iterator[Seen]:
    """With dropout=0 none in train mode either; where it can be nothing else, `twice` says so of what is random."""
    a_case = case(subject, draw, **settings)

    def call(first_only: bool = False) -> torch.Tensor:
        with in_train_mode(a_case.layer.module):
            return a_case.call(first_only)

    came = call()
    if twice:
        yield seen_the_same_twice(came, call(), asked=False)
    seen = a_case.seen("The output in train mode with dropout=0", came)
    seen.alone = lambda: call(first_only=True)
    yield seen


def dropout(subject: Subject, draw: Draw, case: Kind, **settings: Any) -> Iterator[Seen]:
    """Train mode is random; where dropout falls is left open."""
    a_case = case(subject, draw, dropout=P, b=4, t=8, **settings)
    yield seen_in_train_mode(Called(a_case.layer.module, a_case.call), P)


def default_dropout(subject: Subject, draw: Draw, case: Kind, **settings: Any) -> Iterator[Seen]:
    """Where nothing else is said, dropout is 0.1."""

    def called(dropout: float | None) -> Called:
        a_case = case(subject, draw, dropout=dropout, b=4, t=8, **settings)
        return Called(a_case.layer.module, a_case.call)

    yield from seen_default_dropout(subject, called)


def second_use(subject: Subject, draw: Draw, case: Kind, **settings: Any) -> Iterator[Seen]:
    """A layer that has been used keeps nothing: neither of other numbers of the same sizes, nor of other sizes."""
    a_case = case(subject, draw, own=True, **settings)
    a_case.call()
    used = f"The output of a {case.noun} that was used before,"
    for in_place in (False, True):
        others = {
            name: x if x is None else x.roll(1, 0) if x.dtype == torch.bool else draw.normal(*x.shape)
            for name, x in a_case.given.items()
        }
        if in_place:
            overwrite(*a_case.given.values(), by=list(others.values()))
        else:
            a_case.given = others
        with second_call("with other numbers"):
            yield a_case.seen(f"{used} for other tensors of the same sizes,", alone=False)
    if a_case.layer.fitted.parameters:
        a_case.refit(draw)
        with second_call("with other weights"):
            yield a_case.seen(
                f"The output of a {case.noun} that was used before, with other weights since,", alone=False
            )
    # With all sizes of the inputs others, too: a scale may be kept, for instance.
    first, own = a_case.sizes, a_case.layer.sizes
    while any(size == first[axis] for axis, size in a_case.sizes.items() if axis not in own and "·" not in axis):
        a_case.draw_inputs(draw, {name: a_case.is_needed(name) for name in case.takes})
    with second_call():
        yield a_case.seen(f"{used} with other sizes and masks,", alone=False)


def order(subject: Subject, draw: Draw, case: Kind, **settings: Any) -> Iterator[Seen]:
    """By place, the arguments come in their order."""
    a_case = case(subject, draw, **settings)
    told = (
        f"Handed over by place, as in `{case.noun}({', '.join(case.takes)})`, the arguments of `forward` are "
        "taken for each other."
    )
    wanted = a_case.call()
    try:
        came = subject.tensor(a_case.layer.module, *a_case.given.values())
    except Trouble as trouble:
        if trouble.key[0] != "raised":
            raise
        came = torch.zeros(())
    yield seen_facts("The order of the arguments", {"order": (same(came, wanted), told)})


def elsewhere(subject: Subject, draw: Draw, case: Kind, **settings: Any) -> Iterator[Seen]:
    """Tensors that are made on the way are made where the inputs are."""
    a_case = case(subject, draw, **settings)
    given = {name: x for name, x in a_case.given.items() if x is not None}
    by_place = [given.pop(name) for name in list(given) if a_case.is_needed(name)]
    yield from seen_elsewhere(subject, a_case.layer.module, *by_place, named=given)


def scattered(subject: Subject, draw: Draw, case: Kind, **settings: Any) -> Iterator[Seen]:
    """Inputs that are not contiguous."""
    a_case = case(subject, draw, **settings)
    yield seen_scattered(subject, a_case.layer.module, *a_case.given.values())
