"""Does a word matter because it is attended to? Leave it out, see how far the sentence moves, and compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.demos.parts.typed_text import MOST_PIECES, inches_wide, legible, one_line

if TYPE_CHECKING:
    from ipywidgets import Widget
    from matplotlib.figure import Figure
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Occlusion:
    """What each word of a sentence does and what it gets.

    Attributes
    ----------
    words
        Words and punctuation marks, as the tokenizer tells them apart, (n,).
    moved
        How far the sentence's vector moves without the word: 1 - cosine, (n,).
    attention
        Share of the words' attention that the word gets, by layer and head, (layers, heads, n).
    note
        What a reader must know, such as that the text was cut; or nothing.
    """

    words: list[str]
    moved: np.ndarray
    attention: np.ndarray
    note: str = ""

    def agreement(self) -> np.ndarray:
        """Rank correlation (Spearman) of attention with movement, by layer and head (NaN without an order)."""
        return _rank_correlation(self.attention, self.moved)

    def mean_agreement(self) -> float:
        """The same for the attention averaged over all layers and heads."""
        return float(_rank_correlation(self.attention.mean((0, 1)), self.moved))


def occlude(
    text: str, tokenizer: PreTrainedTokenizerBase, encoder: PreTrainedModel, *, masked: bool = False
) -> Occlusion:
    """Leave each word out in turn, and measure how far the vector of the sentence moves.

    The vector is the mean over all pieces, as this encoder was trained to be used (Reimers & Gurevych 2019).

    Parameters
    ----------
    text
        At least two words; what comes after the first 24 word pieces is left out, and `note` says so.
    tokenizer, encoder
        From `helpers.pretrained`, the encoder with `attentions=True`.
    masked
        Put `[MASK]` in a word's place instead of closing the gap.

    Raises
    ------
    ValueError
        `text` has fewer than two words.
    """
    import torch

    line, note = one_line(text, tokenizer)
    whole = tokenizer(line, truncation=True, max_length=MOST_PIECES)
    pieces = whole["input_ids"]
    owner = np.array([-1 if word is None else word for word in whole.word_ids(0)])  # of each piece; -1: special
    n = owner.max() + 1
    if n < 2:
        raise ValueError("One word cannot be left out of itself: type at least two.")
    spans = [whole.word_to_chars(word) for word in range(n)]
    words = [line[span.start : span.end] for span in spans]
    versions = [pieces]
    for left_out in range(n):
        rest = [(piece, word) for piece, word in zip(pieces, owner, strict=True) if word != left_out]
        if masked:
            rest.insert(int(np.argmax(owner == left_out)), (tokenizer.mask_token_id, left_out))
        versions.append([piece for piece, _ in rest])
    batch = tokenizer.pad({"input_ids": versions}, return_tensors="pt").to(encoder.device)
    with torch.no_grad():
        result = encoder(**batch)
    real = batch["attention_mask"][:, :, None]  # (1 + n, t, 1)
    vectors = (result.last_hidden_state * real).sum(1) / real.sum(1)
    moved = 1 - torch.cosine_similarity(vectors[1:], vectors[:1], dim=-1)
    weights = torch.stack(result.attentions)[:, 0].cpu().numpy()  # (layers, heads, t, t) of the whole sentence
    from_words = weights[:, :, owner >= 0].mean(2)  # (layers, heads, t)
    attention = np.stack([from_words[..., owner == i].sum(-1) for i in range(n)], -1)
    return Occlusion(words, moved.cpu().numpy(), attention, note)


def draw_occlusion(result: Occlusion) -> Figure:
    """Two bars for each word: how far the sentence moves without it, and the attention that it gets."""
    from helpers import plots

    n = len(result.words)
    words = [legible(word) for word in result.words]
    # Inches that are known beforehand: to find room for what is known to fit would double the time to draw.
    room, wide, high = 0.2 + max(inches_wide(word, 11) for word in words), 4.4, 0.26 * n + 0.46
    width, height = room + 2 * wide + 0.65, high + 0.8
    figure, axes = plots.panels(1, 2, width=width, height=height)
    figure.set_layout_engine("none")
    for ax, left in zip(axes[0], (room, room + wide + 0.45), strict=True):
        ax.set_position((left / width, 0.48 / height, wide / width, high / height))
    moved, attended = axes[0]
    moved.set(title="How far the sentence moves without it", xlabel="1 − cosine")
    attended.set(title="The attention that it gets", xlabel="share, mean of all heads and layers")
    rows = np.arange(n)  # not the words: one may stand there twice
    thickness = 0.8 * 72 * high / (n + 0.2)  # in points, 0.8 of a row
    bars = (moved, result.moved, plots.BLUE), (attended, result.attention.mean((0, 1)), plots.VERMILION)
    for ax, lengths, colour in bars:  # thick lines: they are made and drawn as one, and bars one by one
        ax.hlines(rows, 0, lengths, color=colour, linewidth=thickness)
        ax.set(yticks=[], ylim=(n - 0.4, -0.6), xlim=(0, 1.05 * max(lengths.max(), 1e-6)))
        ax.grid(axis="x")
    beside = moved.get_yaxis_transform()
    for row, word in enumerate(words):  # plain text: ticks take three times as long to draw
        moved.text(-0.02, row, word, transform=beside, ha="right", va="center", fontsize=11, parse_math=False)
    return figure


def draw_agreement(results: Sequence[Occlusion]) -> Figure:
    """How well the order of attention agrees with the order of movement: a dot for each head, the mean of `results`."""
    from helpers import plots

    agreement = np.nanmean([result.agreement() for result in results], axis=0)  # (layers, heads)
    together = np.nanmean([result.mean_agreement() for result in results])
    figure, axes = plots.panels(width=7.4, height=3.6)
    ax = axes[0, 0]
    layers = np.arange(1, len(agreement) + 1)
    for layer, heads in zip(layers, agreement, strict=True):
        ax.plot(heads, np.full(len(heads), layer), "o", color=plots.VERMILION, alpha=0.7)
    ax.plot([], [], "o", color=plots.VERMILION, label="one head alone")
    ax.axvline(together, color=plots.BLUE, label="the mean of all heads")
    ax.axvline(0, color=plots.BLACK, linewidth=0.8)
    ax.set(
        title=f"Heads disagree: from {agreement.min():.2f} to {agreement.max():.2f}; all together {together:.2f}",
        xlabel="rank correlation of attention with movement",
        ylabel="layer",
        xlim=(-1, 1),
        yticks=layers,
    )
    ax.invert_yaxis()
    ax.grid(axis="x")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def describe_occlusion(result: Occlusion) -> str:
    """The same in a sentence or two, for readers who cannot see the picture."""
    attention = result.attention.mean((0, 1))
    farthest, most = (legible(result.words[kind.argmax()]) for kind in (result.moved, attention))
    return (
        f"Without “{farthest}” the sentence moves farthest ({result.moved.max():.2f}); "
        f"“{most}” gets most attention ({attention.max():.2f}). "
        f"Rank correlation of the two: {result.mean_agreement():.2f}."
    )


def occlusion_demo(tokenizer: PreTrainedTokenizerBase, encoder: PreTrainedModel, sentence: str) -> Widget:
    """A box for a sentence and a choice of how to leave a word out, around `draw_occlusion`."""
    import html

    import ipywidgets as widgets

    from helpers.demos.parts.demo_box import demo_box
    from helpers.demos.parts.picture import picture

    box = widgets.Text(
        sentence,
        description="sentence",
        continuous_update=False,
        style={"description_width": "initial"},
        layout=widgets.Layout(width="95%"),
    )
    how = widgets.ToggleButtons(
        options=[("leave the word out", False), ("put [MASK] in its place", True)],
        description="each time",
        style={"button_width": "auto"},
    )
    status, shown = widgets.HTML(), widgets.HTML()

    def redraw(_: object = None) -> None:
        try:
            result = occlude(box.value, tokenizer, encoder, masked=how.value)
        except ValueError as error:
            status.value = f"<p role='status'>{html.escape(str(error))}</p>"
            return
        described = describe_occlusion(result)
        status.value = f"<p role='status'>{html.escape(f'{described} {result.note}')}</p>"
        shown.value = picture(draw_occlusion(result), described, tight=False)

    box.observe(redraw, names="value")
    how.observe(redraw, names="value")
    redraw()
    return demo_box([box, how, status, shown], "a sentence of yours without one of its words")


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Spearman's, along the last axis; NaN where all values are equal."""
    from scipy.stats import rankdata

    ranks = [rankdata(values, axis=-1) - (values.shape[-1] + 1) / 2 for values in (one, other)]  # their mean is 0
    with np.errstate(invalid="ignore"):
        return (ranks[0] * ranks[1]).sum(-1) / np.sqrt((ranks[0] ** 2).sum(-1) * (ranks[1] ** 2).sum(-1))
