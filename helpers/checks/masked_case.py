"""A tiny masked language model with known weights, a sentence with options for it, and how probable each one is."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from helpers.checks.draw import Draw
from helpers.checks.seen import Seen, close
from helpers.checks.subject import Subject
from helpers.checks.trouble import Trouble, wrong_kind

WORDS = ["the", "a", "we", "they", "saw", "met", "near", "old", "new", "ship", "river", "today", "again"]
SINGLE = ["cat", "dog", "bird", "fish", "horse", "king"]  # options of one piece
STEMS, ENDINGS = ["ka", "lo", "mi", "pu"], ["##ra", "##ti", "##nu", "##so"]  # what longer ones are made of
OTHERS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "/", ".", ",", "!", "?"]
VOCABULARY = [*OTHERS, *WORDS, *SINGLE, *STEMS, *ENDINGS]


class Case:
    """A model that is new every time, a text, and what is right.

    Parameters
    ----------
    subject, draw
        As a step is handed them.
    pieces
        Of how many pieces each option is to be made.
    before, after
        How many words stand before and after the options; drawn if None.
    mark
        What follows the options without a space.
    training
        Whether the model is handed over in training mode, with dropout.
    """

    def __init__(
        self,
        subject: Subject,
        draw: Draw,
        pieces: Sequence[int] = (1, 1),
        *,
        before: int | None = None,
        after: int | None = None,
        mark: str = "",
        training: bool = False,
    ) -> None:
        self.tokenizer = _tokenizer()
        self.subject, self.model = subject, _model_for(subject)
        key = ("case", draw.seed, *pieces, before, after, mark)
        if key not in subject.notes:  # a misconception that is compared with an answer is asked the same
            subject.notes[key] = _drawn(self.model, draw, pieces, before, after, mark)
        weights, self.text, self.pieces, self.probabilities = subject.notes[key]
        _set(self.model, weights)
        self.model.train(training)

    def call(self) -> dict[str, Any]:
        """Return what the answer gives for the case's text.

        Raises
        ------
        Trouble
            It is no dict, or its keys are not the options.
        """
        subject = self.subject
        value = subject.call(subject.answer, self.text, self.model, self.tokenizer, name=subject.name)
        if not isinstance(value, dict):
            raise wrong_kind(value, subject.name, "a dict from option to probability")
        if set(value) != set(self.pieces):
            keys = ", ".join(map(repr, value)) or "none"
            wanted = ", ".join(map(repr, self.pieces))
            raise Trouble(f"For {self.text!r} the keys should be {wanted}; yours are {keys}.", "keys", keys)
        return value

    def seen(self, what: str = "") -> Seen:
        """Return the probabilities beside what they should be."""
        named = ", ".join(f"“{option}”" for option in self.pieces)
        return Seen(
            what or f"What comes for {named} in “{self.text}”",
            _numbers(self.call(), list(self.pieces), self.subject.name),
            lambda: torch.tensor(list(self.probabilities.values()), dtype=torch.float64),
            ("option",),
            {"option": len(self.pieces)},
            clue=self._clue,
        )

    def _clue(self, got: torch.Tensor) -> str:
        """Name the options that are wrong, and what they are made of."""
        right = close(got, torch.tensor(list(self.probabilities.values()), dtype=torch.float64)).tolist()
        wrong = [option for option, is_right in zip(self.pieces, right, strict=True) if not is_right]
        told = [f"“{option}” ({', '.join(self.pieces[option])})" for option in wrong]
        if bool((got < 0).any()):
            return "Some are negative: probabilities lie between 0 and 1"
        return f"Wrong for {' and '.join(told)}"


def _numbers(value: dict[str, Any], options: list[str], name: str) -> torch.Tensor:
    """The values (options,) in the order of the options."""
    for option in options:
        number = value[option]
        if isinstance(number, torch.Tensor) and number.numel() != 1:
            sentence = f"`{name}` gives a tensor of shape {tuple(number.shape)} for {option!r}: one number is wanted."
            raise Trouble(sentence, "not one number", number.dim())
        try:
            is_number = not isinstance(number, str) and float(number) is not None
        except (TypeError, ValueError):
            is_number = False
        if not is_number:
            sentence = f"`{name}` gives {number!r} for {option!r}: a number is wanted."
            raise Trouble(sentence, "no number", type(number).__name__) from None
    return torch.tensor([float(value[option]) for option in options], dtype=torch.float64)


@functools.cache
def _tokenizer() -> Any:
    from transformers import BertTokenizer

    return BertTokenizer(vocab={piece: place for place, piece in enumerate(VOCABULARY)})


@functools.cache
def _plain_model() -> Any:
    """A model to be copied: making one takes ten times as long."""
    from transformers import BertConfig, BertForMaskedLM

    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
        hidden_dropout_prob=0.3,
        attention_probs_dropout_prob=0.3,
    )
    # In float64, right answers agree so closely that small differences between wrong ones show.
    return BertForMaskedLM(config).double().eval()


def _model_for(subject: Subject) -> Any:
    """A student's answer gets a model that nothing else uses; misconceptions can be trusted to share one."""
    key = ("model", subject.is_students)
    if key not in subject.notes:
        subject.notes[key] = copy.deepcopy(_plain_model())
    return subject.notes[key]


def _set(model: Any, weights: Sequence[torch.Tensor]) -> None:
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), weights, strict=True):
            parameter.copy_(weight)
            parameter.grad = None
            parameter.requires_grad_()


def _weights(model: Any, draw: Draw) -> list[torch.Tensor]:
    found = []
    for name, parameter in model.named_parameters():
        scale = 1.5 * parameter.shape[-1] ** -0.5 if parameter.dim() > 1 else 0.3
        weight = draw.normal(*parameter.shape, scale=scale, dtype=torch.float64)
        if name.endswith("LayerNorm.weight"):
            weight = torch.ones_like(weight)
        if parameter.shape == (len(VOCABULARY),):  # options should not be absurd: mistakes show in large numbers
            weight[len(OTHERS) + len(WORDS) :] += 2
        found.append(weight)
    return found


def _drawn(
    model: Any, draw: Draw, pieces: Sequence[int], before: int | None, after: int | None, mark: str
) -> tuple[list[torch.Tensor], str, dict[str, list[str]], dict[str, float]]:
    """A model's weights, a text, what each option is made of, and how probable it is."""
    before = draw.random.randint(2, 6) if before is None else before
    after = draw.random.randint(1, 3) if after is None else after
    words = draw.random.choices(WORDS, k=before + after)
    weights = _weights(model, draw)
    _set(model.eval(), weights)
    spelt: dict[str, list[str]] = {}
    probabilities: dict[str, float] = {}
    for count in pieces:
        text = " ".join([*words[:before], " ".join(["[MASK]"] * count) + mark, *words[before:]])
        chosen, probability = _choose(model, text, count, draw, list(spelt.values()))
        option = "".join(piece.removeprefix("##") for piece in chosen)
        spelt[option], probabilities[option] = chosen, probability
    return weights, " ".join([*words[:before], "/".join(spelt) + mark, *words[before:]]), spelt, probabilities


def _choose(model: Any, text: str, count: int, draw: Draw, taken: list[list[str]]) -> tuple[list[str], float]:
    """Choose an option's pieces, the likely ones rather; their probability, each given those before it, comes along."""
    ids = _tokenizer()(text, return_tensors="pt")["input_ids"]
    chosen: list[str] = []
    probability = 1.0
    for place in (ids[0] == VOCABULARY.index("[MASK]")).nonzero().flatten().tolist():
        with torch.no_grad():
            found = model(ids).logits[0, place].softmax(-1)
        kind = SINGLE if count == 1 else ENDINGS if chosen else STEMS
        free = [piece for piece in kind if [*chosen, piece] not in taken and piece not in chosen]
        free.sort(key=lambda piece: -float(found[VOCABULARY.index(piece)]))
        chosen.append(draw.random.choice(free[:2]))
        ids[0, place] = VOCABULARY.index(chosen[-1])
        probability *= float(found[ids[0, place]])
    return chosen, probability


def state(model: nn.Module) -> list[Any]:
    """What a question must leave as it was: weights, gradients, and the mode of each part."""
    weights = [(float(p.detach().double().sum()), p.requires_grad, p.grad is None) for p in model.parameters()]
    assert all(math.isfinite(total) for total, *_ in weights)
    return [weights, [part.training for part in model.modules()]]
