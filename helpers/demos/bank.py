"""The "bank" demo: one word, two lines of keys, two meanings. Attention on word vectors, with nothing learned."""

from __future__ import annotations

import html
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from helpers.demos.parts.bank_picture import ValueAttention, describe_value_attention, draw_value_attention, name_panels
from helpers.word_vectors import UnknownWord, WordVectors

if TYPE_CHECKING:
    from ipywidgets import VBox

__all__ = [
    "PRESETS",
    "ValueAttention",
    "bank_demo",
    "describe_value_attention",
    "draw_value_attention",
    "get_value_attention",
]

PRESETS = {
    "by the river": ("bank", "river bank cold water"),
    "in the town": ("bank", "bank customer need money"),
}
NEIGHBOURS = 12  # words that a list of neighbours holds: the typed ones are among them, and others must fit too

_MOST_NAMED = 3  # unknown words that get a message each; each costs a search through the vocabulary

_AROUND_WORDS = string.whitespace + string.punctuation + "“”‘’«»…·–—¿¡"


def get_value_attention(word_vectors: WordVectors, query: str, keys: str | Sequence[str]) -> ValueAttention:
    """Let a query word attend to a line of key words: scaled dot-product attention with no projections.

    The keys are their own values: `weights = softmax(keys @ query / sqrt(d))`, `value = weights @ keys`
    (Vaswani et al. 2017, equation 1, for one query).

    Parameters
    ----------
    word_vectors
        Vectors for the words.
    query
        One word.
    keys
        Words with any number of spaces between them, or a list of words.

    Returns
    -------
    ValueAttention
        A word that is not in the vocabulary stops nothing: it is left out, and `messages` names it.
    """
    messages: list[str] = []
    typed = [_bare(key) for key in (keys.split() if isinstance(keys, str) else keys)]
    query = _bare(query)
    query_vector = None
    if not query:
        messages.append("There is no query: type one word.")
    else:
        try:
            query_vector = word_vectors[query]
            query = word_vectors.spelling(query)
        except UnknownWord as error:
            messages.append(f"The query {error}")
    words = [word_vectors.spelling(key) if key in word_vectors else "" for key in typed]
    messages += _about_unknown(word_vectors, [key for key, word in zip(typed, words, strict=True) if key and not word])
    words = list(filter(None, words))
    if not words:
        messages.append("No key is in the vocabulary, so there is nothing to attend to: type some words.")

    width = word_vectors.vectors.shape[1]
    weights, value = np.zeros(len(words), np.float32), np.zeros(width, np.float32)
    if query_vector is not None and words:
        key_vectors = np.stack([word_vectors[word] for word in words])  # (tk, d)
        scores = key_vectors @ query_vector / np.sqrt(width)  # (tk,)
        powers = np.exp(scores - scores.max())  # less the largest: no score is too large for exp
        weights = powers / powers.sum()
        value = weights @ key_vectors  # (d,)
    return ValueAttention(
        query,
        words,
        weights,
        value,
        word_vectors.nearest_words(query, NEIGHBOURS) if query_vector is not None else [],
        word_vectors.nearest_to_vector(value, NEIGHBOURS) if value.any() else [],
        messages,
    )


def bank_demo(word_vectors: WordVectors) -> VBox:
    """Boxes for the query and the keys, buttons for the two presets, and the vocabulary, around `draw_value_attention`.

    Parameters
    ----------
    word_vectors
        Vectors for the words, as `load_word_vectors` gives them.
    """
    import ipywidgets as widgets

    from helpers.demos.parts.demo_box import demo_box
    from helpers.demos.parts.picture import picture
    from helpers.demos.parts.vocabulary import vocabulary_box

    wide = widgets.Layout(width="auto", max_width="44em")  # auto leaves room for the margins
    query, keys = (
        widgets.Text(value, description=name, continuous_update=False, layout=wide)
        for name, value in zip(("Query", "Keys"), next(iter(PRESETS.values())), strict=True)
    )
    shown = widgets.HTML()

    def redraw(_: object = None) -> None:
        result = get_value_attention(word_vectors, query.value, keys.value)
        sentence = describe_value_attention(result)
        image = picture(draw_value_attention(result), name_panels(result), tight=False)
        shown.value = (
            f'{image}<p style="max-width: 60em; line-height: 1.4; overflow-wrap: anywhere">{html.escape(sentence)}</p>'
        )

    def preset_button(name: str, preset: tuple[str, str]) -> widgets.Button:
        button = widgets.Button(
            description=f"{preset[0]} {name}", tooltip=f"Keys: {preset[1]}", layout={"width": "auto"}
        )

        def use_preset(_: widgets.Button) -> None:
            query.value, keys.value = preset

        button.on_click(use_preset)
        return button

    query.observe(redraw, "value")
    keys.observe(redraw, "value")
    redraw()
    buttons = widgets.HBox([preset_button(name, preset) for name, preset in PRESETS.items()])
    parts = [buttons, query, keys, shown, vocabulary_box(word_vectors)]
    return demo_box(parts, "a query attends to a line of keys")


def _bare(word: str) -> str:
    """Take off the spaces and punctuation around a word."""
    return word.strip(_AROUND_WORDS)


def _about_unknown(word_vectors: WordVectors, unknown: Sequence[str]) -> list[str]:
    different = list(dict.fromkeys(unknown))
    messages = []
    for word in different[:_MOST_NAMED]:
        try:
            word_vectors[word]
        except UnknownWord as error:
            messages.append(f"The key {error}")
    more = len(different) - _MOST_NAMED
    if more > 0:
        messages.append(f"{more:,} more keys are not in the vocabulary.")
    return messages
