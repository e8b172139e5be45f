"""Right answers to exercise 14b, in many styles."""

from __future__ import annotations

import torch

from helpers.layers import quantize_rows


def with_clamp(weight, bits=8):
    most = 2 ** (bits - 1) - 1
    scale = weight.abs().max(dim=1, keepdim=True).values / most
    scale = scale.clamp(min=1e-12)
    return torch.clamp(torch.round(weight / scale), -most, most).to(torch.int8), scale


def with_loops(weight, bits=8):
    most = (1 << (bits - 1)) - 1
    rows, scales = [], []
    for row in weight.tolist():
        scale = max(abs(value) for value in row) / most
        scales.append([scale])
        rows.append([round(value / scale) if scale else 0 for value in row])
    return torch.tensor(rows, dtype=torch.int8), torch.tensor(scales, dtype=weight.dtype)


def with_nan_put_right(weight, bits=8):
    """A row of zeros has the scale 0; what comes of 0 / 0 is put right before it is made a whole number."""
    top = 2 ** (bits - 1) - 1
    scale = weight.abs().amax(1, keepdim=True) / top
    return (weight / scale).nan_to_num(0.0).round().char(), scale


def with_mask(w, b=8):
    """Other names; the rows of zeros are left out."""
    most = 2 ** (b - 1) - 1
    scale = torch.ones(len(w), 1, dtype=w.dtype)
    numbers = torch.zeros(w.shape, dtype=torch.int8)
    some = w.any(dim=1)
    scale[some] = w[some].abs().amax(1, keepdim=True) / most
    numbers[some] = torch.round(w[some] / scale[some]).to(torch.int8)
    return numbers, scale


def with_infinity_norm(weight, bits=8):
    most = 2 ** (bits - 1) - 1
    largest = torch.linalg.vector_norm(weight, ord=float("inf"), dim=1)
    largest[largest == 0] = 1
    scale = (largest / most).unsqueeze(1)
    return (weight / scale).round().to(torch.int8), scale


def half_up(weight, bits=8):
    """Away from the middle, rounding half up is the same."""
    most = 2 ** (bits - 1) - 1
    scale = (weight.abs().amax(1, keepdim=True) + 1e-12) / most
    return torch.floor(weight / scale + 0.5).to(torch.int8), scale


def in_int32(weight, bits=8):
    """Whole numbers, if larger ones than needed: a remark."""
    numbers, scale = quantize_rows(weight, bits)
    return numbers.int(), scale


def as_real_numbers(weight, bits=8):
    """Whole, if not by dtype: a remark."""
    numbers, scale = quantize_rows(weight, bits)
    return numbers.to(weight.dtype), scale


def from_torch(weight, bits=8):
    """torch rounds, with our scales."""
    most = 2 ** (bits - 1) - 1
    largest = weight.abs().amax(1)
    scale = torch.where(largest == 0, torch.ones_like(largest), largest) / most
    zero = torch.zeros(len(weight), dtype=torch.int32)
    rounded = torch.fake_quantize_per_channel_affine(weight.float(), scale.float(), zero, 0, -most, most)
    return (rounded / scale[:, None]).round().to(torch.int8), scale[:, None]


ANSWERS = (
    quantize_rows,
    with_clamp,
    with_loops,
    with_nan_put_right,
    with_mask,
    with_infinity_norm,
    half_up,
    in_int32,
    as_real_numbers,
    from_torch,
)
