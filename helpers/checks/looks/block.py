"""What the checks of blocks share: a case with attentions, norms and an MLP, and where dropout falls in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F

from helpers.checks.answer.parts import fit_attention, fit_mlp, fit_norm, part
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.seen import Seen
from helpers.checks.looks.case import Case, Layer
from helpers.checks.looks.where_dropout import is_one_of, seen_dropout, seen_left_out, subsets

Weights = Mapping[str, torch.Tensor]


def linear(weights: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    """Return what the linear layer of this name gives."""
    return F.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))


def norm(weights: Weights, name: str, x: torch.Tensor, eps: float = 1e-5) -> torch.Tensor:
    """Return what the layer norm of this name gives."""
    return F.layer_norm(x, x.shape[-1:], weights.get(f"{name}.weight"), weights.get(f"{name}.bias"), eps)


class BlockCase(Case):
    """A block of attentions and an MLP, each with its norm."""

    noun = "block"
    made_for = "h m more"
    one_head = {"h": 1, "m": 6}  # noqa: RUF012
    norms: ClassVar[tuple[str, ...]]
    attentions: ClassVar[tuple[str, ...]]
    bias: ClassVar[bool | None] = None  # whether the attentions' projections have one; None where they may

    @classmethod
    def make(
        cls,
        subject: Subject,
        draw: Draw,
        *,
        dtype: torch.dtype = torch.float32,
        dropout: float | None = 0.0,
        hidden: bool = True,
        bias: bool = False,
        options: Mapping[str, Any] | None = None,
        **fixed: int,
    ) -> Layer:
        while True:
            sizes = draw.sizes("h m more", 2, 8, ["h*m"]) | fixed
            k = sizes["h"] * sizes["m"]
            if k > 2 and sizes["more"] % k:  # a width of 2 k or 3 k could be something else
                break
        wide = k + sizes["more"] if hidden else 2 * k
        said = dict(options or {}) | ({"bias": True} if bias else {})
        named = said | ({"hidden_dim": wide} if hidden else {}) | ({} if dropout is None else {"dropout": dropout})
        module = subject.make(k, sizes["h"], **named)
        subject.insist_on_registered(module)
        layer = Layer(module.to(dtype), {"h": sizes["h"], "k": k, "d": sizes["m"], "h·d": k, "hidden": wide}, said)
        fitted = layer.fitted
        for name in cls.norms:
            fit_norm(subject, draw, fitted, name, part(module, name, subject.name), k, dtype)
        has_bias = bias or cls.bias
        for name in cls.attentions:
            attention = part(module, name, subject.name, "`SelfAttention` of exercise 3")
            fit_attention(subject, draw, fitted, attention, layer.sizes, dtype, has_bias, name)
        mlp = part(module, "mlp", subject.name, "one layer, such as `nn.Sequential`")
        fit_mlp(subject, draw, fitted, mlp, k, wide, "as hidden_dim says" if hidden else "twice embed_dim", dtype)
        fitted.insist_on_no_others(subject, module)
        return layer


def seen_places(
    came: torch.Tensor,
    ways: Callable[..., torch.Tensor],
    kept: Callable[[torch.Tensor], Sequence[torch.Tensor]],
    places: Sequence[str],
    p: float,
    what: str,
) -> Iterator[Seen]:
    """Yield at which places dropout falls. Inside the MLP, where torch's own block drops too, it may.

    Parameters
    ----------
    came : tensor (b, k)
        The block's output for texts of one word.
    ways : callable
        `ways(some, inside, missing)` gives, for the texts that the slice `some` chooses, the outputs (n, ways, k) of
        all droppings, also inside the MLP if asked, and without those at the `missing` places.
    kept : callable
        For the numbers of all ways, (ways,), what is kept then at each place: (ways, numbers) of 0 and 1.
    places : sequence of str
        The places, as messages name them.
    p : float
        The probability that a number is dropped.
    what : str
        How a message begins.
    """
    few = slice(2)  # two texts tell whether the many ways are the right kind
    told = {name: f"Nothing is ever dropped of {name}." for name in places}
    all_ways = ways(few, False, ())
    if not is_one_of(came[few], all_ways):
        if is_one_of(came[few], ways(few, True, ())):
            return
        for missing in subsets(places):
            if all(is_one_of(came[some], ways(some, False, missing)) for some in (slice(1), few, slice(None))):
                yield seen_left_out(what, missing)
                return
        yield seen_dropout(came[few], all_ways, {}, p, told, what)
    bits = dict(zip(places, kept(torch.arange(all_ways.shape[1])), strict=True))
    yield seen_dropout(came, ways(slice(None), False, ()), bits, p, told, what)
