"""Whether a text classifier's layers would learn: the gradient that reaches each, beside the one that should."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch

from helpers.checks.engine.draw import Draw
from helpers.checks.engine.seen import Seen, same
from helpers.checks.exercises.transformer_case import Case

Named = dict[str, torch.nn.Parameter]


def seen_gradients(case: Case, output: torch.Tensor, draw: Draw) -> Iterator[Seen]:
    """Yield whether the gradient reaches classifier and blocks, then the embedding's gradient.

    It goes from the end to the beginning, as gradients do: what is told first is nearest to where it stops.

    Parameters
    ----------
    case : Case
        In float64: some gradients are sums that cancel.
    output : tensor
        The answer's logits, already seen to be right.
    draw : Draw
        Says of what the gradients are taken.
    """
    parts = case.parts
    layers: dict[str, Named] = {"the classifier": dict(parts.classifier.named_parameters())}
    for number in range(len(parts.blocks), 0, -1):
        layers[f"block {number}"] = dict(parts.blocks[number - 1].named_parameters())
    layers["the embeddings"] = dict(parts.embedding.named_parameters())
    leaves: list[torch.Tensor] = [parameter for layer in layers.values() for parameter in layer.values()]
    ahead = draw.normal(*output.shape)
    # A misconception computes with the student's own blocks: that they are frozen is none of its doing.
    frozen = {id(leaf) for leaf in leaves if not leaf.requires_grad}
    found = dict(zip(map(id, leaves), case.subject.gradients(output, leaves, ahead), strict=True))

    @functools.cache
    def wanted() -> dict[int, torch.Tensor | None]:
        for leaf in leaves:
            leaf.requires_grad_()
        try:
            total = (case.expected()["logits"] * ahead).sum()
            return dict(zip(map(id, leaves), torch.autograd.grad(total, leaves, allow_unused=True), strict=True))
        finally:
            for leaf in leaves:
                leaf.requires_grad_(id(leaf) not in frozen)

    def state(parameter: torch.nn.Parameter) -> Any:
        """True if all is well; a word for what is not."""
        got, right = found[id(parameter)], wanted()[id(parameter)]
        if right is None or (id(parameter) in frozen and not case.subject.is_students):
            return True
        if id(parameter) in frozen:
            return "is frozen"
        if got is None:
            return "gets none"
        return same(got.float(), right.float()) or "gets another"  # a table of positions in float32 is right too

    facts: dict[str, Any] = {}
    told: dict[str, str] = {}
    for layer, parameters in layers.items():
        if layer == "the embeddings":
            break
        states = {name: state(parameter) for name, parameter in parameters.items()}
        facts[layer] = next((word for word in states.values() if word is not True), True)
        if facts[layer] is not True:
            name = next(name for name, word in states.items() if word is not True)
            told[layer] = _told(layer, name, facts[layer])
    yield Seen("Learning", facts, lambda: dict.fromkeys(facts, True), told=told)
    table = parts.embedding.weight
    if id(table) in frozen:
        told = {"the embeddings": _told("the embeddings", "weight", "is frozen")}
        yield Seen("Learning", {"the embeddings": False}, lambda: {"the embeddings": True}, told=told)
    got = found[id(table)]

    def wanted_for_table() -> torch.Tensor:
        right = wanted()[id(table)]
        assert right is not None
        return right.float()

    got = None if got is None else got.float()
    yield Seen("The gradient of the embeddings", got, wanted_for_table, ("vocab", "k"), case.sizes)


def _told(layer: str, name: str, word: str) -> str:
    if word == "is frozen":
        return f"In {layer}, `{name}` has `requires_grad=False`: it would never learn."
    if word == "gets none":
        return f"No gradient reaches {layer} (`{name}`): is something detached, or turned into plain numbers, after it?"
    return f"The gradient of {layer} (`{name}`) is not what the formula gives: is a part of the way to it detached?"
