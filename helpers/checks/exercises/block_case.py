"""A Transformer block with known weights, inputs for it, and what torch makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F

from helpers.checks.answer.subject import Subject
from helpers.checks.answer.undisturbed import reseed
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.seen import Seen, same
from helpers.checks.exercises import self_attention_case
from helpers.checks.exercises.block_parts import fit_block
from helpers.checks.exercises.parts import remembered
from helpers.checks.exercises.self_attention_case import MASK_WORDS
from helpers.checks.looks.dropout import in_train_mode


def expected_output(
    weights: Mapping[str, torch.Tensor],
    h: int,
    x: torch.Tensor,
    mask: torch.Tensor | None = None,
    norm_first: bool = False,
    activation: str = "relu",
    norm_eps: float = 1e-5,
) -> torch.Tensor:
    """Return what torch's functions give with these weights: (b, t, k) gives (b, t, k), in float64."""

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights.get(f"{name}.bias"), norm_eps)

    def mlp(x: torch.Tensor) -> torch.Tensor:
        hidden = F.linear(x, weights["mlp_1.weight"], weights.get("mlp_1.bias"))
        hidden = F.gelu(hidden) if activation == "gelu" else F.relu(hidden)
        return F.linear(hidden, weights["mlp_2.weight"], weights.get("mlp_2.bias"))

    def attention(x: torch.Tensor) -> torch.Tensor:
        return self_attention_case.expected_output(weights, h, x, mask)

    if norm_first:
        x = x + attention(norm("norm_1", x))
        return x + mlp(norm("norm_2", x))
    x = norm("norm_1", x + attention(x))
    return norm("norm_2", x + mlp(x))


_OF_BLOCK = ("bias", "options", "hidden", "dropout", "dtype", "h", "m", "more")  # what `Block` is told, not `Case`


class Block:
    """A block with known weights.

    Parameters
    ----------
    subject, draw
        As a step is handed them.
    bias, options
        As handed over.
    hidden
        Whether `hidden_dim` is handed over.
    dropout
        As handed over; None: nothing is said.
    dtype
        Of the weights.
    **fixed
        Sizes that are not drawn: h, m, more.
    """

    def __init__(
        self,
        subject: Subject,
        draw: Draw,
        *,
        bias: bool = False,
        options: dict[str, Any] | None = None,
        hidden: bool = True,
        dropout: float | None = 0.0,
        dtype: torch.dtype = torch.float32,
        **fixed: int,
    ) -> None:
        while True:
            sizes = draw.sizes("h m more", 2, 8, ["h*m"]) | fixed
            k = sizes["h"] * sizes["m"]
            if k % 2 == 0 and k > 2 and sizes["more"] % k:  # a width of 2 k or 3 k could be something else
                break
        wide = k + sizes["more"] if hidden else 2 * k
        self.sizes = {"h": sizes["h"], "k": k, "d": sizes["m"], "h·d": k, "hidden": wide}
        self.options = options or {}
        named = {**self.options, **({"bias": True} if bias else {}), **({"hidden_dim": wide} if hidden else {})}
        if dropout is not None:
            named["dropout"] = dropout
        layer = subject.make(k, sizes["h"], **named)
        subject.insist_on_registered(layer)
        self.layer = layer if dtype == torch.float32 else layer.to(dtype)
        fitted, ways = fit_block(subject, draw, self.layer, self.sizes, bias, dtype)
        if ways:  # which layer is which shows only in what the block computes
            x = draw.normal(2, 5, k, dtype=dtype)
            output = subject.tensor(self.layer, x)
            known = subject.notes.get("which layer is which", 0)  # the same in every block of one class
            for i in sorted(range(len(ways)), key=lambda i: i != known):
                expected = expected_output(fitted.weights | ways[i], sizes["h"], x.double(), **self.options)
                if same(output, expected, 3.0):
                    known = i
                    break
            subject.notes["which layer is which"] = known
            reseed(subject.seeds[1])  # as if nothing had been called
            fitted.weights |= ways[known]
        self.fitted = remembered(subject, draw, str(self.sizes), fitted)
        told = [f"{name}={value!r}" for name, value in self.options.items()] + ["bias=True"] * bias
        self.words = f" with {', '.join(told)}" if told else ""


class Case:
    """A block, and inputs for it.

    Parameters
    ----------
    subject, draw
        As a step is handed them.
    block
        The block.
    mask
        What kind of mask there is; None for none.
    scale
        How far the inputs are from zero.
    **fixed
        Sizes that are not drawn: b, t.
    """

    def __init__(
        self,
        subject: Subject,
        draw: Draw,
        block: Block,
        *,
        mask: str | None = None,
        scale: float = 1.0,
        **fixed: int,
    ) -> None:
        self.subject, self.layer, self.fitted, self.options = subject, block.layer, block.fitted, block.options
        draw = draw.again(f"inputs of {draw.own}")
        self.sizes = draw.sizes("b t", 2, 8, taken=block.sizes.values()) | fixed | block.sizes
        b, t, h, k = (self.sizes[name] for name in ("b", "t", "h", "k"))
        self.x = draw.normal(b, t, k, dtype=next(block.layer.parameters()).dtype, scale=scale)
        self.mask = None if mask is None else draw.mask(mask, b, h, t, t)
        self.words = MASK_WORDS[mask] + block.words

    def call(self, first_only: bool = False) -> torch.Tensor:
        """Return the answer's output, for the first text alone if asked."""
        x, mask = self.x, self.mask
        if first_only:
            x, mask = x[:1], mask[:1] if mask is not None and mask.dim() == 4 else mask
        device = next(self.layer.parameters()).device
        inputs = [value.to(device) for value in (x, mask) if value is not None]
        return self.subject.tensor(self.layer, *inputs)

    def expected(
        self, weights: Mapping[str, torch.Tensor] | None = None, x: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return torch's output."""
        weights = self.fitted.weights if weights is None else weights
        x = self.x.detach().double() if x is None else x
        return expected_output(weights, self.sizes["h"], x, self.mask, **self.options)

    def seen_in_train_mode(self, what: str) -> Seen:
        """Return the output in train mode beside torch's."""

        def call(first_only: bool = False) -> torch.Tensor:
            with in_train_mode(self.layer):
                return self.call(first_only)

        seen = self.seen(what, call())
        seen.alone = lambda: call(first_only=True)
        return seen

    def seen(self, what: str, got: torch.Tensor | None = None) -> Seen:
        """Return the output beside torch's."""
        return Seen(
            what + self.words,
            self.call() if got is None else got,
            self.expected,
            ("b", "t", "k"),
            self.sizes,
            dtype=self.x.dtype,
            alone=lambda: self.call(first_only=True),
        )


def make_case(subject: Subject, draw: Draw, ones: str = "", long: bool = False, **settings: Any) -> Case:
    """Return a case of the block that all steps with these draws share; `settings` are those of `Block` and `Case`."""
    settings |= dict.fromkeys(ones.split(), 1)
    if long:
        settings["t"] = 47
    of_block = {name: settings.pop(name) for name in _OF_BLOCK if name in settings}
    return Case(subject, draw, subject.shared(Block, draw, **of_block), **settings)
