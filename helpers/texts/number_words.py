"""Numbers, ordinal numbers and years in English words."""

from __future__ import annotations

_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ODD_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}


def number_in_words(number: int) -> str:
    """Give 42 as "forty-two"; from 0 to 99.

    Raises
    ------
    ValueError
        The number is not between 0 and 99.
    """
    if not 0 <= number <= 99:
        raise ValueError(f"{number} cannot be put into words here: only 0 to 99 can.")
    if number < 20:
        return _SMALL[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens] + (f"-{_SMALL[ones]}" if ones else "")


def ordinal_in_words(number: int) -> str:
    """Give 42 as "forty-second"; from 1 to 99."""
    head, hyphen, last = number_in_words(number).rpartition("-")
    last = _ODD_ORDINALS.get(last) or (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")
    return head + hyphen + last


def year_in_words(year: int, short: bool) -> str:
    """Give 1987 as "nineteen eighty-seven" or, not `short`, "nineteen hundred and eighty-seven"."""
    century, rest = divmod(year, 100)
    if short and rest >= 10:
        return f"{number_in_words(century)} {number_in_words(rest)}"
    hundreds = "two thousand" if century == 20 else f"{number_in_words(century)} hundred"
    return f"{hundreds} and {number_in_words(rest)}" if rest else hundreds


def ending_of(number: int) -> str:
    """What follows a number that counts: 1st, 2nd, 3rd, 4th, 11th."""
    return "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
