"""Find out where dropout falls, however it is written: which of all possible droppings gives what came.

What a layer gives for one word is computed once for every way in which its few numbers can be dropped or kept. If one
of these is what came, it says what was dropped; if none is, something else was dropped than should be.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import torch

from helpers.checks.engine.seen import Seen, seen_facts


def all_kept(numbers: int) -> torch.Tensor:
    """Return every way to keep some of so many numbers, (2 ** numbers, numbers) of 0 and 1."""
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=numbers)), dtype=torch.float64)


def dropped_ways(x: torch.Tensor, p: float) -> torch.Tensor:
    """Return x (..., k) after dropout in all ways, (..., 2 ** k, k)."""
    return x[..., None, :] * all_kept(x.shape[-1]) / (1 - p)


def plus_dropped(x: torch.Tensor, y: torch.Tensor, p: float) -> torch.Tensor:
    """Return x plus y after dropout in all ways: (n, w, k) and (n, w, k) give (n, w * 2 ** k, k)."""
    return (x[:, :, None] + dropped_ways(y, p)).flatten(1, 2)


def is_one_of(came: torch.Tensor, ways: torch.Tensor) -> bool:
    """Whether each of (n, k) is one of its (n, w, k) ways."""
    return bool(_near(came, ways).any(1).all())


def seen_dropout(
    came: torch.Tensor,
    ways: torch.Tensor,
    kept: Mapping[str, torch.Tensor],
    p: float,
    told: Mapping[str, str],
    what: str = "Dropout in train mode",
) -> Seen:
    """Return which of the ways came, as facts.

    Parameters
    ----------
    came : tensor (n, k)
        Independent outputs of the answer.
    ways : tensor (n, w, k)
        What each might have been.
    kept : mapping
        For each place of dropout, what each way keeps there, (w, numbers) of 0 and 1.
    p : float
        The probability that a number is dropped.
    told : mapping
        What to tell a student if nothing is ever dropped at a place.
    what : str
        How a message begins.
    """
    near = _near(came, ways)
    is_known = bool(near.any(1).all())
    # Where it is not, what came itself tells one mistake from another.
    instead = tuple(f"{float(value):.3g}" for value in came[0].detach())
    places = " and ".join(", ".join(told).rsplit(", ", 1))
    never = f"Dropping some of {places}, and dividing the rest by 1 - {p}, never gives what comes out here."
    facts: dict[str, tuple[Any, str]] = {"a way": (is_known or instead, never)}
    for place, bits in kept.items() if is_known else ():
        # A number that is 0 anyway may be dropped or not: then two ways are near, and that number counts for nothing.
        was_kept, was_dropped = ((near.float() @ (bits == value).float()) > 0 for value in (1, 0))
        sure = was_kept ^ was_dropped  # (n, numbers)
        share = (was_dropped & sure).sum().item() / max(1, sure.sum().item())
        # Seven standard deviations: a right answer fails once in 10^12 checks.
        margin = 7 * math.sqrt(p * (1 - p) / max(1, sure.sum().item()))
        rows = was_kept[sure.all(1)]
        alike = [
            bool((rows == rows.narrow(axis, 0, 1)).all()) for axis in (0, 1) if min(rows.shape[axis], len(rows)) > 1
        ]
        how_many = f"About {p:.0%} of {place} should be dropped; here it is {share:.0%}."
        together = f"Of {place}, each number should be dropped on its own; here they go together."
        facts[f"{place} dropped"] = (share > 0, told[place])
        facts[f"{place} as often"] = (abs(share - p) < margin, how_many)
        facts[f"{place} one by one"] = (not any(alike), together)
    return seen_facts(what, facts)


def seen_left_out(what: str, missing: Collection[str]) -> Seen:
    """Return that nothing is ever dropped at the places that are `missing`, all of which are named."""
    places = " and ".join(", ".join(missing).rsplit(", ", 1))
    return seen_facts(what, {"left out": (tuple(missing) or True, f"Nothing is ever dropped of {places}.")})


def subsets(places: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield what may have been forgotten: few places first, never all."""
    for count in range(1, len(places)):
        yield from itertools.combinations(places, count)


def _near(came: torch.Tensor, ways: torch.Tensor) -> torch.Tensor:
    """Return which ways are what came, (n, w)."""
    distance = (ways - came.detach().cpu().double()[:, None]).abs().amax(-1)
    return distance < 1e-5 * (1 + ways.abs().amax((1, 2)))[:, None]
