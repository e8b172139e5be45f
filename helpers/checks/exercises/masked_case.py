"""A tiny masked language model with known weights, a sentence with options for it, and how probable each one is."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.seen import Seen, close
from helpers.checks.engine.trouble import Trouble, wrong_kind

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
    capitals
        Whether the options begin with a capital, as they do where a sentence begins with them.
    rare
        Whether options of several pieces are very improbable.
    trained_on
        Whether the model has other weights than it had when it was asked the same elsewhere.
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
        capitals: bool = False,
        rare: bool = False,
        trained_on: bool = False,
    ) -> None:
        self.tokenizer = _tokenizer()
        self.subject, self.model = subject, _model_for(subject)
        key: tuple[Any, ...] = ("case", draw.seed, *pieces, before, after, mark, capitals, rare)
        if key not in subject.notes:  # a misconception that is compared with an answer is asked the same
            subject.notes[key] = _drawn(self.model, draw, pieces, before, after, mark, capitals, rare)
        weights, self.text, self.pieces, self.probabilities = subject.notes[key]
        if trained_on:
            if (key, "trained on") not in subject.notes:
                weights = _weights(self.model, draw.again("other weights"), rare)
                _set(self.model.eval(), weights)
                found = {option: self._probability(option) for option in self.pieces}
                subject.notes[key, "trained on"] = weights, found
            weights, self.probabilities = subject.notes[key, "trained on"]
        self.usual = [option for option, made_of in self.pieces.items() if not rare or len(made_of) == 1]
        _set(self.model, weights)
        self.model.train(training)

    def _probability(self, option: str) -> float:
        """How probable the model finds an option of its text, a piece at a time."""
        masks = " ".join(["[MASK]"] * len(self.pieces[option]))
        ids = self.tokenizer(self.text.replace("/".join(self.pieces), masks), return_tensors="pt")["input_ids"]
        probability = 1.0
        places = (ids[0] == VOCABULARY.index("[MASK]")).nonzero().flatten().tolist()
        for place, piece in zip(places, self.pieces[option], strict=True):
            number = VOCABULARY.index(piece)
            with torch.no_grad():
                probability *= float(self.model(ids).logits[0, place].softmax(-1)[number])
            ids[0, place] = number
        return probability

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
        named = ", ".join(f"“{option}”" for option in self.usual)
        self.numbers = _numbers(self.call(), list(self.pieces), self.subject.name)
        return Seen(
            what or f"What comes for {named} in “{self.text}”",
            self._of_usual(self.numbers.tolist()),
            lambda: self._of_usual(self.probabilities.values()),
            ("option",),
            {"option": len(self.usual)},
            clue=self._clue,
        )

    def _of_usual(self, numbers: Iterable[float]) -> torch.Tensor:
        """Of the numbers of all options, those of options that are not rare."""
        chosen = [number for option, number in zip(self.pieces, numbers, strict=True) if option in self.usual]
        return torch.tensor(chosen, dtype=torch.float64)

    def seen_alone(self) -> Seen:
        """Return of each number that was seen whether it is right beside its own size, however small that is."""
        facts, told = {}, {}
        for (option, right), number in zip(self.probabilities.items(), self.numbers.tolist(), strict=True):
            facts[option] = abs(number - right) < 1e-3 * right
            told[option] = (
                f"Expected {right:.3g} for “{option}”, got {number:.3g}. Is it rounded, or kept from being small? A "
                "ratio of two probabilities needs both as they are."
            )
        what = "The probabilities of rare options"
        return Seen(what, facts, lambda: dict.fromkeys(facts, True), told=told, says_it_all=True)

    def _clue(self, got: torch.Tensor) -> str:
        """Name the options that are wrong, and what they are made of."""
        right = close(got, self._of_usual(self.probabilities.values())).tolist()
        wrong = [option for option, is_right in zip(self.usual, right, strict=True) if not is_right]
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


def _weights(model: Any, draw: Draw, rare: bool = False) -> list[torch.Tensor]:
    found = []
    for name, parameter in model.named_parameters():
        scale = 1.5 * parameter.shape[-1] ** -0.5 if parameter.dim() > 1 else 0.3
        weight = draw.normal(*parameter.shape, scale=scale, dtype=torch.float64)
        if name.endswith("LayerNorm.weight"):
            weight = torch.ones_like(weight)
        if parameter.shape == (len(VOCABULARY),):  # options should not be absurd: mistakes show in large numbers
            weight[len(OTHERS) + len(WORDS) :] += 2
            if rare:
                weight[-len(STEMS) - len(ENDINGS) :] -= 12
        found.append(weight)
    return found


def _drawn(
    model: Any,
    draw: Draw,
    pieces: Sequence[int],
    before: int | None,
    after: int | None,
    mark: str,
    capitals: bool,
    rare: bool,
) -> tuple[list[torch.Tensor], str, dict[str, list[str]], dict[str, float]]:
    """A model's weights, a text, what each option is made of, and how probable it is."""
    before = draw.random.randint(2, 6) if before is None else before
    after = draw.random.randint(1, 3) if after is None else after
    words = draw.random.choices(WORDS, k=before + after)
    weights = _weights(model, draw, rare)
    _set(model.eval(), weights)
    spelt: dict[str, list[str]] = {}
    probabilities: dict[str, float] = {}
    for count in pieces:
        text = " ".join([*words[:before], " ".join(["[MASK]"] * count) + mark, *words[before:]])
        chosen, probability = _choose(model, text, count, draw, list(spelt.values()))
        option = "".join(piece.removeprefix("##") for piece in chosen)
        option = option.capitalize() if capitals else option
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
