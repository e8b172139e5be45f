"""Misconceptions about a weighted average, as small wrong implementations."""

from __future__ import annotations

import torch

from helpers.checks.engine.run import Misconceptions

MISCONCEPTIONS = Misconceptions()


@MISCONCEPTIONS("plain mean", "The weights play no part: this is the plain mean of the values.")
def plain_mean(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return values.mean()


@MISCONCEPTIONS(
    "plain sum",
    "This is the plain sum of the values. The weights play no part, or are added up on their own, to 1: multiply each "
    "value by its weight first, then add up.",
)
def plain_sum(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return values.sum()


@MISCONCEPTIONS("not added up", "Each value is multiplied by its weight, but the products still have to be added up.")
def not_added_up(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return values * weights


@MISCONCEPTIONS(
    "divided by the number of values",
    "The sum is divided by the number of values as well. The weights add up to 1: they have divided already.",
)
def divided_again(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (values * weights).mean()


@MISCONCEPTIONS("values plus weights", "Values and weights are added. Multiply each value by its weight.")
def added(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (values + weights).sum()


@MISCONCEPTIONS(
    "divided by the weights", "Each value is divided by its weight. Multiply: a large weight should count more."
)
def divided_by_weights(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (values / weights).sum()


@MISCONCEPTIONS("the most trusted alone", "Only the value with the largest weight counts here. All of them should.")
def most_trusted(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return values[weights.argmax()]


@MISCONCEPTIONS(
    "softmax of the weights", "The weights go through a softmax, which evens them out. They add up to 1 already."
)
def softmax_of_weights(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (values * weights.softmax(0)).sum()


@MISCONCEPTIONS("every pair", "Every value meets every weight here. Each value should meet its own weight only.")
def every_pair(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (values[:, None] * weights[None]).mean()
