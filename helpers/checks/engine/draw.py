"""Draws sizes, numbers and masks for one step of a check: the same again for the same seed and step."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# How a mask is spread over batch, heads, queries and keys: "b", "h", "q", "k" where it has that axis, "1" where not.
PADDING, CAUSAL, PER_QUERY, PER_HEAD, SHARED = "b11k", "qk", "b1qk", "bhqk", "111k"
TABLE, ROWS = "QK", "1QK"  # the same for all texts and heads, with 2 and with 3 axes


class Draw:
    """A source of random sizes and numbers that disturbs no other.

    Parameters
    ----------
    seed : int
        The check's seed.
    step : str
        Name of the step: two steps draw different numbers from one seed.
    case : str
        Names the step together with its settings.
    own : str
        Names what tells this step from others that draw the same.
    """

    def __init__(self, seed: int, step: str, case: str = "", own: str = "") -> None:
        import torch

        self.own = own
        self.case = f"{seed} {step} {case}"
        self.random = random.Random(f"{seed} {step}")
        self.seed = self.random.getrandbits(31)
        self.generator = torch.Generator().manual_seed(self.seed)

    def again(self, name: str) -> Draw:
        """Return a source of its own for `name`, so that what it draws shifts nothing that is drawn here."""
        return Draw(self.seed, name, self.case)

    def sizes(
        self, names: str, low: int = 2, high: int = 7, products: Sequence[str] = (), taken: Collection[int] = ()
    ) -> dict[str, int]:
        """Return sizes that all differ, so that an axis is known by its size.

        Parameters
        ----------
        names : str
            Names of the axes, for instance `"b tq tk h d"`.
        low, high : int
            Smallest and largest size.
        products : sequence of str
            Pairs such as `"h*d"` whose product must differ from everything else too.
        taken : collection of int
            Sizes that other axes have already.
        """
        while True:
            found = dict(zip(names.split(), self.random.sample(range(low, high + 1), len(names.split())), strict=True))
            for product in products:
                found[product] = math.prod(found[name] for name in product.split("*"))
            if len({*found.values(), *taken}) == len(found) + len({*taken}):
                return found

    def normal(self, *shape: int, scale: float = 1.0, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Return normally distributed numbers, in float32 unless `dtype` says otherwise."""
        import torch

        return torch.randn(shape, generator=self.generator, dtype=dtype) * scale

    def mask(self, kind: str, b: int, h: int, tq: int, tk: int) -> torch.Tensor:
        """Return a mask, True = may be attended to, in which every query may attend to a key, but not to all.

        Parameters
        ----------
        kind : str
            One of PADDING, CAUSAL and so on.
        b, h, tq, tk : int
            Sizes; where tk is 1 there is nothing to forbid, and all is True.
        """
        import torch

        size: dict[str, Any] = {"b": b, "h": h, "q": tq, "k": tk, "1": 1}
        if kind == CAUSAL:
            return torch.ones(tq, tk, dtype=torch.bool).tril(max(0, tk - tq))
        kind = kind.lower()
        mask = torch.rand(*(size[axis] for axis in kind), generator=self.generator) < 0.6
        # One key that is certainly allowed and one that is not: others for each batch element, head and query, so
        # that a mask which is looked up in the wrong place always shows.
        allowed = torch.tensor(self.random.randrange(tk))
        for axis in range(mask.dim() - 1):
            allowed = allowed[..., None] + torch.arange(mask.shape[axis])
        mask.scatter_(-1, (allowed % tk)[..., None], True)
        if tk > 1:
            mask.scatter_(-1, ((allowed + 1) % tk)[..., None], False)
        if kind == PER_HEAD and h > 1 and tk > 2:  # in the first text, one key that no head may attend to
            hidden = ((self.random.randrange(tk) + torch.arange(tq)) % tk).expand(h, tq)[..., None]
            mask[0].scatter_(-1, hidden, False)
            mask[0].scatter_(-1, (hidden + 1) % tk, mask[0].gather(-1, (hidden + 1) % tk) | ~mask[0].any(-1, True))
        return mask
