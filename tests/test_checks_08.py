"""Exercise 8's check: what is expected, wrong answers and what they are told. For every check: test_checks_all.py."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from answers import right_8
from answers.right_8 import by_hand
from checks_support import failure

from helpers import checks
from helpers.checks.engine.draw import Draw
from helpers.checks.exercises.ex_08 import WORDS, Batch, draw_vocabulary, make_tokenizer
from helpers.pretrained import load_tokenizer

check = checks.pad_batch
SEEDS = (1, 22, 333)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_expected_is_what_the_tokenizer_itself_gives(seed: int) -> None:
    for max_len, unusual in ((None, False), (7, False), (None, True)):
        a_batch = Batch(Draw(seed, "a batch"), max_len=max_len, unusual=unusual)
        texts = [text for _, text in a_batch.batch]
        theirs = a_batch.tokenizer(texts, padding=True, truncation=True, max_length=max_len or 128, return_tensors="pt")
        expected = a_batch.expected()
        assert torch.equal(theirs["input_ids"], expected["input_ids"])
        assert torch.equal(theirs["attention_mask"], expected["attention_mask"])


def test_the_small_tokenizer_cuts_words_as_the_list_says_and_pads_with_no_0() -> None:
    for seed in SEEDS:
        vocabulary = draw_vocabulary(Draw(seed, "words"))
        tokenizer = make_tokenizer(vocabulary)
        for word, pieces in WORDS.items():
            assert tuple(tokenizer.tokenize(word)) == pieces
        assert tokenizer.pad_token_id == vocabulary["[PAD]"] != 0
        assert tokenizer.convert_ids_to_tokens(0) == "film"


def test_it_is_right_with_berts_own_tokenizer_too() -> None:
    tokenizer = load_tokenizer()
    batch = [(3, "a film"), (0, "an unbelievably good film, said the critics"), (1, "fine")]
    for mine, theirs in zip(by_hand(batch, tokenizer, 6), right_8.as_in_the_lesson(batch, tokenizer, 6), strict=True):
        assert torch.equal(mine, theirs)


def padding_option_max_length(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    labels, texts = zip(*batch, strict=True)
    encoded = tokenizer(list(texts), padding="max_length", truncation=True, max_length=max_len, return_tensors="pt")
    return torch.tensor(labels), encoded["input_ids"], encoded["attention_mask"]


def no_truncation_option(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    labels, texts = zip(*batch, strict=True)
    encoded = tokenizer(list(texts), padding=True, return_tensors="pt")
    return torch.tensor(labels), encoded["input_ids"], encoded["attention_mask"]


def values_by_place(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    labels, texts = zip(*batch, strict=True)
    ids, mask, *_ = tokenizer(
        list(texts), padding=True, truncation=True, max_length=max_len, return_tensors="pt"
    ).values()
    return torch.tensor(labels), ids, mask


def filled_with_zeros(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    rows = [torch.tensor(tokenizer(text, truncation=True, max_length=max_len)["input_ids"]) for _, text in batch]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    return torch.tensor([label for label, _ in batch]), ids, mask


def labels_left_as_a_tuple(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    labels, texts = zip(*batch, strict=True)
    return labels, *as_tensors(texts, tokenizer, max_len)


def as_tensors(texts: Any, tokenizer: Any, max_len: int) -> Any:
    encoded = tokenizer(list(texts), padding=True, truncation=True, max_length=max_len, return_tensors="pt")
    return encoded["input_ids"], encoded["attention_mask"]


def berts_tokenizer(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    return right_8.as_in_the_lesson(batch, load_tokenizer(), max_len)


def another_default(batch: Any, tokenizer: Any, max_len: int = 512) -> Any:
    return by_hand(batch, tokenizer, max_len)


def always_512(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    return right_8.as_in_the_lesson(batch, tokenizer, 512)


def by_text(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    labels = {text: label for label, text in batch}
    return torch.tensor(list(labels.values())), *as_tensors(labels, tokenizer, max_len)


def rows_once(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    return right_8.as_in_the_lesson(list(dict.fromkeys(map(tuple, batch))), tokenizer, max_len)


def without_empty_texts(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    return right_8.as_in_the_lesson([row for row in batch if row[1].strip()], tokenizer, max_len)


def in_lower_case(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    return right_8.as_in_the_lesson([(label, text.lower()) for label, text in batch], tokenizer, max_len)


def longest_first(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    return right_8.as_in_the_lesson(sorted(batch, key=lambda row: -len(row[1])), tokenizer, max_len)


def texts_longest_first(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    _, ids, mask = longest_first(batch, tokenizer, max_len)
    return torch.tensor([label for label, _ in batch]), ids, mask


def joined(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    labels, texts = zip(*batch, strict=True)
    return torch.tensor(labels), *as_tensors([" ".join(texts)], tokenizer, max_len)


def ids_of_the_first(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    labels, texts = zip(*batch, strict=True)
    return torch.tensor(labels), *as_tensors(texts[:1], tokenizer, max_len)


def first_sentences(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    return right_8.as_in_the_lesson([(label, text.split(".")[0]) for label, text in batch], tokenizer, max_len)


def stripped_of_stops(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    return right_8.as_in_the_lesson([(label, text.rstrip(".")) for label, text in batch], tokenizer, max_len)


def at_most_256(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    return right_8.as_in_the_lesson(batch, tokenizer, min(max_len, 256))


def at_least_5(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    return right_8.as_in_the_lesson(batch, tokenizer, max(max_len, 5))


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (padding_option_max_length, "everything padded to max_len"),
        (no_truncation_option, "no truncation"),
        (values_by_place, "token types for the mask"),
        (filled_with_zeros, "the pad id written as 0"),
        (labels_left_as_a_tuple, "labels as a list"),
        (berts_tokenizer, "another tokenizer"),
        (another_default, "512 written in"),
        (always_512, "512 written in"),
        (by_text, "a dictionary by text"),
        (rows_once, "equal rows put together"),
        (without_empty_texts, "empty texts dropped"),
        (in_lower_case, "lower case"),
        (longest_first, "sorted, the longest first"),
        (texts_longest_first, "texts sorted the longest first, labels not"),
        (joined, "one long text"),
        (ids_of_the_first, "ids of the first text only"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_an_answer_written_otherwise_is_recognised_by_what_it_does(answer: Any, name: str) -> None:
    for seed in SEEDS:
        assert failure(check, answer, seed).misconception == name


# Other wrong answers


def sorts_the_callers_list(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    batch.sort(key=lambda pair: len(pair[1]))
    return by_hand(batch, tokenizer, max_len)


def two_things(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    return by_hand(batch, tokenizer, max_len)[1:]


def forgetful(batch: Any, tokenizer: Any, max_len: int = 128) -> None:
    by_hand(batch, tokenizer, max_len)


def real_ids(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    labels, ids, mask = by_hand(batch, tokenizer, max_len)
    return labels, ids.float(), mask


def tuples_only(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    return by_hand([row for row in batch if isinstance(row, tuple)], tokenizer, max_len)


def small_ids(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    labels, ids, mask = by_hand(batch, tokenizer, max_len)
    return labels, ids.to(torch.uint8), mask


def negative_padding(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    labels, ids, mask = by_hand(batch, tokenizer, max_len)
    return labels, ids.masked_fill(mask == 0, -100), mask


def in_numpy(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    labels, ids, mask = by_hand(batch, tokenizer, max_len)
    return labels, ids.numpy(), mask.numpy()


def always_six(batch: Any, tokenizer: Any, max_len: int = 6) -> Any:
    return by_hand(batch, tokenizer, min(max_len, 6))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (sorts_the_callers_list, "changes the list `batch` that it is handed"),
        (two_things, "returns 2 things where a tuple of three tensors"),
        (forgetful, "returns None where a tuple of three tensors"),
        (real_ids, "`input_ids` are torch.float32"),
        (small_ids, "`input_ids` are torch.uint8"),
        (negative_padding, "negative token ids"),
        (in_numpy, "but a NumPy array: `torch.tensor` makes one of it"),
        (first_sentences, "should have the shape|[Ee]xpected"),
        (at_most_256, r"with max_len=500 should have the shape .* \(2, 500\); yours has \(2, 256\)"),
        (at_least_5, r"with max_len=4 should have the shape .* \(6, 4\); yours has \(6, 5\)"),
        (stripped_of_stops, "should have the shape|[Ee]xpected"),
        (tuples_only, "empty|max()"),
        (always_six, r"should have the shape \(b, t\)"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_answer_is_told_what_differs(answer: Any, words: str) -> None:
    for seed in SEEDS:
        failed = failure(check, answer, seed)
        assert re.search(words, str(failed)), str(failed)
        assert failed.misconception is None


def sorted_by_pieces(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    return by_hand(sorted(batch, key=lambda row: len(tokenizer(row[1])["input_ids"])), tokenizer, max_len)


def longest_first_by_words(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    return by_hand(sorted(batch, key=lambda row: len(row[1].split()), reverse=True), tokenizer, max_len)


def rows_sorted_afterwards(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    labels, ids, mask = by_hand(batch, tokenizer, max_len)
    order = mask.sum(1).argsort()
    return labels[order], ids[order], mask[order]


def texts_alone_sorted_by_words(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    labels, texts = zip(*batch, strict=True)
    return by_hand(
        list(zip(labels, sorted(texts, key=lambda text: len(text.split())), strict=True)), tokenizer, max_len
    )


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (sorted_by_pieces, "sorted by length"),
        (rows_sorted_afterwards, "sorted by length"),
        (longest_first_by_words, "sorted, the longest first"),
        (texts_alone_sorted_by_words, "texts sorted, labels not"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_sorting_is_recognised_with_every_seed_whatever_length_it_goes_by(answer: Any, name: str) -> None:
    for seed in range(12):
        assert failure(check, answer, seed).misconception == name


def of_older_tutorials(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
    labels, texts = zip(*batch, strict=True)
    encoded = tokenizer.batch_encode_plus(
        list(texts), padding=True, truncation=True, max_length=max_len, return_tensors="pt"
    )
    return torch.tensor(labels), encoded["input_ids"], encoded["attention_mask"]


def test_who_asks_for_batch_encode_plus_is_told_to_call_the_tokenizer() -> None:
    said = str(failure(check, of_older_tutorials)).split("\n")[0]
    assert "call the tokenizer itself" in said


def test_open_blanks_are_counted_and_named() -> None:
    def skeleton(batch: Any, tokenizer: Any, max_len: int = 128) -> Any:
        labels, texts = zip(*batch, strict=True)
        encoded = ...
        return torch.tensor(labels), ..., encoded or texts

    assert "2 blanks are still open" in str(failure(check, skeleton))
