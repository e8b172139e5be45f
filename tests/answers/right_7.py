"""Right answers to exercise 7, in many styles."""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from torch import nn

from helpers.layers import PositionalEncoding, TransformerBlock
from helpers.layers import Transformer as TransformerByHand


class AsInTheLesson(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        depth: int,
        max_len: int,
        vocab_size: int,
        num_classes: int,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.k = embed_dim
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        self.positions = PositionalEncoding(embed_dim, dropout, max_len)
        self.blocks = nn.ModuleList([TransformerBlock(embed_dim, num_heads, dropout=dropout) for _ in range(depth)])
        self.classifier = nn.Linear(embed_dim, num_classes)

    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = x.masked_fill(~mask.unsqueeze(-1), 0.0)
        return x.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        mask = token_ids == token_ids if mask is None else mask
        x = self.positions(self.embedding(token_ids) * self.k**0.5)
        for layer in self.blocks:
            x = layer(x, mask[:, None, None])
        return self.classifier(self.pool(x, mask))


class OtherArgumentName(AsInTheLesson):
    """Another name for the mask, blocks without one where there is none, einsum for the mean."""

    def forward(self, ids: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
        x = self.positions(math.sqrt(self.k) * self.embedding(ids))
        for layer in self.blocks:
            x = layer(x) if real is None else layer(x, real[:, None, None, :])
        share = torch.ones_like(ids, dtype=x.dtype) if real is None else real.to(x.dtype)
        share = share / share.sum(1, keepdim=True).clamp(min=1)
        return self.classifier(torch.einsum("btk,bt->bk", x, share))


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
        x = self.positions(F.embedding(token_ids, self.embedding.weight).mul(self.k**0.5))
        for layer in self.blocks:
            x = layer(x, mask=mask.view(len(mask), 1, 1, -1))
        return F.linear(self.pool(x, mask), self.classifier.weight, self.classifier.bias)


class WithPaddingIndex(AsInTheLesson):
    """A row of zeros for padding, a classifier without bias, blocks in an nn.Sequential."""

    def __init__(self, k: int, h: int, depth: int, max_len: int, v: int, c: int, dropout: float = 0.1) -> None:
        super().__init__(k, h, depth, max_len, v, c, dropout)
        self.embedding = nn.Embedding(v, k, padding_idx=0)
        self.classifier = nn.Linear(k, c, bias=False)
        self.blocks = nn.Sequential(*self.blocks)


class TorchsOwnLayers(AsInTheLesson):
    """torch's encoder layers, for which True means padding; they give NaN for a text without words."""

    def __init__(self, k: int, h: int, depth: int, max_len: int, v: int, c: int, dropout: float = 0.1) -> None:
        super().__init__(k, h, depth, max_len, v, c, dropout)
        layer = nn.TransformerEncoderLayer(k, h, 2 * k, dropout, batch_first=True)
        self.blocks = nn.ModuleList(copy.deepcopy(layer) for _ in range(depth))

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        mask = torch.ones_like(token_ids, dtype=torch.bool) if mask is None else mask
        x = self.positions(self.embedding(token_ids) * self.k**0.5)
        for layer in self.blocks:
            x = layer(x, src_key_padding_mask=~mask)
        return self.classifier(self.pool(x, mask))


class ATextAtATime(AsInTheLesson):
    """Calls each block once for each text: logits are what counts, not how often a layer is called."""

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        rows = []
        for i, ids in enumerate(token_ids):
            words = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask[i]
            x = self.positions(self.embedding(ids)[None] * self.k**0.5)
            for layer in self.blocks:
                x = layer(x, words[None, None, None])
            rows.append(x[0][words].mean(0) if words.any() else torch.zeros_like(x[0, 0]))
        return self.classifier(torch.stack(rows))


class LogitsOfEachWord(AsInTheLesson):
    """The classifier is linear, so the mean may come after it, but for the bias."""

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        mask = torch.ones_like(token_ids, dtype=torch.bool) if mask is None else mask
        x = self.positions(self.embedding(token_ids) * self.k**0.5)
        for layer in self.blocks:
            x = layer(x, mask[:, None, None])
        each = (self.classifier(x) - self.classifier.bias).masked_fill(~mask[..., None], 0.0)
        return each.sum(1) / mask.sum(1, keepdim=True).clamp(min=1) + self.classifier.bias


ANSWERS = (
    TransformerByHand,
    AsInTheLesson,
    OtherArgumentName,
    InLoops,
    NotANumberMeansZero,
    WithoutCallingTheClassifier,
    WithPaddingIndex,
    TorchsOwnLayers,
    ATextAtATime,
    LogitsOfEachWord,
)
