"""Exercise 10, a picture as a row of patches: what goes in, what is right, what the check looks at, and mistakes."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch

from helpers import layers
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.exercise import Exercise, Step
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen, close, seen_facts
from helpers.checks.engine.trouble import told_first, wrong_kind
from helpers.checks.looks.devices import seen_elsewhere
from helpers.checks.looks.gradients import seen_gradients
from helpers.checks.looks.refusal import names_numbers, outcome, refused_or_told
from helpers.checks.looks.strides import seen_scattered
from helpers.checks.looks.used_before import overwrite

AXES = ("b", "patches", "pixels")
WHOLE_NUMBERS = (
    "for pictures of whole numbers, as files hold them, it stops or gives other numbers. `images.float()` makes real "
    "numbers of them; `reshape` and `permute` take numbers of any kind."
)
DEVICE = (
    "for pictures on another device, say a GPU, it stops, or what comes back stays on the CPU. Make new tensors with "
    "`device=images.device`."
)
FLOAT64 = "for pictures in float64, something else than float64 comes out, or it stops."
WORDS = (
    "the error for a side that does not divide does not name that side and the patch. Whoever meets it wants to know."
)
NOT_CONTIGUOUS = (
    "for pictures that are not contiguous, such as transposed ones, it stops or gives other numbers. `reshape` copies "
    "where `view` cannot."
)


def expected_patches(images: torch.Tensor, patch: int) -> torch.Tensor:
    """Cut (b, height, width) into (b, patches, patch * patch), a square at a time."""
    _, height, width = images.shape
    squares = [
        images[:, top : top + patch, left : left + patch].flatten(1)
        for top in range(0, height, patch)
        for left in range(0, width, patch)
    ]
    return torch.stack(squares, dim=1)


def _sizes(draw: Draw, square: bool = False, **fixed: int) -> dict[str, int]:
    """Draw b, rows, columns and patch, all different: a mistake always shows, and every side divides by 2 as well."""
    patch = fixed.get("patch", draw.random.choice([3, 4]))
    rows, columns = draw.random.sample([n for n in (2, 4, 6) if n != patch], 2)
    sizes = {"b": draw.random.choice([5, 7]), "rows": rows, "columns": columns, "patch": patch, **fixed}
    if square:  # and other than the lesson's pictures, 8 x 8, which may be known by heart
        sizes["columns"] = sizes["rows"] = 6 if sizes["rows"] * patch == 8 else sizes["rows"]
    return sizes


def _pictures(
    draw: Draw, dtype: torch.dtype = torch.float32, **settings: Any
) -> tuple[torch.Tensor, int, dict[str, int]]:
    """Draw pictures (b, height, width), the side of a patch, and sizes for messages."""
    sizes = _sizes(draw, **settings)
    patch = sizes.pop("patch")
    height, width = sizes["rows"] * patch, sizes["columns"] * patch
    if dtype == torch.uint8:
        images = torch.randint(0, 256, (sizes["b"], height, width), generator=draw.generator, dtype=dtype)
    else:
        images = draw.normal(sizes["b"], height, width, dtype=dtype)
    counts = {"patches": sizes["rows"] * sizes["columns"], "pixels": patch * patch}
    return images, patch, sizes | {"height": height, "width": width} | counts


def _called(subject: Subject, images: torch.Tensor, patch: int) -> torch.Tensor:
    """Call the answer, which may give whole numbers for whole numbers."""
    if images.is_floating_point():
        return subject.tensor(subject.answer, images, patch, name=subject.name)
    value = subject.call(subject.answer, images, patch, name=subject.name)
    if not isinstance(value, torch.Tensor):
        raise wrong_kind(value, subject.name)
    return value


def look_at_patches(
    subject: Subject, draw: Draw, dtype: torch.dtype = torch.float32, **settings: Any
) -> Iterator[Seen]:
    """The patches of some pictures; `settings` are those of `_sizes`."""
    images, patch, sizes = _pictures(draw, dtype, **settings)
    _, height, width = images.shape
    kind = {torch.float64: " in float64", torch.uint8: " of whole numbers"}.get(dtype, "")
    yield Seen(
        f"What comes of {height} x {width} pictures{kind}, with patch={patch},",
        _called(subject, images, patch),
        lambda: expected_patches(images, patch),
        AXES,
        sizes,
        dtype=dtype if dtype == torch.float64 else None,
        clue=lambda got: _clue(got, expected_patches(images.double(), patch)),
    )


def look_at_square_pictures(subject: Subject, draw: Draw, patch: int) -> Iterator[Seen]:
    """Square pictures; where the sizes do not fit, a number may have been written in."""
    told = f"With patch={patch} the sizes do not fit: is a number written where `patch` should stand?"
    with told_first(told, where="is invalid for input of size"):
        yield from look_at_patches(subject, draw, square=True, patch=patch)


def look_at_other_shapes(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """Pictures that are not square, at which careless code stops."""
    told = "Square pictures pass, but where height and width differ it stops."
    with told_first(told, "stops where height and width differ"):
        yield from look_at_patches(subject, draw, **settings)


def look_at_rest(subject: Subject, draw: Draw, words: bool = False) -> Iterator[Seen]:
    """A side that does not divide is refused, whichever it is. With `words`: what the error names.

    With these sizes the number of pixels divides by that of a patch if one side does; and where neither does, their
    sum, their difference and their product divide by the patch.
    """
    patch, b = 4, draw.random.choice([5, 7])
    rows, columns = draw.random.sample([2, 6], 2)
    facts = {}
    for side, rest in (("height", (2, 0)), ("width", (0, 2)), ("height and width", (2, 2))):
        size = {"height": rows * patch + rest[0], "width": columns * patch + rest[1]}
        images = draw.normal(b, *size.values())
        came = subject.call(lambda images=images: outcome(subject.answer, images, patch), name=subject.name)
        counted = " and ".join(f"a {name} of {size[name]}" for name in side.split(" and "))
        do = "do not" if " and " in side else "does not"
        facts[side] = refused_or_told(came, f"With patch={patch}, {counted} pixels {do} divide: that")
        if words:
            facts[side] = (side not in size or names_numbers(came, size[side], patch), "")
    yield seen_facts("What comes of a size that does not divide", facts)


def look_twice(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Nothing is kept of pictures that were cut before, neither of the same tensor nor of others as large."""
    images, patch, sizes = _pictures(draw)
    _called(subject, images, patch)
    for other in (images, draw.normal(*images.shape)):
        overwrite(images, by=[draw.normal(*images.shape)])
        yield Seen(
            "What comes of other pictures, as large as those before,",
            _called(subject, other, patch),
            functools.partial(expected_patches, other, patch),
            AXES,
            sizes,
        )


def look_elsewhere(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Tensors that are made on the way are made where the pictures are."""
    images, patch, _ = _pictures(draw)
    yield from seen_elsewhere(subject, subject.answer, images, patch)


def look_at_scattered(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Pictures whose pixels lie apart in memory."""
    images, patch, _ = _pictures(draw)
    yield seen_scattered(subject, lambda given: subject.answer(given, patch), images)


def look_at_gradients(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Each pixel's gradient is the one of its place in its patch."""
    images, patch, sizes = _pictures(draw)
    images.requires_grad_()
    output = _called(subject, images, patch)
    exact = {"the pictures": images.detach().double()}
    yield from seen_gradients(
        subject,
        draw,
        output,
        {"the pictures": images},
        lambda x: expected_patches(x["the pictures"], patch),
        exact,
        {"the pictures": ("b", "line", "column")},
        sizes,
    )


def _clue(got: torch.Tensor, expected: torch.Tensor) -> str:
    """What is still right in patches whose numbers are not all in place."""
    if got.shape != expected.shape:
        return ""
    mine, wanted = (patches.sort(-1).values for patches in (got, expected))
    if bool(close(mine.float(), wanted.float()).all()):
        return "Each patch holds the right pixels, in a wrong order"
    if bool(close(mine.flatten(1).sort().values.float(), wanted.flatten(1).sort().values.float()).all()):
        return "Each picture keeps its own pixels, but they are shared out wrongly among its patches"
    return ""


# Mistakes

MISTAKES = Mistakes(layers.patchify).read(
    """
    never re-ordered: The numbers are cut off in the order in which they are stored: each piece is a bit of a line, not
    a square. After cutting both sides, re-order the axes before you join any.
        pieces.permute(0, 1, 3, 2, 4) => pieces
    patches column by column: The patches are right, but they are counted down the columns. The second patch should
    stand to the right of the first.
        pieces.permute(0, 1, 3, 2, 4) => pieces.permute(0, 3, 1, 2, 4)
    pixels column by column: Each patch holds its own pixels, but they are read down the columns. Inside a patch, too,
    read row by row.
        pieces.permute(0, 1, 3, 2, 4) => pieces.permute(0, 1, 3, 4, 2)
    height and width swapped: Patches and pixels are both read down the columns: the pictures are lying on their side.
    The axes are (b, height, width).
        b, height, width = images.shape => images = images.transpose(1, 2); b, height, width = images.shape
    height taken for width: Square pictures come out right, others are scrambled: the height is taken for the width.
    `images.shape` is (b, height, width).
        b, height, width = images.shape => b, width, height = images.shape
    far-apart pixels: A patch is made of pixels from all over the picture. Height is made of rows of patches, with
    `patch` lines in each: cut it into (rows, patch), in this order, and the width likewise.
        images.reshape(b, rows, patch, columns, patch) => images.reshape(b, patch, rows, patch, columns)
        pieces.permute(0, 1, 3, 2, 4) => pieces.permute(0, 2, 4, 1, 3)
    a patch's axes in front: After `permute`, the two axes inside a patch stand before the two that count patches, and
    the last step joins the wrong ones: (b, rows, columns, patch, patch) is wanted.
        pieces.permute(0, 1, 3, 2, 4) => pieces.permute(0, 2, 4, 1, 3)
    another pair of axes swapped: Another pair of axes has changed places. (b, rows, patch, columns, patch) should
    become (b, rows, columns, patch, patch): only the third and the fourth swap.
        pieces.permute(0, 1, 3, 2, 4) => pieces.permute(0, 3, 2, 1, 4)
      or pieces.permute(0, 1, 3, 2, 4) => pieces.permute(0, 2, 1, 3, 4)
      or pieces.permute(0, 1, 3, 2, 4) => pieces.permute(0, 1, 2, 4, 3)
      or pieces.permute(0, 1, 3, 2, 4) => pieces.permute(0, 1, 4, 3, 2)
    pictures mixed: Pixels of different pictures end up in one row of the batch: the batch axis was moved. It stays
    first throughout.
        pieces.permute(0, 1, 3, 2, 4) => pieces.permute(1, 3, 0, 2, 4)
    upside down: The rows of patches are counted from the bottom. Row 0 of a picture is its top: begin there.
        pieces.permute(0, 1, 3, 2, 4) => pieces.flip(1).permute(0, 1, 3, 2, 4)
    overlapping patches: The patches overlap: the window moves on by one pixel. It should move on by a whole patch.
        ordered.reshape(b, rows * columns, patch * patch
            => images.unfold(1, patch, 1).unfold(2, patch, 1).flatten(3).flatten(1, 2
    pixels before patches: Pixels and patches have changed places: (b, pixels, patches) comes out. Each patch should be
    a row, as each word is in a text: swap the last two axes.
        columns, patch * patch) => columns, patch * patch).transpose(1, 2)
    patches before pictures: The patches stand on the first axis, and the pictures on the second. The batch comes first.
        columns, patch * patch) => columns, patch * patch).transpose(0, 1)
    squares left as squares: The patches are still squares, (patch, patch). A token is a plain vector: join the last two
    axes.
        ordered.reshape(b, rows * columns, patch * patch) => ordered.flatten(1, 2)
    the grid left as a grid: The patches still stand in a grid, (rows, columns). A Transformer takes one line of tokens:
    join these two axes.
        ordered.reshape(b, rows * columns, patch * patch) => ordered.flatten(3)
    an axis for colours: There is an axis of size 1 too many, as for a colour channel. These pictures are grey: (b,
    height, width).
        columns, patch * patch) => columns, patch * patch)[:, None]
    colours expected: It expects pictures with an axis for colours. These are grey: (b, height, width).
        b, height, width = images.shape => b, _, height, width = images.shape
    an axis lost: Where there is one picture only, or one patch, its axis is lost: there is a `squeeze` too many.
        ordered.reshape(b, rows * columns, patch * patch) => ordered.reshape(b, rows * columns, patch * patch).squeeze()
    all pictures in one: The patches of all pictures stand in one long row. Each picture keeps its own: (b, patches,
    patch * patch).
        ordered.reshape(b, rows * columns, patch * patch) => ordered.reshape(-1, patch * patch)
    strips: The pictures are cut into strips as wide as the picture. Cut the width as well as the height.
        ordered.reshape(b, rows * columns, patch * patch) => images.reshape(b, -1, patch * width)
    the first picture only: Only the first picture comes back. The whole batch should.
        ordered.reshape(b, rows * columns, patch * patch) => ordered.reshape(b, rows * columns, patch * patch)[:1]
    always 2 by 2: The patches are always 2 x 2: the argument `patch` has no effect.
        b, height, width = images.shape => patch = 2; b, height, width = images.shape
    `patch` patches a side: The picture is cut into `patch` times `patch` pieces. `patch` is the side of one piece, in
    pixels.
        images.reshape(b, rows, patch, columns, patch) => images.reshape(b, patch, rows, patch, columns)
        ordered.reshape(b, rows * columns, patch * patch) => ordered.reshape(b, patch * patch, rows * columns)
    square pictures only: It takes square pictures only. Count the rows of patches by the height, and the columns by the
    width.
        width // patch => height // patch
    the rest dropped: Where a side does not divide, its last pixels are lost without a word. Raise a ValueError.
        if height % patch or width % patch: => if False:
        images.reshape => images[:, : rows * patch, : columns * patch].reshape
    the rest filled up: Where a side does not divide, the picture is filled up. Raise a ValueError.
        if height % patch or width % patch: => if False:
        height // patch, width // patch => -(-height // patch), -(-width // patch)
        images.reshape => nn.functional.pad(images, (0, -width % patch, 0, -height % patch)).reshape
    an error by torch: Where a side does not divide, it stops somewhere inside torch, whose message does not say why.
    Look at the sizes first, and raise a ValueError.
        if height % patch or width % patch: => if False:
    only the height looked at: A width that does not divide goes unnoticed: only the height is looked at. Look at both.
        if height % patch or width % patch: => if height % patch:
    only the width looked at: A height that does not divide goes unnoticed: only the width is looked at. Look at both.
        if height % patch or width % patch: => if width % patch:
    refused if neither divides: A picture is refused only if neither side divides. One side that does not is enough:
    `or`, not `and`.
        if height % patch or width % patch: => if height % patch and width % patch:
    pixels rescaled: The pixels were rescaled. Cutting changes no number: rescale outside.
        images.reshape => (images / images.abs().max()).reshape
    detached: No gradient reaches the pictures: `images` is detached, or turned into plain numbers. Stay with torch's
    tensors.
        images.reshape(b, rows, patch, columns, patch) => images.detach().reshape(b, rows, patch, columns, patch)
    """
)

# The check

EXERCISE = Exercise(
    id="10",
    title="a picture as a row of patches",
    passed="Pictures of every shape are cut row by row, and what does not divide is refused.",
    hints={1: ("other shapes", "patches of 2 x 2", "sizes of 1"), 2: ("square pictures",)},
    steps=(
        Step("square pictures", look_at_square_pictures, {"patch": 3}),
        Step("square pictures", look_at_square_pictures, {"patch": 4}),
        Step("other shapes", look_at_other_shapes, {"rows": 2, "columns": 5}),
        Step("other shapes", look_at_other_shapes, {"rows": 5, "columns": 2}),
        Step("one picture after another", look_twice),
        Step("patches of 2 x 2", look_at_patches, {"patch": 2, "rows": 4, "columns": 3}),
        Step("sizes of 1", look_at_patches, {"b": 1}),
        Step("sizes of 1", look_at_patches, {"patch": 1, "rows": 3}),
        Step("sizes of 1", look_at_patches, {"rows": 1}),
        Step("sizes of 1", look_at_patches, {"columns": 1}),
        Step("sizes of 1", look_at_patches, {"rows": 1, "columns": 1}),
        Step("what does not divide", look_at_rest),
        Step("the gradients", look_at_gradients),
        Step("another device", look_elsewhere, remark=DEVICE),
        Step("float64", look_at_patches, {"dtype": torch.float64}, remark=FLOAT64),
        Step("the error's words", look_at_rest, {"words": True}, remark=WORDS),
        Step("whole numbers", look_at_patches, {"dtype": torch.uint8}, remark=WHOLE_NUMBERS),
        Step("pictures that are not contiguous", look_at_scattered, remark=NOT_CONTIGUOUS),
    ),
    telling="other shapes",
    misconceptions=MISTAKES,
)
