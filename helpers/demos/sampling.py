"""How the next token is chosen: what temperature, top-k and top-p cut off, and what is written then."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from ipywidgets import Widget
    from matplotlib.figure import Figure

_SHOWN = 15
_MOST_K = 100


def draw_kept(
    logits: torch.Tensor, names: Callable[[list[int]], Sequence[str]], kinds: Mapping[str, torch.Tensor]
) -> Figure:
    """The likeliest tokens, a panel for each way to cut off: blue is what is drawn from, grey what is cut off.

    Parameters
    ----------
    logits
        What the model said, (v,).
    names
        Gives what tokens read, by their ids.
    kinds
        What each way makes of the logits, by its name: (v,), minus infinity where a token is cut off.
    """
    from matplotlib.patches import Patch

    from helpers import plots

    likeliest = logits.argsort(descending=True)[:_SHOWN]
    places = np.arange(len(likeliest))
    before = logits.softmax(-1)[likeliest].numpy()
    # A panel alone has room for its title, which names every setting.
    size = {"width": max(5.5, 1.4 + 2.5 * len(kinds)), "height": 1.1 + 0.26 * len(likeliest)}
    figure, axes = plots.panels(1, len(kinds), sharey=True, sharex=True, **size)
    for axis, (name, kept) in zip(axes[0], kinds.items(), strict=True):
        stays = kept[likeliest].isfinite().numpy()
        axis.barh(places[~stays], before[~stays], color=plots.GREY)
        axis.barh(places[stays], kept.softmax(-1)[likeliest].numpy()[stays], color=plots.BLUE)
        said = axis.vlines(
            before, places - 0.4, places + 0.4, color=plots.BLACK, linewidth=1.2, label="as the model said"
        )
        axis.set_title(f"{name}\n{describe_kept(kept)}", parse_math=False)
        axis.set_xlabel("probability")
    axes[0, 0].set_yticks(places, [name.replace(" ", "␣") for name in names(likeliest.tolist())], parse_math=False)
    axes[0, 0].invert_yaxis()
    axes[0, 0].set_xlim(left=0)
    # Not from the bars: where nothing is cut off, there is none to take the colour from.
    keys = [Patch(color=plots.GREY, label="cut off"), Patch(color=plots.BLUE, label="drawn from")]
    axes[0, -1].legend(handles=[*keys, said], loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def describe_kept(kept: torch.Tensor) -> str:
    """Say how many of v tokens are left."""
    count = int(kept.isfinite().sum())
    return f"{count:,} token{'s stay' if count > 1 else ' stays'}"


def sampling_demo(
    write: Callable[..., str],
    logits_after: Callable[[str], torch.Tensor],
    keep: Callable[..., torch.Tensor],
    names: Callable[[list[int]], Sequence[str]],
    start: str = "The princess went down to the",
) -> Widget:
    """Sliders for temperature, top-k and top-p around `draw_kept` and the text that comes out.

    Parameters
    ----------
    write
        `write(text, seed, temperature=…, k=…, p=…)` continues a text.
    logits_after
        Gives the logits (v,) of what follows a text.
    keep
        `keep(logits, temperature=…, k=…, p=…)` gives logits (v,), minus infinity where a token is cut off.
    names
        As in `draw_kept`.
    start
        What stands in the box at first, and where nothing is typed.
    """
    import ipywidgets as widgets

    from helpers.demos.parts.demo_box import demo_box
    from helpers.demos.parts.picture import picture

    looks = {"continuous_update": False, "style": {"description_width": "7em"}, "layout": {"width": "26em"}}
    controls = {
        "temperature": widgets.FloatSlider(1.0, min=0.1, max=2.0, step=0.1, description="temperature", **looks),
        "k": widgets.IntSlider(_MOST_K, min=1, max=_MOST_K, description="top-k", **looks),
        "p": widgets.FloatSlider(0.9, min=0.0, max=1.0, step=0.05, description="top-p", **looks),
    }
    seed = widgets.IntSlider(1, min=1, max=20, description="seed", **looks)
    box = widgets.Text(value=start, description="begins with", continuous_update=False)
    written, shown = widgets.HTML(), widgets.HTML()

    def redraw(_: object = None) -> None:
        text = box.value.strip() or start
        settings = {name: control.value for name, control in controls.items()}
        logits = logits_after(text)
        kept = keep(logits, **settings)
        setting = ", ".join(f"{control.description} {control.value:.3g}" for control in controls.values())
        told = f"Of {len(logits):,} that may follow “{text[-30:]}”, {describe_kept(kept)}, with {setting}."
        shown.value = picture(draw_kept(logits, names, {setting: kept}), told, tight=False)
        written.value = f'<p style="white-space: pre-wrap">{html.escape(write(text, seed.value, **settings))}</p>'

    for control in (*controls.values(), seed, box):
        control.observe(redraw, names="value")
    redraw()
    return demo_box([box, *controls.values(), seed, written, shown], "what is cut off, and what is written")
