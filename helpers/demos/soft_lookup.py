"""A dictionary look-up three ways: exact, nearest and weighted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def nearest_lookup(table: Mapping[float, float], query: float) -> float:
    """The value of the key that is closest to `query`."""
    return table[min(table, key=lambda key: abs(key - query))]


def weighted_lookup(table: Mapping[float, float], query: float, sharpness: float) -> float:
    """The average of all values, weighted by a softmax over `-sharpness * distance ** 2`."""
    keys, values = np.array(list(table)), np.array(list(table.values()))
    scores = -sharpness * (keys - query) ** 2
    weights = np.exp(scores - scores.max())
    return float(weights @ values / weights.sum())


def draw_lookups(table: Mapping[float, float], sharpness: float) -> Figure:
    """The nearest and the weighted look-up between a table's smallest and largest key.

    Parameters
    ----------
    table
        Key -> value, both numbers.
    sharpness
        How fast a key's weight falls with its distance from the query.
    """
    from helpers import plots

    queries = np.linspace(min(table), max(table), 400)
    figure = plots.curves(
        queries,
        {
            "nearest": [nearest_lookup(table, query) for query in queries],
            "weighted": [weighted_lookup(table, query, sharpness) for query in queries],
        },
        title="Nearest jumps from value to value; weighted glides (dots: the table)",
        xlabel="query (hour of the day)",
        ylabel="answer (degrees)",
    )
    figure.axes[0].plot(list(table), list(table.values()), "o", color=plots.BLACK)
    return figure
