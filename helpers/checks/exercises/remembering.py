"""Run a student's blocks once for all misconceptions that hand them the same."""

from __future__ import annotations

import torch
from torch import nn


class Memory:
    """What a block gave for which input and mask."""

    def __init__(self) -> None:
        self.entries: list[tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]] = []


class Remembering(nn.Module):
    """A block that knows what it gave before: most misconceptions hand the same to the student's blocks."""

    def __init__(self, block: nn.Module, memory: Memory) -> None:
        super().__init__()
        self.block, self.memory = block, memory

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        for known, known_mask, out in self.memory.entries:
            if _same_exactly(x, known) and _same_exactly(mask, known_mask):
                return out
        with torch.no_grad():
            out = self.block(x) if mask is None else self.block(x, mask)
        # A view of a mask may be written over.
        self.memory.entries.append((x, None if mask is None else mask.clone(), out))
        return out


def _same_exactly(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    """Whether both are None, or hold the same numbers."""
    if one is None or other is None:
        return one is other
    return one.shape == other.shape and torch.equal(one, other)
