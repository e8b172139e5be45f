"""CrowS-Pairs' measure in pictures: the words that a pair shares, and the difference in each of many pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.texts.bias_pairs import Pair

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_shared_words(words: Sequence[str], more: Any, less: Any, pair: Pair) -> Figure:
    """Two bars for each shared word: how surprising it is in either sentence, and the sums in the legend.

    Parameters
    ----------
    words
        The pieces that both sentences share, (n,).
    more, less
        log P of each in the sentence that says more of the stereotype, and in the other, (n,).
    pair
        The sentences.
    """
    from helpers import plots

    rows = np.arange(len(words))
    figure, axes = plots.panels(width=9.0, height=1.2 + 0.4 * len(words))
    ax = axes[0, 0]
    sides = ((pair.more, more, -0.2, plots.VERMILION), (pair.less, less, 0.2, plots.BLUE))
    for sentence, scores, offset, colour in sides:
        numbers = np.asarray([float(score) for score in scores])
        ax.barh(rows + offset, -numbers, 0.38, color=colour, label=f"{sentence}\nsum of log P: {numbers.sum():.2f}")
    ax.set_yticks(rows, words, parse_math=False)
    ax.set(title="How surprising is each shared word?", xlabel="−log P(word | all other words)")
    ax.invert_yaxis()
    ax.grid(axis="x")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def draw_differences(scores: Any) -> Figure:
    """A histogram of the pairs' differences: the more stereotypical sentence's score, less the other's.

    Parameters
    ----------
    scores
        (pairs, 2), from `crows_pairs_score`.
    """
    from helpers import plots

    differences = np.asarray(scores[:, 0] - scores[:, 1], dtype=float)
    reach = max(1.0, float(np.ceil(np.percentile(np.abs(differences), 99))))
    edges = np.linspace(-reach, reach, 25)  # an edge lies at 0
    figure, axes = plots.panels(width=7.2, height=3.0)
    ax = axes[0, 0]
    counts, _, bars = ax.hist(np.clip(differences, -reach, reach), edges)
    for left, bar in zip(edges[:-1], bars, strict=True):
        bar.set_color(plots.VERMILION if left >= -1e-9 else plots.BLUE)
    ax.axvline(0, color=plots.BLACK, linewidth=1)
    ax.set(
        title="Which sentence of each pair the model finds likelier",
        xlabel="← the less stereotypical one      the more stereotypical one →\ndifference of the two scores",
        ylabel="pairs",
        ylim=(0, 1.1 * max(counts)),
    )
    ax.yaxis.get_major_locator().set_params(integer=True)
    return figure
