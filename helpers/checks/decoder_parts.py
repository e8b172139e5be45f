"""Find the parts of a decoder block by what they are, whatever their names, and give them weights that are known."""

from __future__ import annotations

from itertools import permutations

import torch
from torch import nn

from helpers.checks.draw import Draw
from helpers.checks.parts import Fitted, Wanted, fit_linear, randomize
from helpers.checks.self_attention_case import PROJECTIONS, fit_attention
from helpers.checks.subject import Subject
from helpers.checks.trouble import Trouble

ATTENTIONS = ("self-attention", "cross-attention")
NORMS = ("norm 1", "norm 2", "norm 3")


def fit_decoder(
    subject: Subject, draw: Draw, block: nn.Module, sizes: dict[str, int], dtype: torch.dtype
) -> list[Fitted]:
    """Give a decoder block random weights.

    Returns
    -------
    list of Fitted
        All ways to tell the two attentions and the three norms apart, which only what the block computes can decide;
        the first takes them in the order in which `__init__` makes them. Weights are named as in
        ``"self-attention.to_keys.weight"``, ``"norm 2.bias"``, ``"mlp_1.weight"``.

    Raises
    ------
    Trouble
        There are not two attentions, three norms and two linear layers of the right sizes.
    """
    attentions = [m for m in block.modules() if isinstance(m, nn.MultiheadAttention) or _has_projections(m)]
    if len(attentions) != 2:
        sentence = (
            f"The check finds {_count(len(attentions), 'attention layer')} in this block; there should be two, each "
            "with weights of its own: one for the text so far, and one for `memory`. `SelfAttention` of exercise 3 "
            "serves for both."
        )
        raise Trouble(sentence, "attentions", len(attentions))
    fitted_attentions = [
        _fit_attention(subject, draw.again(f"attention {place}"), layer, sizes, dtype)
        for place, layer in enumerate(attentions)
    ]
    taken = {id(module) for top in attentions for module in top.modules()}
    norms = [m for m in block.modules() if id(m) not in taken and _is_norm(m, sizes["k"])]
    if len(norms) != 3:
        sentence = (
            f"The check finds {_count(len(norms), 'layer norm')} over {sizes['k']} features in this block; there "
            "should be three, each with weights of its own: one after each sum."
        )
        raise Trouble(sentence, "norms", len(norms))
    fitted_norms = [_fit_norm(draw, norm) for norm in norms]
    mlp = _fit_mlp(subject, draw, block, taken, sizes, dtype)
    return [
        _joined({**dict(zip(ATTENTIONS, first, strict=True)), **dict(zip(NORMS, second, strict=True)), "": mlp})
        for first in permutations(fitted_attentions)
        for second in permutations(fitted_norms)
    ]


def _has_projections(module: nn.Module) -> bool:
    return all(isinstance(getattr(module, name, None), nn.Module) for name in (*PROJECTIONS, "unify_heads"))


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}" + "s" * (number != 1)


def _joined(named: dict[str, Fitted]) -> Fitted:
    joined = Fitted()
    for name, fitted in named.items():
        start = f"{name}." if name else ""
        joined.weights |= {f"{start}{key}": value for key, value in fitted.weights.items()}
        joined.parameters |= {f"{start}{key}": value for key, value in fitted.parameters.items()}
    return joined


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
