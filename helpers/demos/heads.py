"""What the heads of a pretrained encoder attend to, on a sentence of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.demos.parts.typed_text import MOST_PIECES, legible, one_line

if TYPE_CHECKING:
    import torch
    from ipywidgets import Widget
    from matplotlib.figure import Figure
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_ABREAST = 4  # small maps in a row


@dataclass(frozen=True)
class HeadMaps:
    """Every attention weight of an encoder for one sentence.

    Attributes
    ----------
    pieces
        The word pieces, `[CLS]` and `[SEP]` included, (t,).
    weights
        (layers, heads, t, t): a row for each piece that looks, summing to 1.
    is_word
        False at the special tokens, (t,).
    note
        What a reader must know, such as that the text was cut; or nothing.
    """

    pieces: list[str]
    weights: torch.Tensor
    is_word: np.ndarray
    note: str = ""

    def head(self, layer: int, head: int) -> torch.Tensor:
        """The weights (t, t) of one head; layers and heads are counted from 1.

        Raises
        ------
        ValueError
            There is no such layer or head.
        """
        layers, heads = self.weights.shape[:2]
        if not (1 <= layer <= layers and 1 <= head <= heads):
            raise ValueError(f"There is no layer {layer} with a head {head}: layers 1 to {layers}, heads 1 to {heads}.")
        return self.weights[layer - 1, head - 1]


def read_sentence(text: str, tokenizer: PreTrainedTokenizerBase, encoder: PreTrainedModel) -> HeadMaps:
    """Send a sentence through an encoder and keep what its heads attend to.

    Parameters
    ----------
    text
        Any text; what comes after the first 24 word pieces is left out, and `note` says so.
    tokenizer, encoder
        From `helpers.pretrained`, the encoder with `attentions=True`.

    Raises
    ------
    ValueError
        There is nothing to read in `text`, or the encoder keeps its weights to itself.
    """
    import torch

    line, note = one_line(text, tokenizer)
    batch = tokenizer(line, return_tensors="pt", truncation=True, max_length=MOST_PIECES)
    with torch.no_grad():
        attentions = encoder(**batch.to(encoder.device)).attentions
    if not attentions:
        raise ValueError("This encoder does not hand its weights out: load it with load_encoder(attentions=True).")
    pieces = list(tokenizer.convert_ids_to_tokens(batch["input_ids"][0].tolist()))
    is_word = np.array([word is not None for word in batch.word_ids(0)])
    return HeadMaps(pieces, torch.cat(attentions).cpu(), is_word, note)


def draw_head(maps: HeadMaps, layer: int, head: int, *, words_only: bool = False) -> Figure:
    """One head's weights as a heat map.

    Parameters
    ----------
    layer, head
        Counted from 1.
    words_only
        Leave out the rows and columns of `[CLS]` and `[SEP]`, so that the colours serve the words.
    """
    from helpers import plots

    shown = maps.is_word if words_only else np.ones(len(maps.pieces), dtype=bool)
    labels = [legible(piece) for piece, show in zip(maps.pieces, shown, strict=True) if show]
    # Inches that are known beforehand, and plain text for labels: a slider must not wait for a layout and its ticks.
    side, room = max(1.6, min(0.5 * len(labels), 5.6)), 0.5 + 0.085 * max(map(len, labels))
    width, height = room + side + 1.0, 0.4 + side + room
    figure, axes = plots.panels(width=width, height=height)
    figure.set_layout_engine("none")
    ax = axes[0, 0]
    ax.set_position((room / width, room / height, side / width, side / height))
    image = ax.imshow(maps.head(layer, head).numpy()[np.ix_(shown, shown)], vmin=0, interpolation="none")
    ax.set(title=f"Layer {layer}, head {head}", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    for place, label in enumerate(labels):
        ax.text(-0.7, place, label, ha="right", va="center", fontsize=10, parse_math=False)
        ax.text(place, len(labels) - 0.3, label, rotation=90, ha="center", va="top", fontsize=10, parse_math=False)
    figure.text(0.1 / width, (room + side / 2) / height, "this piece looks …", rotation=90, va="center")
    figure.text((room + side / 2) / width, 0.1 / height, "… at this one", ha="center")
    bar = figure.add_axes(((room + side + 0.15) / width, room / height, 0.15 / width, side / height))
    figure.colorbar(image, cax=bar, label="weight")
    return figure


def draw_layer(maps: HeadMaps, layer: int) -> Figure:
    """All heads of a layer at a glance: rows look, columns are looked at, as in `draw_head`."""
    from helpers import plots

    heads, t = maps.weights.shape[1], len(maps.pieces)
    step = t + max(2, t // 5)  # a map and the gap after it
    rows = -(-heads // _ABREAST)
    # One image instead of many axes: it is drawn in a tenth of the time.
    canvas = np.full((rows * step, _ABREAST * step), np.nan)
    places = [divmod(head, _ABREAST) for head in range(heads)]
    for head, (row, column) in enumerate(places):
        top, left = row * step, column * step
        canvas[top : top + t, left : left + t] = maps.head(layer, head + 1)
    figure, axes = plots.panels(width=8.2, height=0.6 + 1.75 * rows)
    ax = axes[0, 0]
    image = ax.imshow(np.ma.masked_invalid(canvas), vmin=0, vmax=1, interpolation="none")
    for head, (row, column) in enumerate(places):
        ax.text(column * step - 0.5, row * step - 0.7, f"head {head + 1}", fontsize=10, va="bottom")
    ax.set_title(f"Layer {layer}: each head has a pattern of its own", pad=20)
    ax.set(xticks=[], yticks=[], xlabel="in each map: the pieces that are looked at", ylabel="the pieces that look")
    ax.spines[:].set_visible(False)
    figure.colorbar(image, ax=ax, label="weight", shrink=0.7)
    return figure


def describe_head(maps: HeadMaps, layer: int, head: int) -> str:
    """The strongest links of one head in a sentence, for readers who cannot see the picture."""
    weights = maps.head(layer, head).numpy()
    between_words = np.where(np.outer(maps.is_word, maps.is_word), weights, -1.0)
    strongest = np.argsort(between_words, axis=None)[::-1][:3]
    links = [np.unravel_index(place, weights.shape) for place in strongest]
    named = [f"{maps.pieces[i]} looks at {maps.pieces[j]} ({weights[i, j]:.2f})" for i, j in links if maps.is_word[i]]
    special = weights[maps.is_word][:, ~maps.is_word].sum(1).mean()
    return (
        f"Layer {layer}, head {head}. Strongest between words: {'; '.join(named)}. "
        f"To the special tokens goes a share of {special:.2f} of the words' attention."
    )


def head_demo(tokenizer: PreTrainedTokenizerBase, encoder: PreTrainedModel, sentence: str) -> Widget:
    """A box for a sentence, and sliders for layer and head, around `draw_head` and `draw_layer`."""
    import html

    import ipywidgets as widgets

    from helpers.demos.parts.demo_box import demo_box
    from helpers.demos.parts.picture import picture

    maps = read_sentence(sentence, tokenizer, encoder)
    layers, heads = maps.weights.shape[:2]
    wide = {"description_width": "initial"}
    box = widgets.Text(
        sentence, description="sentence", continuous_update=False, style=wide, layout=widgets.Layout(width="95%")
    )
    layer = widgets.IntSlider(1, 1, layers, description="layer", continuous_update=False)
    head = widgets.IntSlider(1, 1, heads, description="head", continuous_update=False)
    view = widgets.ToggleButtons(
        options=["one head", "all heads of the layer"], description="show", style={**wide, "button_width": "auto"}
    )
    words_only = widgets.Checkbox(value=False, description="leave [CLS] and [SEP] out", indent=False)
    status, shown = widgets.HTML(), widgets.HTML()

    def redraw(_: object = None) -> None:
        head.disabled = words_only.disabled = view.value != "one head"
        if head.disabled:
            alt = f"Small maps of all {heads} heads of layer {layer.value}. {describe_head(maps, layer.value, 1)}"
            shown.value = picture(draw_layer(maps, layer.value), alt, tight=False)
        else:
            figure = draw_head(maps, layer.value, head.value, words_only=words_only.value)
            left_out = " The rows and columns of the special tokens are left out." if words_only.value else ""
            shown.value = picture(figure, describe_head(maps, layer.value, head.value) + left_out, tight=False)

    def reread(_: object) -> None:
        nonlocal maps
        try:
            maps = read_sentence(box.value, tokenizer, encoder)
        except ValueError as error:
            status.value = f"<p role='status'>{html.escape(str(error))}</p>"
            return
        status.value = f"<p role='status'>{html.escape(maps.note)}</p>" if maps.note else ""
        redraw()

    box.observe(reread, names="value")
    for control in (layer, head, view, words_only):
        control.observe(redraw, names="value")
    redraw()
    controls = [box, status, widgets.HBox([layer, head, words_only]), view]
    return demo_box([*controls, shown], "what each head attends to in a sentence of yours")
