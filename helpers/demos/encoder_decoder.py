"""An encoder-decoder as a drawing: with one vector between the two halves, or with attention."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_READS, _WRITES = 0.0, 4.2  # heights of the two rows
_HALF = 0.36
_VECTOR = (_READS + _WRITES) / 2


def draw_one_vector(words: Sequence[str], characters: Sequence[str]) -> Figure:
    """Draw how a line is squeezed into one vector, which every step of the writing gets.

    Parameters
    ----------
    words
        What is read, a word a box.
    characters
        What is written, a character a box.
    """
    figure, axis, reads, writes = _two_rows(words, characters, "All that the decoder gets of the line is one vector")
    from helpers import plots

    middle = sum(reads) / len(reads)
    for end in (reads[0], reads[-1]):
        _arrow(axis, (end, _READS + _HALF), (middle, _VECTOR - 0.4), plots.PURPLE)
    for write in writes:
        _arrow(axis, (middle, _VECTOR + 0.4), (write, _WRITES - _HALF), plots.PURPLE)
    _box(axis, middle, _VECTOR, "one vector", plots.PURPLE, half_width=1.1)
    return figure


def draw_shortcut(words: Sequence[str], characters: Sequence[str], weights: Sequence[float]) -> Figure:
    """Draw how one step of the writing takes a weighted average of all the states.

    Parameters
    ----------
    words, characters
        What is read, and what has been written so far, the last one being written now.
    weights
        How much the step takes from each word's state; a line's width shows it.
    """
    figure, axis, reads, writes = _two_rows(words, characters, "At each step, a weighted average of all the states")
    from helpers import plots

    step = writes[-1]
    for read, weight in zip(reads, weights, strict=True):
        axis.plot(
            [read, step],
            [_READS + _HALF, _VECTOR - 0.4],
            color=plots.VERMILION,
            linewidth=0.6 + 9 * weight,
            alpha=0.35 + 0.65 * weight,
            solid_capstyle="round",
            zorder=0,
        )
    _arrow(axis, (step, _VECTOR + 0.4), (step, _WRITES - _HALF), plots.VERMILION)
    _box(axis, step, _VECTOR, "average", plots.VERMILION, half_width=0.95)
    return figure


def _two_rows(
    words: Sequence[str], characters: Sequence[str], title: str
) -> tuple[Figure, Axes, list[float], list[float]]:
    """Draw the reading and the writing network, and return where their boxes stand."""
    from helpers import plots

    figure, axes = plots.panels(1, 1, width=8.5, height=4.4)
    axis = axes[0, 0]
    reads = [1.5 * place for place in range(len(words))]
    shift = (reads[-1] - 1.15 * (len(characters) - 1)) / 2
    writes = [shift + 1.15 * place for place in range(len(characters))]
    for places, height, colour, labels, offset in (
        (reads, _READS, plots.BLUE, words, -1.0),
        (writes, _WRITES, plots.GREEN, characters, 1.0),
    ):
        for place, label in zip(places, labels, strict=True):
            _box(axis, place, height, "", colour)
            axis.text(place, height + offset, label, ha="center", va="center", fontsize=12, weight="bold")
            side = _HALF if offset > 0 else -_HALF
            start, end = ((place, height + side), (place, height + offset - 0.22))
            _arrow(axis, *((start, end) if offset > 0 else ((place, height + offset + 0.22), (place, height + side))))
        for left, right in pairwise(places):
            arrow = "<|-|>" if height == _READS else "-|>"
            _arrow(axis, (left + _HALF, height), (right - _HALF, height), style=arrow)
    edge = min(reads[0], writes[0]) - 0.9
    axis.text(edge, _READS, "encoder\nreads", ha="right", va="center", color=plots.BLUE, weight="bold")
    axis.text(edge, _WRITES, "decoder\nwrites", ha="right", va="center", color=plots.GREEN, weight="bold")
    right = max(reads[-1], writes[-1]) + 0.9
    axis.set(title=title, xlim=(edge - 1.7, right), ylim=(_READS - 1.4, _WRITES + 1.4), aspect="equal")
    axis.axis("off")
    return figure, axis, reads, writes


def _box(axis: Axes, x: float, y: float, text: str, colour: str, half_width: float = _HALF) -> None:
    from matplotlib.patches import FancyBboxPatch

    style = "round,pad=0,rounding_size=0.12"
    corner = (x - half_width, y - _HALF)
    axis.add_patch(
        FancyBboxPatch(corner, 2 * half_width, 2 * _HALF, boxstyle=style, facecolor=colour, edgecolor="none")
    )
    # Black where white would be hard to read: on the purple of the course's colours.
    axis.text(x, y, text, ha="center", va="center", weight="bold", color="black" if text == "one vector" else "white")


def _arrow(
    axis: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = "0.35", style: str = "-|>"
) -> None:
    options = {"arrowstyle": style, "color": colour, "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9}
    axis.annotate("", end, start, arrowprops=options)
