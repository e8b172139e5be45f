"""Exercise 10's check: what is expected, wrong answers and what they are told. For every check: test_checks_all.py."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from answers import right_10
from answers.right_10 import cut, patches_by_hand, refuse
from checks_support import failure as failure_of

from helpers import checks
from helpers.checks.exercises.ex_10 import expected_patches

SEEDS = (1, 22, 333)


failure = partial(failure_of, checks.patchify)


def test_the_oracle_is_right_pixel_by_pixel() -> None:
    images = np.arange(2 * 6 * 9).reshape(2, 6, 9)
    got = expected_patches(torch.tensor(images), 3).numpy()
    assert got.shape == (2, 6, 9)
    for b, row, column, y, x in np.ndindex(2, 2, 3, 3, 3):
        assert got[b, row * 3 + column, y * 3 + x] == images[b, row * 3 + y, column * 3 + x]


def one_side_for_both(images: torch.Tensor, patch: int) -> torch.Tensor:
    b, side, _ = images.shape
    refuse(images, patch)
    five = images.reshape(b, side // patch, patch, side // patch, patch)
    return five.permute(0, 1, 3, 2, 4).reshape(b, -1, patch * patch)


def names_swapped(images: torch.Tensor, patch: int) -> torch.Tensor:
    b, width, height = images.shape
    refuse(images, patch)
    five = images.reshape(b, height // patch, patch, width // patch, patch)
    return five.permute(0, 1, 3, 2, 4).reshape(b, -1, patch * patch)


def cut_and_joined_at_once(images: torch.Tensor, patch: int) -> torch.Tensor:
    b, rows, _, columns, _ = (five := cut(images, patch)).shape
    return five.reshape(b, rows * columns, patch * patch)


def windows_by_one(images: torch.Tensor, patch: int) -> torch.Tensor:
    refuse(images, patch)
    _, height, width = images.shape
    places = [(y, x) for y in range(height - patch + 1) for x in range(width - patch + 1)]
    return torch.stack([images[:, y : y + patch, x : x + patch].flatten(1) for y, x in places], 1)


def through_numpy(images: torch.Tensor, patch: int) -> torch.Tensor:
    return torch.from_numpy(patches_by_hand(images, patch).detach().numpy())


def squeezed(images: torch.Tensor, patch: int) -> torch.Tensor:
    return patches_by_hand(images, patch).squeeze()


def forgot_to_transpose(images: torch.Tensor, patch: int) -> torch.Tensor:
    refuse(images, patch)
    return F.unfold(images[:, None], patch, stride=patch)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (one_side_for_both, "square pictures only"),
        (names_swapped, "height taken for width"),
        (cut_and_joined_at_once, "never re-ordered"),
        (windows_by_one, "overlapping patches"),
        (through_numpy, "detached"),
        (forgot_to_transpose, "pixels before patches"),
        (squeezed, "an axis lost"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_an_answer_written_otherwise_is_recognised_by_what_it_does(answer: Any, name: str) -> None:
    for seed in SEEDS:
        assert failure(answer, seed).misconception == name


# Other wrong answers


def shuffled_inside(images: torch.Tensor, patch: int) -> torch.Tensor:
    return patches_by_hand(images, patch).flip(-1)


def shared_out_wrongly(images: torch.Tensor, patch: int) -> torch.Tensor:
    patches = patches_by_hand(images, patch)
    return patches.flatten(1).roll(1, 1).reshape(patches.shape)


def right_in_the_first(images: torch.Tensor, patch: int) -> torch.Tensor:
    patches = patches_by_hand(images, patch).clone()
    patches[1:] = 0
    return patches


def in_place(images: torch.Tensor, patch: int) -> torch.Tensor:
    patches = patches_by_hand(images, patch)
    images.zero_()
    return patches


def forgetful(images: torch.Tensor, patch: int) -> None:
    patches_by_hand(images, patch)


def listed(images: torch.Tensor, patch: int) -> Any:
    return patches_by_hand(images, patch).tolist()


def unnamed(images: torch.Tensor, patch: int) -> torch.Tensor:
    if images.shape[1] % patch or images.shape[2] % patch:
        raise ValueError("that does not divide")
    return patches_by_hand(images, patch)


def of_the_example(images: torch.Tensor, patch: int) -> torch.Tensor:
    """By heart what the lesson shows: 8 x 8 pixels and patches of 2 x 2."""
    return images.reshape(-1, 4, 2, 4, 2).permute(0, 1, 3, 2, 4).reshape(-1, 16, 4)


def four_written_in(images: torch.Tensor, patch: int) -> torch.Tensor:
    refuse(images, patch)
    b, height, width = images.shape
    return images.reshape(b, height // patch, 4, width // patch, 4).permute(0, 1, 3, 2, 4).reshape(b, -1, 16)


def two_written_in(images: torch.Tensor, patch: int) -> torch.Tensor:
    refuse(images, patch)
    b, height, width = images.shape
    return images.reshape(b, height // patch, 2, width // patch, 2).permute(0, 1, 3, 2, 4).reshape(b, -1, 4)


def three_in_the_end(images: torch.Tensor, patch: int) -> torch.Tensor:
    """It stops at the last step, where the width of a token is written in."""
    return patches_by_hand(images, patch).reshape(len(images), -1, 3, 3).flatten(2)


def single_precision(images: torch.Tensor, patch: int) -> torch.Tensor:
    return patches_by_hand(images.float(), patch)


def no_small_numbers(images: torch.Tensor, patch: int) -> torch.Tensor:
    return patches_by_hand(images, patch).to(torch.int8)


def remembering(images: torch.Tensor, patch: int) -> torch.Tensor:
    memo = remembering.__dict__.setdefault("memo", {})
    return memo.setdefault((images.shape, patch), patches_by_hand(images, patch))


def sum_looked_at(images: torch.Tensor, patch: int) -> torch.Tensor:
    if (images.shape[1] + images.shape[2]) % patch:
        refuse(images, patch)
    return cut_without_looking(images, patch)


def remainders_subtracted(images: torch.Tensor, patch: int) -> torch.Tensor:
    if images.shape[1] % patch - images.shape[2] % patch:
        refuse(images, patch)
    return cut_without_looking(images, patch)


def numbered_by_height(images: torch.Tensor, patch: int) -> torch.Tensor:
    """Right for pictures that are as high as wide, or higher."""
    _, height, width = images.shape
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    which = row // patch * (height // patch) + column // patch
    order = (which * patch * patch + row % patch * patch + column % patch).flatten().argsort(stable=True)
    refuse(images, patch)
    return images.flatten(1)[:, order].reshape(len(images), -1, patch * patch)


def area_looked_at(images: torch.Tensor, patch: int) -> torch.Tensor:
    if images[0].numel() % patch**2:
        refuse(images, patch)
    return cut_without_looking(images, patch)


def cut_without_looking(images: torch.Tensor, patch: int) -> torch.Tensor:
    b, height, width = images.shape
    five = images.reshape(b, height // patch, patch, width // patch, patch)
    return five.permute(0, 1, 3, 2, 4).flatten(3).flatten(1, 2)


def returned(images: torch.Tensor, patch: int) -> Any:
    if images.shape[1] % patch or images.shape[2] % patch:
        return ValueError(f"{tuple(images.shape)} does not divide by {patch}")
    return patches_by_hand(images, patch)


def on_the_cpu(images: torch.Tensor, patch: int) -> torch.Tensor:
    patches = patches_by_hand(images, patch)
    return patches + torch.zeros(patches.shape, dtype=images.dtype)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (remembering, "other pictures, as large as those before|in float64|whole numbers"),
        (four_written_in, "With patch=3 the sizes do not fit: is a number written where `patch` should stand"),
        (two_written_in, "With patch=3 the sizes do not fit: is a number written where `patch` should stand"),
        (three_in_the_end, "passes with patch=3, and with patch=4 it stops. Is a 3 written|should have the shape"),
        (sum_looked_at, r"a height of \d+ and a width of \d+ pixels do not divide"),
        (remainders_subtracted, r"a height of \d+ and a width of \d+ pixels do not divide"),
        (numbered_by_height, r"what comes of (\d+) x (?!\1)\d+ pictures"),
        (area_looked_at, "does not divide"),
        (returned, "a ValueError by `return`, which stops nobody"),
        (shuffled_inside, "Each patch holds the right pixels, in a wrong order"),
        (shared_out_wrongly, "shared out wrongly among its patches"),
        (right_in_the_first, "right in the first batch element only"),
        (in_place, "changes its input `images` in place"),
        (forgetful, "returns None"),
        (listed, "returns a Python list"),
        (no_small_numbers, "real numbers are wanted"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_answer_is_told_what_differs(answer: Any, words: str) -> None:
    for seed in SEEDS:
        vars(answer).clear()  # what it remembers of the seed before
        failed = failure(answer, seed)
        assert re.search(words, str(failed)), str(failed)
        assert failed.misconception is None or answer is area_looked_at


def test_the_lessons_own_sizes_by_heart_are_not_enough() -> None:
    for seed in SEEDS:
        assert "Right so far" not in str(failure(of_the_example, seed))


def test_open_blanks_are_counted_and_named() -> None:
    def skeleton(images: torch.Tensor, patch: int) -> torch.Tensor:
        refuse(images, patch)
        pieces = ...
        ordered = ...
        return ordered or pieces

    assert "2 blanks are still open" in str(failure(skeleton))


def remarks_on(answer: Any, capsys: pytest.CaptureFixture[str]) -> str:
    checks.patchify(answer, seed=1, record=False)
    return capsys.readouterr().out


def test_pictures_of_whole_numbers_are_a_remark(capsys: pytest.CaptureFixture[str]) -> None:
    assert "of whole numbers" in remarks_on(right_10.with_image_unfold, capsys)
    assert "of whole numbers" in remarks_on(overflowing, capsys)
    for answer in (patches_by_hand, right_10.with_image_unfold_of_real_numbers, right_10.always_real):
        assert "One thing" not in remarks_on(answer, capsys)


def overflowing(images: torch.Tensor, patch: int) -> torch.Tensor:
    return patches_by_hand(images * 2, patch) / 2


def test_pictures_that_are_not_contiguous_are_a_remark(capsys: pytest.CaptureFixture[str]) -> None:
    assert "not contiguous" in remarks_on(right_10.with_transpose, capsys)
    assert "One thing" not in remarks_on(right_10.with_unfold, capsys)


def with_a_bare_assert(images: torch.Tensor, patch: int) -> torch.Tensor:
    if images.shape[1] % patch or images.shape[2] % patch:  # as `assert` does, to which pytest would add the numbers
        raise AssertionError
    return patches_by_hand(images, patch)


def copied_into_zeros(images: torch.Tensor, patch: int) -> torch.Tensor:
    refuse(images, patch)
    b, height, width = images.shape
    patches = torch.zeros(b, height // patch * (width // patch), patch * patch)
    for i in range(height // patch):
        for j in range(width // patch):
            square = images[:, i * patch : (i + 1) * patch, j * patch : (j + 1) * patch]
            patches[:, i * (width // patch) + j] = square.flatten(1)
    return patches


def test_what_no_text_asks_for_is_a_remark(capsys: pytest.CaptureFixture[str]) -> None:
    for answer in (unnamed, with_a_bare_assert):
        assert "does not name that side and the patch" in remarks_on(answer, capsys)
    assert "in float64" in remarks_on(single_precision, capsys)
    assert "another device" in remarks_on(on_the_cpu, capsys)
    assert {"in float64", "another device"} <= set(
        re.findall("in float64|another device", remarks_on(copied_into_zeros, capsys))
    )


def test_the_shape_message_speaks_of_patches_and_pixels() -> None:
    said = str(failure(lambda images, patch: patches_by_hand(images, patch).mT))
    assert "(b, patches, pixels)" in said
    assert "looks like (b, pixels, patches)" in said
