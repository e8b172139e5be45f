"""A time traveller's diary, which lesson 01 translates: one day or two a line, written in many ways."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import cycle

from helpers.texts.number_words import ending_of, number_in_words, ordinal_in_words, year_in_words

FIRST_DAY, LAST_DAY = date(1800, 1, 1), date(2099, 12, 31)

MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
# {d} 3, {dd} 03, {m} 4, {mm} 04, {mon} apr, {month} april, {y} 1997, {th} 3rd, {third} third, {weekday} thursday,
# {year} nineteen ninety-seven
_NUMBERS = ("{d}/{m}/{y}", "{d}.{m}.{y}", "{dd}-{mm}-{y}", "{d} {mon} {y}", "{mon} {d}, {y}", "{d} {month} {y}")
_MIXED = (
    "{weekday}, {d} {month} {y}",
    "{weekday} the {th} of {month}, {y}",
    "the {th} day of {month} {y}",
    "{month} the {third}, {y}",
    "the {third} of {month} {year}",
)
_IN_WORDS = (
    "the {third} day of {month} in the year {year}",
    "the {third} day of the month of {month} in the year {year}",
    "{weekday}, the {third} day of the month of {month}, in the year {year}",
)
_STYLES = (_NUMBERS, _NUMBERS, _MIXED, _MIXED, _IN_WORDS)

# {n} 38, {words} seventeen, {nth} ninth
_EVENTS = (
    "{person} left {town}",
    "{person} came to {town}",
    "{person} paid {n} pounds",
    "{words} people came to {town}",
    "the {nth} meeting of the {group}",
    "{person} sold house {n} in {town}",
    "{person} wrote letter {n}",
    "the {group} met in room {n}",
)
_PEOPLE = ["anna", "george", "maria", "henry", "clara", "samuel", "ruth", "walter", "edith", "oscar"]
_TOWNS = ["leeds", "paris", "lagos", "lima", "delhi", "cairo", "oslo", "quebec", "kyoto", "turin"]
_GROUPS = ["council", "choir", "school", "club", "jury", "crew"]


@dataclass(frozen=True)
class Line:
    """A line of the diary.

    Attributes
    ----------
    text
        Such as ``"ruth left oslo on 3 apr 1997"``.
    iso
        Its days in ISO form (ISO 8601), a space between two: ``"1997-04-03"``.
    """

    text: str
    iso: str


def make_lines(train: int, test: int, seed: int) -> tuple[list[Line], list[Line]]:
    """Write a diary, with one day or two a line; no day occurs twice, so no day to be tested was ever trained on.

    Parameters
    ----------
    train, test
        How many lines to make of each.
    seed
        The same seed writes the same diary.

    Raises
    ------
    ValueError
        There are not so many days between 1800 and 2099.
    """
    generator = random.Random(seed)
    first, last = FIRST_DAY.toordinal(), LAST_DAY.toordinal()
    most = (last + 1 - first) // 2
    if train + test > most:
        raise ValueError(f"{train:,} + {test:,} lines were asked for; there are days enough for {most:,}.")
    days = (date.fromordinal(number) for number in generator.sample(range(first, last + 1), 2 * (train + test)))
    lines = [_line(days, count, generator) for _, count in zip(range(train + test), cycle((1, 2)), strict=False)]
    generator.shuffle(lines)
    return lines[:train], lines[train:]


def split_words(text: str) -> list[str]:
    """Cut a line into what the models read: words, single digits, single signs."""
    return re.findall(r"[^\W\d_]+|\d|[^\w\s]|_", text.lower())


def write_day(day: date, style: str, generator: random.Random) -> str:
    """Write a day in a style such as ``"{d} {month} {y}"``; a year in words has two forms, of which one is drawn."""
    return style.format(
        d=day.day,
        dd=f"{day.day:02}",
        m=day.month,
        mm=f"{day.month:02}",
        mon=MONTHS[day.month - 1][:3],
        month=MONTHS[day.month - 1],
        y=day.year,
        th=f"{day.day}{ending_of(day.day)}",
        third=ordinal_in_words(day.day),
        weekday=_WEEKDAYS[day.weekday()],
        year=year_in_words(day.year, short=generator.random() < 0.5),
    )


@cache
def all_words() -> tuple[str, ...]:
    """Every word, digit and sign that a line may hold, in alphabetical order."""
    numbers = range(1, 100)
    texts = [*_NUMBERS, *_MIXED, *_IN_WORDS, *_EVENTS, *MONTHS, *_WEEKDAYS, *_PEOPLE, *_TOWNS, *_GROUPS]
    texts += [month[:3] for month in MONTHS] + [f"{number} {ending_of(number)}" for number in numbers]
    texts += [f"{number_in_words(number)} {ordinal_in_words(number)}" for number in numbers]
    texts += ["0 hundred thousand and on , ;"]
    return tuple(sorted({word for text in texts for word in split_words(re.sub(r"\{\w+\}", " ", text))}))


def _line(days: Iterator[date], count: int, generator: random.Random) -> Line:
    chosen = [next(days) for _ in range(count)]
    entries = []
    for day in chosen:
        written = write_day(day, generator.choice(generator.choice(_STYLES)), generator)
        if generator.random() < 0.6:
            written = _event(generator) + generator.choice((" on ", ", ")) + written
        entries.append(written)
    return Line("; ".join(entries), " ".join(day.isoformat() for day in chosen))


def _event(generator: random.Random) -> str:
    return generator.choice(_EVENTS).format(
        n=generator.randint(2, 99),
        words=number_in_words(generator.randint(2, 99)),
        nth=ordinal_in_words(generator.randint(2, 99)),
        person=generator.choice(_PEOPLE),
        town=generator.choice(_TOWNS),
        group=generator.choice(_GROUPS),
    )
