"""Right answers to exercise 8, in many styles."""

from __future__ import annotations

import torch
from torch.nn.utils.rnn import pad_sequence


def as_in_the_lesson(batch, tokenizer, max_len=128):
    labels, texts = zip(*batch, strict=True)
    encoded = tokenizer(list(texts), padding=True, truncation=True, max_length=max_len, return_tensors="pt")
    return torch.tensor(labels), encoded["input_ids"], encoded["attention_mask"]


def with_options_by_name(rows, tok, max_len=128):
    """Other names, options spelled out, attributes in place of keys, and a list comes back."""
    encoded = tok(
        text=[row[1] for row in rows],
        padding="longest",
        truncation="longest_first",
        max_length=max_len,
        return_tensors="pt",
        return_token_type_ids=False,
    )
    return [torch.LongTensor([row[0] for row in rows]), encoded.input_ids, encoded.attention_mask]


def with_lists(batch, tokenizer, max_len=128):
    """Each text by itself, filled up by hand."""
    rows = [tokenizer.encode(text, truncation=True, max_length=max_len) for _, text in batch]
    longest = max(len(row) for row in rows)
    ids, mask = [], []
    for row in rows:
        missing = longest - len(row)
        ids.append(row + missing * [tokenizer.pad_token_id])
        mask.append([True] * len(row) + [False] * missing)
    return torch.tensor([int(label) for label, _ in batch]), torch.tensor(ids), torch.tensor(mask)


def with_pad_sequence(batch, tokenizer, max_len=128):
    rows = [
        torch.tensor(tokenizer(text, truncation=True, max_length=max_len)["input_ids"], dtype=torch.int32)
        for _, text in batch
    ]
    ids = pad_sequence(rows, batch_first=True, padding_value=tokenizer.pad_token_id)
    mask = pad_sequence([torch.ones(len(row)) for row in rows], batch_first=True)
    return torch.stack([torch.tensor(label) for label, _ in batch]), ids, mask


def with_the_tokenizers_pad(batch, tokenizer, max_len=128):
    encoded = [tokenizer(text, truncation=True, max_length=max_len) for _, text in batch]
    padded = tokenizer.pad(encoded, return_tensors="pt")
    return torch.tensor([label for label, _ in batch]), padded["input_ids"], padded["attention_mask"]


def with_a_full_tensor(batch, tokenizer, max_len=128):
    """Lengths first; the mask from the lengths."""
    texts = [tokenizer(text)["input_ids"] for _, text in batch]
    texts = [ids if len(ids) <= max_len else [*ids[: max_len - 1], tokenizer.sep_token_id] for ids in texts]
    lengths = torch.tensor([len(ids) for ids in texts])
    mask = torch.arange(int(lengths.max()))[None] < lengths[:, None]
    padded = torch.full(mask.shape, tokenizer.pad_token_id)
    padded[mask] = torch.tensor([token for ids in texts for token in ids])
    return torch.as_tensor([label for label, _ in batch]), padded, mask.int()


def mask_from_the_pad_id(batch, tokenizer, max_len=128):
    labels, texts = map(list, zip(*batch, strict=True))
    ids = tokenizer(texts, padding=True, truncation=True, max_length=max_len, return_tensors="pt")["input_ids"]
    return torch.tensor(labels), ids, (ids != tokenizer.pad_token_id).long()


def by_hand(batch, tokenizer, max_len=128):
    """The pieces of each text, cut and put between the marks."""
    lines = []
    for _, text in batch:
        pieces = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text))[: max_len - 2]
        lines.append([tokenizer.cls_token_id, *pieces, tokenizer.sep_token_id])
    t = max(map(len, lines))
    ids = torch.tensor([line + [tokenizer.pad_token_id] * (t - len(line)) for line in lines])
    mask = torch.tensor([[1] * len(line) + [0] * (t - len(line)) for line in lines])
    return torch.tensor([label for label, _ in batch]), ids, mask


ANSWERS = (
    as_in_the_lesson,
    by_hand,
    with_options_by_name,
    with_lists,
    with_pad_sequence,
    with_the_tokenizers_pad,
    with_a_full_tensor,
    mask_from_the_pad_id,
)
