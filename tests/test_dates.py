"""The diary of lesson 01: what its lines say, and how they become batches."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections import Counter
from datetime import date

import numpy as np
import pytest
import torch
from torch import nn

from helpers import date_batches, dates
from helpers.date_batches import CHARACTERS, END, MOST_CHARACTERS, PAD, WORDS
from helpers.dates import Line
from helpers.texts.number_words import ending_of, number_in_words, ordinal_in_words, year_in_words

DIARY = dates.make_lines(train=3000, test=400, seed=7)


# Numbers in words


@pytest.mark.parametrize(
    ("number", "words", "ordinal"),
    [
        (1, "one", "first"),
        (2, "two", "second"),
        (3, "three", "third"),
        (5, "five", "fifth"),
        (8, "eight", "eighth"),
        (9, "nine", "ninth"),
        (12, "twelve", "twelfth"),
        (20, "twenty", "twentieth"),
        (21, "twenty-one", "twenty-first"),
        (40, "forty", "fortieth"),
        (99, "ninety-nine", "ninety-ninth"),
    ],
)
def test_numbers_are_put_into_words(number: int, words: str, ordinal: str) -> None:
    assert (number_in_words(number), ordinal_in_words(number)) == (words, ordinal)


def test_all_numbers_differ_in_words() -> None:
    assert len({number_in_words(number) for number in range(100)}) == 100
    assert len({ordinal_in_words(number) for number in range(1, 100)}) == 99


def test_a_number_that_has_no_words_here_is_named() -> None:
    with pytest.raises(ValueError, match="100 cannot be put into words"):
        number_in_words(100)


def test_endings_are_those_of_english() -> None:
    told = " ".join(f"{number}{ending_of(number)}" for number in (1, 2, 3, 4, 10, 11, 12, 13, 20, 21, 22, 23, 31))
    assert told == "1st 2nd 3rd 4th 10th 11th 12th 13th 20th 21st 22nd 23rd 31st"


@pytest.mark.parametrize(
    ("year", "short", "long"),
    [
        (1987, "nineteen eighty-seven", "nineteen hundred and eighty-seven"),
        (1905, "nineteen hundred and five", "nineteen hundred and five"),
        (1800, "eighteen hundred", "eighteen hundred"),
        (2000, "two thousand", "two thousand"),
        (2008, "two thousand and eight", "two thousand and eight"),
        (2072, "twenty seventy-two", "two thousand and seventy-two"),
    ],
)
def test_years_are_put_into_words(year: int, short: str, long: str) -> None:
    assert (year_in_words(year, short=True), year_in_words(year, short=False)) == (short, long)


# Lines


def days_read_by_hand(text: str) -> list[str]:
    """The days of a line, found by rules of our own: an oracle that shares nothing with how lines are written."""
    values = {number_in_words(number): number for number in range(100)}
    values |= {ordinal_in_words(number): number for number in range(1, 32)}
    months = {month[:3]: place for place, month in enumerate(dates.MONTHS, 1)}
    number = "|".join(sorted(values, key=len, reverse=True))
    month = "|".join([*dates.MONTHS, *(name[:3] for name in dates.MONTHS)])
    century = f"(?P<century>{number})(?: hundred(?: and)?)?"
    year = rf"(?:(?P<y>\d{{4}})|two thousand(?: and (?P<small>{number}))?|{century}(?: (?P<rest>{number}))?)"
    day = rf"(?P<d>\d+)(?:st|nd|rd|th)?|(?P<dw>{number})"
    forms = [
        r"\b(?P<d>\d+)[/.-](?P<mn>\d+)[/.-](?P<y>\d{4})",
        rf"\b(?:{day}) (?:day )?(?:of )?(?:the month of )?(?P<m>{month}),? (?:in the year )?{year}",
        rf"\b(?P<m>{month}) (?:the )?(?:{day}), {year}",
    ]
    found = []
    for part in text.split("; "):
        matches = [match for form in forms for match in re.finditer(form, part)]
        assert len(matches) == 1, (part, [match[0] for match in matches])
        got = {"y": None, "d": None, "mn": None, "small": None, "rest": None, "century": None} | matches[0].groupdict()
        if got["y"]:
            in_full = int(got["y"])
        elif got["century"]:
            in_full = 100 * values[got["century"]] + (values[got["rest"]] if got["rest"] else 0)
        else:
            in_full = 2000 + (values[got["small"]] if got["small"] else 0)
        in_month = int(got["mn"]) if got["mn"] else months[got["m"][:3]]
        found.append(date(in_full, in_month, int(got["d"]) if got["d"] else values[got["dw"]]).isoformat())
    return found


def test_each_line_says_the_days_that_it_is_said_to() -> None:
    for line in DIARY[0] + DIARY[1]:
        assert days_read_by_hand(line.text) == line.iso.split(), line


def test_weekdays_are_right() -> None:
    names = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    seen = 0
    for line in DIARY[0]:
        for part, iso in zip(line.text.split("; "), line.iso.split(), strict=True):
            named = [name for name in names if name in part]
            assert named in ([], [names[date.fromisoformat(iso).weekday()]])
            seen += bool(named)
    assert seen > 100


def test_no_day_of_a_test_line_is_in_a_training_line() -> None:
    days = Counter(day for line in DIARY[0] + DIARY[1] for day in line.iso.split())
    assert set(days.values()) == {1}
    assert all(dates.FIRST_DAY <= date.fromisoformat(day) <= dates.LAST_DAY for day in days)


def test_half_of_the_lines_name_one_day_and_half_two() -> None:
    assert Counter(len(line.iso.split()) for line in DIARY[0] + DIARY[1]) == {1: 1700, 2: 1700}
    assert 150 < sum(" " in line.iso for line in DIARY[1]) < 250  # in the test lines too, by chance


def test_lengths_vary_a_lot() -> None:
    lengths = [len(dates.split_words(line.text)) for line in DIARY[0]]
    assert min(lengths) <= 7
    assert max(lengths) >= 45
    assert np.percentile(lengths, 75) > 1.8 * np.percentile(lengths, 25)


def test_the_same_seed_writes_the_same_diary_and_another_one_another() -> None:
    assert dates.make_lines(20, 5, seed=1) == dates.make_lines(20, 5, seed=1)
    assert dates.make_lines(20, 5, seed=1) != dates.make_lines(20, 5, seed=2)


def test_a_diary_leaves_pythons_random_numbers_alone() -> None:
    random.seed(3)
    state = random.getstate()
    dates.make_lines(20, 5, seed=1)
    assert random.getstate() == state


def test_too_many_lines_are_refused() -> None:
    with pytest.raises(ValueError, match="54,786"):
        dates.make_lines(54_000, 1_000, seed=1)


def test_words_digits_and_signs_are_cut_apart() -> None:
    assert dates.split_words("Ruth left Oslo, 3rd of May; 07-02-1937") == [
        *("ruth", "left", "oslo", ",", "3", "rd", "of", "may", ";", "0", "7", "-", "0", "2", "-", "1", "9", "3", "7")
    ]
    assert dates.split_words("  \n ") == []


def test_the_vocabulary_is_what_lines_hold() -> None:
    lines = dates.make_lines(train=20_000, test=0, seed=2021)[0]
    met = {word for line in lines for word in dates.split_words(line.text)}
    assert sorted(WORDS) == sorted({"<pad>"} | met)


# Batches


def test_a_batch_spells_its_lines() -> None:
    lines = [Line("ruth left oslo on 3 apr 1997", "1997-04-03"), Line("3/4/1997; 4.4.1997", "1997-04-03 1997-04-04")]
    batch = date_batches.make_batch(lines)
    for line, words, mask, target in zip(lines, batch.words, batch.mask, batch.target, strict=True):
        assert [WORDS[word] for word in words[mask]] == dates.split_words(line.text)
        assert torch.equal(mask, words != PAD)
        assert date_batches.read_characters(target[None]) == [line.iso]
    assert batch.target.shape == (2, MOST_CHARACTERS)
    assert batch.target[0].tolist()[10:] == [END] + [PAD] * 11


def test_characters_are_read_up_to_the_end() -> None:
    ids = torch.tensor([[CHARACTERS.index("1"), END, CHARACTERS.index("2")], [CHARACTERS.index("3")] * 3, [END] * 3])
    assert date_batches.read_characters(ids) == ["1", "333", ""]


def test_a_word_that_the_diary_never_uses_is_named_with_close_ones() -> None:
    with pytest.raises(date_batches.UnknownDiaryWordError, match=r"“septembre”. Close: september"):
        date_batches.make_batch([Line("3 septembre 1997", "")])
    with pytest.raises(date_batches.UnknownDiaryWordError, match="“三”"):
        date_batches.make_batch([Line("三 1997", "")])


@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_line_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="The line is empty"):
        date_batches.make_batch([Line(text, "")])
    with pytest.raises(ValueError, match="no line"):
        date_batches.make_batch([])


def test_batches_go_through_all_lines_before_they_begin_again() -> None:
    lines = DIARY[1]  # 400 lines: 7 batches of 64 a round
    met = Counter()
    for batch in date_batches.batches(lines, steps=14, batch_size=64, seed=1):
        met.update(date_batches.read_characters(batch.target))
    assert set(met.values()) == {2}
    assert len(met) == 400


def test_batches_hold_lines_of_about_one_length() -> None:
    padded = [1 - batch.mask.float().mean() for batch in date_batches.batches(DIARY[0], 40, 64, seed=1)]
    # Lines in random order: about half of each batch is padding.
    shuffled = [date_batches.make_batch(DIARY[0][start : start + 64]).mask for start in range(0, 2560, 64)]
    assert np.mean(padded) < 0.15 < 0.4 < np.mean([1 - mask.float().mean() for mask in shuffled])


def test_the_same_seed_gives_the_same_batches() -> None:
    def first(seed: int) -> list[int]:
        return next(date_batches.batches(DIARY[1], 1, 8, seed)).words.flatten().tolist()

    assert first(1) == first(1) != first(2)


class KnowsTheAnswers(nn.Module):
    """Writes what the lines say, by heart."""

    def __init__(self, lines: list[Line]) -> None:
        super().__init__()
        self.answers = {}
        for line in lines:
            batch = date_batches.make_batch([line])
            self.answers[tuple(batch.words[0].tolist())] = batch.target[0]

    def forward(self, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(len(words), MOST_CHARACTERS, len(CHARACTERS))
        for row, allowed, place in zip(words, mask, logits, strict=True):
            target = self.answers[tuple(row[allowed].tolist())]
            place[torch.arange(len(target)), target] = 1.0
        return logits


def test_dates_are_written_in_the_order_of_the_lines() -> None:
    lines = DIARY[1][:50]
    written = date_batches.write_dates(KnowsTheAnswers(lines), lines, "cpu", batch_size=7)
    assert written == [line.iso for line in lines]


def test_importing_the_diary_imports_no_torch() -> None:
    code = "import sys, helpers.dates, helpers.date_batches; print('torch' in sys.modules, 'numpy' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False"]
