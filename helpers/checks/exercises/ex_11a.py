"""Exercise 11a, counting pairs of pieces: what goes in, what is right, what the check looks at, and mistakes."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

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

PIECES = ("a", "b", "e", "t", "th", "Ġ", "er", "ing", "Ã", "é")


def expected_pairs(words: Mapping[Pieces, int]) -> dict[Pair, int]:
    """Return how often each pair comes, place by place."""
    found: dict[Pair, int] = {}
    for pieces, count in words.items():
        for place in range(1, len(pieces)):
            pair = pieces[place - 1], pieces[place]
            found[pair] = found.get(pair, 0) + count
    return found


def draw_words(draw: Draw, kind: str) -> dict[Pieces, int]:
    """Words of one kind; all counts differ. The last word of several comes once, which must not look like the rest."""
    counts = draw.random.sample(range(2, 60), 12)
    a, b, c, d, e, f = draw.random.sample(PIECES, 6)
    kinds: dict[str, list[Pieces]] = {
        "one word": [(a, b, c, d)],
        "words that share pairs": [(a, b, c, d), (e, a, b), (c, d, f, a, b), (f, c, d)],
        "pieces of several letters": [("th", "er", "e"), ("t", "her", "e"), ("th", "e", "re"), ("t", "h", "ere")],
        "a pair twice in a word": [(a, b, c, a, b), (b, d, b, d, b, d)],
        "a piece repeated": [(a, a, a), (b, c, c, c, c)],
        "pairs turned round": [(a, b), (b, a), (a, c, b), (b, c, a)],
        "single pieces": [(a,), (a + b,), (c, d), (e,)],
        "two words of one piece": [(a,), (b,)],
        "no words": [],
    }
    words = dict(zip(kinds[kind], counts, strict=False))
    if len(words) > 1:
        words[kinds[kind][-1]] = 1
    return words


def look_at_pairs(subject: Subject, draw: Draw, kind: str, twice: bool = False) -> Iterator[Seen]:
    """What comes for words of one kind; `twice`: after a call with other words."""
    words = draw_words(draw, kind)
    if twice:
        call_on_copy(subject, draw_words(draw, "one word"), names=("words",))
    yield _seen(subject, words, f"The counts for {kind}" + (", at the second call" if twice else ""))


def look_at_many(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Many words of any length."""
    words = OrderedDict[Pieces, int]()
    for _ in range(60):
        words[tuple(draw.random.choices(PIECES, k=draw.random.randint(1, 9)))] = draw.random.randint(1, 900)
    yield _seen(subject, dict(words), "The counts for sixty words")


def _seen(subject: Subject, words: dict[Pieces, int], what: str) -> Seen:
    value = call_on_copy(subject, words, names=("words",))
    insist_on_kind(value, Mapping, subject.name, "a Counter")
    got = {pair: count for pair, count in value.items() if count != 0}  # a Counter has 0 for what it lacks
    for pair in got:
        if not isinstance(pair, tuple) or len(pair) != 2:
            sentence = f"A pair should be a tuple of two pieces, such as ('a', 'b'). Yours are like {shown(pair)}."
            raise Trouble(sentence, "pair", repr(sorted(map(_key, got.items()))))
    expected = expected_pairs(words)
    return Seen(what, {"counts": got}, lambda: {"counts": expected}, told={"counts": _difference(got, expected, words)})


def _key(item: tuple[Any, Any]) -> str:
    pair, count = item
    return repr((sorted(pair) if isinstance(pair, (set, frozenset)) else pair, count))


def _difference(got: dict[Any, Any], expected: dict[Pair, int], words: dict[Pieces, int]) -> str:
    """The first pair that is counted wrongly, and the words that hold it."""
    given = f"The words are {shown(words, 200)}."
    for pair, count in expected.items():
        if got.get(pair, 0) != count:
            return f"{pair} should be counted {count} times, and yours has {got.get(pair, 0)}. {given}"
    for pair in got:
        if pair not in expected:
            return f"{pair} stands in no word, and yours counts it {got[pair]} times. {given}"
    return ""


def look_at_kind(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Whether it is a Counter: a dict is right as far as the numbers go."""
    value = call_on_copy(subject, draw_words(draw, "one word"), names=("words",))
    yield Seen("The kind", {"kind": isinstance(value, Counter)}, lambda: {"kind": True})


# Mistakes

MISTAKES = Mistakes(layers.count_pairs).read(
    r"""
    the word's count forgotten: Each word counts once here. A word that comes five times counts five times: add its
    count, not 1.
        += count => += 1
    the count of the last word: A pair keeps the count of the last word that holds it. Add the counts up, with `+=`.
        pairs[pair] += count => pairs[pair] = count
    once a word: A pair that stands in a word several times is counted once for that word. Each time counts.
        pairwise(pieces) => {*zip(pieces, pieces[1:])}
    only every second pair: Only every second pair of neighbours is counted: the first piece with the second, the third
    with the fourth. The second with the third are neighbours too.
        pairwise(pieces) => zip(pieces[::2], pieces[1::2])
    no overlap: Pairs that share a piece are counted once: in `a a a`, `a a` comes twice. (Only merging avoids overlap.)
        += count => += count * (pair != before)\n            before = None if pair == before else pair
        for pair in => before = None\n        for pair in
    letters instead of pieces: These are pairs of letters. A piece may have several letters: pair whole pieces.
        pairwise(pieces) => zip(''.join(pieces), ''.join(pieces)[1:])
    across words: The last piece of a word is paired with the first one of the next. Pairs stand inside a word.
        pairs: Counter[tuple[str, str]] = Counter() => pairs = Counter(); last = ()
        for pair in => line = (*last, *pieces)\n        last = pieces[-1:]\n        for pair in
        pairwise(pieces) => pairwise(line)
    only words taken: A dict gives its keys alone, here the pieces. `words.items()` gives each with its count.
        words.items(): => words:
      or words.items(): => enumerate(words):
    the last pair missing: The last pair of each word is missing.
        pairwise(pieces) => zip(pieces[:-1], pieces[1:-1])
    the first pair missing: The first pair of each word is missing. Python counts from 0.
        pairwise(pieces) => zip(pieces[1:], pieces[2:])
    round the end: The last piece of a word is paired with the word's own first. A word does not go round.
        pairwise(pieces) => ((pieces[i - 1], pieces[i]) for i in range(len(pieces)))
      or pairwise(pieces) => ((pieces[i - 1], pieces[i]) for i in range(len(pieces) * (len(pieces) > 1)))
    the order forgotten: `a b` and `b a` are counted as one pair. They are two: which piece comes first matters.
        pairs[pair] => pairs[tuple(sorted(pair))]
      or pairs[pair] => pairs[frozenset(pair)]
    turned round: Each pair is turned round: the piece that comes first in the word is the first of the pair.
        pairwise(pieces) => zip(pieces[1:], pieces)
    joined: The two pieces of a pair are joined to one string. Keep them apart: a tuple of two. `th` + `e` and `t` +
    `he` are two pairs.
        pairs[pair] => pairs[''.join(pair)]
    every two pieces: Every two pieces of a word are paired, however far apart. Only neighbours are.
        pairwise(pieces) => ((a, b) for i, a in enumerate(pieces) for b in pieces[i + 1:])
    one apart: Each piece is paired with the next but one. Take the one beside it.
        pairwise(pieces) => zip(pieces, pieces[2:])
    a piece with itself: Each piece is paired with itself. Pair it with the next one.
        pairwise(pieces) => zip(pieces, pieces)
    a return too early: Only the first word is counted: is the `return` inside the loop?
        \n    return pairs => \n        return pairs\n    return pairs
    only the last word: Only the last word is counted: a new Counter is made for each word. Make it once, before the
    loop.
        for pieces, count in words.items(): => for pieces, count in words.items():\n        pairs = Counter()
    counts multiplied: The count comes in more than once: as often as the word has pairs. Add it once for each pair.
        += count => += count * (len(pieces) - 1)
    """
)

# The check

EXERCISE = Exercise(
    id="11a",
    title="the pairs of neighbouring pieces",
    passed="Neighbours alone are paired, in their order, and each counts as often as its word comes.",
    hints={
        1: ("pairs of one word", "single pieces", "pairs turned round", "pieces of several letters"),
        2: ("several words", "a pair twice in a word", "a piece repeated", "many words"),
    },
    steps=(
        Step("pairs of one word", look_at_pairs, {"kind": "one word"}),
        Step("several words", look_at_pairs, {"kind": "words that share pairs"}),
        Step("pieces of several letters", look_at_pairs, {"kind": "pieces of several letters"}),
        Step("pairs turned round", look_at_pairs, {"kind": "pairs turned round"}),
        Step("a pair twice in a word", look_at_pairs, {"kind": "a pair twice in a word"}),
        Step("a piece repeated", look_at_pairs, {"kind": "a piece repeated"}),
        Step("single pieces", look_at_pairs, {"kind": "single pieces"}),
        Step("single pieces", look_at_pairs, {"kind": "two words of one piece"}),
        Step("no words", look_at_pairs, {"kind": "no words"}),
        Step("many words", look_at_many),
        Step("a second call", look_at_pairs, {"kind": "words that share pairs", "twice": True}),
        Step(
            "the kind",
            look_at_kind,
            remark="the numbers are right, but what comes out is another dict than a `Counter`.",
        ),
    ),
    telling="many words",
    misconceptions=MISTAKES,
)
