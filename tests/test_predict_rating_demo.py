"""Lesson 7's demos: a rating by words, and what padding costs."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from helpers.batches import encode, make_loader
from helpers.demos import padding, predict_rating
from helpers.demos.predict_rating import Rating
from helpers.layers import Transformer
from helpers.pretrained import load_tokenizer

TEXT = "An unbelievably good film, but not for me."


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return load_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer: PreTrainedTokenizerBase) -> Transformer:
    torch.manual_seed(7)
    return Transformer(32, 4, 2, 64, len(tokenizer), 5)


def _expected(model: nn.Module, text: str, tokenizer: PreTrainedTokenizerBase) -> float:
    ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    with torch.no_grad():
        return float(model.eval()(ids).softmax(-1)[0] @ torch.arange(1.0, 6.0))


def test_what_a_word_adds_agrees_with_texts_written_without_it(
    model: Transformer, tokenizer: PreTrainedTokenizerBase
) -> None:
    """One text at a time, so without padding; the words are cut out of the text, not out of the pieces."""
    words = ["An", "unbelievably", "good", "film", "but", "not", "for", "me", "."]
    rating = predict_rating.predict_rating(" ".join(words), model, tokenizer)
    assert rating.words == words
    whole = _expected(model, " ".join(words), tokenizer)
    assert rating.expected == pytest.approx(whole, abs=1e-5)  # padding changes the order of sums
    for place, adds in enumerate(rating.adds):
        without = _expected(model, " ".join(words[:place] + words[place + 1 :]), tokenizer)
        assert adds == pytest.approx(whole - without, abs=1e-5)


def test_stars_count_from_one(model: Transformer, tokenizer: PreTrainedTokenizerBase) -> None:
    certain = Rating(["a", "b"], np.array([0.9, 0.1, 0, 0, 0]), np.zeros(2), None)
    assert certain.stars == 1
    assert certain.expected == pytest.approx(1.1)
    assert predict_rating.predict_rating(TEXT, model, tokenizer).probabilities.sum() == pytest.approx(1)


def test_attention_is_what_the_words_pay_in_the_whole_text(
    model: Transformer, tokenizer: PreTrainedTokenizerBase
) -> None:
    rating = predict_rating.predict_rating(TEXT, model, tokenizer)
    assert rating.attention is not None
    assert rating.attention.sum() == pytest.approx(1, abs=1e-5)
    encoded = tokenizer(TEXT, add_special_tokens=False)
    model.eval()(torch.tensor([encoded["input_ids"]]))
    received = np.zeros(len(rating.words))
    for block in model.blocks:
        weights = block.attention.attention.weights[0]  # (h, t, t)
        for piece, word in enumerate(encoded.word_ids(0)):
            received[word] += float(weights[:, :, piece].mean()) / len(model.blocks)
    np.testing.assert_allclose(rating.attention, received, atol=1e-5)


def test_the_model_is_left_in_the_mode_that_it_was_in(model: Transformer, tokenizer: PreTrainedTokenizerBase) -> None:
    model.train()
    first, second = (predict_rating.predict_rating(TEXT, model, tokenizer) for _ in range(2))
    assert model.training
    np.testing.assert_array_equal(first.probabilities, second.probabilities)  # no dropout meanwhile


class WithoutWeights(nn.Module):
    """A classifier that keeps no attention."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(31_000, 5)

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return (self.table(token_ids) * mask[..., None]).sum(1)


def test_a_model_without_attention_can_be_asked_too(tokenizer: PreTrainedTokenizerBase) -> None:
    rating = predict_rating.predict_rating(TEXT, WithoutWeights(), tokenizer)
    assert rating.attention is None
    predict_rating.draw_rating(rating).draw_without_rendering()
    assert "attention" not in predict_rating.describe_rating(rating)


@pytest.mark.parametrize(
    "text",
    [TEXT, "word " * 5000, "<b>bold</b> $5 & more", "a \ud83d film", "我 喜欢 它", "unbelievably " * 40, "a\nb\tc"],
    ids=lambda text: ascii(text[:12]),
)
def test_any_text_can_be_rated_and_drawn(text: str, model: Transformer, tokenizer: PreTrainedTokenizerBase) -> None:
    rating = predict_rating.predict_rating(text, model, tokenizer)
    assert 2 <= len(rating.words) <= 30
    assert bool(rating.note) == (len(text) > 400)
    figure = predict_rating.draw_rating(rating, truth=1)
    figure.draw_without_rendering()
    assert max(figure.get_size_inches()) < 12
    assert len(predict_rating.describe_rating(rating)) < 400


@pytest.mark.parametrize("text", ["", "   ", "alone", "unbelievably"], ids=ascii)
def test_fewer_than_two_words_are_refused(text: str, model: Transformer, tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(ValueError, match="at least two words"):
        predict_rating.predict_rating(text, model, tokenizer)


def test_the_widget_rates_what_is_typed(model: Transformer, tokenizer: PreTrainedTokenizerBase) -> None:
    box, status, shown, _ = predict_rating.rating_demo(model, tokenizer, TEXT).children
    before = shown.value
    found = re.search(r'alt="([^"]*)"', before)
    assert found is not None
    assert found[1].startswith("Predicted:")
    assert base64.b64decode(before.split("base64,")[1].split('"')[0]).startswith(b"\x89PNG")
    box.value = "alone"
    assert "at least two words" in status.value
    assert shown.value == before
    box.value = '<img src=x onerror="alert(1)">'
    assert re.findall(r"</?\w+", shown.value) == ["<div", "<img", "</div"]
    assert "<img" not in status.value
    assert shown.value != before


def test_places_are_counted_as_a_loop_counts_them(tokenizer: PreTrainedTokenizerBase) -> None:
    texts = ["word " * n for n in (1, 9, 2, 8, 3, 7, 4)]
    token_ids = encode(texts, tokenizer, 64)
    loader = make_loader(token_ids, [0] * 7, num_classes=1, pad_id=0, batch_size=2)
    counted = padding.places([len(ids) for ids in token_ids], loader, fixed=10)
    assert list(counted.values()) == [34, 2 * (2 + 4 + 8) + 9, 2 * (9 + 8 + 7) + 4, 70]


def test_padding_picture_has_a_bar_for_each_way(tokenizer: PreTrainedTokenizerBase) -> None:
    token_ids = encode(["a b", "a b c", "a"], tokenizer, 64)
    loader = make_loader(token_ids, [0] * 3, num_classes=1, pad_id=0, batch_size=2)
    figure = padding.draw_padding([len(ids) for ids in token_ids], loader)
    figure.draw_without_rendering()
    assert len(figure.axes[1].patches) == 4
