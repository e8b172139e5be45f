"""The course's reference layers, collected from the solutions by `make notebooks`.

Lessons import from here what earlier lessons built; a student who is stuck imports the answer and goes on.
To change something, edit the cell tagged `export` in the lesson named above it.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from tqdm.auto import tqdm

from helpers import date_batches, dates
from helpers.masked_options import BLANK, in_eval_mode, parse_options, pieces_of
from helpers.models.llama import sizes_of, weights_of
from helpers.texts.byte_words import ALPHABET, split_words


# From lesson 01_from_one_vector_to_alignment
class DateTranslator(nn.Module):
    """Reads lines word by word, writes their dates character by character; looks back where it has an attention.

    Without one, the decoder is told the same vector at each step (Cho et al. 2014, 1406.1078); with one, a weighted
    average of all the encoder's states (Bahdanau et al. 2015, 1409.0473).
    """

    def __init__(self, hidden_dim: int, attention: nn.Module | None = None) -> None:
        super().__init__()
        self.word_vectors = nn.Embedding(len(date_batches.WORDS), 32)
        self.encoder = nn.GRU(32, hidden_dim // 2, batch_first=True, bidirectional=True)
        self.first_state = nn.Linear(hidden_dim, hidden_dim)
        self.character_vectors = nn.Embedding(len(date_batches.CHARACTERS), 32)
        self.decoder = nn.GRUCell(32 + hidden_dim, hidden_dim)
        self.to_logits = nn.Linear(2 * hidden_dim, len(date_batches.CHARACTERS))
        self.attention = attention
        self.weights: torch.Tensor | None = None  # of the last call, for pictures: (b, tq, tk)

    def encode(self, words: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Words (b, tk) give a state for each (b, tk, k), and one vector for the line (b, k)."""
        lengths = mask.sum(dim=1).cpu()  # padding is not read
        packed = pack_padded_sequence(self.word_vectors(words), lengths, batch_first=True, enforce_sorted=False)
        states, last = self.encoder(packed)
        states, _ = pad_packed_sequence(states, batch_first=True, total_length=words.shape[1])  # (b, tk, k)
        return states, last.transpose(0, 1).flatten(1)  # last: (2, b, k / 2), one for each direction

    def forward(self, words: torch.Tensor, mask: torch.Tensor, target: torch.Tensor | None = None) -> torch.Tensor:
        """Words (b, tk), and a mask (b, tk) that is True at words, give logits (b, tq, c) for the characters.

        With a target (b, tq), each step is told the right character before it, whatever the model would have written.
        """
        states, one_vector = self.encode(words, mask)
        state = torch.tanh(self.first_state(one_vector))  # (b, k)
        previous = words.new_full((len(words),), date_batches.START)  # (b,)
        logits, weights = [], []
        for step in range(date_batches.MOST_CHARACTERS if target is None else target.shape[1]):
            if self.attention is None:
                context = one_vector  # (b, k): at each step the same
            else:
                context, looked_at = self.attention(state, states, mask)  # (b, k): at each step another one
                weights.append(looked_at.detach())
            state = self.decoder(torch.cat([self.character_vectors(previous), context], dim=-1), state)
            logits.append(self.to_logits(torch.cat([state, context], dim=-1)))  # (b, c)
            previous = logits[-1].argmax(dim=-1) if target is None else target[:, step]
        self.weights = torch.stack(weights, dim=1) if weights else None
        return torch.stack(logits, dim=1)


# From lesson 01_from_one_vector_to_alignment
def train_translator(
    model: nn.Module, lines: list[dates.Line], steps: int, learning_rate: float = 5e-3, batch_size: int = 64
) -> list[float]:
    """Teach a model, called as `model(words, mask, target)`, to write the lines' dates; gives the loss of each step."""
    device = next(model.parameters()).device
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    losses = []
    model.train()
    bar = tqdm(date_batches.batches(lines, steps, batch_size, seed=2021), total=steps, desc="training")
    for batch in bar:
        batch = batch.to(device)
        logits = model(batch.words, batch.mask, batch.target)  # (b, tq, c)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), batch.target.flatten(), ignore_index=date_batches.PAD)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # a recurrent network's gradient can explode
        optimizer.step()
        losses.append(loss.item())
        bar.set_postfix_str(f"loss {losses[-1]:.2f}", refresh=False)
    model.eval()
    return losses


# From lesson 01_from_one_vector_to_alignment
class AdditiveAttention(nn.Module):
    """A weighted average of the keys, the weights scored by a small network (Bahdanau et al. 2015, 1409.0473)."""

    def __init__(self, query_dim: int, key_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.W = nn.Linear(query_dim, hidden_dim, bias=False)
        self.U = nn.Linear(key_dim, hidden_dim, bias=False)
        self.v = nn.Linear(hidden_dim, 1, bias=False)

    def forward(
        self, query: torch.Tensor, keys: torch.Tensor, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(b, q), (b, tk, k) and a mask (b, tk) give the context (b, k) and the weights (b, tk)."""
        hidden = torch.tanh(self.W(query)[:, None] + self.U(keys))  # (b, tk, hidden)
        scores = self.v(hidden)[:, :, 0]  # (b, tk)
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf)
        weights = torch.softmax(scores, dim=-1)
        if mask is not None:
            weights = weights.masked_fill(~mask, 0.0)  # a line with nothing to attend to: zeros, not NaN
        context = (weights[:, None] @ keys)[:, 0]
        return context, weights


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


# From lesson 06_decoding_and_generation
def causal_mask(t: int) -> torch.Tensor:
    """True where a query may attend to a key: to itself and to what stands before it, (t, t)."""
    return torch.ones(t, t, dtype=torch.bool).tril()


# From lesson 06_decoding_and_generation
class DecoderBlock(nn.Module):
    """Causal self-attention, attention to a memory where there is one, MLP (Vaswani et al. 2017, section 3.1)."""

    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        hidden_dim = 2 * embed_dim if hidden_dim is None else hidden_dim
        self.self_attention = SelfAttention(embed_dim, num_heads, dropout=dropout)
        self.norm_1 = nn.LayerNorm(embed_dim)
        self.cross_attention = SelfAttention(embed_dim, num_heads, dropout=dropout)
        self.norm_2 = nn.LayerNorm(embed_dim)
        self.mlp = nn.Sequential(nn.Linear(embed_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, embed_dim))
        self.norm_3 = nn.LayerNorm(embed_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: torch.Tensor,
        memory: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
        memory_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(b, t, k), and a memory (b, tk, k) where there is one, give (b, t, k).

        Masks: True = may be attended to. `mask`, for x, may have any shape that broadcasts to (b, h, t, t), such as
        (b, 1, 1, t) for padding; the causal mask holds besides, so both must allow. `memory_mask`, for the memory,
        broadcasts to (b, h, t, tk).
        """
        allowed = causal_mask(x.shape[1]).to(x.device)  # (t, t)
        if mask is not None:
            allowed = allowed & mask
        x = self.norm_1(x + self.dropout(self.self_attention(x, allowed)))  # (b, t, k), as every line here
        if memory is not None:
            x = self.norm_2(x + self.dropout(self.cross_attention(x, memory_mask, context=memory)))
        return self.norm_3(x + self.dropout(self.mlp(x)))


# From lesson 06_decoding_and_generation
class LanguageModel(nn.Module):
    """Predicts at each place of a text what comes next: decoder blocks without a memory (as in Radford et al. 2018)."""

    def __init__(
        self, vocab_size: int, embed_dim: int, num_heads: int, depth: int, dropout: float = 0.0, max_len: int = 1024
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        nn.init.normal_(self.embedding.weight, std=embed_dim**-0.5)  # times sqrt(k): as large as the positions
        self.positions = PositionalEncoding(embed_dim, dropout, max_len)
        self.blocks = nn.ModuleList(DecoderBlock(embed_dim, num_heads, dropout=dropout) for _ in range(depth))
        self.to_logits = nn.Linear(embed_dim, vocab_size)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Ids (b, t) give logits (b, t, v): at each place, those of the next."""
        x = self.positions(self.embedding(ids) * math.sqrt(self.embedding.embedding_dim))  # (b, t, k)
        for block in self.blocks:
            x = block(x)
        return self.to_logits(x)


# From lesson 06_decoding_and_generation
def choose(logits: torch.Tensor, temperature: float, generator: torch.Generator) -> torch.Tensor:
    """Draw one of v characters for each text: logits (b, v) give ids (b, 1). At temperature 0, the likeliest."""
    if temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    weights = torch.softmax(logits.double().cpu() / temperature, dim=-1)
    return torch.multinomial(weights, 1, generator=generator).to(logits.device)


@torch.no_grad()
def generate(model: nn.Module, ids: torch.Tensor, count: int, temperature: float = 1.0, seed: int = 0) -> torch.Tensor:
    """Continue texts (b, t) by so many characters, (b, t + count). The same seed writes the same text again."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        logits = model(ids)[:, -1]  # (b, v): only the last place is news
        ids = torch.cat([ids, choose(logits, temperature, generator)], dim=1)
    return ids


# From lesson 06_decoding_and_generation
def attend_with_cache(attention: SelfAttention, x: torch.Tensor, cache: dict[str, torch.Tensor]) -> torch.Tensor:
    """The newest word x (b, 1, k) attends to itself and all before it, whose keys and values the cache holds."""
    heads = (len(x), 1, attention.num_heads, attention.head_dim)
    for name, project in (("keys", attention.to_keys), ("values", attention.to_values)):
        new = project(x).view(heads)
        cache[name] = torch.cat([cache[name], new], dim=1) if name in cache else new  # (b, t, h, d)
    queries = attention.to_queries(x).view(heads)
    attended = attention.attention(queries, cache["keys"], cache["values"])  # (b, 1, h * d); no mask: all is past
    return attention.unify_heads(attended)


def step_with_cache(model: Any, ids: torch.Tensor, caches: list[dict[str, torch.Tensor]]) -> torch.Tensor:
    """The newest ids (b, 1) give logits (b, v), in eval mode; caches, one for each block, are empty at first."""
    place = caches[0]["keys"].shape[1] if caches[0] else 0
    x = model.embedding(ids) * math.sqrt(model.embedding.embedding_dim) + model.positions.encoding[place]  # (b, 1, k)
    for block, cache in zip(model.blocks, caches, strict=True):
        x = block.norm_1(x + attend_with_cache(block.self_attention, x, cache))
        x = block.norm_3(x + block.mlp(x))
    return model.to_logits(x[:, -1])


# From lesson 06_decoding_and_generation
@torch.no_grad()
def generate_with_cache(
    model: Any, ids: torch.Tensor, count: int, temperature: float = 1.0, seed: int = 0
) -> torch.Tensor:
    """What `generate` writes, at a lower cost: (b, t) give (b, t + count)."""
    generator = torch.Generator().manual_seed(seed)
    caches: list[dict[str, torch.Tensor]] = [{} for _ in model.blocks]
    for place in range(ids.shape[1]):
        logits = step_with_cache(model, ids[:, place : place + 1], caches)
    for number in range(count):
        newest = choose(logits, temperature, generator)
        ids = torch.cat([ids, newest], dim=1)
        if number < count - 1:
            logits = step_with_cache(model, newest, caches)
    return ids


# From lesson 06_decoding_and_generation
class DateTransformer(nn.Module):
    """Does what `DateTranslator` of lesson 1 does, with an encoder and a decoder of Transformer blocks."""

    def __init__(self, embed_dim: int, num_heads: int, depth: int = 1) -> None:
        super().__init__()
        self.words = nn.Embedding(len(date_batches.WORDS), embed_dim)
        self.characters = nn.Embedding(len(date_batches.CHARACTERS), embed_dim)
        self.positions = PositionalEncoding(embed_dim, dropout=0.0)
        self.encoder = nn.ModuleList(TransformerBlock(embed_dim, num_heads, dropout=0.0) for _ in range(depth))
        self.decoder = nn.ModuleList(DecoderBlock(embed_dim, num_heads, dropout=0.0) for _ in range(depth))
        self.to_logits = nn.Linear(embed_dim, len(date_batches.CHARACTERS))

    def encode(self, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Words (b, tk) give the memory (b, tk, k)."""
        x = self.positions(self.words(words))
        for block in self.encoder:
            x = block(x, mask[:, None, None])  # (b, 1, 1, tk): True at words
        return x

    def decode(self, written: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Characters so far (b, tq) give logits (b, tq, c): at each place, those of the next."""
        x = self.positions(self.characters(written))
        for block in self.decoder:
            x = block(x, memory, memory_mask=mask[:, None, None])
        return self.to_logits(x)

    def forward(self, words: torch.Tensor, mask: torch.Tensor, target: torch.Tensor | None = None) -> torch.Tensor:
        """Words (b, tk) and a mask (b, tk), True at words, give logits (b, tq, c); with a target, in a single pass."""
        memory = self.encode(words, mask)
        written = words.new_full((len(words), 1), date_batches.START)  # (b, 1)
        if target is not None:
            return self.decode(torch.cat([written, target[:, :-1]], dim=1), memory, mask)
        for _ in range(date_batches.MOST_CHARACTERS):
            logits = self.decode(written, memory, mask)
            written = torch.cat([written, logits[:, -1:].argmax(dim=-1)], dim=1)
        return logits


# From lesson 07_train_a_transformer
class Transformer(nn.Module):
    """Embeddings, positions, blocks, the mean over the words, a linear classifier."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        depth: int,  # how many blocks
        max_len: int,
        vocab_size: int,
        num_classes: int,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        nn.init.normal_(self.embedding.weight, std=embed_dim**-0.5)  # about 1, once it is multiplied by sqrt(k)
        self.positions = PositionalEncoding(embed_dim, dropout, max_len)
        self.blocks = nn.ModuleList([TransformerBlock(embed_dim, num_heads, dropout=dropout) for _ in range(depth)])
        self.classifier = nn.Linear(embed_dim, num_classes)

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Token ids (b, t), and a mask (b, t), True at words wherever they stand, give logits (b, c). No mask: all words."""
        if mask is None:
            mask = torch.ones_like(token_ids, dtype=torch.bool)
        x = self.positions(self.embedding(token_ids) * math.sqrt(self.embed_dim))  # (b, t, k)
        for block in self.blocks:
            x = block(x, mask[:, None, None, :])  # (b, t, k)
        counts = mask.sum(dim=1, keepdim=True).clamp(min=1)  # (b, 1): how many words each text has
        total = x.masked_fill(~mask[:, :, None], 0.0).sum(dim=1)  # (b, k)
        pooled = total / counts  # (b, k)
        return self.classifier(pooled)


# From lesson 08_fine_tune_bert
def pad_batch(
    batch: list[tuple[int, str]], tokenizer: Any, max_len: int = 128
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pairs (label, text) give labels (b,), token ids (b, t), and a mask (b, t): 1 at words, 0 at padding."""
    labels, texts = zip(*batch, strict=True)
    encoded = tokenizer(list(texts), padding=True, truncation=True, max_length=max_len, return_tensors="pt")
    return torch.tensor(labels), encoded["input_ids"], encoded["attention_mask"]


# From lesson 08_fine_tune_bert
class TextClassifier(nn.Module):
    """An encoder, and a linear layer that turns one vector for each text into a logit for each class."""

    def __init__(self, encoder: Any, num_classes: int, reads: str = "mean") -> None:
        super().__init__()
        self.encoder = deepcopy(encoder)  # a copy: training it leaves the original as it is
        self.reads = reads
        self.head = nn.Linear(encoder.config.hidden_size, num_classes)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Token ids and mask (b, t) give logits (b, c)."""
        x = self.encoder(input_ids, attention_mask=attention_mask).last_hidden_state  # (b, t, k)
        if self.reads == "[CLS]":
            return self.head(x[:, 0])  # [CLS] is the first token
        words = attention_mask[:, :, None]  # (b, t, 1)
        return self.head((x * words).sum(dim=1) / words.sum(dim=1))  # the mean, without the padding


# From lesson 09_bias_in_language_models
def option_probabilities(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    """From each option of a text such as "The doctor picked up his/her bag." to P(option | the rest).

    An option of several pieces is scored whole: each piece given the rest and the pieces before it, multiplied.
    """
    template, options = parse_options(text)  # "The doctor picked up ___ bag.", ["his", "her"]
    probabilities = {}
    with in_eval_mode(model), torch.no_grad():
        for option in options:
            pieces = pieces_of(option, tokenizer)  # ids, one for each piece
            masks = " ".join([tokenizer.mask_token] * len(pieces))
            token_ids = tokenizer(template.replace(BLANK, masks), return_tensors="pt")["input_ids"]  # (1, t)
            token_ids = token_ids.to(model.device)
            places = (token_ids[0] == tokenizer.mask_token_id).nonzero().flatten()  # where the masks stand
            probability = 1.0
            for place, piece in zip(places, pieces, strict=True):
                logits = model(token_ids).logits[0, place]  # (vocab,)
                probability = probability * torch.softmax(logits, dim=-1)[piece].item()
                token_ids[0, place] = piece
            probabilities[option] = probability
    return probabilities


# From lesson 10_beyond_language
def patchify(images: torch.Tensor, patch: int) -> torch.Tensor:
    """Cut (b, height, width) into (b, patches, patch * patch), row by row (Dosovitskiy et al. 2021, section 3.1)."""
    b, height, width = images.shape
    if height % patch or width % patch:
        raise ValueError(
            f"A picture of {height} x {width} pixels cannot be cut into patches of {patch} x {patch}: "
            "both sides must divide by the patch."
        )
    rows, columns = height // patch, width // patch
    pieces = images.reshape(b, rows, patch, columns, patch)
    ordered = pieces.permute(0, 1, 3, 2, 4)  # (b, rows, columns, patch, patch)
    return ordered.reshape(b, rows * columns, patch * patch)


# From lesson 10_beyond_language
class VisionTransformer(nn.Module):
    """Reads a square picture as a sequence of patches, and classifies it (Dosovitskiy et al. 2021)."""

    def __init__(
        self,
        image_size: int,
        patch: int,
        embed_dim: int,
        num_heads: int,
        depth: int,
        num_classes: int,
        with_positions: bool = True,
    ) -> None:
        super().__init__()
        self.patch = patch
        tokens = 1 + (image_size // patch) ** 2  # the class token, then the patches
        self.embedding = nn.Linear(patch * patch, embed_dim)
        self.class_token = nn.Parameter(torch.zeros(embed_dim))
        start = 0.5 * torch.randn(tokens, embed_dim) if with_positions else torch.zeros(tokens, embed_dim)
        self.positions = nn.Parameter(start, requires_grad=with_positions)
        self.blocks = nn.Sequential(*[TransformerBlock(embed_dim, num_heads, norm_first=True) for _ in range(depth)])
        self.norm = nn.LayerNorm(embed_dim)
        self.classifier = nn.Linear(embed_dim, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(b, image_size, image_size) gives logits (b, num_classes)."""
        x = self.embedding(patchify(images, self.patch))  # (b, patches, k)
        x = torch.cat([self.class_token.expand(len(x), 1, -1), x], dim=1)  # (b, 1 + patches, k)
        x = self.blocks(x + self.positions)  # (b, 1 + patches, k)
        return self.classifier(self.norm(x[:, 0]))  # the class token alone: (b, num_classes)


# From lesson 11_pieces_of_words
def count_pairs(words: Mapping[tuple[str, ...], int]) -> Counter[tuple[str, str]]:
    """How often each pair of neighbouring pieces comes, in words that come so often."""
    pairs: Counter[tuple[str, str]] = Counter()
    for pieces, count in words.items():
        for pair in pairwise(pieces):
            pairs[pair] += count
    return pairs


# From lesson 11_pieces_of_words
def merge_pair(pieces: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    """The pieces with each occurrence of the pair made one piece, from the left, without overlap."""
    merged: list[str] = []
    place = 0
    while place < len(pieces):
        if pieces[place : place + 2] == pair:
            merged.append(pair[0] + pair[1])
            place += 2
        else:
            merged.append(pieces[place])
            place += 1
    return tuple(merged)


# From lesson 11_pieces_of_words
def learn_merges(words: Mapping[tuple[str, ...], int], count: int) -> tuple[list[tuple[str, str]], list[int]]:
    """Byte-pair encoding: up to `count` merges in order, and how many words each of them touched."""
    spelled, often = list(words), list(words.values())
    pairs = Counter(count_pairs(words))
    holders: defaultdict[tuple[str, str], set[int]] = defaultdict(set)  # pair -> the words that hold it
    for word, pieces in enumerate(spelled):
        for pair in pairwise(pieces):
            holders[pair].add(word)
    numbers = {piece: number for number, piece in enumerate(ALPHABET)}
    merges: list[tuple[str, str]] = []
    touched: list[int] = []
    for _ in tqdm(range(count), unit="merge", leave=False):
        if not pairs:
            break
        most = max(pairs.values())
        ties = [pair for pair, number in pairs.items() if number == most]
        best = min(ties, key=lambda pair: (numbers[pair[0]], numbers[pair[1]]))
        merges.append(best)
        numbers.setdefault(best[0] + best[1], len(numbers))
        touched.append(len(holders[best]))
        for word in list(holders[best]):
            before, spelled[word] = spelled[word], merge_pair(spelled[word], best)
            for pair, number in count_pairs({before: often[word]}).items():  # what the word held
                pairs[pair] -= number
                holders[pair].discard(word)
                if not pairs[pair]:
                    del pairs[pair], holders[pair]
            for pair, number in count_pairs({spelled[word]: often[word]}).items():  # what it holds now
                pairs[pair] += number
                holders[pair].add(word)
    return merges, touched


# From lesson 11_pieces_of_words
def encode(text: str, merges: Sequence[tuple[str, str]]) -> list[str]:
    """A text's pieces, by merges in the order in which they were learned."""
    learned = {pair: place for place, pair in enumerate(merges)}
    known: dict[tuple[str, ...], tuple[str, ...]] = {}  # a word that comes again is not cut again
    encoded: list[str] = []
    for word in split_words(text):
        pieces = known.get(word, word)
        while word not in known:
            pair = min(pairwise(pieces), key=lambda pair: learned.get(pair, math.inf), default=None)
            if pair not in learned:
                known[word] = pieces
            else:
                pieces = merge_pair(pieces, pair)
        encoded.extend(pieces)
    return encoded


# From lesson 12_a_modern_decoder
class RMSNorm(nn.Module):
    """Divides each vector by the root of its mean square (Zhang & Sennrich 2019, 1910.07467)."""

    def __init__(self, embed_dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(embed_dim))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, t, k) gives (b, t, k)."""
        scale = torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + self.eps)  # (b, t, 1)
        return x * scale * self.weight


# From lesson 12_a_modern_decoder
class SwiGLU(nn.Module):
    """An MLP whose hidden numbers are multiplied by a gate (Shazeer 2020, 2002.05202)."""

    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.gate = nn.Linear(embed_dim, hidden_dim, bias=False)
        self.up = nn.Linear(embed_dim, hidden_dim, bias=False)
        self.down = nn.Linear(hidden_dim, embed_dim, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, t, k) gives (b, t, k)."""
        return self.down(F.silu(self.gate(x)) * self.up(x))


# From lesson 12_a_modern_decoder
def rotate(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    """Turn queries or keys (b, t, h, d) by their positions (t,): (b, t, h, d) (Su et al. 2021, 2104.09864).

    Number i is paired with number i + d / 2, as in transformers' Llama.
    """
    half = x.shape[-1] // 2
    speeds = base ** (-torch.arange(half, device=x.device) / half)  # (d / 2,)
    angles = positions[:, None] * speeds  # (t, d / 2)
    cos, sin = (table[:, None].to(x.dtype) for table in (angles.cos(), angles.sin()))  # (t, 1, d / 2): for all heads
    first, second = x[..., :half], x[..., half:]  # (b, t, h, d / 2) each
    turned_first = first * cos - second * sin
    turned_second = second * cos + first * sin
    return torch.cat([turned_first, turned_second], dim=-1)


# From lesson 12_a_modern_decoder
class GroupedQueryAttention(nn.Module):
    """Causal attention with turned queries and keys; groups of query heads share keys (Ainslie et al. 2023, 2305.13245)."""

    def __init__(self, embed_dim: int, num_heads: int, num_kv_heads: int, base: float = 10000.0) -> None:
        super().__init__()
        if embed_dim % num_heads or num_heads % num_kv_heads:
            raise ValueError(f"{num_heads} heads must divide embed_dim={embed_dim}, and {num_kv_heads} key heads them.")
        self.num_heads, self.num_kv_heads, self.base = num_heads, num_kv_heads, base
        self.head_dim = embed_dim // num_heads
        self.to_queries = nn.Linear(embed_dim, num_heads * self.head_dim, bias=False)
        self.to_keys = nn.Linear(embed_dim, num_kv_heads * self.head_dim, bias=False)
        self.to_values = nn.Linear(embed_dim, num_kv_heads * self.head_dim, bias=False)
        self.attention = DotProductAttention()
        self.unify_heads = nn.Linear(num_heads * self.head_dim, embed_dim, bias=False)

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None, cache: dict[str, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """(b, t, k) gives (b, t, k). With a cache, x holds the next t tokens, and `tk` counts the earlier ones too.

        Mask: True = may be attended to, broadcastable to (b, h, t, tk), such as (b, 1, 1, tk) for padding; the causal
        mask holds besides. A cache is empty before the first call; each call adds its keys and values to it.
        """
        b, t, _ = x.shape
        seen = cache["keys"].shape[1] if cache else 0
        queries = self.to_queries(x).view(b, t, self.num_heads, self.head_dim)  # (b, t, h, d)
        keys = self.to_keys(x).view(b, t, self.num_kv_heads, self.head_dim)  # (b, t, fewer heads, d)
        values = self.to_values(x).view(b, t, self.num_kv_heads, self.head_dim)
        positions = seen + torch.arange(t, device=x.device)  # (t,)
        queries, keys = rotate(queries, positions, self.base), rotate(keys, positions, self.base)
        if cache is not None:
            if cache:
                keys = torch.cat([cache["keys"], keys], dim=1)  # (b, tk, fewer heads, d)
                values = torch.cat([cache["values"], values], dim=1)
            cache["keys"], cache["values"] = keys, values
        group = self.num_heads // self.num_kv_heads
        keys, values = keys.repeat_interleave(group, dim=2), values.repeat_interleave(group, dim=2)  # (b, tk, h, d)
        allowed = causal_mask(keys.shape[1])[-t:].to(x.device)  # (t, tk)
        if mask is not None:
            allowed = allowed & mask
        return self.unify_heads(self.attention(queries, keys, values, allowed))


# From lesson 12_a_modern_decoder
class LlamaBlock(nn.Module):
    """A block of today's decoders: norm first, turned and grouped attention, SwiGLU (Touvron et al. 2023, 2302.13971)."""

    def __init__(
        self, embed_dim: int, num_heads: int, num_kv_heads: int, hidden_dim: int, base: float, eps: float
    ) -> None:
        super().__init__()
        self.norm_1 = RMSNorm(embed_dim, eps)
        self.attention = GroupedQueryAttention(embed_dim, num_heads, num_kv_heads, base)
        self.norm_2 = RMSNorm(embed_dim, eps)
        self.mlp = SwiGLU(embed_dim, hidden_dim)

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None, cache: dict[str, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """(b, t, k) gives (b, t, k); mask and cache are the attention's."""
        x = x + self.attention(self.norm_1(x), mask, cache)
        return x + self.mlp(self.norm_2(x))


# From lesson 12_a_modern_decoder
class Decoder(nn.Module):
    """Predicts at each place of a text which token comes next: a Llama, whose head is its embedding."""

    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_kv_heads: int,
        depth: int,
        hidden_dim: int,
        base: float = 10000.0,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        sizes = (embed_dim, num_heads, num_kv_heads, hidden_dim, base, eps)
        self.blocks = nn.ModuleList(LlamaBlock(*sizes) for _ in range(depth))
        self.norm = RMSNorm(embed_dim, eps)

    def forward(
        self,
        ids: torch.Tensor,
        mask: torch.Tensor | None = None,
        caches: list[dict[str, torch.Tensor]] | None = None,
    ) -> torch.Tensor:
        """Ids (b, t) give logits (b, t, v).

        Mask (b, tk): True at tokens, False at padding. Caches: one for each block, empty at first; tk counts what they
        hold, too.
        """
        x = self.embedding(ids)  # (b, t, k)
        mask = None if mask is None else mask[:, None, None]  # (b, 1, 1, tk)
        for number, block in enumerate(self.blocks):
            x = block(x, mask, None if caches is None else caches[number])
        return self.norm(x) @ self.embedding.weight.T  # (b, t, v)


# From lesson 12_a_modern_decoder
def as_decoder(llama: Any) -> Decoder:
    """The course's decoder with the weights of a `transformers.LlamaForCausalLM`, in eval mode."""
    decoder = Decoder(**sizes_of(llama.config))
    decoder.load_state_dict(weights_of(llama))  # it insists: every weight has a place, and every place its weight
    return decoder.eval()


# From lesson 12_a_modern_decoder
@torch.no_grad()
def continue_texts(
    model: Decoder,
    ids: torch.Tensor,
    mask: torch.Tensor,
    count: int,
    pick: Callable[[torch.Tensor], torch.Tensor],
    end: int | None = None,
    cached: bool = True,
) -> torch.Tensor:
    """Continue texts (b, t), padded on the left, by so many tokens: (b, t + count).

    `mask` (b, t) is True at tokens; `pick` chooses, from logits (b, v), ids (b, 1). After `end` comes nothing else.
    """
    caches: list[dict[str, torch.Tensor]] | None = [{} for _ in model.blocks] if cached else None
    to_read, done = ids, torch.zeros_like(mask[:, :1])
    for _ in range(count):
        chosen = pick(model(to_read, mask, caches)[:, -1])  # (b, 1)
        if end is not None:
            chosen = chosen.masked_fill(done, end)
            done = done | (chosen == end)
        ids, mask = torch.cat([ids, chosen], dim=1), torch.cat([mask, torch.ones_like(done)], dim=1)
        to_read = chosen if cached else ids
    return ids


# From lesson 12_a_modern_decoder
def top_p(logits: torch.Tensor, p: float) -> torch.Tensor:
    """Keep the likeliest tokens that together have a probability of at least p (Holtzman et al. 2020, 1904.09751).

    Logits (b, v) give logits (b, v): what is not kept is minus infinity. The likeliest token is always kept.
    """
    ordered, places = logits.sort(dim=-1, descending=True)  # (b, v) each
    probabilities = ordered.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities  # (b, v)
    outside = before >= p
    outside[:, 0] = False  # the likeliest token always stays
    ordered = ordered.masked_fill(outside, -math.inf)
    return torch.empty_like(logits).scatter(-1, places, ordered)


# From lesson 13_look_inside
def induction_scores(weights: torch.Tensor, period: int) -> torch.Tensor:
    """Attention (h, t, t) on a line said twice gives (h,): how much the second time looks at what came next."""
    queries = torch.arange(period, 2 * period)
    keys = queries - period + 1
    return weights[:, queries, keys].mean(dim=-1)


# From lesson 13_look_inside
class AttentionOnly(nn.Module):
    """Attention layers that add to one sum, and nothing else: no MLP, no norm (as in Elhage et al. 2021)."""

    def __init__(self, vocab_size: int, embed_dim: int, num_heads: int, depth: int, max_len: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocab_size, embed_dim)
        self.places = nn.Embedding(max_len, embed_dim)
        self.layers = nn.ModuleList(SelfAttention(embed_dim, num_heads, dropout=0.0) for _ in range(depth))
        self.to_logits = nn.Linear(embed_dim, vocab_size)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Ids (b, t) give logits (b, t, v): at each place, those of the next word."""
        t = ids.shape[1]
        x = self.words(ids) + self.places.weight[:t]  # (b, t, k)
        allowed = causal_mask(t).to(ids.device)
        for layer in self.layers:
            x = x + layer(x, allowed)
        return self.to_logits(x)


# From lesson 13_look_inside
def where_heads_meet(model: nn.Module) -> list[tuple[Any, int]]:
    """For each layer, from the first on: the matrix in which its heads meet, and how many numbers each head brings."""
    found: list[tuple[Any, int]] = []
    part: Any
    for part in model.modules():
        for name in ("unify_heads", "o_proj"):  # this course's name, and that of transformers' Llama
            if hasattr(part, name):
                found.append((getattr(part, name), part.head_dim))
    return found


# From lesson 13_look_inside
@contextmanager
def without_heads(model: nn.Module, heads: Collection[tuple[int, int]]) -> Iterator[None]:
    """While it is open, the output of each (layer, head) is zero; afterwards the model is what it was."""
    layers = where_heads_meet(model)  # for each layer: a matrix, and the width of a head

    def silence(head: int, width: int) -> Any:
        """Make a hook that sets this head's part of what enters a matrix to zero."""

        def hook(matrix: nn.Module, inputs: tuple[torch.Tensor, ...]) -> Any:
            x = inputs[0]  # (b, t, h * width): what all heads of the layer have found
            x = x.clone()
            x[..., head * width : (head + 1) * width] = 0
            return (x,)

        return hook

    hooks = []
    try:
        for layer, head in heads:
            matrix, width = layers[layer]
            hooks.append(matrix.register_forward_pre_hook(silence(head, width)))
        yield
    finally:
        for hook in hooks:
            hook.remove()


# From lesson 14_cheap_adaptation
class LoRALinear(nn.Module):
    """A linear layer that stays as it is, and beside it a change of low rank that learns (Hu et al. 2021)."""

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.linear, self.rank, self.alpha = linear, rank, alpha
        self.linear.requires_grad_(False)
        self.A = nn.Linear(linear.in_features, rank, bias=False)
        self.B = nn.Linear(rank, linear.out_features, bias=False)
        nn.init.zeros_(self.B.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in) gives (..., out), with any number of axes in front."""
        return self.linear(x) + self.alpha / self.rank * self.B(self.A(x))

    def merge(self) -> nn.Linear:
        """Return one ordinary linear layer that gives the same output; the adapter itself stays as it is."""
        weight = self.linear.weight + self.alpha / self.rank * (self.B.weight @ self.A.weight)
        outputs, inputs = weight.shape
        bias = self.linear.bias
        merged = nn.Linear(inputs, outputs, bias=bias is not None).to(weight)  # same device and dtype
        with torch.no_grad():
            merged.weight.copy_(weight)
            if bias is not None:
                merged.bias.copy_(bias)
        return merged


# From lesson 14_cheap_adaptation
def quantize_rows(weight: torch.Tensor, bits: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (n, m) give whole numbers (n, m), torch.int8, and a scale for each row (n, 1); `bits` is 2 to 8."""
    most = 2 ** (bits - 1) - 1
    largest = weight.abs().amax(dim=1, keepdim=True)
    scale = torch.where(largest > 0, largest, 1.0) / most
    return (weight / scale).round().to(torch.int8), scale
