"""Exercise 11b, merging a pair of pieces: what goes in, what is right, what the check looks at, and mistakes."""

from __future__ import annotations

from collections.abc import Iterator

from helpers import layers
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.exercise import Exercise, Step
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen
from helpers.checks.engine.trouble import Trouble
from helpers.checks.looks.plain_values import call_on_copy, insist_on_kind, shown

Pieces = tuple[str, ...]
Pair = tuple[str, str]

LETTERS = ("d", "e", "k", "m", "o", "s", "t", "Ġ", "é", "w")


def expected_merge(pieces: Pieces, pair: Pair) -> Pieces:
    """Return the pieces with the pair joined, one piece after the other: the last one waits for its partner."""
    merged: list[str] = []
    waits = False  # whether the last of `merged` may still be joined
    for piece in pieces:
        if waits and (merged[-1], piece) == pair:
            merged[-1] += piece
            waits = False
        else:
            merged.append(piece)
            waits = True
    return tuple(merged)


def draw_case(draw: Draw, kind: str) -> tuple[Pieces, Pair]:
    """Pieces and a pair of one kind; all letters differ."""
    a, b, c, d, e = draw.random.sample(LETTERS, 5)
    pieces: Pieces = {
        "in the middle": (c, d, a, b, e),
        "at the end": (c, d, e, a, b),
        "at the beginning": (a, b, c, d),
        "several times": (a, b, c, a, b, a, b, d, e, a, b),
        "not there": (c, d, a, e, b, c),
        "turned round": (c, b, a, d, b, a),
        "half of it": (a, c, a, d, b, e, a),
        "longer pieces": (c, a + b, c + a, b, a, b + d, a, b, e),
        "cut elsewhere": (a, b + c, d, a + b, c, e, a + b + c),
        "alone": (a, b),
        "a single piece": (a,),
        "no pieces": (),
        "three": (c, a, a, a, d),
        "four": (a, a, a, a),
        "five": (c, a, a, a, a, a),
        "with double": (a, a + a, a, a, b),
        "signs": ("(", ".", "*", a, "+", ".", b, ".", "*"),
    }[kind]
    pair = (a, b)
    if kind in ("three", "four", "five", "with double"):
        pair = (a, a)
    elif kind == "cut elsewhere":
        pair = (a + b, c)
    elif kind == "signs":
        pair = (".", "*")
    return pieces, pair


def look_at_merge(subject: Subject, draw: Draw, kinds: tuple[str, ...]) -> Iterator[Seen]:
    """What comes for pieces of these kinds."""
    for kind in kinds:
        yield _seen(subject, *draw_case(draw, kind))


def look_at_many(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Long words of few different pieces, so that the pair comes in all surroundings."""
    for _ in range(6):
        letters = draw.random.sample(LETTERS, 2)
        pool = [*letters, letters[0] + letters[1], letters[0] * 2]
        pieces = tuple(draw.random.choices(pool, k=draw.random.randint(12, 30)))
        yield _seen(subject, pieces, (draw.random.choice(pool), draw.random.choice(pool)))


def _seen(subject: Subject, pieces: Pieces, pair: Pair) -> Seen:
    value = call_on_copy(subject, pieces, pair, names=("pieces", "pair"))
    what = f"{shown(pieces, 160)} with the pair {pair}"
    if isinstance(value, list):  # the rest of it may be right or wrong: other mistakes are told first
        value = _List(value)
    else:
        insist_on_kind(value, tuple, subject.name, "a tuple of pieces")
    expected = expected_merge(pieces, pair)
    told = f"It should give {shown(expected, 160)}, and yours gives {shown(value, 160)}."
    if isinstance(value, _List) and tuple(value) == expected:
        raise Trouble(f"`{subject.name}` returns a list. The pieces are right: return them as a tuple.", "list")
    if tuple(value) == pieces != expected:
        told += " Nothing was joined."
    elif all(isinstance(piece, str) for piece in value) and "".join(value) != "".join(pieces):
        told += " Letters have been lost, added or moved: joined together, the pieces should spell the same word."
    return Seen(what, {"pieces": tuple(value)}, lambda: {"pieces": expected}, told={"pieces": told})


class _List(list[str]):
    """A list that an answer returned where a tuple is wanted."""

    def __repr__(self) -> str:
        return list.__repr__(self)


# Mistakes

MISTAKES = Mistakes(layers.merge_pair).read(
    r"""
    only the first one: Only the first occurrence is joined. Join every one.
        pieces[place : place + 2] == pair => len(merged) == place and pieces[place : place + 2] == pair
    from the right: It goes from the right: `a a a` becomes `a aa`. From the left it is `aa a`.
        while place < len(pieces): => pieces = pieces[::-1]; pair = pair[::-1]\n    while place < len(pieces):
        merged.append(pair[0] + pair[1]) => merged.append(pair[1] + pair[0])
        return tuple(merged) => return tuple(merged[::-1])
    overlap: A piece is used twice: `a a a` becomes `aa aa`. After a pair is joined, go on behind both of its pieces.
        place += 2 => place += 1 + (pair[0] != pair[1])
    only one step on: After a pair is joined, its second piece comes once more. Go on by two places.
        place += 2 => place += 1
    a piece left out: After a pair is joined, the piece behind it gets lost. Go on by two places, no more.
        place += 2 => place += 3
    two steps on for every piece: Pieces get lost: one that does not begin the pair stands alone. Go on by one place
    there.
        place += 1 => place += 2
    a slice kept: What is appended is a tuple of one piece, as a slice is. Append the piece itself: `pieces[place]`.
        merged.append(pieces[place]) => merged.append(pieces[place : place + 1])
    the joined letters compared: The two pieces are joined before they are compared, so `a` + `bc` counts as `ab` + `c`.
    Both pieces must be equal.
        pieces[place : place + 2] == pair
        => place + 1 < len(pieces) and ''.join(pieces[place : place + 2]) == ''.join(pair)
      or pieces[place : place + 2] == pair => ''.join(pieces[place : place + 2]) == ''.join(pair)
    the whole word searched: The pair is searched for in the letters of the word, whatever pieces it is cut into. Look
    at whole pieces.
        return tuple(merged)
        => return tuple(' '.join(''.join(pieces)).replace(' '.join(''.join(pair)), ''.join(pair)).split())
    replaced in a line of text: The pieces are joined with spaces, and the pair is replaced in that text: so it is also
    found where a longer piece ends in its first, or begins with its second. Compare whole pieces.
        return tuple(merged) => return tuple(' '.join(pieces).replace(' '.join(pair), ''.join(pair)).split())
    the order forgotten: `b a` is joined, too. The pair is `a b`: the order matters.
        == pair => in (pair, pair[::-1])
      or pieces[place : place + 2] == pair => set(pieces[place : place + 2]) == set(pair)
      or pieces[place : place + 2] == pair => sorted(pieces[place : place + 2]) == sorted(pair)
    joined the wrong way round: The two pieces are joined the wrong way round, so the word is spelt differently.
        pair[0] + pair[1] => pair[1] + pair[0]
    only the first compared: Only the first piece of the pair is compared. The one behind it must be the second.
        pieces[place : place + 2] == pair => pieces[place] == pair[0] and place + 1 < len(pieces)
      or pieces[place : place + 2] == pair => pieces[place] == pair[0]
    only the second compared: Only the second piece of the pair is compared. The one before it must be the first.
        pieces[place : place + 2] == pair => pieces[place + 1 : place + 2] == pair[1:]
    the last piece lost: The last piece gets lost, unless it is joined. The loop ends one place too early.
        while place < len(pieces): => while place < len(pieces) - 1:
    the pair at the end missed: A pair at the very end is not joined. The last place where it can begin is the last but
    one.
        pieces[place : place + 2] == pair => place + 2 < len(pieces) and pieces[place : place + 2] == pair
    the pair at the beginning missed: A pair at the very beginning is not joined.
        pieces[place : place + 2] == pair => place > 0 and pieces[place : place + 2] == pair
    kept as a pair: The pair is put in as a tuple of two, and the pieces stay apart. Add the strings: `'a' + 'b'` is
    `'ab'`.
        merged.append(pair[0] + pair[1]) => merged.append(pair)
    a space between: There is a space inside the new piece. Join the two with nothing between them.
        pair[0] + pair[1] => pair[0] + ' ' + pair[1]
    not joined: Nothing is joined. Is the pair ever found? A slice of a tuple is a tuple, `pieces[place : place + 2]`,
    and can be equal to `pair`. Where it is, its two pieces become *one*.
        merged.append(pair[0] + pair[1]) => merged.extend(pair)
    no next one: At the last piece there is no next one. A slice, `pieces[place : place + 2]`, is then shorter, and
    stops nothing.
        pieces[place : place + 2] == pair => pieces[place] == pair[0] and pieces[place + 1] == pair[1]
      or pieces[place : place + 2] == pair => (pieces[place], pieces[place + 1]) == pair
    the others left out: Only joined pairs come out: pieces that belong to no pair are missing.
        merged.append(pieces[place]) => pass
    the pair left out: The pair is taken out, and nothing is put in its place.
        merged.append(pair[0] + pair[1]) => pass
    the first piece alone: In place of the pair stands its first piece alone. Join both.
        merged.append(pair[0] + pair[1]) => merged.append(pair[0])
    a set: A set forgets the order, and how often a piece comes. Return a tuple.
        return tuple(merged) => return set(merged)
    one string: All pieces have become one string. Return a tuple of pieces.
        return tuple(merged) => return ''.join(merged)
      or return tuple(merged) => return ' '.join(merged)
    single letters: The pieces have become single letters: `tuple` of a string takes it apart.
        return tuple(merged) => return tuple(''.join(merged))
    a list: This is a list. A word's pieces are a tuple: only a tuple can be a key of a dict, as in `words`.
        return tuple(merged) => return merged
    the next merge, too: The new piece is joined with what follows it as well. One pair, and nothing else, is joined.
        place += 2 => place += 2\n            merged[-1] += ''.join(pieces[place:place + 1]); place += 1
    """
)

# The check

EXERCISE = Exercise(
    id="11b",
    title="a pair merged",
    passed="Every occurrence is joined, from the left, without overlap, and nothing else is changed.",
    hints={
        1: ("a pair in a word", "several pairs", "a piece repeated"),
        2: ("the ends of a word", "short words", "longer pieces", "no pair"),
    },
    steps=(
        Step("a pair in a word", look_at_merge, {"kinds": ("in the middle",)}),
        Step("the ends of a word", look_at_merge, {"kinds": ("at the beginning", "at the end", "alone")}),
        Step("no pair", look_at_merge, {"kinds": ("not there", "turned round", "half of it")}),
        Step("several pairs", look_at_merge, {"kinds": ("several times",)}),
        Step("a piece repeated", look_at_merge, {"kinds": ("three", "four", "five", "with double")}),
        Step("longer pieces", look_at_merge, {"kinds": ("longer pieces", "cut elsewhere")}),
        Step("short words", look_at_merge, {"kinds": ("a single piece", "no pieces")}),
        Step("pieces such as . and *", look_at_merge, {"kinds": ("signs",)}),
        Step("long words", look_at_many),
    ),
    telling="long words",
    misconceptions=MISTAKES,
)
