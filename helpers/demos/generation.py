"""Text that a character model writes: temperature, and how many of its words exist."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from ipywidgets import Widget
    from matplotlib.figure import Figure

_SHOWN = 10
_SIGNS = {" ": "␣", "\n": "↵"}
_SPOKEN = {" ": "the space", "\n": "the end of the line"}


def names(characters: Iterable[str]) -> list[str]:
    """Return what stands for each character in a picture: ␣ for a space, ↵ for the end of a line."""
    return [_SIGNS.get(character, character) for character in characters]


def split_words(text: str) -> list[str]:
    """Return the words of a text: letters, with apostrophes inside."""
    return re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text.lower())


def share_of_known_words(text: str, known: Collection[str]) -> float:
    """Return the share of a text's words that are among the known ones, from 0 to 1.

    Raises
    ------
    ValueError
        There is no word in the text.
    """
    words = split_words(text)
    if not words:
        raise ValueError(f"There is no word in {text!r}.")
    return sum(word in known for word in words) / len(words)


def temper(logits: torch.Tensor, temperature: float) -> np.ndarray:
    """Divide logits (v,) by the temperature, and return their softmax, (v,).

    Raises
    ------
    ValueError
        The temperature is not above 0.
    """
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0 (close to 0, the likeliest always wins).")
    return (logits.detach().double().cpu() / temperature).softmax(-1).numpy()


def draw_temperatures(
    logits: torch.Tensor, characters: Sequence[str], temperatures: Sequence[float], start: str
) -> Figure:
    """The likeliest next characters, a panel for each temperature, in one order.

    Parameters
    ----------
    logits
        Of the next character, (v,).
    characters
        The model's characters, v of them.
    temperatures
        One panel each.
    start
        The text that is to be continued, for the title.
    """
    from helpers import plots

    likeliest = logits.argsort(descending=True)[:_SHOWN].tolist()
    labels = names(characters[place] for place in likeliest)
    count = len(temperatures)
    figure, axes = plots.panels(1, count, width=1.6 + 2.7 * count, height=3.6, sharey=True)
    for axis, temperature in zip(axes[0], temperatures, strict=True):
        axis.barh(range(len(labels)), temper(logits, temperature)[likeliest], color=plots.BLUE)
        axis.set(title=f"temperature {temperature:g}", xlabel="probability", xlim=(0, 1))
    axes[0, 0].set_yticks(range(len(labels)), labels, parse_math=False)
    axes[0, 0].invert_yaxis()
    figure.suptitle(f"What follows “{start}”?", parse_math=False)
    return figure


def describe_temperature(logits: torch.Tensor, characters: Sequence[str], temperature: float, start: str) -> str:
    """Say in words what a panel of `draw_temperatures` shows."""
    shares = temper(logits, temperature)
    best = int(shares.argmax())
    name = _SPOKEN.get(characters[best], f"“{characters[best]}”")
    return (
        f"At temperature {temperature:g}, the likeliest character after “{start}” is {name}, with {shares[best]:.0%}."
    )


def temperature_demo(
    write: Callable[[str, float], str],
    logits_after: Callable[[str], torch.Tensor],
    characters: Sequence[str],
    known: Collection[str],
    start: str = "the film is ",
) -> Widget:
    """A slider for the temperature and a box for the beginning, around `draw_temperatures` and the model's own text.

    Parameters
    ----------
    write
        Continues a text at a temperature.
    logits_after
        Gives the logits (v,) of the character after a text.
    characters
        The model's characters; others in the box are left out, and the demo says so.
    known
        Words that exist: others are underlined.
    start
        What stands in the box at first.
    """
    import ipywidgets as widgets

    from helpers.demos.parts.demo_box import demo_box
    from helpers.demos.parts.picture import picture

    slider = widgets.FloatSlider(
        value=0.7, min=0.1, max=2.0, step=0.1, description="temperature", continuous_update=False,
        style={"description_width": "initial"},
    )  # fmt: skip
    box = widgets.Text(value=start, description="begins with", continuous_update=False)
    told, shown, written = widgets.HTML(), widgets.HTML(), widgets.HTML()

    def redraw(_: object = None) -> None:
        beginning = "".join(c for c in box.value.lower() if c in characters) or "\n"
        left_out = sorted(set(box.value.lower()) - set(characters))
        told.value = f"The model does not know {html.escape(', '.join(left_out))}." if left_out else ""
        logits = logits_after(beginning)
        figure = draw_temperatures(logits, characters, [slider.value], beginning.strip("\n"))
        alt = describe_temperature(logits, characters, slider.value, beginning.strip("\n"))
        shown.value = picture(figure, alt, tight=False)
        written.value = mark_unknown(write(beginning, slider.value), known)

    for control in (slider, box):
        control.observe(redraw, names="value")
    redraw()
    return demo_box([widgets.HBox([slider, box]), told, written, shown], "text at a temperature of your choice")


def mark_unknown(text: str, known: Collection[str]) -> str:
    """Return the text as HTML, words that are not known underlined."""

    def mark(match: re.Match[str]) -> str:
        word = html.escape(match[0])
        return word if match[0].lower() in known else f"<u>{word}</u>"

    pieces = re.split(r"([^\W\d_]+(?:'[^\W\d_]+)*)", text)
    marked = [
        mark(match) if (match := re.fullmatch(r"[^\W\d_]+(?:'[^\W\d_]+)*", piece)) else html.escape(piece)
        for piece in pieces
    ]
    shown = "".join(marked).strip()
    return f'<p style="white-space: pre-wrap">{shown}</p><p>Underlined: no word of the training text.</p>'
