"""What the vocabulary holds: ten random words on a button, and a box that says whether a word is present."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from helpers.word_vectors import UnknownWord, WordVectors

if TYPE_CHECKING:
    from ipywidgets import VBox


def describe_word(word_vectors: WordVectors, word: str) -> str:
    """Say in a sentence whether a word is in the vocabulary, and if not, which spellings are near."""
    word = word.strip()
    if not word:
        return f"The vocabulary has {len(word_vectors):,} words. Type one to see whether it is there."
    try:
        return f"Yes: {word_vectors.spelling(word)!r} is in the vocabulary."
    except UnknownWord as error:
        return f"No: {error}"


def vocabulary_box(word_vectors: WordVectors) -> VBox:
    """A button that draws ten random words, and a box around `describe_word`."""
    import ipywidgets as widgets

    class VocabularyBox(widgets.VBox):
        def __repr__(self) -> str:
            return "[Demo: words of the vocabulary. Run the cell to try it.]"

    narrow = {"width": "auto", "align_self": "flex-start"}
    draw = widgets.Button(description="Ten random words", icon="random", layout=narrow)
    drawn = widgets.HTML()
    word = widgets.Text(
        description="Is this word there?", continuous_update=False, style={"description_width": "initial"}
    )
    answer = widgets.HTML(_paragraph(describe_word(word_vectors, "")))

    def show_words(_: widgets.Button) -> None:
        drawn.value = _paragraph(" ".join(word_vectors.random_words(10)))

    def show_answer(_: object) -> None:
        answer.value = _paragraph(describe_word(word_vectors, word.value))

    draw.on_click(show_words)
    word.observe(show_answer, "value")
    # Side by side where there is room: with what is above them, they are to fit into a laptop's window.
    ask = widgets.HBox([draw, word], layout={"flex_flow": "row wrap"})
    return VocabularyBox([ask, drawn, answer])


def _paragraph(text: str) -> str:
    return f'<p style="max-width: 60em; line-height: 1.4; overflow-wrap: anywhere">{html.escape(text)}</p>'
