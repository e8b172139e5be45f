"""What goes on inside a decoder while it reads a line: its likeliest words block by block, and its heads' attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.demos.parts.typed_text import MOST_PIECES
from helpers.demos.text_pieces import name_piece

if TYPE_CHECKING:
    import torch
    from ipywidgets import Widget
    from matplotlib.figure import Figure
    from transformers import PreTrainedTokenizerBase

    Inside = Callable[[torch.Tensor], torch.Tensor]

_CELL, _ROW, _LABELS = 0.78, 0.34, 1.3  # inches: a cell's width and height, and room for words beside them
_UPRIGHT = 8  # letters that fit below a cell; longer words are turned


@dataclass(frozen=True)
class Insides:
    """What a model made of one line of t tokens.

    Attributes
    ----------
    words
        The tokens as they are read, (t,).
    likeliest
        The likeliest next word before the first block and after each, (blocks + 1, t).
    probabilities
        How likely it is there, (blocks + 1, t).
    weights
        Attention, (blocks, heads, t, t): a row for each word that looks.
    note
        What a reader must know, such as that the line was cut; or nothing.
    """

    words: list[str]
    likeliest: list[list[str]]
    probabilities: np.ndarray
    weights: np.ndarray
    note: str = ""


def names(ids: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """A label for each token: as lesson 11 shows pieces, and the sign for a beginning as ⊢."""
    pieces = tokenizer.convert_ids_to_tokens(list(ids))
    return ["⊢" if piece == tokenizer.bos_token else name_piece(piece) for piece in pieces]


def read_line(text: str, tokenizer: PreTrainedTokenizerBase, lens: Inside, attention: Inside) -> Insides:
    """Send a line through a model and keep what its blocks and heads make of it.

    Parameters
    ----------
    text
        Any text; what comes after the first 24 tokens is left out, and `note` says so.
    tokenizer
        The model's.
    lens, attention
        Ids (1, t) give logits (blocks + 1, t, v), and attention weights (blocks, 1, h, t, t).

    Raises
    ------
    ValueError
        There is nothing to read in `text`.
    """
    import torch

    # Half an emoji has no UTF-8 form; and far fewer letters than these are 24 tokens.
    line = text.encode("utf-8", "ignore").decode()[:4000]
    ids = tokenizer(line)["input_ids"]
    if not line.strip() or not ids:
        raise ValueError("There is nothing to read yet: type a line.")
    note = f"Only the first {MOST_PIECES} tokens are read: more would not be legible." if len(ids) > MOST_PIECES else ""
    whole = [tokenizer.bos_token_id, *ids[:MOST_PIECES]]
    batch = torch.tensor([whole])
    best = lens(batch).softmax(-1).max(-1)  # its values and places: (blocks + 1, t) each
    likeliest = [names(row, tokenizer) for row in best.indices.tolist()]
    return Insides(
        names(whole, tokenizer), likeliest, best.values.cpu().numpy(), attention(batch)[:, 0].cpu().numpy(), note
    )


def draw_lens(words: Sequence[str], likeliest: Sequence[Sequence[str]], probabilities: Any) -> Figure:
    """The likeliest next word at each place and after each block: the darker, the likelier; framed where it is right.

    Parameters
    ----------
    words
        What is read, (t,).
    likeliest, probabilities
        As in `Insides`.
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    from helpers import plots

    shares = np.asarray(probabilities, dtype=float)
    rows, columns = shares.shape
    below = 0.7 if max(map(len, words)) <= _UPRIGHT else 1.1
    width, height = _LABELS + _CELL * columns + 0.9, 0.45 + _ROW * rows + below
    figure, axes = plots.panels(width=width, height=height)
    figure.set_layout_engine("none")
    ax = axes[0, 0]
    bottom, size = below / height, (_CELL * columns / width, _ROW * rows / height)
    ax.set_position((_LABELS / width, bottom, *size))
    image = ax.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="auto", interpolation="none")
    for row, column in np.ndindex(rows, columns):
        word = likeliest[row][column]
        ax.text(
            column, row, word, ha="center", va="center", fontsize=min(9.0, 68 / max(7, len(word))),
            color="white" if shares[row, column] > 0.6 else plots.BLACK, parse_math=False,
        )  # fmt: skip
    right = [
        Rectangle((column - 0.48, row - 0.46), 0.96, 0.92)
        for row, column in np.ndindex(rows, columns - 1)
        if likeliest[row][column] == words[column + 1]
    ]
    ax.add_collection(PatchCollection(right, facecolor="none", edgecolor=plots.VERMILION, linewidth=1.6))
    ax.set(title="Its likeliest next word, after each block (framed: what really comes next)", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    for row in range(rows):
        ax.text(-0.6, row, f"block {row - 1}" if row else "embedding", ha="right", va="center", fontsize=10)
    for column, word in enumerate(words):
        ax.text(column, rows - 0.35, word, ha="center", va="top", fontsize=10, parse_math=False,
                rotation=0 if below < 1 else 25)  # fmt: skip
    figure.text(_LABELS / width + size[0] / 2, 0.12 / height, "word that it has just read", ha="center")
    bar = figure.add_axes((_LABELS / width + size[0] + 0.15 / width, bottom, 0.15 / width, size[1]))
    figure.colorbar(image, cax=bar, label="probability")
    return figure


def draw_head(insides: Insides, block: int, head: int) -> Figure:
    """One head's attention as a heat map; blocks and heads are counted from 0.

    Raises
    ------
    ValueError
        There is no such block or head.
    """
    from helpers import plots

    blocks, heads = insides.weights.shape[:2]
    if not (0 <= block < blocks and 0 <= head < heads):
        raise ValueError(f"There is no head {head} in block {block}: blocks 0 to {blocks - 1}, heads 0 to {heads - 1}.")
    return plots.heatmap(
        insides.weights[block, head],
        insides.words,
        insides.words,
        title=f"Block {block}, head {head}: where each word looks",
        xlabel="word that is looked at",
        ylabel="word that looks",
        colour_label="weight",
        annotate=False,
        vmin=0,
        vmax=1,
    )


def describe_lens(insides: Insides) -> str:
    """What the last column of `draw_lens` says, for readers who cannot see it."""
    steps = [
        f"{'embedding' if not row else f'block {row - 1}'}: {said[-1]}" for row, said in enumerate(insides.likeliest)
    ]
    return f"The likeliest word after {' '.join(insides.words[1:])}. {'; '.join(steps)}."


def describe_head(insides: Insides, block: int, head: int) -> str:
    """Where each word looks most, for readers who cannot see `draw_head`."""
    places = insides.weights[block, head].argmax(-1)
    looks = [f"{word} at {insides.words[place]}" for word, place in zip(insides.words, places, strict=True)]
    return f"Block {block}, head {head}. Each word looks most: {'; '.join(looks)}."


def inside_demo(tokenizer: PreTrainedTokenizerBase, lens: Inside, attention: Inside, line: str) -> Widget:
    """A box for a line, and a choice of block and head, around `draw_lens` and `draw_head`."""
    import html

    import ipywidgets as widgets

    from helpers.demos.parts.demo_box import demo_box
    from helpers.demos.parts.picture import picture

    insides = read_line(line, tokenizer, lens, attention)
    blocks, heads = insides.weights.shape[:2]
    wide = {"description_width": "initial"}
    box = widgets.Text(line, description="line", continuous_update=False, style=wide, layout={"width": "95%"})
    view = widgets.ToggleButtons(
        options=["after each block", "one head"], description="show", style={**wide, "button_width": "auto"}
    )
    block = widgets.IntSlider(0, 0, blocks - 1, description="block", continuous_update=False)
    head = widgets.IntSlider(0, 0, heads - 1, description="head", continuous_update=False)
    status, shown = widgets.HTML(), widgets.HTML()

    def redraw(_: object = None) -> None:
        block.disabled = head.disabled = view.value != "one head"
        if block.disabled:
            figure = draw_lens(insides.words, insides.likeliest, insides.probabilities)
            shown.value = picture(figure, describe_lens(insides), tight=False)
        else:
            figure = draw_head(insides, block.value, head.value)
            shown.value = picture(figure, describe_head(insides, block.value, head.value))

    def reread(_: object) -> None:
        nonlocal insides
        try:
            insides = read_line(box.value, tokenizer, lens, attention)
        except ValueError as error:
            status.value = f"<p role='status'>{html.escape(str(error))}</p>"
            return
        status.value = f"<p role='status'>{html.escape(insides.note)}</p>" if insides.note else ""
        redraw()

    box.observe(reread, names="value")
    for control in (view, block, head):
        control.observe(redraw, names="value")
    redraw()
    return demo_box([box, status, view, widgets.HBox([block, head]), shown], "what a decoder makes of a line of yours")
