"""Pieces as coloured boxes, each with its number in the vocabulary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from helpers.demos.parts.typed_text import inches_wide, legible
from helpers.texts.byte_words import ALPHABET, to_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pair = tuple[str, str]

_ACROSS, _HIGH, _GAP = 9.2, 0.5, 0.04  # inches: a row of boxes, its height, and what is free between two boxes
_SIGNS = str.maketrans({" ": "␣", "\n": "↵", "\t": "→"})


def number_pieces(merges: Sequence[Pair]) -> dict[str, int]:
    """Number the pieces of a vocabulary: the 256 bytes first, then what each merge joins, in the merges' order."""
    pieces = dict.fromkeys([*ALPHABET, *(left + right for left, right in merges)])
    return {piece: number for number, piece in enumerate(pieces)}


def name_piece(piece: str) -> str:
    """Return a piece as a picture can show it: its text, ␣ for a space, or its bytes where it is no whole character."""
    try:
        return legible(to_bytes([piece]).decode().translate(_SIGNS))
    except UnicodeDecodeError:
        return to_bytes([piece]).hex(" ").upper()


def draw_pieces(
    lines: Mapping[str, Sequence[str]], numbers: Mapping[str, int] | None = None, *, title: str, plain: bool = False
) -> Figure:
    """Draw each line's pieces as coloured boxes; a line that is too long goes on below.

    Parameters
    ----------
    lines
        The pieces of each line, by the line's name.
    numbers
        The number of each piece, to be written below it; no numbers if None.
    title
        What to see.
    plain
        Whether the pieces are ordinary text, rather than characters that stand for bytes.
    """
    from helpers import plots

    left = 0.15 + max(inches_wide(name, 11) for name in lines)
    boxes: list[tuple[float, int, float, str, str, int]] = []  # x, row, width, name, number, colour
    names: list[tuple[int, str]] = []
    row = 0
    for line, pieces in lines.items():
        names.append((row, line))
        x = left
        for place, piece in enumerate(pieces):
            name = legible(piece.translate(_SIGNS)) if plain else name_piece(piece)
            number = "" if numbers is None else str(numbers[piece])
            width = 0.12 + max(inches_wide(name, 11), inches_wide(number, 8))
            if x + width > _ACROSS and x > left:
                x, row = left, row + 1
            boxes.append((x, row, width, name, number, place))
            x += width + _GAP
        row += 1
    high = _HIGH if numbers is not None else 0.75 * _HIGH
    figure, axes = plots.panels(width=_ACROSS, height=0.4 + high * row)
    figure.set_layout_engine("none")
    ax = axes[0, 0]
    share = high * row / (0.4 + high * row)
    ax.set_position((0, 0, 1, share))
    ax.set(xlim=(0, _ACROSS), ylim=(high * row, 0))
    ax.set_axis_off()
    figure.suptitle(title, x=0.005, y=0.98, ha="left", va="top", fontsize=12, weight="bold", parse_math=False)
    _paint(figure, boxes, high, numbers is not None)
    for row, line in names:
        ax.text(0.05, (row + 0.5) * high, line, va="center", fontsize=11, parse_math=False)
    return figure


def _paint(figure: Figure, boxes: Sequence[tuple[float, int, float, str, str, int]], high: float, two: bool) -> None:
    """Fill in the boxes, as one collection: four colours in turn, so that neighbours differ."""
    from matplotlib.collections import PolyCollection

    from helpers import plots

    ax = figure.axes[0]
    tones = (plots.SKY, plots.ORANGE, plots.GREEN, plots.GREY)
    corners, colours = [], []
    for x, row, width, name, number, place in boxes:
        top, bottom = row * high + 0.03, (row + 1) * high - 0.03
        corners.append([(x, top), (x + width, top), (x + width, bottom), (x, bottom)])
        colours.append(tones[place % len(tones)])
        middle: dict[str, Any] = {"ha": "center", "va": "center", "parse_math": False}
        ax.text(x + width / 2, (row + (0.36 if two else 0.5)) * high, name, fontsize=11, **middle)
        ax.text(x + width / 2, (row + 0.75) * high, number, fontsize=8, **middle)
    ax.add_collection(PolyCollection(corners, facecolors=colours, edgecolors=plots.BLACK, linewidths=0.4, alpha=0.45))
