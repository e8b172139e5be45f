"""Pictures of rotary positions: arrows that turn, and dot products that depend on the distance alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure


def draw_turns(speeds: Sequence[float], positions: Sequence[int]) -> Figure:
    """A pair of numbers as an arrow, turned by each position: a panel for each clock.

    Parameters
    ----------
    speeds
        Of each clock, in radians a position.
    positions
        One arrow each.
    """
    from helpers import plots

    figure, axes = plots.panels(1, len(speeds), width=4.2 * len(speeds), height=4.2)
    for axis, speed in zip(axes[0], speeds, strict=True):
        for position in positions:
            tip = np.array([np.cos(speed * position), np.sin(speed * position)])
            colour = plots.VERMILION if position == 0 else plots.BLUE
            axis.annotate("", tip, xytext=(0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.6})
            axis.text(*((1.1 + 0.13 * (position % 2)) * tip), str(position), ha="center", va="center", color=colour)
        axis.set(
            title=f"Speed {speed:g}: position {positions[-1]} is at {np.degrees(speed * positions[-1]):.0f}°",
            xlabel="first number of the pair",
            ylabel="second number",
            xlim=(-1.3, 1.3),
            ylim=(-1.3, 1.3),
            aspect="equal",
        )
    return figure


def draw_distances(scores: torch.Tensor) -> Figure:
    """Dot products (tq, tk) of one query and one key at all positions: as colours, and against the distance."""
    from helpers import plots

    numbers = scores.detach().cpu().numpy()
    query_at, key_at = np.indices(numbers.shape)
    figure, axes = plots.panels(1, 2, width=9.6, height=4.2)
    plots.heatmap(
        numbers,
        title="The same along each diagonal",
        xlabel="position of the key",
        ylabel="position of the query",
        colour_label="dot product",
        ax=axes[0, 0],
    )
    axes[0, 1].scatter((query_at - key_at).ravel(), numbers.ravel(), s=14, color=plots.BLUE)
    axes[0, 1].grid(axis="y")
    axes[0, 1].set(
        title="Only the distance counts", xlabel="position of the query - position of the key", ylabel="dot product"
    )
    return figure
