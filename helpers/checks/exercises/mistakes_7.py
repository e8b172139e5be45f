"""Misconceptions about a Transformer that classifies texts, as small wrong implementations."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from helpers.checks.engine.run import Misconceptions
from helpers.checks.exercises.mistakes_4 import BlockByHand
from helpers.checks.exercises.mistakes_5 import EncodingByHand

MISCONCEPTIONS = Misconceptions()


class StandInBlock(nn.Module):
    """Takes a block's place in a model that will be given others: blocks are slow to make."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()


class TransformerByHand(nn.Module):
    """Right as it stands (a test compares it with slow loops); a subclass goes wrong in one method."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        depth: int,
        max_len: int,
        vocab_size: int,
        num_classes: int,
        block: type[nn.Module] = BlockByHand,
    ) -> None:
        super().__init__()
        self.k, self.block = embed_dim, block
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        self.positions = EncodingByHand(embed_dim, max_len=self.longest(max_len))
        self.blocks: Any = self.make_blocks(embed_dim, num_heads, depth)
        self.classifier = nn.Linear(embed_dim, num_classes)

    def longest(self, max_len: int) -> int:
        return max_len

    def make_blocks(self, k: int, h: int, depth: int) -> Any:
        return nn.ModuleList([self.block(k, h) for _ in range(depth)])

    def start(self, x: torch.Tensor) -> torch.Tensor:
        """Words' vectors (b, t, k) as they come out of the embedding give what the first block is given."""
        return self.positions(x * math.sqrt(self.k))

    def mask_for_blocks(self, mask: torch.Tensor) -> torch.Tensor | None:
        return mask[:, None, None, :]

    def through_blocks(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        for block in self.blocks:
            x = block(x, mask)
        return x

    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        words = mask[:, :, None]
        return (x * words).sum(1) / words.sum(1).clamp(min=1)

    def classify(self, pooled: torch.Tensor) -> torch.Tensor:
        return self.classifier(pooled)

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        if mask is None:
            mask = torch.ones_like(token_ids, dtype=torch.bool)
        x = self.through_blocks(self.start(self.embedding(token_ids)), self.mask_for_blocks(mask))
        return self.classify(self.pool(x, mask))


# Words and positions


@MISCONCEPTIONS(
    "no scaling",
    "The words' vectors are not scaled: multiply them by the square root of k before the positions are added.",
)
class NoScaling(TransformerByHand):
    def start(self, x: torch.Tensor) -> torch.Tensor:
        return self.positions(x)


@MISCONCEPTIONS(
    "divided by the root of k",
    "The words' vectors are divided by the square root of k, as attention's scores are. Multiply them by it.",
)
class DividedByRoot(TransformerByHand):
    def start(self, x: torch.Tensor) -> torch.Tensor:
        return self.positions(x / math.sqrt(self.k))


@MISCONCEPTIONS("multiplied by k", "The words' vectors are multiplied by k itself. Take its square root.")
class MultipliedByWidth(TransformerByHand):
    def start(self, x: torch.Tensor) -> torch.Tensor:
        return self.positions(x * self.k)


@MISCONCEPTIONS(
    "positions scaled too",
    "Positions are multiplied by the square root of k along with the words. Scale the words first, then add positions.",
)
class PositionsScaled(TransformerByHand):
    def start(self, x: torch.Tensor) -> torch.Tensor:
        return self.positions(x) * math.sqrt(self.k)


@MISCONCEPTIONS(
    "no positions",
    "Positions are left out: the model could not tell “dog bites man” from “man bites dog”.",
)
class NoPositions(TransformerByHand):
    def start(self, x: torch.Tensor) -> torch.Tensor:
        return x * math.sqrt(self.k)


@MISCONCEPTIONS(
    "positions after the blocks",
    "Positions are added after the blocks. Attention needs them: add them to the words, before the first block.",
)
class PositionsAfterBlocks(TransformerByHand):
    def start(self, x: torch.Tensor) -> torch.Tensor:
        return x * math.sqrt(self.k)

    def through_blocks(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return self.positions(super().through_blocks(x, mask))


@MISCONCEPTIONS(
    "no positions and no scaling",
    "The blocks are given the embeddings as they are. Multiply them by the square root of k, then add positions.",
)
class BareEmbedding(TransformerByHand):
    def start(self, x: torch.Tensor) -> torch.Tensor:
        return x


@MISCONCEPTIONS(
    "positions without words",
    "The blocks are given positions alone, with the words lost: `self.positions` adds to what it is handed.",
)
class WordsLost(TransformerByHand):
    def start(self, x: torch.Tensor) -> torch.Tensor:
        return self.positions(torch.zeros_like(x))


@MISCONCEPTIONS(
    "positions added twice",
    "Positions are added twice: `self.positions(x)` returns x and positions together, so do not add x once more.",
)
class PositionsTwice(TransformerByHand):
    def start(self, x: torch.Tensor) -> torch.Tensor:
        return self.positions(self.positions(x * math.sqrt(self.k)))


@MISCONCEPTIONS(
    "words added twice",
    "Words are added twice: `self.positions(x)` returns x and positions together.",
)
class WordsTwice(TransformerByHand):
    def start(self, x: torch.Tensor) -> torch.Tensor:
        x = x * math.sqrt(self.k)
        return x + self.positions(x)


@MISCONCEPTIONS("embeddings detached", "No gradient reaches the embeddings: they are detached, and would never learn.")
class Detached(TransformerByHand):
    def start(self, x: torch.Tensor) -> torch.Tensor:
        return super().start(x.detach())


# Blocks


@MISCONCEPTIONS("one block only", "There is one block, whatever `depth` says. Make as many as `depth`.")
class OneBlock(TransformerByHand):
    def make_blocks(self, k: int, h: int, depth: int) -> Any:
        return super().make_blocks(k, h, 1)


@MISCONCEPTIONS(
    "the same block again and again",
    "The blocks share their weights: `[block] * depth` is the same block several times. Make a new one each time.",
)
class SharedBlock(TransformerByHand):
    def make_blocks(self, k: int, h: int, depth: int) -> Any:
        return nn.ModuleList([self.block(k, h)] * depth)


@MISCONCEPTIONS(
    "blocks in a plain list",
    "The blocks stand in a plain Python list: they would not be trained, or moved to a GPU. Put them in an "
    "`nn.ModuleList`.",
)
class PlainList(TransformerByHand):
    def make_blocks(self, k: int, h: int, depth: int) -> Any:
        return [self.block(k, h) for _ in range(depth)]


@MISCONCEPTIONS("blocks left out", "The blocks are there, but nothing goes through them.")
class BlocksLeftOut(TransformerByHand):
    def through_blocks(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return x


@MISCONCEPTIONS(
    "each block on the same input",
    "Each block is given the first block's input. Give it what the block before it returned: `x = block(x, …)`.",
)
class SameInput(TransformerByHand):
    def through_blocks(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return [block(x, mask) for block in self.blocks][-1]


@MISCONCEPTIONS(
    "blocks whose result is lost",
    "What the blocks return is lost, and their input is averaged. Keep it: `x = block(x, …)`.",
)
class ResultLost(TransformerByHand):
    def through_blocks(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        for block in self.blocks:
            block(x, mask)
        return x


@MISCONCEPTIONS(
    "blocks without the mask",
    "The blocks do not get the mask, so words attend to padding. Hand it over as (b, 1, 1, t).",
)
class NoMaskForBlocks(TransformerByHand):
    def mask_for_blocks(self, mask: torch.Tensor) -> torch.Tensor | None:
        return None


@MISCONCEPTIONS(
    "mask upside down in the blocks",
    "The blocks get the mask upside down, so words attend to padding alone. True means: may be attended to.",
)
class MaskInvertedForBlocks(TransformerByHand):
    def mask_for_blocks(self, mask: torch.Tensor) -> torch.Tensor | None:
        return ~mask[:, None, None, :]


# The mean over the words


@MISCONCEPTIONS(
    "padding averaged in",
    "The mean is taken over all places, padding too. Leave the padding out of the sum and of the number.",
)
class PaddingAveragedIn(TransformerByHand):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return x.mean(1)


@MISCONCEPTIONS(
    "divided by the padded length",
    "The words are added up rightly, but divided by t, padding included. Divide by the number of words of each text.",
)
class DividedByLength(TransformerByHand):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return (x * mask[:, :, None]).mean(1)


@MISCONCEPTIONS(
    "padding in the sum",
    "The sum runs over the padding too; only the number that it is divided by counts words. Make padding zero first.",
)
class PaddingInSum(TransformerByHand):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return x.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


@MISCONCEPTIONS(
    "mean over the padding",
    "The mean is taken over the padding instead of the words: the mask is upside down there.",
)
class MeanOverPadding(TransformerByHand):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return super().pool(x, ~mask)


@MISCONCEPTIONS(
    "one number of words for all texts",
    "All texts are divided by the number of words in the whole batch. Each text has a number of its own: count along "
    "the words' axis, `dim=1`.",
)
class WordsOfBatch(TransformerByHand):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return (x * mask[:, :, None]).sum(1) / mask.sum()


@MISCONCEPTIONS("sum instead of mean", "The words' vectors are added up, but not divided by the number of words.")
class SumOverWords(TransformerByHand):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return (x * mask[:, :, None]).sum(1)


@MISCONCEPTIONS("largest instead of mean", "Of each feature the largest value is taken. The mean is wanted.")
class LargestOfWords(TransformerByHand):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return x.masked_fill(~mask[:, :, None], -math.inf).amax(1)


@MISCONCEPTIONS(
    "first word only",
    "Only the first word is classified, as BERT does with its [CLS]. Here the mean over all words is wanted.",
)
class FirstWord(TransformerByHand):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return x[:, 0]


@MISCONCEPTIONS(
    "last word only",
    "Only the last word of each text is classified. The mean over all its words is wanted.",
)
class LastWord(TransformerByHand):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return x[torch.arange(len(x)), mask.sum(1) - 1]


@MISCONCEPTIONS(
    "last place only",
    "Only the last place of each row is classified, which may be padding. The mean over the words is wanted.",
)
class LastPlace(TransformerByHand):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return x[:, -1]


@MISCONCEPTIONS(
    "mean over the batch",
    "The mean is taken over the batch: axis 0. The words stand along axis 1.",
)
class MeanOverBatch(TransformerByHand):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return (x * mask[:, :, None]).mean(0)


@MISCONCEPTIONS(
    "no mean",
    "There are logits for each word. Take the mean over the words first: one row of logits for each text.",
)
class NoMean(TransformerByHand):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return x


@MISCONCEPTIONS(
    "a text without words divides by 0",
    "A text without words is divided by 0 words, which gives NaN. Divide by at least 1: `clamp(min=1)`.",
)
class DividesByZero(TransformerByHand):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)


# Logits


@MISCONCEPTIONS(
    "softmax on the logits",
    "The output went through softmax. Return logits: cross-entropy applies softmax itself, and once is enough.",
)
class SoftmaxOnLogits(TransformerByHand):
    def classify(self, pooled: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.classifier(pooled), -1)


@MISCONCEPTIONS(
    "log-softmax on the logits",
    "The output went through log-softmax. Return the logits as they are: cross-entropy does the rest.",
)
class LogSoftmaxOnLogits(TransformerByHand):
    def classify(self, pooled: torch.Tensor) -> torch.Tensor:
        return torch.log_softmax(self.classifier(pooled), -1)


@MISCONCEPTIONS(
    "ReLU on the logits", "Negative logits are cut off by a ReLU. Return them as the classifier gives them."
)
class ReluOnLogits(TransformerByHand):
    def classify(self, pooled: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.classifier(pooled))


@MISCONCEPTIONS("the class instead of logits", "The output holds the likeliest class of each text. Return the logits.")
class ClassInsteadOfLogits(TransformerByHand):
    def classify(self, pooled: torch.Tensor) -> torch.Tensor:
        return self.classifier(pooled).argmax(-1)


@MISCONCEPTIONS("no classifier", "The mean comes back as it is. Send it through the classifier.")
class NoClassifier(TransformerByHand):
    def classify(self, pooled: torch.Tensor) -> torch.Tensor:
        return pooled


# The model as a whole


@MISCONCEPTIONS(
    "max_len not handed on",
    "A text longer than max_len goes through: hand max_len on to `PositionalEncoding`, which else takes 512 tokens.",
)
class MaxLenNotHandedOn(TransformerByHand):
    def longest(self, max_len: int) -> int:
        return 512


@MISCONCEPTIONS(
    "dropout in eval mode",
    "Dropout is active in eval mode too, so predictions are random. `nn.Dropout` knows the mode by itself.",
)
class DropoutInEval(TransformerByHand):
    def start(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(super().start(x), 0.1, training=True)
