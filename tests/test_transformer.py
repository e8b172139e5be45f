"""Lesson 7's reference model: what it promises, against torch's own functions and texts read one at a time."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from helpers.layers import Transformer


@pytest.fixture
def model() -> Transformer:
    torch.manual_seed(7)
    return Transformer(16, 4, 2, max_len=20, vocab_size=50, num_classes=3).eval()


TEXTS = [[5, 9, 2, 40, 9], [7, 7], [1, 2, 3, 4, 5, 6, 7, 8, 9]]


def _batch(extra: int = 0, filler: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    t = max(map(len, TEXTS)) + extra
    mask = torch.arange(t) < torch.tensor([[len(text)] for text in TEXTS])
    token_ids = torch.full(mask.shape, filler)
    token_ids[mask] = torch.tensor([token for text in TEXTS for token in text])
    return token_ids, mask


@pytest.mark.parametrize(("extra", "filler"), [(0, 0), (1, 0), (7, 0), (7, 49)])
def test_padding_changes_no_prediction(model: Transformer, extra: int, filler: int) -> None:
    alone = torch.cat([model(torch.tensor([text])) for text in TEXTS])
    # Sums in another order, in single precision.
    torch.testing.assert_close(model(*_batch(extra, filler)), alone, rtol=1e-4, atol=1e-5)


def test_the_model_is_its_formula(model: Transformer) -> None:
    token_ids, mask = _batch()
    x = F.embedding(token_ids, model.embedding.weight) * math.sqrt(16)
    x = x + model.positions.encoding[: x.shape[1]]
    for block in model.blocks:
        x = block(x, mask[:, None, None, :])
    pooled = torch.stack([row[: len(text)].mean(0) for row, text in zip(x, TEXTS, strict=True)])
    expected = F.linear(pooled, model.classifier.weight, model.classifier.bias)
    torch.testing.assert_close(model(token_ids, mask), expected, rtol=1e-4, atol=1e-5)


def test_without_a_mask_all_places_hold_words(model: Transformer) -> None:
    token_ids, mask = _batch()
    torch.testing.assert_close(model(token_ids), model(token_ids, torch.ones_like(mask)))


def test_a_text_without_words_gets_the_classifiers_bias(model: Transformer) -> None:
    token_ids, mask = _batch()
    mask[1] = False
    logits = model(token_ids, mask)
    assert logits.isfinite().all()
    torch.testing.assert_close(logits[1], model.classifier.bias)


def test_word_order_matters(model: Transformer) -> None:
    forward, backward = model(torch.tensor([TEXTS[0]])), model(torch.tensor([TEXTS[0][::-1]]))
    assert (forward - backward).abs().max() > 1e-3  # rounding would be a thousandth of that


def test_a_text_longer_than_max_len_is_refused(model: Transformer) -> None:
    model(torch.zeros(1, 20, dtype=torch.long))
    with pytest.raises(ValueError, match="21 tokens is longer than max_len=20"):
        model(torch.zeros(1, 21, dtype=torch.long))


def test_words_begin_about_as_large_as_positions() -> None:
    torch.manual_seed(7)
    model = Transformer(128, 8, 1, max_len=64, vocab_size=2000, num_classes=5)
    words = model.embedding.weight * math.sqrt(128)
    assert float(words.detach().std()) == pytest.approx(1, abs=0.02)  # 256,000 numbers: the error is 0.0014


def test_the_gradient_reaches_the_words_that_were_read_and_no_others(model: Transformer) -> None:
    token_ids, mask = _batch(filler=49)
    model(token_ids, mask).square().sum().backward()
    reached = model.embedding.weight.grad.abs().sum(1).nonzero().flatten().tolist()
    assert reached == sorted({token for text in TEXTS for token in text})
