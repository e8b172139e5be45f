"""Right answers to exercise 9, in many styles."""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F

from helpers.masked_options import BLANK, in_eval_mode, parse_options, pieces_of


def as_in_the_lesson(text, model, tokenizer):
    template, options = parse_options(text)
    probabilities = {}
    with in_eval_mode(model), torch.no_grad():
        for option in options:
            pieces = pieces_of(option, tokenizer)
            masks = " ".join([tokenizer.mask_token] * len(pieces))
            token_ids = tokenizer(template.replace(BLANK, masks), return_tensors="pt")["input_ids"]
            places = (token_ids[0] == tokenizer.mask_token_id).nonzero().flatten()
            probability = 1.0
            for place, piece in zip(places, pieces, strict=True):
                logits = model(token_ids).logits[0, place]
                probability *= logits.softmax(-1)[piece].item()
                token_ids[0, place] = piece
            probabilities[option] = probability
    return probabilities


def with_logarithms(text, model, tokenizer):
    """Sums of logarithms; the mode is put back by hand; a second call with an attention mask."""
    modes = {name: part.training for name, part in model.named_modules()}
    model.eval()
    template, options = parse_options(text)
    found = {}
    for option in options:
        pieces = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(option))
        batch = tokenizer(template.replace(BLANK, tokenizer.mask_token * len(pieces)), return_tensors="pt")
        total = 0.0
        for piece in pieces:
            place = batch["input_ids"][0].tolist().index(tokenizer.mask_token_id)
            with torch.inference_mode():
                logits = model(**batch).logits
            total += float(F.log_softmax(logits[0, place].double(), 0)[piece])
            batch["input_ids"][0, place] = piece
        found[option] = math.exp(total)
    for name, part in model.named_modules():
        part.training = modes[name]
    return found


def all_prefixes_in_one_batch(text, model, tokenizer):
    """For an option of n pieces, n copies of the text with 0, 1, 2 ... pieces shown, in one call."""
    template, options = parse_options(text)
    result = {}
    with in_eval_mode(model), torch.no_grad():
        for option in options:
            pieces = torch.tensor(pieces_of(option, tokenizer))
            n = len(pieces)
            ids = tokenizer(template.replace(BLANK, " ".join([tokenizer.mask_token] * n)), return_tensors="pt")[
                "input_ids"
            ]
            places = (ids[0] == tokenizer.mask_token_id).nonzero().flatten()
            copies = ids.repeat(n, 1)
            for shown in range(n):
                copies[shown, places[:shown]] = pieces[:shown]
            rows = torch.arange(n)
            result[option] = model(input_ids=copies).logits.softmax(-1)[rows, places, pieces].prod().item()
    return result


def ids_put_together_by_hand(text, model, tokenizer):
    """Text before and text after are cut into pieces apart from each other; a copy of the model is asked."""
    twin = copy.deepcopy(model).eval().double()
    template, options = parse_options(text)
    before, after = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in template.split(BLANK))
    result = {}
    for option in reversed(options):  # the order of a dict says nothing
        pieces, probability = pieces_of(option, tokenizer), 1.0
        for k, piece in enumerate(pieces):
            gap = [*pieces[:k], *[tokenizer.mask_token_id] * (len(pieces) - k)]
            ids = [tokenizer.cls_token_id, *before, *gap, *after, tokenizer.sep_token_id]
            out = twin(torch.tensor([ids])).logits[0, 1 + len(before) + k]
            probability = probability * (out.exp() / out.exp().sum())[piece]
        result[option] = probability.item()
    return result


def all_options_in_one_batch(text, model, tokenizer):
    """Padded to the longest option, with an attention mask."""
    template, options = parse_options(text)
    spelt = [pieces_of(option, tokenizer) for option in options]
    texts = [template.replace(BLANK, " ".join([tokenizer.mask_token] * len(pieces))) for pieces in spelt]
    batch = tokenizer(texts, return_tensors="pt", padding=True)
    probabilities = [1.0] * len(options)
    places = [(row == tokenizer.mask_token_id).nonzero().flatten().tolist() for row in batch["input_ids"]]
    with in_eval_mode(model), torch.no_grad():
        for k in range(max(map(len, spelt))):
            shares = model(**batch).logits.softmax(dim=2)
            for row, pieces in enumerate(spelt):
                if k < len(pieces):
                    probabilities[row] *= shares[row, places[row][k], pieces[k]].item()
                    batch["input_ids"][row, places[row][k]] = pieces[k]
    return dict(zip(options, probabilities, strict=True))


def with_tensors(text, model, tokenizer):
    """Tensors of one number, by recursion."""

    def rest(ids, pieces):
        if not pieces:
            return torch.tensor(1.0)
        place = int((ids[0] == tokenizer.mask_token_id).nonzero()[0])
        share = model(ids).logits[0, place].softmax(-1)[pieces[0]]
        return share * rest(ids.index_fill(1, torch.tensor([place]), pieces[0]), pieces[1:])

    template, options = parse_options(text)
    with in_eval_mode(model), torch.no_grad():
        return {
            option: rest(
                torch.tensor([tokenizer.encode(template.replace(BLANK, f"{tokenizer.mask_token} " * len(pieces)))]),
                list(pieces),
            )
            for option in options
            for pieces in [pieces_of(option, tokenizer)]
        }


ANSWERS = (
    as_in_the_lesson,
    with_logarithms,
    all_prefixes_in_one_batch,
    ids_put_together_by_hand,
    all_options_in_one_batch,
    with_tensors,
)
