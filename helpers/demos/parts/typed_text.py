"""Text that somebody typed into a demo: what a tokenizer can read of it, and what a picture can show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.ft2font import FT2Font
    from transformers import PreTrainedTokenizerBase

MOST_PIECES = 24  # more rows than this are hard to read in a notebook, and slow to draw
_LONGEST_LABEL = 24
_FINE = 720  # pixels in an inch: each letter is as wide as some whole number of them
_MOST_LETTERS = 4000  # far more than 24 pieces need, and soon cut into pieces


def one_line(text: str, tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
    """A text without line breaks and what no tokenizer reads, and a note when it is too long to draw.

    Raises
    ------
    ValueError
        Nothing is left.
    """
    line = " ".join(text.split()).encode("utf-8", "ignore").decode()  # half an emoji has no UTF-8 form
    short = line[:_MOST_LETTERS]
    length = len(tokenizer(short, truncation=True, max_length=MOST_PIECES + 1)["input_ids"])
    if length <= tokenizer.num_special_tokens_to_add():
        raise ValueError("There is nothing to read yet: type a sentence.")
    cut = len(short) < len(line) or length > MOST_PIECES
    return short, f"Only the first {MOST_PIECES} word pieces are read: more would not be legible." if cut else ""


def legible(piece: str) -> str:
    """A label that a picture can show: not too long, and each letter that its font lacks as a number of Unicode."""
    if len(piece) > _LONGEST_LABEL:
        piece = f"{piece[: _LONGEST_LABEL - 1]}…"
    font = _font()
    return "".join(letter if font.get_char_index(ord(letter)) else f"U+{ord(letter):04X}" for letter in piece)


def inches_wide(label: str, points: float, *, bold: bool = False) -> float:
    """How much room a label takes in letters of so many points, known before there is a picture."""
    font = _font("bold" if bold else "normal")
    font.set_size(points, _FINE)
    font.set_text(label)
    return float(font.get_width_height()[0] / 64 / _FINE)  # FreeType counts in 64ths of a pixel


def _font(weight: str = "normal") -> FT2Font:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return get_font(findfont(FontProperties(family="DejaVu Sans", weight=weight)))
