"""Find the parts of a Transformer block by their names and sizes, and give them weights that the check knows.

The lesson names the norms (`norm_1`, `norm_2`), and exercise 3 the layers of the attention; how the attention and the
MLP are kept inside a block is left open.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.trouble import Trouble
from helpers.checks.exercises.mlp_parts import fit_mlp
from helpers.checks.exercises.parts import Fitted, Weights, part, randomize
from helpers.checks.exercises.self_attention_case import PROJECTIONS, fit_attention
from helpers.checks.exercises.unnamed_attention import ATTENTION, Matrix, Ways, attention_matrices, claimed, is_whole


def fit_block(
    subject: Subject, draw: Draw, block: nn.Module, sizes: dict[str, int], bias: bool, dtype: torch.dtype
) -> tuple[Fitted, Sequence[Weights]]:
    """Give a block random weights.

    Returns
    -------
    Fitted
        The weights under the names of exercise 3, and `norm_1`, `norm_2`, `mlp_1`, `mlp_2`.
    sequence of dict
        Where the attention's layers have names of their own: what they may be. Otherwise empty.
    """
    fitted = Fitted()
    modules = list(block.modules())
    norms = [part(block, name, subject.name) for name in ("norm_1", "norm_2")]
    for name, norm in zip(("norm_1", "norm_2"), norms, strict=True):
        _fit_norm(subject, draw, fitted, name, norm, sizes["k"], bias, dtype)
    owner = next((m for m in modules if all(isinstance(getattr(m, name, None), nn.Module) for name in ATTENTION)), None)
    torchs = next((m for m in modules if isinstance(m, nn.MultiheadAttention)), None)
    ways: Sequence[Weights] = []
    taken = {id(inside) for norm in norms for inside in (*norm.modules(), *norm.parameters())}
    if owner is not None:
        fit_attention(subject, draw, owner, sizes, bias, dtype, True if bias else None, fitted)
        attention = [getattr(owner, name) for name in ATTENTION]
        taken |= {id(inside) for layer in attention for inside in layer.modules()}
    elif torchs is not None:
        _fit_torch_attention(draw.again("attention"), fitted, torchs, bias)
        taken |= {id(inside) for inside in (*torchs.modules(), *torchs.parameters())}
    else:
        matrices, ways = _unnamed_attention(draw.again("attention"), subject, block, taken, sizes, bias)
        taken |= claimed(matrices)
    taken |= {id(parameter) for parameter in fitted.claimed}
    fit_mlp(subject, draw, fitted, modules, taken, sizes, bias, dtype)
    taken |= {id(parameter) for parameter in fitted.claimed}
    randomize([p for p in block.parameters() if id(p) not in taken], draw.again("others"))
    return fitted, ways


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
    draw: Draw, subject: Subject, block: nn.Module, others: set[int], sizes: dict[str, int], bias: bool
) -> tuple[list[Matrix], Ways]:
    """Take the matrices of an attention that is written out in the block, and all that they may be."""
    known = subject.notes.get("attention layers", [])
    matrices = [m for m in attention_matrices(block, others, sizes["k"]) if not known or m.name in known]
    if not is_whole(matrices, sizes["k"]):
        sentence = (
            "The check finds no attention in this block. Keep one as an attribute: `SelfAttention` of exercise 3."
        )
        raise Trouble(sentence, "no attention")
    subject.notes["attention layers"] = [m.name for m in matrices]  # where the MLP is 2 k wide, these may be it
    ways = Ways(draw, matrices, sizes["h"], bias)
    if not ways:
        raise Trouble(
            f"The attention's projections should have a bias just if `bias` says so; here bias={bias}.", "bias"
        )
    return matrices, ways
