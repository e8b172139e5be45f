"""What dropout may make of a Transformer block's output: the weights and what attention and MLP return are dropped."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from helpers.checks.block_case import Case
from helpers.checks.seen import Seen
from helpers.checks.where_dropout import all_kept, is_one_of, plus_dropped, seen_dropout

PLACES = {
    "the attention's weights": "The attention's weights are never dropped: hand `dropout` on to the attention.",
    "what the attention returns": "What the attention returns is never dropped: drop before it is added.",
    "what the MLP returns": "What the MLP returns is never dropped: drop before it is added.",
}


def seen_block_dropout(came: torch.Tensor, case: Case, p: float, what: str) -> Seen:
    """Return where dropout falls in a block, as facts; `came` (b, k) is its output for texts of one word.

    Dropout inside the MLP as well, which torch's own block has, is left open.
    """
    k = case.sizes["k"]
    few = slice(3)  # there are many ways, and three texts tell whether they are the right kind
    ways = _ways(case, p, case.x[few])
    if is_one_of(came[few], ways):
        ways = _ways(case, p, case.x)
    else:
        inside = _ways(case, p, case.x[few], inside=True)
        if is_one_of(came[few], inside):
            return seen_dropout(came[few], inside, {}, p, PLACES, what)
        came = came[few]
    number, kept = torch.arange(ways.shape[1]), all_kept(k)
    bits = (all_kept(case.sizes["h"])[number // 4**k], kept[number // 2**k % 2**k], kept[number % 2**k])
    return seen_dropout(came, ways, dict(zip(PLACES, bits, strict=True)), p, PLACES, what)


def _ways(case: Case, p: float, x: torch.Tensor, inside: bool = False) -> torch.Tensor:
    """Return the output (b, ways, k) for all droppings: of each head's weight, of k numbers, of k numbers again."""
    weights, first = case.fitted.weights, bool(case.options.get("norm_first"))

    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    x = x.detach().double()  # (b, 1, k)
    values = linear("to_values", norm("norm_1", x) if first else x)
    heads = all_kept(case.sizes["h"]).repeat_interleave(case.sizes["d"], 1)  # with one word, a head has one weight
    attended = linear("unify_heads", values * heads / (1 - p))
    x = plus_dropped(x.expand(attended.shape), attended, p)
    if not first:
        x = norm("norm_1", x)
    hidden = linear("mlp_1", norm("norm_2", x) if first else x).relu()
    if inside:
        kept = all_kept(hidden.shape[-1]) / (1 - p)
        x, hidden = x.repeat_interleave(len(kept), 1), (hidden[:, :, None] * kept).flatten(1, 2)
    x = plus_dropped(x, linear("mlp_2", hidden), p)
    return x if first else norm("norm_2", x)
