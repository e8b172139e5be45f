"""What dropout may make of a decoder block's output: the weights and what attentions and MLP return are dropped."""

from __future__ import annotations

from collections.abc import Collection
from itertools import product

import torch
import torch.nn.functional as F

from helpers.checks.engine.seen import Seen
from helpers.checks.exercises.decoder_case import Case
from helpers.checks.looks.where_dropout import all_kept, dropped_ways, is_one_of, seen_dropout, seen_left_out

PLACES = (
    "the weights of the attention to x",
    "what the attention to x returns",
    "the weights of the attention to the memory",
    "what the attention to the memory returns",
    "what the MLP returns",
)

MISSING = (*((place,) for place in PLACES), PLACES[1::2], (*PLACES[1::2], PLACES[4]), PLACES[:3:2])  # often left out


def seen_decoder_dropout(came: torch.Tensor, case: Case, p: float) -> Seen:
    """Return where dropout falls, as facts; `came` (b, k) is the output for texts and memories of one word, one head.

    Dropout inside the MLP as well, which torch's own block has, is left open.
    """
    few = slice(2)  # two texts tell whether the many ways are the right kind
    told = {name: f"of {name}, nothing is ever dropped." for name in PLACES}
    what = "Dropout in train mode" + case.words
    ways = _ways(case, p, few)
    if not is_one_of(came[few], ways):
        inside = _ways(case, p, few, inside=True)
        if is_one_of(came[few], inside):
            return seen_dropout(came[few], inside, {}, p, told, what)
        for inside_too, missing in product((False, True), MISSING):
            if all(is_one_of(came[some], _ways(case, p, some, inside_too, missing)) for some in (slice(1), few)):
                return seen_left_out(what, told, missing)
        return seen_dropout(came[few], ways, {}, p, told, what)
    k = case.sizes["k"]
    number, bits, parts = torch.arange(ways.shape[1]), dict[str, torch.Tensor](), (1, k, 1, k, k)
    for name, numbers in reversed(list(zip(PLACES, parts, strict=True))):  # the last one counts fastest
        bits[name] = all_kept(numbers)[number % 2**numbers]
        number = number // 2**numbers
    return seen_dropout(came, _ways(case, p, slice(None)), bits, p, told, what)


def _ways(case: Case, p: float, few: slice, inside: bool = False, missing: Collection[str] = ()) -> torch.Tensor:
    """Return the output (b, ways, k) for all droppings, of one place after the other but for those `missing`."""
    weights, k = case.fitted.weights, case.sizes["k"]

    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    def normed_sum(number: int, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        is_missing = PLACES[2 * number - 1 if number < 3 else 4] in missing
        added = x + y if is_missing else (x[..., None, :] + dropped_ways(y, p)).flatten(1, 2)
        return F.layer_norm(added, (k,), weights.get(f"norm {number}.weight"), weights.get(f"norm {number}.bias"))

    def attended(name: str, source: torch.Tensor) -> torch.Tensor:
        """With one word and one head there is one weight, and it is 1: dropped, or 1 / (1 - p)."""
        values = linear(f"{name}.to_values", source)
        is_missing = PLACES[0 if name == "self-attention" else 2] in missing
        ways = [values, values] if is_missing else [0 * values, values / (1 - p)]
        return linear(f"{name}.unify_heads", torch.cat(ways, dim=1))

    x, memory = (part[few].detach().double() for part in (case.x, case.memory))  # (b, 1, k)
    x = normed_sum(1, x.expand(-1, 2, -1), attended("self-attention", x))
    across = attended("cross-attention", memory)
    x = normed_sum(2, x.repeat_interleave(2, 1), across.repeat(1, x.shape[1], 1))
    hidden = linear("mlp_1", x).relu()
    if inside:
        kept = all_kept(hidden.shape[-1]) / (1 - p)
        x, hidden = x.repeat_interleave(len(kept), 1), (hidden[:, :, None] * kept).flatten(1, 2)
    return normed_sum(3, x, linear("mlp_2", hidden))
