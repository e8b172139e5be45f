"""Look at a layer that has been used: it should keep nothing of the texts that it has seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from helpers.checks.engine.trouble import Trouble


@contextmanager
def second_call(which: str = "with other sizes") -> Iterator[None]:
    """Explain an answer that stops when it is called once more."""
    try:
        yield
    except Trouble as trouble:
        if trouble.key[0] != "raised":
            raise
        sentence = (
            f"It works once. Called again {which}, it stops: does it keep something of the first call, such as a mask "
            f"or a size? {trouble.sentence}"
        )
        raise Trouble(sentence, "kept", *trouble.key) from None


def overwrite(*tensors: torch.Tensor | None, by: Sequence[torch.Tensor | None]) -> None:
    """Put other numbers into the same tensors: what an answer kept of them, it can tell by no name, size or place."""
    with torch.no_grad():
        for tensor, numbers in zip(tensors, by, strict=True):
            if tensor is not None and numbers is not None:
                tensor.copy_(numbers)
