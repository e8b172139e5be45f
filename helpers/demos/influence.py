"""Who hears whom: how far each word's vector moves when one word is swapped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure

    Function = Callable[[torch.Tensor], torch.Tensor]


def influence(function: Function, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """How far the result at word i moves when word j is swapped: (t, t), row i, column j.

    Parameters
    ----------
    function
        Takes vectors (1, t, k), gives vectors (1, t, k); without chance in it (a layer in `eval` mode).
    x
        The words' vectors, (1, t, k).
    other
        The vectors that they are swapped for, one at a time, (1, t, k).
    """
    import torch

    with torch.no_grad():
        before = function(x)
        columns = []
        for j in range(x.shape[1]):
            swapped = x.clone()
            swapped[:, j] = other[:, j]
            columns.append((function(swapped) - before).norm(dim=-1)[0])  # (t,)
    return torch.stack(columns, dim=1)


def draw_influence(
    functions: Mapping[str, Function], x: torch.Tensor, other: torch.Tensor, words: Sequence[str]
) -> Figure:
    """A heat map of `influence` for each function, by title; all have one colour scale."""
    import torch

    from helpers import plots

    measured = {title: influence(function, x, other) for title, function in functions.items()}
    # A word's own swap moves it most by far. The colours end where they still tell the other words from 0.
    highest = max(2 * float((moved - torch.diag(moved.diag())).max()) for moved in measured.values())
    if highest == 0:
        highest = max(float(moved.max()) for moved in measured.values())
    figure, axes = plots.panels(1, len(functions), width=4.9 * len(functions), height=4.3)
    for index, (title, moved) in enumerate(measured.items()):
        plots.heatmap(
            moved,
            row_labels=words,
            column_labels=words,
            title=title,
            xlabel="word that is swapped",
            ylabel="word whose vector moves" if index == 0 else "",
            ax=axes[0, index],
            annotate=True,
            vmin=0.0,
            vmax=highest,
        )
    return figure
