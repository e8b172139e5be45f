"""Find the parts of a decoder block by what they are, whatever their names, and give them weights that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import nn

from helpers.checks.draw import Draw
from helpers.checks.parts import Fitted, Wanted, fit_linear, randomize
from helpers.checks.self_attention_case import PROJECTIONS, fit_attention
from helpers.checks.subject import Subject
from helpers.checks.trouble import Trouble
from helpers.checks.unnamed_attention import attention_layers, attention_ways, is_whole


@dataclass
class Options:
    """What a block's layers may be; only what the block computes can decide.

    Attributes
    ----------
    attentions : list of (Fitted, Fitted)
        The attention in the text so far, and the one to the memory.
    norms : list of Fitted
        The three norms, in the order in which `__init__` makes them.
    mlp : Fitted
        Its two layers.
    """

    attentions: list[tuple[Fitted, Fitted]]
    norms: list[Fitted]
    mlp: Fitted

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
    written_out: list[list[nn.Linear]] = []
    if len(whole) < 2:
        layers = _known_layers(subject, block, [m for m in modules if id(m) not in inside], k)
        if len(whole) == 1 and is_whole(layers, k):
            written_out = [layers]
        elif not whole and sum(m.out_features for m in layers) == 8 * k:
            written_out = _told_apart(subject, block, layers, sizes, dtype)
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
        [Fitted(way) for way in attention_ways(draw.again(f"written out {place}"), layers, sizes["h"])]
        for place, layers in enumerate(written_out)
    ]
    if len(pieces) == 2:
        attentions = list(product(pieces[0], pieces[1]))
    elif pieces:
        attentions = [pair for way in pieces[0] for pair in ((way, fitted[0]), (fitted[0], way))]
    else:
        attentions = [(fitted[0], fitted[1]), (fitted[1], fitted[0])]
    taken = inside | {id(m) for layers in written_out for m in layers}
    norms = [m for m in modules if id(m) not in taken and _is_norm(m, k)]
    if len(norms) != 3:
        sentence = (
            f"The check finds {_count(len(norms), 'layer norm')} over {k} features in this block; there "
            "should be three, each with weights of its own: one after each sum."
        )
        raise Trouble(sentence, "norms", len(norms))
    fitted_norms = [_fit_norm(draw, norm) for norm in norms]
    mlp = _fit_mlp(subject, draw, block, taken, sizes, dtype)
    known = {id(p) for m in norms for p in m.parameters()} | {id(p) for p in mlp.claimed}
    known |= {id(p) for m in modules if id(m) in taken for p in m._parameters.values()}
    randomize([p for p in block.parameters() if id(p) not in known], draw.again("others"))
    return Options(attentions, fitted_norms, mlp)


def _known_layers(subject: Subject, block: nn.Module, modules: list[nn.Module], k: int) -> list[nn.Linear]:
    """Return the layers of attention that is written out: the same ones in every block of one class."""
    names = {id(module): name for name, module in block.named_modules()}
    known = subject.notes.get("attention layers")
    layers = attention_layers([m for m in modules if known is None or names[id(m)] in known], k)
    subject.notes["attention layers"] = [names[id(m)] for m in layers]  # an MLP may be 2 k wide, too
    return layers


def _told_apart(
    subject: Subject, block: nn.Module, layers: list[nn.Linear], sizes: dict[str, int], dtype: torch.dtype
) -> list[list[nn.Linear]]:
    """Divide the layers of two attentions: those that play a part without a memory, and the others."""
    names = {id(module): name for name, module in block.named_modules()}
    if "cross" not in subject.notes:
        output = subject.tensor(block, torch.ones(2, 3, sizes["k"], dtype=dtype))
        weights = [layer.weight for layer in layers]
        reached = subject.gradients(output, weights, torch.ones(output.shape))
        subject.notes["cross"] = [names[id(m)] for m, grad in zip(layers, reached, strict=True) if grad is None]
    cross = [names[id(m)] in subject.notes["cross"] for m in layers]
    groups = [[m for m, is_cross in zip(layers, cross, strict=True) if is_cross is wanted] for wanted in (False, True)]
    return groups if all(is_whole(group, sizes["k"]) for group in groups) else []


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


def _fit_mlp(
    subject: Subject, draw: Draw, block: nn.Module, taken: set[int], sizes: dict[str, int], dtype: torch.dtype
) -> Fitted:
    k, hidden = sizes["k"], sizes["hidden"]
    linear = [m for m in block.modules() if isinstance(m, nn.Linear) and id(m) not in taken]
    shapes = {(m.in_features, m.out_features): m for m in linear}
    if (k, hidden) not in shapes or (hidden, k) not in shapes:
        widths = sorted({n for shape in shapes for n in shape} - {k})
        if not widths:
            sentence = "The check finds no MLP in this block: two linear layers, from k to the hidden width and back."
            raise Trouble(sentence, "no mlp")
        why = "twice embed_dim" if hidden == 2 * k else "as hidden_dim says"
        sentence = f"The MLP is {widths[0]} wide inside; it should be {hidden} wide, {why}."
        raise Trouble(sentence, "hidden", *widths)
    fitted = Fitted()
    for name, shape in (("mlp_1", (k, hidden)), ("mlp_2", (hidden, k))):
        fit_linear(subject, draw, fitted, name, shapes[shape], Wanted(*shape, None), dtype)
    return fitted
