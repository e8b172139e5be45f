"""Exercise 7, a Transformer that classifies texts: what the check looks at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from helpers.checks.draw import Draw
from helpers.checks.engine import Exercise, Step
from helpers.checks.gradients import seen_gradients
from helpers.checks.mistakes_7 import MISCONCEPTIONS
from helpers.checks.refusal import Refusal, describe_outcome, outcome
from helpers.checks.seen import Seen
from helpers.checks.subject import Subject
from helpers.checks.transformer_case import Case


def look_at_eval(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """In eval mode, two calls give the same."""
    case = Case(subject, draw)
    first, second = case.call(), case.call()
    told = {"the same twice": "Two calls on the same texts differ in eval mode: dropout belongs to training only."}
    facts = {"the same twice": bool(torch.equal(first, second))}
    yield Seen("Eval mode", facts, lambda: dict.fromkeys(told, True), told=told)


def look_at(subject: Subject, draw: Draw, stage: str = "logits", **settings: Any) -> Iterator[Seen]:
    """One stage on the way from token ids to logits; `settings` are those of `Case`."""
    case = Case(subject, draw, **settings)
    stages = case.stages()
    if stage in stages:  # a classifier's weights may be used without calling it
        yield case.seen(stage, stages[stage])


def look_at_padding(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """More padding, or padding with other ids, changes nothing."""
    case = Case(subject, draw, padding=0)
    assert case.mask is not None
    yield case.seen("logits", case.call())
    words = case.mask
    other = torch.randint_like(case.token_ids, 1, case.sizes["vocab"])
    case.token_ids = torch.where(words, case.token_ids, other)
    yield case.seen("logits", case.call(), "Where padding has other ids, the output")
    wider = torch.zeros(len(words), 4, dtype=torch.long)
    case.token_ids, case.mask = torch.cat([case.token_ids, wider], 1), torch.cat([words, wider.bool()], 1)
    yield case.seen("logits", case.call(), "With 4 more tokens of padding, the output")


def look_at_empty(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A text without a word: its mean is taken to be zeros."""
    case = Case(subject, draw, padding=1, empty=True)
    yield case.seen("logits", case.call(), "Where the last text has no words at all, the output")


def look_at_longest(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A text of max_len tokens passes, a longer one does not."""
    case = Case(subject, draw, more=0)
    yield case.seen("logits", case.call(), "For a text of max_len tokens, the output")
    longer = torch.ones(case.sizes["b"], case.max_len + 1, dtype=torch.long)
    came = subject.call(lambda: outcome(case.model, longer))
    refused = isinstance(came, Refusal | Exception)
    told = {
        "refused": f"With max_len={case.max_len}, a text of {case.max_len + 1} tokens should raise a ValueError; here "
        f"comes {describe_outcome(came)}. Your PositionalEncoding sees to it, if it is told max_len."
    }
    yield Seen("What comes of a text longer than max_len", {"refused": refused}, lambda: {"refused": True}, told=told)


def look_at_gradients(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """The gradient reaches the embeddings, through everything."""
    case = Case(subject, draw, padding=1)
    output = case.call()
    yield case.seen("logits", output)
    table = case.parts.embedding.weight
    yield from seen_gradients(
        subject,
        draw,
        output,
        {"the embeddings": table},
        lambda leaves: case.expected(leaves["the embeddings"])["logits"],
        {"the embeddings": table.detach()},
        {"the embeddings": ("vocab", "k")},
        case.sizes,
    )


def look_twice(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A model that has been used, for longer texts and with a mask, keeps nothing of them."""
    case = Case(subject, draw, padding=2)
    case.call()
    case.token_ids, case.mask, case.words = case.token_ids[:1, :2], None, ""
    case.sizes = case.sizes | {"b": 1, "t": 2}
    yield case.seen("logits", case.call(), "The output of a model that was used before, for longer texts,")


def _stage(right: str, stage: str, **settings: Any) -> Step:
    simpler: list[tuple[str, dict[str, Any]]] = [("without a mask", {"padding": None})] if "padding" in settings else []
    if settings.get("dtype") == torch.float64:
        simpler.append(("in float32, but not in float64", {"dtype": torch.float32}))
    return Step(right, look_at, {"stage": stage, **settings}, tuple(simpler))


EXERCISE = Exercise(
    id="7",
    title="a Transformer that classifies texts",
    passed="Embeddings, positions, blocks, the mean over the words and the logits are right; padding changes nothing.",
    hints=(
        "Say aloud what happens to one token id: it becomes a row of the embedding, that row is multiplied by the root "
        "of k, then its position is added. Which two layers do that, and which comes first?",
        "A vector of zeros adds nothing to a sum. So set the vectors at the padding to zero first; the mask is (b, t), "
        "x is (b, t, k): which axis does the mask lack? Then add up along the words' axis.",
    ),
    steps=(
        Step("eval mode", look_at_eval),
        _stage("words and positions", "input"),
        _stage("the blocks", "blocks"),
        _stage("the mean", "pooled"),
        _stage("the logits", "logits"),
        _stage("the blocks with a mask", "blocks", padding=1),
        _stage("the mean with a mask", "pooled", padding=1),
        _stage("the logits with a mask", "logits", padding=1),
        Step("padding", look_at_padding),
        Step("a text without words", look_at_empty),
        *(_stage("sizes of 1", "logits", padding=1, **{axis: 1}) for axis in ("b", "t", "h")),
        Step("texts that are too long", look_at_longest),
        Step("the gradients", look_at_gradients),
        _stage("float64", "logits", padding=1, dtype=torch.float64),
        Step("using a model twice", look_twice),
    ),
    telling="the logits with a mask",
    misconceptions=MISCONCEPTIONS,
)
