"""What a vision Transformer attends to over a picture, and which patches its prediction hangs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.demos.patches import as_array, show_picture

if TYPE_CHECKING:
    import torch
    from ipywidgets import Widget
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from helpers.layers import VisionTransformer

_STRONGEST = 0.75  # how opaque the strongest patch is: the ink below must still show


@dataclass(frozen=True)
class Look:
    """How a model looked at one picture.

    Attributes
    ----------
    image
        (height, width), ink from 0 to 1.
    probabilities
        Of the classes, (c,).
    weights
        What the class token attends to, (layers, heads, rows, columns): with what it gives to itself, the weights of
        a head add up to 1.
    lost
        How far the log-odds of the predicted class fall when a patch is covered with white, (rows, columns).
    """

    image: np.ndarray
    probabilities: np.ndarray
    weights: np.ndarray
    lost: np.ndarray

    @property
    def predicted(self) -> int:
        """The likeliest class."""
        return int(self.probabilities.argmax())

    def attention(self, layer: int, head: int | None = None) -> np.ndarray:
        """The class token's weights (rows, columns); layers and heads count from 1, no head means the mean of all.

        Raises
        ------
        ValueError
            There is no such layer or head.
        """
        layers, heads = self.weights.shape[:2]
        if not (1 <= layer <= layers and (head is None or 1 <= head <= heads)):
            raise ValueError(f"There is no layer {layer} with a head {head}: layers 1 to {layers}, heads 1 to {heads}.")
        return self.weights[layer - 1].mean(0) if head is None else self.weights[layer - 1, head - 1]


def look_at(model: VisionTransformer, image: torch.Tensor) -> Look:
    """Show a picture (height, width) to a model, whole and with one patch after the other covered.

    The model is used in evaluation mode, and left in the mode it was in.
    """
    import torch

    patch = model.patch
    rows, columns = (side // patch for side in image.shape)
    covered = image.repeat(1 + rows * columns, 1, 1)  # the first one stays whole
    for place in range(rows * columns):
        top, left = patch * (place // columns), patch * (place % columns)
        covered[1 + place, top : top + patch, left : left + patch] = 0
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            log_probabilities = model(covered.to(model.positions.device)).double().log_softmax(-1).cpu()
    finally:
        model.train(was_training)
    # Of the whole picture, and of the class token's row: its weights to the patches, after the one to itself.
    blocks: Any = model.blocks  # torch types what is in a Sequential as modules of any kind
    weights = torch.stack([block.attention.attention.weights[0, :, 0, 1:] for block in blocks])
    chosen = int(log_probabilities[0].argmax())
    others = torch.arange(log_probabilities.shape[1]) != chosen
    log_odds = log_probabilities[:, chosen] - log_probabilities[:, others].logsumexp(1)
    return Look(
        as_array(image),
        log_probabilities[0].exp().numpy(),
        weights.reshape(*weights.shape[:2], rows, columns).cpu().numpy(),
        (log_odds[0] - log_odds[1:]).reshape(rows, columns).numpy(),
    )


def draw_look(look: Look, layer: int | None = None, head: int | None = None, label: int | None = None) -> Figure:
    """The picture, what the class token attends to over it, and which patches the prediction hangs on.

    Parameters
    ----------
    look
        From `look_at`.
    layer, head
        Which attention to draw, counted from 1: all layers if None, and the mean of the heads if None.
    label
        What the picture really shows.
    """
    from helpers import plots

    layers = range(1, len(look.weights) + 1) if layer is None else [layer]
    count = 2 + len(layers)
    figure, axes = plots.panels(1, count, width=2.7 * count, height=3.1)
    figure.set_layout_engine("none")  # to find room for what is known to fit would double the time to draw
    for place, ax in enumerate(axes[0]):
        ax.set_position(((place + 0.04) / count, 0.1, 0.92 / count, 0.78))
    first, *middle, last = axes[0]
    patch = look.image.shape[0] // look.lost.shape[0]
    really = "" if label is None or label == look.predicted else f", really a {label}"
    show_picture(first, look.image, f"Read as a {look.predicted}{really}", patch)
    who = "mean of the heads" if head is None else f"head {head}"
    drawn = [100 * look.attention(number, head) for number in layers]
    strongest = max(float(shares.max()) for shares in drawn)  # one scale, so that layers can be compared
    for ax, number, shares in zip(middle, layers, drawn, strict=True):
        show_picture(ax, look.image, f"Layer {number}, {who}")
        _lay_over(ax, shares / strongest, plots.VERMILION, [f"{share:.0f}" for share in shares.flat], patch)
        ax.set_xlabel("attention, in percent")
    show_picture(last, look.image, "If this patch were white")
    numbers = [f"{value + 0.0:+.1f}" if abs(value) >= 0.05 else "0" for value in (-look.lost).flat]
    lost = look.lost.clip(0)
    _lay_over(last, lost / max(float(lost.max()), 1e-9), plots.BLUE, numbers, patch)
    last.set_xlabel(f"log-odds of {look.predicted} change by …")
    return figure


def describe_look(look: Look, layer: int, head: int | None = None) -> str:
    """The same in words, for readers who cannot see the picture."""
    attention = look.attention(layer, head)
    who = "the mean of the heads" if head is None else f"head {head}"
    attended = ", ".join(f"{_place(attention, place)} ({attention.flat[place]:.0%})" for place in _largest(attention))
    needed = ", ".join(f"{_place(look.lost, place)} ({look.lost.flat[place]:.1f})" for place in _largest(look.lost))
    return (
        f"Read as a {look.predicted}, with probability {look.probabilities.max():.2f}. In layer {layer}, {who}, most "
        f"attention goes to {attended}. The log-odds fall most without {needed}."
    )


def attention_demo(model: VisionTransformer, images: torch.Tensor, labels: torch.Tensor) -> Widget:
    """Pick a digit, a picture of it, a layer and a head, around `draw_look`.

    Parameters
    ----------
    model
        A trained one.
    images, labels
        Pictures (n, height, width) that it was not trained on, and what they show (n,).
    """
    import ipywidgets as widgets

    from helpers.demos.parts.demo_box import demo_box
    from helpers.demos.parts.picture import picture

    kinds = sorted(set(labels.tolist()))
    places = {kind: (labels == kind).nonzero().flatten().tolist() for kind in kinds}
    depth, heads = len(model.blocks), look_at(model, images[0]).weights.shape[1]
    digit = widgets.Dropdown(options=kinds, description="digit")
    number = widgets.IntSlider(1, 1, len(places[kinds[0]]), description="picture", continuous_update=False)
    layer = widgets.Dropdown(options=range(1, depth + 1), value=depth, description="layer")
    every_head = [("mean of all", 0), *((str(head), head) for head in range(1, heads + 1))]
    head = widgets.Dropdown(options=every_head, description="head")
    shown = widgets.HTML()

    def redraw(_: object = None) -> None:
        place = places[digit.value][number.value - 1]
        look = look_at(model, images[place])
        chosen = (layer.value, head.value or None)
        label = int(labels[place])
        alt = f"A picture of a {label}. {describe_look(look, *chosen)}"
        shown.value = picture(draw_look(look, *chosen, label=label), alt, tight=False)

    def change_digit(_: object) -> None:
        number.max = len(places[digit.value])  # which lowers the value where it has to, and so may draw already
        redraw()

    digit.observe(change_digit, names="value")
    for control in (number, layer, head):
        control.observe(redraw, names="value")
    redraw()
    controls = [widgets.HBox([digit, number]), widgets.HBox([layer, head])]
    return demo_box([*controls, shown], "what a vision Transformer attends to")


def _lay_over(ax: Axes, strengths: np.ndarray, colour: str, numbers: list[str], patch: int) -> None:
    """Colour each patch the more, the stronger it is (0 to 1), and write its number into it."""
    from matplotlib.colors import to_rgb

    rows, columns = strengths.shape
    veil = np.empty((rows, columns, 4))
    veil[..., :3] = to_rgb(colour)
    veil[..., 3] = _STRONGEST * strengths
    ax.imshow(veil, extent=(-0.5, patch * columns - 0.5, patch * rows - 0.5, -0.5), interpolation="none")
    for place, number in enumerate(numbers):
        row, column = divmod(place, columns)
        middle = (patch * (column + 0.5) - 0.5, patch * (row + 0.5) - 0.5)
        box: dict[str, Any] = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
        ax.text(*middle, number, ha="center", va="center", fontsize=9, bbox=box)


def _largest(values: np.ndarray, count: int = 3) -> list[int]:
    return [int(place) for place in np.argsort(values, axis=None)[::-1][:count]]


def _place(values: np.ndarray, place: int) -> str:
    row, column = divmod(place, values.shape[1])
    return f"the patch in row {row + 1}, column {column + 1}"
