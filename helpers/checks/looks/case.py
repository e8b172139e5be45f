"""What every check of a layer needs: an instance whose weights are known, inputs for it, and what should come out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import nn

from helpers.checks.answer.parts import Fitted, randomize, remembered
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import CAUSAL, PADDING, Draw
from helpers.checks.engine.exercise import Step
from helpers.checks.engine.seen import Seen

Given = dict[str, Any]  # what `forward` is handed, by name: a tensor, or None


class Input(NamedTuple):
    """A tensor of numbers that `forward` takes: its axes, "b t k", and whether it may be left out."""

    axes: str
    optional: bool = False


class Mask(NamedTuple):
    """A mask that `forward` takes: the axes of the queries and of the keys that it goes over."""

    tq: str
    tk: str


@dataclass
class Layer:
    """An instance of an answer: what it was made for, and the weights that it computes with."""

    module: nn.Module
    sizes: dict[str, int] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)  # that a message should name
    fitted: Fitted = field(default_factory=Fitted)


class Case:
    """A layer and inputs for it. A subclass says what an exercise's layer is made with and handed, and what is right.

    Parameters
    ----------
    subject, draw
        As a step is handed them.
    ones
        Names of the sizes that are 1, "b t".
    long
        Whether there are as many words as `long_sizes` says.
    scale
        How far the inputs are from zero.
    own
        Whether the layer is made for this case alone, which may change it.
    **settings
        What `make` takes; for each mask its kind; for each input that may be left out whether it is there; and sizes
        that are not drawn.
    """

    noun: ClassVar[str] = "layer"
    takes: ClassVar[Mapping[str, Input | Mask]]  # what `forward` takes, in its order
    output: ClassVar[str] = "b t k"
    made_for: ClassVar[str] = ""  # names of the sizes that the layer is made for; the others are the inputs'
    one_head: ClassVar[Mapping[str, int]] = {"h": 1}
    long_sizes: ClassVar[Mapping[str, int]] = {}
    usually_absent: ClassVar[tuple[str, ...]] = ()  # inputs that are there only where a step says so

    def __init__(
        self,
        subject: Subject,
        draw: Draw,
        *,
        ones: str = "",
        long: bool = False,
        scale: float = 1.0,
        own: bool = False,
        **settings: Any,
    ) -> None:
        settings |= dict.fromkeys(ones.split(), 1) | (dict(self.long_sizes) if long else {})
        usual = {name: name in self.inputs and name not in self.usually_absent for name in self.takes}
        kinds = {name: settings.pop(name, usual[name]) for name in self.takes}
        of_layer = {name: settings.pop(name) for name in self._of_layer() if name in settings}
        self.subject, self.dtype, self.scale = subject, of_layer.get("dtype", torch.float32), scale
        self.layer: Layer = subject.shared(self._made, draw, own, **of_layer)
        fixed = {name: size for name, size in settings.items() if size is not None}
        self.draw_inputs(draw.again(f"inputs of {draw.own}"), kinds, **fixed)

    def draw_inputs(self, draw: Draw, kinds: Mapping[str, Any], **fixed: int) -> None:
        """Draw what is handed over: for each mask `kinds` says what kind it is, for each input whether it is there."""
        self.sizes = self.drawn_sizes(draw, fixed) | self.layer.sizes
        self.settle(kinds)
        self.sizes |= {axis: self._size(axis) for axis in self.output.split()}
        self.given: Given = {name: self._drawn(draw, wanted, kinds.get(name)) for name, wanted in self.takes.items()}
        self.words = self._words(kinds)

    # What a subclass says

    @classmethod
    def make(cls, subject: Subject, draw: Draw, *, dtype: torch.dtype = torch.float32, dropout: float = 0.0) -> Layer:
        """Make an instance, and give it weights that are known."""
        raise NotImplementedError

    def drawn_sizes(self, draw: Draw, fixed: Mapping[str, int]) -> dict[str, int]:
        """Draw the sizes of the inputs."""
        axes = {axis for name in self.inputs for axis in self.takes[name].axes.split()}  # type: ignore[union-attr]
        names = " ".join(sorted(axes - set(self.layer.sizes)))
        return draw.sizes(names, 2, 8, taken=self.layer.sizes.values()) | dict(fixed)

    def settle(self, kinds: Mapping[str, Any]) -> None:
        """Change sizes that depend on what is handed over."""

    def oracle(self, weights: Mapping[str, torch.Tensor], **given: Any) -> torch.Tensor:
        """Return what should come out, in float64."""
        raise NotImplementedError

    # What all have in common

    @property
    def inputs(self) -> list[str]:
        """What is handed over by place or by name and holds numbers."""
        return [name for name, kind in self.takes.items() if isinstance(kind, Input)]

    @classmethod
    def _of_layer(cls) -> list[str]:
        parameters = inspect.signature(cls.make).parameters.values()
        return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY] + cls.made_for.split()

    @classmethod
    def _made(cls, subject: Subject, draw: Draw, **settings: Any) -> Layer:
        layer = cls.make(subject, draw, **settings)
        layer.fitted = remembered(subject, draw, str(layer.sizes), layer.fitted)
        return layer

    def _drawn(self, draw: Draw, wanted: Input | Mask, kind: Any) -> torch.Tensor | None:
        if isinstance(wanted, Input):
            tensor = draw.normal(*map(self._size, wanted.axes.split()), dtype=self.dtype, scale=self.scale)
            return tensor if kind else None
        if not kind:
            return None
        return draw.mask(kind, self.sizes["b"], self.sizes["h"], self.sizes[wanted.tq], self.sizes[wanted.tk])

    def refit(self, draw: Draw) -> None:
        """Give the layer other weights, as training would."""
        fitted = self.layer.fitted
        if self.subject.is_students:
            randomize(fitted.parameters.values(), draw.again("other weights"))
            others = {name: p.detach().cpu().double().clone() for name, p in fitted.parameters.items()}
            fitted = Fitted(fitted.weights | others, fitted.parameters)
        self.layer.fitted = remembered(self.subject, draw, "other weights", fitted)

    def call(self, first_only: bool = False) -> torch.Tensor:
        """Return the answer's output, for the first text alone if asked."""
        given = {name: self._first(name) if first_only else x for name, x in self.given.items()}
        device = next((p.device for p in self.layer.module.parameters()), torch.device("cpu"))
        given = {name: x if x is None else x.to(device) for name, x in given.items()}
        by_place = [given.pop(name) for name in list(given) if self.is_needed(name)]
        while given and list(given.values())[-1] is None:
            given.popitem()
        return self.run(*by_place, **given)

    def run(self, *by_place: Any, **named: Any) -> torch.Tensor:
        """Call the layer, and return what is looked at."""
        return self.subject.tensor(self.layer.module, *by_place, named=named)

    def exact(self, leaves: Mapping[str, torch.Tensor]) -> Given:
        """Return what is handed over, in float64; those of `leaves` in its place."""
        exact = {n: x if x is None or x.dtype == torch.bool else x.detach().double() for n, x in self.given.items()}
        return exact | {name: leaf for name, leaf in leaves.items() if name in exact}

    def seen(self, what: str, got: torch.Tensor | None = None, alone: bool = True) -> Seen:
        """Return the output beside what it should be."""
        return Seen(
            what + self.words,
            self.call() if got is None else got,
            lambda: self.oracle(self.layer.fitted.weights, **self.exact({})),
            self.output.split(),
            self.sizes,
            dtype=next(iter(self.given.values())).dtype,
            alone=(lambda: self.call(first_only=True)) if alone else None,
        )

    def is_needed(self, name: str) -> bool:
        """Whether this must be handed over."""
        kind = self.takes[name]
        return isinstance(kind, Input) and not kind.optional

    def _size(self, axis: str) -> int:
        """The size of an axis, or of two that are folded: "h·d"."""
        return prod(self.sizes[part] for part in axis.split("·"))

    def _first(self, name: str) -> torch.Tensor | None:
        x = self.given[name]
        return x if x is None or (isinstance(self.takes[name], Mask) and x.dim() < 4) else x[:1]

    def _words(self, kinds: Mapping[str, Any]) -> str:
        words = []
        for name, kind in kinds.items():
            wanted = self.takes[name]
            if isinstance(wanted, Mask) and kind:
                axes = {"q": wanted.tq, "k": wanted.tk}
                which = {PADDING: "padding ", CAUSAL: "causal "}.get(kind, "")
                shape = ", ".join(axes.get(axis, axis) for axis in kind.lower())
                words.append(f"a {which}{name.replace('_', ' ')} ({shape})")
            elif kind and not self.is_needed(name):
                words.append(f"a {name}")
        told = [f"{name}={value!r}" for name, value in self.layer.options.items()]
        return "".join(f" with {' and '.join(parts)}" for parts in (words, told) if parts)

    @classmethod
    def step(
        cls, right: str, look: Callable[..., Iterator[Seen]], draws: str = "", remark: str = "", **settings: Any
    ) -> Step:
        """Return a step that looks at such cases: see `Step`."""
        return Step(right, look, {"case": cls, **settings}, tuple(cls._simpler(settings)), remark, draws)

    @classmethod
    def _simpler(cls, settings: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what is easier than a case with these settings."""
        masks = [name for name, kind in cls.takes.items() if isinstance(kind, Mask)]
        if any(name in settings for name in masks):
            yield "without a mask", dict.fromkeys(masks)
        for name, kind in cls.takes.items():
            if isinstance(kind, Input) and kind.optional and settings.get(name, name not in cls.usually_absent):
                yield f"without a {name}", {name: False} | {mask: None for mask in masks if mask.startswith(name)}
        if settings.get("bias"):
            yield "without bias", {"bias": False}
        if cls.one_head and "h" not in settings:
            yield "for one head, and wrong for several", dict(cls.one_head)
        if "b" not in settings:
            yield "for a batch of one, and wrong for several", {"b": 1}
        sizes = {name for name in settings if name in ("b", "t", "tq", "tk", "h", "d")}
        if sizes:
            yield "for sizes that all differ", dict.fromkeys(sizes)
        if settings.get("dtype") == torch.float64:
            yield "in float32, but not in float64", {"dtype": torch.float32}
        if settings.get("ones"):
            yield "for tensors that have no axis of size 1", {"ones": ""}
        if settings.get("long"):
            yield "for shorter inputs", {"long": False}


def leaked(weights: torch.Tensor, mask: torch.Tensor | None) -> str:
    """Say whether a key that the mask forbids gets weight; both have the keys along the last axis."""
    if mask is None or bool(mask.all()) or weights.shape[-1] != mask.shape[-1]:
        return ""
    most = float(weights[~mask.expand(weights.shape)].abs().max())
    return f"A key that the mask forbids still gets a weight of {most:.2g}" if most > 0 else ""
