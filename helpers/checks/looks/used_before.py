"""Look at a layer that has been used: it should keep nothing of the texts that it has seen."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import torch

from helpers.checks.engine.trouble import told_first


def second_call(which: str = "with other sizes") -> AbstractContextManager[None]:
    """Explain an answer that stops when it is called once more."""
    told = "it stops: does it keep something of the first call, such as a mask or a size?"
    return told_first(f"It works once. Called again {which}, {told}", "kept")


def overwrite(*tensors: torch.Tensor | None, by: Sequence[torch.Tensor | None]) -> None:
    """Put other numbers into the same tensors: what an answer kept of them, it can tell by no name, size or place."""
    with torch.no_grad():
        for tensor, numbers in zip(tensors, by, strict=True):
            if tensor is not None and numbers is not None:
                tensor.copy_(numbers)
