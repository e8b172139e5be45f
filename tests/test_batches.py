"""Batches: every text once, little padding, masks from lengths, and the same again from the same seed."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from helpers.batches import Batch, encode, make_loader, pad
from helpers.seeding import seed_worker

PAD = 7  # not 0: nothing may rely on that


@pytest.fixture
def texts() -> list[list[int]]:
    """Token ids of 1,000 texts with from 1 to 60 tokens; the padding's id is among them."""
    generator = random.Random(1)
    return [[generator.randrange(20) for _ in range(generator.randint(1, 60))] for _ in range(1000)]


@pytest.fixture
def labels(texts: list[list[int]]) -> list[int]:
    return [sum(text) % 5 for text in texts]


def loader(texts: list[list[int]], labels: list[int], **options: Any) -> DataLoader:
    return make_loader(texts, labels, **{"num_classes": 5, "pad_id": PAD, "batch_size": 16, "seed": 3, **options})


def test_padding_agrees_with_torch() -> None:
    texts = [[4, 7, 2], [9], [7, 7, 7, 7], [1, 2]]
    token_ids, mask = pad(texts, PAD)
    expected = pad_sequence([torch.tensor(text) for text in texts], batch_first=True, padding_value=PAD)
    assert torch.equal(token_ids, expected)
    assert token_ids.dtype == torch.int64
    assert mask.dtype == torch.bool
    # From the lengths, not from the ids: the third text is made of words that have the padding's id.
    assert mask.tolist() == [[place < len(text) for place in range(4)] for text in texts]


@pytest.mark.parametrize("seed", [None, 3])
def test_every_text_comes_once_with_its_own_label_and_place(
    texts: list[list[int]], labels: list[int], seed: int | None
) -> None:
    batches = list(loader(texts, labels, seed=seed))
    assert sorted(place for batch in batches for place in batch.places.tolist()) == list(range(len(texts)))
    for batch in batches:
        for token_ids, mask, label, place in zip(*batch, strict=True):
            assert token_ids[mask].tolist() == texts[place]
            assert label == labels[place]


@pytest.mark.parametrize("seed", [None, 3])
def test_a_batch_is_as_wide_as_its_own_longest_text(
    texts: list[list[int]], labels: list[int], seed: int | None
) -> None:
    for batch in loader(texts, labels, seed=seed):
        assert batch.token_ids.shape == batch.mask.shape == (len(batch.labels), batch.mask.sum(1).max())


def padding_share(batches: Any) -> float:
    masks = [batch.mask for batch in batches]
    return 1 - sum(int(mask.sum()) for mask in masks) / sum(mask.numel() for mask in masks)


def test_texts_of_similar_length_meet(texts: list[list[int]], labels: list[int]) -> None:
    unsorted = [pad(texts[start : start + 16], PAD)[1] for start in range(0, 1000, 16)]
    by_chance = 1 - sum(int(mask.sum()) for mask in unsorted) / sum(mask.numel() for mask in unsorted)
    assert by_chance > 0.4
    assert padding_share(loader(texts, labels)) < 0.05


def test_training_batches_come_in_no_order_of_length(texts: list[list[int]], labels: list[int]) -> None:
    widths = [batch.mask.shape[1] for batch in loader(texts, labels)]
    rises = sum(second > first for first, second in pairwise(widths))
    assert 0.3 < rises / len(widths) < 0.7


def test_a_text_meets_others_in_each_epoch(texts: list[list[int]], labels: list[int]) -> None:
    """One length for all, so that only chance decides who meets whom."""
    shuffled = loader([text[:1] for text in texts], labels)
    first, second = ({frozenset(batch.places.tolist()) for batch in shuffled} for _ in range(2))
    assert not first & second


def test_only_the_last_batch_is_smaller_and_len_counts_it(texts: list[list[int]], labels: list[int]) -> None:
    found = loader(texts, labels)
    sizes = sorted(len(batch.labels) for batch in found)
    assert sizes == [1000 % 16] + [16] * (1000 // 16)
    assert len(found) == len(sizes)


@pytest.mark.parametrize("num_workers", [0, 1, 2])
def test_same_seed_gives_the_same_batches_with_any_number_of_workers(
    texts: list[list[int]], labels: list[int], num_workers: int
) -> None:
    torch.manual_seed(11)
    expected_loader = loader(texts, labels)
    expected = [list(expected_loader) for _ in range(2)]
    torch.manual_seed(12)  # what else was drawn before does not matter
    found_loader = loader(texts, labels, num_workers=num_workers)
    for epoch in expected:
        for one, other in zip(epoch, found_loader, strict=True):
            assert all(torch.equal(first, second) for first, second in zip(one, other, strict=True))
    assert found_loader.worker_init_fn is seed_worker


def test_another_seed_gives_other_batches(texts: list[list[int]], labels: list[int]) -> None:
    one, other = (next(iter(loader(texts, labels, seed=seed))).places.tolist() for seed in (3, 4))
    assert one != other


def test_drawing_batches_leaves_torch_s_own_generator_alone(texts: list[list[int]], labels: list[int]) -> None:
    before = torch.get_rng_state()
    list(loader(texts, labels))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("label", [5, -1])
def test_a_label_out_of_range_is_named(label: int) -> None:
    with pytest.raises(ValueError, match=f"label of text 1 is {label}, but 5 classes have the labels 0 to 4"):
        loader([[1], [2]], [0, label])


def test_texts_and_labels_must_match() -> None:
    with pytest.raises(ValueError, match="2 texts and 1 labels"):
        loader([[1], [2]], [0])
    with pytest.raises(ValueError, match="0 texts and 0 labels"):
        loader([], [])


def test_a_batch_moves_as_a_whole() -> None:
    batch = Batch(*pad([[1, 2], [3]], PAD), torch.tensor([0, 1]), torch.tensor([5, 6])).to("meta")
    assert isinstance(batch, Batch)
    assert {tensor.device.type for tensor in batch} == {"meta"}


# ---- from text to tokens


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """BERT's kind of tokenizer with a vocabulary of twelve."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "good", "un", "##believ", "##able", "film", ".", "!"]
    words = Tokenizer(models.WordPiece({piece: place for place, piece in enumerate(pieces)}, unk_token="[UNK]"))
    words.normalizer = normalizers.BertNormalizer(lowercase=True)
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]")


def test_texts_become_word_pieces_without_marks_around_them(tokenizer: Any) -> None:
    assert encode(["A good film.", "Unbelievable!"], tokenizer, 10) == [[4, 5, 9, 10], [6, 7, 8, 11]]
    assert encode([], tokenizer, 10) == []


def test_a_long_text_keeps_its_first_tokens(tokenizer: Any) -> None:
    assert encode(["A good film. " * 100, "A film"], tokenizer, 3) == [[4, 5, 9], [4, 9]]
    with pytest.raises(ValueError, match="max_len is 0"):
        encode(["A film"], tokenizer, 0)


@pytest.mark.parametrize("empty", ["", "   ", "\n", "\u200b"])
def test_an_empty_text_is_an_error_that_names_it(tokenizer: Any, empty: str) -> None:
    with pytest.raises(ValueError, match=r"Text 1 is .*no word to read"):
        encode(["A film", empty], tokenizer, 10)


def test_one_text_that_is_not_in_a_list_is_an_error(tokenizer: Any) -> None:
    with pytest.raises(TypeError, match=r"write \['A film'\]"):
        encode("A film", tokenizer, 10)
