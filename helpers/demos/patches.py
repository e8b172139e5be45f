"""Digits as pictures: in a row, cut into patches, and the patches as a row of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def show_picture(ax: Axes, image: Any, title: str = "", patch: int | None = None) -> None:
    """Draw one grey picture (height, width), 0 = white and 1 = black ink, with lines between its patches."""
    from helpers import plots

    pixels = as_array(image)
    ax.imshow(pixels, cmap="Greys", vmin=0, vmax=1, interpolation="none")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color="0.6", linewidth=0.8)
    ax.set_title(title, fontsize=11)
    if patch is not None:
        height, width = pixels.shape
        for line in range(patch, height, patch):
            ax.axhline(line - 0.5, color=plots.SKY, linewidth=1.2)
        for line in range(patch, width, patch):
            ax.axvline(line - 0.5, color=plots.SKY, linewidth=1.2)


def draw_digits(images: Any, labels: Sequence[str], title: str) -> Figure:
    """Small pictures (n, height, width) side by side, each with its label."""
    from helpers import plots

    columns = min(10, len(images))
    rows = -(-len(images) // columns)
    figure, axes = plots.panels(rows, columns, width=1.0 * columns, height=0.5 + 1.25 * rows)
    for ax in axes.flat[len(images) :]:
        ax.set_axis_off()
    for ax, image, label in zip(axes.flat, images, labels, strict=False):
        show_picture(ax, image, str(label))
    figure.suptitle(title)
    return figure


def draw_patches(image: Any, patches: Any) -> Figure:
    """A picture with its patches numbered, and below it the patches as a Transformer sees them: one row of tokens.

    Parameters
    ----------
    image
        One picture (height, width), ink from 0 to 1.
    patches
        What `patchify` made of it, (patches, patch * patch): drawn as it is, so that a mistake shows.

    Raises
    ------
    ValueError
        The patches are no squares, or do not cover the picture.
    """
    from matplotlib.gridspec import GridSpec

    from helpers import plots

    pixels, tokens = as_array(image), as_array(patches)
    patch = round(tokens.shape[-1] ** 0.5)
    if tokens.ndim != 2 or patch * patch != tokens.shape[1] or tokens.size != pixels.size:
        raise ValueError(
            f"A picture of shape {pixels.shape} and patches of shape {tokens.shape} do not belong together: "
            "patches are (patches, patch * patch), and hold all of the picture's pixels."
        )
    count, columns = len(tokens), pixels.shape[1] // patch
    figure, unused = plots.panels(1, 1, width=9, height=4.0)
    unused[0, 0].remove()
    grid = GridSpec(2, count, figure=figure, height_ratios=(5, 1))
    whole = figure.add_subplot(grid[0, :])
    show_picture(whole, pixels, "The picture, cut into patches", patch)
    for place in range(count):
        row, column = divmod(place, columns)
        corner = (column * patch - 0.4, row * patch - 0.4)
        box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
        whole.text(*corner, str(place), ha="left", va="top", fontsize=9, color=plots.BLACK, bbox=box)
        token = figure.add_subplot(grid[1, place])
        show_picture(token, tokens[place].reshape(patch, patch), str(place))
    figure.supxlabel("The same patches in a row: what a Transformer reads", fontsize=11)
    return figure


def as_array(numbers: Any) -> np.ndarray:
    """A tensor, an array or lists as an array of real numbers."""
    if hasattr(numbers, "detach"):
        numbers = numbers.detach().cpu()
    return np.asarray(numbers, dtype=float)
