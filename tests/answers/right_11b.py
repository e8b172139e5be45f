"""Right answers to exercise 11b, in many styles."""

from __future__ import annotations

import re
from functools import reduce

Pieces = tuple[str, ...]
Pair = tuple[str, str]


def with_a_place(pieces: Pieces, pair: Pair) -> Pieces:
    merged: list[str] = []
    place = 0
    while place < len(pieces):
        if pieces[place : place + 2] == pair:
            merged.append(pair[0] + pair[1])
            place += 2
        else:
            merged.append(pieces[place])
            place += 1
    return tuple(merged)


def with_bounds(pieces: Pieces, pair: Pair) -> Pieces:
    first, second = pair
    merged: Pieces = ()
    i = 0
    while i < len(pieces):
        if i < len(pieces) - 1 and pieces[i] == first and pieces[i + 1] == second:
            merged += (first + second,)
            i += 1
        else:
            merged += (pieces[i],)
        i += 1
    return merged


def calling_itself(pieces: Pieces, pair: Pair) -> Pieces:
    if len(pieces) < 2:
        return pieces
    if pieces[:2] == pair:
        return ("".join(pair), *calling_itself(pieces[2:], pair))
    return (pieces[0], *calling_itself(pieces[1:], pair))


def in_a_list(pieces: Pieces, pair: Pair) -> Pieces:
    line = list(pieces)
    i = 0
    while i + 1 < len(line):
        if (line[i], line[i + 1]) == pair:
            line[i : i + 2] = ["".join(pair)]
        i += 1
    return tuple(line)


def with_a_flag(pieces: Pieces, pair: Pair) -> Pieces:
    merged, skip = [], False
    for piece, following in zip(pieces, [*pieces[1:], None], strict=False):
        if skip:
            skip = False
        elif (piece, following) == pair:
            merged.append("".join(pair))
            skip = True
        else:
            merged.append(piece)
    return tuple(merged)


def with_an_iterator(pieces: Pieces, pair: Pair) -> Pieces:
    queue = list(reversed(pieces))
    merged = []
    while queue:
        piece = queue.pop()
        if piece == pair[0] and queue and queue[-1] == pair[1]:
            piece += queue.pop()
        merged.append(piece)
    return tuple(merged)


def with_a_pattern(pieces: Pieces, pair: Pair) -> Pieces:
    """As in Sennrich et al.: no piece holds a space."""
    pattern = re.compile(r"(?<!\S)" + re.escape(" ".join(pair)) + r"(?!\S)")
    return tuple(pattern.sub(lambda _: "".join(pair), " ".join(pieces)).split())


def with_index(pieces: Pieces, pair: Pair) -> Pieces:
    merged: list[str] = []
    i = 0
    while i < len(pieces):
        try:
            j = pieces.index(pair[0], i)
        except ValueError:
            merged.extend(pieces[i:])
            break
        merged.extend(pieces[i:j])
        if pieces[j + 1 : j + 2] == (pair[1],):
            merged.append(pair[0] + pair[1])
            i = j + 2
        else:
            merged.append(pieces[j])
            i = j + 1
    return tuple(merged)


def folded(pieces: Pieces, pair: Pair) -> Pieces:
    def step(state: tuple[list[str], bool], piece: str) -> tuple[list[str], bool]:
        line, free = state
        if free and (line[-1], piece) == pair:
            return [*line[:-1], line[-1] + piece], False
        return [*line, piece], True

    return tuple(reduce(step, pieces, ([], False))[0])


ANSWERS = (
    with_a_place,
    with_bounds,
    calling_itself,
    in_a_list,
    with_a_flag,
    with_an_iterator,
    with_a_pattern,
    with_index,
    folded,
)
