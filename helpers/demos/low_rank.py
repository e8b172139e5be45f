"""How much of a matrix its largest directions hold: the singular value decomposition, cut off at a rank."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from ipywidgets import Widget
    from matplotlib.figure import Figure

_MOST = 64  # the last rank that is drawn
_CORNER = 96  # so many rows and columns are drawn: more could not be told apart


def shares(matrix: torch.Tensor) -> torch.Tensor:
    """Return the share of a matrix's sum of squares that its first 1, 2, ... directions hold, (min(n, m),)."""
    squares = torch.linalg.svdvals(matrix).square()
    return squares.cumsum(0) / squares.sum()


def low_rank(matrix: torch.Tensor, rank: int) -> torch.Tensor:
    """Return the nearest matrix (n, m) of a rank (Eckart & Young 1936): the sum of the first directions.

    Raises
    ------
    ValueError
        `rank` is negative, or larger than the smaller side.
    """
    if not 0 <= rank <= min(matrix.shape):
        raise ValueError(f"rank is {rank}: a matrix of {tuple(matrix.shape)} has 0 to {min(matrix.shape)} directions.")
    left, sizes, right = torch.linalg.svd(matrix, full_matrices=False)
    return (left[:, :rank] * sizes[:rank]) @ right[:rank]


def draw_low_rank(matrix: torch.Tensor, rank: int) -> Figure:
    """A matrix, what its first directions make of it, and the share of its sum of squares that they hold."""
    from helpers import plots

    figure, axes = plots.panels(1, 3, width=10.5, height=3.4)
    figure.set_layout_engine("none")  # to find room for what is known to fit would double the time to draw
    for number, panel in enumerate(axes[0]):
        panel.set_position(((number + 0.2) / 3, 0.17, 0.75 / 3, 0.73))
    left, middle, right = axes[0]
    held = shares(matrix).numpy()
    limit = 3 * float(matrix.std())
    for panel, shown in ((left, matrix.numpy()), (middle, low_rank(matrix, rank).numpy())):
        panel.imshow(
            shown[:_CORNER, :_CORNER], cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="none"
        )
        panel.set(xlabel="input", xticks=(), yticks=())
    left.set(title="A corner of the matrix", ylabel="output")
    middle.set(title=f"Rank {rank} holds {held[rank - 1]:.0%}")
    ranks = range(1, _MOST + 1)
    right.plot(ranks, held[:_MOST], color=plots.BLUE)
    right.plot(rank, held[rank - 1], "o", color=plots.VERMILION)
    right.set(
        title="What is kept", xlabel="rank", ylabel="share of the sum of squares", ylim=(0, 1), yticks=(0, 0.5, 1)
    )
    return figure


def describe_low_rank(matrix: torch.Tensor, rank: int) -> str:
    """The same in a sentence, for readers who cannot see the picture."""
    held = shares(matrix)[rank - 1]
    weights = rank * sum(matrix.shape)
    return (
        f"The first {rank} of {min(matrix.shape)} directions hold {held:.0%} of the sum of squares, in {weights:,} "
        f"numbers instead of {matrix.numel():,}."
    )


def low_rank_demo(matrix: torch.Tensor) -> Widget:
    """A slider for the rank, around `draw_low_rank`."""
    import ipywidgets as widgets

    from helpers.demos.parts.demo_box import demo_box
    from helpers.demos.parts.picture import picture

    slider = widgets.IntSlider(value=4, min=1, max=_MOST, description="rank", continuous_update=False)
    shown = widgets.HTML()

    @cache
    def drawn(rank: int) -> str:
        return picture(draw_low_rank(matrix, rank), describe_low_rank(matrix, rank), tight=False)

    def redraw(_: object = None) -> None:
        shown.value = drawn(slider.value)

    slider.observe(redraw, names="value")
    redraw()
    return demo_box([slider, shown], "a matrix from its first directions")
