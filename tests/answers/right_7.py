"""Right answers to exercise 7, in many styles."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from helpers.checks.exercises.mistakes_7 import TransformerByHand
from helpers.layers import PositionalEncoding, TransformerBlock


class AsInTheLesson(nn.Module):
    def __init__(
        self, embed_dim: int, num_heads: int, depth: int, max_len: int, vocab_size: int, num_classes: int
    ) -> None:
        super().__init__()
        self.k = embed_dim
        self.words = nn.Embedding(vocab_size, embed_dim)
        self.places = PositionalEncoding(embed_dim, max_len=max_len)
        self.layers = nn.ModuleList([TransformerBlock(embed_dim, num_heads) for _ in range(depth)])
        self.last = nn.Linear(embed_dim, num_classes)

    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = x.masked_fill(~mask.unsqueeze(-1), 0.0)
        return x.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        mask = token_ids == token_ids if mask is None else mask
        x = self.places(self.words(token_ids) * self.k**0.5)
        for layer in self.layers:
            x = layer(x, mask[:, None, None])
        return self.last(self.pool(x, mask))


class OtherArgumentName(AsInTheLesson):
    """Another name for the mask, blocks without one where there is none, einsum for the mean."""

    def forward(self, ids: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
        x = self.places(math.sqrt(self.k) * self.words(ids))
        for layer in self.layers:
            x = layer(x) if real is None else layer(x, real[:, None, None, :])
        share = torch.ones_like(ids, dtype=x.dtype) if real is None else real.to(x.dtype)
        share = share / share.sum(1, keepdim=True).clamp(min=1)
        return self.last(torch.einsum("btk,bt->bk", x, share))


class InLoops(AsInTheLesson):
    """A text at a time."""

    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        rows = [
            text[words].mean(0) if words.any() else text.new_zeros(self.k) for text, words in zip(x, mask, strict=True)
        ]
        return torch.stack(rows)


class NotANumberMeansZero(AsInTheLesson):
    """A mean that is undefined without words, made zero afterwards."""

    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        words = mask[..., None]
        return x.where(words, torch.nan).nanmean(1).nan_to_num()


class WithoutCallingTheClassifier(AsInTheLesson):
    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        mask = torch.ones(token_ids.shape, dtype=torch.bool) if mask is None else mask
        x = self.places(F.embedding(token_ids, self.words.weight).mul(self.k**0.5))
        for layer in self.layers:
            x = layer(x, mask=mask.view(len(mask), 1, 1, -1))
        return F.linear(self.pool(x, mask), self.last.weight, self.last.bias)


class WithPaddingIndexAndDropout(AsInTheLesson):
    """A row of zeros for padding, an argument for dropout, a classifier without bias."""

    def __init__(self, k: int, h: int, depth: int, max_len: int, v: int, c: int, dropout: float = 0.3) -> None:
        super().__init__(k, h, depth, max_len, v, c)
        self.words = nn.Embedding(v, k, padding_idx=0)
        self.drop = nn.Dropout(dropout)
        self.last = nn.Linear(k, c, bias=False)

    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.drop(super().pool(x, mask))


class TorchsOwnLayers(AsInTheLesson):
    """torch's encoder layers, for which True means padding; they give NaN for a text without words."""

    def __init__(self, k: int, h: int, depth: int, max_len: int, v: int, c: int) -> None:
        super().__init__(k, h, depth, max_len, v, c)
        self.layers = nn.ModuleList([nn.TransformerEncoderLayer(k, h, 2 * k, batch_first=True) for _ in range(depth)])

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        mask = torch.ones_like(token_ids, dtype=torch.bool) if mask is None else mask
        x = self.places(self.words(token_ids) * self.k**0.5)
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=~mask)
        return self.last(self.pool(x, mask))


class ATextAtATime(AsInTheLesson):
    """Calls each block once for each text: logits are what counts, not how often a layer is called."""

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        rows = []
        for i, ids in enumerate(token_ids):
            words = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask[i]
            x = self.places(self.words(ids)[None] * self.k**0.5)
            for layer in self.layers:
                x = layer(x, words[None, None, None])
            rows.append(x[0][words].mean(0) if words.any() else torch.zeros_like(x[0, 0]))
        return self.last(torch.stack(rows))


class LogitsOfEachWord(AsInTheLesson):
    """The classifier is linear, so the mean may come after it, but for the bias."""

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        mask = torch.ones_like(token_ids, dtype=torch.bool) if mask is None else mask
        x = self.places(self.words(token_ids) * self.k**0.5)
        for layer in self.layers:
            x = layer(x, mask[:, None, None])
        each = (self.last(x) - self.last.bias).masked_fill(~mask[..., None], 0.0)
        return each.sum(1) / mask.sum(1, keepdim=True).clamp(min=1) + self.last.bias


ANSWERS = (
    TransformerByHand,
    AsInTheLesson,
    OtherArgumentName,
    InLoops,
    NotANumberMeansZero,
    WithoutCallingTheClassifier,
    WithPaddingIndexAndDropout,
    TorchsOwnLayers,
    ATextAtATime,
    LogitsOfEachWord,
)
