"""Exercise 8, texts into a batch: what the check looks at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.run import Exercise, Step
from helpers.checks.engine.seen import Seen
from helpers.checks.engine.trouble import Trouble, wrong_kind
from helpers.checks.exercises.mistakes_8 import MISCONCEPTIONS
from helpers.checks.exercises.small_tokenizer import WORDS, draw_vocabulary, make_tokenizer

PARTS = ("labels", "input_ids", "attention_mask")
_KINDS = {"list": "a list", "tuple": "a tuple", "ndarray": "a NumPy array"}
WANTED = "a tuple of three tensors, `(labels, input_ids, attention_mask)`,"


class Case:
    """A batch, a tokenizer whose every piece is known, and the `max_len` to cut at (None: it is not said).

    The longest text stands neither first nor last, labels are in no order, and no two sizes are the same. With
    `unusual`, one text is empty, one stands there three times, once with another label, and the longest is made of
    several sentences.
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
        if same:
            counts = [4] * b
        else:
            counts = [longest, *draw.random.sample(range(2, 9), b - 1)]
            counts[0], counts[b // 2] = counts[b // 2], counts[0]
        labels = [draw.random.randrange(4) for _ in counts]
        if b > 3:
            labels[:4] = [2, 0, 3, 1]
        texts = [" ".join(draw.random.choices(list(WORDS), k=count)) for count in counts]
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


def look_at(
    subject: Subject, draw: Draw, parts: tuple[str, ...] = PARTS, when: str = "", **settings: Any
) -> Iterator[Seen]:
    """What comes of one batch; `settings` are those of `Case`."""
    case = Case(draw, **settings)
    came = case.call(subject)
    expected = case.expected()
    b, t = expected["input_ids"].shape
    for part in parts:
        axes = ("b",) if part == "labels" else ("b", "t")
        what = {"labels": "The labels", "input_ids": "`input_ids`", "attention_mask": "`attention_mask`"}[part]
        yield Seen(what + when, came[part], partial(expected.__getitem__, part), axes, {"b": b, "t": t})
    if parts == ("labels",):
        kind = str(came["labels"].dtype)
        told = {"dtype": f"They are {kind}. A label is a place in a row of classes: a whole number, torch.int64."}
        yield Seen("The labels' dtype", {"dtype": kind}, lambda: {"dtype": "torch.int64"}, told=told)


_UNUSUAL = " for a batch in which a text is empty, and one stands there several times,"

EXERCISE = Exercise(
    id="8",
    title="texts into a batch",
    passed="Labels, token ids and mask are right, padded to the longest text and cut at max_len.",
    hints=(
        "The tokenizer does all of it when it is called with a list of texts. It wants to be told three things: that "
        "it should pad (to the longest of the batch), that it should truncate, and at what length.",
        '`padding=True` and `truncation=True` say yes to both, `max_length=` says where to cut, `return_tensors="pt"` '
        "asks for torch's tensors. What comes back works like a dictionary; its keys are named like what you return.",
    ),
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
    misconceptions=MISCONCEPTIONS,
)
