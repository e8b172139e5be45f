"""The three places of attention in an encoder-decoder: who may look at whom, as three grids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_three_places(read: Sequence[str], written: Sequence[str]) -> Figure:
    """Three grids, a row for each query and a column for each key; a filled square may be looked at.

    Parameters
    ----------
    read
        What the encoder reads, a word a place.
    written
        What the decoder has written so far, a character a place.
    """
    import numpy as np
    from matplotlib.colors import ListedColormap

    from helpers import plots

    n, m = len(read), len(written)
    places = (
        ("1. In the input", np.ones((n, n)), read, read, "reading asks", plots.GREEN),
        ("2. In the output so far", np.tri(m), written, written, "writing asks", plots.BLUE),
        ("3. From output to input", np.ones((m, n)), written, read, "writing asks", plots.VERMILION),
    )
    figure, axes = plots.panels(1, 3, width=10.5, height=3.9)
    for axis, (title, allowed, rows, columns, who, colour) in zip(axes[0], places, strict=True):
        axis.imshow(allowed, cmap=ListedColormap(["white", colour]), vmin=0, vmax=1)
        axis.set_xticks(range(len(columns)), columns, parse_math=False)
        axis.set_yticks(range(len(rows)), rows, parse_math=False)
        axis.set_xticks([place - 0.5 for place in range(len(columns) + 1)], minor=True)
        axis.set_yticks([place - 0.5 for place in range(len(rows) + 1)], minor=True)
        axis.grid(which="minor", color=plots.GREY)
        axis.tick_params(which="both", length=0)
        axis.set(title=title, xlabel="key: what is looked at", ylabel=f"query: {who}")
    return figure
