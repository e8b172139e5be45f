"""What layer norm does: the numbers of each word's vector, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure


def draw_before_and_after(before: torch.Tensor, after: torch.Tensor, words: Sequence[str]) -> Figure:
    """Every word's numbers as dots on a line of their own, with their mean and standard deviation.

    Parameters
    ----------
    before, after
        The words' vectors, (t, k) each.
    words
        A name for each vector, t of them.

    Raises
    ------
    ValueError
        The shapes differ, or the words do not fit them.
    """
    from helpers import plots

    if before.shape != after.shape or before.ndim != 2 or len(words) != len(before):
        raise ValueError(
            f"Before and after must be vectors (t, k) of the same {len(words)} words; "
            f"they are {tuple(before.shape)} and {tuple(after.shape)}."
        )
    figure, axes = plots.panels(1, 2, width=10.5, height=1.4 + 0.55 * len(words), sharey=True)
    titles = ("Before: centres and spreads differ", "After: centre 0, spread 1, same pattern")
    for axis, vectors, title in zip(axes[0], (before, after), titles, strict=True):
        for row, vector in enumerate(vectors.detach().double()):
            axis.plot(vector, [row] * len(vector), "|", color=plots.BLUE, markersize=12, alpha=0.7)
            mean, deviation = float(vector.mean()), float(vector.std(unbiased=False))
            axis.errorbar(
                mean, row + 0.32, xerr=deviation, fmt="o", color=plots.VERMILION, capsize=4, markersize=5, linewidth=1.5
            )
        axis.set(title=title, xlabel="number in the vector")
        axis.grid(axis="x")
    axes[0, 0].set_yticks(range(len(words)), words, parse_math=False)
    axes[0, 0].set_ylim(len(words) - 0.4, -0.5)
    axes[0, 0].plot([], [], "|", color=plots.BLUE, markersize=12, label="one of its numbers")
    axes[0, 0].errorbar([], [], xerr=[], fmt="o", color=plots.VERMILION, capsize=4, label="mean ± standard deviation")
    figure.legend(loc="outside lower center", ncols=2)
    return figure
