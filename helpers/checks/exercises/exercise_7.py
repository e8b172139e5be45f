"""Exercise 7, a Transformer that classifies texts: what the check looks at."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import PADDING, Draw
from helpers.checks.engine.run import Exercise, Step
from helpers.checks.engine.seen import Seen, same
from helpers.checks.engine.trouble import Trouble
from helpers.checks.exercises.mistakes_7 import MISCONCEPTIONS
from helpers.checks.exercises.transformer_case import Case, Stages, takes_dropout
from helpers.checks.exercises.transformer_gradients import seen_gradients
from helpers.checks.exercises.without_dropout import WithoutDropout
from helpers.checks.looks.devices import seen_elsewhere
from helpers.checks.looks.dropout import in_train_mode
from helpers.checks.looks.refusal import Refusal, describe_outcome, outcome
from helpers.checks.looks.used_before import overwrite, second_call

SAME_TWICE = {"the same twice": "Two calls on the same texts differ in eval mode: dropout belongs to training only."}
KEEPS = {
    "keeps its table": "A call in eval mode changes the numbers of the embedding: only an optimizer should "
    "(`max_norm`, for instance, shortens rows whenever they are looked up)."
}


@dataclass
class Used:
    """A case, the embedding's numbers before its first call, what came by in that call, and what should have."""

    case: Case
    table: torch.Tensor
    stages: Stages
    expected: Callable[[], dict[str, torch.Tensor]]


def _make_used(subject: Subject, draw: Draw, **settings: Any) -> Used:
    case = Case(subject, draw, **settings)
    table = case.parts.embedding.weight.detach().clone()
    return Used(case, table, case.stages(), functools.cache(case.expected))


def _used(subject: Subject, draw: Draw, **settings: Any) -> Used:
    """The case that all steps with these draws and settings share."""
    used: Used = subject.shared(_make_used, draw, **settings)
    return used


def look_at_eval(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """In eval mode, two calls give the same, and change nothing."""
    used = _used(subject, draw)
    kept = torch.equal(used.table, used.case.parts.embedding.weight)
    facts = {"the same twice": same(used.stages["logits"], used.case.call()), "keeps its table": kept}
    yield Seen("Eval mode", facts, lambda: dict.fromkeys(facts, True), told=SAME_TWICE | KEEPS)


def look_at(subject: Subject, draw: Draw, stage: str = "logits", **settings: Any) -> Iterator[Seen]:
    """One stage on the way from token ids to logits; `settings` are those of `Case`.

    A stage tells where wrong logits come from. Where the logits are right, they may have come about in another way.
    """
    used = _used(subject, draw, **settings)
    if stage not in used.stages:  # a classifier's weights may be used without calling it
        return
    came = used.stages[stage]
    logits = _seen(used, "logits")
    if isinstance(came, Trouble):
        if subject.is_students and logits.right:
            return
        raise came
    seen = logits if stage == "logits" else _seen(used, stage)
    if seen is logits or not subject.is_students or seen.right or not logits.right:
        yield seen


def _seen(used: Used, stage: str, what: str = "") -> Seen:
    came = used.stages[stage]
    assert isinstance(came, torch.Tensor)
    return used.case.seen(stage, came, what, used.expected)


def look_at_padding(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """More padding, or padding with other ids, changes nothing."""
    case = _used(subject, draw, **settings).case
    words = case.mask
    assert words is not None
    ids = torch.randint(1, case.sizes["vocab"], words.shape, generator=draw.again("ids").generator)
    other = case.other(case.token_ids, words)
    other.token_ids = torch.where(words, case.token_ids, ids)
    seen = other.seen("logits", other.call(), "Where padding has other ids than 0, the output")
    seen.clue = lambda got: "What is padding, the mask says, not the id"
    yield seen
    wider = torch.zeros(len(words), 4, dtype=torch.long)
    longer = case.other(torch.cat([case.token_ids, wider], 1), torch.cat([words, wider.bool()], 1))
    yield longer.seen("logits", longer.call(), "With 4 more tokens of padding, the output")


def look_at_mixed(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """A mask may be True anywhere."""
    case = _used(subject, draw, **settings).case
    b, t = case.token_ids.shape
    mask = draw.again("mask").mask(PADDING, b, 1, 1, t)[:, 0, 0]
    mixed = case.other(case.token_ids.clamp(min=1), mask)
    seen = mixed.seen("logits", mixed.call(), "With padding between the words, the output")
    seen.clue = lambda got: "The mask says of each place whether it holds a word: words need not come first"
    yield seen


def look_at_empty(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """A text without a word: its mean is taken to be zeros."""
    case = _used(subject, draw, **settings).case
    assert case.mask is not None
    mask = case.mask.clone()
    mask[-1] = False
    case = case.other(case.token_ids, mask)
    yield case.seen("logits", case.call(), "Where the last text has no words at all, the output with a mask")


def look_at_longest(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A text of max_len tokens passes, a longer one does not."""
    used = _used(subject, draw)
    size = (used.case.sizes["b"], used.case.max_len + 1)
    longer = torch.randint(1, used.case.sizes["vocab"], size, generator=draw.again("ids").generator)
    case = used.case.other(longer[:, :-1])
    right = case.call()
    yield case.seen("logits", right, "For a text of max_len tokens, the output")
    came = subject.call(lambda: outcome(case.model, longer))
    what: Any = isinstance(came, Refusal | Exception)
    if isinstance(came, torch.Tensor):
        what = "cut" if same(came, right) else "goes on"
    comes = "the text is cut to max_len without a word" if what == "cut" else f"here comes {describe_outcome(came)}"
    told = {
        "refused": f"With max_len={case.max_len}, a text of {case.max_len + 1} tokens should raise a ValueError; "
        f"{comes}. Your PositionalEncoding sees to it, if it is told max_len."
    }
    yield Seen("What comes of a text longer than max_len", {"refused": what}, lambda: {"refused": True}, told=told)


def look_at_gradients(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """The gradient reaches the embeddings, through everything."""
    used = _used(subject, draw, **settings)
    yield _seen(used, "logits")
    output = used.stages["logits"]
    assert isinstance(output, torch.Tensor)
    yield from seen_gradients(used.case, output, draw.again("gradients"))


def look_at_training(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """Dropout aside, train mode gives what eval mode gives. Where something else is random, there is no telling."""
    case = _used(subject, draw, **settings).case
    assert case.mask is not None
    case = case.other(case.token_ids[:2], case.mask[:2])
    with in_train_mode(case.model), WithoutDropout():
        first, second = case.call(), case.call()
    if same(first, second):
        yield case.seen("logits", first, "In train mode, dropout aside, the output with a mask")


def look_at_dropout(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """With dropout=0, train mode is not random."""
    if not takes_dropout(subject.answer):
        return
    case = Case(subject, draw, dropout=0.0, b=2)
    with in_train_mode(case.model):
        facts = {"the same twice": same(case.call(), case.call())}
    yield Seen("Train mode", facts, lambda: dict.fromkeys(facts, True))


def look_at_long(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Long texts: nothing is cut."""
    case = Case(subject, draw, b=2, t=139, h=2)
    yield case.seen("logits", case.call(), "For texts of 139 words, the output")


def look_at_randomness(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """With dropout, train mode is random."""
    if not takes_dropout(subject.answer):
        return
    case = Case(subject, draw, dropout=0.6, b=2)
    with in_train_mode(case.model):
        facts = {"another the second time": not same(case.call(), case.call())}
    yield Seen("Train mode", facts, lambda: dict.fromkeys(facts, True))


def look_twice(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A model that has been used keeps nothing: neither of longer texts, nor of other texts of the same sizes."""
    case = Case(subject, draw, padding=2, b=3)
    assert case.mask is not None
    case.call()
    ids = torch.randint(1, case.sizes["vocab"], case.mask.shape, generator=draw.again("ids").generator)
    overwrite(case.token_ids, case.mask, by=[ids * case.mask.roll(1, 0), case.mask.roll(1, 0)])
    before = "The output of a model that was used before, for other texts of the same sizes,"
    with second_call("with other texts"):
        yield case.seen("logits", case.call(), before)
        case = case.other(ids)
        yield case.seen("logits", case.call(), before)
    case = case.other(ids[:1, :2])
    with second_call("with other sizes and without a mask"):
        yield case.seen("logits", case.call(), "The output of a model that was used before, for longer texts,")


def look_elsewhere(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """Tensors that are made on the way are made where the inputs are. What a used model keeps would stay behind."""
    case = Case(subject, draw, b=2, **settings)
    yield from seen_elsewhere(subject, case.model, case.token_ids, named={"mask": case.mask})


MASKED: dict[str, Any] = {"padding": 1}
DOUBLE: dict[str, Any] = {"padding": 1, "dtype": torch.float64}


def _stage(right: str, stage: str, draws: str = "", **settings: Any) -> Step:
    simpler: list[tuple[str, dict[str, Any]]] = [("without a mask", {"padding": None})] if "padding" in settings else []
    if settings.get("dtype") == torch.float64:
        simpler.append(("in float32, but not in float64", {"dtype": torch.float32}))
    return Step(right, look_at, {"stage": stage, **settings}, tuple(simpler), draws=draws)


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
        Step("eval mode", look_at_eval, draws="no mask"),
        _stage("words and positions", "input", "no mask"),
        _stage("the blocks", "blocks", "no mask"),
        _stage("the mean", "pooled", "no mask"),
        _stage("the logits", "logits", "no mask"),
        _stage("the blocks with a mask", "blocks", "a mask", **MASKED),
        _stage("the mean with a mask", "pooled", "a mask", **MASKED),
        _stage("the logits with a mask", "logits", "a mask", **MASKED),
        _stage("sizes of 1", "logits", padding=1, b=1, c=1),
        _stage("sizes of 1", "logits", padding=0, t=1, h=1),
        Step("using a model twice", look_twice),
        Step("padding", look_at_padding, MASKED, draws="a mask"),
        Step("padding", look_at_mixed, MASKED, draws="a mask"),
        Step("a text without words", look_at_empty, MASKED, draws="a mask"),
        Step("long texts", look_at_long),
        Step("texts that are too long", look_at_longest, draws="no mask"),
        _stage("float64", "logits", "float64", **DOUBLE),
        Step("the gradients", look_at_gradients, DOUBLE, draws="float64"),
        Step("train mode", look_at_training, MASKED, draws="a mask"),
        Step("another device", look_elsewhere, MASKED),
        Step(
            "dropout",
            look_at_randomness,
            remark="with dropout=0.6, two calls in train mode give the same: `dropout` has no effect. Hand it on.",
        ),
        Step(
            "dropout",
            look_at_dropout,
            remark="with dropout=0, two calls in train mode still differ. Hand `dropout` on to every layer that drops.",
        ),
    ),
    telling="the logits with a mask",
    misconceptions=MISCONCEPTIONS,
)
