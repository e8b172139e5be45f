"""How many lines a model got exactly right, by their length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from helpers.dates import Line, split_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GROUPS = 8
_ACROSS, _UP = "words, digits and signs in the line", "lines exactly right"


def exact_by_length(
    lines: Sequence[Line], written: Sequence[str], groups: int = _GROUPS
) -> tuple[np.ndarray, np.ndarray]:
    """Sort the lines by length, cut them into groups of one size, and count what is exactly right in each.

    Parameters
    ----------
    lines
        The lines that were read.
    written
        What a model wrote for each of them.
    groups
        How many groups to make.

    Returns
    -------
    tuple of numpy.ndarray
        The mean number of words (groups,), and the share of exact matches (groups,), from 0 to 1.

    Raises
    ------
    ValueError
        There is not one text for each line, or fewer lines than groups.
    """
    if len(lines) != len(written) or len(lines) < groups:
        raise ValueError(f"There are {len(lines)} lines, {len(written)} texts and {groups} groups: one text a line.")
    lengths = np.array([len(split_words(line.text)) for line in lines])
    exact = np.array([line.iso == text for line, text in zip(lines, written, strict=True)])
    order = np.array_split(lengths.argsort(kind="stable"), groups)
    return np.array([lengths[group].mean() for group in order]), np.array([exact[group].mean() for group in order])


def longest_quarter(lines: Sequence[Line], written: Sequence[str]) -> float:
    """Return the share of exact matches among the longest quarter of the lines, from 0 to 1."""
    return float(exact_by_length(lines, written, groups=4)[1][-1])


def draw_exact_by_length(lines: Sequence[Line], written: Mapping[str, Sequence[str]], title: str) -> Figure:
    """Draw the share of exact matches against the number of words, a curve for each model.

    Parameters
    ----------
    lines
        The lines that were read.
    written
        A model's name -> what it wrote for each line.
    title
        What to see in the picture.
    """
    from helpers import plots

    measured = {name: exact_by_length(lines, texts) for name, texts in written.items()}
    lengths = next(iter(measured.values()))[0]
    figure = plots.curves(
        lengths,
        {name: shares for name, (_, shares) in measured.items()},
        title=title,
        xlabel=_ACROSS,
        ylabel=_UP,
    )
    figure.axes[0].set_ylim(-0.04, 1.04)
    return figure


def draw_lengths(lines: Sequence[Line]) -> Figure:
    """Draw how long the lines are that name one day, and those that name two."""
    from helpers import plots

    figure, axes = plots.panels(1, 1, width=6.4, height=3.0)
    axis = axes[0, 0]
    lengths: dict[str, list[int]] = {"one day": [], "two days": []}
    for line in lines:
        lengths["two days" if " " in line.iso else "one day"].append(len(split_words(line.text)))
    bins = np.arange(5, max(map(max, lengths.values())) + 4, 3)
    colours = [plots.BLUE, plots.ORANGE]
    axis.hist(list(lengths.values()), bins=bins, stacked=True, label=list(lengths), color=colours, rwidth=0.9)
    axis.set(title="Long lines tend to name two days", xlabel=_ACROSS, ylabel="lines")
    axis.legend()
    return figure


def draw_exact_by_days(lines: Sequence[Line], written: Sequence[str], title: str) -> Figure:
    """Draw the share of exact matches against the number of words, a curve for each number of days in a line."""
    from helpers import plots

    figure, axes = plots.panels(1, 1, width=6.4, height=3.4)
    axis = axes[0, 0]
    for days, colour, marker in ((1, plots.BLUE, "o"), (2, plots.ORANGE, "s")):
        chosen = [place for place, line in enumerate(lines) if len(line.iso.split()) == days]
        lengths, shares = exact_by_length([lines[place] for place in chosen], [written[place] for place in chosen], 4)
        axis.plot(lengths, shares, color=colour, marker=marker, label="one day" if days == 1 else "two days")
    axis.set(title=title, xlabel=_ACROSS, ylabel=_UP, ylim=(-0.04, 1.04))
    axis.grid(axis="y")
    axis.legend(loc="upper right")
    return figure
