"""Misconceptions about how probable an option is, as small wrong implementations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from helpers.checks.engine.run import Misconceptions
from helpers.masked_options import BLANK, in_eval_mode, parse_options, pieces_of

MISCONCEPTIONS = Misconceptions()

Score = Callable[[str, list[int], Any, Any], float]


def asked(text: str, model: Any, tokenizer: Any, score: Score) -> dict[str, float]:
    """Give each option its score, without dropout and without gradients."""
    template, options = parse_options(text)
    with in_eval_mode(model), torch.no_grad():
        return {option: score(template, pieces_of(option, tokenizer), model, tokenizer) for option in options}


def hidden(template: str, count: int, tokenizer: Any) -> tuple[torch.Tensor, list[int]]:
    """Token ids (1, t) of a text with `count` masks in its blank, and where these stand."""
    masked = template.replace(BLANK, " ".join([tokenizer.mask_token] * count))
    token_ids = tokenizer(masked, return_tensors="pt")["input_ids"]
    return token_ids, (token_ids[0] == tokenizer.mask_token_id).nonzero().flatten().tolist()


def shares(model: Any, token_ids: torch.Tensor) -> torch.Tensor:
    """Probabilities (t, vocab) of every piece at every place."""
    return model(token_ids).logits[0].softmax(-1)


def one_by_one(template: str, pieces: list[int], model: Any, tokenizer: Any) -> list[float]:
    """Each piece's probability, given the rest and the pieces before it."""
    token_ids, places = hidden(template, len(pieces), tokenizer)
    found = []
    for place, piece in zip(places, pieces, strict=True):
        found.append(float(shares(model, token_ids)[place, piece]))
        token_ids[0, place] = piece
    return found


def product(numbers: list[float]) -> float:
    return float(torch.tensor(numbers, dtype=torch.float64).prod())


def options_by_hand(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    """Right as it stands: a test compares it with plain Python."""
    return asked(text, model, tokenizer, lambda *args: product(one_by_one(*args)))


# Several pieces


@MISCONCEPTIONS(
    "filled in too late",
    "Each piece is asked for while the pieces before it are still masked. Put a piece in its place before you ask for "
    "the next: the second piece of a word depends on the first.",
)
def all_at_once(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    def score(template: str, pieces: list[int], model: Any, tokenizer: Any) -> float:
        token_ids, places = hidden(template, len(pieces), tokenizer)
        return product(shares(model, token_ids)[places, pieces].tolist())

    return asked(text, model, tokenizer, score)


@MISCONCEPTIONS(
    "first piece alone",
    "Of an option of several pieces only the first is scored, in a text with a single mask. The option is the whole "
    "word: as many masks as pieces, and every piece counts.",
)
def first_alone(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return asked(text, model, tokenizer, lambda t, pieces, m, k: product(one_by_one(t, pieces[:1], m, k)))


@MISCONCEPTIONS(
    "first of several masks",
    "There are as many masks as pieces, but only the first piece is scored. Every piece counts: multiply.",
)
def first_of_several(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return asked(text, model, tokenizer, lambda *args: one_by_one(*args)[0])


@MISCONCEPTIONS(
    "last piece alone",
    "Only the last piece counts: each one's probability replaces that of the one before. Multiply them.",
)
def last_alone(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return asked(text, model, tokenizer, lambda *args: one_by_one(*args)[-1])


@MISCONCEPTIONS(
    "one mask for all pieces",
    "There is one mask, whatever the option is made of. Put as many masks as the option has pieces.",
)
def one_mask(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    def score(template: str, pieces: list[int], model: Any, tokenizer: Any) -> float:
        token_ids, places = hidden(template, 1, tokenizer)
        return product(shares(model, token_ids)[places[0], pieces].tolist())

    return asked(text, model, tokenizer, score)


@MISCONCEPTIONS(
    "fewer masks than pieces",
    "There is one mask, and the option has more pieces than that. `masks` should hold as many mask tokens as there are "
    "pieces, with spaces between.",
)
def too_few_masks(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    def score(template: str, pieces: list[int], model: Any, tokenizer: Any) -> float:
        token_ids, places = hidden(template, 1, tokenizer)
        pairs = zip(torch.tensor(places), pieces, strict=True)
        return product([float(shares(model, token_ids)[place, piece]) for place, piece in pairs])

    return asked(text, model, tokenizer, score)


@MISCONCEPTIONS(
    "no masks",
    "The text has fewer masks than the option has pieces, even where there is one piece. Are they made of "
    "`tokenizer.mask_token`, or of its id, or of the option itself?",
)
def no_masks(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    def score(template: str, pieces: list[int], model: Any, tokenizer: Any) -> float:
        token_ids, places = hidden(template, 0, tokenizer)
        pairs = zip(torch.tensor(places), pieces, strict=True)
        return product([float(shares(model, token_ids)[place, piece]) for place, piece in pairs])

    return asked(text, model, tokenizer, score)


@MISCONCEPTIONS(
    "more masks than pieces",
    "There are more masks than the option has pieces. `masks` should hold one mask token for each of the `pieces`: is "
    "something else counted, such as letters?",
)
def too_many_masks(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    def score(template: str, pieces: list[int], model: Any, tokenizer: Any) -> float:
        token_ids, places = hidden(template, len(pieces) + 1, tokenizer)
        pairs = zip(torch.tensor(places), pieces, strict=True)
        return product([float(shares(model, token_ids)[place, piece]) for place, piece in pairs])

    return asked(text, model, tokenizer, score)


@MISCONCEPTIONS(
    "only the first mask looked at",
    "All pieces are looked up at the first mask. Each piece has a mask of its own: the second stands in the second.",
)
def first_place(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    def score(template: str, pieces: list[int], model: Any, tokenizer: Any) -> float:
        token_ids, places = hidden(template, len(pieces), tokenizer)
        return product(shares(model, token_ids)[places[0], pieces].tolist())

    return asked(text, model, tokenizer, score)


@MISCONCEPTIONS(
    "the other pieces shown",
    "Each piece is masked by itself while all the others are shown, also those that come after it: the rest of a rare "
    "word gives the piece away. All pieces start masked, and appear one by one.",
)
def others_shown(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    def score(template: str, pieces: list[int], model: Any, tokenizer: Any) -> float:
        token_ids, places = hidden(template, len(pieces), tokenizer)
        token_ids[0, places] = torch.tensor(pieces)
        found = []
        for place, piece in zip(places, pieces, strict=True):
            masked = token_ids.clone()
            masked[0, place] = tokenizer.mask_token_id
            found.append(float(shares(model, masked)[place, piece]))
        return product(found)

    return asked(text, model, tokenizer, score)


@MISCONCEPTIONS(
    "from right to left",
    "The pieces are asked for from the last to the first. Go from left to right: the first piece is asked for while "
    "all others are masked.",
)
def right_to_left(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    def score(template: str, pieces: list[int], model: Any, tokenizer: Any) -> float:
        token_ids, places = hidden(template, len(pieces), tokenizer)
        found = []
        for place, piece in zip(places[::-1], pieces[::-1], strict=True):
            found.append(float(shares(model, token_ids)[place, piece]))
            token_ids[0, place] = piece
        return product(found)

    return asked(text, model, tokenizer, score)


@MISCONCEPTIONS(
    "pieces added",
    "The probabilities of the pieces are added. One piece *and then* the next: multiply.",
)
def added(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return asked(text, model, tokenizer, lambda *args: sum(one_by_one(*args)))


@MISCONCEPTIONS(
    "added to 1",
    "The probabilities of the pieces are added to the 1 that stands at the beginning, so they come out above 1. One "
    "piece *and then* the next: multiply.",
)
def added_to_one(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return asked(text, model, tokenizer, lambda *args: 1 + sum(one_by_one(*args)))


@MISCONCEPTIONS(
    "pieces averaged",
    "The pieces' probabilities are averaged. The option needs all of its pieces: multiply.",
)
def averaged(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return asked(text, model, tokenizer, lambda *args: sum(found := one_by_one(*args)) / len(found))


@MISCONCEPTIONS(
    "geometric mean",
    "The product is brought down to one piece, by a root. That is a way to rank options, but it is not the "
    "probability of the whole option: leave the product as it is.",
)
def geometric_mean(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return asked(text, model, tokenizer, lambda *args: product(found := one_by_one(*args)) ** (1 / len(found)))


@MISCONCEPTIONS(
    "the whole option looked up",
    "An option of several pieces is looked up as if it were one: the vocabulary does not have it, so you get the "
    "probability of [UNK]. Go through its pieces, `pieces_of(option, tokenizer)`.",
)
def looked_up_whole(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    template, options = parse_options(text)
    with in_eval_mode(model), torch.no_grad():
        token_ids, places = hidden(template, 1, tokenizer)
        found = shares(model, token_ids)[places[0]]
        return {option: float(found[tokenizer.convert_tokens_to_ids(option)]) for option in options}


# From logits to probabilities


@MISCONCEPTIONS(
    "logits",
    "These are logits, which can be any number. Softmax over the vocabulary makes them probabilities.",
)
def logits(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    def score(template: str, pieces: list[int], model: Any, tokenizer: Any) -> float:
        token_ids, places = hidden(template, len(pieces), tokenizer)
        found = []
        for place, piece in zip(places, pieces, strict=True):
            found.append(float(model(token_ids).logits[0, place, piece]))
            token_ids[0, place] = piece
        return product(found)

    return asked(text, model, tokenizer, score)


@MISCONCEPTIONS(
    "logarithms",
    "These are logarithms of the probabilities. Give the probabilities themselves: is there a `log_softmax` where "
    "`softmax` should be, or a `log` at the end?",
)
def logarithms(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    found = options_by_hand(text, model, tokenizer)
    return {option: float(torch.tensor(value).log()) for option, value in found.items()}


@MISCONCEPTIONS(
    "softmax over the places",
    "Softmax runs over the places of the sentence. It should run over the vocabulary, at one place: `dim=-1`.",
)
def over_the_places(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    def score(template: str, pieces: list[int], model: Any, tokenizer: Any) -> float:
        token_ids, places = hidden(template, len(pieces), tokenizer)
        found = []
        for place, piece in zip(places, pieces, strict=True):
            found.append(float(model(token_ids).logits[0].softmax(0)[place, piece]))
            token_ids[0, place] = piece
        return product(found)

    return asked(text, model, tokenizer, score)


@MISCONCEPTIONS(
    "shared out among the options",
    "The probabilities of the options add up to 1: they were divided by their sum, or softmax saw the options alone. "
    "The model may find all of them unlikely, and that should show.",
)
def among_the_options(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    found = options_by_hand(text, model, tokenizer)
    return {option: value / sum(found.values()) for option, value in found.items()}


@MISCONCEPTIONS("percent", "These are percentages. A probability lies between 0 and 1.")
def percent(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return {option: 100 * value for option, value in options_by_hand(text, model, tokenizer).items()}


@MISCONCEPTIONS(
    "rounded",
    "The probabilities are rounded. Rare words have small ones: a ratio of rounded numbers is soon 0 or infinite.",
)
def rounded(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return {option: round(value, 2) for option, value in options_by_hand(text, model, tokenizer).items()}


# The text


@MISCONCEPTIONS(
    "not masked",
    "The option stands in the text while the model is asked for it, so the model only has to copy. Put masks there.",
)
def not_masked(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    def score(template: str, pieces: list[int], model: Any, tokenizer: Any) -> float:
        token_ids, places = hidden(template, len(pieces), tokenizer)
        token_ids[0, places] = torch.tensor(pieces)
        return product(shares(model, token_ids)[places, pieces].tolist())

    return asked(text, model, tokenizer, score)


@MISCONCEPTIONS(
    "one place off",
    "The place is off by one. The text begins with [CLS], so its first word has place 1. Look for the mask's id.",
)
def one_off(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    def score(template: str, pieces: list[int], model: Any, tokenizer: Any) -> float:
        token_ids, places = hidden(template, len(pieces), tokenizer)
        found = []
        for place, piece in zip(places, pieces, strict=True):
            found.append(float(shares(model, token_ids)[place - 1, piece]))
            token_ids[0, place] = piece
        return product(found)

    return asked(text, model, tokenizer, score)


@MISCONCEPTIONS(
    "without [CLS] and [SEP]",
    "The text is handed over without [CLS] and [SEP], between which the model has read all its texts.",
)
def without_ends(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    def score(template: str, pieces: list[int], model: Any, tokenizer: Any) -> float:
        whole, places = hidden(template, len(pieces), tokenizer)
        token_ids, found = whole[:, 1:-1].clone(), []
        for place, piece in zip(places, pieces, strict=True):
            found.append(float(shares(model, token_ids)[place - 1, piece]))
            token_ids[0, place - 1] = piece
        return product(found)

    return asked(text, model, tokenizer, score)


@MISCONCEPTIONS(
    "the rest cut off",
    "What stands after the options is cut off. A masked language model reads on both sides of the gap.",
)
def rest_cut_off(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    def score(template: str, pieces: list[int], model: Any, tokenizer: Any) -> float:
        return product(one_by_one(template.split(BLANK)[0] + BLANK, pieces, model, tokenizer))

    return asked(text, model, tokenizer, score)


@MISCONCEPTIONS(
    "the mark lost",
    "The mark after the options is lost: “again.” and “again” are different texts. Keep what `parse_options` gives.",
)
def mark_lost(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    def score(template: str, pieces: list[int], model: Any, tokenizer: Any) -> float:
        before, after = template.split(BLANK)
        return product(one_by_one(before + BLANK + after.lstrip(".,!?;:"), pieces, model, tokenizer))

    return asked(text, model, tokenizer, score)


@MISCONCEPTIONS(
    "options in lower case",
    "The options have lost their capitals: “He” in the text is “He” in the dictionary, too. Keep what `parse_options` "
    "gives; the tokenizer does what its model needs.",
)
def in_lower_case(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return options_by_hand(text.lower(), model, tokenizer)


# The model


@MISCONCEPTIONS(
    "dropout left on",
    "Dropout is on while the model is asked, so no two answers agree. Ask it inside `with in_eval_mode(model):`.",
)
def dropout_on(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    template, options = parse_options(text)
    with torch.no_grad():
        return {
            option: product(one_by_one(template, pieces_of(option, tokenizer), model, tokenizer)) for option in options
        }


@MISCONCEPTIONS(
    "left in eval mode",
    "The model was training, and afterwards it is in eval mode: whoever trains on does so without dropout. Put it "
    "back, or use `with in_eval_mode(model):`.",
)
def left_in_eval(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    model.eval()
    return options_by_hand(text, model, tokenizer)
