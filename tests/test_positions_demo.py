"""Order and positions: what attention cannot tell, what the encoding adds, and the pictures of both."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from torch import nn

from helpers.demos import positions
from helpers.layers import PositionalEncoding, SelfAttention, TransformerBlock


@pytest.fixture(scope="module")
def encoding() -> torch.Tensor:
    return PositionalEncoding(32, dropout=0.0, max_len=64)(torch.zeros(1, 64, 32))[0]


def blocks(kind: str, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    if kind == "attention":
        return SelfAttention(24, num_heads=4).eval()
    return nn.Sequential(*[TransformerBlock(24, num_heads=4) for _ in range(4)]).eval()


def pooled(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(x).mean(dim=1)


# What a model without positions cannot tell


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["attention", "four blocks"])
def test_without_positions_shuffled_input_gives_the_same_pooled_output(kind: str, seed: int) -> None:
    model = blocks(kind, seed)
    x = torch.randn(2, 11, 24)
    for _ in range(5):
        shuffled = x[:, torch.randperm(11)]
        # Sums of 11 and 24 terms of size 1 in another order: some 1e-7 apart in 32 bits.
        torch.testing.assert_close(pooled(model, shuffled), pooled(model, x), atol=1e-6, rtol=0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["attention", "four blocks"])
def test_with_positions_shuffled_input_gives_another_pooled_output(kind: str, seed: int) -> None:
    model = nn.Sequential(PositionalEncoding(24, dropout=0.0), blocks(kind, seed))
    x = torch.randn(1, 11, 24)
    order = torch.arange(10, -1, -1)
    assert (pooled(model, x[:, order]) - pooled(model, x)).abs().max() > 1e-3  # a thousand times rounding


def test_a_batch_of_two_equal_sentences_gives_two_equal_outputs() -> None:
    model = nn.Sequential(PositionalEncoding(24), blocks("four blocks", 0)).eval()
    sentence = torch.randn(1, 7, 24)
    with torch.no_grad():
        first, second = model(torch.cat([sentence, sentence]))
        (alone,) = model(sentence)
    torch.testing.assert_close(first, second, atol=1e-6, rtol=0)  # rounding may differ from row to row
    torch.testing.assert_close(first, alone, atol=1e-6, rtol=0)


# The encoding


@pytest.mark.parametrize(("t", "k"), [(1, 1), (2, 2), (5, 7), (512, 6), (33, 64)])
def test_encoding_is_the_papers_formula_for_every_width(t: int, k: int) -> None:
    wanted = torch.zeros(t, k)
    for p in range(t):
        for place in range(k):
            angle = p / 10000 ** (place // 2 * 2 / k)
            wanted[p, place] = math.cos(angle) if place % 2 else math.sin(angle)
    x = torch.randn(3, t, k)
    layer = PositionalEncoding(k, dropout=0.0)
    # The table is computed in 64 bits; only adding and storing round, to 6e-8 of numbers below 8.
    torch.testing.assert_close(layer(x), x + wanted, atol=1e-6, rtol=0)


def test_a_text_longer_than_the_table_is_refused_with_both_lengths() -> None:
    layer = PositionalEncoding(8, max_len=10)
    layer(torch.zeros(2, 10, 8))
    with pytest.raises(ValueError, match=r"11 tokens.*max_len=10"):
        layer(torch.zeros(2, 11, 8))


def test_encoding_is_no_parameter_follows_the_layers_type_and_is_dropped_only_in_training() -> None:
    layer = PositionalEncoding(8, dropout=0.5, max_len=10)
    assert not list(layer.parameters())
    x = torch.ones(4, 10, 8)
    dropped = (layer(x) == 0).float().mean()
    assert 0.3 < dropped < 0.7  # 320 numbers, half of them expected
    assert torch.equal(layer.eval()(x), layer(x))
    assert not (layer(x) == 0).all()
    assert layer.double()(x.double()).dtype == torch.float64


def test_dot_products_of_positions_depend_on_their_distance_alone(encoding: torch.Tensor) -> None:
    similarity = encoding @ encoding.T
    for distance in range(64):
        diagonal = similarity.diagonal(distance)
        # Sums up to 16, of 32 products, in 32 bits: some 5e-6 apart
        assert diagonal.max() - diagonal.min() < 5e-5
    assert similarity[0].argmax() == 0


# The pictures


def test_a_hands_turn_is_read_clockwise_from_noon() -> None:
    quarters = [positions.turn_of(np.array(pair)) for pair in ((0, 1), (1, 0), (0, -1), (-1, 0))]
    np.testing.assert_allclose(quarters, [0, np.pi / 2, np.pi, 3 * np.pi / 2])


def test_the_picture_of_a_position_shows_its_hands_and_dot_products(encoding: torch.Tensor) -> None:
    clocks, curve = positions.draw_position(encoding, 10, 5).axes
    circles, other, chosen = (collection.get_segments() for collection in clocks.collections)
    assert len(circles) == len(other) == len(chosen) == 8
    for clock, (hand, place) in enumerate([(h, 15) for h in other] + [(h, 10) for h in chosen]):
        middle, tip = hand
        pair = 2 * (clock % 8)
        np.testing.assert_allclose(tip - middle, encoding[place, pair : pair + 2], atol=1e-6)
    shown = curve.get_lines()[0].get_ydata()
    np.testing.assert_allclose(shown, (encoding @ encoding[10]).numpy(), atol=1e-4)
    assert "once round\nin 6.28" in [text.get_text() for text in clocks.texts]


def test_the_same_steps_turn_the_hands_alike_from_everywhere(encoding: torch.Tensor) -> None:
    told = [positions.describe_position(encoding, place, 5) for place in (0, 10, 40)]
    turns = [re.search(r"clocks turn by ([\d, ]+) degrees", text) for text in told]
    assert all(turns)
    assert len({found[1] for found in turns if found}) == 1
    assert turns[0] is not None
    assert turns[0][1].split(", ")[0] == "286"  # 5 radians


@pytest.mark.parametrize(("position", "steps"), [(64, 0), (60, 4), (-1, 2), (0, -1)])
def test_a_position_that_the_encoding_lacks_is_named(encoding: torch.Tensor, position: int, steps: int) -> None:
    with pytest.raises(
        ValueError, match=rf"positions 0 to 63; there is no position {position} .* {position + steps}\."
    ):
        positions.draw_position(encoding, position, steps)


def test_two_orders_are_compared_word_by_word() -> None:
    first = torch.zeros(3, 8)
    second = first.clone()
    second[1, 0] = 2.0
    figure = positions.draw_two_orders(first, second, ["dog", "bites", "man"], ["dog bites man", "man bites dog"])
    panels = figure.axes[:3]
    assert [panel.get_title(loc="left") or panel.get_title() for panel in panels] == [
        "dog: 0.00 apart",
        "bites: 2.00 apart",
        "man: 0.00 apart",
    ]
    for place, panel in enumerate(panels):
        drawn = panel.get_images()[0]
        assert np.array_equal(drawn.get_array(), torch.stack([first[place], second[place]]).numpy())
        assert drawn.get_clim() == (-2.0, 2.0), "one scale for all"


def test_smooth_counters_go_round_as_often_as_their_bit() -> None:
    for bit, panel in enumerate(positions.draw_smooth_counters(4).axes):
        square, sine, cosine = panel.get_lines()
        assert list(square.get_ydata()) == [number >> bit & 1 for number in range(16)]
        across = sine.get_xdata()
        np.testing.assert_allclose(sine.get_ydata(), np.sin(2 * np.pi * across / 2 ** (bit + 1)), atol=1e-12)
        np.testing.assert_allclose(cosine.get_ydata() ** 2 + sine.get_ydata() ** 2, 1)


def test_periods_are_those_of_the_encodings_clocks(encoding: torch.Tensor) -> None:
    (line,) = positions.draw_periods(32).axes[0].get_lines()
    turns = [positions.turn_of(encoding[1, pair : pair + 2].numpy()) for pair in range(0, 32, 2)]
    # The slowest hand turns by 2e-4 in one position: its cosine is 1 in 32 bits, its sine has all its digits.
    np.testing.assert_allclose(line.get_ydata(), 2 * np.pi / np.array(turns), rtol=1e-5)


# The widget


def test_position_picker_redraws_when_a_slider_moves(encoding: torch.Tensor) -> None:
    picker = positions.position_picker(encoding)
    sliders, shown, _ = picker.children
    position, steps = sliders.children
    assert (position.description, steps.description) == ("position", "steps on")
    before = shown.value
    position.value = 30
    assert shown.value != before
    assert "From position 30 to position 35" in shown.value
    steps.value = 0
    assert "From position 30 to position 30 the hands of the first 8 clocks turn by 0, 0" in shown.value
    position.value, steps.value = position.max, steps.max
    assert "to position 63" in shown.value


def test_position_picker_takes_a_table_of_any_size() -> None:
    for t, k in ((1, 2), (2, 3), (5, 40)):
        table = PositionalEncoding(k, dropout=0.0)(torch.zeros(1, t, k))[0]
        position, steps = positions.position_picker(table).children[0].children
        position.value, steps.value = position.max, steps.max
