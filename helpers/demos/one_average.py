"""Why one head is not enough: every point that a single weighted average can reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure

_TRIALS = 2000
_SEED = 2021


def draw_reach(
    words: Sequence[str], values: torch.Tensor, wanted: Sequence[float], *, xlabel: str, ylabel: str
) -> Figure:
    """Many random weightings of the same values, and the answer that is wanted.

    Parameters
    ----------
    words
        A name for each value.
    values
        Two numbers for each word, (t, 2).
    wanted
        The answer that one head would have to give, (2,).
    xlabel, ylabel
        What the two numbers mean.
    """
    from helpers import plots

    points = values.numpy()
    # Few words carry most of the weight in most draws, so that the rim of what can be reached is drawn too.
    weights = np.random.default_rng(_SEED).dirichlet(np.full(len(points), 0.4), size=_TRIALS)  # rows sum to 1
    averages = weights @ points  # (trials, 2)
    figure, axes = plots.panels(width=8.0, height=4.6)
    ax = axes[0, 0]
    ax.plot(*averages.T, ".", color=plots.SKY, markersize=3, alpha=0.6, label=f"{_TRIALS:,} weighted averages")
    ax.plot(*points.T, "o", color=plots.BLUE, markersize=9, label="the values of the words")
    ax.plot(*wanted, "*", color=plots.VERMILION, markersize=20, label="wanted: both answers at once")
    paper = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    for point in np.unique(points, axis=0):
        here = [word for word, value in zip(words, points, strict=True) if np.array_equal(value, point)]
        ax.annotate(", ".join(here), point, xytext=(10, 10), textcoords="offset points", bbox=paper, parse_math=False)
    ax.set(title="No weights lead one average to the star", xlabel=xlabel, ylabel=ylabel)
    ax.set(xlim=(-0.1, 1.25), ylim=(-0.1, 1.25))
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure
