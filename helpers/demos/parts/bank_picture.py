"""The picture of the "bank" demo, and the same in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_BARS = 20
_MOST_LETTERS = 17  # of a word beside its bar
_MOST_LETTERS_ABOVE = 14  # of a word in a title
_PANEL = 3.7  # inches; the first 1.5 are for the words
_WORDS = 1.5
_FAINT = 0.1  # when no weight is larger than this, the axis follows the weights


@dataclass(frozen=True)
class ValueAttention:
    """What one query makes of a line of keys.

    Attributes
    ----------
    query
        The query word.
    words
        The keys that are in the vocabulary, as it spells them, in the order of the line.
    weights
        How much the query attends to each, (tk,): they sum to 1.
    value
        The keys' vectors, mixed by these weights, (d,). All zeros when there was nothing to attend to.
    query_neighbours, value_neighbours
        The words nearest to the query's vector and to the value, with cosine similarities. They are empty when there is
        no such vector.
    messages
        What was left out, and why: a sentence each.
    """

    query: str
    words: list[str]
    weights: np.ndarray
    value: np.ndarray
    query_neighbours: list[tuple[str, float]]
    value_neighbours: list[tuple[str, float]]
    messages: list[str]


def draw_value_attention(result: ValueAttention) -> Figure:
    """Draw the words nearest the query, a bar for each key's weight, and the words nearest the value.

    Of more than 20 different keys it shows the 20 strongest. A key that comes several times gets one bar, with the
    sum of its weights.
    """
    from helpers import plots

    keys, weights = _strongest(result)
    rows = max(len(keys), len(result.query_neighbours), len(result.value_neighbours))
    height = 1.3 + 0.25 * rows
    figure, axes = plots.panels(1, 3, width=3 * _PANEL, height=height)
    figure.set_layout_engine("none")  # looking for the best layout takes longer than drawing
    for number, ax in enumerate(axes[0]):
        room = (_PANEL - _WORDS - 0.1) / (3 * _PANEL), (height - 1.15) / height
        ax.set_position((number / 3 + _WORDS / (3 * _PANEL), 0.75 / height, *room))
    left, middle, right = axes[0]
    typed = {result.query, *result.words}
    name = f"“{_short(result.query, _MOST_LETTERS_ABOVE)}”" if result.query_neighbours else "the query"
    _draw_neighbours(left, result.query_neighbours, f"Nearest to {name}", rows, typed, plots.BLUE)
    _draw_weights(middle, keys, weights, len(set(result.words)), rows)
    _draw_neighbours(right, result.value_neighbours, "Nearest to the value", rows, typed, plots.GREEN)
    return figure


def describe_value_attention(result: ValueAttention) -> str:
    """The same in sentences: the weights, the words that came near, and what was left out."""
    sentences = []
    if result.weights.any():
        keys, weights = _strongest(result)
        shares = ", ".join(f"{key} {_number(weight)}" for key, weight in zip(keys, weights, strict=True))
        weaker = len(set(result.words)) - len(keys)
        more = f"; {weaker:,} weaker keys are not shown" if weaker else ""
        sentences.append(f"The query “{result.query}” attends to: {shares}{more}.")
        typed = {result.query, *result.words}
        for name, neighbours in (("query", result.query_neighbours), ("value", result.value_neighbours)):
            new = [word for word, _ in neighbours if word not in typed]
            sentences.append(f"Near the {name}, of words that nobody typed: {', '.join(new) or 'none'}.")
    return " ".join([*sentences, *result.messages])


def name_panels(result: ValueAttention) -> str:
    """What the three panels are about: the numbers stand in the text beside them, and need not be heard twice."""
    query = f"“{_short(result.query)}”" if result.query_neighbours else "the query"
    keys = ", ".join(_short(key) for key in _strongest(result)[0]) if result.weights.any() else "nothing"
    return f"Three bar charts: words nearest to {query}; its attention to {keys}; words nearest to the value."


def _strongest(result: ValueAttention) -> tuple[list[str], np.ndarray]:
    """The different keys, each with the sum of its weights: in the order of the line, or the 20 strongest first."""
    total: dict[str, float] = {}
    for word, weight in zip(result.words, result.weights.tolist(), strict=True):
        total[word] = total.get(word, 0.0) + weight
    keys = list(total)
    if len(keys) > _MOST_BARS:
        keys = sorted(keys, key=lambda key: -total[key])[:_MOST_BARS]
    return keys, np.array([total[key] for key in keys])


def _draw_weights(ax: Axes, keys: list[str], weights: np.ndarray, different: int, rows: int) -> None:
    from helpers import plots

    if not weights.any():
        _say(ax, "Weights of the keys", "nothing to attend to")
        return
    title = f"Most weight: “{_short(keys[int(np.argmax(weights))], _MOST_LETTERS_ABOVE)}”"
    xlabel = "attention weight"
    if different > len(keys):
        xlabel += f"\n(the {len(keys)} strongest of {different:,} keys)"
    top = weights.max() if weights.max() < _FAINT else 1.0
    _draw_bars(ax, keys, weights.tolist(), [plots.VERMILION] * len(keys), ".2f" if top == 1.0 else ".4f")
    _arrange(ax, title, xlabel, rows, top)


def _draw_neighbours(
    ax: Axes, neighbours: list[tuple[str, float]], title: str, rows: int, typed: set[str], colour: str
) -> None:
    """A bar for each neighbour; those that were typed are grey, and the axis says so."""
    from helpers import plots

    if not neighbours:
        _say(ax, title, "no vector, so no neighbours")
        return
    again = any(word in typed for word, _ in neighbours)
    colours = [plots.GREY if word in typed else colour for word, _ in neighbours]
    _draw_bars(ax, [word for word, _ in neighbours], [cosine for _, cosine in neighbours], colours, ".2f")
    _arrange(ax, title, "cosine similarity" + ("\n(grey: words that were typed)" if again else ""), rows, 1.0)


def _draw_bars(ax: Axes, words: list[str], lengths: list[float], colours: list[str], number: str) -> None:
    """A bar for each word, grey ones with an edge. All bars are one collection, and words and numbers plain text.

    Rectangles, ticks and annotations take three times as long to make and draw.
    """
    from matplotlib.collections import PolyCollection

    from helpers import plots

    corners = [
        [(0, place - 0.35), (length, place - 0.35), (length, place + 0.35), (0, place + 0.35)]
        for place, length in enumerate(lengths)
    ]
    edges = [plots.BLACK if colour == plots.GREY else "none" for colour in colours]
    ax.add_collection(PolyCollection(corners, facecolors=colours, edgecolors=edges))
    ax.set_yticks([])
    beside = ax.get_yaxis_transform()
    for place, (word, length) in enumerate(zip(words, lengths, strict=True)):
        ax.text(-0.03, place, _short(word), ha="right", va="center", transform=beside, parse_math=False)
        ax.text(max(length, 0), place, f" {length:{number}}", va="center", fontsize=10)


def _arrange(ax: Axes, title: str, xlabel: str, rows: int, top: float) -> None:
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set(xlabel=xlabel, xlim=(0, 1.2 * top), ylim=(rows - 0.4, -0.6))  # as thick in each panel, the first on top
    ax.set_xticks([0, top / 2, top], [f"{tick:.2g}" for tick in (0, top / 2, top)])
    _set_title(ax, title)


def _say(ax: Axes, title: str, text: str) -> None:
    _set_title(ax, title)
    ax.set_axis_off()
    ax.text(0.3, 0.5, text, ha="center", va="center", transform=ax.transAxes)


def _set_title(ax: Axes, title: str) -> None:
    """Put the title over the words too, where there is room for it."""
    ax.set_title(title, loc="left", x=-(_WORDS - 0.1) / (_PANEL - _WORDS - 0.1), parse_math=False)


def _short(word: str, most: int = _MOST_LETTERS) -> str:
    return word if len(word) <= most else word[: most - 1] + "…"


def _number(weight: float) -> str:
    return f"{weight:.2f}" if weight >= 0.005 else f"{weight:.1g}"
