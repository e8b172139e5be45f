"""Scaled dot-product attention written out in small steps, so that a misconception changes one of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class QuickLinear(nn.Linear):
    """A linear layer that does not draw weights when it is made: it will be given some."""

    def reset_parameters(self) -> None:
        pass


class AttentionByHand(nn.Module):
    """Right as it stands (a test compares it with torch); a subclass goes wrong in one method.

    Tensors have heads beside the batch, (b, h, t, d), until `join`.
    """

    p = 0.0  # dropout

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """(b, t, h, d) gives (b, h, t, d)."""
        return x.transpose(1, 2)

    def scale(self, d: int) -> float:
        return d**-0.5

    def score(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return queries @ keys.transpose(-2, -1) * self.scale(queries.shape[-1])

    def hide(self, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Make sure that what the mask forbids gets no weight."""
        return scores.masked_fill(~mask, -torch.inf)

    def share(self, scores: torch.Tensor) -> torch.Tensor:
        """Turn scores into weights."""
        return scores.softmax(-1)

    def rescue(self, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Give zeros where nothing may be attended to."""
        return weights.masked_fill(~mask, 0.0)

    def drop(self, weights: torch.Tensor) -> torch.Tensor:
        return F.dropout(weights, self.p, self.training)

    def combine(self, weights: torch.Tensor, values: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return weights @ values

    def join(self, x: torch.Tensor) -> torch.Tensor:
        """(b, h, t, d) gives (b, t, h * d)."""
        return x.transpose(1, 2).flatten(2)

    def attend(
        self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """(b, h, tq, d), (b, h, tk, d), (b, h, tk, d) give (b, h, tq, d)."""
        scores = self.score(queries, keys)
        if mask is not None:
            scores = self.hide(scores, mask)
        weights = self.share(scores)
        if mask is not None:
            weights = self.rescue(weights, mask)
        return self.combine(self.drop(weights), values, keys)


def torch_attention(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Return what torch makes of (b, h, t, d), with zeros where a query may attend to nothing."""
    if mask is None:
        return F.scaled_dot_product_attention(queries, keys, values)
    some = mask.any(-1, keepdim=True)  # torch's older versions give NaN for a row without a single True
    output = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask | ~some)
    return output.masked_fill(~some, 0.0)
