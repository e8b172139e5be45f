"""Attention on three numbers: scores become weights, weights make an average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ipywidgets import Widget
    from matplotlib.figure import Figure

_MOST = 3.0  # the sliders' ends: near enough for a weight of 0 never to be shown as 0.00


def weights_of(scores: Sequence[float]) -> np.ndarray:
    """Softmax: scores as weights that are positive and add up to 1, (n,)."""
    powers = np.exp(np.asarray(scores, dtype=float) - max(scores))
    return powers / powers.sum()


def draw_weighted_average(names: Sequence[str], numbers: Sequence[float], scores: Sequence[float]) -> Figure:
    """Draw each number's weight, and where the weighted average lies among the numbers.

    Parameters
    ----------
    names
        Whose number each is.
    numbers
        What is averaged.
    scores
        How well each fits the question: any numbers.
    """
    from helpers import plots

    weights = weights_of(scores)
    average = float(weights @ np.asarray(numbers))
    figure, axes = plots.panels(1, 2, width=9.5, height=2.4, width_ratios=(2, 3))
    figure.set_layout_engine("none")  # to find room for what is known to fit would double the time to draw
    left, right = axes[0]
    left.set_position((0.11, 0.24, 0.29, 0.62))
    right.set_position((0.45, 0.24, 0.54, 0.62))
    plots.bars(names, weights, title="Scores become weights", xlabel="weight", ax=left, xlim=(0, 1.15))
    right.plot(numbers, np.zeros(len(numbers)), color="0.6", zorder=1)
    right.scatter(numbers, np.zeros(len(numbers)), s=60 + 1500 * weights, color=plots.BLUE, zorder=2)
    for name, number in zip(names, numbers, strict=True):
        right.text(number, 0.75, f"{name}: {number:g}", ha="center")
    right.plot(average, -0.5, marker="^", markersize=13, color=plots.VERMILION)
    right.text(average, -0.95, f"average {average:.2f}", ha="center", va="center", color=plots.VERMILION, weight="bold")
    margin = 0.15 * (max(numbers) - min(numbers))
    right.set(
        title="The heavier a number, the more it pulls",
        xlim=(min(numbers) - margin, max(numbers) + margin),
        ylim=(-1.2, 1.1),
        yticks=[],
        xlabel="stars",
    )
    right.spines["left"].set_visible(False)
    return figure


def describe_weighted_average(names: Sequence[str], numbers: Sequence[float], scores: Sequence[float]) -> str:
    """The same in a sentence, for readers who cannot see the picture."""
    weights = weights_of(scores)
    parts = [f"{name} ({number:g}) {weight:.2f}" for name, number, weight in zip(names, numbers, weights, strict=True)]
    return f"Weights: {', '.join(parts)}. Weighted average: {weights @ np.asarray(numbers):.2f}."


def three_numbers_demo(names: Sequence[str], numbers: Sequence[float], scores: Sequence[float]) -> Widget:
    """A slider for each score, around `draw_weighted_average`."""
    import ipywidgets as widgets

    from helpers.demos.parts.demo_box import demo_box
    from helpers.demos.parts.picture import picture

    sliders = [
        widgets.FloatSlider(
            score,
            min=-_MOST,
            max=_MOST,
            step=0.5,
            description=f"score of {name}",
            readout_format=".1f",
            continuous_update=False,
            style={"description_width": "initial"},
        )
        for name, score in zip(names, scores, strict=True)
    ]
    shown = widgets.HTML()

    def redraw(_: object = None) -> None:
        chosen = [slider.value for slider in sliders]
        alt = describe_weighted_average(names, numbers, chosen)
        shown.value = picture(draw_weighted_average(names, numbers, chosen), alt, tight=False)

    for slider in sliders:
        slider.observe(redraw, "value")
    redraw()
    return demo_box([*sliders, shown], "three scores, their weights, and the weighted average")
