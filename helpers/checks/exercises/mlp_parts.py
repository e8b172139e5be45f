"""Find the MLP of a block by the widths of its layers, whatever their names, and give it weights that are known."""

from __future__ import annotations

import torch
from torch import nn

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.trouble import Trouble
from helpers.checks.exercises.parts import Fitted, Wanted, fit_linear


def fit_mlp(
    subject: Subject,
    draw: Draw,
    fitted: Fitted,
    modules: list[nn.Module],
    others: set[int],
    sizes: dict[str, int],
    bias: bool,
    dtype: torch.dtype,
) -> None:
    """Find the two layers from k to the hidden width and back, and note their weights in `fitted`.

    Parameters
    ----------
    subject, draw
        As a step is handed them.
    fitted : Fitted
        Takes the weights, as `mlp_1` and `mlp_2`.
    modules : list of nn.Module
        All parts of the block.
    others : set of int
        `id` of the modules and of the parameters that are no part of the MLP.
    sizes : dict
        With the widths "k" and "hidden".
    bias : bool
        Whether the layers must have a bias; otherwise they may.
    dtype : torch.dtype
        The block's.

    Raises
    ------
    Trouble
        There are no such layers.
    """
    linear = [m for m in modules if isinstance(m, nn.Linear | nn.Conv1d) and id(m) not in others]
    k, hidden = sizes["k"], sizes["hidden"]
    wanted_bias = True if bias else None
    pairs = {tuple(m.weight.shape[:2]): m for m in linear}
    up, down = pairs.get((hidden, k)), pairs.get((k, hidden))
    if up is not None and down is not None:
        for name, layer, wanted in (
            ("mlp_1", up, Wanted(k, hidden, wanted_bias, "as in torch's block with bias=True")),
            ("mlp_2", down, Wanted(hidden, k, wanted_bias, "as in torch's block with bias=True")),
        ):
            if isinstance(layer, nn.Linear):
                fit_linear(subject, draw, fitted, name, layer, wanted, dtype)
            else:
                fitted.claim(name, layer.parameters())
                _fit_convolution(draw.again(name), fitted, name, layer)
        return
    known = others | {id(p) for layer in linear for p in layer.parameters()}
    loose = [p for m in modules for p in m._parameters.values() if p is not None and id(p) not in known]
    matrices = [p for p in loose if sorted(p.squeeze().shape) == sorted((k, hidden))]
    if len(matrices) == 2:
        fitted.claim("mlp", loose)
        _fit_loose(draw.again("mlp"), fitted, loose, matrices, k)
        return
    widths = sorted({n for shape in pairs for n in shape} - {k})
    if not widths and sum(tuple(m.weight.shape[:2]) == (k, k) for m in linear) > 1:
        widths = [k]
    if widths:
        why = "twice embed_dim" if hidden == 2 * k else "as hidden_dim says"
        sentence = f"The MLP is {widths[0]} wide inside; it should be {hidden} wide, {why}."
        raise Trouble(sentence, "hidden", *widths)
    raise Trouble(
        "The check finds no MLP in this block: two linear layers, from k to the hidden width and back.", "no mlp"
    )


def _fit_convolution(draw: Draw, fitted: Fitted, name: str, layer: nn.Conv1d) -> None:
    """A convolution over one word is a linear layer, too."""
    with torch.no_grad():
        layer.weight.copy_(draw.normal(*layer.weight.shape, scale=1.2 * layer.weight.shape[1] ** -0.5))
        fitted.weights[f"{name}.weight"] = layer.weight[..., 0].cpu().double()
        if layer.bias is not None:
            layer.bias.copy_(draw.normal(*layer.bias.shape, scale=0.7))
            fitted.weights[f"{name}.bias"] = layer.bias.cpu().double()


def _fit_loose(draw: Draw, fitted: Fitted, loose: list[nn.Parameter], matrices: list[nn.Parameter], k: int) -> None:
    """Take parameters that belong to no layer, the first matrix for the first layer of the MLP."""
    with torch.no_grad():
        for i, matrix in enumerate(matrices, start=1):
            matrix.copy_(draw.normal(*matrix.shape, scale=1.2 * (k if i == 1 else 2 * k) ** -0.5))
            flat = matrix.squeeze().cpu().double()
            inputs_first = (flat.shape[0] == k) == (i == 1)
            fitted.weights[f"mlp_{i}.weight"] = flat.T.contiguous() if inputs_first else flat.clone()
        for vector in (p for p in loose if p.squeeze().dim() == 1):
            vector.copy_(draw.normal(*vector.shape, scale=0.7))
            name = "mlp_2.bias" if vector.numel() == k else "mlp_1.bias"
            fitted.weights[name] = vector.squeeze().cpu().double().clone()
