"""Why attention divides by the square root of the width: what softmax does to scores of growing size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ipywidgets import Widget
    from matplotlib.figure import Figure

WIDTHS = tuple(2**power for power in range(11))  # 1 to 1024
KEYS = 16
_DRAWS = 200
_SEED = 2021


@dataclass(frozen=True)
class Saturation:
    """What softmax makes of the scores of one random query against `KEYS` random keys, at one width.

    Attributes
    ----------
    weights
        One draw's weights (KEYS,), sorted from the largest.
    entropy
        Of the weights, in bits, the mean of 200 draws: log2(KEYS) when all are equal, 0 when one has everything.
    gradient
        Size of the softmax's Jacobian (Frobenius norm), the mean of 200 draws: near 0 where nothing can be learned.
    """

    weights: np.ndarray
    entropy: float
    gradient: float


@cache
def saturation(width: int, scaled: bool) -> Saturation:
    """Measure softmax at one width, with or without the division by `sqrt(width)`.

    Queries and keys are standard normal, so that a score has standard deviation `sqrt(width)` (Vaswani et al. 2017,
    footnote 4). The same draws serve both cases.
    """
    generator = np.random.default_rng(_SEED)
    queries = generator.standard_normal((_DRAWS, 1, width))
    keys = generator.standard_normal((_DRAWS, KEYS, width))
    scores = (queries * keys).sum(-1)
    if scaled:
        scores /= np.sqrt(width)
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    weights = powers / powers.sum(-1, keepdims=True)
    entropy = -(weights * np.log2(np.maximum(weights, 1e-300))).sum(-1)
    # Jacobian of softmax: diag(w) - w w^T
    jacobian = np.eye(KEYS) * weights[:, :, None] - weights[:, :, None] * weights[:, None, :]
    return Saturation(
        np.sort(weights[0])[::-1], float(entropy.mean()), float(np.linalg.norm(jacobian, axis=(1, 2)).mean())
    )


def draw_saturation(width: int) -> Figure:
    """One draw's weights at `width`, and entropy and gradient at every width, with and without the square root."""
    from helpers import plots

    figure, axes = plots.panels(1, 3, width=10.5, height=3.4)
    figure.set_layout_engine("none")  # to find room for what is known to fit would double the time to draw
    for number, panel in enumerate(axes[0]):
        panel.set_position(((number + 0.2) / 3, 0.17, 0.78 / 3, 0.73))
    left, middle, right = axes[0]
    colours = {"divided by √d": plots.BLUE, "not divided": plots.VERMILION}
    for offset, (label, colour) in zip((-0.2, 0.2), colours.items(), strict=True):
        scaled = label == "divided by √d"
        left.bar(np.arange(1, KEYS + 1) + offset, saturation(width, scaled).weights, 0.4, color=colour, label=label)
        measured = [saturation(other, scaled) for other in WIDTHS]
        middle.plot(WIDTHS, [m.entropy for m in measured], color=colour, marker=".")
        right.plot(WIDTHS, [m.gradient for m in measured], color=colour, marker=".")
    left.set(title=f"One query's weights, d = {width}", xlabel="keys, best first", ylabel="weight", ylim=(0, 1))
    left.set(xticks=(1, KEYS // 2, KEYS), yticks=(0, 0.5, 1))  # a tick takes longer to draw than a bar
    left.legend()
    middle.set(title="Undivided: entropy falls", xlabel="width d", ylabel="entropy (bits)", yticks=range(5))
    right.set(
        title="... and gradients vanish", xlabel="width d", ylabel="norm of the Jacobian", yticks=(0, 0.1, 0.2, 0.3)
    )
    for panel in (middle, right):
        panel.set_xscale("log", base=2)
        panel.set_xticks(WIDTHS[::3], [str(other) for other in WIDTHS[::3]])
        panel.minorticks_off()
        panel.axvline(width, color="0.6", linestyle="--")
    return figure


def describe_saturation(width: int) -> str:
    """The same in a sentence, for readers who cannot see the picture."""
    scaled, unscaled = saturation(width, True), saturation(width, False)
    return (
        f"At width {width} the largest weight is {scaled.weights[0]:.2f} with the division by the square root and "
        f"{unscaled.weights[0]:.2f} without. Entropy: {scaled.entropy:.2f} and {unscaled.entropy:.2f} bits. "
        f"Gradient: {scaled.gradient:.3f} and {unscaled.gradient:.3f}."
    )


def saturation_demo() -> Widget:
    """A slider for the width, around `draw_saturation`."""
    import ipywidgets as widgets

    from helpers.demos.parts.demo_box import demo_box
    from helpers.demos.parts.picture import picture

    slider = widgets.SelectionSlider(
        options=WIDTHS, value=64, description="width d", continuous_update=False, style={"description_width": "initial"}
    )
    shown = widgets.HTML()

    def redraw(_: object = None) -> None:
        shown.value = picture(draw_saturation(slider.value), describe_saturation(slider.value), tight=False)

    slider.observe(redraw, names="value")
    redraw()
    return demo_box([slider, shown], "softmax at a width of your choice")
