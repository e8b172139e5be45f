"""Find tensors that an answer leaves on the CPU while all that it is handed is on another device.

No such device is needed: the answer runs on the CPU, and a watch keeps account of what would be elsewhere. To the
answer, `x.device` is a device of its own; what is made with `device=x.device`, or from `x`, belongs there too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.seen import Seen, seen_facts
from helpers.checks.engine.trouble import Trouble

_ELSEWHERE = torch.device("meta")  # a name that means no real device to a computation
_DEVICE = torch.Tensor.device.__get__
# These may be handed tensors of two devices: they copy from one into the other, or look at shapes alone.
_MAY_MIX = {"__setitem__", "__set__", "copy_", "set_", "expand_as", "view_as", "reshape_as", "result_type"}
_MOVES = {"to", "type_as", "cpu"}


class _Mixed(Exception):  # noqa: N818
    """A function was handed tensors of two devices."""


class _Watch(TorchFunctionMode):
    """Knows which tensors would be elsewhere, and stops at the first function that is handed both kinds.

    A tensor that was made out of its sight is neither: it counts for nothing.
    """

    def __init__(self, elsewhere: Iterable[torch.Tensor], here: Iterable[torch.Tensor]) -> None:
        super().__init__()
        # The tensors are kept, too, so that no other one gets the same id.
        self._places = {id(t): (t, False) for t in here} | {id(t): (t, True) for t in elsewhere}

    def is_elsewhere(self, tensor: torch.Tensor) -> bool | None:
        return self._places.get(id(tensor), (None, None))[1]

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(function, "__name__", "")
        if function == _DEVICE:
            return _ELSEWHERE if self.is_elsewhere(args[0]) else function(*args)
        if name == "device":  # torch.device itself
            return function(*args, **kwargs)
        given = list(_tensors([*args, *kwargs.values()]))
        asked = [value for value in (*args, *kwargs.values()) if _is_device(value)]
        elsewhere: bool | None
        if asked:
            elsewhere = asked[-1] == _ELSEWHERE
            args = tuple("cpu" if _is_device(value) else value for value in args)
            kwargs = {key: "cpu" if _is_device(value) else value for key, value in kwargs.items()}
        elif name == "cpu" or not given:
            elsewhere = False
        elif name in _MOVES:  # to where the tensor is that is handed over
            elsewhere = self.is_elsewhere(given[-1])
        else:
            elsewhere = self._joined(name, given)
        came = function(*args, **kwargs)
        if elsewhere is not None and any(came is tensor for tensor in given) and (asked or name in _MOVES):
            came = came.view_as(came)  # on one real device, to move a tensor gives itself
        for tensor in _tensors([came]):
            if elsewhere is not None and not (name.endswith("_") and tensor is given[0]):
                self._places.setdefault(id(tensor), (tensor, elsewhere))
        return came

    def _joined(self, name: str, given: list[torch.Tensor]) -> bool | None:
        """Whether the result is elsewhere; None where nothing is known."""
        first = self.is_elsewhere(given[0])
        if name in _MAY_MIX or (name == "__getitem__" and first):  # an index may stay on the CPU
            return first
        # A single number on the CPU may be combined with anything.
        places = {self.is_elsewhere(tensor) for tensor in given if tensor.dim()} - {None}
        if len(places) > 1:
            raise _Mixed(name)
        known = {self.is_elsewhere(tensor) for tensor in given} - {None}
        return None if not known else any(known)


def seen_elsewhere(subject: Subject, function: Any, *args: Any, named: dict[str, Any] | None = None) -> Iterator[Seen]:
    """Yield whether an answer works on another device than the CPU.

    Parameters
    ----------
    subject : Subject
        The answer.
    function : module or function
        Its instance, or the function that it is.
    *args, named
        Inputs, which count as being elsewhere, with the instance's parameters and buffers.
    """
    elsewhere, here = list(_tensors([*args, *(named or {}).values()])), list[torch.Tensor]()
    if isinstance(function, nn.Module):
        elsewhere += [*function.parameters(), *function.buffers()]
        here = list(_tensors([value for part in function.modules() for value in vars(part).values()]))
    watch = _Watch(elsewhere, here)
    problem = ""
    try:
        with torch.no_grad(), watch:
            came = subject.call(function, *args, named=named)
        if any(t.dim() and watch.is_elsewhere(t) is False for t in _tensors([came])):
            problem = "what comes back"
    except Trouble as trouble:
        if trouble.key[:2] != ("raised", "_Mixed"):
            return
        place = re.split(",? stops with", trouble.sentence)[0]
        problem = f"{place[:1].lower()}{place[1:]}, mixes the two devices"
    told = (
        f"With all that is handed over on another device, say a GPU, a tensor stays on the CPU: {problem}. "
        "Make new tensors with `device=x.device`, and keep a table with `register_buffer`, so that it moves along."
    )
    yield seen_facts("The answer on another device", {"moves": (not problem, told)})


def _is_device(value: Any) -> bool:
    return isinstance(value, torch.device) or (isinstance(value, str) and value.split(":")[0] in ("cpu", "meta"))


def _tensors(values: Iterable[Any]) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
        elif isinstance(value, dict):
            yield from _tensors(value.values())
