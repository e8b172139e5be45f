"""Exercise 9, how probable each option is: what the check looks at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.run import Exercise, Step
from helpers.checks.engine.seen import Seen
from helpers.checks.exercises.masked_case import Case, state
from helpers.checks.exercises.mistakes_9 import MISCONCEPTIONS


def look_at(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """The probabilities of a sentence's options; `settings` are those of `Case`."""
    case = Case(subject, draw, **settings)
    yield case.seen()
    if settings.get("rare"):
        yield case.seen_alone()


def look_at_modes(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A model in training mode is asked without dropout, and is in training mode afterwards; so are its weights."""
    case = Case(subject, draw, (2, 1), training=True)
    case.model.cls.eval()  # a part of it may be in another mode
    weights, modes = state(case.model)
    yield case.seen("What comes from a model that is handed over in training mode")
    weights_after, modes_after = state(case.model)
    # Which other modes these are tells one mistake from another.
    left = modes == modes_after or ("all in eval mode" if not any(modes_after) else "others")
    facts = {"the weights": weights == weights_after, "the modes": left}
    moved = "It was handed over in training mode, and it is in another mode afterwards"
    if any(after and not before for before, after in zip(modes, modes_after, strict=True)):
        moved = "Some of its parts were in eval mode before, and are in training mode now"
    told = {
        "the weights": "Its weights or their gradients have changed: a question should leave no trace.",
        "the modes": f"{moved}: put each part back into the mode that it was in, as `with in_eval_mode(model):` does.",
    }
    yield Seen("What is left of the model", facts, lambda: dict.fromkeys(told, True), told=told)


def look_twice(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A second question is answered as if it were the first; a step before has asked it of other weights."""
    case = Case(subject, draw, (2, 1), trained_on=True)
    yield case.seen("What comes for a text that was asked about before, of a model with other weights,")
    yield case.seen("What comes when the same question is asked again")


def look_at_errors(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """What cannot be answered is refused, as `parse_options` refuses it."""
    case = Case(subject, draw, (1, 1))
    facts: dict[str, str] = {}
    for name, text in (
        ("no options", case.text.replace("/", " ")),
        ("two groups", f"{case.text} a/the"),
        ("an empty option", case.text.replace("/", "//")),
    ):
        came = subject.call(lambda text=text: _outcome(subject.answer, text, case), name=subject.name)
        facts[name] = "ValueError" if isinstance(came, ValueError) else type(came).__name__
    told = {
        name: f"A text with {name} should raise a ValueError, as `parse_options` does; here comes {kind}."
        for name, kind in facts.items()
    }
    yield Seen("What comes of a question without sense", facts, lambda: dict.fromkeys(told, "ValueError"), told=told)


def _ask(subject: Subject, draw: Draw) -> dict[str, bool]:
    """What else is to be seen in one answer: that its numbers are plain, and how the model was called for them."""
    case = Case(subject, draw, (2, 1))
    kept = []
    hook = case.model.register_forward_hook(lambda *_: kept.append(torch.is_grad_enabled()))
    try:
        values = case.call().values()
    finally:
        hook.remove()
    return {"plain": not any(isinstance(value, torch.Tensor) for value in values), "without gradients": not any(kept)}


def look_at_habits(subject: Subject, draw: Draw, which: str) -> Iterator[Seen]:
    """One of the things that a good answer does, and a right one may leave undone."""
    fact = {which: subject.shared(_ask, draw)[which]}
    yield Seen("The values" if which == "plain" else "The calls of the model", fact, lambda: {which: True})


def _outcome(answer: Any, text: str, case: Case) -> Any:
    try:
        return answer(text, case.model, case.tokenizer)
    except Exception as error:
        return error


_SIMPLER = (("for options of one piece", {"pieces": (1, 1)}),)

EXERCISE = Exercise(
    id="9",
    title="how probable each option is",
    passed="Options of one piece and of several are right, wherever they stand, and the model is left as it was.",
    hints=(
        "`tokenizer.mask_token` is the text `[MASK]`. An option of three pieces needs three of them, with spaces "
        "between: `[MASK] [MASK] [MASK]`. How do you repeat a word in Python, and how do you join a list?",
        "Softmax turns the logits (vocab,) into a probability for each piece of the vocabulary; `piece` is a place in "
        "that list. Probabilities of one thing *and then* another are multiplied. And before the next piece is asked "
        "for, the model has to see this one: it belongs into `token_ids`, where the mask was.",
    ),
    steps=(
        Step("options of one piece", look_at, {"pieces": (1, 1)}, draws="one piece"),
        Step("options of several pieces", look_at, {"pieces": (1, 2, 3)}, _SIMPLER),
        Step("a mark after the options", look_at, {"pieces": (2, 2), "mark": ".", "after": 0}),
        Step("options that come first", look_at, {"pieces": (2, 1), "before": 0, "mark": ",", "capitals": True}),
        Step("options that come last", look_at, {"pieces": (2, 1), "after": 0, "rare": True}),
        Step("a model in training mode", look_at_modes, draws="asked again"),
        Step("asking twice", look_twice, draws="asked again"),
        Step("what cannot be asked", look_at_errors, draws="one piece"),
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
    misconceptions=MISCONCEPTIONS,
)
