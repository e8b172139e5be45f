"""A rating for one review, and which words it hangs on: by leaving each out, beside the attention that it gets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.demos.parts.typed_text import legible

if TYPE_CHECKING:
    from ipywidgets import Widget
    from matplotlib.figure import Figure
    from torch import nn
    from transformers import PreTrainedTokenizerBase

_MOST_WORDS = 30  # more rows than this are hard to read in a notebook, and slow to draw
_MOST_LETTERS = 2000  # far more than that many words need, and soon cut into pieces


@dataclass(frozen=True)
class Rating:
    """What a classifier makes of one review.

    Attributes
    ----------
    words
        Words and punctuation marks, (n,).
    probabilities
        Of 1, 2, 3 ... stars, (classes,).
    adds
        By how many stars the expected rating is higher with the word than without it, (n,).
    attention
        Share of the words' attention that the word gets, mean of all heads and layers, (n,); None from a model
        that keeps no weights.
    note
        What a reader must know, such as that the text was cut; or nothing.
    """

    words: list[str]
    probabilities: np.ndarray
    adds: np.ndarray
    attention: np.ndarray | None
    note: str = ""

    @property
    def stars(self) -> int:
        """The likeliest rating, counted from 1."""
        return int(self.probabilities.argmax()) + 1

    @property
    def expected(self) -> float:
        """The mean of the ratings, each weighted by its probability."""
        return float(self.probabilities @ np.arange(1, len(self.probabilities) + 1))


def predict_rating(text: str, model: nn.Module, tokenizer: PreTrainedTokenizerBase) -> Rating:
    """Rate a review, once whole and once without each of its words.

    Parameters
    ----------
    text
        At least two words; what comes after the first 30 is left out, and `note` says so.
    model
        A `Transformer` of lesson 7. It is asked in eval mode, and left in the mode that it was in.
    tokenizer
        The one that the model was trained with.

    Raises
    ------
    ValueError
        `text` has fewer than two words.
    """
    import torch

    from helpers.batches import pad

    line = " ".join(text.split()).encode("utf-8", "ignore").decode()  # half an emoji has no UTF-8 form
    whole = tokenizer(line[:_MOST_LETTERS], add_special_tokens=False)
    owner = np.array(whole.word_ids(0), dtype=int)  # of each piece
    n = int(owner.max(initial=-1)) + 1
    if n < 2:
        raise ValueError("Type at least two words: one cannot be left out of itself.")
    cut = n > _MOST_WORDS or len(line) > _MOST_LETTERS
    n = min(n, _MOST_WORDS)
    owner = owner[owner < n]
    pieces = np.array(whole["input_ids"])[: len(owner)]
    if (longest := _max_len(model)) is not None and len(pieces) > longest:
        owner, pieces = owner[:longest], pieces[:longest]
        n, cut = int(owner.max()) + 1, True
    versions = [pieces.tolist(), *(pieces[owner != word].tolist() for word in range(n))]
    token_ids, mask = pad(versions, tokenizer.pad_token_id or 0)
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            probabilities = model(token_ids.to(device), mask.to(device)).softmax(-1).cpu().numpy()
    finally:
        model.train(was_training)
    expected = probabilities @ np.arange(1, probabilities.shape[1] + 1)
    layers = [getattr(m, "weights", None) for m in model.modules()]
    kept = [weights for weights in layers if isinstance(weights, torch.Tensor)]
    attention = None
    if kept:
        received = torch.stack([weights[0] for weights in kept]).mean((0, 1)).cpu().numpy()[: len(owner), : len(owner)]
        attention = np.array([received.mean(0)[owner == word].sum() for word in range(n)])
    spans = [whole.word_to_chars(word) for word in range(n)]
    words = [line[span.start : span.end] for span in spans]
    note = f"Only the first {n} words are read: more would not be legible." if cut else ""
    return Rating(words, probabilities[0], expected[0] - expected[1:], attention, note)


def _max_len(model: nn.Module) -> int | None:
    """How many tokens the model's positions reach, where it says so."""
    import torch

    tables = [getattr(m, "encoding", None) for m in model.modules()]
    return min((len(table) for table in tables if isinstance(table, torch.Tensor)), default=None)


def draw_rating(rating: Rating, truth: int | None = None) -> Figure:
    """Three panels: the probability of each rating, what each word adds, and the attention that it gets.

    Parameters
    ----------
    rating
        From `predict_rating`.
    truth
        The stars that people gave, where they are known; they are marked.
    """
    from helpers import plots

    n, classes = len(rating.words), len(rating.probabilities)
    labels = [legible(word) for word in rating.words]
    # Inches that are known beforehand: whoever types must not wait until a layout has been found.
    room, high = 0.6 + 0.085 * max(map(len, labels)), max(1.8, 0.24 * n)
    width, height = 7.9 + room, high + 1.2
    figure, axes = plots.panels(1, 3, width=width, height=height)
    figure.set_layout_engine("none")
    stars, adds, attended = axes[0]
    for ax, left, wide in ((stars, 0.7, 2.4), (adds, 3.1 + room, 2.3), (attended, 5.7 + room, 2.0)):
        ax.set_position((left / width, 0.7 / height, wide / width, high / height))
    names = np.arange(1, classes + 1)
    stars.bar(names, rating.probabilities, color=[plots.BLUE if s == rating.stars else plots.SKY for s in names])
    stars.set(
        title=f"Predicted: {_stars(rating.stars)}", xlabel="stars", ylabel="probability", ylim=(0, 1.15), xticks=names
    )
    if truth is not None:
        above = rating.probabilities[truth - 1] + 0.05
        stars.plot([truth], [above], "v", color=plots.VERMILION, label=f"people: {_stars(truth)}")
        stars.legend(loc="upper right", fontsize=10)
    rows = np.arange(n)  # not the words: one may stand there twice
    colours = [plots.GREEN if more > 0 else plots.VERMILION for more in rating.adds]
    adds.barh(rows, rating.adds, color=colours)
    adds.axvline(0, color=plots.BLACK, linewidth=0.8)
    adds.set(title="What each word adds", xlabel="stars with it, minus without")
    attention = np.zeros(n) if rating.attention is None else rating.attention
    attended.barh(rows, attention, color=plots.PURPLE)
    attended.set(title="The attention it gets", xlabel="share, mean of all heads")
    for ax in (adds, attended):
        ax.set(yticks=[], ylim=(n - 0.4, -0.6))
        ax.grid(axis="x")
    for row, label in enumerate(labels):  # plain text: ticks take three times as long to draw
        adds.text(-0.03, row, label, transform=adds.get_yaxis_transform(), ha="right", va="center", parse_math=False)
    return figure


def describe_rating(rating: Rating) -> str:
    """The same in a sentence or two, for readers who cannot see the picture."""
    share = rating.probabilities[rating.stars - 1]
    up, down = int(rating.adds.argmax()), int(rating.adds.argmin())
    said = [f"Predicted: {_stars(rating.stars)}, with probability {share:.2f}."]
    if rating.adds[up] > 0:
        said.append(f"“{legible(rating.words[up])}” adds most ({rating.adds[up]:+.2f} stars).")
    if rating.adds[down] < 0:
        said.append(f"“{legible(rating.words[down])}” takes away most ({rating.adds[down]:+.2f} stars).")
    if rating.attention is not None:
        most = int(rating.attention.argmax())
        said.append(f"“{legible(rating.words[most])}” gets most attention ({rating.attention[most]:.2f}).")
    return " ".join(said)


def rating_demo(model: nn.Module, tokenizer: PreTrainedTokenizerBase, text: str) -> Widget:
    """A box for a review of one's own, around `draw_rating`."""
    import html

    import ipywidgets as widgets

    from helpers.demos.parts.demo_box import demo_box
    from helpers.demos.parts.picture import picture

    box = widgets.Text(
        re.sub(r"\s+", " ", text),
        description="your review",
        continuous_update=False,
        style={"description_width": "initial"},
        layout=widgets.Layout(width="95%"),
    )
    status, shown = widgets.HTML(), widgets.HTML()

    def redraw(_: object = None) -> None:
        try:
            rating = predict_rating(box.value, model, tokenizer)
        except ValueError as error:
            status.value = f"<p role='status'>{html.escape(str(error))}</p>"
            return
        described = describe_rating(rating)
        status.value = f"<p role='status'>{html.escape(f'{described} {rating.note}')}</p>"
        shown.value = picture(draw_rating(rating), described, tight=False)

    box.observe(redraw, names="value")
    redraw()
    return demo_box([box, status, shown], "the rating of a review of yours")


def _stars(count: int) -> str:
    return f"{count} star" if count == 1 else f"{count} stars"
