"""Find W, U and v among an answer's parameters, whatever they are called, and give them known numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, product
from math import prod
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.seen import same
from helpers.checks.engine.trouble import Trouble

Parts = dict[str, torch.Tensor]  # W (hidden, q), U (hidden, k), v, W_bias and U_bias (hidden,)

_MOST_TRIED = 24


class Sizes(NamedTuple):
    """The three arguments of the exercise's class."""

    q: int
    k: int
    hidden: int

    def inputs(self, part: str) -> int:
        """How many numbers a matrix takes."""
        return {"W": self.q, "U": self.k, "WU": self.q + self.k, "UW": self.q + self.k}[part]


_PROBE = Sizes(5, 8, 3)  # all different, and their sums: a size says what an axis is


class Held(NamedTuple):
    """What a parameter holds.

    "WU" is both matrices side by side, for query and keys that are joined first, and "UW" has the keys first;
    "v_bias" adds the same to all scores, which softmax takes out again.
    """

    part: str
    transposed: bool = False


@dataclass(frozen=True)
class Roles:
    """What each of an answer's parameters holds; one that the formula does not have has no entry."""

    held: Mapping[str, Held]

    def read(self, parameters: Mapping[str, torch.Tensor], sizes: Sizes) -> Parts:
        """Put W, U, v and the biases together from an answer's parameters."""
        found: Parts = {}
        for name, (part, transposed) in self.held.items():
            value = parameters[name]
            if part in ("W", "U", "WU", "UW"):
                shape = (sizes.inputs(part), sizes.hidden)
                matrix = value.reshape(shape).T if transposed else value.reshape(shape[::-1])
                widths = [sizes.inputs(letter) for letter in part]
                found |= dict(zip(part, matrix.split(widths, dim=1), strict=True))
            elif part != "v_bias":
                found[part] = found[part] + value.flatten() if part in found else value.flatten()
        return found

    def write(self, layer: nn.Module, parts: Parts, sizes: Sizes) -> None:
        """Let an answer's parameters hold these parts. Where two hold one bias, the first one gets it."""
        left = dict(parts)
        with torch.no_grad():
            for name, parameter in learned(layer).items():
                if name not in self.held:
                    continue
                part, transposed = self.held[name]
                if part in ("W", "U", "WU", "UW"):
                    value = torch.cat([parts[letter] for letter in part], dim=1)
                else:
                    value = left.pop(part, torch.zeros(parameter.numel()))
                value = (value.T if transposed else value).reshape(parameter.shape).to(parameter)
                if isinstance(parameter, nn.Parameter):
                    parameter.copy_(value)
                else:
                    module, _, attribute = name.rpartition(".")
                    with suppress(
                        NotImplementedError, RuntimeError, ValueError
                    ):  # it takes no such numbers: it keeps its own
                        setattr(layer.get_submodule(module), attribute, value)


def find_roles(subject: Subject) -> Roles:
    """Find an answer's roles by its parameters' sizes; where these leave a choice, by what the answer does.

    Raises
    ------
    Trouble
        There is nothing that could be W, U or v.
    """
    key = ("roles", id(subject.answer))  # a misconception is handed the notes of the answer that it is compared with
    if key not in subject.notes:
        subject.notes[key] = _found_roles(subject)
    found: Roles = subject.notes[key]
    return found


def learned(layer: nn.Module) -> dict[str, torch.Tensor]:
    """Return a layer's parameters by name; of one that is computed, as with `weight_norm`, what is computed."""
    found: dict[str, torch.Tensor] = dict(layer.named_parameters())
    for place, module in layer.named_modules():
        if is_parametrized(module):
            before = f"{place}." if place else ""
            for name in module.parametrizations:
                inside = f"{before}parametrizations.{name}."
                found = {known: value for known, value in found.items() if not known.startswith(inside)}
                found[before + name] = getattr(module, name)
    return found


def insist_on_all(roles: Roles, layer: nn.Module, sizes: Sizes) -> None:
    """Look for the parameters again in an instance of other sizes, where two of them may have become one.

    Raises
    ------
    Trouble
        Some are missing.
    """
    named = learned(layer)
    missing = [name for name in roles.held if name not in named]
    if missing:
        arguments = f"query_dim={sizes.q}, key_dim={sizes.k}, hidden_dim={sizes.hidden}"
        every = dict(layer.named_parameters(remove_duplicate=False))
        same_one = every.get(missing[0])
        twin = next((name for name in named if same_one is not None and every.get(name) is same_one), None)
        if twin is not None:
            parts = [roles.held[name].part for name in (twin, missing[0])]
            layers = " and ".join(parts if all(part in ("W", "U", "v") for part in parts) else (twin, missing[0]))
            sentence = f"{layers} are one and the same layer where their sizes are equal: make two. Here, {arguments}."
            raise Trouble(sentence, "missing", missing[0])
        sentence = f"With {arguments}, there is no parameter `{missing[0]}` of its own, as there is for other sizes."
        raise Trouble(f"{sentence} W, U and v are three: make each anew, whatever the sizes.", "missing", missing[0])


def draw_parts(draw: Draw, sizes: Sizes) -> Parts:
    """Draw W, U, v and biases: whether an answer has them or not, so that what is drawn next is the same for all."""
    return {
        "W": draw.normal(sizes.hidden, sizes.q, scale=1.2 * sizes.q**-0.5),
        "U": draw.normal(sizes.hidden, sizes.k, scale=1.2 * sizes.k**-0.5),
        "v": draw.normal(sizes.hidden, scale=1.5),
        "W_bias": draw.normal(sizes.hidden, scale=0.5),
        "U_bias": draw.normal(sizes.hidden, scale=0.5),
    }


def randomize_others(layer: nn.Module, roles: Roles, seed: int) -> None:
    """Draw the parameters that the formula does not have: an answer that uses them then shows it."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in learned(layer).items():
            if name not in roles.held and isinstance(parameter, nn.Parameter):
                parameter.copy_(torch.randn(parameter.shape, generator=generator))


def settle(subject: Subject, layer: nn.Module, query: torch.Tensor, keys: torch.Tensor) -> None:
    """Let lazy layers find out how large they are."""
    if any(is_lazy(parameter) for parameter in layer.parameters()):
        subject.call(layer, query, keys)


def additive_weights(
    parts: Parts, query: torch.Tensor, keys: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the weights (b, tk) of the formula: softmax of v^T tanh(W q + U k), zeros where nothing is allowed."""
    nothing = torch.zeros((), dtype=query.dtype)
    queries = torch.einsum("bq,hq->bh", query, parts["W"]) + parts.get("W_bias", nothing)
    inside = torch.einsum("btk,hk->bth", keys, parts["U"]) + parts.get("U_bias", nothing) + queries[:, None]
    scores = torch.einsum("bth,h->bt", inside.tanh(), parts["v"])
    if mask is None:
        return scores.softmax(-1)
    some = mask.any(-1, keepdim=True)
    return scores.masked_fill(~mask & some, -torch.inf).softmax(-1) * some


def _found_roles(subject: Subject) -> Roles:
    draw = Draw(1, "which parameter is which")
    query, keys = draw.normal(2, _PROBE.q), draw.normal(2, 4, _PROBE.k)
    parts = draw_parts(draw, _PROBE)
    layer = subject.make(*_PROBE)
    settle(subject, layer, query, keys)
    choices = list(islice(_possible(layer), _MOST_TRIED))
    if len(choices) == 1 or not subject.is_students:  # a misconception's layers are those of the lesson
        return choices[0]

    def weights(roles: Roles, **changes: torch.Tensor) -> torch.Tensor:
        roles.write(layer, parts | changes, _PROBE)
        randomize_others(layer, roles, draw.seed)
        came = subject.call(layer, query, keys)
        found = came[-1] if isinstance(came, tuple) else came
        return found if isinstance(found, torch.Tensor) else torch.zeros(())

    def fits(roles: Roles) -> bool:
        got = weights(roles)
        held = roles.read({name: value.detach() for name, value in learned(layer).items()}, _PROBE)
        return same(got, additive_weights(held, query, keys))

    def fits_somewhat(roles: Roles) -> bool:
        """Without U, or without v, no key is scored higher than another: so it is in most wrong answers, too."""
        without = (weights(roles, U=torch.zeros_like(parts["U"])), weights(roles, v=torch.zeros_like(parts["v"])))
        return all(same(got, got.mean(-1, keepdim=True).expand(got.shape)) for got in without)

    try:
        return next((roles for fit in (fits, fits_somewhat) for roles in choices if fit(roles)), choices[0])
    except (Trouble, RuntimeError):  # which the first step will tell
        return choices[0]


def _possible(layer: nn.Module) -> Iterator[Roles]:
    """Every way in which parameters of these sizes could be W, U, v and biases, the likeliest first."""
    shapes = {name: tuple(parameter.shape) for name, parameter in learned(layer).items()}
    first, second = _matrices(shapes, "W"), _matrices(shapes, "U")
    joined = _matrices(shapes, "WU")
    pairs: list[dict[str, Held]] = [{**one, **other} for one, other in product(first, second)]
    if not pairs:
        pairs = [
            {name: Held(part, held.transposed)} for one in joined for name, held in one.items() for part in ("WU", "UW")
        ]
    if not pairs:
        part = "U" if first else "W"
        raise _missing(part, f"it maps {_PROBE.inputs(part)} numbers to {_PROBE.hidden}", "nn.Linear", layer)
    vectors = [name for name, shape in shapes.items() if max(shape, default=0) == prod(shape) == _PROBE.hidden]
    if not vectors:
        raise _missing("v", f"it has {_PROBE.hidden} numbers", "nn.Linear(hidden_dim, 1)", layer)
    vectors.sort(key=lambda name: (len(shapes[name]) == 1, name.endswith("bias")))  # nn.Linear's v has two axes
    constants = {n: Held("v_bias") for n, shape in shapes.items() if prod(shape) == 1 and n.endswith("bias")}
    for pair, v in product(pairs, vectors):
        beside_keys = {name.rpartition(".")[0] for name, held in pair.items() if held.part == "U"} - {""}
        biases = {
            name: Held("U_bias" if name.rpartition(".")[0] in beside_keys else "W_bias")
            for name in vectors
            if name != v
        }
        yield Roles({**pair, v: Held("v"), **biases, **constants})


def _matrices(shapes: Mapping[str, tuple[int, ...]], part: str) -> list[dict[str, Held]]:
    """Parameters with the sizes of a matrix; a convolution's, for instance, has a further axis of size 1."""
    wanted = (_PROBE.hidden, _PROBE.inputs(part))
    found = []
    for name, shape in shapes.items():
        sizes = tuple(size for size in shape if size != 1)
        if sizes in (wanted, wanted[::-1]):
            found.append({name: Held(part, sizes != wanted)})
    return found


def _missing(part: str, what: str, kind: str, layer: nn.Module) -> Trouble:
    arguments = f"query_dim={_PROBE.q}, key_dim={_PROBE.k}, hidden_dim={_PROBE.hidden}"
    sentence = f"With {arguments}, no parameter has the size of {part}: {what}. "
    hidden = [name for name, value in vars(layer).items() if _unseen(value)] + list(layer._buffers)
    if hidden:
        sentence += f"`self.{hidden[0]}` is not seen by torch as a parameter, so it would not learn: "
        advice = "make each a layer or an `nn.Parameter` of its own, not in a plain list."
        return Trouble(sentence + advice, "missing", part)
    return Trouble(f"{sentence}Make it in `__init__`, by `{kind}` say.", "missing", part)


def _unseen(value: object) -> bool:
    """Whether this is, or holds, numbers of a layer that torch does not know of."""
    if isinstance(value, (list, tuple)):
        return any(_unseen(part) for part in value)
    return isinstance(value, (torch.Tensor, nn.Module))
