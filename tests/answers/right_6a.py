"""Right answers to exercise 6a, in many styles."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


def causal_mask(t: int) -> torch.Tensor:
    return torch.ones(t, t, dtype=torch.bool).tril()


def by_comparing(t: int) -> torch.Tensor:
    place = torch.arange(t)
    return place[:, None] >= place


def not_upper(t: int) -> torch.Tensor:
    return ~torch.triu(torch.ones(t, t), diagonal=1).bool()


def in_loops(t: int) -> torch.Tensor:
    mask = torch.zeros((t, t), dtype=torch.bool)
    for i in range(t):
        for j in range(i + 1):
            mask[i, j] = True
    return mask


def from_numpy(t: int) -> torch.Tensor:
    return torch.from_numpy(np.tri(t, dtype=bool))


def by_counting(t: int) -> torch.Tensor:
    return torch.eye(t).cumsum(0) > 0


def torchs_turned_round(t: int) -> torch.Tensor:
    return nn.Transformer.generate_square_subsequent_mask(t) == 0


ANSWERS = (causal_mask, by_comparing, not_upper, in_loops, from_numpy, by_counting, torchs_turned_round)
