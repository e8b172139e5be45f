"""What reading and writing cost: multiplications counted, with and without a key-value cache, and seconds measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipywidgets import Widget
    from matplotlib.figure import Figure

READ = (8, 16, 32, 64, 128, 256, 512, 1024)  # for the sliders: words read, words written, width
WRITTEN = (8, 16, 32, 64, 128, 256, 512, 1024)
WIDTHS = (32, 64, 128, 256, 512, 1024, 2048)
_POINTS = 24


def reading(n: int, k: int) -> int:
    """Multiplications for one encoder block to read n words of width k.

    Four projections and an MLP of hidden width 2 k for each word; scores and averages for each pair of words.
    """
    return 8 * n * k**2 + 2 * n**2 * k


def whole_pass(n: int, m: int, k: int) -> int:
    """Multiplications for one decoder block to go through m words at once, with a memory of n words (or none: 0).

    The squares of the attention are counted whole, as torch computes them: the half that the causal mask throws away
    is multiplied all the same.
    """
    across = 2 * m * k**2 + 2 * n * k**2 + 2 * m * n * k if n else 0
    return 8 * m * k**2 + 2 * m**2 * k + across


def cached_step(n: int, i: int, k: int) -> int:
    """Multiplications for one decoder block to take in word i (the first is 1), all earlier keys and values kept.

    Those of the memory are made once, before the first word, and not counted here: `2 * n * k**2`.
    """
    across = 2 * k**2 + 2 * n * k if n else 0
    return 8 * k**2 + 2 * i * k + across


def writing(n: int, m: int, k: int, cached: bool) -> int:
    """Multiplications for one decoder block to write m words one at a time, with a memory of n words (or none: 0)."""
    if cached:
        return 2 * n * k**2 + sum(cached_step(n, i, k) for i in range(1, m + 1))
    return sum(whole_pass(n, i, k) for i in range(1, m + 1))


def draw_cost(n: int, m: int, k: int) -> Figure:
    """What each of m words costs on the left, and what everything costs on the right."""
    from matplotlib.ticker import FuncFormatter

    from helpers import plots

    figure, axes = plots.panels(1, 2, width=11.0, height=3.6, width_ratios=[3, 2])
    # Room is made once and for all: to find it anew at each move of a slider would double the time to draw.
    figure.set_layout_engine("none")
    axes[0, 0].set_position((0.12, 0.17, 0.35, 0.73))
    axes[0, 1].set_position((0.74, 0.17, 0.23, 0.73))
    places = sorted({1 + round((m - 1) * i / (_POINTS - 1)) for i in range(_POINTS)})
    plots.curves(
        places,
        {
            "no cache": [whole_pass(n, i, k) for i in places],
            "cache": [cached_step(n, i, k) for i in places],
        },
        title="The cost of each word",
        xlabel="number of the word that is written",
        ylabel="multiplications",
        ax=axes[0, 0],
    )
    axes[0, 0].set_ylim(bottom=0)
    axes[0, 0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: in_words(round(value))))
    totals = {
        f"read {n} words": reading(n, k),
        f"write {m}, no cache": writing(n, m, k, cached=False),
        f"write {m}, cache": writing(n, m, k, cached=True),
    }
    axis = axes[0, 1]
    drawn = axis.barh(list(totals), list(totals.values()), color=[plots.GREEN, plots.BLUE, plots.VERMILION])
    axis.bar_label(drawn, labels=[in_words(value) for value in totals.values()], padding=3)
    axis.invert_yaxis()
    axis.set(title="The cost of it all", xlabel="multiplications", xlim=(0, 1.7 * max(totals.values())), xticks=[0])
    return figure


def describe_cost(n: int, m: int, k: int) -> str:
    """Say in words what `draw_cost` shows."""
    without, kept = (writing(n, m, k, cached=cached) for cached in (False, True))
    return (
        f"Reading {n} words of width {k} takes {in_words(reading(n, k))} multiplications. Writing {m} words takes "
        f"{in_words(without)} without a cache and {in_words(kept)} with one: {without / kept:.0f} times fewer."
    )


def in_words(number: int) -> str:
    """Write a large number with two digits: "530 million"."""
    for size, name in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (10**3, "thousand")):
        if number >= size:
            return f"{float(f'{number / size:.2g}'):g} {name}"
    return str(number)


def cost_demo() -> Widget:
    """Three sliders, for the words read, the words written and the width, around `draw_cost`."""
    import ipywidgets as widgets

    from helpers.demos.parts.demo_box import demo_box
    from helpers.demos.parts.picture import picture

    def slider(options: Sequence[int], value: int, description: str) -> widgets.SelectionSlider:
        return widgets.SelectionSlider(
            options=options,
            value=value,
            description=description,
            continuous_update=False,
            style={"description_width": "9em"},  # the same for all, or each slider would have a length of its own
            layout={"width": "26em"},
        )

    sliders = [
        slider(READ, 64, "words read, n"),
        slider(WRITTEN, 64, "words written, m"),
        slider(WIDTHS, 128, "width, k"),
    ]
    said, shown = widgets.HTML(), widgets.HTML()

    def redraw(_: object = None) -> None:
        sizes = [control.value for control in sliders]
        said.value = describe_cost(*sizes)
        shown.value = picture(draw_cost(*sizes), describe_cost(*sizes), tight=False)

    for control in sliders:
        control.observe(redraw, names="value")
    redraw()
    return demo_box([*sliders, said, shown], "what reading and writing cost")


def seconds_per_word(
    makers: Mapping[str, Callable[[int], Callable[[], object]]], lengths: Sequence[int], repeats: int = 8
) -> dict[str, list[float]]:
    """Seconds to write one more word after so many: the fastest of several runs, which others disturbed least.

    Parameters
    ----------
    makers
        By name: given a length, makes ready, untimed, and returns what is to be timed.
    lengths
        How many words stand there already, one measurement each.
    repeats
        Runs of each at each length, after one that is not counted; by turns, so that what disturbs one meets all.

    Returns
    -------
    dict
        Name -> seconds, one for each length.
    """
    seconds: dict[str, list[float]] = {name: [] for name in makers}
    for length in lengths:
        runs = {name: make(length) for name, make in makers.items()}
        fastest = dict.fromkeys(runs, float("inf"))
        for count in range(repeats + 1):
            for name, run in runs.items():
                start = time.perf_counter()
                run()
                if count:
                    fastest[name] = min(fastest[name], time.perf_counter() - start)
        for name, value in fastest.items():
            seconds[name].append(value)
    return seconds


def draw_seconds(lengths: Sequence[int], seconds: Mapping[str, Sequence[float]]) -> Figure:
    """Milliseconds per character against the characters that stand there already; the first line is the slow one."""
    from helpers import plots

    slow, fast = (values[-1] for values in seconds.values())
    return plots.curves(
        lengths,
        {name: [1000 * value for value in values] for name, values in seconds.items()},
        title=f"After {lengths[-1]:,} characters the cache makes the next one {slow / fast:.0f} times faster",
        xlabel="characters that are written already",
        ylabel="milliseconds for one more",
        log_x=True,
    )
