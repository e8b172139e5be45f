"""Give an answer's layers weights that the check knows, however the layers are written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.trouble import Trouble

Weights = dict[str, torch.Tensor]  # "to_keys.weight" (out, in) and so on, in float64


@dataclass(frozen=True)
class Wanted:
    """How large a layer should be, and why; `bias` is None where it may have one or not."""

    inputs: int
    outputs: int
    bias: bool | None
    why: str = ""


@dataclass
class Fitted:
    """What an answer's layers compute with: `weights` by name, and the `parameters` that hold them, where known."""

    weights: Weights = field(default_factory=dict)
    parameters: dict[str, nn.Parameter] = field(default_factory=dict)
    claimed: list[nn.Parameter] = field(default_factory=list)
    _owners: dict[int, str] = field(default_factory=dict)

    def claim(self, name: str, parameters: Iterable[nn.Parameter | None]) -> None:
        """Insist that no other layer has one of these parameters.

        Raises
        ------
        Trouble
            Two names share a parameter.
        """
        parameters = [*parameters]
        self.claimed += [parameter for parameter in parameters if parameter is not None]
        for parameter in parameters:
            other = name if parameter is None else self._owners.setdefault(id(parameter), name)
            if other != name:
                sentence = f"`{other}` and `{name}` are one and the same layer. Each needs weights of its own."
                raise Trouble(sentence, "shared", other, name)


def part(module: nn.Module, name: str, owner: str) -> nn.Module:
    """Return the layer called `name`.

    Raises
    ------
    Trouble
        There is none, or it is no layer.
    """
    found = getattr(module, name, None)
    if found is None:
        raise Trouble(f"`{owner}` has no `{name}`. Make it in `__init__`: `self.{name} = ...`.", "missing", name)
    if not isinstance(found, nn.Module):
        sentence = f"`{name}` is a {type(found).__name__}. It should be a layer, such as `nn.Linear`."
        raise Trouble(sentence, "no layer", name)
    if isinstance(found, nn.ModuleList | nn.ModuleDict | nn.ParameterList | nn.ParameterDict):
        sentence = f"`{name}` is a {type(found).__name__}. It should be one layer, such as `nn.Linear`, for all heads."
        raise Trouble(sentence, "no layer", name)
    return found


def fit_linear(
    subject: Subject, draw: Draw, fitted: Fitted, name: str, layer: nn.Module, wanted: Wanted, dtype: torch.dtype
) -> None:
    """Give a linear layer random weights, and note them in `fitted`.

    Anything that maps vectors to vectors will do. Where it is no plain `nn.Linear`, its parameters are drawn, and its
    matrix and bias are read off what it makes of the unit vectors.

    Raises
    ------
    Trouble
        The layer has not the sizes, or not the bias, that are wanted.
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
        fitted.weights |= {key: parameter.detach().cpu().double() for key, parameter in own.items()}
        return
    fitted.claim(name, layer.parameters())
    randomize(layer.parameters(), draw.again(name))
    weight, bias = _read_off(subject, layer, name, wanted.inputs, dtype)
    _compare(name, (wanted.inputs, weight.shape[0], bool(bias.any())), wanted)
    fitted.weights[f"{name}.weight"] = weight
    if bias.any():
        fitted.weights[f"{name}.bias"] = bias


def randomize(parameters: Iterable[torch.Tensor], draw: Draw) -> None:
    """Draw parameters of linear layers."""
    with torch.no_grad():
        for parameter in parameters:
            if not parameter.requires_grad:  # it stays what it is: zeros, say, in place of a bias
                continue
            scale = 1.2 * parameter.shape[-1] ** -0.5 if parameter.dim() > 1 else 0.7
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
    shown = {"mlp_1": "The MLP's first layer", "mlp_2": "The MLP's second layer"}.get(name, f"`{name}`")
    if (inputs, outputs) != (wanted.inputs, wanted.outputs):
        sentence = f"{shown} maps {inputs} features to {outputs}; it should map {wanted.inputs} to {wanted.outputs}"
        raise Trouble(sentence + (f", {wanted.why}." if wanted.why else "."), *key)
    if wanted.bias is not None and bias != wanted.bias:
        have = "has a bias, and should have none" if bias else "has no bias, and should have one"
        raise Trouble(f"{shown} {have}{f', {wanted.why}' if wanted.why else ''}.", *key)


def _read_off(
    subject: Subject, layer: nn.Module, name: str, inputs: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the matrix (out, in) and the bias (out,) of whatever a layer does to vectors."""
    device = next((p.device for p in layer.parameters()), torch.device("cpu"))
    with torch.no_grad():
        rows = torch.cat([torch.zeros(1, inputs), torch.eye(inputs)]).to(device, dtype)
        images = subject.tensor(layer, rows[None], name=name).reshape(inputs + 1, -1).cpu().double()
    return (images[1:] - images[0]).T.contiguous(), images[0]
