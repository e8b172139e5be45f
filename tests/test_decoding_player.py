"""Lesson 01's models and demos: the weighted average, the drawings, accuracy by length, the player."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from helpers import date_batches, dates
from helpers.date_batches import CHARACTERS, END, MOST_CHARACTERS
from helpers.dates import Line
from helpers.demos import date_accuracy, decoding_player, encoder_decoder, three_numbers
from helpers.layers import AdditiveAttention, DateTranslator, train_translator

TEXT = "ruth left oslo on 3 apr 1997"
TEST_LINES = dates.make_lines(train=0, test=200, seed=3)[1]


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(1)
    return DateTranslator(16, AdditiveAttention(16, 16, 8)).eval()


class Scripted(nn.Module):
    """Writes a fixed text, looking at word 0, 1, 2 ... in turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids = [CHARACTERS.index(character) for character in text] + [END] * (MOST_CHARACTERS - len(text))

    def forward(self, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        b, tk = words.shape
        self.weights = torch.eye(tk)[torch.arange(MOST_CHARACTERS) % tk].expand(b, -1, -1)
        return 10 * torch.eye(len(CHARACTERS))[self.ids].expand(b, -1, -1)


# The translator


@pytest.mark.parametrize("attention", [None, AdditiveAttention(16, 16, 8)], ids=["one vector", "attention"])
def test_padding_changes_no_prediction(attention: nn.Module | None) -> None:
    torch.manual_seed(1)
    model = DateTranslator(16, attention).eval()
    short, long = Line(TEXT, "1997-04-03"), max(TEST_LINES, key=lambda line: len(line.text))
    alone, together = (date_batches.make_batch(lines) for lines in ([short], [short, long]))
    with torch.no_grad():
        expected, got = (model(batch.words, batch.mask)[0] for batch in (alone, together))
    torch.testing.assert_close(got, expected)
    if attention is not None:
        assert model.weights is not None
        assert not model.weights[0][:, ~together.mask[0]].any()
        torch.testing.assert_close(model.weights.sum(-1), torch.ones(2, MOST_CHARACTERS))


def test_with_a_target_the_translator_is_told_the_character_before(model: nn.Module) -> None:
    batch = date_batches.make_batch([Line(TEXT, "1997-04-03")])
    other = batch.target.clone()
    other[0, 4] = CHARACTERS.index("8")
    with torch.no_grad():
        one, two = model(batch.words, batch.mask, batch.target), model(batch.words, batch.mask, other)
    assert one.shape == (1, 11, len(CHARACTERS))
    torch.testing.assert_close(one[:, :5], two[:, :5])  # what comes after a character tells nothing of it
    assert not torch.allclose(one[:, 5], two[:, 5])


def test_with_the_characters_that_it_would_write_itself_a_target_changes_nothing(model: nn.Module) -> None:
    batch = date_batches.make_batch([Line(TEXT, "1997-04-03")])
    with torch.no_grad():
        free = model(batch.words, batch.mask)
        torch.testing.assert_close(model(batch.words, batch.mask, free.argmax(-1)), free)


@pytest.mark.parametrize("attention", [None, AdditiveAttention(16, 16, 8)], ids=["one vector", "attention"])
def test_training_repeats_and_lowers_the_loss(attention: nn.Module | None, capsys: pytest.CaptureFixture[str]) -> None:
    ran = []
    for _ in range(2):
        torch.manual_seed(1)
        if attention is not None:
            attention = AdditiveAttention(16, 16, 8)
        trained = DateTranslator(16, attention)
        ran.append(train_translator(trained, TEST_LINES, steps=12, batch_size=16))
        assert not trained.training
    assert ran[0] == ran[1]
    assert len(ran[0]) == 12
    assert np.mean(ran[0][-3:]) < 0.95 * np.mean(ran[0][:3])


# Decoding


def test_a_decoding_ends_where_the_model_ends() -> None:
    decoding = decoding_player.decode_line(Scripted("12-3"), TEXT)
    assert decoding.words == dates.split_words(TEXT)
    assert decoding.written == ["1", "2", "-", "3", "<end>"]
    assert decoding.probabilities.shape == (5, len(CHARACTERS))
    assert decoding.weights.shape == (5, len(decoding.words))
    np.testing.assert_array_equal(decoding.weights.argmax(1), range(5))
    assert decoding.so_far(3) == "12-"


def test_a_decoding_without_an_end_is_as_long_as_can_be() -> None:
    decoding = decoding_player.decode_line(Scripted("1" * MOST_CHARACTERS), TEXT)
    assert decoding.written == ["1"] * MOST_CHARACTERS


def test_a_decoding_shows_what_the_translator_writes(model: nn.Module) -> None:
    decoding = decoding_player.decode_line(model, TEXT)
    (written,) = date_batches.write_dates(model, [Line(TEXT, "")], "cpu")
    assert "".join(decoding.written).startswith(written.replace(" ", "␣"))
    np.testing.assert_allclose(decoding.weights.sum(1), 1, rtol=1e-5)  # float32
    np.testing.assert_allclose(decoding.probabilities.sum(1), 1, rtol=1e-5)


def test_a_model_without_attention_has_nothing_to_show() -> None:
    with pytest.raises(ValueError, match="no attention"):
        decoding_player.decode_line(DateTranslator(16), TEXT)


def test_a_space_is_seen() -> None:
    decoding = decoding_player.decode_line(Scripted("1 2"), TEXT)
    assert decoding.written[1] == "␣"
    assert decoding.so_far(3) == "1 2"


def test_an_alignment_has_a_row_for_each_character_but_the_end() -> None:
    decoding = decoding_player.decode_line(Scripted("12-3"), TEXT)
    axes = decoding_player.draw_alignment(decoding, "where it looked").axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), decoding.weights[:4])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1", "2", "-", "3"]
    assert [label.get_text() for label in axes.get_xticklabels()] == decoding.words


def test_a_step_shows_its_weights_and_the_likeliest_characters() -> None:
    decoding = decoding_player.decode_line(Scripted("12-3"), TEXT)
    left, right = decoding_player.draw_step(decoding, 2).axes
    assert [bar.get_height() for bar in left.patches] == pytest.approx(decoding.weights[2].tolist())
    assert "“12”" in left.get_title()
    assert right.get_yticklabels()[0].get_text() == "-"
    assert right.patches[0].get_width() == pytest.approx(decoding.probabilities[2].max())
    told = decoding_player.describe_step(decoding, 2)
    assert "Step 3 of 5" in told
    assert "“oslo” (word 3) 1.00" in told
    assert "writes “-”" in told


@pytest.mark.parametrize("step", [-1, 5])
def test_a_step_that_is_none_is_refused(step: int) -> None:
    decoding = decoding_player.decode_line(Scripted("12-3"), TEXT)
    with pytest.raises(ValueError, match="steps 0 to 4"):
        decoding_player.draw_step(decoding, step)


# The player


def parts_of(player: object) -> tuple:
    menu, box, controls, shown, _ = player.children
    return menu, box, *controls.children, shown


def test_the_player_steps_through_a_line() -> None:
    menu, box, play, slider, shown = parts_of(decoding_player.decoding_player(Scripted("12-3"), [TEXT, "3 apr 1997"]))
    assert (menu.description, box.description, slider.description) == ("Choose a line", "or type one", "step")
    assert slider.max == play.max == 4
    assert "Step 1 of 5" in shown.value
    before = shown.value
    slider.value = 3
    assert shown.value != before
    assert "Step 4 of 5. Written so far: “12-”" in shown.value
    assert 'alt="Step 4 of 5.' in shown.value


def test_choosing_or_typing_a_line_begins_again() -> None:
    menu, box, play, slider, shown = parts_of(decoding_player.decoding_player(Scripted("12-3"), [TEXT, "3 apr 1997"]))
    slider.value = 3
    menu.value = "3 apr 1997"
    assert box.value == "3 apr 1997"
    assert (slider.value, play.value) == (0, 0)
    assert "“3” (word 1)" in shown.value
    slider.value = 2
    box.value = "MAY 4, 1998"
    assert slider.value == 0
    assert "“may” (word 1)" in shown.value


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("", "The line is empty"),
        ("   ", "The line is empty"),
        ("3 <b>mai</b> 1997", "never uses “&lt;”"),
        ("三", "“三”"),
    ],
)
def test_what_cannot_be_read_is_named_and_the_player_lives_on(typed: str, told: str) -> None:
    _, box, _, slider, shown = parts_of(decoding_player.decoding_player(Scripted("12-3"), [TEXT]))
    box.value = typed or " "
    assert told in shown.value
    slider.value = 2  # nothing to show: nothing happens
    assert told in shown.value
    box.value = "3 apr 1997"
    assert "Step 1 of 5" in shown.value


# The other demos


def test_weights_are_softmax_and_large_scores_do_not_overflow() -> None:
    scores = [0.0, 1.0, 3.0]
    np.testing.assert_allclose(three_numbers.weights_of(scores), torch.tensor(scores).double().softmax(0).numpy())
    np.testing.assert_allclose(three_numbers.weights_of([1000.0, 0.0]), [1.0, 0.0])


def test_the_weighted_average_is_drawn_where_it_lies() -> None:
    names, numbers, scores = ["Ada", "Ben", "Cleo"], [2.0, 3.0, 5.0], [0.0, 0.0, 0.0]
    left, right = three_numbers.draw_weighted_average(names, numbers, scores).axes
    assert [bar.get_width() for bar in left.patches] == pytest.approx([1 / 3] * 3)
    assert right.get_lines()[-1].get_xdata()[0] == pytest.approx(10 / 3)
    assert "Weighted average: 3.33." in three_numbers.describe_weighted_average(names, numbers, scores)


def test_moving_a_score_moves_the_average() -> None:
    demo = three_numbers.three_numbers_demo(["Ada", "Ben", "Cleo"], [2.0, 3.0, 5.0], [0.0, 0.0, 0.0])
    *sliders, shown, _ = demo.children
    assert [slider.description for slider in sliders] == ["score of Ada", "score of Ben", "score of Cleo"]
    sliders[2].value = 3.0
    sliders[0].value = sliders[1].value = -3.0
    assert "Weighted average: 4.99." in shown.value


def test_exact_matches_are_counted_from_the_shortest_lines_to_the_longest() -> None:
    lines = [Line("3 apr 1997", "1997-04-03"), Line("the 3rd day of april 1997", "1997-04-03")] * 2
    lengths, shares = date_accuracy.exact_by_length(lines, ["1997-04-03", "1997-04-30"] * 2, groups=2)
    assert lengths.tolist() == [6.0, 10.0]
    assert shares.tolist() == [1.0, 0.0]
    assert date_accuracy.longest_quarter(lines, ["1997-04-03", "", "", "1997-04-03"]) == 1.0


def test_accuracy_needs_a_text_for_each_line() -> None:
    with pytest.raises(ValueError, match="one text a line"):
        date_accuracy.exact_by_length(TEST_LINES, ["1997-04-03"])


def test_the_curves_show_what_was_counted() -> None:
    right = [line.iso for line in TEST_LINES]
    figure = date_accuracy.draw_exact_by_length(TEST_LINES, {"good": right, "bad": [""] * 200}, title="two models")
    good, bad = figure.axes[0].get_lines()
    assert set(good.get_ydata()) == {1.0}
    assert set(bad.get_ydata()) == {0.0}
    one_day = [line.iso if " " not in line.iso else "" for line in TEST_LINES]
    one, two = date_accuracy.draw_exact_by_days(TEST_LINES, one_day, title="one day or two").axes[0].get_lines()
    assert (set(one.get_ydata()), set(two.get_ydata())) == ({1.0}, {0.0})


def test_every_line_is_in_the_picture_of_lengths() -> None:
    axes = date_accuracy.draw_lengths(TEST_LINES).axes[0]
    assert sum(bar.get_height() for bar in axes.patches) == len(TEST_LINES)


def test_the_drawings_name_what_is_read_and_written() -> None:
    words, characters, weights = ["3", "apr", "1997"], list("1997-0"), [0.1, 0.8, 0.1]
    for figure in (
        encoder_decoder.draw_one_vector(words, characters),
        encoder_decoder.draw_shortcut(words, characters, weights),
    ):
        told = [text.get_text() for text in figure.axes[0].texts]
        assert set(words + characters) <= set(told)
    widths = [line.get_linewidth() for line in figure.axes[0].get_lines()]
    assert np.argmax(widths) == 1
