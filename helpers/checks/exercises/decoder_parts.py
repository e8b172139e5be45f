"""Find the parts of a decoder block by what they are, whatever their names, and give them weights that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.seen import same
from helpers.checks.engine.trouble import Trouble
from helpers.checks.exercises.mlp_parts import fit_mlp
from helpers.checks.exercises.parts import Fitted, randomize
from helpers.checks.exercises.self_attention_case import PROJECTIONS, fit_attention
from helpers.checks.exercises.unnamed_attention import Matrix, Ways, attention_matrices, claimed, is_whole


@dataclass
class Options:
    """What a block's layers may be; only what the block computes can decide.

    Attributes
    ----------
    attentions : sequence of (Fitted, Fitted)
        The attention in the text so far, and the one to the memory.
    norms : list of Fitted
        The three norms, in the order in which `__init__` makes them.
    mlp : Fitted
        Its two layers.
    norm_layers : list of nn.Module
        The norms themselves.
    attention_layers : list of nn.Module
        The two attentions, if both are layers.
    """

    attentions: Sequence[tuple[Fitted, Fitted]]
    norms: list[Fitted]
    mlp: Fitted
    norm_layers: list[nn.Module]
    attention_layers: list[nn.Module]

    def firsts(self) -> list[int]:
        """For each attention that may be the one in the text so far, the first pair that begins with it."""
        if isinstance(self.attentions, Pairs):
            return self.attentions.firsts()
        return sorted({id(pair[0]): i for i, pair in reversed(list(enumerate(self.attentions)))}.values())

    def with_first_of(self, i: int) -> Sequence[int]:
        """The pairs that begin as pair i does."""
        if isinstance(self.attentions, Pairs):
            return self.attentions.with_first_of(i)
        first = self.attentions[i][0]
        return [other for other, pair in enumerate(self.attentions) if pair[0] is first]

    def misnamed(self, block: nn.Module, attentions: int, norms: Sequence[int]) -> list[str]:
        """Return which of the lesson's names belong to another part than in the lesson."""
        places = {f"norm_{place}": self.norm_layers[i] for place, i in enumerate(norms, start=1)}
        if self.attention_layers:
            first, second = self.attention_layers[:: -1 if attentions else 1]
            places |= {"self_attention": first, "cross_attention": second}
        return [name for name, part in places.items() if getattr(block, name, part) is not part]

    def joined(self, attentions: int, norms: Sequence[int]) -> Fitted:
        """Return all weights under names such as ``"self-attention.to_keys.weight"`` and ``"norm 2.bias"``."""
        named = dict(zip(("self-attention", "cross-attention"), self.attentions[attentions], strict=True))
        named |= {f"norm {place}": self.norms[i] for place, i in enumerate(norms, start=1)}
        joined = Fitted()
        for name, fitted in {**named, "": self.mlp}.items():
            start = f"{name}." if name else ""
            joined.weights |= {f"{start}{key}": value for key, value in fitted.weights.items()}
            joined.parameters |= {f"{start}{key}": value for key, value in fitted.parameters.items()}
        return joined


def fit_decoder(subject: Subject, draw: Draw, block: nn.Module, sizes: dict[str, int], dtype: torch.dtype) -> Options:
    """Give a decoder block random weights.

    Raises
    ------
    Trouble
        There are not two attentions, three norms and two linear layers of the right sizes.
    """
    k, modules = sizes["k"], list(block.modules())
    whole = [m for m in modules if isinstance(m, nn.MultiheadAttention) or _has_projections(m)]
    inside = {id(part) for m in whole if m is not block for part in m.modules()}
    inside |= {id(getattr(m, name)) for m in whole for name in (*PROJECTIONS, "unify_heads") if hasattr(m, name)}
    written_out: list[list[Matrix]] = []
    if len(whole) < 2:
        matrices = _known_matrices(subject, block, inside, k)
        if len(whole) == 1 and is_whole(matrices, k):
            written_out = [matrices]
        elif not whole and sum(m.outputs for m in matrices) == 8 * k:
            written_out = _told_apart(subject, draw.again("told apart"), block, matrices, sizes, dtype)
    if len(whole) + len(written_out) != 2:
        sentence = (
            f"The check finds {_count(len(whole), 'attention layer')} in this block; there should be two, each "
            "with weights of its own: one for the text so far, and one for `memory`. `SelfAttention` of exercise 3 "
            "serves for both."
        )
        raise Trouble(sentence, "attentions", len(whole))
    fitted = [
        _fit_attention(subject, draw.again(f"attention {place}"), layer, sizes, dtype)
        for place, layer in enumerate(whole)
    ]
    pieces = [
        Ways(draw.again(f"written out {place}"), matrices, sizes["h"]) for place, matrices in enumerate(written_out)
    ]
    attentions: Sequence[tuple[Fitted, Fitted]]
    if len(pieces) == 2:
        attentions = Pairs(pieces[0], pieces[1])
    elif pieces:
        ways = [Fitted(way) for way in pieces[0]]
        attentions = [pair for way in ways for pair in ((way, fitted[0]), (fitted[0], way))]
    else:
        attentions = [(fitted[0], fitted[1]), (fitted[1], fitted[0])]
    taken = inside.union(*(claimed(matrices) for matrices in written_out))
    norms = [m for m in modules if id(m) not in taken and _is_norm(m, k)]
    plain = [m for m in modules if isinstance(m, nn.LayerNorm) and not [*m.parameters()]]
    if len(norms) != 3 and plain:
        raise Trouble("A layer norm here has no weight and bias to learn, unlike those in torch's own block.", "norm")
    if len(norms) != 3:
        sentence = (
            f"The check finds {_count(len(norms), 'layer norm')} over {k} features in this block; there "
            "should be three, each with weights of its own: one after each sum."
        )
        raise Trouble(sentence, "norms", len(norms))
    fitted_norms = [_fit_norm(draw, norm) for norm in norms]
    mlp = Fitted()
    taken |= {id(p) for m in norms for p in m.parameters()}
    taken |= {id(p) for m in modules if id(m) in inside for p in m._parameters.values()}
    fit_mlp(subject, draw, mlp, modules, taken, sizes, False, dtype)
    taken |= {id(p) for p in mlp.claimed}
    randomize([p for p in block.parameters() if id(p) not in taken], draw.again("others"))
    return Options(attentions, fitted_norms, mlp, norms, whole if len(whole) == 2 else [])


def _known_matrices(subject: Subject, block: nn.Module, others: set[int], k: int) -> list[Matrix]:
    """Return the matrices of attention that is written out: the same ones in every block of one class."""
    known = subject.notes.get("attention layers")
    matrices = [m for m in attention_matrices(block, others, k) if known is None or m.name in known]
    subject.notes["attention layers"] = [m.name for m in matrices]  # an MLP may be 2 k wide, too
    return matrices


def _told_apart(
    subject: Subject, draw: Draw, block: nn.Module, matrices: list[Matrix], sizes: dict[str, int], dtype: torch.dtype
) -> list[list[Matrix]]:
    """Divide the matrices of two attentions: those that play a part without a memory, and the others."""
    if "cross" not in subject.notes:
        x = draw.normal(2, 3, sizes["k"], dtype=dtype)
        before = subject.tensor(block, x)
        subject.notes["cross"] = []
        for matrix in matrices:
            part = matrix.weight if matrix.number is None else matrix.weight[matrix.number]
            numbers = part.detach().clone()
            with torch.no_grad():
                part.copy_(draw.normal(*part.shape))
            if same(subject.tensor(block, x), before):
                subject.notes["cross"].append(matrix.name)
            with torch.no_grad():
                part.copy_(numbers)
    groups = [[m for m in matrices if (m.name in subject.notes["cross"]) is wanted] for wanted in (False, True)]
    return groups if all(is_whole(group, sizes["k"]) for group in groups) else []


class Pairs(Sequence[tuple[Fitted, Fitted]]):
    """Every way of one attention with every way of the other; each way is one object in all of its pairs."""

    def __init__(self, first: Ways, second: Ways) -> None:
        self._first, self._second = first, second
        self._made: dict[tuple[bool, int], Fitted] = {}

    def __len__(self) -> int:
        return len(self._first) * len(self._second)

    def __getitem__(self, i: Any) -> Any:
        if not 0 <= i < len(self):
            raise IndexError(i)
        one, other = divmod(i, len(self._second))
        return self._way(False, self._first, one), self._way(True, self._second, other)

    def firsts(self) -> list[int]:
        """As in `Options`, without making all pairs, of which there are thousands."""
        return list(range(0, len(self), len(self._second)))

    def with_first_of(self, i: int) -> range:
        """As in `Options`."""
        start = i - i % len(self._second)
        return range(start, start + len(self._second))

    def _way(self, is_second: bool, ways: Ways, i: int) -> Fitted:
        if (is_second, i) not in self._made:
            self._made[is_second, i] = Fitted(ways[i])
        return self._made[is_second, i]


def _has_projections(module: nn.Module) -> bool:
    return all(isinstance(getattr(module, name, None), nn.Module) for name in (*PROJECTIONS, "unify_heads"))


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}" + "s" * (number != 1)


def _fit_attention(subject: Subject, draw: Draw, layer: nn.Module, sizes: dict[str, int], dtype: torch.dtype) -> Fitted:
    """Whether the projections have a bias is left open."""
    if not isinstance(layer, nn.MultiheadAttention):
        bias = getattr(layer.to_keys, "bias", None) is not None
        return fit_attention(subject, draw, layer, sizes, bias, dtype, None)
    randomize(layer.parameters(), draw)
    fitted = Fitted()
    parts = {"weight": layer.in_proj_weight, "bias": layer.in_proj_bias}
    last = {"weight": layer.out_proj.weight, "bias": layer.out_proj.bias}
    for kind, joint in parts.items():
        if joint is not None:
            for name, part in zip(PROJECTIONS, joint.detach().double().chunk(3), strict=True):
                fitted.weights[f"{name}.{kind}"] = part
    for kind, parameter in last.items():
        if parameter is not None:
            fitted.weights[f"unify_heads.{kind}"] = parameter.detach().double()
    return fitted


def _is_norm(module: nn.Module, k: int) -> bool:
    """Layer norm, torch's or the student's own: all that it learns is k weights, which begin at 1, and k biases."""
    own = [p for p in module._parameters.values() if p is not None]
    if isinstance(module, nn.LayerNorm):
        return module.normalized_shape == (k,) and bool(own)
    return bool(own) and len(own) <= 2 and all(p.shape == (k,) for p in own) and any(bool((p == 1).all()) for p in own)


def _fit_norm(draw: Draw, norm: nn.Module) -> Fitted:
    fitted = Fitted()
    with torch.no_grad():
        for parameter in norm._parameters.values():
            if parameter is None:
                continue
            kind = "weight" if bool((parameter == 1).all()) else "bias"
            value = draw.normal(len(parameter), scale=0.5) + (kind == "weight")
            parameter.copy_(value)
            fitted.weights[kind] = value.double()
            fitted.parameters[kind] = parameter
    return fitted
