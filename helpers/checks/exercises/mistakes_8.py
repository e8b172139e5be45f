"""Misconceptions about putting texts into a batch, as small wrong implementations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from helpers.checks.engine.run import Misconceptions

MISCONCEPTIONS = Misconceptions()

Pairs = Sequence[Sequence[Any]]  # of (label, text)
Three = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def pad_rows(rows: list[list[int]], pad_id: int, t: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask (b, t), padded on the right to the longest row, or to `t`."""
    t = max(map(len, rows)) if t is None else t
    ids = torch.tensor([row + [pad_id] * (t - len(row)) for row in rows])
    return ids, torch.tensor([[1] * len(row) + [0] * (t - len(row)) for row in rows])


def cut_with_marks(text: str, tokenizer: Any, max_len: int) -> list[int]:
    """The ids of one text, at most `max_len`, between [CLS] and [SEP]."""
    pieces = tokenizer.encode(text, add_special_tokens=False)[: max_len - 2]
    return [tokenizer.cls_token_id, *pieces, tokenizer.sep_token_id]


def labels_of(batch: Pairs) -> torch.Tensor:
    return torch.tensor([label for label, _ in batch])


def batch_by_hand(
    batch: Pairs,
    tokenizer: Any,
    max_len: int = 128,
    cut: Callable[[str, Any, int], list[int]] = cut_with_marks,
    pad_id: int | None = None,
) -> Three:
    """Right as it stands: a test compares it with the tokenizer's own batch."""
    rows = [cut(text, tokenizer, max_len) for _, text in batch]
    return labels_of(batch), *pad_rows(rows, tokenizer.pad_token_id if pad_id is None else pad_id)


# Padding and mask


@MISCONCEPTIONS(
    "the pad id written as 0",
    "The padding is written as 0. That is BERT's pad id; for the tokenizer of this check, 0 is a word. Ask the "
    "tokenizer: `tokenizer.pad_token_id`.",
)
def pad_id_zero(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    return batch_by_hand(batch, tokenizer, max_len, pad_id=0)


@MISCONCEPTIONS(
    "the mask says where ids are not 0",
    "The mask asks which ids are not 0. But 0 need not be the padding: here it is a word, and padding counts as words.",
)
def mask_where_not_zero(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    labels, ids, _ = batch_by_hand(batch, tokenizer, max_len)
    return labels, ids, (ids != 0).long()


@MISCONCEPTIONS(
    "no attention mask",
    "The mask is 1 everywhere, so the model would read the padding as if it were words. It should be 0 at the padding.",
)
def mask_of_ones(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    labels, ids, _ = batch_by_hand(batch, tokenizer, max_len)
    return labels, ids, torch.ones_like(ids)


@MISCONCEPTIONS(
    "the mask the wrong way round",
    "The mask is the wrong way round: 1 at words, 0 at padding.",
)
def mask_inverted(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    labels, ids, mask = batch_by_hand(batch, tokenizer, max_len)
    return labels, ids, 1 - mask


@MISCONCEPTIONS(
    "token types for the mask",
    "These are the `token_type_ids`, which say whether a token belongs to a first or a second text. Take what the "
    "tokenizer returns by name, not by place: `attention_mask`.",
)
def token_types(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    labels, ids, _ = batch_by_hand(batch, tokenizer, max_len)
    return labels, ids, torch.zeros_like(ids)


@MISCONCEPTIONS(
    "everything padded to max_len",
    "Every text is padded to `max_len`, however short all of them are: most work would be done on padding. Pad to "
    "the longest text of the batch.",
)
def padded_to_max_len(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    rows = [cut_with_marks(text, tokenizer, max_len) for _, text in batch]
    return labels_of(batch), *pad_rows(rows, tokenizer.pad_token_id, max_len)


@MISCONCEPTIONS(
    "padding on the left",
    "The padding stands before the words. BERT learned its positions from the left: padding comes after the words.",
)
def padded_on_the_left(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    labels, ids, mask = batch_by_hand(batch, tokenizer, max_len)
    moved = [(row.roll(int((1 - keep).sum())), keep.flip(0)) for row, keep in zip(ids, mask, strict=True)]
    return labels, torch.stack([row for row, _ in moved]), torch.stack([keep for _, keep in moved])


@MISCONCEPTIONS(
    "cut to the shortest",
    "All texts are cut to the length of the shortest, so words are lost. Fill the short ones up instead.",
)
def cut_to_the_shortest(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    labels, ids, mask = batch_by_hand(batch, tokenizer, max_len)
    t = int(mask.sum(dim=1).min())
    return labels, ids[:, :t], mask[:, :t]


@MISCONCEPTIONS(
    "rows of several lengths",
    "The texts have not been padded, and rows of several lengths make no tensor. Fill them up to the longest.",
)
def not_padded(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    texts = [text for _, text in batch]
    encoded = tokenizer(texts, truncation=True, max_length=max_len, return_tensors="pt")
    return labels_of(batch), encoded["input_ids"], encoded["attention_mask"]


@MISCONCEPTIONS(
    "ids of several lengths",
    "The lists of ids have not been padded, and lists of several lengths make no tensor. Fill them up to the longest.",
)
def lists_not_padded(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    encoded = tokenizer([text for _, text in batch], truncation=True, max_length=max_len)
    return labels_of(batch), torch.tensor(encoded["input_ids"]), torch.tensor(encoded["attention_mask"])


# Cutting


@MISCONCEPTIONS(
    "no truncation",
    "Long texts are not cut: `max_len` has no effect. BERT has no position beyond its longest, and would stop with an "
    "error.",
)
def not_truncated(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    return batch_by_hand(batch, tokenizer, 10_000)


@MISCONCEPTIONS(
    "[SEP] cut off",
    "The ids are cut as a list, and [SEP], which ends each text, goes with the rest. Let the tokenizer truncate: it "
    "keeps room for its marks.",
)
def sep_cut_off(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    return batch_by_hand(batch, tokenizer, max_len, lambda text, tokenizer, n: tokenizer.encode(text)[:n])


@MISCONCEPTIONS(
    "max_len without the marks",
    "The words alone fill `max_len`, and [CLS] and [SEP] come on top: two tokens too many. They count, too.",
)
def marks_not_counted(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    return batch_by_hand(batch, tokenizer, max_len + 2)


@MISCONCEPTIONS(
    "characters counted",
    "Texts are cut after `max_len` characters. But `max_len` counts tokens: let the tokenizer cut.",
)
def characters_cut(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    return batch_by_hand([(label, text[:max_len]) for label, text in batch], tokenizer, 10_000)


@MISCONCEPTIONS(
    "words counted",
    "Texts are cut after `max_len` words. A word may be several tokens, and [CLS] and [SEP] count, too: let the "
    "tokenizer cut.",
)
def words_cut(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    short = [(label, " ".join(text.split()[:max_len])) for label, text in batch]
    return batch_by_hand(short, tokenizer, 10_000)


@MISCONCEPTIONS(
    "128 written in",
    "Texts are always cut at 128 tokens: the argument `max_len` has no effect.",
)
def always_128(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    return batch_by_hand(batch, tokenizer, 128)


@MISCONCEPTIONS(
    "512 written in",
    "A text is cut at 512 tokens, the most that BERT can read. Cut it at `max_len`, which is 128 where the caller says "
    "nothing else.",
)
def always_512(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    return batch_by_hand(batch, tokenizer, 512)


@MISCONCEPTIONS(
    "the beginning cut off",
    "Of a long text, the end is kept and the beginning is lost. Keep the first tokens.",
)
def beginning_cut_off(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    def last(text: str, tokenizer: Any, n: int) -> list[int]:
        pieces = tokenizer.encode(text, add_special_tokens=False)[-(n - 2) :]
        return [tokenizer.cls_token_id, *pieces, tokenizer.sep_token_id]

    return batch_by_hand(batch, tokenizer, max_len, last)


@MISCONCEPTIONS(
    "no [CLS] and [SEP]",
    "[CLS] and [SEP] are missing. BERT learned with them, and the classifier reads the first one: leave them in.",
)
def without_marks(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    return batch_by_hand(
        batch, tokenizer, max_len, lambda text, tokenizer, n: tokenizer.encode(text, add_special_tokens=False)[:n]
    )


# Labels and order


@MISCONCEPTIONS(
    "1 taken off the labels",
    "The labels are one too small. Some copies of AG News count from 1; these labels start at 0 already.",
)
def labels_shifted(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    labels, ids, mask = batch_by_hand(batch, tokenizer, max_len)
    return labels - 1, ids, mask


@MISCONCEPTIONS(
    "labels as real numbers",
    "The labels are real numbers. A class is a name, not an amount: cross-entropy wants whole numbers, torch.int64.",
)
def labels_as_floats(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    labels, ids, mask = batch_by_hand(batch, tokenizer, max_len)
    return labels.float(), ids, mask


@MISCONCEPTIONS(
    "labels in a column",
    "The labels stand in a column, (b, 1). One axis is enough: (b,).",
)
def labels_in_a_column(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    labels, ids, mask = batch_by_hand(batch, tokenizer, max_len)
    return labels[:, None], ids, mask


@MISCONCEPTIONS(
    "sorted by length",
    "The texts come back in another order than they were handed over: by length. Keep the order: whoever made the "
    "batch knows why.",
)
def sorted_by_length(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    return batch_by_hand(sorted(batch, key=lambda pair: len(pair[1])), tokenizer, max_len)


@MISCONCEPTIONS(
    "texts sorted, labels not",
    "The texts were sorted by length, the labels were not: texts and labels no longer belong together.",
)
def labels_left_behind(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    _, ids, mask = sorted_by_length(batch, tokenizer, max_len)
    return labels_of(batch), ids, mask


@MISCONCEPTIONS(
    "sorted, the longest first",
    "The texts come back with the longest first. Keep the order in which they were handed over.",
)
def longest_first(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    return batch_by_hand(sorted(batch, key=lambda pair: -len(pair[1])), tokenizer, max_len)


@MISCONCEPTIONS(
    "texts sorted the longest first, labels not",
    "The texts were sorted, the longest first, and the labels were not: texts and labels no longer belong together.",
)
def longest_first_alone(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    _, ids, mask = longest_first(batch, tokenizer, max_len)
    return labels_of(batch), ids, mask


@MISCONCEPTIONS(
    "labels last",
    "The three things come in another order: token ids, mask, labels. The labels come first here.",
)
def labels_last(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    labels, ids, mask = batch_by_hand(batch, tokenizer, max_len)
    return ids, mask, labels


@MISCONCEPTIONS(
    "mask before ids",
    "Token ids and mask have changed places: the labels come first, then the token ids, then the mask.",
)
def mask_before_ids(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    labels, ids, mask = batch_by_hand(batch, tokenizer, max_len)
    return labels, mask, ids


@MISCONCEPTIONS(
    "label and text mixed up",
    "Label and text have changed places: each row is (label, text), so the text comes second.",
)
def label_for_text(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    texts, labels = zip(*batch, strict=True)
    encoded = tokenizer(list(texts), padding=True, truncation=True, max_length=max_len, return_tensors="pt")
    return torch.tensor(labels), encoded["input_ids"], encoded["attention_mask"]


@MISCONCEPTIONS(
    "the first text only",
    "Only the first text comes back. The whole batch should.",
)
def first_only(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    return batch_by_hand(batch[:1], tokenizer, max_len)


@MISCONCEPTIONS(
    "ids of the first text only",
    "All labels come back, but token ids of the first text only. Hand the tokenizer the list of all texts.",
)
def ids_of_the_first(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    _, ids, mask = first_only(batch, tokenizer, max_len)
    return labels_of(batch), ids, mask


@MISCONCEPTIONS(
    "one long text",
    "The texts were joined into one long text. Hand the tokenizer a list of texts: it makes a row of each.",
)
def joined(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    _, ids, mask = batch_by_hand([(0, " ".join(text for _, text in batch))], tokenizer, max_len)
    return labels_of(batch), ids, mask


# Which texts


@MISCONCEPTIONS(
    "empty texts dropped",
    "A text without words is left out. It is a row like the others, [CLS], [SEP] and padding: whoever made the batch "
    "counts on as many rows as were handed over.",
)
def empty_dropped(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    return batch_by_hand([pair for pair in batch if pair[1]], tokenizer, max_len)


@MISCONCEPTIONS(
    "a dictionary by text",
    "Texts that are equal have become one row, with the label that came last, as in a dictionary by text. Keep every "
    "row: two people may write the same and mean something else by it.",
)
def by_text(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    return batch_by_hand(
        [(label, text) for text, label in {t: label for label, t in batch}.items()], tokenizer, max_len
    )


@MISCONCEPTIONS(
    "equal rows put together",
    "Rows that are equal have become one. Keep every row: what stands there twice counts twice.",
)
def equal_rows_once(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    return batch_by_hand(list(dict.fromkeys(map(tuple, batch))), tokenizer, max_len)


@MISCONCEPTIONS(
    "lower case",
    "The texts lose their capitals before the tokenizer sees them. Hand them over as they are: a tokenizer that wants "
    "lower case sees to it itself.",
)
def in_lower_case(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    return batch_by_hand([(label, text.lower()) for label, text in batch], tokenizer, max_len)


# What comes back, and of what


@MISCONCEPTIONS(
    "the tokenizer's dictionary",
    "This is what the tokenizer returned. Take out `input_ids` and `attention_mask`, and return them "
    "behind the labels.",
)
def dictionary(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Any:
    return tokenizer([text for _, text in batch], padding=True, truncation=True, max_length=max_len)


@MISCONCEPTIONS(
    "labels as a list",
    "The labels are still a Python list or tuple, which cannot go to a GPU, nor into a loss. Make a tensor of them.",
)
def labels_as_a_list(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Any:
    _, ids, mask = batch_by_hand(batch, tokenizer, max_len)
    return [label for label, _ in batch], ids, mask


@MISCONCEPTIONS(
    "lists of ids",
    "`input_ids` are still Python lists. The tokenizer makes tensors of them, if it is told so: `return_tensors`.",
)
def lists_of_ids(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Any:
    labels, ids, mask = batch_by_hand(batch, tokenizer, max_len)
    return labels, ids.tolist(), mask.tolist()


@MISCONCEPTIONS(
    "an axis lost",
    "A batch of one text loses its first axis: there is a `squeeze` too many. (1, t) is a batch, (t,) is none.",
)
def squeezed(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Any:
    return tuple(part.squeeze(0) for part in batch_by_hand(batch, tokenizer, max_len))


@MISCONCEPTIONS(
    "another tokenizer",
    "The argument `tokenizer` has no effect: another one is used, from outside the function. A model needs its own.",
)
def another_tokenizer(batch: Pairs, tokenizer: Any, max_len: int = 128) -> Three:
    labels, ids, mask = batch_by_hand(batch, tokenizer, max_len)
    return labels, ids + len(tokenizer), mask
