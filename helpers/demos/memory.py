"""How much memory a computation takes at once: the largest tensor on its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def largest_tensor(run: Callable[[], object]) -> int:
    """Return the bytes of the largest tensor that comes out of any of torch's operations while `run` runs.

    A view counts as what it shows: nothing is counted that torch does not hand over, such as a kernel's own memory.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Watch(TorchDispatchMode):
        largest = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            came = function(*args, **(kwargs or {}))
            sizes = [_bytes(leaf) for leaf in tree_leaves(came) if isinstance(leaf, torch.Tensor)]
            self.largest = max([self.largest, *sizes])
            return came

    with torch.no_grad(), Watch() as watch:
        run()
    return watch.largest


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()
