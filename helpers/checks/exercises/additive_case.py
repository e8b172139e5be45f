"""An additive attention whose W, U and v are known, inputs for it, and what the formula gives."""

from __future__ import annotations

import torch

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import PADDING, Draw
from helpers.checks.engine.seen import Seen
from helpers.checks.engine.trouble import Trouble, wrong_kind
from helpers.checks.exercises.additive_parts import (
    Parts,
    Sizes,
    additive_weights,
    draw_parts,
    find_roles,
    insist_on_all,
    learned,
    randomize_others,
    settle,
)

_PAIR = "a pair of tensors, `(context, weights)`,"


class Case:
    """A layer whose W, U and v are known, inputs for it, and what the formula gives."""

    def __init__(
        self,
        subject: Subject,
        draw: Draw,
        *,
        mask: bool = False,
        ones: str = "",
        long: bool = False,
        dtype: torch.dtype = torch.float32,
        **fixed: int | None,
    ) -> None:
        chosen = draw.sizes("b tk q k hidden", 2, 8)
        while chosen["b"] > 5:  # an answer may go through texts and keys one by one
            chosen = draw.sizes("b tk q k hidden", 2, 8)
        chosen |= dict.fromkeys(ones.split(), 1)
        chosen |= {name: size for name, size in fixed.items() if size is not None}
        if long:
            chosen |= {"b": 2, "tk": 67}
        self.subject, self.draw, self.dtype = subject, draw, dtype
        self.arguments = Sizes(chosen["q"], chosen["k"], chosen["hidden"])
        self.sizes = {name: chosen[name] for name in ("b", "tk", "k", "q", "hidden")}
        b, tk = chosen["b"], chosen["tk"]
        parts = draw_parts(draw, self.arguments)
        self.query = draw.normal(b, self.arguments.q, dtype=dtype)
        self.keys = draw.normal(b, tk, self.arguments.k, dtype=dtype)
        self.mask = draw.mask(PADDING, b, 1, 1, tk)[:, 0, 0] if mask else None
        self.words = " with a mask (b, tk)" if mask else ""
        self.roles = find_roles(subject)
        self.layer = subject.make(*self.arguments)
        settle(subject, self.layer, self.query.float(), self.keys.float())
        insist_on_all(self.roles, self.layer, self.arguments)
        self.layer.to(dtype)
        self.held = 0  # how often the layer was given parts
        self.hold(parts)

    def hold(self, parts: Parts) -> None:
        """Give the layer these parts; a misconception gets what the answer that it is compared with has of them."""
        key = (self.draw.case, self.held)
        self.held += 1
        if not self.subject.is_students:
            parts = self.subject.notes.get(key, parts)
        self.roles.write(self.layer, parts, self.arguments)
        randomize_others(self.layer, self.roles, self.draw.seed)
        self.parts = self.roles.read(self.parameters(), self.arguments)
        if self.subject.is_students:
            self.subject.notes[key] = self.parts

    def parameters(self) -> Parts:
        """The layer's parameters in float64, as they are now."""
        return {name: value.detach().clone().double() for name, value in learned(self.layer).items()}

    def call(self, *inputs: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return context and weights, of other inputs if there are any."""
        given = inputs or (self.query, self.keys, self.mask)
        value = self.subject.call(self.layer, *(x for x in given if x is not None))
        if isinstance(value, torch.Tensor):
            sentence = f"`forward` returns one tensor where {_PAIR} is wanted: end with `return context, weights`."
            raise Trouble(sentence, "kind", "Tensor")
        if not isinstance(value, tuple) or len(value) != 2:
            raise wrong_kind(value, "forward", _PAIR)
        for part in value:
            if not isinstance(part, torch.Tensor):
                raise wrong_kind(part, "forward", "a tensor in each place of the pair")
            if not part.is_floating_point():
                sentence = f"`forward` returns a tensor of {part.dtype}: real numbers are wanted."
                raise Trouble(sentence, "dtype", part.dtype)
        return value

    def weights(self) -> torch.Tensor:
        """What the formula gives, (b, tk) in float64."""
        return additive_weights(self.parts, self.query.detach().double(), self.keys.detach().double(), self.mask)

    def context(self) -> torch.Tensor:
        """What the formula gives, (b, k) in float64."""
        return torch.einsum("bt,btk->bk", self.weights(), self.keys.detach().double())

    def seen_weights(self, weights: torch.Tensor, what: str = "The tensor of weights") -> Seen:
        """The weights beside the formula's."""
        return Seen(
            what + self.words,
            weights,
            self.weights,
            ("b", "tk"),
            self.sizes,
            dtype=self.dtype if self.dtype == torch.float64 else None,
            shares=self.mask is None or bool(self.mask.any(1).all()),
            clue=self._forbidden,
            alone=lambda: self._first()[1],
        )

    def seen_context(self, context: torch.Tensor, what: str = "The context") -> Seen:
        """The context beside the formula's."""
        return Seen(
            what + self.words,
            context,
            self.context,
            ("b", "k"),
            self.sizes,
            dtype=self.dtype if self.dtype == torch.float64 else None,
            alone=lambda: self._first()[0],
        )

    def _first(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.call(self.query[:1], self.keys[:1], None if self.mask is None else self.mask[:1])

    def _forbidden(self, weights: torch.Tensor) -> str:
        if self.mask is None or self.mask.all():
            return ""
        leaked = float(weights[~self.mask].abs().max())
        return f"A key that the mask forbids still gets a weight of {leaked:.2g}" if leaked > 0 else ""
