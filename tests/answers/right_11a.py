"""Right answers to exercise 11a, in many styles."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import chain, pairwise, repeat
from typing import Any

Words = Mapping[tuple[str, ...], int]


def with_zip(words: Words) -> Any:
    pairs: Counter[tuple[str, str]] = Counter()
    for pieces, count in words.items():
        for pair in zip(pieces, pieces[1:], strict=False):  # noqa: RUF007
            pairs[pair] += count
    return pairs


def by_place(words: Words) -> Any:
    pairs: Counter[tuple[str, str]] = Counter()
    for pieces in words:
        for i in range(len(pieces) - 1):
            pairs[(pieces[i], pieces[i + 1])] += words[pieces]
    return pairs


def with_pairwise_and_update(words: Words) -> Any:
    pairs: Counter[tuple[str, str]] = Counter()
    for pieces, count in words.items():
        for pair, times in Counter(pairwise(pieces)).items():
            pairs.update({pair: times * count})
    return pairs


def all_at_once(words: Words) -> Any:
    return Counter(chain.from_iterable(p for pieces, n in words.items() for p in repeat([*pairwise(pieces)], n)))


def sum_of_counters(words: Words) -> Any:
    counters = (Counter({p: n * k for p, k in Counter(pairwise(w)).items()}) for w, n in words.items())
    return sum(counters, Counter())


def with_slices(words: Words) -> Any:
    pairs: Counter[Any] = Counter()
    for pieces, count in words.items():
        for end in range(2, len(pieces) + 1):
            pairs[pieces[end - 2 : end]] += count
    return pairs


def with_the_one_before(words: Words) -> Any:
    pairs: Counter[tuple[str, str]] = Counter()
    for pieces, count in words.items():
        before = None
        for piece in pieces:
            if before is not None:
                pairs[before, piece] += count
            before = piece
    return pairs


def default_dict(words: Words) -> Any:
    pairs: defaultdict[Any, int] = defaultdict(int)
    for pieces, count in words.items():
        for pair in pairwise(pieces):
            pairs[pair] += count
    return pairs


def plain_dict(words: Words) -> Any:
    pairs: dict[Any, int] = {}
    for pieces, count in words.items():
        for pair in pairwise(pieces):
            pairs[pair] = pairs.get(pair, 0) + count
    return pairs


ANSWERS = (
    with_zip,
    by_place,
    with_pairwise_and_update,
    all_at_once,
    sum_of_counters,
    with_slices,
    with_the_one_before,
    default_dict,
    plain_dict,
)
