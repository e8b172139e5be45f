"""A sentence with options in it, such as "The doctor picked up his/her bag", and a model that is asked about them."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

BLANK = "___"

_MARKS = string.punctuation.replace("/", "") + "“”‘’«»…–—¿¡"
_EXAMPLE = "Write two or more words with a slash between them, as in “The doctor picked up his/her bag.”"
_EVEN = 1.05  # a ratio below this, and above its inverse, is called even


def parse_options(text: str) -> tuple[str, list[str]]:
    """Take the options out of a text.

    Options stand side by side, with slashes and without spaces: `his/her`, `cats/dogs/birds`. Punctuation around
    them stays in the text, unless each of them has it (`U.S./U.K.`).

    Parameters
    ----------
    text
        For instance `"The doctor picked up his/her bag"`.

    Returns
    -------
    tuple of str and list of str
        The text with `___` in their place, and the options: `("The doctor picked up ___ bag", ["his", "her"])`.

    Raises
    ------
    ValueError
        There are no options, or two groups of them; one is empty, or stands there twice; or the text has a blank or
        a mask of its own.
    TypeError
        `text` is no text.
    """
    if not isinstance(text, str):
        raise TypeError(f"A text is wanted, such as “The doctor picked up his/her bag.”, not {text!r}.")
    for taken in (BLANK, "[MASK]", "<mask>"):
        if taken in text:
            raise ValueError(f"The text has {taken!r} in it already. {_EXAMPLE}")
    words = re.split(r"(\s+)", text)  # the spaces too, so that they stay as they are
    groups = [place for place, word in enumerate(words) if "/" in word]
    if not groups:
        raise ValueError(f"There are no options in {text!r}. {_EXAMPLE}")
    for place in groups:
        if not all(_between(words[place])[1]):
            raise ValueError(f"An option is empty in {words[place]!r}. {_EXAMPLE} Leave no space beside a slash.")
    if len(groups) > 1:
        found = " and ".join(f"“{'/'.join(_between(words[place])[1])}”" for place in groups)
        raise ValueError(f"There is more than one group of options: {found}. Ask about one at a time.")
    before, options, after = _between(words[groups[0]])
    if twice := [option for option in options if options.count(option) > 1]:
        raise ValueError(f"The option {twice[0]!r} stands there twice. {_EXAMPLE}")
    words[groups[0]] = f"{before}{BLANK}{after}"
    return "".join(words), options


def pieces_of(option: str, tokenizer: Any) -> list[int]:
    """Return the ids of the subwords that an option is made of: one for a frequent word, several for a rare one.

    Raises
    ------
    ValueError
        The tokenizer's vocabulary cannot spell the option.
    """
    ids: list[int] = tokenizer(option, add_special_tokens=False)["input_ids"]
    if not ids or tokenizer.unk_token_id in ids:
        raise ValueError(f"The model's vocabulary has no pieces to spell {option!r} with: choose another word.")
    return ids


@contextmanager
def in_eval_mode(model: nn.Module) -> Iterator[None]:
    """Switch dropout off while a model is questioned, and then put each of its parts back into the mode it was in."""
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def compare(probabilities: Mapping[str, float], first: str, second: str) -> str:
    """Say in a sentence how many times as likely one option is as another.

    The ratio is that of the probabilities as they are: two that round to 0.00 may still differ a hundredfold.

    Parameters
    ----------
    probabilities
        From option to probability.
    first, second
        Two of the options, in the order in which the sentence is to name them.
    """
    one, other = float(probabilities[first]), float(probabilities[second])
    if one == other or (other and 1 / _EVEN < one / other < _EVEN):
        return f"“{first}” and “{second}” are about equally likely."
    if one > other:
        return f"“{first}” is {_times(one, other)} times as likely as “{second}”."
    return f"“{first}” is less likely than “{second}”, which is {_times(other, one)} times as likely."


def _between(word: str) -> tuple[str, list[str], str]:
    """What stands before the options, the options, and what stands after them, in one word of a text."""
    core = word.lstrip(_MARKS)
    before = word[: len(word) - len(core)]
    inner = core.rstrip(_MARKS)
    after = core[len(inner) :]
    options = inner.split("/")
    # A mark that each of the others has too is part of the options.
    while after and all(option.endswith(after[0]) for option in options[:-1]):
        options[-1], after = options[-1] + after[0], after[1:]
    while before and all(option.startswith(before[-1]) for option in options[1:]):
        options[0], before = before[-1] + options[0], before[:-1]
    return before, options, after


def _times(larger: float, smaller: float) -> str:
    """The ratio of two probabilities with the two digits that matter."""
    if larger >= 10_000 * smaller:
        return "more than 10,000"
    ratio = larger / smaller
    if ratio < 10:
        return f"{ratio:.1f}"
    return f"{float(f'{ratio:.2g}'):,.0f}"
