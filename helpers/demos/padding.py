"""What padding costs: places in the batches that hold no word, under three ways of putting batches together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from helpers.batches import Batch


def places(lengths: Sequence[int], batches: Iterable[Batch], fixed: int = 512) -> dict[str, int]:
    """How many places a model works through in one epoch, by how texts are padded.

    Parameters
    ----------
    lengths
        Tokens of each text, in the order in which the texts stand in the data.
    batches
        The same texts as a loader gives them.
    fixed
        The length that everything is padded to in the most wasteful way.

    Returns
    -------
    dict
        From the least to the most: no padding at all; batches padded to their own longest text, of texts that are
        sorted by length and of texts in the data's own order; all padded to `fixed`.
    """
    sizes = [batch.token_ids.shape for batch in batches]
    batch_size = max(b for b, _ in sizes)
    as_they_come = [lengths[start : start + batch_size] for start in range(0, len(lengths), batch_size)]
    return {
        "words alone": sum(lengths),
        "to their own longest, sorted": sum(b * t for b, t in sizes),
        "to their own longest, as they come": sum(len(batch) * max(batch) for batch in as_they_come),
        f"to {fixed}": len(lengths) * fixed,
    }


def draw_padding(lengths: Sequence[int], batches: Iterable[Batch], fixed: int = 512) -> Figure:
    """How long the texts are, and what `places` counts."""
    from helpers import plots

    counted = places(lengths, batches, fixed)
    figure, axes = plots.panels(1, 2, width=10.5, height=3.2)
    histogram, cost = axes[0]
    # One bin a length: the texts that were cut all stand in the last one, and should be seen there.
    histogram.hist(lengths, bins=np.arange(0.5, max(lengths) + 1), color=plots.BLUE)
    histogram.set(title="Most texts are short", xlabel="tokens in the text", ylabel="texts")
    millions = [count / 1e6 for count in counted.values()]
    plots.bars(
        list(counted), millions, title="What the model works through", xlabel="million places in an epoch", ax=cost
    )
    return figure
