"""Exercise 14b, weights in few bits: what goes in, what is right, what the check looks at, and mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from helpers import layers
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.exercise import Exercise, Step
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen
from helpers.checks.engine.trouble import insist_on_numbers, wrong_kind
from helpers.checks.looks.devices import seen_elsewhere

# What goes in, and what is right


def drawn_weights(
    draw: Draw, bits: int, zeros: bool = False, dtype: torch.dtype = torch.float32, **fixed: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw weights (n, m) from the whole numbers (n, m) and scales (n, 1) that should come out.

    No weight is near the middle between two whole numbers, where rounding would decide. In every row one weight is
    the largest, and in every other row it is negative.
    """
    sizes = draw.sizes("n m", 5, 9) | fixed
    n, m, most = sizes["n"], sizes["m"], 2 ** (bits - 1) - 1
    uniform = torch.rand(3, n, m, generator=draw.generator, dtype=torch.float64)
    numbers = (uniform[0] * (2 * most + 1)).floor() - most
    sign = 1.0 - 2.0 * (torch.arange(n, dtype=torch.float64) % 2)[:, None]
    numbers = sign * (sign * numbers).clamp(min=min(0, 1 - most))
    near = (numbers + 0.8 * uniform[1] - 0.4).clamp(0.02 - most, most - 0.02)
    place = uniform[2].argmax(1, keepdim=True)
    scale = torch.exp(draw.normal(n, 1, dtype=torch.float64))
    scale[-1] *= 1e-3  # real weights are small; and one of them is exactly 0
    near[0, (place[0] + 1) % m] = numbers[0, (place[0] + 1) % m] = 0.0
    if zeros:
        scale[n // 2] = 0.0
    numbers, near = (each.scatter(1, place, sign * most) for each in (numbers, near))
    return (scale * near).to(dtype), numbers * (scale > 0), scale


WHOLE = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)


class NoWholeNumber(TorchFunctionMode):
    """Notices where NaN or infinity is made a whole number: what comes out then depends on the processor."""

    met = False

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        came = function(*args, **(kwargs or {}))
        given = next((x for x in args[:1] if isinstance(x, torch.Tensor)), None)
        if given is None or not given.is_floating_point() or not isinstance(came, torch.Tensor):
            return came
        if came.dtype in WHOLE and came.shape == given.shape:
            self.met |= not bool(given.isfinite().all())
        return came


def called(subject: Subject, *args: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Call the answer: two tensors.

    Raises
    ------
    Trouble
        It gives something else.
    """
    value = subject.call(subject.answer, *args, name=subject.name)
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise wrong_kind(value, subject.name, "a pair, whole numbers and scales,")
    for each in value:
        if not isinstance(each, torch.Tensor):
            raise wrong_kind(each, subject.name, "a pair of tensors")
        insist_on_numbers(each, subject.name)
    numbers, scale = value
    return numbers, scale


# What this check alone looks at

KIND = "the whole numbers are not of dtype torch.int8. That is what makes them small: one byte each, `.to(torch.int8)`."
PARAMETER = (
    "a later cell hands over a layer's own weight, under `no_grad`, and there yours stops: `detach()` before NumPy."
)
ZERO = {
    "finite": "For a row of zeros, the scale is not a finite number. Put another number in the place of the row's "
    "largest weight, 0, before anything is divided by it.",
    "whole": "For a row of zeros, 0 is divided by 0, and the NaN is made a whole number: what comes out depends on the "
    "processor. Put another number in the place of the row's largest weight, 0.",
}


def look_at_numbers(subject: Subject, draw: Draw, bits: int | None = 8, **settings: Any) -> Iterator[Seen]:
    """Whole numbers and scales, for so many bits, or for as many as there are by default."""
    weight, expected, expected_scale = drawn_weights(draw, bits or 8, **settings)
    numbers, scale = called(subject, weight, *([] if bits is None else [bits]))
    told = f"with bits={bits}" if bits else "where `bits` is left out"
    sizes = {"n": weight.shape[0], "m": weight.shape[1], "1": 1}
    # As real numbers, for a wrong answer may give some.
    yield Seen(f"What comes out as whole numbers {told}", numbers.double(), lambda: expected, ("n", "m"), sizes)
    yield Seen(
        f"The scale {told}",
        scale.double() if scale.dtype == torch.float64 else scale.float(),
        lambda: expected_scale,
        ("n", "1"),
        sizes,
        dtype=torch.float64 if weight.dtype == torch.float64 else None,
    )


def look_at_zeros(subject: Subject, draw: Draw, bits: int) -> Iterator[Seen]:
    """A row of zeros gives zeros, and what its scale is does not matter, if only it is a number."""
    weight, expected, expected_scale = drawn_weights(draw, bits, zeros=True)
    with NoWholeNumber() as watch:
        numbers, scale = called(subject, weight, bits)
    sizes = {"n": weight.shape[0], "m": weight.shape[1], "1": 1}
    if scale.shape == expected_scale.shape:
        facts = {"finite": bool(scale.isfinite().all()), "whole": not watch.met}
        yield Seen("For a row of zeros, what comes out", facts, lambda: dict.fromkeys(facts, True), told=ZERO)
    what = "Where one row is zero, what comes out as whole numbers"
    yield Seen(what, numbers.double(), lambda: expected, ("n", "m"), sizes)
    others = (expected_scale > 0).flatten()
    yield Seen("The scale of the other rows", scale.float()[others], lambda: expected_scale[others], ("n", "1"), sizes)


def look_at_kind(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """One byte a weight."""
    numbers, _ = called(subject, drawn_weights(draw, 8)[0], 8)
    yield Seen("The dtype", {"int8": numbers.dtype == torch.int8}, lambda: {"int8": True})


def look_at_parameter(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A layer's weight, which learns, under `no_grad`, as a later cell hands it over: it stops at none."""
    with torch.no_grad():
        called(subject, nn.Parameter(drawn_weights(draw, 8)[0]), 8)
    yield from ()


def look_elsewhere(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Tensors that are made on the way are made where the weights are."""
    yield from seen_elsewhere(subject, subject.answer, drawn_weights(draw, 4, zeros=True)[0], 4)


# Mistakes

MISTAKES = Mistakes(layers.quantize_rows).read(
    """
    one scale for all: One scale serves the whole matrix. Each row has its own largest weight: `dim=1`.
        weight.abs().amax(dim=1, keepdim=True) => weight.abs().max().expand(len(weight), 1)
      or weight.abs().amax(dim=1, keepdim=True) => weight.abs().max()
    by column: Each column has a scale. It is each row that should have one: take the largest along `dim=1`.
        dim=1 => dim=0
    cut off: What is behind the point is cut off, as `.to(torch.int8)` does. Go to the nearest whole number first:
    `.round()`.
        .round() =>
    rounded down: The numbers are rounded down. Go to the nearest whole number.
        .round() => .floor()
    rounded up: The numbers are rounded up. Go to the nearest whole number.
        .round() => .ceil()
    not rounded: These are no whole numbers: weight / scale is still to be rounded.
        (weight / scale).round().to(torch.int8) => weight / scale
    divided by zero: A row of zeros has the scale 0, and 0 / 0 is NaN. Put another number in the place of a largest
    weight of 0.
        torch.where(largest > 0, largest, 1.0) => largest
    one too many: The largest whole number is taken as 2 ** (bits - 1). With 8 bits that is 128, which does not fit into
    int8: it is one less, 127.
        2 ** (bits - 1) - 1 => 2 ** (bits - 1)
      or 2 ** (bits - 1) - 1 => 2 ** (bits - 1)
        .round() => .round().clamp(-most, most - 1)
    no room for the sign: All bits are used for the size, up to 2 ** bits. One is needed for the sign: 2 ** (bits - 1) -
    1 is the largest.
        2 ** (bits - 1) - 1 => 2**bits - 1
      or 2 ** (bits - 1) - 1 => 2**bits
      or 2 ** (bits - 1) - 1 => 2**bits - 1
        .round() => .round().clamp(-128, 127)
    half of 2 ** bits - 1: The largest whole number is no whole number: (2 ** bits - 1) / 2. It is 2 ** (bits - 1) - 1.
        2 ** (bits - 1) - 1 => (2**bits - 1) / 2
    caret: `^` is no power in Python. Write `2 ** (bits - 1) - 1`.
        2 ** (bits - 1) - 1 => (2 ^ (bits - 1)) - 1
      or 2 ** (bits - 1) - 1 => 2 ^ (bits - 1) - 1
    always 8 bits: The largest whole number is 127 whatever `bits` says.
        2 ** (bits - 1) - 1 => 127
    largest with its sign: The largest weight is taken with its sign, so a large negative one does not fit. Take the
    largest of the absolute values.
        weight.abs().amax => weight.amax
    mean instead of largest: The scale comes from the mean size of a row. The largest weight then does not fit.
        .amax(dim=1, keepdim=True) => .mean(dim=1, keepdim=True)
    multiplied: The weights are multiplied by the scale. Whole numbers times scale should give the weights, so divide.
        weight / scale => weight * scale
    scale upside down: The scale is upside down: whole numbers *times* scale should give the weights.
        .to(torch.int8), scale => .to(torch.int8), 1 / scale
    largest as the scale: The row's largest weight is returned as its scale. The scale is what one step is worth: the
    largest, divided by the largest whole number.
        .to(torch.int8), scale => .to(torch.int8), largest
    scale without its axis: The scale has the shape (n,). With (n, 1), it multiplies each row: `keepdim=True`.
        .to(torch.int8), scale => .to(torch.int8), scale.squeeze(1)
      or keepdim=True => keepdim=False
    the other way round: The scale comes first, and then the whole numbers. It is the other way round.
        (weight / scale).round().to(torch.int8), scale => scale, (weight / scale).round().to(torch.int8)
    multiplied out: These are weights again: the rounded numbers were multiplied by the scale. Return whole numbers.
        (weight / scale).round().to(torch.int8), scale => (weight / scale).round() * scale, scale
    a pair from max: `max` with `dim` gives two tensors, the values and their places. Take `.values`, or `amax`.
        weight.abs().amax(dim=1, keepdim=True) => weight.abs().max(dim=1, keepdim=True)
    without a sign: The numbers are made torch.uint8, which has no sign: negative ones wrap around. It is torch.int8.
        torch.int8 => torch.uint8
    from the smallest: The numbers count from the row's smallest weight, with no sign. Here 0 stays 0: only the largest
    size sets the scale.
        largest = weight.abs().amax(dim=1, keepdim=True)
            => low = weight.amin(1, keepdim=True); largest = weight.amax(1, keepdim=True) - low; most = 2**bits - 1
        (weight / scale).round().to(torch.int8) => ((weight - low) / scale).round().to(torch.uint8)
    """
)

# The check

EXERCISE = Exercise(
    id="14b",
    title="weights in few bits",
    passed="Each row has its own scale, every weight goes to the nearest whole number, and rows of zeros stay zero.",
    hints={1: ("8 bits", "4 bits"), 2: ("rows of zeros",)},
    steps=(
        Step("8 bits", look_at_numbers, {"bits": 8}),
        Step("4 bits", look_at_numbers, {"bits": 4}),
        *(Step("other numbers of bits", look_at_numbers, {"bits": bits}) for bits in (6, 5, 3, 2)),
        Step("rows of zeros", look_at_zeros, {"bits": 4}),
        Step("rows of zeros", look_at_zeros, {"bits": 8}),
        Step("a single row", look_at_numbers, {"bits": 4, "n": 1}),
        Step("a single column", look_at_numbers, {"bits": 4, "m": 1}),
        Step("as many rows as columns", look_at_numbers, {"bits": 4, "n": 6, "m": 6}),
        Step("bits left out", look_at_numbers, {"bits": None}),
        Step("one byte a weight", look_at_kind, remark=KIND),
        Step("a parameter", look_at_parameter, remark=PARAMETER),
        Step("another device", look_elsewhere, remark="for weights on another device, something stays on the CPU."),
        Step(
            "float64",
            look_at_numbers,
            {"bits": 8, "dtype": torch.float64},
            remark="for weights in float64, the scale is not in float64.",
        ),
    ),
    telling="4 bits",
    misconceptions=MISTAKES,
)
