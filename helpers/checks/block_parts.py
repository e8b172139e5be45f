"""Find the parts of a Transformer block by their names and sizes, and give them weights that the check knows.

The lesson names the norms (`norm_1`, `norm_2`), and exercise 3 the layers of the attention; how the attention and the
MLP are kept inside a block is left open.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from helpers.checks.draw import Draw
from helpers.checks.parts import Fitted, Wanted, Weights, fit_linear, part, randomize
from helpers.checks.self_attention_case import PROJECTIONS, fit_attention
from helpers.checks.subject import Subject
from helpers.checks.trouble import Trouble
from helpers.checks.unnamed_attention import ATTENTION, attention_layers, attention_ways, is_whole


def fit_block(
    subject: Subject, draw: Draw, block: nn.Module, sizes: dict[str, int], bias: bool, dtype: torch.dtype
) -> tuple[Fitted, list[Weights]]:
    """Give a block random weights.

    Returns
    -------
    Fitted
        The weights under the names of exercise 3, and `norm_1`, `norm_2`, `mlp_1`, `mlp_2`.
    list of dict
        Where the attention's layers have names of their own: all ways to tell them apart. Otherwise empty.
    """
    fitted = Fitted()
    modules = list(block.modules())
    norms = [part(block, name, subject.name) for name in ("norm_1", "norm_2")]
    for name, norm in zip(("norm_1", "norm_2"), norms, strict=True):
        _fit_norm(subject, draw, fitted, name, norm, sizes["k"], bias, dtype)
    owner = next((m for m in modules if all(isinstance(getattr(m, name, None), nn.Module) for name in ATTENTION)), None)
    torchs = next((m for m in modules if isinstance(m, nn.MultiheadAttention)), None)
    ways: list[Weights] = []
    attention: Sequence[nn.Module]
    if owner is not None:
        attention = [getattr(owner, name) for name in ATTENTION]
        fit_attention(subject, draw, owner, sizes, bias, dtype, True if bias else None, fitted)
    elif torchs is not None:
        attention = [torchs]
        _fit_torch_attention(draw.again("attention"), fitted, torchs, bias)
    else:
        linear = _linear(modules, norms)
        attention, ways = _unnamed_attention(draw.again("attention"), subject, block, linear, sizes, bias)
        fitted.weights |= ways[0]
    known = [*fitted.claimed, *(p for m in attention if owner is None for p in m.parameters())]
    _fit_mlp(subject, draw, fitted, modules, [*norms, *attention], sizes, bias, dtype)
    ids = {id(parameter) for parameter in [*known, *fitted.claimed]}
    randomize([p for p in block.parameters() if id(p) not in ids], draw.again("others"))
    return fitted, [fitted.weights | way for way in ways]


def _linear(modules: list[nn.Module], others: list[nn.Module]) -> list[nn.Linear | nn.Conv1d]:
    """Return the linear layers that are no part of some others."""
    taken = {id(module) for other in others for module in other.modules()}
    return [m for m in modules if isinstance(m, nn.Linear | nn.Conv1d) and id(m) not in taken]


def _fit_norm(
    subject: Subject, draw: Draw, fitted: Fitted, name: str, norm: nn.Module, k: int, bias: bool, dtype: torch.dtype
) -> None:
    fitted.claim(name, norm.parameters())
    if isinstance(norm, nn.LayerNorm) and norm.normalized_shape != (k,):
        shape = tuple(norm.normalized_shape)
        sentence = f"`{name}` normalizes over {shape}; it should be over the {k} features of each word alone."
        raise Trouble(sentence, "norm", name, shape)
    gain, shift = _gain_and_shift(norm, k)
    if gain is not None:
        named = {f"{name}.weight": gain} | ({} if shift is None else {f"{name}.bias": shift})
        fitted.parameters |= named
        if subject.is_students:  # a misconception will be given the student's
            numbers = draw.again(name)
            with torch.no_grad():
                for parameter in named.values():
                    parameter.add_(numbers.normal(*parameter.shape, scale=0.5))
        fitted.weights |= {key: parameter.detach().cpu().double().reshape(k) for key, parameter in named.items()}
        missing = bias and shift is None
    else:
        weight, added = _read_off_norm(subject, draw.again(name), name, norm, k, dtype)
        fitted.weights |= {f"{name}.weight": weight.cpu().double(), f"{name}.bias": added.cpu().double()}
        missing = not list(norm.parameters()) or (bias and not bool(added.any()))
    if missing:
        raise Trouble(f"`{name}` has no weight and bias to learn, unlike torch's own block.", "norm", name)


def _gain_and_shift(norm: nn.Module, k: int) -> tuple[nn.Parameter | None, nn.Parameter | None]:
    """Return the parameter that a norm multiplies with and the one that it adds, known by 1 and 0 at the beginning."""
    own = [p for p in norm.parameters() if p.numel() == k]
    if isinstance(norm, nn.LayerNorm) and own:
        return norm.weight, norm.bias
    ones, zeros = [p for p in own if bool((p == 1).all())], [p for p in own if bool((p == 0).all())]
    if len(ones) == 1 and len(zeros) + 1 == len(own) <= 2:
        return ones[0], zeros[0] if zeros else None
    return None, None


def _read_off_norm(
    subject: Subject, draw: Draw, name: str, norm: nn.Module, k: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a norm's parameters, and return what it multiplies with and what it adds."""
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.copy_(1 + draw.normal(*parameter.shape, scale=0.4))
    # One word far from zero with mean 0 and two values only: what comes out is shift plus and minus weight.
    pattern = torch.ones(k, dtype=dtype)
    pattern[1::2] = -1
    out = subject.tensor(norm, 1e4 * torch.stack([pattern, -pattern])[None], name=name).detach()
    if out.shape != (1, 2, k):
        raise Trouble(f"`{name}` gives {tuple(out.shape)} for (1, 2, {k}): the shape should stay.", "norm", name)
    weight, shift = (out[0, 0] - out[0, 1]) / 2 * pattern, (out[0, 0] + out[0, 1]) / 2
    return weight, shift


def _fit_torch_attention(draw: Draw, fitted: Fitted, attention: nn.MultiheadAttention, bias: bool) -> None:
    """Give torch's own attention weights; its three projections are one matrix."""
    if (attention.in_proj_bias is not None) != bias:
        have = "a bias, and should have none" if attention.in_proj_bias is not None else "no bias, and should have one"
        raise Trouble(f"The attention has {have}, as bias={bias} says.", "bias", "to_queries", bias)
    randomize(attention.parameters(), draw)
    for i, name in enumerate(PROJECTIONS):
        fitted.weights[f"{name}.weight"] = attention.in_proj_weight.detach().cpu().double().chunk(3)[i]
        if bias:
            fitted.weights[f"{name}.bias"] = attention.in_proj_bias.detach().cpu().double().chunk(3)[i]
    fitted.weights["unify_heads.weight"] = attention.out_proj.weight.detach().cpu().double()
    if attention.out_proj.bias is not None:
        fitted.weights["unify_heads.bias"] = attention.out_proj.bias.detach().cpu().double()


def _unnamed_attention(
    draw: Draw,
    subject: Subject,
    block: nn.Module,
    linear: list[nn.Linear | nn.Conv1d],
    sizes: dict[str, int],
    bias: bool,
) -> tuple[list[nn.Linear], list[Weights]]:
    """Take the layers of an attention that is written out in the block, and list what each may be."""
    names = {id(module): name for name, module in block.named_modules()}
    known = subject.notes.get("attention layers", [])
    layers = attention_layers([m for m in linear if not known or names[id(m)] in known], sizes["k"])
    if not is_whole(layers, sizes["k"]):
        sentence = (
            "The check finds no attention in this block. Keep one as an attribute: `SelfAttention` of exercise 3."
        )
        raise Trouble(sentence, "no attention")
    subject.notes["attention layers"] = [names[id(m)] for m in layers]  # where the MLP is 2 k wide, these may be it
    ways = attention_ways(draw, layers, sizes["h"])
    ways = [way for way in ways if all((f"{name}.bias" in way) == bias for name in PROJECTIONS)]
    if not ways:
        raise Trouble(
            f"The attention's projections should have a bias just if `bias` says so; here bias={bias}.", "bias"
        )
    return layers, ways


def _fit_mlp(
    subject: Subject,
    draw: Draw,
    fitted: Fitted,
    modules: list[nn.Module],
    others: list[nn.Module],
    sizes: dict[str, int],
    bias: bool,
    dtype: torch.dtype,
) -> None:
    """Find the two layers from k to the hidden width and back, among those that are no part of the others."""
    linear = _linear(modules, others)
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
    known = {id(p) for other in [*others, *linear] for p in other.parameters()}
    loose = [p for m in modules for p in m._parameters.values() if p is not None and id(p) not in known]
    matrices = [p for p in loose if sorted(p.squeeze().shape) == sorted((k, hidden))]
    if len(matrices) == 2:
        fitted.claim("mlp", loose)
        _fit_loose(draw.again("mlp"), fitted, loose, matrices, k)
        return
    widths = sorted({n for shape in pairs for n in shape} - {k})
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
