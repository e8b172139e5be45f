"""Inputs for scaled dot-product attention, and what torch makes of them."""

from __future__ import annotations

import torch

from helpers.checks.engine.draw import CAUSAL, PADDING, PER_HEAD, PER_QUERY, SHARED, Draw
from helpers.checks.exercises.attention_by_hand import torch_attention

MASK_WORDS = {
    None: "",
    PADDING: " with a padding mask (b, 1, 1, tk)",
    CAUSAL: " with a causal mask (tq, tk)",
    PER_QUERY: " with a mask (b, 1, tq, tk)",
    PER_HEAD: " with a mask (b, h, tq, tk)",
    SHARED: " with a mask (1, 1, 1, tk)",
}


def expected_output(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Return torch's answer in float64: (b, tq, h, d), (b, tk, h, d), (b, tk, h, d) give (b, tq, h * d)."""
    queries, keys, values = (x.double().transpose(1, 2) for x in (queries, keys, values))
    return torch_attention(queries, keys, values, mask).transpose(1, 2).flatten(2)


def draw_case(
    draw: Draw,
    mask: str | None = None,
    ones: str = "",
    long: bool = False,
    dtype: torch.dtype = torch.float32,
    **fixed: int | None,
) -> tuple[list[torch.Tensor], torch.Tensor | None, dict[str, int]]:
    """Draw queries, keys, values, a mask, and their sizes."""
    sizes = draw.sizes("b tq tk h d", 2, 8, ["h*d", "b*h"])
    while sizes["b"] * sizes["h"] > 15:  # an answer may loop over texts and heads
        sizes = draw.sizes("b tq tk h d", 2, 8, ["h*d", "b*h"])
    sizes |= dict.fromkeys(ones.split(), 1) | {name: size for name, size in fixed.items() if size is not None}
    if long:
        sizes |= {"tk": 61, "tq": 37}
    b, tq, tk, h, d = (sizes[name] for name in ("b", "tq", "tk", "h", "d"))
    tensors = [draw.normal(b, t, h, d, dtype=dtype) for t in (tq, tk, tk)]
    named = {"b": b, "tq": tq, "tk": tk, "h": h, "d": d, "h·d": h * d, "b·h": b * h}
    return tensors, None if mask is None else draw.mask(mask, b, h, tq, tk), named


CHECK_TENSORS = (
    [[[[12, 2, 17, 88]], [[1, 43, 13, 7]], [[69, 48, 18, 55]]]],
    [[[[10, 99, 65, 10]], [[85, 6, 114, 53]], [[25, 5, 3, 4]]]],
    [[[[33, 32, 18, 3]], [[36, 77, 90, 37]], [[19, 47, 72, 39]]]],
)
CHECK_ANSWER = [[36.0, 77.0, 90.0, 37.0], [33.0, 32.0, 18.0, 3.0], [36.0, 77.0, 90.0, 37.0]]
NAN_GRADIENT = (
    "where nothing may be attended to, its gradient is NaN. One text of padding would spoil all weights in training."
)
