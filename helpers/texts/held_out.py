"""Which sentences are kept out of training: the same ones everywhere, and none that has a near copy in it."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Hashable, Sequence

TEST_SHARE = 0.15
_SEED = 2021


def group(sentences: Sequence[tuple[str, str]]) -> list[int]:
    """Put a number on each sentence; two that must not be torn apart get the same one.

    Together stay sentences of one origin, sentences with the same words (whatever their order, case and
    punctuation), and neighbours that share half of their words or more: the data holds sentences that were written
    again and again with a word or a mark changed, one below the other.

    Parameters
    ----------
    sentences
        A text and an origin for each.
    """
    parents = list(range(len(sentences)))

    def root(node: int) -> int:
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    first: dict[Hashable, int] = {}
    before: frozenset[str] = frozenset()
    for place, (text, origin) in enumerate(sentences):
        words = frozenset(re.findall(r"\w+", text.lower()))
        same = [first.setdefault(key, place) for key in (("words", words), ("origin", origin))]
        if words and 2 * len(words & before) >= len(words | before):
            same.append(place - 1)
        for other in same:
            parents[root(place)] = root(other)
        before = words
    return [root(place) for place in range(len(sentences))]


def choose(groups: Sequence[int], strata: Sequence[Hashable], share: float = TEST_SHARE) -> list[bool]:
    """Choose whole groups for testing, so that each stratum gives up the same share of its sentences, or nearly.

    Groups come in a random order that Python's documentation promises to keep from version to version, and each is
    taken when that brings the strata it touches nearer to `share` of what has come by so far. (scikit-learn's
    `StratifiedGroupKFold` does much the same, but promises no such thing.)

    Parameters
    ----------
    groups
        The group of each sentence.
    strata
        The stratum of each sentence, such as its source and its level.
    share
        From 0 to 1.

    Returns
    -------
    list of bool
        For each sentence, whether it is kept for testing.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for place, number in enumerate(groups):
        members[number].append(place)
    generator = random.Random(_SEED)
    # random() repeats for ever; shuffle() is free to change.
    order = [key for _, key in sorted((generator.random(), key) for key in members)]
    owed: dict[Hashable, float] = defaultdict(float)
    chosen = [False] * len(groups)
    for number in order:
        sizes: dict[Hashable, int] = defaultdict(int)
        for place in members[number]:
            sizes[strata[place]] += 1
            owed[strata[place]] += share
        if sum(size * (2 * owed[stratum] - size) for stratum, size in sizes.items()) > 0:
            for stratum, size in sizes.items():
                owed[stratum] -= size
            for place in members[number]:
                chosen[place] = True
    return chosen
