"""An answer under examination: how it is made and called, so that whatever it does is caught and explained."""

from __future__ import annotations

import inspect
import io
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from helpers.checks.answer.side_effects import global_settings, side_effect
from helpers.checks.answer.time_limit import TimeLimit, TookTooLong
from helpers.checks.answer.undisturbed import expect_usual_settings, reseed
from helpers.checks.answer.unregistered import unregistered
from helpers.checks.engine.trouble import Trouble, insist_on_numbers, raised, too_long, wrong_kind

if TYPE_CHECKING:
    import torch

    from helpers.checks.engine.draw import Draw


class Subject:
    """Somebody's answer: a student's, or a misconception's when `limit` is None.

    Parameters
    ----------
    answer : class or function
        What is examined.
    limit : TimeLimit, optional
        Ends calls that never end. Code of our own needs none.
    notes : dict, optional
        What the steps of a check remember about the answer; a misconception that is compared with an answer is
        handed the answer's notes.
    """

    def __init__(self, answer: Any, limit: TimeLimit | None = None, notes: dict[Any, Any] | None = None) -> None:
        self.answer = answer
        self.seeds = (0, 0)  # of what is drawn while an instance is made, and of what it draws later
        self.notes: dict[Any, Any] = {} if notes is None else notes
        self.twins: dict[Any, Subject] = {}  # the misconceptions that it is compared with
        self.shares = True  # whether steps may look at one and the same instance
        self.is_students = limit is not None
        self.printed = _Swallowed()
        self._limit = limit
        self._shared: dict[Any, Any] = {}
        self._used_again = False
        self._kept: list[tuple[list[Any], list[Any]]] = []
        self._known_parameters: dict[Any, list[str]] = {}
        self._is_looked_into = False

    @property
    def name(self) -> str:
        """How a student calls the answer."""
        return getattr(self.answer, "__name__", type(self.answer).__name__)

    @property
    def module(self) -> str:
        """Name of the module that the answer was written in: `__main__` in a notebook."""
        return getattr(self.answer, "__module__", "")

    def make(self, *args: Any, **named: Any) -> torch.nn.Module:
        """Return a new instance of a class that is being examined, in eval mode.

        However many random numbers its making took, what it draws later is the same for every answer.
        """
        from torch import nn

        reseed(self.seeds[0])
        module = self.call(lambda: self.answer(*args, **named), name=self.name)
        if not isinstance(module, nn.Module):
            sentence = f"`{self.name}` is no `nn.Module`: begin it with `class {self.name}(nn.Module):`."
            raise Trouble(sentence, "no module")
        if self.is_students:
            self._keep(module)
            self._insist_on_no_blank(module)
        reseed(self.seeds[1])
        return module.eval()

    def shared(self, make: Callable[..., Any], draw: Draw, own: bool = False, **settings: Any) -> Any:
        """Return `make(self, draw, **settings)`, made once for all steps with these draws: making is slow.

        What it draws shifts nothing that a step draws. A step that changes what it gets asks for one of its `own`.
        """
        draw = draw.again("shared")
        draw.case = f"{draw.seed} {settings}"
        if own or not self.shares:
            return make(self, draw, **settings)
        key = (make, draw.case, self.seeds)
        self._used_again |= key in self._shared
        if key not in self._shared:
            self._shared[key] = make(self, draw, **settings)
        return self._shared[key]

    def forget_shared(self) -> bool:
        """Let nothing be used again that was used before; return whether anything was used more than once."""
        used_again, self._used_again = self._used_again, False
        self._shared.clear()
        return used_again

    def _insist_on_no_blank(self, module: torch.nn.Module) -> None:
        """A blank that was left in `__init__`, where the source cannot be read."""
        for part in module.modules():
            open_ones = [f"`self.{name} = ...`" for name, value in vars(part).items() if value is ...]
            if open_ones:
                counted = "1 blank is" if len(open_ones) == 1 else f"{len(open_ones)} blanks are"
                raise Trouble(f"{counted} still open: {', '.join(open_ones)} in `__init__`.", "open", *open_ones)

    def insist_on_registered(self, module: torch.nn.Module) -> None:
        """Refuse an instance that hides from torch what it has to learn.

        Raises
        ------
        Trouble
            Layers or parameters stand in a plain list, for instance.
        """
        if self.is_students and not self._is_looked_into:  # once is enough: all are made by the same lines
            unseen = unregistered(module)
            if unseen is not None:
                raise unseen
            self._is_looked_into = True

    def put_back(self) -> None:
        """Give every module that was made the numbers and the mode that it had: it may be one the student keeps."""
        for tensors, modes in reversed(self._kept):
            for tensor, numbers in tensors:
                tensor.data = numbers
            for part, training in modes:
                part.training = training
        self._kept.clear()

    def _keep(self, module: torch.nn.Module) -> None:
        from torch.nn.parameter import is_lazy

        parts = list(module.modules())
        tensors = [t for part in parts for t in (*part._parameters.values(), *part._buffers.values()) if t is not None]
        numbers = [(tensor, tensor.detach().clone()) for tensor in tensors if not is_lazy(tensor)]
        self._kept.append((numbers, [(part, part.training) for part in parts]))

    def tensor(
        self, function: Callable[..., Any], *args: Any, named: dict[str, Any] | None = None, name: str = "forward"
    ) -> torch.Tensor:
        """Call, and insist on a tensor of floating-point numbers."""
        import torch

        value = self.call(function, *args, named=named, name=name)
        if not isinstance(value, torch.Tensor):
            raise wrong_kind(value, name)
        if not value.is_floating_point():
            raise Trouble(f"`{name}` returns a tensor of {value.dtype}: real numbers are wanted.", "dtype", value.dtype)
        insist_on_numbers(value, name)
        return value

    def gradients(
        self, output: torch.Tensor, leaves: list[torch.Tensor], ahead: torch.Tensor
    ) -> list[torch.Tensor | None]:
        """Return the gradients of `(output * ahead).sum()`; None for a leaf that none reaches."""
        import torch

        reachable = [leaf for leaf in leaves if leaf.requires_grad]
        if not output.requires_grad or not reachable:
            return [None] * len(leaves)
        total = (output * ahead.to(output)).sum()

        def backward() -> tuple[torch.Tensor | None, ...]:
            return torch.autograd.grad(total, reachable, allow_unused=True)

        found = iter(self.call(backward, name="backward"))
        return [next(found) if leaf.requires_grad else None for leaf in leaves]

    def call(
        self, function: Callable[..., Any], *args: Any, named: dict[str, Any] | None = None, name: str = "forward"
    ) -> Any:
        """Call `function` and return what it returns.

        Parameters
        ----------
        function : callable
            The answer, a method of it, or something that runs it, such as a backward pass.
        *args
            Handed over by place.
        named : dict, optional
            Handed over by name, or by place, in this order, where the answer spells a name otherwise.
        name : str
            How a message names the function.

        Raises
        ------
        Trouble
            The answer raised, ran out of time, or changed what it was handed.
        """
        arguments = [*args, *(named or {}).values()]
        before = [_copied(argument) for argument in arguments]
        if named and not self._knows(function, named):
            args, named = (*args, *named.values()), None
        modes = _modes(function) if self.is_students else {}
        value = self._guarded(lambda: function(*args, **(named or {})), name)
        switched = next((part for part, training in modes.items() if part.training != training), None)
        if switched is not None:
            into = "train" if switched.training else "eval"
            sentence = f"`{name}` switches to {into} mode, with `.{into}()`. Who calls the layer decides on the mode."
            raise Trouble(sentence, "side effect", "mode")
        for place, (argument, copy) in enumerate(zip(arguments, before, strict=True)):
            if copy is not None and not _unchanged(argument, copy):
                names = [*self._parameters(function)[: len(args)], *(named or {})]
                what = f"its input `{names[place]}`" if place < len(names) else "its input"
                sentence = f"`{name}` changes {what} in place: the caller's tensor is no longer what it was."
                raise Trouble(sentence + " Make a new tensor instead.", "edited", place)
        return value

    def _knows(self, function: Callable[..., Any], named: dict[str, Any]) -> bool:
        """Whether a function takes arguments of these names."""
        parameters = self._parameters(function)
        return "**" in parameters or all(name in parameters for name in named)

    def _parameters(self, function: Callable[..., Any]) -> list[str]:
        """Names of a function's parameters; `**` where it takes any name."""
        function = getattr(function, "forward", function)
        key = getattr(function, "__func__", function)
        if key not in self._known_parameters:
            try:
                parameters = inspect.signature(function).parameters.values()
            except (TypeError, ValueError):  # written in C
                parameters = {}.values()
            self._known_parameters[key] = ["**" if p.kind is p.VAR_KEYWORD else p.name for p in parameters]
        return self._known_parameters[key]

    def _guarded(self, function: Callable[[], Any], name: str) -> Any:
        """Run with a time limit and without a word on the screen, if this is a student's answer."""
        if self._limit is None:
            try:
                return function()
            except Exception as error:
                raise raised(error, name, self.module) from None
        streams = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = self.printed
        before, changed = global_settings(), None
        try:
            value = self._limit.run(function)
            changed = side_effect(before, name)
        except TookTooLong as error:
            raise too_long(self._limit.seconds, error.stack, name, self.module) from None
        except KeyboardInterrupt:  # somebody has pressed "stop"
            raise
        except BaseException as error:
            raise raised(error, name, self.module) from None
        finally:
            sys.stdout, sys.stderr = streams
            expect_usual_settings()
        if changed is not None:
            raise changed
        return value


def _modes(function: Any) -> dict[torch.nn.Module, bool]:
    from torch import nn

    return {part: part.training for part in function.modules()} if isinstance(function, nn.Module) else {}


class _Swallowed(io.TextIOBase):
    """Counts the lines that an answer prints, and forgets them."""

    lines = 0

    def write(self, text: str) -> int:
        self.lines += text.count("\n")
        return len(text)


def _copied(argument: Any) -> torch.Tensor | None:
    import torch

    if not isinstance(argument, torch.Tensor) or argument.device.type == "meta":  # which has no numbers to change
        return None
    return argument.detach().clone()


def _unchanged(argument: torch.Tensor, copy: torch.Tensor) -> bool:
    import torch

    return argument.shape == copy.shape and argument.dtype == copy.dtype and torch.equal(argument.detach(), copy)
