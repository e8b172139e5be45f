"""Exercise 7's check: what is expected, wrong answers and what they are told. For every check: test_checks_all.py."""

from __future__ import annotations

import math
import re
from functools import partial
from typing import Any

import pytest
import torch
from answers.right_7 import AsInTheLesson, WithoutCallingTheClassifier
from checks_support import failure as failure_of
from torch import nn

from helpers import checks
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.exercises.ex_07 import MISTAKES, Case
from helpers.layers import PositionalEncoding, Transformer

SEEDS = (1, 22)


failure = partial(failure_of, checks.transformer)


def test_the_lessons_own_answer_passes(capsys: pytest.CaptureFixture[str]) -> None:
    checks.transformer(Transformer, record=False)
    assert capsys.readouterr().out.startswith("✓")


def test_the_oracle_is_the_formula_a_text_at_a_time() -> None:
    """Each text alone and without its padding, so without any mask at all."""
    case = Case(Subject(AsInTheLesson), Draw(5, "oracle"), padding=2)
    assert case.mask is not None
    model = case.model
    expected = case.expected()["logits"]
    for ids, words, row in zip(case.token_ids, case.mask, expected, strict=True):
        ids = ids[words]
        x = model.embedding.weight[ids] * math.sqrt(model.k) + PositionalEncoding(model.k).encoding[: len(ids)]
        for block in model.blocks:
            x = block(x[None])[0]
        # Sums in another order, in single precision.
        torch.testing.assert_close(
            x.mean(0) @ model.classifier.weight.T + model.classifier.bias, row, rtol=1e-4, atol=1e-5
        )


class MeanOfEverything(AsInTheLesson):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=1)


class ForgotTheRoot(AsInTheLesson):
    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        mask = torch.ones_like(token_ids, dtype=torch.bool) if mask is None else mask
        x = self.positions(self.embedding(token_ids))
        for layer in self.blocks:
            x = layer(x, mask[:, None, None, :])
        return self.classifier(self.pool(x, mask))


class ListOfBlocks(AsInTheLesson):
    def __init__(self, *sizes: int, **options: float) -> None:
        super().__init__(*sizes, **options)  # type: ignore[arg-type]
        layers = list(self.blocks)
        del self.blocks
        self.blocks = layers


class ProbabilitiesWithoutCalling(WithoutCallingTheClassifier):
    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return super().forward(token_ids, mask).softmax(-1)


class DefaultLength(AsInTheLesson):
    def __init__(self, k: int, h: int, depth: int, max_len: int, v: int, c: int, dropout: float = 0.1) -> None:
        super().__init__(k, h, depth, max_len, v, c, dropout)
        self.positions = PositionalEncoding(k, dropout)


def sentence_of(name: str) -> str:
    return next(str(m.sentence) for m in MISTAKES if m.name == name)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (MeanOfEverything, "padding averaged in"),
        (ForgotTheRoot, "no scaling"),
        (ListOfBlocks, "blocks in a plain list"),
        (ProbabilitiesWithoutCalling, "softmax on the logits"),
        (DefaultLength, "max_len not handed on"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_an_answer_written_otherwise_is_recognised_by_what_it_does(answer: type[nn.Module], name: str) -> None:
    for seed in SEEDS:
        failed = failure(answer, seed)
        assert failed.misconception == name
        # Its sentence comes first: it is right wherever the answer was, "using a model twice" included.
        assert str(failed).startswith(f"✗ Exercise 7: {sentence_of(name)}")


# Other wrong answers


class BlankMean(AsInTheLesson):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return ...  # type: ignore[return-value]


class Forgetful(AsInTheLesson):
    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> None:
        super().forward(token_ids, mask)


class TwoMore(AsInTheLesson):
    def __init__(self, k: int, h: int, depth: int, max_len: int, v: int, c: int, dropout: float = 0.1) -> None:
        super().__init__(k, h, depth + 2, max_len, v, c, dropout)


class SmallVocabulary(AsInTheLesson):
    def __init__(self, k: int, h: int, depth: int, max_len: int, v: int, c: int, dropout: float = 0.1) -> None:
        super().__init__(k, h, depth, max_len, v - 1, c, dropout)


class FiveClasses(AsInTheLesson):
    def __init__(self, k: int, h: int, depth: int, max_len: int, v: int, c: int, dropout: float = 0.1) -> None:
        super().__init__(k, h, depth, max_len, v, 55, dropout)


class EditsItsInput(AsInTheLesson):
    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        output = super().forward(token_ids, mask)
        token_ids += 1
        return output


class MedianOfWords(AsInTheLesson):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return x.median(1).values


class FirstTextOnly(AsInTheLesson):
    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        output = super().forward(token_ids, mask)
        return torch.cat([output[:1], 2 * output[1:] + 1])


class RemembersMasks(AsInTheLesson):
    """Behaves otherwise without a mask once it has seen one."""

    seen_one = False

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        self.seen_one = self.seen_one or mask is not None
        output = super().forward(token_ids, mask)
        return output + 1 if self.seen_one and mask is None else output


class WordsComeFirst(AsInTheLesson):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        counts = mask.sum(dim=1)
        rows = [text[:count].sum(0) for text, count in zip(x, counts.tolist(), strict=True)]
        return torch.stack(rows) / counts[:, None].clamp(min=1)


class PaddingById(AsInTheLesson):
    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return super().forward(token_ids, token_ids != 0)


class AsLongAsTheFirst(AsInTheLesson):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        length = int(mask[0].sum())
        return (x * mask[..., None])[:, :length].sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


class OneHead(AsInTheLesson):
    def __init__(self, k: int, h: int, depth: int, max_len: int, v: int, c: int, dropout: float = 0.1) -> None:
        super().__init__(k, 1, depth, max_len, v, c, dropout)


class NoMaskInTraining(AsInTheLesson):
    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return super().forward(token_ids, None if self.training else mask)


class DetachedMean(AsInTheLesson):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return super().pool(x, mask).detach()


class FrozenBlocks(AsInTheLesson):
    def __init__(self, k: int, h: int, depth: int, max_len: int, v: int, c: int, dropout: float = 0.1) -> None:
        super().__init__(k, h, depth, max_len, v, c, dropout)
        self.blocks.requires_grad_(False)


class ClassifierAsNumbers(AsInTheLesson):
    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        self.found: torch.Tensor
        super().forward(token_ids, mask)
        return self.found @ self.classifier.weight.detach().T + self.classifier.bias

    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        self.found = super().pool(x, mask)
        return self.found


class NoMaskLikeLastTime(AsInTheLesson):
    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        self.memo: dict[torch.Size, torch.Tensor]
        if not hasattr(self, "memo"):
            self.memo = {}
        mask = torch.ones_like(token_ids, dtype=torch.bool) if mask is None else mask
        return super().forward(token_ids, self.memo.setdefault(mask.shape, mask.clone()))


class OnTheCPU(AsInTheLesson):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return super().pool(x, mask) + torch.zeros(self.k)


class CutWithoutAWord(AsInTheLesson):
    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return super().forward(token_ids[:, :64], None if mask is None else mask[:, :64])


class AWordForPadding(AsInTheLesson):
    def __init__(self, k: int, h: int, depth: int, max_len: int, v: int, c: int, dropout: float = 0.1) -> None:
        super().__init__(k, h, depth, max_len, v, c, dropout)
        self.embedding = nn.Embedding(v, k, padding_idx=1)


class ShortRows(AsInTheLesson):
    def __init__(self, k: int, h: int, depth: int, max_len: int, v: int, c: int, dropout: float = 0.1) -> None:
        super().__init__(k, h, depth, max_len, v, c, dropout)
        self.embedding = nn.Embedding(v, k, max_norm=1.0)


class CutToLength(AsInTheLesson):
    def __init__(self, k: int, h: int, depth: int, max_len: int, v: int, c: int, dropout: float = 0.1) -> None:
        super().__init__(k, h, depth, max_len, v, c, dropout)
        self.max_len = max_len

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return super().forward(token_ids[:, : self.max_len], None if mask is None else mask[:, : self.max_len])


class WrongForOneWord(AsInTheLesson):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return super().pool(x, mask) if x.shape[1] > 1 else 2 * x[:, 0]


def test_the_mask_is_looked_at_in_train_mode_too() -> None:
    for seed in SEEDS:
        assert "in train mode with dropout=0, the output with a mask" in str(failure(NoMaskInTraining, seed))


class DropsNothing(AsInTheLesson):
    def __init__(self, k: int, h: int, depth: int, max_len: int, v: int, c: int, dropout: float = 0.1) -> None:
        super().__init__(k, h, depth, max_len, v, c, 0.0)


class BlocksByDefault(AsInTheLesson):
    def __init__(self, k: int, h: int, depth: int, max_len: int, v: int, c: int, dropout: float = 0.1) -> None:
        super().__init__(k, h, depth, max_len, v, c)
        self.positions = PositionalEncoding(k, dropout, max_len)


class DropsTheMean(AsInTheLesson):
    def pool(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(super().pool(x, mask), 0.9, self.training)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (WordsComeFirst, "words need not come first"),
        (PaddingById, "What is padding, the mask says, not the id"),
        (AsLongAsTheFirst, "with a mask|used before|words need not come first"),
        (OneHead, r"With num_heads=\d the blocks have 1 head"),
        (DetachedMean, r"No gradient reaches block [23] \("),
        (FrozenBlocks, r"In block [23], `.*` has `requires_grad=False`"),
        (ClassifierAsNumbers, r"No gradient reaches the classifier \(`weight`\)"),
        (NoMaskLikeLastTime, "used before, for other texts of the same sizes"),
        (OnTheCPU, "a tensor stays on the CPU: line .* of the cell, in `pool`"),
        (CutWithoutAWord, "for texts of 139 words"),
        (AWordForPadding, r"With `padding_idx=1` the vector of that id never learns"),
        (ShortRows, "changes the numbers of the embedding"),
        (CutToLength, "the text is cut to max_len without a word"),
        (WrongForOneWord, "Right so far: .*the logits with a mask"),
        (BlankMean, "blank"),
        (Forgetful, "returns None"),
        (TwoMore, r"With depth=(2 the model has 4|3 the model has 5) blocks"),
        (SmallVocabulary, r"`embedding` should be `nn.Embedding\(vocab_size, embed_dim\)`, here .*; it is"),
        (FiveClasses, "`classifier` should be .*; it maps .* to 55"),
        (DropsNothing, r"With dropout=0.6, nothing is dropped in the positions"),
        (BlocksByDefault, "With dropout=0.0, something is dropped in the blocks"),
        (DropsTheMean, "something is dropped outside positions and blocks"),
        (EditsItsInput, "changes its input `token_ids` in place"),
        (MedianOfWords, "Not right yet: what the classifier is given"),
        (FirstTextOnly, "right in the first batch element only"),
        (RemembersMasks, "used before"),
        (AsInTheLesson(8, 2, 1, 9, 9, 3), "without calling it"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_wrong_answer_is_told_what_differs(answer: Any, words: str) -> None:
    for seed in SEEDS:
        failed = failure(answer, seed)
        assert re.search(words, str(failed)), str(failed)
        assert failed.misconception is None
