"""Compare the gradients of an answer with torch's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import torch
from torch import nn

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.seen import Seen, same, seen_facts


def seen_gradients(
    subject: Subject,
    draw: Draw,
    output: torch.Tensor,
    leaves: Mapping[str, torch.Tensor],
    exact: Callable[[Mapping[str, torch.Tensor]], torch.Tensor],
    exact_leaves: Mapping[str, torch.Tensor],
    axes: Mapping[str, Sequence[str]],
    sizes: Mapping[str, int],
    when: str = "",
) -> Iterator[Seen]:
    """Yield the gradient that reaches each leaf, beside the one that torch gives.

    Parameters
    ----------
    subject, draw
        As a step is handed them.
    output : tensor
        The answer's output, already seen to be right.
    leaves : mapping
        Tensors of the answer's computation, named as a message should name them.
    exact : callable
        Computes torch's output in float64 from leaves of these names.
    exact_leaves : mapping
        The leaves' values in float64, and whatever else `exact` needs.
    axes, sizes : mapping
        For messages: names of a leaf's axes, and their sizes.
    when : str
        For messages: which case this is.
    """
    ahead = draw.again("gradients").normal(*output.shape)
    got = subject.gradients(output, list(leaves.values()), ahead)

    @functools.cache
    def expected() -> dict[str, torch.Tensor]:
        copies = {name: value.detach().clone().requires_grad_() for name, value in exact_leaves.items()}
        total = (exact(copies) * ahead).sum()
        return dict(zip(leaves, torch.autograd.grad(total, [copies[name] for name in leaves]), strict=True))

    def expected_for(name: str) -> torch.Tensor:
        return expected()[name]

    for name, gradient in zip(leaves, got, strict=True):
        shown = name if name.startswith("the ") else f"`{name}`"
        what = f"The gradient of {shown}{when}"
        yield Seen(what, gradient, functools.partial(expected_for, name), axes.get(name, ()), sizes)


def seen_reached(
    subject: Subject,
    draw: Draw,
    layer: nn.Module,
    call: Callable[[], torch.Tensor],
    known: Collection[torch.Tensor],
) -> Iterator[Seen]:
    """Yield whether a gradient reaches the parameters that the check has no formula for, where there are any.

    Parameters
    ----------
    subject, draw
        As a step is handed them.
    layer : nn.Module
        In eval mode.
    call : callable
        Gives its output.
    known : collection of tensor
        Parameters whose gradients are compared with a formula's.
    """
    ids = {id(parameter) for parameter in known}
    others = {name: p for name, p in layer.named_parameters() if id(p) not in ids}
    output, draw = call(), draw.again("other gradients")
    got = subject.gradients(output, list(others.values()), draw.normal(*output.shape))
    facts = {}
    for (name, parameter), gradient in zip(others.items(), got, strict=True):
        # Frozen zeros are a way to have no bias; and where there is no memory, say, nothing depends on its projection.
        if gradient is None and (parameter.requires_grad or bool(parameter.any())):
            told = f"No gradient reaches `{name}`, although the output depends on it: is it, or something on the way, "
            facts[name] = (not _matters(parameter, call, draw), told + "detached or turned into NumPy?")
    yield seen_facts("Learning", facts)


def _matters(parameter: torch.Tensor, call: Callable[[], torch.Tensor], draw: Draw) -> bool:
    """Whether the output is another one with other numbers in a parameter."""
    output, before = call(), parameter.detach().clone()
    with torch.no_grad():  # not around a call, which would switch gradients on again
        parameter.add_(draw.normal(*parameter.shape))
    moved = call()
    with torch.no_grad():
        parameter.copy_(before)
    return not same(output, moved)
