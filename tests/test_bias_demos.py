"""Lesson 09's demos: the menu of options, the shared words of a pair, the shares by category."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt
import pytest
import torch

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.exercises.ex_09 import Question
from helpers.crows_pairs import Share
from helpers.demos.bias_by_category import draw_shares, table_of_shares
from helpers.demos.option_menu import (
    MENU,
    Asked,
    ask,
    describe_options,
    draw_options,
    draw_ratios,
    option_menu_demo,
)
from helpers.demos.shared_words import draw_differences, draw_shared_words
from helpers.layers import option_probabilities
from helpers.masked_options import parse_options
from helpers.texts.bias_pairs import Pair


@pytest.fixture
def case() -> Question:
    return Question(Subject(option_probabilities), Draw(4, "a demo"), (1, 2, 1))


@pytest.fixture(autouse=True)
def close_figures() -> Any:
    yield
    plt.close("all")


def test_every_sentence_of_the_menu_has_two_options_and_every_topic_is_there() -> None:
    assert set(MENU) == {"gender", "race", "religion", "age", "income", "looks"}
    for sentences in MENU.values():
        assert len(sentences) >= 2
        assert all(len(parse_options(sentence)[1]) == 2 for sentence in sentences)


def test_what_is_asked_is_what_the_students_function_gives(case: Question) -> None:
    asked = ask(f"  {case.text}\n", option_probabilities, case.model, case.tokenizer)
    assert asked.probabilities == pytest.approx(case.probabilities)
    assert asked.pieces == case.pieces
    assert ask(case.text, lambda *_: dict.fromkeys(case.pieces, torch.tensor(0.5)), case.model, case.tokenizer)


def test_words_say_the_ratio_and_which_option_is_scored_whole() -> None:
    asked = Asked("the ___ left", {"lemurs": 0.1, "tigers": 0.4}, {"lemurs": ["le", "##mur", "##s"], "tigers": ["t"]})
    assert describe_options(asked) == (
        "“lemurs” is less likely than “tigers”, which is 4.0 times as likely. "
        "“lemurs” is scored whole, from 3 pieces: le ##mur ##s."
    )


def test_bars_are_the_probabilities_each_with_its_number() -> None:
    asked = Asked("the ___ cost $5 and $6", {"a": 0.25, "b": 0.00031}, {"a": ["a"], "b": ["b"]})
    figure = draw_options(asked)
    (ax,) = figure.axes
    assert [bar.get_width() for bar in ax.patches] == [0.25, 0.00031]
    assert {"0.25", "0.00031"} <= {text.get_text() for text in ax.texts}
    figure.canvas.draw()  # a dollar sign starts no formula


def test_ratios_are_sorted_and_lie_on_the_side_of_the_likelier_option() -> None:
    asked = [
        (name, Asked("___", {"she": she, "he": he}, {}))
        for name, she, he in (("captain", 0.1, 0.4), ("nurse", 0.4, 0.2), ("doctor", 0.3, 0.3))
    ]
    (ax,) = draw_ratios(asked, title="jobs").axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["nurse", "doctor", "captain"]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([1, 0, -2])
    assert ax.get_xlim() == pytest.approx((-2.3, 1.3))  # no empty half where all lean one way


def test_the_widget_answers_its_menus_its_box_and_nonsense(case: Question) -> None:
    def any_options(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
        _, options = parse_options(text)
        return {option: 0.1 * (place + 1) for place, option in enumerate(options)}

    demo = option_menu_demo(any_options, case.model, case.tokenizer)
    topic, sentence, box, status, shown, _ = demo.children
    assert isinstance(box, widgets.Text)
    assert box.value == MENU["gender"][0]
    assert "<img alt=" in shown.value
    topic.value = "religion"
    assert tuple(sentence.options) == MENU["religion"]
    assert box.value == MENU["religion"][0]
    sentence.value = MENU["religion"][1]
    assert "“Christian”, which is 2.0 times as likely" in status.value
    before = shown.value
    box.value = "no options <b>here"
    assert "no options in" in status.value
    assert "&lt;b&gt;" in status.value
    assert shown.value == before
    box.value = "a/b/c left"
    assert "“a” is less likely than “c”" in status.value
    assert shown.value != before
    assert all(control.description for control in (topic, sentence, box))


@pytest.mark.parametrize(
    ("text", "words"),
    [("/".join("abcdefghi"), "9 options are too many"), ("a/b " + "the " * 40, "too long: the model reads 32 tokens")],
)
def test_what_cannot_be_drawn_is_refused_with_a_reason(case: Question, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ask(text, option_probabilities, case.model, case.tokenizer)


def test_shared_words_are_drawn_side_by_side_with_their_sums() -> None:
    pair = Pair("the old ship", "the new ship", "stereo", "age")
    (ax,) = draw_shared_words(["the", "ship"], torch.tensor([-1.0, -3.0]), torch.tensor([-2.0, -3.5]), pair).axes
    assert [bar.get_width() for bar in ax.patches] == [1, 3, 2, 3.5]
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["the old ship\nsum of log P: -4.00", "the new ship\nsum of log P: -5.50"]


def test_each_difference_is_drawn_once_and_on_its_side() -> None:
    scores = torch.tensor([[-5.0, -6.0], [-5.0, -7.0], [-9.0, -8.0], [-30.0, -1.0], [-4.0, -4.0]])
    (ax,) = draw_differences(scores).axes
    right = sum(bar.get_height() for bar in ax.patches if bar.get_x() >= -1e-9)
    left = sum(bar.get_height() for bar in ax.patches if bar.get_x() < -1e-9)
    assert (left, right) == (2, 3)


def test_shares_are_tabled_and_drawn_beside_the_published_ones() -> None:
    shares = {"all": Share.of(60, 90), "gender": Share.of(10, 15), "made up": Share.of(1, 2)}
    table = table_of_shares(shares)
    assert "60.5" in table.split("\n")[1]  # BERT-base, all pairs
    assert table.split("\n")[2].split() == ["gender", "15", "66.7", "42", "to", "85", "58.0", "57.3", "64.9"]
    figure = draw_shares(shares, model="a model", pairs="90 pairs")
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["all pairs (90)", "gender (15)", "made up (2)"]
    named = [text.get_text() for text in ax.get_legend().get_texts()]
    assert named[-2:] == ["a model, on 90 pairs", "a coin"]
    dots = next(line for line in ax.get_lines() if line.get_label() == "BERT-base, on CrowS-Pairs")
    assert dots.get_xdata().tolist() == [60.5, 58.0]
