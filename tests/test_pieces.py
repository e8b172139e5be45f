"""Byte-pair encoding: the merges and the pieces are those of Hugging Face `tokenizers`, and no text loses a byte."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from helpers.data import load_sentences
from helpers.demos import text_pieces
from helpers.layers import count_pairs, encode, learn_merges, merge_pair
from helpers.texts.byte_words import ALPHABET, CHARACTERS, count_words, join_pieces, split_words
from helpers.texts.six_languages import SENTENCE, TEXTS

MERGES = 1000
HARD = (
    "",
    " ",
    "two  spaces, and some at the end   ",
    "\n\n\ttabs and\r\nlines \n",
    "🙂👩‍👩‍👧 emoji🏳️‍🌈",
    "毎朝、おばあさんは窓を開けて。",
    "हर सुबह बूढ़ी औरत",
    "naïve café Straße İstanbul ΑΒΓ",
    "def f(x): return {'a': x**2}[\"a\"]  # it's, we'll, I'D",
    "1997+20=2017, 3.14159, ½ ² Ⅷ",
    "\x00\x07\x7f\xa0\xad\u200b\ufeff\U0010ffff",
    "ĠĠ Ã© Ċ",  # characters that stand for bytes, as text
    "aaaa aaaaa abababa",
)


def library(texts: list[str], count: int) -> tuple[Tokenizer, list[tuple[str, str]]]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=256 + count, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer, [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


Learned = tuple[Tokenizer, list[tuple[str, str]], list[tuple[str, str]]]


@pytest.fixture(scope="module")
def learned() -> Learned:
    """The library's vocabulary, its merges, and ours, from the course's sentences."""
    sentences = load_sentences()
    return *library(sentences, MERGES), learn_merges(count_words(sentences), MERGES)[0]


def test_a_thousand_merges_are_the_librarys_in_its_order(learned: Learned) -> None:
    _, theirs, ours = learned
    assert len(theirs) == MERGES
    assert ours == theirs


@pytest.mark.parametrize("seed", range(5))
def test_ties_are_broken_as_the_library_breaks_them(seed: int) -> None:
    """Texts of few letters, in which nearly every step is a tie."""
    draw = random.Random(seed)
    texts = [" ".join("".join(draw.choices("abcdé", k=draw.randint(1, 6))) for _ in range(30)) for _ in range(10)]
    _, theirs = library(texts, 60)
    assert learn_merges(count_words(texts), 60)[0] == theirs


def test_the_order_of_the_words_changes_no_merge() -> None:
    words = count_words(text for texts in TEXTS.values() for text in texts)
    backwards = dict(reversed(words.items()))
    assert learn_merges(words, 300)[0] == learn_merges(backwards, 300)[0]


def test_kept_counts_give_what_counting_from_scratch_gives() -> None:
    words = count_words(TEXTS["German"] + TEXTS["Japanese"])
    merges, touched = learn_merges(words, 10_000)
    numbers = {piece: number for number, piece in enumerate(ALPHABET)}
    for place, merge in enumerate(merges):
        pairs = count_pairs(words)
        assert merge == min(pairs, key=lambda pair: (-pairs[pair], numbers[pair[0]], numbers[pair[1]]))
        assert touched[place] == sum(merge_pair(word, merge) != word for word in words)
        numbers.setdefault("".join(merge), len(numbers))
        merged: Counter[tuple[str, ...]] = Counter()
        for word, count in words.items():
            merged[merge_pair(word, merge)] += count
        words = dict(merged)
    assert all(len(word) == 1 for word in words)  # then no pair is left, and it stops


def test_pieces_and_numbers_of_many_texts_are_the_librarys(learned: Learned) -> None:
    tokenizer, _, merges = learned
    numbers = text_pieces.number_pieces(merges)
    for text in (*HARD, *SENTENCE.values(), *load_sentences(part="test")[:200]):
        cut = encode(text, merges)
        theirs = tokenizer.encode(text)
        assert cut == theirs.tokens, text
        assert [numbers[piece] for piece in cut] == theirs.ids, text


@pytest.mark.parametrize("count", [0, 50, MERGES])
def test_every_text_comes_back_whole(learned: Learned, count: int) -> None:
    draw = random.Random(count)
    any_text = ["".join(chr(draw.choice((draw.randrange(0xD800), draw.randrange(0xE000, 0x110000)))) for _ in range(40))
                for _ in range(40)]  # fmt: skip
    for text in (*HARD, *any_text):
        assert join_pieces(encode(text, learned[2][:count])) == text


def test_each_byte_has_the_character_that_the_library_gives_it() -> None:
    assert sorted(pre_tokenizers.ByteLevel.alphabet()) == ALPHABET
    assert CHARACTERS[ord(" ")] == "Ġ"
    for byte in range(128):
        assert split_words(chr(byte)) == [(CHARACTERS[byte],)]


def test_half_a_character_is_named() -> None:
    with pytest.raises(ValueError, match=r"Character 2 .* U\+D83D"):
        split_words("ab\ud83d")


def test_the_measured_sentence_is_in_no_text_of_the_mixture() -> None:
    assert list(TEXTS) == list(SENTENCE)
    assert {len({*texts}) for texts in TEXTS.values()} == {16}
    assert not any(SENTENCE[language] in text for language, texts in TEXTS.items() for text in texts)


# The demo


def test_a_typed_text_is_drawn_piece_by_piece(learned: Learned) -> None:
    figure, told = text_pieces.pieces_of_text(" café é", learned[2][:0], encode)
    assert (
        told
        == "With 0 merges, 9 pieces: ␣ (220), c (66), a (64), f (69), C3 (127), A9 (102), ␣ (220), C3 (127), A9 (102)."
    )
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[:4] == ["␣", "220", "c", "66"]


def test_more_merges_make_fewer_pieces(learned: Learned) -> None:
    counts = [len(encode("the film is unfilmable", learned[2][:count])) for count in (0, 10, 100, 1000)]
    assert counts == sorted(counts, reverse=True)
    assert len({*counts}) == 4


@pytest.mark.parametrize("text", ["x" * 10_000, "🙂" * 500, "\ud83d", "$a_b$ \\frac"])
def test_any_typed_text_is_drawn_or_refused(learned: Learned, text: str) -> None:
    if text == "\ud83d":
        with pytest.raises(ValueError, match="type something"):
            text_pieces.pieces_of_text(text, learned[2], encode)
        return
    figure, _ = text_pieces.pieces_of_text(text, learned[2], encode)
    figure.canvas.draw()
    assert len(figure.axes[0].collections[0].get_paths()) <= 80


def test_the_widget_follows_box_and_slider(learned: Learned) -> None:
    widgets = pytest.importorskip("ipywidgets")
    demo = text_pieces.pieces_demo(encode, learned[2], start="a film")
    row = next(child for child in demo.children if isinstance(child, widgets.HBox))
    box, slider = row.children
    shown = demo.children[2]
    before = shown.value
    slider.value = 0
    assert "With 0 merges, 6 pieces" in shown.value != before
    box.value = "two films"
    assert "9 pieces" in shown.value
    box.value = ""
    assert "type something" in demo.children[1].value
