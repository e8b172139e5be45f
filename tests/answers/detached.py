"""Make an answer that would not learn out of a right one: one of its parameters is detached on the way."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch.nn.parameter import is_lazy


def detached(answer: Any, rank: int) -> Any:
    """Return a subclass that computes the same, but without the gradient of one parameter.

    Parameters
    ----------
    answer : class
        A module.
    rank : int
        Which parameter: 0 is the largest one.
    """

    class Detached(answer):  # type: ignore[misc]
        _inside = False

        @functools.wraps(answer.forward)
        def forward(self, *args: Any, **named: Any) -> Any:
            parameters = dict(self.named_parameters())
            if self._inside or any(map(is_lazy, parameters.values())):
                return super().forward(*args, **named)
            name = sorted(parameters, key=lambda name: (-parameters[name].numel(), name))[rank]
            self._inside = True
            try:
                return torch.func.functional_call(self, {name: parameters[name].detach()}, args, named)
            finally:
                self._inside = False

    Detached.__name__ = answer.__name__
    return Detached
