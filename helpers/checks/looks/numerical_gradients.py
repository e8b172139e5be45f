"""Compare the gradients of parameters that the check has no formula for with what changing them does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.seen import Seen

EPS, ROUNDING, ABSOLUTE = 1e-6, 1e-4, 1e-7  # a small step in float64, and how well a slope over it is known
# Part of an answer may compute in float32, where a small step drowns in rounding. Over a longer one a ReLU may bend:
# only plain mistakes count, beyond what two such steps differ.
LONG_EPS, PLAIN = 1e-3, 0.2


def seen_other_gradients(
    subject: Subject,
    draw: Draw,
    layer: nn.Module,
    call: Callable[[], torch.Tensor],
    known: Collection[torch.Tensor],
) -> Iterator[Seen]:
    """Yield whether parameters get the gradient that they should, where there are any beside the `known` ones.

    Parameters
    ----------
    subject, draw
        As a step is handed them.
    layer : nn.Module
        In float64 and eval mode.
    call : callable
        Gives its output.
    known : collection of tensor
        Parameters whose gradients are compared with a formula's.
    """
    ids = {id(parameter) for parameter in known}
    others = {name: p for name, p in layer.named_parameters() if id(p) not in ids}
    # Frozen zeros are a way to have no bias.
    others = {name: p for name, p in others.items() if p.requires_grad or bool(p.any())}
    if not others:
        return
    output = call()
    draw = draw.again("other gradients")
    ahead = draw.normal(*output.shape, dtype=torch.float64)
    directions = [draw.normal(*p.shape, dtype=torch.float64) for p in others.values()]
    got = subject.gradients(output, list(others.values()), ahead)
    slopes = [
        0.0 if gradient is None else float((gradient.double() * direction).sum())
        for gradient, direction in zip(got, directions, strict=True)
    ]

    def slope(parameters: Sequence[torch.Tensor], along: Sequence[torch.Tensor], eps: float) -> float:
        ends = []
        for step in (eps, -eps):
            with _moved(parameters, along, step):
                ends.append(float((call().double() * ahead).sum()))
        return (ends[0] - ends[1]) / (2 * eps)

    allowed = ROUNDING * max(map(abs, slopes)) + ABSOLUTE

    def is_right(parameter: torch.Tensor, direction: torch.Tensor, along: float) -> bool:
        if abs(slope([parameter], [direction], EPS) - along) <= allowed:
            return True
        first, second = (slope([parameter], [direction], eps) for eps in (LONG_EPS, LONG_EPS / 2))
        unsure = PLAIN * max(abs(first), abs(along)) + 3 * abs(first - second)
        return abs(first - along) <= unsure + allowed

    facts: dict[str, bool] = {}
    if abs(slope(list(others.values()), directions, EPS) - sum(slopes)) > allowed:
        each = zip(others.items(), directions, slopes, strict=True)
        facts = {name: is_right(parameter, direction, along) for (name, parameter), direction, along in each}
    told: Mapping[str, str] = {
        name: f"No gradient reaches `{name}`, although the output depends on it: is it, or something on the way, "
        "detached or turned into NumPy?"
        if along == 0
        else f"The gradient of `{name}` is not what a small change of it shows: is a part of the way to it detached?"
        for name, along in zip(others, slopes, strict=True)
    }
    yield Seen("Learning", facts, lambda: dict.fromkeys(facts, True), told=told)


@contextmanager
def _moved(parameters: Sequence[torch.Tensor], along: Sequence[torch.Tensor], step: float) -> Iterator[None]:
    before = [parameter.detach().clone() for parameter in parameters]
    with torch.no_grad():
        for parameter, direction in zip(parameters, along, strict=True):
            parameter.add_(step * direction)
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, numbers in zip(parameters, before, strict=True):
                parameter.copy_(numbers)
