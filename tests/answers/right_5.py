"""Right answers to exercise 5, in many styles."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from helpers.checks.exercises.ex_05 import expected_encoding
from helpers.layers import PositionalEncoding


class _Layer(nn.Module):
    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__()
        self.k, self.max_len = embed_dim, max_len
        self.dropout = nn.Dropout(dropout)

    def accept(self, x: torch.Tensor) -> int:
        if x.size(1) > self.max_len:
            raise ValueError(f"max_len is {self.max_len}, and here are {x.size(1)} tokens")
        return x.size(1)


class WithExpAndLog(_Layer):
    """A persistent buffer with an axis for the batch, all in 32 bits."""

    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__(embed_dim, dropout, max_len)
        speed = torch.exp(torch.arange(0, embed_dim, 2) * (-math.log(10000.0) / embed_dim))
        angles = torch.arange(max_len).unsqueeze(1) * speed
        table = torch.zeros(1, max_len, embed_dim)
        table[0, :, 0::2] = angles.sin()
        table[0, :, 1::2] = angles[:, : embed_dim // 2].cos()
        self.register_buffer("table", table)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(x + self.table[:, : self.accept(x)])


class OnTheFly(_Layer):
    """No table at all, and the functional dropout."""

    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__(embed_dim, dropout, max_len)
        self.p = dropout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        t, k = self.accept(x), x.shape[-1]
        place = torch.arange(k, device=x.device)
        divisor = torch.pow(10000.0, (place - place % 2) / k)
        angle = torch.einsum("t,k->tk", torch.arange(t, device=x.device, dtype=x.dtype), 1 / divisor.to(x.dtype))
        return F.dropout(x + torch.where(place % 2 == 0, angle.sin(), angle.cos()), self.p, self.training)


class FromNumpy(_Layer):
    """Loops in plain Python, NumPy, and an ordinary attribute that is taken along by hand."""

    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__(embed_dim, dropout, max_len)
        self.rows = np.zeros((max_len, embed_dim))
        for position in range(max_len):
            for i in range(0, embed_dim, 2):
                self.rows[position, i] = np.sin(position / 10000 ** (i / embed_dim))
                if i + 1 < embed_dim:
                    self.rows[position, i + 1] = np.cos(position / 10000 ** (i / embed_dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = torch.from_numpy(self.rows[: self.accept(x)])
        return self.dropout(torch.add(x, rows.to(x.device, x.dtype)))


class FrozenEmbedding(_Layer):
    """Looked up like words, in a table that is not trained."""

    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__(embed_dim, dropout, max_len)
        angles = torch.outer(torch.arange(max_len), 10000 ** (-torch.arange(0, embed_dim, 2) / embed_dim))
        table = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :embed_dim]
        self.lookup = nn.Embedding.from_pretrained(table, freeze=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.lookup(torch.arange(self.accept(x), device=x.device)) + x)


class FrozenParameter(WithExpAndLog):
    """A parameter that asks for no gradient, (max_len, 1, k), and words on the first axis inside."""

    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__(embed_dim, dropout, max_len)
        self.frozen = nn.Parameter(self.table.transpose(0, 1).clone(), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout((x.transpose(0, 1) + self.frozen[: self.accept(x)]).transpose(0, 1))


class ComplexNumbers(_Layer):
    """The hand of a clock as a complex number: its imaginary part is the sine."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        t = self.accept(x)
        angles = torch.arange(t, device=x.device)[:, None] / 10000 ** (
            torch.arange(0, self.k, 2, device=x.device) / self.k
        )
        hands = torch.view_as_real(torch.polar(torch.ones_like(angles), angles)).flip(-1)
        return self.dropout(x + hands.reshape(t, -1)[:, : self.k])


class GrowingTable(_Layer):
    """Makes rows when they are first needed, and keeps them."""

    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__(embed_dim, dropout, max_len)
        self.register_buffer("rows", torch.zeros(0, embed_dim), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        t = self.accept(x)
        if t > len(self.rows):
            self.rows = expected_encoding(t, self.k).to(x)
        return self.dropout(torch.stack([text + self.rows[:t] for text in x]))


ANSWERS = (
    PositionalEncoding,
    WithExpAndLog,
    OnTheFly,
    FromNumpy,
    FrozenEmbedding,
    FrozenParameter,
    ComplexNumbers,
    GrowingTable,
)
