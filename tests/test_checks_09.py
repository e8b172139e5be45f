"""Exercise 9's check: what is expected, wrong answers and what they are told. For every check: test_checks_all.py."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import pytest
import torch
from answers.right_9 import as_in_the_lesson, with_tensors
from checks_support import failure

from helpers import checks
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.exercises.ex_09 import ENDINGS, STEMS, VOCABULARY, Question
from helpers.masked_options import BLANK, in_eval_mode, parse_options, pieces_of

SEEDS = (1, 333)


def case_of(seed: int, pieces: tuple[int, ...]) -> Question:
    return Question(Subject(as_in_the_lesson), Draw(seed, "a case of a test"), pieces)


def test_the_right_numbers_are_the_chain_rules_with_every_other_word_as_likely_as_it_is() -> None:
    """Over all words of two pieces that can be written, the probabilities add up to 1."""
    case = case_of(5, (2, 1))
    template, options = parse_options(case.text)
    masked = case.tokenizer(template.replace(BLANK, "[MASK] [MASK]"), return_tensors="pt")["input_ids"]
    first, second = (masked[0] == case.tokenizer.mask_token_id).nonzero().flatten().tolist()
    copies = masked.repeat(len(VOCABULARY), 1)
    copies[:, first] = torch.arange(len(VOCABULARY))
    with torch.no_grad():
        start = case.model(masked).logits[0, first].softmax(-1)  # (vocab,)
        then = case.model(copies).logits[:, second].softmax(-1)  # (vocab, vocab)
    whole = start[:, None] * then
    assert float(whole.sum()) == pytest.approx(1, abs=1e-5)
    longest = options[0]
    pieces = case.tokenizer.convert_tokens_to_ids(case.pieces[longest])
    assert case.probabilities[longest] == pytest.approx(float(whole[pieces[0], pieces[1]]), rel=1e-5)


def test_sizes_and_places_are_fresh_in_each_check() -> None:
    texts = [case_of(seed, (1, 2, 3)).text for seed in range(30)]
    assert len(set(texts)) == 30
    assert len({text.split("/")[0].count(" ") for text in texts}) >= 4  # where the options stand
    spelt = {option for seed in range(30) for option in case_of(seed, (3,)).pieces}
    assert len(spelt) > 10


def test_options_are_spelt_by_the_tokenizer_as_the_case_says() -> None:
    case = case_of(3, (1, 2, 3))
    for option, pieces in case.pieces.items():
        assert case.tokenizer.convert_ids_to_tokens(pieces_of(option, case.tokenizer)) == pieces
    for stem, ending in itertools.product(STEMS, ENDINGS):
        assert case.tokenizer.tokenize(stem + ending[2:]) == [stem, ending]


def test_tensors_are_right_and_remarked_on(capsys: pytest.CaptureFixture[str]) -> None:
    checks.option_probabilities(with_tensors, seed=1, record=False)
    assert "`.item()` makes plain numbers" in capsys.readouterr().out
    checks.option_probabilities(as_in_the_lesson, seed=1, record=False)
    assert "One thing" not in capsys.readouterr().out


def never_filled_in(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    """The lesson's skeleton with its last blank missing."""
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
                probability *= model(token_ids).logits[0, place].softmax(-1)[piece].item()
            probabilities[option] = probability
    return probabilities


def softmax_of_the_options(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    found = {option: torch.tensor(value).log() for option, value in as_in_the_lesson(text, model, tokenizer).items()}
    values = torch.stack(list(found.values())).softmax(0)
    return dict(zip(found, values.tolist(), strict=True))


def found_by_counting_words(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    """The place in the text's words is taken for the place in the token ids."""
    template, options = parse_options(text)
    place = next(i for i, word in enumerate(template.split()) if BLANK in word)
    found = {}
    with in_eval_mode(model), torch.no_grad():
        for option in options:
            pieces = pieces_of(option, tokenizer)
            masks = " ".join([tokenizer.mask_token] * len(pieces))
            token_ids = tokenizer(template.replace(BLANK, masks), return_tensors="pt")["input_ids"]
            probability = 1.0
            for k, piece in enumerate(pieces):
                probability *= model(token_ids).logits[0, place + k].softmax(-1)[piece].item()
                token_ids[0, place + k + 1] = piece
            found[option] = probability
    return found


def with_masks(text: str, model: Any, tokenizer: Any, masks: Any) -> dict[str, float]:
    """The lesson's function with masks of one's own making."""
    template, options = parse_options(text)
    probabilities = {}
    with in_eval_mode(model), torch.no_grad():
        for option in options:
            pieces = pieces_of(option, tokenizer)
            filled = template.replace(BLANK, masks(option, pieces, tokenizer))
            token_ids = tokenizer(filled, return_tensors="pt")["input_ids"]
            places = (token_ids[0] == tokenizer.mask_token_id).nonzero().flatten()
            probability = 1.0
            for place, piece in zip(places, pieces, strict=True):
                probability *= model(token_ids).logits[0, place].softmax(-1)[piece].item()
                token_ids[0, place] = piece
            probabilities[option] = probability
    return probabilities


def masks_of_ids(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return with_masks(text, model, tokenizer, lambda option, ps, tok: " ".join([str(tok.mask_token_id)] * len(ps)))


def the_option_for_masks(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return with_masks(text, model, tokenizer, lambda option, ps, tok: option)


def a_mask_for_each_letter(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return with_masks(text, model, tokenizer, lambda option, ps, tok: " ".join([tok.mask_token] * len(option)))


def one_mask_too_many(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return with_masks(text, model, tokenizer, lambda option, ps, tok: " ".join([tok.mask_token] * (len(ps) + 1)))


def added_from_one(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    template, options = parse_options(text)
    found = {}
    with in_eval_mode(model), torch.no_grad():
        for option in options:
            pieces, total = pieces_of(option, tokenizer), 1.0
            masked = template.replace(BLANK, tokenizer.mask_token * len(pieces))
            token_ids = tokenizer(masked, return_tensors="pt")["input_ids"]
            for piece in pieces:
                place = token_ids[0].tolist().index(tokenizer.mask_token_id)
                total += float(model(token_ids).logits[0, place].softmax(-1)[piece])
                token_ids[0, place] = piece
            found[option] = total
    return found


def keys_in_lower_case(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return {option.lower(): value for option, value in as_in_the_lesson(text, model, tokenizer).items()}


def text_in_lower_case(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return as_in_the_lesson(text.lower(), model, tokenizer)


def log_at_the_end(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return {option: math.log(value) for option, value in as_in_the_lesson(text, model, tokenizer).items()}


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (masks_of_ids, "no masks"),
        (the_option_for_masks, "no masks"),
        (a_mask_for_each_letter, "more masks than pieces"),
        (one_mask_too_many, "more masks than pieces"),
        (added_from_one, "added to 1"),
        (keys_in_lower_case, "options in lower case"),
        (text_in_lower_case, "options in lower case"),
        (log_at_the_end, "logarithms"),
        (never_filled_in, "filled in too late"),
        (softmax_of_the_options, "shared out among the options"),
        (found_by_counting_words, "one place off"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_an_answer_written_otherwise_is_recognised_by_what_it_does(answer: Any, name: str) -> None:
    for seed in SEEDS:
        assert failure(checks.option_probabilities, answer, seed).misconception == name


# Other wrong answers


def forgetful(text: str, model: Any, tokenizer: Any) -> None:
    as_in_the_lesson(text, model, tokenizer)


def a_list(text: str, model: Any, tokenizer: Any) -> list[float]:
    return list(as_in_the_lesson(text, model, tokenizer).values())


def by_piece(text: str, model: Any, tokenizer: Any) -> dict[int, float]:
    return dict(enumerate(as_in_the_lesson(text, model, tokenizer).values()))


def whole_vectors(text: str, model: Any, tokenizer: Any) -> dict[str, Any]:
    return {option: torch.zeros(3) for option in as_in_the_lesson(text, model, tokenizer)}


def words_for_numbers(text: str, model: Any, tokenizer: Any) -> dict[str, str]:
    return dict.fromkeys(as_in_the_lesson(text, model, tokenizer), "rather likely")


def numbers_in_quotes(text: str, model: Any, tokenizer: Any) -> dict[str, str]:
    return {option: str(value) for option, value in as_in_the_lesson(text, model, tokenizer).items()}


def rounded_to_eight(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return {option: round(value, 8) for option, value in as_in_the_lesson(text, model, tokenizer).items()}


def at_least_a_millionth(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return {option: max(value, 1e-6) for option, value in as_in_the_lesson(text, model, tokenizer).items()}


def known_by_text(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    memo = known_by_text.__dict__.setdefault("memo", {})
    if text not in memo:
        memo[text] = as_in_the_lesson(text, model, tokenizer)
    return memo[text]  # type: ignore[no-any-return]


def all_in_training_mode(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    found = as_in_the_lesson(text, model, tokenizer)
    if any(part.training for part in model.modules()):
        model.train()
    return found


def trains_the_model(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    found = as_in_the_lesson(text, model, tokenizer)
    if model.training:
        with torch.no_grad():
            model.cls.predictions.bias.add_(0.1)
    return found


def remembers(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    """The second question meets what the first one left behind."""
    found = as_in_the_lesson(text, model, tokenizer)
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight[tokenizer.mask_token_id] += 1
    return found


def answers_anything(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    try:
        return as_in_the_lesson(text, model, tokenizer)
    except ValueError:
        return {}


def half_as_much(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return {option: value / 2 for option, value in as_in_the_lesson(text, model, tokenizer).items()}


def long_ones_wrong(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    found = as_in_the_lesson(text, model, tokenizer)
    return {option: value * (1 + (len(pieces_of(option, tokenizer)) > 2)) for option, value in found.items()}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (forgetful, "returns None where a dict from option to probability is wanted"),
        (a_list, "returns a Python list"),
        (by_piece, r"the keys should be '\w+', '\w+'; yours are 0, 1"),
        (whole_vectors, r"gives a tensor of shape \(3,\)"),
        (words_for_numbers, "'rather likely' for '.+': a number is wanted"),
        (numbers_in_quotes, "a number is wanted"),
        (rounded_to_eight, r"Expected \S+e-\d+ for “\w+”, got 0\b"),
        (at_least_a_millionth, r"Expected \S+e-\d+ for “\w+”, got 1e-06"),
        (known_by_text, "asked about before, of a model with other weights"),
        (all_in_training_mode, "were in eval mode before, and are in training mode now: put each part back into"),
        (trains_the_model, "a question should leave no trace"),
        (remembers, "asked again|leave no trace"),
        (half_as_much, r"Every number is 0\.5 times what it should be"),
        (long_ones_wrong, r"Wrong for “\w+” \(\w\w, ##\w\w, ##\w\w\)"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_answer_is_told_what_differs(answer: Any, words: str) -> None:
    for seed in SEEDS:
        failed = failure(checks.option_probabilities, answer, seed)
        assert re.search(words, str(failed)), str(failed)
        assert "wrong places" not in str(failed)
        assert failed.misconception is None


def test_open_blanks_are_counted_and_named() -> None:
    def skeleton(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
        _, options = parse_options(text)
        masks = ...
        probability = ...
        return dict.fromkeys(options, probability or masks)

    assert "2 blanks are still open" in str(failure(checks.option_probabilities, skeleton))


def of_values(change: Any) -> Any:
    """The lesson's answer with something done to its numbers."""
    return lambda *question: {option: change(value) for option, value in as_in_the_lesson(*question).items()}


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        *((of_values(lambda value, digits=digits: round(value, digits)), "rounded") for digits in (2, 3, 4, 5, 6)),
        (of_values(lambda value: -math.log2(value)), "surprisal"),
        (of_values(lambda value: -math.log(value)), "surprisal"),
        (of_values(math.log2), "logarithms"),
        (of_values(lambda value: f"{value:.3f}"), None),
    ],
)
def test_what_is_done_to_the_numbers_in_the_end_is_recognised(answer: Any, name: str | None) -> None:
    for seed in range(4):
        assert failure(checks.option_probabilities, answer, seed).misconception == name


def written_out(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    return with_masks(text, model, tokenizer, lambda option, pieces, tokenizer: "[MASK] " * len(pieces))


def written_out_and_looked_for(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    """Where the mask is not found, it stops in a way of its own."""
    template, options = parse_options(text)
    found = {}
    with in_eval_mode(model), torch.no_grad():
        for option in options:
            probability = 1.0
            pieces = pieces_of(option, tokenizer)
            token_ids = tokenizer(template.replace(BLANK, "[MASK]" * len(pieces)), return_tensors="pt")["input_ids"]
            for piece in pieces:
                place = token_ids[0].tolist().index(tokenizer.mask_token_id)
                probability *= model(token_ids).logits[0, place].softmax(-1)[piece].item()
                token_ids[0, place] = piece
            found[option] = probability
    return found


@pytest.mark.parametrize("answer", [written_out, written_out_and_looked_for])
def test_the_mask_is_the_tokenizers_own(answer: Any) -> None:
    for seed in SEEDS:
        failed = failure(checks.option_probabilities, answer, seed)
        assert failed.misconception == "the mask written out"
        assert "`tokenizer.mask_token`" in str(failed)


def test_a_question_without_sense_that_is_answered_is_a_remark(capsys: pytest.CaptureFixture[str]) -> None:
    checks.option_probabilities(answers_anything, seed=1, record=False)
    assert "is not refused" in capsys.readouterr().out
