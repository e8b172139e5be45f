"""A self-attention layer with known weights, inputs for it, and what torch makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import CAUSAL, PADDING, PER_HEAD, PER_QUERY, Draw
from helpers.checks.engine.seen import Seen
from helpers.checks.engine.trouble import Trouble
from helpers.checks.exercises.attention_by_hand import torch_attention
from helpers.checks.exercises.parts import Fitted, Wanted, fit_linear, part, randomize, remembered

MASK_WORDS = {
    None: "",
    PADDING: " with a padding mask (b, 1, 1, tk)",
    CAUSAL: " with a causal mask (t, t)",
    PER_QUERY: " with a mask (b, 1, t, tk)",
    PER_HEAD: " with a mask (b, h, t, tk)",
}
PROJECTIONS = ("to_queries", "to_keys", "to_values")


def expected_output(
    weights: Mapping[str, torch.Tensor],
    h: int,
    x: torch.Tensor,
    mask: torch.Tensor | None = None,
    context: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return what torch's functions give with these weights: (b, t, k) gives (b, t, k), in float64."""
    queries, keys, values = _projected(weights, h, x, x if context is None else context)
    joined = torch_attention(queries, keys, values, mask).transpose(1, 2).flatten(2)
    return F.linear(joined, weights["unify_heads.weight"], weights.get("unify_heads.bias"))


def attention_by_parts(
    weights: Mapping[str, torch.Tensor], h: int, x: torch.Tensor, context: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what each head shares out, (b, h, t, tk), and its values, (b, h, tk, d), in float64."""
    x = x.detach().double()
    queries, keys, values = _projected(weights, h, x, x if context is None else context.detach().double())
    return (queries @ keys.mT / queries.shape[-1] ** 0.5).softmax(-1), values


def _projected(
    weights: Mapping[str, torch.Tensor], h: int, x: torch.Tensor, context: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return queries, keys and values, (b, h, t, d)."""
    queries, keys, values = (
        F.linear(source, weights[f"{name}.weight"], weights.get(f"{name}.bias")).unflatten(-1, (h, -1)).transpose(1, 2)
        for name, source in zip(PROJECTIONS, (x, context, context), strict=True)
    )
    return queries, keys, values


def fit_attention(
    subject: Subject,
    draw: Draw,
    layer: nn.Module,
    sizes: dict[str, int],
    bias: bool,
    dtype: torch.dtype = torch.float32,
    unify_bias: bool | None = True,
    fitted: Fitted | None = None,
) -> Fitted:
    """Give the four layers of an answer weights that the check knows."""
    fitted = Fitted() if fitted is None else fitted
    k, inner = sizes["k"], sizes["h·d"]
    why = f"{inner} being num_heads * head_dim = {sizes['h']} * {sizes['d']}"
    said = f"as bias={bias} says"
    owner = type(layer).__name__
    for name in PROJECTIONS:
        fit_linear(subject, draw, fitted, name, part(layer, name, owner), Wanted(k, inner, None, why), dtype)
        if (f"{name}.bias" in fitted.weights) != bias:
            have = "has no bias, and should have one" if bias else "has a bias, and should have none"
            raise Trouble(f"`{name}` {have}, {said}.", "bias", name, bias)
    wanted = Wanted(inner, k, unify_bias, "whatever `bias` says" if unify_bias else "")
    fit_linear(subject, draw, fitted, "unify_heads", part(layer, "unify_heads", owner), wanted, dtype)
    return fitted


class Case:
    """A layer with known weights, and inputs for it."""

    def __init__(
        self,
        subject: Subject,
        draw: Draw,
        *,
        heads: str = "usual",
        bias: bool = False,
        mask: str | None = None,
        context: bool = False,
        dtype: torch.dtype = torch.float32,
        ones: str = "",
        long: bool = False,
        dropout: float | None = 0.0,
        **fixed: int,
    ) -> None:
        sizes = draw.sizes("b t tk h m d", 2, 8, ["h*m"])
        sizes |= dict.fromkeys(ones.split(), 1) | fixed
        if long:
            sizes |= {"t": 41, "tk": 59}
        k = sizes["h"] * sizes["m"]
        d = {"usual": sizes["m"], "wide": k, "own": sizes["d"]}[heads]
        b, h, t, tk = sizes["b"], sizes["h"], sizes["t"], sizes["tk"] if context else sizes["t"]
        self.sizes = {"b": b, "t": t, "h": h, "k": k, "d": d, "h·d": h * d} | ({"tk": tk} if context else {})
        named: dict[str, Any] = ({} if dropout is None else {"dropout": dropout}) | ({"bias": True} if bias else {})
        if heads != "usual":
            named["head_dim"] = d
        self.subject, self.draw = subject, draw
        layer = subject.make(k, h, **named)
        subject.insist_on_registered(layer)
        self.layer = layer if dtype == torch.float32 else layer.to(dtype)
        self.bias, self.dtype = bias, dtype
        self.fitted = self._fitted(draw, str(sizes))
        self.x = draw.normal(b, t, k, dtype=dtype)
        self.context = draw.normal(b, tk, k, dtype=dtype) if context else None
        self.mask = None if mask is None else draw.mask(mask, b, h, t, tk)
        self.words = MASK_WORDS[mask] + (" and a context" if mask and context else " with a context" if context else "")
        self.words += {"usual": "", "wide": " with head_dim=embed_dim", "own": f" with head_dim={d}"}[heads]
        self.words += " with bias=True" if bias else ""

    def _fitted(self, draw: Draw, name: str) -> Fitted:
        fitted = fit_attention(self.subject, draw, self.layer, self.sizes, self.bias, self.dtype)
        known = {id(parameter) for parameter in fitted.claimed}
        randomize([p for p in self.layer.parameters() if id(p) not in known], draw.again("others"))
        return remembered(self.subject, draw, name, fitted)

    def refit(self) -> None:
        """Give the layer other weights."""
        self.fitted = self._fitted(self.draw.again("other weights"), "other weights")

    def call(self, first_only: bool = False) -> torch.Tensor:
        """Return the answer's output, for the first text alone if asked."""
        x, mask, context = self.x, self.mask, self.context
        if first_only:
            x, context = x[:1], None if context is None else context[:1]
            mask = mask[:1] if mask is not None and mask.dim() == 4 else mask
        return run_layer(self.subject, self.layer, x, mask=mask, context=context)

    def expected(self) -> torch.Tensor:
        """Return torch's output."""
        context = None if self.context is None else self.context.detach().double()
        return expected_output(self.fitted.weights, self.sizes["h"], self.x.detach().double(), self.mask, context)

    def seen(self, what: str, got: torch.Tensor | None = None) -> Seen:
        """Return the output beside torch's."""
        got = self.call() if got is None else got
        return Seen(
            what + self.words,
            got,
            self.expected,
            ("b", "t", "k"),
            self.sizes,
            dtype=self.x.dtype,
            alone=lambda: self.call(first_only=True),
        )


def run_layer(subject: Subject, layer: nn.Module, x: torch.Tensor, **options: torch.Tensor | None) -> torch.Tensor:
    """Call a layer on its own device, leaving out trailing options that are None."""
    device = next(layer.parameters()).device
    named = {name: option if option is None else option.to(device) for name, option in options.items()}
    while named and list(named.values())[-1] is None:
        named.popitem()
    return subject.tensor(layer, x.to(device), named=named)
