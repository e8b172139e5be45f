"""What attention cannot do alone: its answers stay between the words, and an MLP can bend what is straight."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure

_GRID = 101
_LOWEST, _HIGHEST = -0.25, 1.25  # features are 0 or 1; this is what the plane shows of them


def draw_answers(values: torch.Tensor, answers: torch.Tensor, words: Sequence[str]) -> Figure:
    """Words as points in the plane, the area between them in grey, and what attention answered as small dots.

    Parameters
    ----------
    values
        A point for each word, (n, 2), n at least 3.
    answers
        What attention gave, (m, 2).
    words
        A name for each point, n of them.

    Raises
    ------
    ValueError
        The points do not lie in the plane, or the words do not fit them.
    """
    from matplotlib.tri import Triangulation

    from helpers import plots

    if values.ndim != 2 or values.shape[1] != 2 or len(values) < 3 or len(words) != len(values):
        raise ValueError(
            f"draw_answers needs a point in the plane, (n, 2), for each of at least three words; "
            f"values has shape {tuple(values.shape)} and there are {len(words)} words."
        )
    figure, axes = plots.panels(width=6.0, height=4.4)
    axis = axes[0, 0]
    x, y = values.detach().double().numpy().T
    between = Triangulation(x, y)  # Delaunay: its triangles fill exactly the area between the points
    axis.tripcolor(between, facecolors=[0.0] * len(between.triangles), cmap="Greys", vmin=-0.15, vmax=1)
    axis.plot(*answers.detach().double().numpy().T, ".", color=plots.VERMILION, markersize=4, label="answers")
    axis.plot(x, y, "o", color=plots.BLUE, markersize=9, label="the words' values")
    middle = (x.mean(), y.mean())
    for word, point in zip(words, zip(x, y, strict=True), strict=True):
        right, above = point[0] >= middle[0], point[1] >= middle[1]  # names stand outside, where no answer can be
        axis.annotate(
            word,
            point,
            xytext=(9 if right else -9, 5 if above else -5),
            textcoords="offset points",
            ha="left" if right else "right",
            va="bottom" if above else "top",
            fontweight="bold",
            color=plots.BLUE,
            parse_math=False,
        )
    axis.margins(0.2)
    axis.set(title="No answer leaves the area between the words", xlabel="first number", ylabel="second number")
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def draw_plane(
    functions: Mapping[str, Callable[[torch.Tensor], torch.Tensor]],
    points: torch.Tensor,
    words: Sequence[str],
    *,
    xlabel: str,
    ylabel: str,
    colour_label: str,
) -> Figure:
    """Each function of two numbers as colours over the plane, with some points marked by name.

    Parameters
    ----------
    functions
        By title: takes points (m, 2), gives a number for each, (m,).
    points
        The points to mark, (n, 2).
    words
        A name for each marked point, n of them.
    xlabel, ylabel, colour_label
        The two numbers, and what the functions give.
    """
    import torch

    from helpers import plots

    line = torch.linspace(_LOWEST, _HIGHEST, _GRID)
    across, up = torch.meshgrid(line, line, indexing="xy")
    grid = torch.stack([across.flatten(), up.flatten()], dim=1)
    figure, axes = plots.panels(1, len(functions), width=4.6 * len(functions), height=4.0, sharey=True)
    for axis, (title, function) in zip(axes[0], functions.items(), strict=True):
        heights = function(grid).detach().reshape(_GRID, _GRID).numpy()
        colours = axis.imshow(
            heights, origin="lower", extent=(_LOWEST, _HIGHEST, _LOWEST, _HIGHEST), vmin=-0.25, vmax=1.25
        )
        for (x, y), word in zip(points.tolist(), words, strict=True):
            axis.plot(x, y, "o", color="white", markeredgecolor="black", markersize=8)
            axis.annotate(
                word,
                (x, y),
                xytext=(0, 12),
                textcoords="offset points",
                ha="center",
                parse_math=False,
                bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
            )
        axis.set(title=title, xlabel=xlabel, xticks=[0, 1], yticks=[0, 1])
    axes[0, 0].set_ylabel(ylabel)
    figure.colorbar(colours, ax=axes[0].tolist(), label=colour_label)
    return figure
