"""Checks of exercises 11a and 11b: oracles, wrong answers, what they are told. For every check: test_checks_all.py."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from answers.right_11a import plain_dict, with_zip
from answers.right_11b import with_a_place
from checks_support import failure
from tokenizers import Tokenizer, models

from helpers import checks
from helpers.checks.exercises.ex_11a import expected_pairs
from helpers.checks.exercises.ex_11b import expected_merge

SEEDS = (1, 22, 333)
Pieces = tuple[str, ...]


def test_the_oracle_counts_by_hand() -> None:
    words = {("a", "a", "a"): 3, ("b", "a", "a"): 5, ("c",): 7}
    assert expected_pairs(words) == {("a", "a"): 11, ("b", "a"): 5}


@pytest.mark.parametrize("word", ["ab", "aab", "abab", "xaby", "ba", "aabb", "abaab", "b", ""])
def test_the_oracle_merges_as_the_library_does(word: str) -> None:
    vocabulary = {piece: number for number, piece in enumerate(("a", "b", "x", "y", "ab"))}
    library = Tokenizer(models.BPE(vocab=vocabulary, merges=[("a", "b")]))
    assert expected_merge(tuple(word), ("a", "b")) == tuple(library.encode(word).tokens)


def test_the_oracle_goes_from_the_left_without_overlap() -> None:
    assert expected_merge(("a", "a", "a"), ("a", "a")) == ("aa", "a")
    assert expected_merge(("a", "a", "a", "a"), ("a", "a")) == ("aa", "aa")


def as_lists(words: dict[Pieces, int]) -> Any:
    return [(pair, count) for pair, count in with_zip(words).items()]


def nothing(words: dict[Pieces, int]) -> Any:
    with_zip(words)


def emptied(words: dict[Pieces, int]) -> Any:
    pairs = with_zip(words)
    words.clear()
    return pairs


KEPT: Counter[Any] = Counter()


def kept_between_calls(words: dict[Pieces, int]) -> Any:
    for pieces, count in words.items():
        for pair in pairwise(pieces):
            KEPT[pair] += count
    return KEPT


def stops_for_single_pieces(words: dict[Pieces, int]) -> Any:
    pairs: Counter[Any] = Counter()
    for pieces, count in words.items():
        before, *others = pieces
        pairs[before, others[0]] += count
        for pair in pairwise(others):
            pairs[pair] += count
    return pairs


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (as_lists, "returns a list where a Counter is wanted"),
        (nothing, "returns None"),
        (emptied, "changes its input `words`"),
        (kept_between_calls, "stands in no word|should be counted"),
        (stops_for_single_pieces, "stops with IndexError"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_wrong_counts_are_told_what_differs(answer: Any, words: str) -> None:
    for seed in SEEDS:
        KEPT.clear()
        failed = failure(checks.count_pairs, answer, seed)
        assert re.search(words, str(failed)), str(failed)
        assert failed.misconception is None


def test_a_plain_dict_passes_with_a_remark(capsys: pytest.CaptureFixture[str]) -> None:
    checks.count_pairs(plain_dict, seed=1, record=False)
    assert "another dict than a `Counter`" in capsys.readouterr().out
    checks.count_pairs(with_zip, seed=1, record=False)
    assert "One thing" not in capsys.readouterr().out


def stops_at_the_end(pieces: Pieces, pair: Any) -> Any:
    merged, place = [], 0
    while place < len(pieces):
        if pieces[place] == pair[0] and pieces[place + 1] == pair[1]:
            merged.append(pair[0] + pair[1])
            place += 2
        else:
            merged.append(pieces[place])
            place += 1
    return tuple(merged)


def never_ends(pieces: Pieces, pair: Any) -> Any:
    place = 0
    while place < len(pieces):
        if pieces[place : place + 2] == pair:
            place += 2
    return pieces


def as_a_pattern(pieces: Pieces, pair: Any) -> Any:
    pattern = r"(?<!\S)" + " ".join(pair) + r"(?!\S)"
    return tuple(re.sub(pattern, "".join(pair), " ".join(pieces)).split())


def untouched(pieces: Pieces, pair: Any) -> Any:
    return pieces


def list_without_joining(pieces: Pieces, pair: Any) -> Any:
    return list(pieces)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (stops_at_the_end, "stops with IndexError"),
        (as_a_pattern, "It should give"),
        (untouched, "Nothing was joined"),
        (list_without_joining, "Nothing was joined"),
        (lambda pieces, pair: None, "returns None"),
        (lambda pieces, pair: len(with_a_place(pieces, pair)), "a number where a tuple"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_merge_is_told_what_differs(answer: Any, words: str) -> None:
    for seed in SEEDS:
        failed = failure(checks.merge_pair, answer, seed)
        assert re.search(words, str(failed)), str(failed)


def test_a_loop_that_never_ends_is_ended() -> None:
    assert "was still running" in str(failure(checks.merge_pair, never_ends))


def test_open_blanks_are_counted() -> None:
    def skeleton(pieces: Pieces, pair: Any) -> Any:
        merged: list[Any] = []
        place = 0
        while place < len(pieces):
            if ...:
                merged.append(...)
                place += ...  # type: ignore[operator]
        return tuple(merged)

    assert "still open" in str(failure(checks.merge_pair, skeleton))
