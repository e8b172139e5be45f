"""Texts into batches: cut into tokens, put with others of about their length, and padded to the longest of these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.utils.data import DataLoader, Sampler

from helpers.seeding import seed_worker

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_POOL = 50  # batches' worth of texts that are sorted by length together: few enough to leave chance a say


class Batch(NamedTuple):
    """Texts that go through the model together."""

    token_ids: torch.Tensor  # (b, t), padded to the batch's own longest text
    mask: torch.Tensor  # (b, t), True at words, False at padding
    labels: torch.Tensor  # (b,)
    places: torch.Tensor  # (b,), where in its list each text stands: what matches a prediction with its text

    def to(self, device: str | torch.device) -> Batch:
        """Copy the batch to a device."""
        return Batch(*(tensor.to(device) for tensor in self))


def encode(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_len: int) -> list[list[int]]:
    """Cut texts into tokens, and look up their numbers.

    Parameters
    ----------
    texts
        What to encode.
    tokenizer
        From `load_tokenizer`. Its marks for beginning and end are left out.
    max_len
        Of a longer text, only the first `max_len` tokens are kept.

    Returns
    -------
    list of list of int
        For each text from 1 to `max_len` token ids.

    Raises
    ------
    ValueError
        When a text is empty: there would be nothing to read a label from.
    """
    if isinstance(texts, str):
        raise TypeError(f"encode takes a list of texts; for one, write [{texts[:40]!r}].")
    if max_len < 1:
        raise ValueError(f"max_len is {max_len}: a text needs room for at least one token.")
    if not texts:
        return []
    encoded = tokenizer(
        list(texts), add_special_tokens=False, truncation=True, max_length=max_len, return_attention_mask=False
    )["input_ids"]
    for place, token_ids in enumerate(encoded):
        if not token_ids:
            raise ValueError(f"Text {place} is {texts[place]!r}: no word to read. Write some, or leave it out.")
    return encoded


def pad(token_ids: Sequence[Sequence[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad texts to the longest of them.

    Returns
    -------
    tuple of torch.Tensor
        Token ids (b, t), and a mask (b, t): True at words, False at padding. A word may have the padding's id and
        stays a word: the mask comes from the lengths.
    """
    lengths = torch.tensor([len(text) for text in token_ids])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]  # (b, t)
    padded = torch.full(mask.shape, pad_id)
    padded[mask] = torch.tensor([token for text in token_ids for token in text])
    return padded, mask


def make_loader(
    token_ids: Sequence[Sequence[int]],
    labels: Sequence[int],
    *,
    num_classes: int,
    pad_id: int,
    batch_size: int = 32,
    seed: int | None = None,
    num_workers: int = 0,
) -> DataLoader:
    """Make a loader of `Batch`es in which texts of about the same length meet, so that little padding is needed.

    Parameters
    ----------
    token_ids
        Each text's tokens, from `encode`.
    labels
        Each text's class, from 0 to `num_classes - 1`.
    num_classes, pad_id
        How many classes there are, and what to pad with.
    batch_size
        Texts in a batch; the last may have fewer.
    seed
        Shuffles: another order in each epoch, and the same epochs again from a new loader with the same seed, with
        any number of workers. ``None`` keeps one order, from short to long: for testing.
    num_workers
        Processes that put batches together beside the one that trains.

    Raises
    ------
    ValueError
        When a label is out of range, or there is not one for each text, or there is no text.
    """
    if len(token_ids) != len(labels) or not labels:
        raise ValueError(f"There are {len(token_ids)} texts and {len(labels)} labels: one for each, and at least one.")
    for place, label in enumerate(labels):
        if not 0 <= label < num_classes:
            raise ValueError(
                f"The label of text {place} is {label}, but {num_classes} classes have the labels 0 to "
                f"{num_classes - 1}. Some copies of a data set count from 1: subtract 1 there."
            )
    rows = list(zip(token_ids, labels, range(len(labels)), strict=True))
    return DataLoader(
        rows,  # type: ignore[arg-type]  # a list is a Dataset in all but name
        batch_sampler=SimilarLengths([len(text) for text in token_ids], batch_size, seed),
        collate_fn=partial(_collate, pad_id=pad_id),
        num_workers=num_workers,
        worker_init_fn=seed_worker,
        # Its own: the loader draws its workers' seeds from it, and the order of texts must not depend on that.
        generator=None if seed is None else torch.Generator().manual_seed(seed),
    )


class SimilarLengths(Sampler[list[int]]):
    """Places of the texts of each batch: drawn at random, sorted by length within a pool, batches at random again.

    Parameters
    ----------
    lengths
        Of each text, in whatever unit.
    batch_size
        Texts in a batch; the last may have fewer.
    seed
        As in `make_loader`: ``None`` keeps one order, from short to long.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int | None = None) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.generator = None if seed is None else torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        if self.generator is None:
            yield from self._batches(list(range(len(self.lengths))))
            return
        shuffled = torch.randperm(len(self.lengths), generator=self.generator).tolist()
        pool = _POOL * self.batch_size
        batches = []
        for start in range(0, len(shuffled), pool):
            batches += self._batches(shuffled[start : start + pool])
        for place in torch.randperm(len(batches), generator=self.generator).tolist():
            yield batches[place]

    def _batches(self, places: list[int]) -> list[list[int]]:
        ordered = sorted(places, key=self.lengths.__getitem__)
        return [ordered[start : start + self.batch_size] for start in range(0, len(ordered), self.batch_size)]


def _collate(rows: list[tuple[list[int], int, int]], pad_id: int) -> Batch:
    token_ids, labels, places = zip(*rows, strict=True)
    return Batch(*pad(token_ids, pad_id), torch.tensor(labels), torch.tensor(places))
