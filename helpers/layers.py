"""The course's reference layers, collected from the solutions by `make notebooks`.

Lessons import from here what earlier lessons built; a student who is stuck imports the answer and goes on.
To change something, edit the cell tagged `export` in the lesson named above it.
"""

import math

import torch
from torch import nn


# From lesson 02_queries_keys_values
class DotProductAttention(nn.Module):
    """Scaled dot-product attention, all heads at once (Vaswani et al. 2017, section 3.2.1)."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.weights: torch.Tensor | None = None  # of the last call, for pictures: (b, h, tq, tk)

    def calculate_score(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """(b * h, tq, d) and (b * h, tk, d) give the scaled scores (b * h, tq, tk)."""
        return queries @ keys.transpose(1, 2) / math.sqrt(queries.shape[-1])

    def forward(
        self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(b, tq, h, d), (b, tk, h, d), (b, tk, h, d) give (b, tq, h * d). Mask: True = may be attended to."""
        b, tq, h, d = queries.shape
        tk = keys.shape[1]
        queries, keys, values = (x.transpose(1, 2).reshape(b * h, -1, d) for x in (queries, keys, values))

        scores = self.calculate_score(queries, keys)  # (b * h, tq, tk)
        if mask is not None:
            mask = mask.expand(b, h, tq, tk).reshape(b * h, tq, tk)
            scores = scores.masked_fill(~mask, -math.inf)
        weights = torch.softmax(scores, dim=-1)
        if mask is not None:
            weights = weights.masked_fill(~mask, 0.0)  # a query that may attend to nothing: zeros, not NaN
        self.weights = weights.detach().reshape(b, h, tq, tk)
        weights = self.dropout(weights)
        output = weights @ values
        return output.reshape(b, h, tq, d).transpose(1, 2).reshape(b, tq, h * d)


# From lesson 03_many_heads
class SelfAttention(nn.Module):
    """Attention with learned projections, many heads at once (Vaswani et al. 2017, section 3.2.2).

    `head_dim` is the width of one head: `embed_dim // num_heads` by default; `embed_dim` makes wide heads.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int = 8,
        head_dim: int | None = None,
        dropout: float = 0.1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        if head_dim is None:
            if embed_dim % num_heads:
                raise ValueError(
                    f"embed_dim={embed_dim} does not divide by num_heads={num_heads}. "
                    "Choose other numbers, or say how wide a head is with head_dim."
                )
            head_dim = embed_dim // num_heads
        self.num_heads = num_heads
        self.head_dim = head_dim
        self.to_queries = nn.Linear(embed_dim, num_heads * head_dim, bias=bias)
        self.to_keys = nn.Linear(embed_dim, num_heads * head_dim, bias=bias)
        self.to_values = nn.Linear(embed_dim, num_heads * head_dim, bias=bias)
        self.attention = DotProductAttention(dropout)
        self.unify_heads = nn.Linear(num_heads * head_dim, embed_dim)

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None, context: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(b, t, k), and a context (b, tk, k) where there is one, give (b, t, k). Mask: True = may be attended to."""
        if context is None:
            context = x
        b, t, _ = x.shape
        tk = context.shape[1]
        queries = self.to_queries(x).view(b, t, self.num_heads, self.head_dim)  # (b, t, h, d)
        keys = self.to_keys(context).view(b, tk, self.num_heads, self.head_dim)  # (b, tk, h, d)
        values = self.to_values(context).view(b, tk, self.num_heads, self.head_dim)  # (b, tk, h, d)
        attended = self.attention(queries, keys, values, mask)  # (b, t, h * d)
        return self.unify_heads(attended)


# From lesson 04_transformer_block
class TransformerBlock(nn.Module):
    """Attention between words, then an MLP on each word, both with a residual path and a norm (Vaswani et al. 2017)."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        hidden_dim: int | None = None,  # of the MLP; by default 2 * embed_dim
        dropout: float = 0.1,
        norm_first: bool = False,
        bias: bool = False,  # in attention's queries, keys and values
        activation: str = "relu",
        norm_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        activations = {"relu": nn.ReLU, "gelu": nn.GELU}
        if activation not in activations:
            raise ValueError(f"activation is {activation!r}; choose one of {', '.join(map(repr, activations))}.")
        hidden_dim = 2 * embed_dim if hidden_dim is None else hidden_dim
        self.norm_first = norm_first
        self.attention = SelfAttention(embed_dim, num_heads, dropout=dropout, bias=bias)
        self.norm_1 = nn.LayerNorm(embed_dim, eps=norm_eps)
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, hidden_dim),
            activations[activation](),
            nn.Linear(hidden_dim, embed_dim),
        )
        self.norm_2 = nn.LayerNorm(embed_dim, eps=norm_eps)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(b, t, k) gives (b, t, k). Mask: True = may be attended to, broadcastable to (b, h, t, t)."""
        if self.norm_first:
            x = x + self.dropout(self.attention(self.norm_1(x), mask))  # (b, t, k), as every line here
            x = x + self.dropout(self.mlp(self.norm_2(x)))
        else:
            x = self.norm_1(x + self.dropout(self.attention(x, mask)))
            x = self.norm_2(x + self.dropout(self.mlp(x)))
        return x


# From lesson 05_positional_encoding
class PositionalEncoding(nn.Module):
    """Adds to each token's vector the encoding of its position in the text (Vaswani et al. 2017, section 3.5)."""

    encoding: torch.Tensor  # (max_len, k)

    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        # In 64 bits: at position 500, a rounding error in a clock's speed counts 500 times.
        position = torch.arange(max_len, dtype=torch.float64)[:, None]  # (max_len, 1): 0, 1, 2 ...
        even = torch.arange(0, embed_dim, 2, dtype=torch.float64)  # (ceil(k / 2),): 0, 2, 4 ...
        angles = position / 10000 ** (even / embed_dim)  # (max_len, ceil(k / 2))
        encoding = torch.zeros(max_len, embed_dim)
        encoding[:, 0::2] = torch.sin(angles)
        encoding[:, 1::2] = torch.cos(angles[:, : embed_dim // 2])
        self.register_buffer("encoding", encoding, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, t, k) gives (b, t, k); t may be at most max_len."""
        t, max_len = x.shape[1], len(self.encoding)
        if t > max_len:
            raise ValueError(f"A text of {t} tokens is longer than max_len={max_len}: cut it, or make max_len larger.")
        x = x + self.encoding[:t]  # (b, t, k)
        return self.dropout(x)
