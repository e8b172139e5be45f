"""What dropout may make of a Transformer block's output: the weights and what attention and MLP return are dropped."""

from __future__ import annotations

from collections.abc import Collection
from itertools import product

import torch
import torch.nn.functional as F

from helpers.checks.engine.seen import Seen
from helpers.checks.exercises.block_case import Case
from helpers.checks.looks.where_dropout import all_kept, is_one_of, plus_dropped, seen_dropout, seen_left_out

WEIGHTS, ATTENDED, MLP = "the attention's weights", "what the attention returns", "what the MLP returns"
PLACES = {
    WEIGHTS: "the attention's weights are never dropped: hand `dropout` on to the attention.",
    ATTENDED: "what the attention returns is never dropped: `self.dropout` goes around it before it is added.",
    MLP: "what the MLP returns is never dropped: `self.dropout` goes around it before it is added.",
}
MISSING = ((WEIGHTS,), (ATTENDED,), (MLP,), (ATTENDED, MLP))  # what is often left out


def seen_block_dropout(came: torch.Tensor, case: Case, p: float, what: str) -> Seen:
    """Return where dropout falls in a block, as facts; `came` (b, k) is its output for texts of one word.

    Dropout inside the MLP as well, which torch's own block has, is left open.
    """
    k = case.sizes["k"]
    few = slice(2)  # there are many ways, and two texts tell whether they are the right kind
    ways = _ways(case, p, case.x[few])
    if is_one_of(came[few], ways):
        ways = _ways(case, p, case.x)
    else:
        inside = _ways(case, p, case.x[few], inside=True)
        if is_one_of(came[few], inside):
            return seen_dropout(came[few], inside, {}, p, PLACES, what)
        came = came[few]
        for inside_too, missing in product((False, True), MISSING):
            tried = (_ways(case, p, case.x[some], inside_too, missing) for some in (slice(1), few))
            if all(is_one_of(came[: len(those)], those) for those in tried):
                return seen_left_out(what, PLACES, missing)
    number, kept = torch.arange(ways.shape[1]), all_kept(k)
    bits = (all_kept(case.sizes["h"])[number // 4**k], kept[number // 2**k % 2**k], kept[number % 2**k])
    return seen_dropout(came, ways, dict(zip(PLACES, bits, strict=True)), p, PLACES, what)


def _ways(case: Case, p: float, x: torch.Tensor, inside: bool = False, missing: Collection[str] = ()) -> torch.Tensor:
    """Return the output (b, ways, k) for all droppings: of each head's weight, of k numbers, of k numbers again."""
    weights, first = case.fitted.weights, bool(case.options.get("norm_first"))

    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    x = x.detach().double()  # (b, 1, k)
    values = linear("to_values", norm("norm_1", x) if first else x)
    heads = all_kept(case.sizes["h"]).repeat_interleave(case.sizes["d"], 1)  # with one word, a head has one weight
    attended = linear("unify_heads", values if WEIGHTS in missing else values * heads / (1 - p))
    x = x.expand(attended.shape)
    x = x + attended if ATTENDED in missing else plus_dropped(x, attended, p)
    if not first:
        x = norm("norm_1", x)
    hidden = linear("mlp_1", norm("norm_2", x) if first else x).relu()
    if inside:
        kept = all_kept(hidden.shape[-1]) / (1 - p)
        x, hidden = x.repeat_interleave(len(kept), 1), (hidden[:, :, None] * kept).flatten(1, 2)
    hidden = linear("mlp_2", hidden)
    x = x + hidden if MLP in missing else plus_dropped(x, hidden, p)
    return x if first else norm("norm_2", x)
