"""Right answers to exercise 12c, in many styles."""

from __future__ import annotations

import math

import torch
from transformers import TopPLogitsWarper

from helpers.layers import top_p as as_in_the_lesson


def shifted_by_one(logits: torch.Tensor, p: float) -> torch.Tensor:
    """What is widely copied: find what lies beyond p, and shift it by one, so that the token that crosses p stays."""
    ordered, places = torch.sort(logits, descending=True)
    beyond = torch.cumsum(torch.softmax(ordered, dim=-1), dim=-1) > p
    beyond[..., 1:] = beyond[..., :-1].clone()
    beyond[..., 0] = False
    cut = torch.zeros_like(beyond).scatter(1, places, beyond)
    return logits.masked_fill(cut, float("-inf"))


def from_below(logits: torch.Tensor, p: float) -> torch.Tensor:
    """From the least likely upwards: all that together have no more than 1 - p go."""
    ordered, places = logits.sort(dim=-1)
    tail = ordered.softmax(-1).cumsum(-1) <= 1 - p
    tail[:, -1] = False
    return logits.masked_fill(torch.empty_like(tail).scatter(-1, places, tail), -torch.inf)


def in_a_loop(logits: torch.Tensor, p: float) -> torch.Tensor:
    rows = []
    for row in logits:
        shares = row.softmax(dim=0)
        kept = torch.full_like(row, -math.inf)
        total = 0.0
        for place in row.argsort(descending=True):
            kept[place] = row[place]
            total += shares[place].item()
            if total >= p:
                break
        rows.append(kept)
    return torch.stack(rows)


def by_two_sorts(logits: torch.Tensor, p: float) -> torch.Tensor:
    """The rank of each token is the sort of the sort."""
    shares = logits.softmax(-1)
    order = shares.argsort(-1, descending=True)
    rank = order.argsort(-1)
    before = (shares.gather(-1, order).cumsum(-1) - shares.gather(-1, order)).gather(-1, rank)
    return torch.where((before < p) | (rank == 0), logits, torch.tensor(-math.inf, dtype=logits.dtype))


def by_counting(logits: torch.Tensor, p: float) -> torch.Tensor:
    """How many tokens it takes, and the least logit among them."""
    ordered = logits.sort(-1, descending=True).values
    count = (ordered.softmax(-1).cumsum(-1) < p).sum(-1, keepdim=True).clamp(max=logits.shape[-1] - 1)
    return logits.masked_fill(logits < ordered.gather(-1, count), -math.inf)


def without_sorting(logits: torch.Tensor, p: float) -> torch.Tensor:
    """All pairs of tokens: what is likelier, added up."""
    shares = logits.softmax(-1)
    likelier = logits[:, None, :] > logits[:, :, None]  # (b, v, v)
    before = (likelier * shares[:, None, :]).sum(-1)
    cut = (before >= p) & likelier.any(-1)
    return logits.masked_fill(cut, -math.inf)


def as_transformers(logits: torch.Tensor, p: float) -> torch.Tensor:
    return TopPLogitsWarper(p, min_tokens_to_keep=1)(None, logits)


ANSWERS = (
    as_in_the_lesson,
    shifted_by_one,
    from_below,
    in_a_loop,
    by_two_sorts,
    by_counting,
    without_sorting,
    as_transformers,
)
