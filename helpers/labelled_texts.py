"""Texts with labels, as a lesson holds them: to read, to train on, and to test on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import Dataset
    from torch.utils.data import DataLoader
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, eq=False)
class LabelledTexts:
    """Texts with labels, to train on and to test on, and the same in batches."""

    title: str
    train: Dataset  # columns `text` and `label`, and more in the sample
    test: Dataset
    tokenizer: PreTrainedTokenizerBase = field(repr=False)
    batch_size: int
    max_len: int  # a text's tokens beyond this many are cut off
    seed: int
    num_workers: int

    @property
    def label_names(self) -> list[str]:
        """A name for each label, which count from 0."""
        return self.train.features["label"].names

    @property
    def num_classes(self) -> int:
        """How many labels there are, whether or not a batch happens to hold them all."""
        return len(self.label_names)

    @property
    def vocab_size(self) -> int:
        """How many tokens the tokenizer knows, whether or not the texts use them all."""
        return len(self.tokenizer)

    @property
    def longest(self) -> int:
        """Tokens in the longest text of all, at most `max_len`."""
        return max(max(map(len, part)) for part in (self.train_token_ids, self.test_token_ids))

    @cached_property
    def train_token_ids(self) -> list[list[int]]:
        """The tokens of each text of `train`, in its order."""
        return self._encode(self.train)

    @cached_property
    def test_token_ids(self) -> list[list[int]]:
        """The tokens of each text of `test`, in its order."""
        return self._encode(self.test)

    @cached_property
    def train_loader(self) -> DataLoader:
        """Shuffled `Batch`es: see `helpers.batches.make_loader`."""
        return self._loader(self.train, self.train_token_ids, self.seed)

    @cached_property
    def test_loader(self) -> DataLoader:
        """`Batch`es from short texts to long ones. `evaluate` gives predictions in the order of `test` all the same."""
        return self._loader(self.test, self.test_token_ids, None)

    def _encode(self, part: Dataset) -> list[list[int]]:
        from helpers.batches import encode

        return encode(part["text"][:], self.tokenizer, self.max_len)

    def _loader(self, part: Dataset, token_ids: list[list[int]], seed: int | None) -> DataLoader:
        from helpers.batches import make_loader

        return make_loader(
            token_ids,
            part["label"][:],
            num_classes=self.num_classes,
            pad_id=self.tokenizer.pad_token_id,
            batch_size=self.batch_size,
            seed=seed,
            num_workers=self.num_workers,
        )
