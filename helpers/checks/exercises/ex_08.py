"""Exercise 8, texts into a batch: what goes in, what is right, what the check looks at, and mistakes.

The tokenizer is a real one, but tiny: its padding is not 0, it is made in a moment, and known piece by piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from helpers import layers
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.exercise import Exercise, Step
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen, seen_facts
from helpers.checks.engine.trouble import Trouble, told_first, wrong_kind

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# What goes in, and what is right

# How each word is cut: the longest piece first that the vocabulary has, as BERT's tokenizer does it. Capitals count.
WORDS = {
    "a": ("a",),
    "the": ("the",),
    "and": ("and",),
    "but": ("but",),
    "good": ("good",),
    "slow": ("slow",),
    "story": ("story",),
    "film": ("film",),
    "films": ("film", "##s"),
    "plots": ("plot", "##s"),
    "actors": ("actor", "##s"),
    "slowly": ("slow", "##ly"),
    "unfilmable": ("un", "##film", "##able"),
    "unslowly": ("un", "##slow", "##ly"),
    "The": ("The",),
    "Film": ("Film",),
    "Slowly": ("Slow", "##ly"),
    "story.": ("story", "."),
    "films.": ("film", "##s", "."),
}
MARKS = ("[UNK]", "[CLS]", "[SEP]", "[MASK]", "[PAD]")


def draw_vocabulary(draw: Draw) -> dict[str, int]:
    """Number the pieces in a random order, in which 0 is a word."""
    pieces = sorted({piece for pieces in WORDS.values() for piece in pieces})
    rest = [piece for piece in pieces if piece != "film"] + list(MARKS)
    draw.random.shuffle(rest)
    return {piece: number for number, piece in enumerate(["film", *rest])}


def make_tokenizer(vocabulary: dict[str, int]) -> PreTrainedTokenizerBase:
    """Make a tokenizer of BERT's kind: pieces of words, between [CLS] and [SEP]."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(mark, vocabulary[mark]) for mark in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        pad_token="[PAD]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


PARTS = ("labels", "input_ids", "attention_mask")
_KINDS = {"list": "a list", "tuple": "a tuple", "ndarray": "a NumPy array"}
WANTED = "a tuple of three tensors, `(labels, input_ids, attention_mask)`,"


def _sorted_alike(texts: list[str]) -> bool:
    """Whether sorting texts by any length gives one order, which is neither theirs nor that turned round."""
    words = {text: len(text.split()) for text in texts}
    pieces = {text: sum(len(WORDS[word]) for word in text.split()) for text in texts}
    order = sorted(texts, key=len)
    alike = all(
        sorted(texts, key=length.__getitem__) == order and len({*length.values()}) == len(texts)
        for length in (words, pieces, {text: len(text) for text in texts})
    )
    return alike and texts not in (order, order[::-1])


class Batch:
    """A batch, a tokenizer whose every piece is known, and the `max_len` to cut at (None: it is not said).

    The longest text stands neither first nor last; labels all differ, and neither they nor the texts are in any order.
    By characters, words or pieces, the texts are sorted alike. With `unusual`, one text is empty, one stands there
    three times, once with another label, and the longest is made of several sentences.
    """

    def __init__(
        self,
        draw: Draw,
        b: int = 5,
        max_len: int | None = None,
        longest: int = 9,
        same: bool = False,
        unusual: bool = False,
        rows: type = tuple,
    ) -> None:
        self.vocabulary = draw_vocabulary(draw)
        self.tokenizer = make_tokenizer(self.vocabulary)
        self.max_len = max_len
        labels = draw.random.sample(range(b + 1), b)
        if b > 3:
            labels[:4] = [2, 0, 3, 1]
            labels[4:] = range(4, b)
        while True:
            counts = [4] * b if same else [longest, *draw.random.sample(range(2, 9), b - 1)]
            counts[0], counts[b // 2] = counts[b // 2], counts[0]
            texts = [" ".join(draw.random.choices(list(WORDS), k=count)) for count in counts]
            if same or b < 3 or _sorted_alike(texts):
                break
        if unusual:
            twin = texts[0]
            long = [*draw.random.choices(list(WORDS), k=5), "story.", "The", *draw.random.choices(list(WORDS), k=3)]
            texts = [twin, "", twin, " ".join([*long, "films."]), twin, texts[1]]
            labels = [2, 1, 2, 3, 0, 1]
        self.batch = [rows(row) for row in zip(labels, texts, strict=True)]

    def expected(self) -> dict[str, torch.Tensor]:
        """What should come, put together from the words' pieces: the tokenizer has no part in it."""
        number = self.vocabulary
        most = 128 if self.max_len is None else self.max_len
        lines = []
        for _, text in self.batch:
            pieces = [piece for word in text.split() for piece in WORDS[word]]
            lines.append([number[piece] for piece in ("[CLS]", *pieces[: most - 2], "[SEP]")])
        t = max(map(len, lines))
        return {
            "labels": torch.tensor([label for label, _ in self.batch]),
            "input_ids": torch.tensor([line + [number["[PAD]"]] * (t - len(line)) for line in lines]),
            "attention_mask": torch.tensor([[1] * len(line) + [0] * (t - len(line)) for line in lines]),
        }

    def call(self, subject: Subject) -> dict[str, torch.Tensor]:
        """Call the answer, and insist on three tensors.

        Raises
        ------
        Trouble
            Something else comes, or the caller's list is changed.
        """
        handed = [type(row)(row) for row in self.batch]
        named = None if self.max_len is None else {"max_len": self.max_len}
        told = "`batch_encode_plus` is gone in transformers 5: call the tokenizer itself, `tokenizer(texts, ...)`."
        with told_first(told, where="no attribute batch_encode_plus"):
            value = subject.call(subject.answer, handed, self.tokenizer, named=named, name=subject.name)
        if handed != self.batch:
            sentence = f"`{subject.name}` changes the list `batch` that it is handed, which belongs to the caller."
            raise Trouble(sentence + " Make a new list instead.", "edited", 0)
        parts = _three(value, subject.name)
        ids = parts["input_ids"]
        if ids.numel() and int(ids.min()) < 0:
            sentence = (
                f"There are negative token ids, such as {int(ids.min())}. Padding has an id of its own, and so has"
            )
            raise Trouble(f"{sentence} every word: `tokenizer.pad_token_id`.", "negative ids")
        if ids.numel() and int(ids.max()) >= len(self.vocabulary):
            sentence = (
                f"There are token ids up to {int(ids.max())}, but the tokenizer that was handed over has only the ids "
                f"0 to {len(self.vocabulary) - 1}. Is another tokenizer used than the argument `tokenizer`?"
            )
            raise Trouble(sentence, "foreign ids")
        return parts


def _three(value: Any, name: str) -> dict[str, torch.Tensor]:
    """The three tensors of an answer, by name."""
    if isinstance(value, Mapping):
        raise Trouble(
            f"`{name}` returns a dictionary ({', '.join(map(str, value))}) where {WANTED} is wanted.", "mapping"
        )
    if not isinstance(value, (tuple, list)):
        raise wrong_kind(value, name, WANTED)
    if len(value) != 3:
        things = f"{len(value)} things" if len(value) != 1 else "a tuple or list of a single thing"
        raise Trouble(f"`{name}` returns {things} where {WANTED} is wanted.", "count", len(value))
    for part, got in zip(PARTS, value, strict=True):
        if not isinstance(got, torch.Tensor):
            kind = type(got).__name__
            told = _KINDS.get(kind, kind)
            advice = ": `torch.tensor` makes one of it" if kind in _KINDS else ""
            sentence = f"Of what `{name}` returns, `{part}` is no tensor, but {told}{advice}."
            raise Trouble(sentence, "no tensor", part, "list" if isinstance(got, list | tuple) else kind)
    if value[1].dtype not in (torch.int64, torch.int32):
        sentence = f"`input_ids` are {value[1].dtype}: they are places in a table, so torch.int64 is wanted."
        raise Trouble(sentence, "dtype", str(value[1].dtype))
    return dict(zip(PARTS, value, strict=True))


# What the check looks at


def look_at(
    subject: Subject, draw: Draw, parts: tuple[str, ...] = PARTS, when: str = "", **settings: Any
) -> Iterator[Seen]:
    """What comes of one batch; `settings` are those of `Batch`."""
    case = Batch(draw, **settings)
    came = case.call(subject)
    expected = case.expected()
    b, t = expected["input_ids"].shape
    for part in parts:
        axes = ("b",) if part == "labels" else ("b", "t")
        what = {"labels": "The labels", "input_ids": "`input_ids`", "attention_mask": "`attention_mask`"}[part]
        yield Seen(what + when, came[part], partial(expected.__getitem__, part), axes, {"b": b, "t": t})
    if parts == ("labels",):
        kind = str(came["labels"].dtype)
        told = f"They are {kind}. A label is a place in a row of classes: a whole number, torch.int64."
        yield seen_facts("The labels' dtype", {"dtype": (kind == "torch.int64" or kind, told)})


# Mistakes

MISTAKES = Mistakes(layers.pad_batch).read(
    r"""
    the pad id written as 0: The padding is written as 0. That is BERT's pad id; for the tokenizer of this check, 0 is a
    word. Ask the tokenizer: `tokenizer.pad_token_id`.
        encoded["input_ids"] => encoded["input_ids"] * encoded["attention_mask"]
    the mask says where ids are not 0: The mask asks which ids are not 0. But 0 need not be the padding: here it is a
    word, and padding counts as words.
        encoded["attention_mask"] => (encoded["input_ids"] != 0).long()
    no attention mask: The mask is 1 everywhere, so the model would read the padding as if it were words. It should be 0
    at the padding.
        encoded["attention_mask"] => torch.ones_like(encoded["input_ids"])
    the mask the wrong way round: The mask is the wrong way round: 1 at words, 0 at padding.
        encoded["attention_mask"] => 1 - encoded["attention_mask"]
    token types for the mask: These are the `token_type_ids`, which say whether a token belongs to a first or a second
    text. Take what the tokenizer returns by name, not by place: `attention_mask`.
        encoded["attention_mask"] => encoded["token_type_ids"]
    everything padded to max_len: Every text is padded to `max_len`, however short all of them are: most work would be
    done on padding. Pad to the longest text of the batch.
        padding=True => padding="max_length"
    padding on the left: The padding stands before the words. BERT learned its positions from the left: padding comes
    after the words.
        padding=True => padding=True, padding_side="left"
    cut to the shortest: All texts are cut to the length of the shortest, so words are lost. Fill the short ones up
    instead.
        ["input_ids"] => ["input_ids"][:, :t]
        ["attention_mask"] => ["attention_mask"][:, :t]
        return torch => t = min(sum(mask) for mask in encoded.attention_mask)\n    return torch
    rows of several lengths: The texts have not been padded, and rows of several lengths make no tensor. Fill them up to
    the longest.
        padding=True,  =>
    ids of several lengths: The lists of ids have not been padded, and lists of several lengths make no tensor. Fill
    them up to the longest.
        padding=True,  =>
        , return_tensors="pt" =>
        encoded["input_ids"] => torch.tensor(encoded["input_ids"])
        encoded["attention_mask"] => torch.tensor(encoded["attention_mask"])
    no truncation: Long texts are not cut: `max_len` has no effect. BERT has no position beyond its longest, and would
    stop with an error.
        truncation=True => truncation=False
    [SEP] cut off: The ids are cut as a list, and [SEP], which ends each text, goes with the rest. Let the tokenizer
    truncate: it keeps room for its marks.
        truncation=True => truncation=False
        encoded["input_ids"] => encoded["input_ids"][:, :max_len]
        encoded["attention_mask"] => encoded["attention_mask"][:, :max_len]
    max_len without the marks: The words alone fill `max_len`, and [CLS] and [SEP] come on top: two tokens too many.
    They count, too.
        max_length=max_len => max_length=max_len + 2
    room left for the marks: Texts are cut too early: room is left for [CLS] and [SEP]. The tokenizer sees to that;
    `max_len` counts them.
        max_length=max_len => max_length=max_len - 1
      or max_length=max_len => max_length=max_len - 2
    characters counted: Texts are cut after `max_len` characters. But `max_len` counts tokens: let the tokenizer cut.
        truncation=True => truncation=False
        list(texts) => [text[:max_len] for text in texts]
    words counted: Texts are cut after `max_len` words. A word may be several tokens, and [CLS] and [SEP] count, too:
    let the tokenizer cut.
        truncation=True => truncation=False
        list(texts) => [" ".join(text.split()[:max_len]) for text in texts]
    128 written in: Texts are always cut at 128 tokens: the argument `max_len` has no effect.
        max_length=max_len => max_length=128
    512 written in: A text is cut at 512 tokens, the most that BERT can read. Cut it at `max_len`, which is 128 where
    the caller says nothing else.
        max_length=max_len => max_length=512
    the beginning cut off: Of a long text, the end is kept and the beginning is lost. Keep the first tokens.
        encoded = tokenizer( => tokenizer.truncation_side = "left"; encoded = tokenizer(
    no [CLS] and [SEP]: [CLS] and [SEP] are missing. BERT learned with them, and the classifier reads the first one:
    leave them in.
        padding=True,  => padding=True, add_special_tokens=False,
    1 taken off the labels: The labels are one too small. Some copies of AG News count from 1; these labels start at 0
    already.
        torch.tensor(labels) => torch.tensor(labels) - 1
    labels as real numbers: The labels are real numbers. A class is a name, not an amount: cross-entropy wants whole
    numbers, torch.int64.
        torch.tensor(labels) => torch.tensor(labels).float()
    labels in a column: The labels stand in a column, (b, 1). One axis is enough: (b,).
        torch.tensor(labels) => torch.tensor(labels)[:, None]
    sorted by length: The texts come back in another order than they were handed over: by length. Keep the order:
    whoever made the batch knows why.
        labels, texts = => batch = sorted(batch, key=lambda pair: len(pair[1])); labels, texts =
    texts sorted, labels not: The texts were sorted by length, the labels were not: texts and labels no longer belong
    together.
        list(texts) => sorted(texts, key=len)
    sorted, the longest first: The texts come back with the longest first. Keep the order in which they were handed
    over.
        labels, texts = => batch = sorted(batch, key=lambda pair: -len(pair[1])); labels, texts =
    texts sorted the longest first, labels not: The texts were sorted, the longest first, and the labels were not: texts
    and labels no longer belong together.
        list(texts) => sorted(texts, key=lambda text: -len(text))
    labels last: The three things come in another order: token ids, mask, labels. The labels come first here.
        return torch.tensor(labels),  => return
        ["attention_mask"] => ["attention_mask"], torch.tensor(labels)
    mask before ids: Token ids and mask have changed places: the labels come first, then the token ids, then the mask.
        "input_ids" => "?"
        "attention_mask" => "input_ids"
        "?" => "attention_mask"
    label and text mixed up: The tokenizer is handed something else than the texts. Each row is (label, text): the text
    comes second.
        labels, texts = => texts, labels =
    the first text only: Only the first text comes back. The whole batch should.
        zip(*batch, => zip(*batch[:1],
    ids of the first text only: All labels come back, but token ids of the first text only. Hand the tokenizer the list
    of all texts.
        list(texts) => list(texts[:1])
    one long text: The texts were joined into one long text. Hand the tokenizer a list of texts: it makes a row of each.
        list(texts) => [" ".join(texts)]
    empty texts dropped: A text without words is left out. It is a row like the others, [CLS], [SEP] and padding:
    whoever made the batch counts on as many rows as were handed over.
        zip(*batch, => zip(*(pair for pair in batch if pair[1]),
    a dictionary by text: Texts that are equal have become one row, with the label that came last, as in a dictionary by
    text. Keep every row: two people may write the same and mean something else by it.
        zip(*batch, => zip(*((label, text) for text, label in {text: label for label, text in batch}.items()),
    equal rows put together: Rows that are equal have become one. Keep every row: what stands there twice counts twice.
        zip(*batch, => zip(*dict.fromkeys(map(tuple, batch)),
    lower case: The texts lose their capitals before the tokenizer sees them. Hand them over as they are: a tokenizer
    that wants lower case sees to it itself.
        list(texts) => [text.lower() for text in texts]
    the tokenizer's dictionary: This is what the tokenizer returned. Take out `input_ids` and `attention_mask`, and
    return them behind the labels.
        return torch.tensor(labels), encoded["input_ids"], encoded["attention_mask"] => return encoded
    labels as a list: The labels are still a Python list or tuple, which cannot go to a GPU, nor into a loss. Make a
    tensor of them.
        torch.tensor(labels) => list(labels)
    lists of ids: `input_ids` are still Python lists. The tokenizer makes tensors of them, if it is told so:
    `return_tensors`.
        encoded["input_ids"] => encoded["input_ids"].tolist()
        encoded["attention_mask"] => encoded["attention_mask"].tolist()
    an axis lost: A batch of one text loses its first axis: there is a `squeeze` too many. (1, t) is a batch, (t,) is
    none.
        (labels) => (labels)
        ["input_ids"] => ["input_ids"].squeeze(0)
        ["attention_mask"] => ["attention_mask"].squeeze(0)
      or (labels) => (labels).squeeze(0)
        ["input_ids"] => ["input_ids"].squeeze(0)
        ["attention_mask"] => ["attention_mask"].squeeze(0)
    another tokenizer: The argument `tokenizer` has no effect: another one is used, from outside the function. A model
    needs its own.
        encoded["input_ids"] => encoded["input_ids"] + len(tokenizer)
    """
)

# The check

_UNUSUAL = " for a batch in which a text is empty, and one stands there several times,"

EXERCISE = Exercise(
    id="8",
    title="texts into a batch",
    passed="Labels, token ids and mask are right, padded to the longest text and cut at max_len.",
    hints={1: ("the labels", "truncation", "a single text"), 2: ("the token ids", "the attention mask")},
    steps=(
        Step("the labels", look_at, {"parts": ("labels",)}),
        Step("the token ids", look_at, {"parts": ("input_ids",)}),
        Step("the attention mask", look_at, {"parts": ("attention_mask",)}),
        Step("truncation", look_at, {"b": 4, "longest": 600, "when": " for a text of more than 128 tokens"}),
        Step("truncation", look_at, {"max_len": 7, "when": " with max_len=7"}),
        Step("truncation", look_at, {"b": 6, "max_len": 4, "when": " with max_len=4"}),
        Step("truncation", look_at, {"b": 2, "longest": 600, "max_len": 500, "when": " with max_len=500"}),
        Step("unusual texts", look_at, {"unusual": True, "when": _UNUSUAL}),
        Step("a single text", look_at, {"b": 1, "when": " for a single text"}),
        Step("texts of one length", look_at, {"same": True, "b": 3, "max_len": 20, "when": " for texts of one length"}),
        Step("rows that are lists", look_at, {"rows": list, "max_len": 60, "when": " for rows that are lists"}),
    ),
    telling="the token ids",
    misconceptions=MISTAKES,
)
