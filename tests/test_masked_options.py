"""A sentence's options are found, what makes no sense is refused, and ratios are told as they are."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.checks.exercises.ex_09 import _tokenizer
from helpers.masked_options import compare, in_eval_mode, parse_options, pieces_of


@pytest.mark.parametrize(
    ("text", "template", "options"),
    [
        ("The doctor picked up his/her bag", "The doctor picked up ___ bag", ["his", "her"]),
        ("He likes cats/dogs/birds.", "He likes ___.", ["cats", "dogs", "birds"]),
        ("He/She left, I think.", "___ left, I think.", ["He", "She"]),
        ("Was it his/hers?!", "Was it ___?!", ["his", "hers"]),
        ("They (men/women) left", "They (___) left", ["men", "women"]),
        ("“Men/Women” it said", "“___” it said", ["Men", "Women"]),
        ('a "his"/"her" bag', "a ___ bag", ['"his"', '"her"']),
        ("U.S./U.K., he said", "___, he said", ["U.S.", "U.K."]),
        ("her  mother-in-law/father-in-law\tcame", "her  ___\tcame", ["mother-in-law", "father-in-law"]),
        ("a Frenchman/Norwegian", "a ___", ["Frenchman", "Norwegian"]),
        ("ein Schüler/Lehrer: größer", "ein ___: größer", ["Schüler", "Lehrer"]),
    ],
)
def test_options_are_found_and_punctuation_stays(text: str, template: str, options: list[str]) -> None:
    assert parse_options(text) == (template, options)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no options in ''"),
        ("The doctor picked up a bag.", "no options in"),
        ("The doctor/nurse picked up his/her bag.", "“doctor/nurse” and “his/her”. Ask about one at a time"),
        ("up his/ bag", "An option is empty in 'his/'"),
        ("up /her bag", "An option is empty in '/her'"),
        ("up his//her bag", "An option is empty in 'his//her'"),
        ("up his / her bag", "An option is empty in '/'.*Leave no space beside a slash"),
        ("up his/. Then", "An option is empty in 'his/.'"),
        ("a his/her/his bag", "'his' stands there twice"),
        ("the ___ of his/her bag", "has '___' in it already"),
        ("the [MASK] of his/her bag", r"has '\[MASK\]' in it already"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_options(text)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="not 3"):
        parse_options(3)  # type: ignore[arg-type]


def test_pieces_are_those_of_the_tokenizer() -> None:
    tokenizer = _tokenizer("[MASK]")
    assert tokenizer.convert_ids_to_tokens(pieces_of("Karati", tokenizer)) == ["ka", "##ra", "##ti"]


@pytest.mark.parametrize("option", ["zebra", "🙂", "\u200b", ""])
def test_an_option_that_cannot_be_spelt_is_refused(option: str) -> None:
    with pytest.raises(ValueError, match="has no pieces to spell"):
        pieces_of(option, _tokenizer("[MASK]"))


def test_modes_are_put_back_part_by_part_even_after_an_error() -> None:
    model = nn.Sequential(nn.Dropout(), nn.Linear(2, 2))
    model.train()
    model[1].eval()
    inside = []

    def question() -> None:
        with in_eval_mode(model):
            inside.extend(part.training for part in model.modules())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        question()
    assert inside == [False, False, False]
    assert [part.training for part in model.modules()] == [True, True, False]


@pytest.mark.parametrize(
    ("his", "her", "sentence"),
    [
        (0.6, 0.2, "“his” is 3.0 times as likely as “her”."),
        (0.2, 0.6, "“his” is less likely than “her”, which is 3.0 times as likely."),
        (4e-9, 1e-10, "“his” is 40 times as likely as “her”."),  # both are 0.00
        (0.5, 0.004, "“his” is 120 times as likely as “her”."),
        (0.5, 0.0003, "“his” is 1,700 times as likely as “her”."),
        (0.5, 1e-30, "“his” is more than 10,000 times as likely as “her”."),
        (0.0, 0.5, "“his” is less likely than “her”, which is more than 10,000 times as likely."),
        (0.5, 0.0, "“his” is more than 10,000 times as likely as “her”."),
        (0.0, 0.0, "“his” and “her” are about equally likely."),
        (0.300, 0.301, "“his” and “her” are about equally likely."),
    ],
)
def test_a_ratio_is_taken_before_rounding_and_told_the_right_way_round(his: float, her: float, sentence: str) -> None:
    assert compare({"his": his, "her": her}, "his", "her") == sentence
    assert compare({"her": torch.tensor(her).double(), "his": his}, "his", "her") == sentence  # type: ignore[dict-item]
