"""Step through a translation: at each character, where the model looks and what it might write."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.date_batches import CHARACTERS, END, make_batch
from helpers.dates import Line, split_words

if TYPE_CHECKING:
    import torch
    from ipywidgets import Widget
    from matplotlib.figure import Figure

_MOST_SHOWN = 5  # characters that might come next
_SPACE = "␣"


@dataclass(frozen=True)
class Decoding:
    """A line, and how a model with attention wrote its dates.

    Attributes
    ----------
    words
        What was read, (tk,).
    written
        The characters, (tq,), a space shown as "␣"; the last one is ``<end>`` unless the model never came to it.
    probabilities
        Of each character at each step, (tq, characters).
    weights
        Where the model looked at each step, (tq, tk): each row sums to 1.
    """

    words: list[str]
    written: list[str]
    probabilities: np.ndarray
    weights: np.ndarray

    def so_far(self, step: int) -> str:
        """What stands there before a step."""
        return "".join(self.written[:step]).replace(_SPACE, " ")


def decode_line(model: torch.nn.Module, text: str, device: torch.device | str = "cpu") -> Decoding:
    """Let a model write the dates of a line, and keep where it looked.

    Parameters
    ----------
    model
        Called as ``model(words, mask)``; gives logits (b, tq, characters), and keeps ``weights`` (b, tq, tk).
    text
        One line of the diary.
    device
        Where the model is.

    Raises
    ------
    ValueError
        The line is empty, or has words that the diary never uses; or the model has no attention.
    """
    import torch

    batch = make_batch([Line(text, "")]).to(device)
    with torch.no_grad():
        logits = model(batch.words, batch.mask)[0]  # (tq, characters)
    looked_at = getattr(model, "weights", None)
    if looked_at is None:
        raise ValueError("This model has no attention, so there is nothing to see: hand over the one that has.")
    ids = logits.argmax(dim=-1).tolist()
    steps = ids.index(END) + 1 if END in ids else len(ids)
    return Decoding(
        split_words(text),
        [CHARACTERS[number].replace(" ", _SPACE) for number in ids[:steps]],
        logits[:steps].softmax(dim=-1).cpu().numpy(),
        looked_at[0, :steps].cpu().numpy(),
    )


def draw_alignment(decoding: Decoding, title: str) -> Figure:
    """Draw where the model looked: a row for each character that it wrote, a column for each word that it read."""
    from helpers import plots

    rows = len(decoding.written) - (decoding.written[-1] == CHARACTERS[END])
    return plots.heatmap(
        decoding.weights[:rows],
        decoding.written[:rows],
        decoding.words,
        title=title,
        xlabel="read",
        ylabel="written",
        colour_label="weight",
        annotate=False,
        vmin=0,
        vmax=1,
    )


def draw_step(decoding: Decoding, step: int) -> Figure:
    """Draw one step: the weight of each word that was read, and the likeliest next characters.

    Parameters
    ----------
    decoding
        From `decode_line`.
    step
        Which character is being written, from 0.

    Raises
    ------
    ValueError
        There is no such step.
    """
    from helpers import plots

    numbers, names = _likeliest(decoding, step)
    figure, axes = plots.panels(1, 2, width=10.5, height=3.3)
    figure.set_layout_engine("none")  # to find room for what is known to fit would double the time to draw
    left, right = axes[0]
    left.set_position((0.06, 0.33, 0.69, 0.55))
    right.set_position((0.81, 0.33, 0.18, 0.55))
    places = np.arange(len(decoding.words))
    left.bar(places, decoding.weights[step], color=plots.VERMILION)
    size = min(10.0, 500 / len(places))
    below = {"rotation": 90, "ha": "center", "va": "top", "fontsize": size, "parse_math": False}
    for place, word in enumerate(decoding.words):  # plain text: ticks take three times as long to draw
        left.text(place, -0.03, word, **below)
    left.set(xticks=[], yticks=(0, 0.5, 1))
    left.set(title=f"Written so far: “{decoding.so_far(step)}”. Now it looks at:", ylabel="weight", ylim=(0, 1))
    left.set_xlim(-0.7, len(places) - 0.3)
    plots.bars(names, numbers, title="and writes:", xlabel="probability", ax=right, colour=plots.GREEN, xlim=(0, 1.35))
    return figure


def describe_step(decoding: Decoding, step: int) -> str:
    """The same in words, for readers who cannot see the picture."""
    numbers, names = _likeliest(decoding, step)
    order = decoding.weights[step].argsort()[::-1][:3]
    looks = ", ".join(
        f"“{decoding.words[place]}” (word {place + 1}) {decoding.weights[step, place]:.2f}" for place in order
    )
    return (
        f"Step {step + 1} of {len(decoding.written)}. Written so far: “{decoding.so_far(step)}”. "
        f"Most weight: {looks}. It writes “{names[0]}”, with probability {numbers[0]:.2f}."
    )


def decoding_player(model: torch.nn.Module, examples: Sequence[str], device: torch.device | str = "cpu") -> Widget:
    """A line to be chosen or typed, a button that plays and a slider that steps, around `draw_step`.

    Parameters
    ----------
    model, device
        As `decode_line` takes them.
    examples
        Lines to choose from; the first one is shown at once.
    """
    import ipywidgets as widgets

    from helpers.demos.parts.demo_box import demo_box
    from helpers.demos.parts.picture import picture

    wide = {"width": "auto", "max_width": "60em"}
    named = {"description_width": "initial"}
    menu = widgets.Dropdown(options=list(examples), description="Choose a line", layout=wide, style=named)
    box = widgets.Text(examples[0], description="or type one", continuous_update=False, layout=wide, style=named)
    play = widgets.Play(interval=900, description="play")
    slider = widgets.IntSlider(0, 0, 1, description="step", continuous_update=False, style=named)
    widgets.jslink((play, "value"), (slider, "value"))
    shown = widgets.HTML()
    decoded: list[Decoding] = []

    def redraw(_: object = None) -> None:
        if decoded:
            alt = describe_step(decoded[0], slider.value)
            image = picture(draw_step(decoded[0], slider.value), alt, tight=False)
            shown.value = f'{image}<p style="max-width: 60em">{alt}</p>'

    def read(_: object = None) -> None:
        try:
            decoded[:] = [decode_line(model, box.value, device)]
        except ValueError as error:
            decoded.clear()
            shown.value = f"<p>{html.escape(str(error))}</p>"
            return
        play.max = slider.max = len(decoded[0].written) - 1
        play.value = 0
        if slider.value:
            slider.value = 0  # which redraws
        else:
            redraw()

    def choose(change: dict[str, str]) -> None:
        box.value = change["new"]

    menu.observe(choose, "value")
    box.observe(read, "value")
    slider.observe(redraw, "value")
    read()
    return demo_box([menu, box, widgets.HBox([play, slider]), shown], "step through a translation")


def _likeliest(decoding: Decoding, step: int) -> tuple[np.ndarray, list[str]]:
    """The probabilities of the likeliest characters at a step, and the characters."""
    if not 0 <= step < len(decoding.written):
        raise ValueError(f"There is no step {step}: this line has the steps 0 to {len(decoding.written) - 1}.")
    order = decoding.probabilities[step].argsort()[::-1][:_MOST_SHOWN]
    return decoding.probabilities[step, order], [CHARACTERS[number].replace(" ", _SPACE) for number in order]
