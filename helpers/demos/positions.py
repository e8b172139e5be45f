"""Where a word stands: pictures of what attention cannot tell, and of the sines and cosines that tell it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from ipywidgets import Widget
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CLOCKS = 8
_MOST_STEPS = 16


def draw_two_orders(first: torch.Tensor, second: torch.Tensor, words: Sequence[str], orders: Sequence[str]) -> Figure:
    """Each word's vector in two orders of the same words, one right below the other, and how far the two are apart.

    Parameters
    ----------
    first, second
        The words' vectors, both (t, k), row by row of the same word.
    words
        The words, in the order of the rows.
    orders
        The two texts.
    """
    import torch

    from helpers import plots

    pairs = torch.stack([first.detach(), second.detach()], dim=1)  # (t, 2, k)
    largest = float(pairs.abs().max())
    figure, axes = plots.panels(len(words), 1, width=8.0, height=0.4 + 0.85 * len(words), sharex=True)
    for axis, word, pair in zip(axes[:, 0], words, pairs, strict=True):
        image = axis.imshow(pair, aspect="auto", interpolation="none", vmin=-largest, vmax=largest)
        axis.axhline(0.5, color="white", linewidth=2)  # or two equal rows would look like one
        axis.set_yticks((0, 1), [f"in “{order}”" for order in orders], parse_math=False)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        axis.set_title(f"{word}: {float((pair[0] - pair[1]).norm()):.2f} apart", parse_math=False)
    axes[-1, 0].set_xlabel("place in the vector")
    figure.colorbar(image, ax=axes[:, 0].tolist(), label="number", aspect=30)
    return figure


def draw_smooth_counters(bits: int = 4) -> Figure:
    """Each bit of a binary counter, and the sine and cosine that go round in the same time."""
    from helpers import plots

    steps = np.arange(2**bits)
    fine = np.linspace(0, 2**bits - 1, 400)
    figure, axes = plots.panels(bits, 1, width=7.5, height=1.35 * bits + 0.6, sharex=True)
    for bit, panel in enumerate(axes[:, 0]):
        period = 2 ** (bit + 1)
        angle = 2 * np.pi * fine / period
        panel.step(steps, steps >> bit & 1, where="post", color="0.65", label="bit")
        panel.plot(fine, np.sin(angle), color=plots.BLUE, label="sine")
        panel.plot(fine, np.cos(angle), color=plots.VERMILION, linestyle="--", label="cosine")
        panel.set(ylabel=f"every {period}", ylim=(-1.2, 1.2), yticks=(-1, 0, 1))
    axes[0, 0].set_title("Each counter runs at half the speed of the one above")
    axes[0, 0].legend(loc="lower left", bbox_to_anchor=(1.0, 0.0))
    axes[-1, 0].set_xlabel("position")
    return figure


def draw_periods(embed_dim: int) -> Figure:
    """How many positions each clock of a model of that width takes to go once round (Vaswani et al. 2017)."""
    from helpers import plots

    clocks = np.arange((embed_dim + 1) // 2)
    return plots.curves(
        clocks,
        {"once round": 2 * np.pi * 10000 ** (2 * clocks / embed_dim)},
        title="From six words to tens of thousands",
        xlabel="clock i",
        ylabel="words for one turn",
        log_y=True,
    )


def turn_of(pair: np.ndarray) -> float:
    """The angle, clockwise from noon, of a hand whose tip lies (sine, cosine) to the right of and above the middle."""
    sine, cosine = pair
    return float(np.arctan2(sine, cosine) % (2 * np.pi))


def draw_position(encoding: torch.Tensor, position: int, steps: int) -> Figure:
    """A position and the one `steps` further on: as hands of clocks, and beside all others by their dot products.

    Parameters
    ----------
    encoding
        Of the positions 0, 1, 2 ...: (t, k), sine in even places and cosine in odd.
    position, steps
        Which two positions are drawn: `position` and `position + steps`.

    Raises
    ------
    ValueError
        The encoding has no such position.
    """
    from helpers import plots

    table, other = _table(encoding, position, steps)
    figure, axes = plots.panels(2, 1, width=9, height=4.6, height_ratios=(3, 4))
    figure.set_layout_engine("none")  # to find room for what is known to fit would double the time to draw
    clocks, curve = axes[:, 0]
    clocks.set_position((0.02, 0.56, 0.96, 0.38))
    curve.set_position((0.08, 0.12, 0.9, 0.33))
    _draw_clocks(clocks, table, position, other)
    clocks.set_title(f"Positions {position} and {other} as hands of clocks")

    similarity = table @ table[position]
    curve.plot(similarity, color="0.5", zorder=1)
    for place, colour in ((position, plots.BLUE), (other, plots.VERMILION)):
        curve.plot(place, similarity[place], "o", markersize=8, color=colour, label=f"position {place}")
    curve.set(title=f"Dot product of position {position} with every position", xlabel="position", ylabel="dot product")
    clocks.legend(*curve.get_legend_handles_labels(), loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    return figure


def describe_position(encoding: torch.Tensor, position: int, steps: int) -> str:
    """The same in words, for readers who cannot see the picture."""
    table, other = _table(encoding, position, steps)
    pairs = [table[:, 2 * clock : 2 * clock + 2] for clock in range(min(_CLOCKS, table.shape[1] // 2))]
    turned = [(turn_of(pair[other]) - turn_of(pair[position])) % (2 * np.pi) for pair in pairs]
    degrees = ", ".join(str(round(np.degrees(angle)) % 360) for angle in turned)
    similarity = table @ table[position]
    return (
        f"From position {position} to position {other} the hands of the first {len(pairs)} clocks turn by {degrees} "
        f"degrees. Dot product of position {position} with itself: {similarity[position]:.2f}; with position {other}: "
        f"{similarity[other]:.2f}."
    )


def position_picker(encoding: torch.Tensor) -> Widget:
    """Sliders for a position and a number of steps, around `draw_position`."""
    import ipywidgets as widgets

    from helpers.demos.parts.demo_box import demo_box
    from helpers.demos.parts.picture import picture

    def slider(description: str, value: int, most: int) -> widgets.IntSlider:
        options = {"continuous_update": False, "style": {"description_width": "5em"}}  # the same: equal lengths
        return widgets.IntSlider(min(value, most), 0, most, description=description, **options)

    most_steps = min(_MOST_STEPS, len(encoding) // 2)
    position = slider("position", 10, len(encoding) - 1 - most_steps)
    steps = slider("steps on", 5, most_steps)
    shown = widgets.HTML()

    def redraw(_: object = None) -> None:
        chosen = (encoding, position.value, steps.value)
        shown.value = picture(draw_position(*chosen), describe_position(*chosen), tight=False)

    for control in (position, steps):
        control.observe(redraw, names="value")
    redraw()
    return demo_box([widgets.HBox([position, steps]), shown], "two positions as hands of clocks")


def _table(encoding: torch.Tensor, position: int, steps: int) -> tuple[np.ndarray, int]:
    """The encoding as an array, and the second position."""
    other = position + steps
    if not (0 <= position < len(encoding) and 0 <= other < len(encoding)):
        raise ValueError(
            f"The encoding has positions 0 to {len(encoding) - 1}; there is no position {position} "
            f"with another one {steps} steps on, {other}."
        )
    return encoding.detach().cpu().double().numpy(), other


def _draw_clocks(ax: Axes, table: np.ndarray, position: int, other: int) -> None:
    """A clock for each of the first pairs of columns, with the hands of both positions."""
    from matplotlib.collections import LineCollection

    from helpers import plots

    pairs = table[:, : 2 * min(_CLOCKS, table.shape[1] // 2)].reshape(len(table), -1, 2)  # (t, clocks, 2)
    middles = np.stack([3.0 * np.arange(pairs.shape[1]), np.zeros(pairs.shape[1])], axis=1)
    angle = np.linspace(0, 2 * np.pi, 60)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    ax.add_collection(LineCollection(list(middles[:, None] + circle), colors=plots.GREY))
    for place, colour, width in ((other, plots.VERMILION, 3.5), (position, plots.BLUE, 2.0)):
        hands = np.stack([middles, middles + pairs[place]], axis=1)  # from the middle to the tip
        ax.add_collection(LineCollection(list(hands), colors=colour, linewidths=width, capstyle="round"))
    for (across, _), pair in zip(middles, pairs.transpose(1, 0, 2), strict=True):
        turn = turn_of(pair[1]) if len(pair) > 1 else 0.0
        period = f"{2 * np.pi / turn:.3g}" if turn else "?"
        ax.text(across, -1.25, f"once round\nin {period}", ha="center", va="top", fontsize=9)
    ax.set(xlim=(-1.5, 3.0 * _CLOCKS - 1.5), ylim=(-2.1, 1.1), aspect="equal", xticks=[], yticks=[])
    ax.set_axis_off()
