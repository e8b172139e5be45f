"""The Transformer block as a drawing, with the layer norms last or first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Bottom to top. A residual path leaves below the first of three parts and comes back at their "+".
_ORDERS = {
    "norm_first=False: add, then norm": ("attention", "+", "norm 1", "MLP", "+", "norm 2"),
    "norm_first=True: norm, then add": ("norm 1", "attention", "+", "norm 2", "MLP", "+"),
}
_FORKS = (0, 3)  # in both orders
_STEP = 1.15


def draw_block() -> Figure:
    """Both orders side by side: words go in at the bottom, the residual paths run beside attention and MLP."""
    from helpers import plots

    figure, axes = plots.panels(1, 2, width=7.4, height=6.0)
    for axis, (title, parts) in zip(axes[0], _ORDERS.items(), strict=True):
        _draw_order(axis, parts)
        axis.set(title=title, xlim=(-2.0, 1.6), ylim=(-1.5, len(parts) * _STEP - 0.1))
        axis.set_aspect("equal")
        axis.axis("off")
    return figure


def _draw_order(axis: Axes, parts: tuple[str, ...]) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch

    from helpers import plots

    colours = {"attention": plots.BLUE, "MLP": plots.GREEN, "norm 1": plots.ORANGE, "norm 2": plots.ORANGE}
    arrow = {"arrowstyle": "-|>", "color": plots.BLACK, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0}
    half = 0.34
    below = -0.95
    axis.text(0, below - 0.1, "x  (b, t, k)", ha="center", va="top")
    for place, part in enumerate(parts):
        height = place * _STEP
        reach = 0.2 if part == "+" else half
        axis.annotate("", (0, height - reach), (0, below), arrowprops=arrow)
        if place in _FORKS:
            back = parts.index("+", place) * _STEP
            fork = (below + height - reach) / 2
            axis.plot([0, -1.6, -1.6], [fork, fork, back], color=plots.VERMILION, linewidth=2)
            axis.annotate("", (-0.2, back), (-1.6, back), arrowprops=arrow | {"color": plots.VERMILION, "linewidth": 2})
        if part == "+":
            axis.add_patch(Circle((0, height), reach, facecolor="white", edgecolor=plots.VERMILION, linewidth=2))
            axis.text(0, height, "+", ha="center", va="center_baseline", fontweight="bold", color=plots.VERMILION)
        else:
            axis.add_patch(
                FancyBboxPatch(
                    (-0.95, height - half),
                    1.9,
                    2 * half,
                    boxstyle="round,pad=0,rounding_size=0.12",
                    facecolor=colours[part],
                    edgecolor="none",
                )
            )
            dark_text = part.startswith("norm")
            axis.text(0, height, part, ha="center", va="center", color="black" if dark_text else "white", weight="bold")
        below = height + reach
    axis.annotate("", (0, below + 0.5), (0, below), arrowprops=arrow)
