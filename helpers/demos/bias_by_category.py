"""How often the more stereotypical sentence wins, by category: a table, and a picture with published models beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from helpers.crows_pairs import PUBLISHED, Share

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# CrowS-Pairs' names of the categories, as they are written in a picture.
NAMES = {
    "all": "all pairs",
    "race-color": "race",
    "gender": "gender",
    "socioeconomic": "income, profession",
    "nationality": "nationality",
    "religion": "religion",
    "age": "age",
    "sexual-orientation": "sexual orientation",
    "physical-appearance": "looks",
    "disability": "disability",
}


def table_of_shares(shares: Mapping[str, Share]) -> str:
    """A line for each category: pairs, percent, the 95% interval, and what three published models have there."""
    head = f"{'':>20} {'pairs':>6} {'percent':>8} {'95% interval':>14}"
    lines = [head + "".join(f" {model:>15}" for model in PUBLISHED)]
    for category, share in shares.items():
        published = "".join(f" {percents.get(category, '-'):>15}" for percents in PUBLISHED.values())
        interval = f"{share.low:.0f} to {share.high:.0f}"
        name = NAMES.get(category, category)
        lines.append(f"{name:>20} {share.pairs:>6,} {share.percent:>8.1f} {interval:>14}{published}")
    return "\n".join(lines)


def draw_shares(shares: Mapping[str, Share], *, model: str, pairs: str) -> Figure:
    """A row for each category: a dot with its 95% interval, and the dots of the three published models.

    Parameters
    ----------
    shares
        From `stereotype_shares`.
    model
        A name for the model that was measured.
    pairs
        What it was measured on, such as "90 pairs of this course".
    """
    from helpers import plots

    rows = list(shares)
    figure, axes = plots.panels(width=9.6, height=1.5 + 0.42 * len(rows))
    ax = axes[0, 0]
    for name, marker, colour in zip(PUBLISHED, "sD^", (plots.ORANGE, plots.GREEN, plots.PURPLE), strict=True):
        places = [(PUBLISHED[name][category], row) for row, category in enumerate(rows) if category in PUBLISHED[name]]
        if places:
            label = f"{name}, on CrowS-Pairs"
            ax.plot(*zip(*places, strict=True), marker, color=colour, markersize=7, label=label)
    for row, share in enumerate(shares.values()):
        ax.plot([share.low, share.high], [row, row], color=plots.BLUE, linewidth=2)
    percents = [share.percent for share in shares.values()]
    ax.plot(percents, range(len(rows)), "o", color=plots.BLUE, markersize=9, label=f"{model}, on {pairs}")
    ax.axvline(50, color=plots.BLACK, linewidth=1, linestyle="--", label="a coin")
    ax.set_yticks(range(len(rows)), [f"{NAMES.get(c, c)} ({shares[c].pairs:,})" for c in rows])
    ax.set(
        title="Dots with their 95% intervals: few pairs, wide intervals",
        xlabel="pairs in which the more stereotypical sentence scores higher (%)",
        xlim=(min([20.0, *(share.low - 2 for share in shares.values())]), 100),
    )
    ax.invert_yaxis()
    ax.grid(axis="x")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure
