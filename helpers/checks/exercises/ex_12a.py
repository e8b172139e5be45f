"""Exercise 12a, rotary positions: what goes in, what is right, what the check looks at, and mistakes."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from helpers import layers
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.exercise import Exercise, Step
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen
from helpers.checks.looks.devices import seen_elsewhere
from helpers.checks.looks.gradients import seen_gradients
from helpers.checks.looks.used_before import overwrite, second_call

AXES = ("b", "t", "h", "d")
DTYPE = (
    "for vectors in float64 or bfloat16, something else comes out, or it stops. `.to(x.dtype)` on cosines and sines "
    "keeps the dtype of x."
)
DEVICE = (
    "for vectors on another device, say a GPU, it stops: what is made on the way stays behind on the CPU. "
    "`torch.arange(..., device=x.device)` makes it in the right place."
)


def expected_turns(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    """Turn (b, t, h, d) in float64: a pair of numbers as a complex one, multiplied with one that lies on the circle."""
    half = x.shape[-1] // 2
    first, second = x.double().split(half, dim=-1)
    speeds = torch.tensor([float(base) ** (-2 * i / (2 * half)) for i in range(half)], dtype=torch.float64)
    angles = positions.double()[:, None, None] * speeds  # (t, 1, d / 2)
    turned = torch.complex(first, second) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag], dim=-1)


def _given(
    draw: Draw, dtype: torch.dtype = torch.float32, positions: Sequence[int] | None = None, **fixed: int
) -> tuple[torch.Tensor, torch.Tensor, dict[str, int]]:
    """Draw vectors, their positions and sizes, d even; positions begin at 0 unless they are given."""
    if positions is not None:
        fixed["t"] = len(positions)
    sizes = {"d": draw.random.choice([6, 8, 10])} | fixed
    names = " ".join(name for name in "bth" if name not in fixed)
    sizes |= draw.sizes(names, 2, 7, taken=[*sizes.values(), sizes["d"] // 2]) if names else {}
    x = draw.normal(*(sizes[axis] for axis in AXES), dtype=dtype)
    return x, torch.arange(sizes["t"]) if positions is None else torch.tensor(positions), sizes


def look_at_turns(
    subject: Subject, draw: Draw, what: str = "What is turned", base: float | None = None, **settings: Any
) -> Iterator[Seen]:
    """What comes of some vectors; `settings` are those of `_given`."""
    x, positions, sizes = _given(draw, **settings)
    more = () if base is None else (base,)
    yield Seen(
        what,
        subject.tensor(subject.answer, x, positions, *more, name=subject.name),
        lambda: expected_turns(x, positions, *more),
        AXES,
        sizes,
        alone=lambda: subject.tensor(subject.answer, x[:1], positions, *more, name=subject.name),
    )


def look_at_distances(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Dot products of one query and one key stay when both move on."""
    d, near = draw.random.choice([6, 8]), torch.arange(6)
    shift = draw.random.randint(20, 60)
    query, key = (draw.normal(1, 1, 1, d).expand(1, 6, 1, d) for _ in range(2))

    def products(positions: torch.Tensor) -> torch.Tensor:
        turned = [subject.tensor(subject.answer, x, positions, name=subject.name)[0, :, 0] for x in (query, key)]
        return turned[0] @ turned[1].mT

    what = f"The dot products of a query and a key, both {shift} positions further on,"
    yield Seen(
        what,
        products(near + shift),
        lambda: expected_turns(query, near)[0, :, 0] @ expected_turns(key, near)[0, :, 0].mT,
        ("query", "key"),
    )


def look_twice(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Nothing is kept of a call: tables made for one length, or one base, do not fit the next."""
    x, positions, _ = _given(draw, h=2, d=6)
    subject.tensor(subject.answer, x, positions, name=subject.name)
    overwrite(x, by=[draw.normal(*x.shape)])
    with second_call("with other numbers"):
        again = subject.tensor(subject.answer, x, positions, name=subject.name)
    yield Seen("What is turned the second time", again, functools.partial(expected_turns, x, positions), AXES)
    longer = draw.normal(2, 40, 2, 6)
    with second_call("with a longer text"):
        came = subject.tensor(subject.answer, longer, torch.arange(40), name=subject.name)
    yield Seen("What is turned in a longer text, later", came, lambda: expected_turns(longer, torch.arange(40)), AXES)


def look_far_out(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Positions in the thousands, where an angle in float32 is known to about a thousandth."""
    x, positions, _ = _given(draw, positions=[5000, 70, 4097], d=2)
    came = subject.tensor(subject.answer, x, positions, name=subject.name)
    is_near = came.shape == x.shape and bool((came.double() - expected_turns(x, positions)).abs().max() < 0.01)
    told = {"far": "Positions in the thousands are turned by other angles than they should be."}
    yield Seen("Far positions", {"far": is_near}, lambda: {"far": True}, told=told)


def look_at_dtypes(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """The dtype of the vectors stays; in float64, angles that were found in float32 are right enough."""
    for dtype, rounding in ((torch.float64, 1e-5), (torch.bfloat16, 0.06)):
        x, positions, _ = _given(draw, dtype=dtype, positions=[3, 0, 2], d=4)
        came = subject.tensor(subject.answer, x, positions, name=subject.name)
        is_right = came.shape == x.shape and bool(
            torch.allclose(came.double(), expected_turns(x, positions), rtol=0, atol=rounding)
        )
        facts = {"dtype": came.dtype == dtype, "numbers": is_right}
        yield Seen(f"What comes back in {dtype}", facts, lambda: {"dtype": True, "numbers": True})


def look_at_gradients(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """The gradient of what is turned, turned back."""
    x, positions, sizes = _given(draw)
    x.requires_grad_()
    name = "the vectors"
    came = subject.tensor(subject.answer, x, positions, name=subject.name)
    yield from seen_gradients(
        subject,
        draw,
        came,
        {name: x},
        lambda given: expected_turns(given[name], positions),
        {name: x.detach().double()},
        {name: AXES},
        sizes,
    )


def look_elsewhere(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Tensors that are made on the way are made where the vectors are."""
    x, positions, _ = _given(draw)
    yield from seen_elsewhere(subject, subject.answer, x, positions)


# Mistakes

MISTAKES = Mistakes(layers.rotate).read(
    r"""
    no axis for the speeds (hint 1): Positions and speeds are multiplied number by number. Each position meets each
    speed: `positions[:, None] * speeds` is (t, d / 2).
        positions[:, None] * speeds => positions * speeds
    nothing turned (hint 1): Nothing is turned, or as good as nothing. The first clock's speed should be base ** 0 = 1.
    Mind power and brackets: `base ** (-i / half)`.
        turned_first = first * cos - second * sin => turned_first = first
        turned_second = second * cos + first * sin => turned_second = second
      or base ** (-torch.arange(half, device=x.device) / half) => base**-2 * torch.arange(half, device=x.device) / half
    the first clock stands still (hint 1): A single clock does not turn its pair. Its speed should be base ** 0 = 1.
    Mind power and brackets, `base ** (-i / half)`; and the last pair must not be left out.
        base ** (-torch.arange(half, device=x.device) / half) => base * (-torch.arange(half, device=x.device) / half)
    neighbours paired (hint 2): Neighbours are paired, numbers 0 and 1, 2 and 3, as in the paper. Here the pairs are
    halves: number i goes with number i + d / 2.
        x[..., :half], x[..., half:] => x[..., 0::2], x[..., 1::2]
        torch.cat([turned_first, turned_second], dim=-1)
          => torch.stack([turned_first, turned_second], dim=-1).flatten(-2)
    neighbours taken apart (hint 2): The pairs are neighbours, and they come back as halves. Take the halves of x as
    pairs: number i goes with number i + d / 2.
        x[..., :half], x[..., half:] => x[..., 0::2], x[..., 1::2]
    halves put together as neighbours: The pairs are right, but they are put together as neighbours. Join the two halves
    one after the other: `torch.cat`.
        torch.cat([turned_first, turned_second], dim=-1)
          => torch.stack([turned_first, turned_second], dim=-1).flatten(-2)
    turned the other way: All is turned the other way round: the signs of the two sines are exchanged, or the angles are
    negative (`-base ** x` is -(base ** x)). It is a cos - b sin for the first half, and b cos + a sin for the second.
        first * cos - second * sin => first * cos + second * sin
        second * cos + first * sin => second * cos - first * sin
    both with a minus: The second half has a minus before its sine as well, so nothing is turned: lengths change. It is
    b cos + a sin.
        second * cos + first * sin => second * cos - first * sin
    both with a plus: The first half has a plus before its sine, as the second has, so nothing is turned: lengths
    change. It is a cos - b sin.
        first * cos - second * sin => first * cos + second * sin
    sine and cosine exchanged: Sine and cosine are exchanged. At position 0 nothing should change, since there the
    cosine is 1.
        (angles.cos(), angles.sin()) => (angles.sin(), angles.cos())
    only the first half turned: The second half is left as it was. A turn changes both numbers of a pair.
        turned_second = second * cos + first * sin => turned_second = second
    only the second half turned: The first half is left as it was. A turn changes both numbers of a pair.
        turned_first = first * cos - second * sin => turned_first = first
    the turned half used again: The second half is computed from the first half *after* its turn. Both need the numbers
    as they were.
        second * cos + first * sin => second * cos + turned_first * sin
    each half with itself: Each half is combined with itself. The first needs the second, and the second the first.
        first * cos - second * sin => first * cos - first * sin
        second * cos + first * sin => second * cos + second * sin
    halves exchanged: The two halves come back in the wrong order.
        [turned_first, turned_second] => [turned_second, turned_first]
    stretched, not turned: Numbers are multiplied by the cosine alone. A turn needs the pair's other number, too, times
    the sine.
        first * cos - second * sin => first * cos
        second * cos + first * sin => second * cos
    added, not turned: Sines and cosines are added, as in lesson 5. Here they turn pairs of numbers: they are multiplied
    with them.
        first * cos - second * sin => first + sin
        second * cos + first * sin => second + cos
    the given positions ignored (hint 1): `positions` is ignored: the first vector is taken to be at position 0. With a
    cache it is not.
        positions[:, None] => torch.arange(x.shape[1], device=x.device)[:, None]
    positions counted from 1 (hint 1): All positions are one too large. Position 0 should change nothing.
        positions[:, None] => (positions[:, None] + 1)
    counted from the first (hint 1): The first position is taken off, so that it counts as 0. Take positions as they
    are.
        positions[:, None] => (positions - positions[0])[:, None]
    base ignored: `base` has no effect: 10000 is written in.
        base ** => 10000.0 **
    only i negated: Without brackets, `base ** -i / half` is (base ** -i) / half. Write `base ** (-i / half)`.
        (-torch.arange(half, device=x.device) / half) => -torch.arange(half, device=x.device) / half
    half the exponent: The exponents are half as large as they should be: -i / d instead of -2i / d.
        -torch.arange(half, device=x.device) / half => -torch.arange(half, device=x.device) / x.shape[-1]
    twice the exponent: The exponents are twice as large as they should be. With i = 0, 1, 2 ... and half = d / 2, the
    exponent is -i / half.
        -torch.arange(half, device=x.device) / half => -2 * torch.arange(half, device=x.device) / half
    exponents up to 1 (hint 1): The exponents go all the way to -1, divided by half - 1. Divide by half: the last one is
    a little above -1.
        / half) => / (half - 1))
    exponents from 1 (hint 1): The exponents are counted from i = 1. The first clock has i = 0, so its speed is 1.
        -torch.arange(half, device=x.device) => -torch.arange(1, half + 1, device=x.device)
    fast clocks faster: The minus in the exponent is missing: the clocks become faster from pair to pair, instead of
    slower.
        -torch.arange => torch.arange
    slow clocks first: The clocks are in the wrong order: pair 0 should have the fastest.
        -torch.arange(half, device=x.device) => -torch.arange(half, device=x.device).flip(0)
    one speed for all: All pairs turn at the same speed. Each pair has a clock of its own.
        positions[:, None] * speeds => positions[:, None] * torch.ones_like(speeds)
    divided by the speed: The positions are divided by the speeds. An angle is position times speed.
        positions[:, None] * speeds => positions[:, None] / speeds
    converted to other units (hint 1): The angles are converted on the way. `cos` and `sin` take radians, and that is
    what position times speed is.
        positions[:, None] * speeds => torch.deg2rad(positions[:, None] * speeds)
      or positions[:, None] * speeds => torch.rad2deg(positions[:, None] * speeds)
      or positions[:, None] * speeds => 2 * torch.pi * positions[:, None] * speeds
    heads taken for positions: The angles go along the heads instead of the positions: x is (b, t, h, d), and the table
    needs an axis of size 1 where the heads are.
        table[:, None].to => table.to
    detached: No gradient reaches x: it is detached on the way, or turned into plain numbers.
        x[..., :half], x[..., half:] => x.detach()[..., :half], x.detach()[..., half:]
    """
)

# The check

EXERCISE = Exercise(
    id="12a",
    title="rotary positions",
    passed="Halves are turned as positions and base say; dot products depend on the distance alone.",
    hints={1: ("positions from 0", "any positions", "another base"), 2: ("position 0", "one step")},
    steps=(
        Step("position 0", look_at_turns, {"what": "What is at position 0", "positions": [0]}),
        Step(
            "one step",
            look_at_turns,
            {"what": "What one step of a single clock turns", "positions": [1], "d": 2},
        ),
        Step("positions from 0", look_at_turns),
        Step("any positions", look_at_turns, {"what": "What is turned", "positions": [7, 0, 31, 12]}),
        Step("another base", look_at_turns, {"what": "With base=100, what is turned", "base": 100.0}),
        Step("another base", look_at_turns, {"what": "With base=500000, what is turned", "base": 500_000.0, "d": 8}),
        Step("as many heads as positions", look_at_turns, {"t": 4, "h": 4}),
        *(Step("sizes of 1", look_at_turns, {axis: 1}) for axis in "bth"),
        Step("calling it twice", look_twice),
        Step("dot products by distance", look_at_distances),
        Step("far positions", look_far_out),
        Step("the gradients", look_at_gradients),
        Step("other devices", look_elsewhere, remark=DEVICE),
        Step("other dtypes", look_at_dtypes, remark=DTYPE),
    ),
    telling="any positions",
    misconceptions=MISTAKES,
)
