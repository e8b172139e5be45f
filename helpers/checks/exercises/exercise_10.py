"""Exercise 10, a picture as a row of patches: what the check looks at."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

import torch

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.run import Exercise, Step
from helpers.checks.engine.seen import Seen, close, same
from helpers.checks.engine.trouble import Trouble, wrong_kind
from helpers.checks.exercises.mistakes_10 import MISCONCEPTIONS
from helpers.checks.looks.devices import seen_elsewhere
from helpers.checks.looks.gradients import seen_gradients
from helpers.checks.looks.refusal import Refusal, describe_outcome, outcome
from helpers.checks.looks.strides import seen_scattered
from helpers.checks.looks.used_before import overwrite

AXES = ("b", "patch", "pixel")
WHOLE_NUMBERS = (
    "for pictures of whole numbers, as files hold them, it stops or gives other numbers. `images.float()` makes real "
    "numbers of them; `reshape` and `permute` take numbers of any kind."
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
    return images, patch, sizes | {"height": height, "width": width}


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
    """Square pictures; where an answer stops at this patch, another may pass, and the reason is plain."""
    try:
        yield from look_at_patches(subject, draw, square=True, patch=patch)
    except Trouble as trouble:
        if trouble.key[0] == "raised":
            for other in (2, 3, 4):
                if other != patch and _is_right_for(subject, draw, other):
                    sentence = (
                        f"It passes with patch={other}, and with patch={patch} it stops. Is a {other} written where "
                        f"`patch` should stand? {trouble.sentence}"
                    )
                    raise Trouble(sentence, "one patch only", other) from None
        raise


def _is_right_for(subject: Subject, draw: Draw, patch: int) -> bool:
    images = draw.again("another patch").normal(5, 3 * patch, 3 * patch)
    try:
        came = _called(subject, images, patch)
    except Trouble:
        return False
    return same(came, expected_patches(images, patch))


def look_at_other_shapes(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """Pictures that are not square, at which careless code stops."""
    try:
        yield from look_at_patches(subject, draw, **settings)
    except Trouble as trouble:
        if trouble.key[0] != "raised":
            raise
        sentence = f"Square pictures pass, but where height and width differ it stops. {trouble.sentence}"
        raise Trouble(sentence, "stops where height and width differ") from None


def look_at_rest(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A side that does not divide is refused, whichever it is, and the message names its size and the patch.

    With these sizes the number of pixels divides by that of a patch if one side does; and where neither does, their
    sum, their difference and their product divide by the patch.
    """
    sizes = _sizes(draw, patch=4)
    sizes |= dict(zip(("rows", "columns"), draw.random.sample([2, 6], 2), strict=True))
    patch = sizes["patch"]
    facts: dict[str, Any] = {}
    told: dict[str, str] = {}
    for side, rest in (("height", (2, 0)), ("width", (0, 2)), ("height and width", (2, 2))):
        size = {"height": sizes["rows"] * patch + rest[0], "width": sizes["columns"] * patch + rest[1]}
        images = draw.normal(sizes["b"], *size.values())
        came = subject.call(lambda images=images: outcome(subject.answer, images, patch), name=subject.name)
        is_refused, kind = isinstance(came, Refusal), describe_outcome(came)
        facts[f"came of the {side}"] = is_refused or kind
        counted = " and ".join(f"a {name} of {size[name]}" for name in side.split(" and "))
        do = "do not" if " and " in side else "does not"
        told[f"came of the {side}"] = (
            f"With patch={patch}, {counted} pixels {do} divide: that should raise a ValueError; here comes {kind}."
        )
        if side in size:
            named = is_refused and {str(size[side]), str(patch)} <= set(re.findall(r"\d+", came.message))
            facts[f"names the {side}"] = named or not is_refused or kind
            told[f"names the {side}"] = f"The {kind} should name both the {side}, {size[side]}, and the patch, {patch}."
    wanted = dict.fromkeys(facts, True)
    yield Seen("What comes of a size that does not divide", facts, lambda: wanted, told=told)


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


EXERCISE = Exercise(
    id="10",
    title="a picture as a row of patches",
    passed="Pictures of every shape are cut row by row, and what does not divide is refused.",
    hints=(
        "Cut each side in two: the height into (rows, patch), the width into (columns, patch). With `reshape` that "
        "makes five axes: (b, rows, patch, columns, patch). No pixel moves yet.",
        "A patch's own two axes must stand side by side before they can be joined: `permute` swaps the third and the "
        "fourth of the five. Then join two and two.",
    ),
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
        Step("float64", look_at_patches, {"dtype": torch.float64}, (("in float32", {"dtype": torch.float32}),)),
        Step("another device", look_elsewhere),
        Step("whole numbers", look_at_patches, {"dtype": torch.uint8}, remark=WHOLE_NUMBERS),
        Step("pictures that are not contiguous", look_at_scattered, remark=NOT_CONTIGUOUS),
    ),
    telling="other shapes",
    misconceptions=MISCONCEPTIONS,
)
