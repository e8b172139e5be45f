"""Say in a student's terms how two results differ, when no misconception explains it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from helpers.checks.engine.seen import Seen, close

if TYPE_CHECKING:
    import torch

# What an axis is called when one of its places is meant.
WORDS = {
    "b": "batch element",
    "c": "class",
    "h": "head",
    "tq": "query",
    "tk": "key",
    "t": "position",
    "d": "feature",
    "k": "feature",
    "m": "column",
    "n": "place",
    "v": "token",
    "patches": "patch",
    "pixels": "pixel",
    "b·h": "batch element and head",
}
_PLURAL = {
    "query": "queries",
    "batch element and head": "batch elements and heads",
    "class": "classes",
    "patch": "patches",
}
_MOST_NAMED = 4  # places along an axis: a longer list tells nobody anything


def shape_sentence(seen: Seen, got: torch.Tensor, expected: torch.Tensor) -> str:
    """Name the shape that was expected and the one that came, axis by axis where sizes give it away."""
    if not expected.dim():
        return f"{seen.what} should be one number, a tensor without axes; yours has the shape {tuple(got.shape)}."
    wanted = f"({', '.join(seen.axes)}{',' * (len(seen.axes) == 1)}) = {tuple(expected.shape)}"
    sentence = f"{seen.what} should have the shape {wanted}; yours has {tuple(got.shape)}"
    # Sizes all differ, so a size says which axis it is; 1 says nothing.
    by_size = {size: name for name, size in seen.sizes.items() if size > 1}
    names = [by_size.get(size, str(size)) for size in got.shape]
    if names and all(name in seen.sizes for name in names):
        sentence += f", which looks like ({', '.join(names)})"
    return sentence + "."


def clues(seen: Seen, got: torch.Tensor, expected: torch.Tensor) -> list[str]:
    """Return what can be read off two tensors of one shape that differ, the most telling first."""
    got, expected = got.detach().cpu().double(), expected.detach().cpu().double()
    found = []
    if seen.clue is not None and seen.clue(got):
        found.append(seen.clue(got))
    sums = got.sum(-1).flatten()
    if seen.shares and bool(((sums - 1).abs() > 1e-3).any()):
        found.append(f"The rows do not sum to 1: one of them sums to {number(sums[(sums - 1).abs().argmax()])}")
    if not got.any():
        found.append("Every number is 0")
        return found
    factor = _constant_factor(got, expected)
    if factor is not None:
        found.append(f"Every number is {number(factor)} times what it should be")
    elif _close_everywhere(got, expected):
        pass  # rounded, say: every number is in its place
    elif _close_everywhere(got.flatten().sort().values, expected.flatten().sort().values):
        found.append("All the right numbers are there, in the wrong places")
    found += _right_along_an_axis(seen, got, expected)
    return found


def nan_sentence(seen: Seen, got: torch.Tensor) -> str:
    """Say how much of a result is NaN, and where the first one is."""
    if not got.dim():
        return f"{seen.what} is NaN (not a number)"
    bad = got.isnan()
    first = bad.nonzero()[0].tolist()
    much = "all NaN" if bool(bad.all()) else "partly NaN (not a number)"
    return f"{seen.what} is {much}, first at {place(seen, first)}"


def values_sentence(seen: Seen, got: torch.Tensor, expected: torch.Tensor) -> str:
    """Return what was expected and what came, at the place where they differ most."""
    import torch

    a, b = got.detach().cpu().double(), expected.detach().cpu().double()
    if a.dim() == 0:
        return f"{_expected_and_got(b, a)}."
    distance = (a - b).abs().nan_to_num(nan=float("inf")).masked_fill(a == b, 0.0)  # minus infinity twice is the same
    where = (distance == distance.max()).nonzero()[0].tolist()
    if got.dtype == expected.dtype == torch.bool:
        return f"expected {bool(b[tuple(where)])}, got {bool(a[tuple(where)])} at {place(seen, where)}."
    return f"{_expected_and_got(b[tuple(where)], a[tuple(where)])} at {place(seen, where)}."


def place(seen: Seen, index: Sequence[int]) -> str:
    """Return "batch element 0, query 2, feature 1"."""
    axes = seen.axes if len(seen.axes) == len(index) else ["index"] * len(index)
    parts = []
    for axis, i in zip(axes, index, strict=True):
        rest, names = i, list[str]()
        for name in reversed(_unfolded(seen, axis)):  # the last of "h·d" counts fastest
            rest, here = divmod(rest, seen.sizes[name]) if name in seen.sizes else (0, rest)
            names.insert(0, f"{WORDS.get(name, name)} {here}")
        parts += names if axis != "1" else []
    return ", ".join(parts)


def _unfolded(seen: Seen, axis: str) -> list[str]:
    """Return ["h", "d"] for "h·d", if both sizes are known."""
    parts = axis.split("·")
    return parts if all(part in seen.sizes for part in parts) else [axis]


def number(value: torch.Tensor | float) -> str:
    """Return a number with three digits that matter."""
    return f"{float(value):.3g}"


def _ranges(numbers: list[int]) -> str:
    """Return "0, 2 and 4 to 9"."""
    runs: list[list[int]] = []
    for i in numbers:
        if runs and i == runs[-1][-1] + 1:
            runs[-1].append(i)
        else:
            runs.append([i])
    parts = [part for run in runs for part in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run))]
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _named(word: str, numbers: list[int]) -> str:
    """Return "queries 0, 2 and 4 to 9", or "query 3"."""
    return f"{word if len(numbers) == 1 else _PLURAL.get(word, f'{word}s')} {_ranges(numbers)}"


def _expected_and_got(expected: torch.Tensor, got: torch.Tensor) -> str:
    """Return both numbers, with as many digits as it takes to see that they differ."""
    for digits in range(3, 10):
        one, other = f"{float(expected):.{digits}g}", f"{float(got):.{digits}g}"
        if one != other:
            break
    return f"expected {one}, got {other}"


def _close_everywhere(one: torch.Tensor, other: torch.Tensor) -> bool:
    # Both are float64 by now, but hold the rounding of float32.
    return bool(close(one.float(), other.float()).all())


def _constant_factor(got: torch.Tensor, expected: torch.Tensor) -> float | None:
    """Return c where got is c times expected, and c is not 1."""
    power = float((expected * expected).sum())
    if expected.numel() < 2 or float(expected.abs().max()) < 1e-9:  # what is 0 but for rounding has no factor
        return None
    factor = float((got * expected).sum()) / power
    return factor if abs(factor - 1) > 1e-3 and _close_everywhere(got, factor * expected) else None


def _right_along_an_axis(seen: Seen, got: torch.Tensor, expected: torch.Tensor) -> list[str]:
    """Find an axis along which some places are right all through, and others not."""
    sizes, axes = list(expected.shape), list(seen.axes)
    if len(sizes) != len(axes):
        return []
    for axis in list(axes):
        parts = _unfolded(seen, axis)
        if len(parts) > 1:
            at = axes.index(axis)
            axes[at : at + 1] = parts
            sizes[at : at + 1] = [seen.sizes[part] for part in parts]
    right = close(got.float(), expected.float()).reshape(sizes)
    for at, axis in enumerate(axes):
        others = [i for i in range(len(axes)) if i != at]
        along = right.permute(at, *others).reshape(sizes[at], -1).all(1)
        good = along.nonzero().flatten().tolist()
        if not 0 < len(good) < sizes[at] or axis not in WORDS:
            continue
        word = WORDS[axis]
        if good == [0]:
            return [f"It is right in the first {word} only"]
        wrong = [i for i in range(sizes[at]) if i not in good]
        if len(wrong) == 1:
            return [f"Only {word} {wrong[0]} is wrong"]
        if len(wrong) <= min(_MOST_NAMED, len(good)):
            return [f"It is wrong for {_named(word, wrong)} only"]
        if len(good) == 1 and word == "feature":  # a norm's weight near 0 there, say: that is chance
            continue
        if _ranges(good).count(",") < _MOST_NAMED:
            return [f"It is right for {_named(word, good)} only"]
    return []
