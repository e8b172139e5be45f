"""Find what a layer has to learn and torch does not know of: `parameters()`, `to` and `train` pass it by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from helpers.checks.engine.trouble import Trouble

if TYPE_CHECKING:
    from torch import nn


def unregistered(module: nn.Module) -> Trouble | None:
    """Explain that an attribute hides layers, parameters, or tensors that are to be learned, if there is one."""
    import torch

    registered = {id(part) for part in module.modules()} | {id(parameter) for parameter in module.parameters()}
    for part in module.modules():
        for name, value in vars(part).items():
            if name in ("_parameters", "_buffers", "_modules"):
                continue
            for inside in _inside(value):
                if id(inside) in registered or not _learns(inside):
                    continue
                if isinstance(value, torch.Tensor):
                    sentence = (
                        f"`self.{name}` is to be learned, and is no `nn.Parameter`: an optimizer would never see it."
                    )
                else:
                    kind, known = _kinds(value, inside)
                    sentence = (
                        f"`self.{name}` is a plain {kind}: torch does not see what is in it, so an optimizer would "
                        f"never train it. `{known}` is one that torch looks into."
                    )
                return Trouble(sentence, "unregistered", name)
    return None


def _inside(value: Any) -> Iterator[Any]:
    import torch

    if isinstance(value, list | tuple):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, torch.Tensor):
        yield value


def _learns(value: Any) -> bool:
    import torch
    from torch import nn

    if isinstance(value, nn.Module):
        return any(parameter.requires_grad for parameter in value.parameters())
    return isinstance(value, torch.Tensor) and value.is_leaf and value.requires_grad


def _kinds(value: Any, inside: Any) -> tuple[str, str]:
    """How Python calls what holds them, and what torch has for it."""
    from torch import nn

    kind = "dict" if isinstance(value, dict) else type(value).__name__
    what = "Module" if isinstance(inside, nn.Module) else "Parameter"
    return kind, f"nn.{what}{'Dict' if kind == 'dict' else 'List'}"
