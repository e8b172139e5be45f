"""Right answers to exercise 0, in many styles."""

from __future__ import annotations

import torch


def with_loop(values, weights):
    total = torch.zeros((), dtype=values.dtype)
    for value, weight in zip(values, weights, strict=True):
        total = total + value * weight
    return total


ANSWERS = {
    "sum": lambda values, weights: (values * weights).sum(),
    "at": lambda v, w: v @ w,
    "dot": lambda values, weights: torch.dot(weights, values),
    "einsum": lambda values, weights: torch.einsum("n,n->", values, weights),
    "divided by the sum of the weights": lambda values, weights: (values * weights).sum() / weights.sum(),
    "divided by their sum, detached": lambda values, weights: (values * weights).sum() / weights.sum().detach(),
    "the weights made to add up again": lambda values, weights: (values * weights.log().softmax(0)).sum(),
    "loop": with_loop,
}
