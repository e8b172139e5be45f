"""Exercise 9, how probable each option is: what goes in, what is right, what the check looks at, and mistakes.

The model is a real one, but tiny, and with other weights in each check.
"""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from helpers import layers
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.exercise import Exercise, Step
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen, close, seen_facts
from helpers.checks.engine.trouble import Trouble, told_first, wrong_kind

# What goes in, and what is right

MASK, OTHER_MASK = "[MASK]", "<mask>"  # not every tokenizer writes it as BERT's does
WORDS = ["the", "a", "we", "they", "saw", "met", "near", "old", "new", "ship", "river", "today", "again"]
SINGLE = ["cat", "dog", "bird", "fish", "horse", "king"]  # options of one piece
STEMS, ENDINGS = ["ka", "lo", "mi", "pu"], ["##ra", "##ti", "##nu", "##so"]  # what longer ones are made of
OTHERS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", MASK, "/", ".", ",", "!", "?"]
VOCABULARY = [*OTHERS, *WORDS, *SINGLE, *STEMS, *ENDINGS]


class Question:
    """A model that is new every time, a text, and what is right.

    Parameters
    ----------
    subject, draw
        As a step is handed them.
    pieces
        Of how many pieces each option is to be made.
    training
        Whether the model is handed over in training mode, with dropout.
    mask
        How the tokenizer writes its mask.
    trained_on
        Whether the model has other weights than it had when it was asked the same elsewhere.
    rare
        Whether options of several pieces are very improbable.
    **text
        How many words stand `before` and `after` the options, drawn if None; the `mark` that follows them without a
        space; and whether they begin with `capitals`, as where a sentence begins with them.
    """

    def __init__(
        self,
        subject: Subject,
        draw: Draw,
        pieces: Sequence[int] = (1, 1),
        *,
        training: bool = False,
        mask: str = MASK,
        trained_on: bool = False,
        rare: bool = False,
        **text: Any,
    ) -> None:
        self.tokenizer = _tokenizer(mask)
        self.subject, self.model = subject, _model_for(subject)
        key: tuple[Any, ...] = ("case", draw.seed, *pieces, rare, *text.items())
        if key not in subject.notes:  # a misconception that is compared with an answer is asked the same
            subject.notes[key] = _drawn(self.model, draw, pieces, rare=rare, **text)
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
        masks = " ".join([MASK] * len(self.pieces[option]))
        ids = _tokenizer(MASK)(self.text.replace("/".join(self.pieces), masks), return_tensors="pt")["input_ids"]
        probability = 1.0
        places = (ids[0] == VOCABULARY.index(MASK)).nonzero().flatten().tolist()
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
        facts = {}
        for (option, right), number in zip(self.probabilities.items(), self.numbers.tolist(), strict=True):
            told = (
                f"Expected {right:.3g} for “{option}”, got {number:.3g}. Is it rounded, or kept from being small? A "
                "ratio of two probabilities needs both as they are."
            )
            facts[option] = (abs(number - right) < 1e-3 * right, told)
        return seen_facts("The probabilities of rare options", facts, says_it_all=True)

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
def _tokenizer(mask: str) -> Any:
    from transformers import BertTokenizer

    pieces = [mask if piece == MASK else piece for piece in VOCABULARY]
    return BertTokenizer(vocab={piece: place for place, piece in enumerate(pieces)}, mask_token=mask)


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
        subject.notes[key] = model = copy.deepcopy(_plain_model())
        if not subject.is_students:  # many of them ask the same
            model.forward = _Remembered(model)
    return subject.notes[key]


class _Remembered:
    """The outputs of a model, so that it is asked once where nothing is random."""

    def __init__(self, model: Any) -> None:
        self.model, self.forward, self.outputs = model, model.forward, dict[Any, Any]()

    def __call__(self, ids: torch.Tensor) -> Any:
        if self.model.training:
            return self.forward(ids)
        key = str(ids.tolist())
        if key not in self.outputs:
            self.outputs[key] = self.forward(ids)
        return self.outputs[key]


def _set(model: Any, weights: Sequence[torch.Tensor]) -> None:
    if isinstance(model.forward, _Remembered):
        if getattr(model, "holds", None) is weights:
            return
        model.holds = weights
        model.forward.outputs.clear()
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
    *,
    rare: bool,
    before: int | None = None,
    after: int | None = None,
    mark: str = "",
    capitals: bool = False,
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
        text = " ".join([*words[:before], " ".join([MASK] * count) + mark, *words[before:]])
        chosen, probability = _choose(model, text, count, draw, list(spelt.values()))
        option = "".join(piece.removeprefix("##") for piece in chosen)
        option = option.capitalize() if capitals else option
        spelt[option], probabilities[option] = chosen, probability
    return weights, " ".join([*words[:before], "/".join(spelt) + mark, *words[before:]]), spelt, probabilities


def _choose(model: Any, text: str, count: int, draw: Draw, taken: list[list[str]]) -> tuple[list[str], float]:
    """Choose an option's pieces, the likely ones rather; their probability, each given those before it, comes along."""
    ids = _tokenizer(MASK)(text, return_tensors="pt")["input_ids"]
    chosen: list[str] = []
    probability = 1.0
    for place in (ids[0] == VOCABULARY.index(MASK)).nonzero().flatten().tolist():
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


# What the check looks at


def look_at(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """The probabilities of a sentence's options; `settings` are those of `Question`."""
    case = Question(subject, draw, **settings)
    yield case.seen()
    if settings.get("rare"):
        yield case.seen_alone()


def look_at_modes(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A model in training mode is asked without dropout, and is in training mode afterwards; so are its weights."""
    case = Question(subject, draw, (2, 1), training=True)
    case.model.cls.eval()  # a part of it may be in another mode
    weights, modes = state(case.model)
    yield case.seen("What comes from a model that is handed over in training mode")
    weights_after, modes_after = state(case.model)
    # Which other modes these are tells one mistake from another.
    left = modes == modes_after or ("all in eval mode" if not any(modes_after) else "others")
    moved = "It was handed over in training mode, and it is in another mode afterwards"
    if any(after and not before for before, after in zip(modes, modes_after, strict=True)):
        moved = "Some of its parts were in eval mode before, and are in training mode now"
    trace = "Its weights or their gradients have changed: a question should leave no trace."
    moved += ": put each part back into the mode that it was in, as `with in_eval_mode(model):` does."
    facts = {"the weights": (weights == weights_after, trace), "the modes": (left, moved)}
    yield seen_facts("What is left of the model", facts)


def look_twice(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A second question is answered as if it were the first; a step before has asked it of other weights."""
    case = Question(subject, draw, (2, 1), trained_on=True)
    yield case.seen("What comes for a text that was asked about before, of a model with other weights,")
    yield case.seen("What comes when the same question is asked again")


def look_at_another_mask(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A tokenizer that writes its mask in another way."""
    case = Question(subject, draw, (1, 2), mask=OTHER_MASK)
    told = f"With a tokenizer that writes its mask as `{OTHER_MASK}`, not as `{MASK}`, it stops."
    with told_first(told, "another mask"):
        yield case.seen(f"What comes where the tokenizer writes its mask as `{OTHER_MASK}`")


def look_at_errors(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """What cannot be answered is refused, as `parse_options` refuses it."""
    case = Question(subject, draw, (1, 1))
    facts = {}
    for name, text in (
        ("no options", case.text.replace("/", " ")),
        ("two groups", f"{case.text} a/the"),
        ("an empty option", case.text.replace("/", "//")),
    ):
        came = subject.call(lambda text=text: _outcome(subject.answer, text, case), name=subject.name)
        facts[name] = (isinstance(came, Exception), "")
    yield seen_facts("What comes of a question without sense", facts)


def _ask(subject: Subject, draw: Draw) -> dict[str, bool]:
    """What else is to be seen in one answer: that its numbers are plain, and how the model was called for them."""
    case = Question(subject, draw, (2, 1))
    kept = []
    hook = case.model.register_forward_hook(lambda *_: kept.append(torch.is_grad_enabled()))
    try:
        values = case.call().values()
    finally:
        hook.remove()
    return {"plain": not any(isinstance(value, torch.Tensor) for value in values), "without gradients": not any(kept)}


def look_at_habits(subject: Subject, draw: Draw, which: str) -> Iterator[Seen]:
    """One of the things that a good answer does, and a right one may leave undone."""
    fact = {which: (subject.shared(_ask, draw)[which], "")}
    yield seen_facts("The values" if which == "plain" else "The calls of the model", fact)


def _outcome(answer: Any, text: str, case: Question) -> Any:
    try:
        return answer(text, case.model, case.tokenizer)
    except Exception as error:
        return error


# Mistakes

MISTAKES = Mistakes(layers.option_probabilities, math=math).read(
    r"""
    masks in a list: `masks` is a list. Join it into one text, with spaces between: `" ".join(...)`.
        " ".join([tokenizer.mask_token] * len(pieces)) => [tokenizer.mask_token] * len(pieces)
    filled in too late: Each piece is asked for while the pieces before it are still masked. Put a piece in its place
    before you ask for the next: the second piece of a word depends on the first.
        token_ids[0, place] = piece => pass
    the best guess filled in: What the model finds most probable is put in the place. Put the option's own piece there:
    the next one is to be asked for *given* this one.
        token_ids[0, place] = piece => token_ids[0, place] = logits.argmax()
    something else filled in: Something else than the piece is put where its mask was. `token_ids[0, place]` should be
    `piece`, its place in the vocabulary.
        token_ids[0, place] = piece => token_ids[0, place] = place
      or token_ids[0, place] = piece => token_ids[0, place] = tokenizer.convert_tokens_to_ids(option)
      or token_ids[0, place] = piece => token_ids[0, place] = int(probability)
    first piece alone: Of an option of several pieces only the first is scored, in a text with a single mask. The option
    is the whole word: as many masks as pieces, and every piece counts.
        pieces_of(option, tokenizer) => pieces_of(option, tokenizer)[:1]
    first of several masks: There are as many masks as pieces, but only the first piece is scored. Every piece counts:
    multiply.
        zip(places, pieces, strict=True) => zip(places[:1], pieces[:1], strict=True)
    last piece alone: Only the last piece counts: each one's probability replaces that of the one before. Multiply them.
        probability = probability *  => probability =
    one mask for all pieces: There is one mask, whatever the option is made of. Put as many masks as the option has
    pieces.
         * len(pieces) =>
        zip(places, pieces, strict=True) => zip(places.repeat(len(pieces)), pieces, strict=True)
        token_ids[0, place] = piece => pass
    fewer masks than pieces: There is one mask, and the option has more pieces than that. `masks` should hold as many
    mask tokens as there are pieces, with spaces between.
         * len(pieces) =>
    no masks: The text has fewer masks than the option has pieces, even where there is one piece. Are they made of
    `tokenizer.mask_token`, or of its id, or of the option itself?
        " ".join([tokenizer.mask_token] * len(pieces)) => ''
    the mask written out: The mask is written out, as `[MASK]`. That is how BERT writes it; the tokenizer that is handed
    over may write it otherwise. Ask it: `tokenizer.mask_token`.
        [tokenizer.mask_token] => ["[MASK]"]
    more masks than pieces: There are more masks than the option has pieces. `masks` should hold one mask token for each
    of the `pieces`: is something else counted, such as letters?
        len(pieces) => (len(pieces) + 1)
    only the first mask looked at: All pieces are looked up at the first mask. Each piece has a mask of its own: the
    second stands in the second.
        zip(places, pieces, strict=True) => zip(places[:1].repeat(len(pieces)), pieces, strict=True)
        token_ids[0, place] = piece => pass
      or model(token_ids).logits[0, place] => model(token_ids).logits[0, places[0]]
    looked up at [CLS]: The pieces are looked up at the beginning of the text, where [CLS] stands. Look where the mask
    stands.
        model(token_ids).logits[0, place] => model(token_ids).logits[0, 0]
    not begun anew: The product is not begun anew for each option: the second one is multiplied by the first. Every
    option starts from 1.
        probabilities = {} => probabilities, probability = {}, 1.0
        probability = 1.0\n => pass\n
    the other pieces shown: Each piece is masked by itself while all the others are shown, also those that come after
    it: the rest of a rare word gives the piece away. All pieces start masked, and appear one by one.
        probability = 1.0 => probability = 1.0; token_ids[0, places] = torch.tensor(pieces)
        model(token_ids) => model(token_ids.index_fill(1, place, tokenizer.mask_token_id))
    from right to left: The pieces are asked for from the last to the first. Go from left to right: the first piece is
    asked for while all others are masked.
        zip(places, pieces, strict=True) => zip(places.flip(0), pieces[::-1], strict=True)
    pieces added: The probabilities of the pieces are added. One piece *and then* the next: multiply.
        probability = probability *  => probability = probability +
        probability = 1.0 => probability = 0.0
    added to 1: The probabilities of the pieces are added to the 1 that stands at the beginning, so they come out above
    1. One piece *and then* the next: multiply.
        probability = probability *  => probability = probability +
    pieces averaged: The pieces' probabilities are averaged. The option needs all of its pieces: multiply.
        probability = probability *  => probability = probability +
        probability = 1.0 => probability = 0.0
        [option] = probability => [option] = probability / len(pieces)
    geometric mean: The product is brought down to one piece, by a root. That is a way to rank options, but it is not
    the probability of the whole option: leave the product as it is.
        [option] = probability => [option] = probability ** (1 / len(pieces))
    the whole option looked up: An option of several pieces is looked up as if it were one: the vocabulary does not have
    it, so you get the probability of [UNK]. Go through its pieces, `pieces_of(option, tokenizer)`.
        pieces_of(option, tokenizer) => [tokenizer.convert_tokens_to_ids(option)]
    logits: These are logits, which can be any number. Softmax over the vocabulary makes them probabilities.
        torch.softmax(logits, dim=-1)[piece].item() => logits[piece].item()
    logarithms: These are logarithms of the probabilities. Give the probabilities themselves: is there a `log_softmax`
    where `softmax` should be, or a `log` at the end?
        [option] = probability => [option] = math.log(probability)
      or [option] = probability => [option] = math.log2(probability)
      or [option] = probability => [option] = math.log10(probability)
    logarithms multiplied: Logarithms of the probabilities are multiplied. Give the probabilities themselves: `softmax`,
    not `log_softmax`.
        torch.softmax => torch.log_softmax
    surprisal: These are surprisals, minus the logarithms of the probabilities. Give the probabilities themselves.
        [option] = probability => [option] = -math.log2(probability)
      or [option] = probability => [option] = -math.log(probability)
      or [option] = probability => [option] = -math.log10(probability)
    no sum below: `exp` of the logits alone is no probability: all of them have to add up to 1. `softmax` does both.
        torch.softmax(logits, dim=-1)[piece].item() => logits[piece].exp().item()
    sigmoid: A sigmoid looks at each piece by itself. The pieces compete for one place: softmax over the vocabulary.
        torch.softmax(logits, dim=-1)[piece].item() => torch.sigmoid(logits)[piece].item()
    softmax twice: Softmax runs twice, which evens the probabilities out. The logits need it once.
        torch.softmax(logits, dim=-1)[piece].item() => logits.softmax(-1).softmax(-1)[piece].item()
    one divided by the probability: These are perplexities, 1 divided by the probability. Give the probabilities
    themselves.
        [option] = probability => [option] = 1 / probability
    softmax over the places: Softmax runs over the places of the sentence. It should run over the vocabulary, at one
    place: `dim=-1`.
        model(token_ids).logits[0, place] => model(token_ids).logits[0]
        torch.softmax(logits, dim=-1)[piece].item() => torch.softmax(logits, dim=0)[place, piece].item()
    shared out among the options: The probabilities of the options add up to 1: they were divided by their sum, or
    softmax saw the options alone. The model may find all of them unlikely, and that should show.
        return probabilities => return {o: p / sum(probabilities.values()) for o, p in probabilities.items()}
      or return probabilities
            => return dict(zip(probabilities, torch.tensor([*probabilities.values()]).softmax(0).tolist(), strict=True))
    percent: These are percentages. A probability lies between 0 and 1.
        [option] = probability => [option] = 100 * probability
    rounded: The probabilities are rounded. Rare words have small ones: a ratio of rounded numbers is soon 0 or
    infinite.
        [option] = probability => [option] = round(probability, 2)
      or [option] = probability => [option] = round(probability, 3)
      or [option] = probability => [option] = round(probability, 4)
      or [option] = probability => [option] = round(probability, 5)
      or [option] = probability => [option] = round(probability, 6)
    not masked: The option stands in the text while the model is asked for it, so the model only has to copy. Put masks
    there.
        probability = 1.0 => probability = 1.0; token_ids[0, places] = torch.tensor(pieces)
    one place off: The place is off by one. The text begins with [CLS], so its first word has place 1. Look for the
    mask's id.
        model(token_ids).logits[0, place] => model(token_ids).logits[0, place - 1]
    without [CLS] and [SEP]: The text is handed over without [CLS] and [SEP], between which the model has read all its
    texts.
        return_tensors="pt" => return_tensors="pt", add_special_tokens=False
    the rest cut off: What stands after the options is cut off. A masked language model reads on both sides of the gap.
        template.replace(BLANK, masks) => template.split(BLANK)[0] + masks
    the mark lost: The mark after the options is lost: “again.” and “again” are different texts. Keep what
    `parse_options` gives.
        template.replace(BLANK, masks) => masks.join(part.lstrip('.,!?;:') for part in template.split(BLANK))
    options in lower case: The options have lost their capitals: “He” in the text is “He” in the dictionary, too. Keep
    what `parse_options` gives; the tokenizer does what its model needs.
        parse_options(text) => parse_options(text.lower())
    dropout left on: Dropout is on while the model is asked, so no two answers agree. Ask it inside `with
    in_eval_mode(model):`.
        in_eval_mode(model),  =>
    left in eval mode: The model was training, and afterwards it is in eval mode: whoever trains on does so without
    dropout. Put it back, or use `with in_eval_mode(model):`.
        in_eval_mode(model),  =>
        probabilities = {} => probabilities = {}; model.eval()
    """
)

# The check

_SIMPLER = (("for options of one piece", {"pieces": (1, 1)}),)

EXERCISE = Exercise(
    id="9",
    title="how probable each option is",
    passed="Options of one piece and of several are right, wherever they stand, and the model is left as it was.",
    hints={1: ("a tokenizer with another mask",), 2: ("options of one piece", "options of several pieces")},
    steps=(
        Step("options of one piece", look_at, {"pieces": (1, 1)}, draws="one piece"),
        Step("options of several pieces", look_at, {"pieces": (1, 2, 3)}, _SIMPLER),
        Step("a mark after the options", look_at, {"pieces": (2, 2), "mark": ".", "after": 0}),
        Step("options that come first", look_at, {"pieces": (2, 1), "before": 0, "mark": ",", "capitals": True}),
        Step("options that come last", look_at, {"pieces": (2, 1), "after": 0, "rare": True}),
        Step("a model in training mode", look_at_modes, draws="asked again"),
        Step("asking twice", look_twice, draws="asked again"),
        Step("a tokenizer with another mask", look_at_another_mask, draws="another mask"),
        Step(
            "what cannot be asked",
            look_at_errors,
            remark="a text without options, or with two groups of them, is not refused, as `parse_options` would.",
            draws="one piece",
        ),
        Step(
            "plain numbers",
            look_at_habits,
            {"which": "plain"},
            remark="the values are tensors. `.item()` makes plain numbers.",
            draws="habits",
        ),
        Step(
            "no gradients",
            look_at_habits,
            {"which": "without gradients"},
            remark="it keeps what gradients would need. `with torch.no_grad():` saves time and memory.",
            draws="habits",
        ),
    ),
    telling="options of several pieces",
    misconceptions=MISTAKES,
)
