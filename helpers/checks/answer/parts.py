"""Give the parts of an answer weights that the check knows: by the names that the skeleton gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.trouble import Trouble

Weights = dict[str, torch.Tensor]  # "to_keys.weight" (out, in) and so on, in float64

PROJECTIONS = ("to_queries", "to_keys", "to_values")
CONTRACT = "The check, and what stands further down, find it by this name."


@dataclass(frozen=True)
class Wanted:
    """How large a linear layer should be, and why; `bias` is None where it may have one or not."""

    inputs: int
    outputs: int
    bias: bool | None = None
    why: str = ""
    bias_why: str = ""


@dataclass
class Fitted:
    """What an answer's parts compute with: `weights` by name, and the `parameters` that hold them, where known."""

    weights: Weights = field(default_factory=dict)
    parameters: dict[str, nn.Parameter] = field(default_factory=dict)
    _owners: dict[int, str] = field(default_factory=dict)

    def claim(self, name: str, parameters: Iterable[nn.Parameter | None]) -> None:
        """Say that these parameters belong to the part called `name`.

        Raises
        ------
        Trouble
            Another part has one of them already.
        """
        for parameter in parameters:
            other = name if parameter is None else self._owners.setdefault(id(parameter), name)
            if other != name:
                sentence = f"`{other}` and `{name}` share weights. Each needs weights of its own."
                raise Trouble(sentence, "shared", other, name)

    def insist_on_no_others(self, subject: Subject, module: nn.Module) -> None:
        """Refuse what is learned and belongs to no part of the skeleton.

        Raises
        ------
        Trouble
            There is such a parameter.
        """
        for name, parameter in module.named_parameters() if subject.is_students else ():
            if parameter.requires_grad and id(parameter) not in self._owners:
                sentence = f"`{name}` is learned, and the formula has no such part: take it out."
                raise Trouble(sentence, "learned", name)

    def within(self, start: str) -> Weights:
        """The weights of the part called `start`, without its name."""
        return within(self.weights, start)


def within(weights: Mapping[str, torch.Tensor], start: str) -> Weights:
    """Return the weights whose names begin with `start` and a dot, without these."""
    return {name.removeprefix(f"{start}."): w for name, w in weights.items() if name.startswith(f"{start}.")}


def part(module: nn.Module, name: str, owner: str, kind: str = "a layer, such as `nn.Linear`") -> nn.Module:
    """Return the part called `name`.

    Raises
    ------
    Trouble
        There is none, or it is no layer.
    """
    found = getattr(module, name, None)
    if found is None:
        sentence = f"`{owner}` has no `{name}`. Make it in `__init__`: `self.{name} = ...`. {CONTRACT}"
        raise Trouble(sentence, "missing", name)
    holds_many = isinstance(found, nn.ModuleList | nn.ModuleDict | nn.ParameterList | nn.ParameterDict)
    if not isinstance(found, nn.Module) or holds_many:
        raise Trouble(f"`{name}` is a {type(found).__name__}. It should be {kind}.", "no layer", name)
    return found


def fit_linear(
    subject: Subject, draw: Draw, fitted: Fitted, name: str, layer: nn.Module, wanted: Wanted, dtype: torch.dtype
) -> None:
    """Give a part that is linear random weights, and note them in `fitted`.

    Anything that maps vectors to vectors will do. Where it is no plain `nn.Linear`, its parameters are drawn, and its
    matrix and bias are read off what it makes of the unit vectors.

    Raises
    ------
    Trouble
        The part has not the sizes, or not the bias, that are wanted.
    """
    if any(is_lazy(parameter) for parameter in layer._parameters.values() if parameter is not None):
        subject.tensor(layer, torch.zeros(1, 1, wanted.inputs, dtype=dtype), name=name)
    if isinstance(layer, nn.Linear) and "weight" in layer._parameters and type(layer).forward is nn.Linear.forward:
        own = {f"{name}.{kind}": p for kind, p in layer._parameters.items() if p is not None}
        fitted.claim(name, own.values())
        _compare(name, (layer.in_features, layer.out_features, f"{name}.bias" in own), wanted)
        if subject.is_students:  # a misconception will be given the student's
            randomize(own.values(), draw.again(name))
        fitted.parameters |= own
        fitted.weights |= {key: parameter.detach().cpu().double().clone() for key, parameter in own.items()}
        return
    fitted.claim(name, layer.parameters())
    randomize(layer.parameters(), draw.again(name))
    weight, bias = _read_off(subject, layer, name, wanted.inputs, dtype)
    _compare(name, (wanted.inputs, weight.shape[0], bool(bias.any())), wanted)
    fitted.weights[f"{name}.weight"] = weight
    if bias.any():
        fitted.weights[f"{name}.bias"] = bias


def fit_attention(
    subject: Subject,
    draw: Draw,
    fitted: Fitted,
    layer: nn.Module,
    sizes: Mapping[str, int],
    dtype: torch.dtype,
    bias: bool | None,
    name: str = "",
) -> None:
    """Give the four layers of an attention random weights; torch's own `nn.MultiheadAttention` will do, too.

    Parameters
    ----------
    name
        Of the attention within a block; "" where it is the answer itself.
    bias
        Whether the projections have one; None where they may.
    """
    start = f"{name}." if name else ""
    if isinstance(layer, nn.MultiheadAttention):
        _fit_torch_attention(subject, draw.again(name or "attention"), fitted, layer, bias, name or "attention")
        return
    owner = name or type(layer).__name__
    if name and not all(hasattr(layer, each) for each in (*PROJECTIONS, "unify_heads")):
        raise Trouble(
            f"`{name}` is a {type(layer).__name__}. It should be `SelfAttention` of exercise 3, or have layers of the "
            "same names: `to_queries`, `to_keys`, `to_values` and `unify_heads`.",
            "no attention",
            name,
        )
    k, inner = sizes["k"], sizes["h·d"]
    why = f"{inner} being num_heads * head_dim = {sizes['h']} * {sizes['d']}"
    said = f"as bias={bias} says"
    for each in PROJECTIONS:
        wanted = Wanted(k, inner, bias, why, said)
        fit_linear(subject, draw, fitted, f"{start}{each}", part(layer, each, owner), wanted, dtype)
    # Within a block, whether it has one is exercise 3's business.
    wanted = Wanted(inner, k, None if name else True, why, "whatever `bias` says")
    fit_linear(subject, draw, fitted, f"{start}unify_heads", part(layer, "unify_heads", owner), wanted, dtype)
    fitted.claim(name or "the attention", (p for p in layer.parameters() if id(p) not in fitted._owners))


def fit_norm(
    subject: Subject, draw: Draw, fitted: Fitted, name: str, norm: nn.Module, k: int, dtype: torch.dtype
) -> None:
    """Give a layer norm, torch's or one's own, random weights: what it multiplies with and what it adds.

    Raises
    ------
    Trouble
        It goes over other axes, or has nothing to learn.
    """
    fitted.claim(name, norm.parameters())
    if isinstance(norm, nn.LayerNorm) and norm.normalized_shape != (k,):
        shape = tuple(norm.normalized_shape)
        sentence = f"`{name}` normalizes over {shape}; it should be over the {k} features of each word alone."
        raise Trouble(sentence, "norm", name, shape)
    if not [*norm.parameters()]:
        raise Trouble(f"`{name}` has no weight and bias to learn, unlike torch's own block.", "norm", name)
    numbers = draw.again(name)
    if isinstance(norm, nn.LayerNorm):
        own = {f"{name}.{kind}": p for kind, p in norm._parameters.items() if p is not None}
        with torch.no_grad():
            for parameter in own.values() if subject.is_students else ():
                parameter.add_(numbers.normal(*parameter.shape, scale=0.5))
        fitted.parameters |= own
        fitted.weights |= {key: parameter.detach().cpu().double().clone() for key, parameter in own.items()}
        return
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.copy_(1 + numbers.normal(*parameter.shape, scale=0.4))
    # A word and its negative, far from zero: half the difference is weight times what a norm makes of it, half the sum
    # what is added. No feature is at the mean, where a weight would not show.
    word = torch.arange(k, dtype=torch.float64) ** 1.5
    word = word - word.mean()
    out = subject.tensor(norm, (1e4 * torch.stack([word, -word])[None]).to(dtype), name=name).detach().cpu().double()
    if out.shape != (1, 2, k):
        raise Trouble(f"`{name}` gives {tuple(out.shape)} for (1, 2, {k}): the shape should stay.", "norm", name)
    half, shift = (out[0, 0] - out[0, 1]) / 2, (out[0, 0] + out[0, 1]) / 2
    fitted.weights |= {f"{name}.weight": half / word * word.square().mean().sqrt(), f"{name}.bias": shift}


def fit_mlp(
    subject: Subject, draw: Draw, fitted: Fitted, mlp: nn.Module, k: int, hidden: int, why: str, dtype: torch.dtype
) -> None:
    """Give the two linear layers of an MLP random weights, and note them as `mlp_1` and `mlp_2`.

    Raises
    ------
    Trouble
        It has not two linear layers, from k to `hidden` and back.
    """
    linear = [m for m in mlp.modules() if isinstance(m, nn.Linear | nn.Conv1d)]
    shown = ", ".join(f"{m.weight.shape[1]} to {m.weight.shape[0]}" for m in linear) or "none"
    if [tuple(m.weight.shape[:2]) for m in linear] != [(hidden, k), (k, hidden)]:
        sentence = (
            f"`mlp` should hold two linear layers, from embed_dim to hidden_dim and back to embed_dim, here {k} to "
            f"{hidden}, {why}, and {hidden} to {k}; it has {shown}."
        )
        raise Trouble(sentence, "mlp", shown)
    for name, layer in zip(("mlp_1", "mlp_2"), linear, strict=True):
        if isinstance(layer, nn.Linear):
            wanted = Wanted(layer.in_features, layer.out_features)
            fit_linear(subject, draw, fitted, name, layer, wanted, dtype)
            continue
        fitted.claim(name, layer.parameters())
        randomize(layer.parameters(), draw.again(name))
        fitted.weights[f"{name}.weight"] = layer.weight.detach()[..., 0].cpu().double()
        if layer.bias is not None:
            fitted.weights[f"{name}.bias"] = layer.bias.detach().cpu().double()
    fitted.claim("mlp", (p for p in mlp.parameters() if id(p) not in fitted._owners))


def randomize(parameters: Iterable[torch.Tensor], draw: Draw) -> None:
    """Draw parameters of linear layers."""
    with torch.no_grad():
        for parameter in parameters:
            if not parameter.requires_grad:  # it stays what it is: zeros, say, in place of a bias
                continue
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 1
            scale = 1.2 * fan_in**-0.5 if parameter.dim() > 1 else 0.7
            parameter.copy_(draw.normal(*parameter.shape, scale=scale))


def remembered(subject: Subject, draw: Draw, name: str, fitted: Fitted) -> Fitted:
    """Let a misconception compute with the very weights of the answer that it is compared with.

    An answer may have biases where the text leaves them open, or weights that were read off it; a misconception has
    plain layers, which take them over.
    """
    key = (draw.case, name)
    if subject.is_students:
        subject.notes[key] = fitted.weights
        return fitted
    weights: Weights = subject.notes.get(key, fitted.weights)
    for parameter_name, parameter in fitted.parameters.items():
        value = weights.get(parameter_name, torch.zeros(()))
        with torch.no_grad():
            parameter.copy_(value.expand(parameter.shape))
    return Fitted(weights, fitted.parameters)


def _compare(name: str, found: tuple[int, int, bool], wanted: Wanted) -> None:
    inputs, outputs, bias = found
    key = ("sizes", name, inputs, outputs, bias)
    if (inputs, outputs) != (wanted.inputs, wanted.outputs):
        sentence = f"`{name}` maps {inputs} features to {outputs}; it should map {wanted.inputs} to {wanted.outputs}"
        raise Trouble(sentence + (f", {wanted.why}." if wanted.why else "."), *key)
    if wanted.bias is not None and bias != wanted.bias:
        have = "has a bias, and should have none" if bias else "has no bias, and should have one"
        raise Trouble(f"`{name}` {have}{f', {wanted.bias_why}' if wanted.bias_why else ''}.", *key)


def _read_off(
    subject: Subject, layer: nn.Module, name: str, inputs: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the matrix (out, in) and the bias (out,) of whatever a layer does to vectors."""
    device = next((p.device for p in layer.parameters()), torch.device("cpu"))
    with torch.no_grad():
        rows = torch.cat([torch.zeros(1, inputs), torch.eye(inputs)]).to(device, dtype)
        images = subject.tensor(layer, rows[None], name=name).reshape(inputs + 1, -1).cpu().double()
    return (images[1:] - images[0]).T.contiguous(), images[0]


def _fit_torch_attention(
    subject: Subject, draw: Draw, fitted: Fitted, layer: nn.MultiheadAttention, bias: bool | None, name: str
) -> None:
    """Give torch's own attention weights; its three projections are one matrix."""
    has = layer.in_proj_bias is not None
    if bias is not None and has != bias:
        have = "a bias, and should have none" if has else "no bias, and should have one"
        raise Trouble(f"`{name}` has {have}, as bias={bias} says.", "bias", name, bias)
    fitted.claim(name, layer.parameters())
    if subject.is_students:
        randomize(layer.parameters(), draw)
    for kind, joint in (("weight", layer.in_proj_weight), ("bias", layer.in_proj_bias)):
        if joint is not None:
            for each, own in zip(PROJECTIONS, joint.detach().cpu().double().chunk(3), strict=True):
                fitted.weights[f"{name}.{each}.{kind}"] = own
    for kind, parameter in layer.out_proj.named_parameters():
        fitted.weights[f"{name}.unify_heads.{kind}"] = parameter.detach().cpu().double()
