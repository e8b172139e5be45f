"""Misconceptions about cutting a picture into patches, as small wrong implementations."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from helpers.checks.engine.run import Misconceptions

MISCONCEPTIONS = Misconceptions()


def refuse(images: torch.Tensor, patch: int) -> None:
    """Stop where a side does not divide, as the exercise asks."""
    _, height, width = images.shape
    if height % patch or width % patch:
        raise ValueError(f"{height} x {width} pixels do not divide into patches of {patch} x {patch}.")


def cut(images: torch.Tensor, patch: int) -> torch.Tensor:
    """(b, height, width) gives (b, rows, patch, columns, patch)."""
    refuse(images, patch)
    b, height, width = images.shape
    return images.reshape(b, height // patch, patch, width // patch, patch)


def patches_by_hand(images: torch.Tensor, patch: int) -> torch.Tensor:
    """Right as it stands: a test compares it with plain Python."""
    b, rows, _, columns, _ = (five := cut(images, patch)).shape
    return five.permute(0, 1, 3, 2, 4).reshape(b, rows * columns, patch * patch)


# Order


@MISCONCEPTIONS(
    "never re-ordered",
    "The numbers are cut off in the order in which they are stored: each piece is a bit of a line, not a square. After "
    "cutting both sides, re-order the axes before you join any.",
)
def never_reordered(images: torch.Tensor, patch: int) -> torch.Tensor:
    refuse(images, patch)
    return images.reshape(len(images), -1, patch * patch)


@MISCONCEPTIONS(
    "patches column by column",
    "The patches are right, but they are counted down the columns. The second patch should stand to the right of the "
    "first.",
)
def patches_by_column(images: torch.Tensor, patch: int) -> torch.Tensor:
    return cut(images, patch).permute(0, 3, 1, 2, 4).flatten(3).flatten(1, 2)


@MISCONCEPTIONS(
    "pixels column by column",
    "Each patch holds its own pixels, but they are read down the columns. Inside a patch, too, read row by row.",
)
def pixels_by_column(images: torch.Tensor, patch: int) -> torch.Tensor:
    return cut(images, patch).permute(0, 1, 3, 4, 2).flatten(3).flatten(1, 2)


@MISCONCEPTIONS(
    "height and width swapped",
    "Patches and pixels are both read down the columns: the pictures are lying on their side. The axes are "
    "(b, height, width).",
)
def lying_on_its_side(images: torch.Tensor, patch: int) -> torch.Tensor:
    return patches_by_hand(images.transpose(1, 2), patch)


@MISCONCEPTIONS(
    "height taken for width",
    "Square pictures come out right, others are scrambled: the height is taken for the width. `images.shape` is "
    "(b, height, width).",
)
def height_for_width(images: torch.Tensor, patch: int) -> torch.Tensor:
    b, height, width = images.shape
    return patches_by_hand(images.reshape(b, width, height), patch)


@MISCONCEPTIONS(
    "far-apart pixels",
    "A patch is made of pixels from all over the picture. Height is made of rows of patches, with `patch` lines in "
    "each: cut it into (rows, patch), in this order, and the width likewise.",
)
def far_apart(images: torch.Tensor, patch: int) -> torch.Tensor:
    refuse(images, patch)
    b, height, width = images.shape
    five = images.reshape(b, patch, height // patch, patch, width // patch)
    return five.permute(0, 2, 4, 1, 3).flatten(3).flatten(1, 2)


@MISCONCEPTIONS(
    "pictures mixed",
    "Pixels of different pictures end up in one row of the batch: the batch axis was moved. It stays first throughout.",
)
def pictures_mixed(images: torch.Tensor, patch: int) -> torch.Tensor:
    five = cut(images, patch)
    return five.permute(1, 3, 0, 2, 4).reshape(len(images), -1, patch * patch)


@MISCONCEPTIONS(
    "upside down",
    "The rows of patches are counted from the bottom. Row 0 of a picture is its top: begin there.",
)
def upside_down(images: torch.Tensor, patch: int) -> torch.Tensor:
    return cut(images, patch).flip(1).permute(0, 1, 3, 2, 4).flatten(3).flatten(1, 2)


# Shape


@MISCONCEPTIONS(
    "overlapping patches",
    "The patches overlap: the window moves on by one pixel. It should move on by a whole patch.",
)
def overlapping(images: torch.Tensor, patch: int) -> torch.Tensor:
    refuse(images, patch)
    return images.unfold(1, patch, 1).unfold(2, patch, 1).flatten(3).flatten(1, 2)


@MISCONCEPTIONS(
    "pixels before patches",
    "Pixels and patches have changed places: (b, pixels, patches) comes out. Each patch should be a row, as each word "
    "is in a text: swap the last two axes.",
)
def pixels_before_patches(images: torch.Tensor, patch: int) -> torch.Tensor:
    return patches_by_hand(images, patch).transpose(1, 2)


@MISCONCEPTIONS(
    "patches before pictures",
    "The patches stand on the first axis, and the pictures on the second. The batch comes first.",
)
def patches_before_pictures(images: torch.Tensor, patch: int) -> torch.Tensor:
    return patches_by_hand(images, patch).transpose(0, 1)


@MISCONCEPTIONS(
    "squares left as squares",
    "The patches are still squares, (patch, patch). A token is a plain vector: join the last two axes.",
)
def still_squares(images: torch.Tensor, patch: int) -> torch.Tensor:
    return cut(images, patch).permute(0, 1, 3, 2, 4).flatten(1, 2)


@MISCONCEPTIONS(
    "the grid left as a grid",
    "The patches still stand in a grid, (rows, columns). A Transformer takes one line of tokens: join these two axes.",
)
def still_a_grid(images: torch.Tensor, patch: int) -> torch.Tensor:
    return cut(images, patch).permute(0, 1, 3, 2, 4).flatten(3)


@MISCONCEPTIONS(
    "an axis for colours",
    "There is an axis of size 1 too many, as for a colour channel. These pictures are grey: (b, height, width).",
)
def with_a_channel(images: torch.Tensor, patch: int) -> torch.Tensor:
    return patches_by_hand(images, patch)[:, None]


@MISCONCEPTIONS(
    "strips",
    "The pictures are cut into strips as wide as the picture. Cut the width as well as the height.",
)
def strips(images: torch.Tensor, patch: int) -> torch.Tensor:
    refuse(images, patch)
    return images.reshape(len(images), -1, patch * images.shape[2])


@MISCONCEPTIONS("the first picture only", "Only the first picture comes back. The whole batch should.")
def first_only(images: torch.Tensor, patch: int) -> torch.Tensor:
    return patches_by_hand(images[:1], patch)


@MISCONCEPTIONS(
    "always 2 by 2",
    "The patches are always 2 x 2: the argument `patch` has no effect.",
)
def always_two(images: torch.Tensor, patch: int) -> torch.Tensor:
    return patches_by_hand(images, 2)


@MISCONCEPTIONS(
    "`patch` patches a side",
    "The picture is cut into `patch` times `patch` pieces. `patch` is the side of one piece, in pixels.",
)
def as_many_a_side(images: torch.Tensor, patch: int) -> torch.Tensor:
    refuse(images, patch)
    b, height, width = images.shape
    five = images.reshape(b, patch, height // patch, patch, width // patch)
    return five.permute(0, 1, 3, 2, 4).flatten(3).flatten(1, 2)


@MISCONCEPTIONS(
    "square pictures only",
    "It takes square pictures only. Count the rows of patches by the height, and the columns by the width.",
)
def square_only(images: torch.Tensor, patch: int) -> torch.Tensor:
    if images.shape[1] != images.shape[2]:
        refuse(images, images.shape[1] * images.shape[2] + 1)
    return patches_by_hand(images, patch)


# What does not divide


@MISCONCEPTIONS(
    "the rest dropped",
    "Where a side does not divide, its last pixels are lost without a word. Raise a ValueError that names the size and "
    "the patch.",
)
def rest_dropped(images: torch.Tensor, patch: int) -> torch.Tensor:
    _, height, width = images.shape
    return patches_by_hand(images[:, : height // patch * patch, : width // patch * patch], patch)


@MISCONCEPTIONS(
    "the rest filled up",
    "Where a side does not divide, the picture is filled up. Raise a ValueError that names the size and the patch.",
)
def rest_filled(images: torch.Tensor, patch: int) -> torch.Tensor:
    _, height, width = images.shape
    return patches_by_hand(F.pad(images, (0, -width % patch, 0, -height % patch)), patch)


@MISCONCEPTIONS(
    "an error by torch",
    "Where a side does not divide, it stops somewhere inside torch, whose message does not say why. Look at the sizes "
    "first, and raise a ValueError that names the size and the patch.",
)
def error_by_torch(images: torch.Tensor, patch: int) -> torch.Tensor:
    b, height, width = images.shape
    five = images.reshape(b, height // patch, patch, width // patch, patch)
    return five.permute(0, 1, 3, 2, 4).flatten(3).flatten(1, 2)


@MISCONCEPTIONS(
    "asserted",
    "An `assert` stops it where a side does not divide. It names nothing, and Python can leave it out: raise a "
    "ValueError that names the size and the patch.",
)
def asserted(images: torch.Tensor, patch: int) -> torch.Tensor:
    assert images.shape[1] % patch == images.shape[2] % patch == 0
    return patches_by_hand(images, patch)


@MISCONCEPTIONS(
    "only the height looked at",
    "A width that does not divide goes unnoticed: only the height is looked at. Look at both.",
)
def height_alone(images: torch.Tensor, patch: int) -> torch.Tensor:
    refuse(images[:, :, :patch], patch)
    return error_by_torch(images, patch)


@MISCONCEPTIONS(
    "only the width looked at",
    "A height that does not divide goes unnoticed: only the width is looked at. Look at both.",
)
def width_alone(images: torch.Tensor, patch: int) -> torch.Tensor:
    refuse(images[:, :patch], patch)
    return error_by_torch(images, patch)


@MISCONCEPTIONS(
    "refused if neither divides",
    "A picture is refused only if neither side divides. One side that does not is enough: `or`, not `and`.",
)
def neither_divides(images: torch.Tensor, patch: int) -> torch.Tensor:
    _, height, width = images.shape
    if height % patch and width % patch:
        refuse(images, patch)
    return error_by_torch(images, patch)


# Numbers


@MISCONCEPTIONS(
    "pixels rescaled",
    "The pixels were rescaled. Cutting changes no number: rescale outside.",
)
def rescaled(images: torch.Tensor, patch: int) -> torch.Tensor:
    return patches_by_hand(images / images.abs().max(), patch)


@MISCONCEPTIONS(
    "detached",
    "No gradient reaches the pictures: `images` is detached, or turned into plain numbers. Stay with torch's tensors.",
)
def detached(images: torch.Tensor, patch: int) -> torch.Tensor:
    return patches_by_hand(images.detach(), patch)
