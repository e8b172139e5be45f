"""Lesson 13's demo: what a decoder makes of a line."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.demos import inside


class Letters:
    """A tokenizer that takes each letter for a token."""

    bos_token_id, bos_token = 0, "<>"

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [1 + ord(letter) % 96 for letter in text]}

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [["<>", "Ġ"][number] if number < 2 else chr(95 + number) for number in ids]


def lens(ids: torch.Tensor) -> torch.Tensor:
    """After block 0 it says each token again; after block 1 the next one."""
    once = torch.nn.functional.one_hot(ids[0], 97).float() * 9
    return torch.stack([once * 0, once, once.roll(-1, dims=0)])


def attention(ids: torch.Tensor) -> torch.Tensor:
    return torch.eye(ids.shape[1]).repeat(2, 1, 3, 1, 1)


def test_a_line_is_read_with_a_sign_in_front_and_words_block_by_block() -> None:
    insides = inside.read_line("abc", Letters(), lens, attention)
    assert insides.words == ["⊢", "a", "b", "c"]
    assert insides.likeliest[1] == insides.words
    assert insides.likeliest[2][:3] == ["a", "b", "c"]
    assert insides.weights.shape == (2, 3, 4, 4)
    assert not insides.note


def test_a_byte_that_is_no_whole_character_is_named_as_lesson_11_names_it() -> None:
    assert inside.names([0, 1, 2, ord("Ã") - 95], Letters()) == ["⊢", "␣", "a", "C3"]


def test_right_words_are_framed() -> None:
    insides = inside.read_line("abc", Letters(), lens, attention)
    ax = inside.draw_lens(insides.words, insides.likeliest, insides.probabilities).axes[0]
    corners = [path.get_extents().min for path in ax.collections[0].get_paths()]
    np.testing.assert_allclose(sorted(corner[1] for corner in corners), [1.54] * 3)


def test_long_lines_are_cut_and_it_says_so() -> None:
    insides = inside.read_line("abc" * 50, Letters(), lens, attention)
    assert len(insides.words) == 25
    assert "first 24 tokens" in insides.note


@pytest.mark.parametrize("text", ["", "   ", "\ud83d"])
def test_nothing_to_read_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="nothing to read"):
        inside.read_line(text, Letters(), lens, attention)


def test_a_head_that_there_is_not_is_named() -> None:
    insides = inside.read_line("abc", Letters(), lens, attention)
    with pytest.raises(ValueError, match="no head 3 in block 1"):
        inside.draw_head(insides, 1, 3)


def test_widget_shows_the_head_that_was_chosen() -> None:
    box, status, view, sliders, shown, _ = inside.inside_demo(Letters(), lens, attention, "abc").children
    assert "after block 1" in shown.value or "block 1: " in shown.value
    view.value = "one head"
    sliders.children[0].value, sliders.children[1].value = 1, 2
    assert "Block 1, head 2." in shown.value
    before = shown.value
    box.value = " "
    assert "nothing to read" in status.value
    assert shown.value == before
