"""What texts cost in tokens: against the size of the vocabulary, and in several languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_costs(sizes: Sequence[int], costs: Sequence[float], words: tuple[int, float]) -> Figure:
    """Draw tokens a sentence against the vocabulary's size, between bytes and words.

    Parameters
    ----------
    sizes, costs
        Of vocabularies of pieces, the smallest first: bytes alone.
    words
        Size and cost of a vocabulary of whole words.
    """
    from helpers import plots

    figure = plots.curves(
        sizes,
        {"pieces": costs},
        title="A few hundred merges save most of the tokens",
        xlabel="size of the vocabulary",
        ylabel="tokens a sentence",
        log_x=True,
    )
    ax = figure.axes[0]
    for text in list(ax.texts):
        text.remove()  # the line is named below
    ax.plot([sizes[-1], words[0]], [costs[-1], words[1]], linestyle=":", color=plots.BLUE)
    ax.plot([sizes[0]], [costs[0]], "s", color=plots.VERMILION, markersize=8)
    ax.plot([words[0]], [words[1]], "D", color=plots.GREEN, markersize=8)
    ticks = [256, 512, 1024, 2256, 10_000, 40_000]
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    ax.minorticks_off()
    ax.set(ylim=(0, 1.12 * max(costs)), xlim=(200, 1.9 * words[0]))
    ax.annotate("bytes", (sizes[0], costs[0]), (10, 2), textcoords="offset points")
    ax.annotate("pieces", (sizes[-1], costs[-1]), (-6, 12), textcoords="offset points", ha="center")
    ax.annotate("words", (words[0], words[1]), (0, 10), textcoords="offset points", ha="center")
    return figure


def draw_languages(costs: Mapping[str, Mapping[str, int]]) -> Figure:
    """Draw what one sentence costs in each language: a bar for each vocabulary.

    Parameters
    ----------
    costs
        Tokens by language, for each vocabulary by its name.
    """
    import numpy as np

    from helpers import plots

    languages = list(next(iter(costs.values())))
    rows = np.arange(len(languages))
    figure, axes = plots.panels(width=7.6, height=1.2 + 0.5 * len(languages))
    ax = axes[0, 0]
    thick = 0.8 / len(costs)
    for place, (vocabulary, by_language) in enumerate(costs.items()):
        colour = (plots.GREY, plots.BLUE, plots.ORANGE)[place % 3]
        where = rows + (place - (len(costs) - 1) / 2) * thick
        bars = ax.barh(where, [by_language[one] for one in languages], 0.92 * thick, color=colour, label=vocabulary)
        ax.bar_label(bars, padding=3, fontsize=9)
    ax.set_yticks(rows, languages)
    ax.invert_yaxis()
    ax.margins(x=0.1)
    ax.set(title="The same sentence does not cost the same in every language", xlabel="tokens")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure
