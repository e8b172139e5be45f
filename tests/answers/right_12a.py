"""Right answers to exercise 12a, in many styles."""

from __future__ import annotations

import math

import torch

from helpers.layers import rotate as as_in_the_lesson


def with_tables(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    """As transformers does it: tables as wide as x, and x with its halves exchanged."""
    d = x.shape[-1]
    speeds = 1.0 / base ** (torch.arange(0, d, 2, dtype=torch.float32, device=x.device) / d)
    angles = torch.outer(positions.float(), speeds)
    table = torch.cat((angles, angles), dim=-1)[None, :, None, :]
    exchanged = torch.cat((-x[..., d // 2 :], x[..., : d // 2]), dim=-1)
    return (x * table.cos().to(x.dtype) + exchanged * table.sin().to(x.dtype)).to(x.dtype)


def with_complex_numbers(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    first, second = x.float().chunk(2, dim=-1)
    speeds = torch.tensor(base, device=x.device) ** -torch.linspace(0, 1, first.shape[-1] + 1, device=x.device)[:-1]
    angles = positions.view(1, -1, 1, 1) * speeds
    turned = torch.complex(first, second) * torch.exp(1j * angles)
    return torch.cat([turned.real, turned.imag], dim=-1).to(x.dtype)


def in_a_loop(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    half = x.shape[-1] // 2
    turned = torch.zeros_like(x)
    for place, position in enumerate(positions.tolist()):
        for i in range(half):
            angle = position / base ** (i / half)
            a, b = x[:, place, :, i], x[:, place, :, i + half]
            turned[:, place, :, i] = a * math.cos(angle) - b * math.sin(angle)
            turned[:, place, :, i + half] = b * math.cos(angle) + a * math.sin(angle)
    return turned


def with_matrices(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    """A matrix of 2 x 2 for each position and pair."""
    half = x.shape[-1] // 2
    speeds = torch.exp(-math.log(base) * torch.arange(half, device=x.device) / half)
    angles = positions.unsqueeze(1) * speeds
    cos, sin = angles.cos(), angles.sin()
    turns = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2).to(x.dtype)  # (t, d/2, 2, 2)
    pairs = x.unflatten(-1, (2, half))
    return torch.einsum("tfij,bthjf->bthif", turns, pairs).flatten(-2)


def by_sums_of_angles(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    """Length and angle of each pair, and the position's angle added."""
    a, b = x.tensor_split(2, dim=-1)
    half = a.shape[-1]
    speeds = torch.pow(base, -2 * torch.arange(half, device=x.device) / (2 * half))
    angle = torch.atan2(b, a) + (positions[:, None, None] * speeds).to(x.dtype)
    length = torch.hypot(a, b)
    return torch.cat((length * angle.cos(), length * angle.sin()), -1)


ANSWERS = (as_in_the_lesson, with_tables, with_complex_numbers, in_a_loop, with_matrices, by_sums_of_angles)
