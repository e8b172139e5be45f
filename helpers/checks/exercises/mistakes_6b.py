"""Misconceptions about the decoder block, as small wrong implementations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from helpers.checks.engine.run import Misconceptions
from helpers.checks.exercises.mistakes_3 import SelfAttentionByHand

MISCONCEPTIONS = Misconceptions()
Mask = torch.Tensor | None


class DecoderByHand(nn.Module):
    """A decoder block, right as it stands (a test compares it with torch); a subclass goes wrong in one method."""

    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        self.p = dropout
        self.to_past = SelfAttentionByHand(embed_dim, num_heads, dropout=dropout)
        self.to_memory = SelfAttentionByHand(embed_dim, num_heads, dropout=dropout)
        self.norm_1, self.norm_2, self.norm_3 = (nn.LayerNorm(embed_dim) for _ in range(3))
        hidden = self.hidden_width(embed_dim, hidden_dim)
        self.mlp_1, self.mlp_2 = nn.Linear(embed_dim, hidden), nn.Linear(hidden, embed_dim)

    def hidden_width(self, k: int, hidden: int | None) -> int:
        return 2 * k if hidden is None else hidden

    def drop(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, self.p, self.training)

    def causal(self, x: torch.Tensor) -> torch.Tensor:
        t = x.shape[1]
        return torch.ones(t, t, dtype=torch.bool, device=x.device).tril()

    def joined(self, causal: torch.Tensor, mask: Mask) -> Mask:
        return causal if mask is None else causal & mask

    def past(self, x: torch.Tensor, mask: Mask) -> torch.Tensor:
        return self.drop(self.to_past(x, self.joined(self.causal(x), mask)))

    def across(self, x: torch.Tensor, memory: torch.Tensor, memory_mask: Mask) -> torch.Tensor:
        return self.drop(self.to_memory(x, memory_mask, memory))

    def activate(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x)

    def mlp(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(self.mlp_2(self.activate(self.mlp_1(x))))

    def first(self, x: torch.Tensor, mask: Mask) -> torch.Tensor:
        return self.norm_1(x + self.past(x, mask))

    def second(self, x: torch.Tensor, memory: Mask, memory_mask: Mask) -> torch.Tensor:
        return x if memory is None else self.norm_2(x + self.across(x, memory, memory_mask))

    def third(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm_3(x + self.mlp(x))

    def forward(
        self, x: torch.Tensor, memory: Mask = None, mask: Mask = None, memory_mask: Mask = None
    ) -> torch.Tensor:
        return self.third(self.second(self.first(x, mask), memory, memory_mask))


# What a word may see


@MISCONCEPTIONS(
    "the mask replaces the causal one",
    "Where a mask is given, the causal one is forgotten, and words see the future. Both must allow: join with `&`.",
)
class MaskReplaces(DecoderByHand):
    def joined(self, causal: torch.Tensor, mask: Mask) -> Mask:
        return causal if mask is None else mask


@MISCONCEPTIONS(
    "no causal mask",
    "Words see the words after them: nothing is causal here. `causal_mask` belongs to the attention to x, always.",
)
class NoCausalMask(DecoderByHand):
    def joined(self, causal: torch.Tensor, mask: Mask) -> Mask:
        return mask


@MISCONCEPTIONS(
    "mask not passed on",
    "`mask` has no effect: only the causal mask reaches the attention to x. Join the two with `&`.",
)
class MaskIgnored(DecoderByHand):
    def joined(self, causal: torch.Tensor, mask: Mask) -> Mask:
        return causal


@MISCONCEPTIONS(
    "either mask is enough",
    "The two masks are joined with `|`, so a word may be attended to where either allows it. Both must: `&`.",
)
class EitherMask(DecoderByHand):
    def joined(self, causal: torch.Tensor, mask: Mask) -> Mask:
        return causal if mask is None else causal | mask


@MISCONCEPTIONS(
    "the mask inverted", "`mask` works the wrong way round: here True means that a word may be attended to."
)
class MaskInverted(DecoderByHand):
    def joined(self, causal: torch.Tensor, mask: Mask) -> Mask:
        return causal if mask is None else causal & ~mask


@MISCONCEPTIONS(
    "the causal mask turned round",
    "Each word sees itself and the words after it: the causal mask is turned round.",
)
class CausalTurnedRound(DecoderByHand):
    def causal(self, x: torch.Tensor) -> torch.Tensor:
        return super().causal(x).T


@MISCONCEPTIONS(
    "the causal mask inverted",
    "Each word sees only the words after it: the causal mask goes in inverted, as torch's own layers want it.",
)
class CausalInverted(DecoderByHand):
    def causal(self, x: torch.Tensor) -> torch.Tensor:
        return ~super().causal(x)


@MISCONCEPTIONS("a word does not see itself", "A word may not attend to itself here. In the causal mask it may.")
class NotItself(DecoderByHand):
    def causal(self, x: torch.Tensor) -> torch.Tensor:
        return super().causal(x).tril(-1)


# The memory


@MISCONCEPTIONS("memory ignored", "`memory` has no effect: there is no attention to it, or its result is never used.")
class MemoryIgnored(DecoderByHand):
    def second(self, x: torch.Tensor, memory: Mask, memory_mask: Mask) -> torch.Tensor:
        return x


@MISCONCEPTIONS(
    "keys and values from x",
    "The second attention takes its keys and values from x. They come from the memory: `context=memory`.",
)
class CrossToItself(DecoderByHand):
    def across(self, x: torch.Tensor, memory: torch.Tensor, memory_mask: Mask) -> torch.Tensor:
        return self.drop(self.to_memory(x))


@MISCONCEPTIONS(
    "x and memory exchanged",
    "The queries come from the memory, and keys and values from x. Each word of x asks: queries are x's.",
)
class CrossExchanged(DecoderByHand):
    def across(self, x: torch.Tensor, memory: torch.Tensor, memory_mask: Mask) -> torch.Tensor:
        return self.drop(self.to_memory(memory, None, x))


@MISCONCEPTIONS(
    "attention to x where there is no memory",
    "Without a memory, the second attention should be left out, with its sum and its norm. Here it attends to x.",
)
class CrossAlways(DecoderByHand):
    def second(self, x: torch.Tensor, memory: Mask, memory_mask: Mask) -> torch.Tensor:
        return super().second(x, x if memory is None else memory, memory_mask)


@MISCONCEPTIONS(
    "the second norm where there is no memory",
    "Without a memory, the second norm should be left out too, and here it is not.",
)
class NormAlways(DecoderByHand):
    def second(self, x: torch.Tensor, memory: Mask, memory_mask: Mask) -> torch.Tensor:
        return self.norm_2(x) if memory is None else super().second(x, memory, memory_mask)


@MISCONCEPTIONS("memory mask not passed on", "`memory_mask` has no effect: hand it on to the attention to the memory.")
class MemoryMaskIgnored(DecoderByHand):
    def across(self, x: torch.Tensor, memory: torch.Tensor, memory_mask: Mask) -> torch.Tensor:
        return super().across(x, memory, None)


@MISCONCEPTIONS(
    "the memory mask inverted",
    "`memory_mask` works the wrong way round: here True means that a word may be attended to.",
)
class MemoryMaskInverted(DecoderByHand):
    def across(self, x: torch.Tensor, memory: torch.Tensor, memory_mask: Mask) -> torch.Tensor:
        return super().across(x, memory, None if memory_mask is None else ~memory_mask)


@MISCONCEPTIONS(
    "a causal mask over the memory",
    "The attention to the memory is causal too. The memory is all there already: each word may look at all of it.",
)
class MemoryCausal(DecoderByHand):
    def across(self, x: torch.Tensor, memory: torch.Tensor, memory_mask: Mask) -> torch.Tensor:
        causal = torch.ones(x.shape[1], memory.shape[1], dtype=torch.bool, device=x.device).tril()
        return super().across(x, memory, self.joined(causal, memory_mask))


@MISCONCEPTIONS(
    "the memory first",
    "The attention to the memory comes before the one to the text so far. The text so far comes first.",
)
class MemoryFirst(DecoderByHand):
    def forward(
        self, x: torch.Tensor, memory: Mask = None, mask: Mask = None, memory_mask: Mask = None
    ) -> torch.Tensor:
        return self.third(self.first(self.second(x, memory, memory_mask), mask))


@MISCONCEPTIONS(
    "the memory asked with the block's input",
    "The attention to the memory reads the block's input. It should read what the first attention has made of it.",
)
class AskedWithInput(DecoderByHand):
    def forward(
        self, x: torch.Tensor, memory: Mask = None, mask: Mask = None, memory_mask: Mask = None
    ) -> torch.Tensor:
        after = self.first(x, mask)
        if memory is not None:
            after = self.norm_2(after + self.across(x, memory, memory_mask))
        return self.third(after)


# Sums and norms


@MISCONCEPTIONS(
    "nothing added to the first attention",
    "The output of the attention to x takes the place of x. Add x: that is the residual path.",
)
class NoFirstResidual(DecoderByHand):
    def first(self, x: torch.Tensor, mask: Mask) -> torch.Tensor:
        return self.norm_1(self.past(x, mask))


@MISCONCEPTIONS(
    "nothing added to the second attention",
    "The output of the attention to the memory takes the place of x. Add x: that is the residual path.",
)
class NoSecondResidual(DecoderByHand):
    def second(self, x: torch.Tensor, memory: Mask, memory_mask: Mask) -> torch.Tensor:
        return x if memory is None else self.norm_2(self.across(x, memory, memory_mask))


@MISCONCEPTIONS(
    "nothing added to the MLP",
    "The MLP's output takes the place of its input. Add the input: that is the residual path.",
)
class NoThirdResidual(DecoderByHand):
    def third(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm_3(self.mlp(x))


@MISCONCEPTIONS("norm first", "The norms come before attention and MLP. Here: add, then normalize the sum.")
class NormFirst(DecoderByHand):
    def forward(
        self, x: torch.Tensor, memory: Mask = None, mask: Mask = None, memory_mask: Mask = None
    ) -> torch.Tensor:
        x = x + self.past(self.norm_1(x), mask)
        if memory is not None:
            x = x + self.across(self.norm_2(x), memory, memory_mask)
        return x + self.mlp(self.norm_3(x))


@MISCONCEPTIONS(
    "norm before adding",
    "Each norm sees what attention or MLP return, alone, and the input is added after it. Add first, then normalize "
    "the sum.",
)
class NormBeforeAdding(DecoderByHand):
    def forward(
        self, x: torch.Tensor, memory: Mask = None, mask: Mask = None, memory_mask: Mask = None
    ) -> torch.Tensor:
        x = x + self.norm_1(self.past(x, mask))
        if memory is not None:
            x = x + self.norm_2(self.across(x, memory, memory_mask))
        return x + self.norm_3(self.mlp(x))


@MISCONCEPTIONS("no norm after the memory", "The sum after the attention to the memory is not normalized.")
class NoSecondNorm(DecoderByHand):
    def second(self, x: torch.Tensor, memory: Mask, memory_mask: Mask) -> torch.Tensor:
        return x if memory is None else x + self.across(x, memory, memory_mask)


@MISCONCEPTIONS("no norm at the end", "The sum after the MLP is not normalized.")
class NoThirdNorm(DecoderByHand):
    def third(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.mlp(x)


@MISCONCEPTIONS(
    "one norm for all", "One norm serves in all places. Make three, each with weights of its own: one after each sum."
)
class OneNorm(DecoderByHand):
    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        self.norm_2 = self.norm_3 = self.norm_1


@MISCONCEPTIONS(
    "two norms", "There are only two norms, as in exercise 4. The sum after the attention to the memory needs its own."
)
class TwoNorms(DecoderByHand):
    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        self.norm_2 = self.norm_1


@MISCONCEPTIONS(
    "one attention for both",
    "One and the same attention layer looks at the text so far and at the memory. Make two: they look for different "
    "things.",
)
class OneAttention(DecoderByHand):
    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        self.to_memory = self.to_past


# The MLP, and dropout


@MISCONCEPTIONS("MLP not used", "The MLP is made and never used.")
class NoMLP(DecoderByHand):
    def third(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm_3(x)


@MISCONCEPTIONS(
    "no activation",
    "There is no activation between the MLP's two layers, so together they are no more than one linear layer.",
)
class NoActivation(DecoderByHand):
    def activate(self, x: torch.Tensor) -> torch.Tensor:
        return x


@MISCONCEPTIONS("GELU", "The activation is GELU; this block has ReLU.")
class WithGELU(DecoderByHand):
    def activate(self, x: torch.Tensor) -> torch.Tensor:
        return F.gelu(x)


@MISCONCEPTIONS(
    "hidden width of 4k", "The MLP is four times as wide as the model inside. Here the default is 2 * embed_dim."
)
class HiddenFourTimes(DecoderByHand):
    def hidden_width(self, k: int, hidden: int | None) -> int:
        return 4 * k if hidden is None else hidden


@MISCONCEPTIONS("hidden_dim ignored", "`hidden_dim` has no effect on the width of the MLP.")
class HiddenIgnored(DecoderByHand):
    def hidden_width(self, k: int, hidden: int | None) -> int:
        return 2 * k


@MISCONCEPTIONS(
    "dropout in eval mode",
    "Dropout is active in eval mode too, so predictions are random. `nn.Dropout` knows the mode; `F.dropout` has to be "
    "told.",
)
class DropoutInEval(DecoderByHand):
    def drop(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, self.p, training=True)


@MISCONCEPTIONS("no dropout", "Nothing is dropped in train mode: the `dropout` argument has no effect.")
class NoDropout(DecoderByHand):
    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, 0.0)


@MISCONCEPTIONS(
    "attention's dropout not passed on",
    "The attention layers drop with their own default of 0.1 whatever `dropout` says: hand `dropout` on to them.",
)
class AttentionDropoutNotPassedOn(DecoderByHand):
    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, dropout)
        self.to_past.p = self.to_memory.p = 0.1
