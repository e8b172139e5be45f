"""The diary's lines as numbers: batches for a model that reads words and writes characters."""

from __future__ import annotations

import difflib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.dates import Line, all_words, split_words

if TYPE_CHECKING:
    import torch

PAD, START, END = 0, 1, 2  # ids of the characters that are none
WORDS = ("<pad>", *all_words())
CHARACTERS = ("<pad>", "<start>", "<end>", *" -0123456789")
MOST_CHARACTERS = len("1997-04-03 1998-01-02") + 1  # <end> is one
_WORD_IDS = {word: number for number, word in enumerate(WORDS)}
_CHARACTER_IDS = {character: number for number, character in enumerate(CHARACTERS)}


class UnknownDiaryWordError(ValueError):
    """A line has words that the diary never uses, so that no model has learned them."""


@dataclass(frozen=True)
class DateBatch:
    """Lines of about one length.

    Attributes
    ----------
    words
        Ids of the words (b, tk).
    mask
        True at words, False at padding (b, tk).
    target
        Ids of the characters to be written (b, tq), each row's `END` and padding included.
    """

    words: torch.Tensor
    mask: torch.Tensor
    target: torch.Tensor

    def to(self, device: torch.device | str) -> DateBatch:
        """Return the same batch on a device."""
        return DateBatch(self.words.to(device), self.mask.to(device), self.target.to(device))


def make_batch(lines: Sequence[Line]) -> DateBatch:
    """Turn lines into ids, padded to the longest of them.

    Raises
    ------
    ValueError
        There is no line, or a line without a word.
    UnknownDiaryWordError
        A line has a word that is not in `WORDS`.
    """
    import torch

    if not lines:
        raise ValueError("There is no line to make a batch of.")
    words = [_word_ids(line.text) for line in lines]
    targets = [[*(_CHARACTER_IDS[character] for character in line.iso), END] for line in lines]
    ids = torch.tensor(_padded(words))
    return DateBatch(ids, ids != PAD, torch.tensor(_padded(targets)))


def batches(lines: Sequence[Line], steps: int, batch_size: int, seed: int) -> Iterator[DateBatch]:
    """Give `steps` batches in random order, each of lines of about one length; begin again when all have been seen.

    Lines are shuffled first, then sorted by length in groups of twenty batches: little padding, and other batches
    in each round.
    """
    generator = random.Random(seed)
    waiting: list[list[Line]] = []
    for _ in range(steps):
        if not waiting:
            shuffled = generator.sample(lines, len(lines))
            for start in range(0, len(shuffled), 20 * batch_size):
                group = sorted(shuffled[start : start + 20 * batch_size], key=_length)
                waiting += [group[at : at + batch_size] for at in range(0, len(group), batch_size)]
            generator.shuffle(waiting)
        yield make_batch(waiting.pop())


def read_characters(ids: torch.Tensor) -> list[str]:
    """Give what a model wrote as ids (b, tq) as text, each up to its first `END`."""
    rows = [row[: row.index(END)] if END in row else row for row in ids.tolist()]
    return ["".join(CHARACTERS[number] for number in row) for row in rows]


def write_dates(
    model: Callable[..., torch.Tensor], lines: Sequence[Line], device: torch.device | str, batch_size: int = 250
) -> list[str]:
    """Let a model write the dates of lines, character by character, without looking at the answers.

    Parameters
    ----------
    model
        Called as ``model(words, mask)``; gives logits (b, tq, characters).
    lines
        Any number of lines, in any order.
    device
        Where the model is.
    batch_size
        How many lines at a time, of about one length.

    Returns
    -------
    list of str
        One text for each line, in the lines' order.
    """
    import torch

    order = sorted(range(len(lines)), key=lambda number: _length(lines[number]))
    written = [""] * len(lines)
    with torch.no_grad():
        for start in range(0, len(order), batch_size):
            numbers = order[start : start + batch_size]
            batch = make_batch([lines[number] for number in numbers]).to(device)
            texts = read_characters(model(batch.words, batch.mask).argmax(dim=-1))
            for number, text in zip(numbers, texts, strict=True):
                written[number] = text
    return written


def _length(line: Line) -> tuple[int, int]:
    return len(line.iso), len(split_words(line.text))


def _word_ids(text: str) -> list[int]:
    words = split_words(text)
    if not words:
        raise ValueError("The line is empty: write a day, such as “3 apr 1997”.")
    unknown = [word for word in dict.fromkeys(words) if word not in _WORD_IDS]
    if unknown:
        raise UnknownDiaryWordError(" ".join(_about_unknown(word) for word in unknown[:3]))
    return [_WORD_IDS[word] for word in words]


def _about_unknown(word: str) -> str:
    close = difflib.get_close_matches(word, WORDS[1:], 3)
    return f"The diary never uses “{word}”." + (f" Close: {', '.join(close)}." if close else "")


def _padded(rows: list[list[int]]) -> list[list[int]]:
    longest = max(map(len, rows))
    return [row + [PAD] * (longest - len(row)) for row in rows]
