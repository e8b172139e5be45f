"""Type a text and see its pieces, for any number of merges."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from helpers.demos.parts.piece_boxes import Pair, draw_pieces, name_piece, number_pieces

if TYPE_CHECKING:
    from ipywidgets import Widget
    from matplotlib.figure import Figure

__all__ = ["draw_pieces", "name_piece", "number_pieces", "pieces_demo", "pieces_of_text"]

_MOST_SHOWN = 80  # boxes of a typed text


def describe_pieces(pieces: Sequence[str], numbers: Mapping[str, int], merges: int) -> str:
    """Say what a picture of pieces shows."""
    shown = ", ".join(f"{name_piece(piece)} ({numbers[piece]})" for piece in pieces)
    return f"With {merges:,} merges, {len(pieces)} pieces: {shown}."


def pieces_of_text(
    text: str, merges: Sequence[Pair], encode: Callable[[str, Sequence[Pair]], Sequence[str]]
) -> tuple[Figure, str]:
    """Draw the pieces of a typed text; return the picture, and the same in words.

    Parameters
    ----------
    text
        What was typed; at most 80 pieces of it are drawn, and the title says so.
    merges
        In the order in which they were learned.
    encode
        The lesson's: a text and merges give pieces.

    Raises
    ------
    ValueError
        Nothing was typed.
    """
    clean = text.encode("utf-8", "ignore").decode()[: 20 * _MOST_SHOWN]  # half an emoji has no bytes
    if not clean:
        raise ValueError("There is nothing to cut yet: type something.")
    numbers = number_pieces(merges)
    pieces = list(encode(clean, merges))
    shown = pieces[:_MOST_SHOWN]
    more = f" (the first {_MOST_SHOWN})" if len(shown) < len(pieces) else ""
    count = "1 piece" if len(pieces) == 1 else f"{len(pieces)} pieces"
    figure = draw_pieces({"": shown}, numbers, title=f"{len(merges):,} merges: {count}{more}")
    return figure, describe_pieces(shown, numbers, len(merges))


def pieces_demo(
    encode: Callable[[str, Sequence[Pair]], Sequence[str]], merges: Sequence[Pair], start: str = "An unfilmable café."
) -> Widget:
    """A box for a text and a slider for the number of merges, around `pieces_of_text`."""
    import ipywidgets as widgets

    from helpers.demos.parts.demo_box import demo_box
    from helpers.demos.parts.picture import picture

    box = widgets.Text(value=start, description="text", continuous_update=False)
    slider = widgets.IntSlider(
        value=len(merges) // 2, min=0, max=len(merges), step=max(1, len(merges) // 40), description="merges",
        continuous_update=False,
    )  # fmt: skip
    told, shown = widgets.HTML(), widgets.HTML()

    def redraw(_: object = None) -> None:
        try:
            figure, alt = pieces_of_text(box.value, merges[: slider.value], encode)
        except ValueError as error:
            told.value = html.escape(str(error))
            return
        told.value = ""
        shown.value = picture(figure, alt, tight=False)

    for control in (box, slider):
        control.observe(redraw, names="value")
    redraw()
    return demo_box([widgets.HBox([box, slider]), told, shown], "a text of your own, cut into pieces")
