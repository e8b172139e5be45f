"""Exercise 6b, the decoder block: what the check looks at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import PADDING, PER_HEAD, PER_QUERY, ROWS, TABLE, Draw
from helpers.checks.engine.run import Exercise, Step, simpler_cases
from helpers.checks.engine.seen import Seen, same
from helpers.checks.engine.trouble import Trouble
from helpers.checks.exercises.decoder_case import Block, make_case
from helpers.checks.exercises.decoder_dropout import seen_decoder_dropout
from helpers.checks.exercises.mistakes_6b import MISCONCEPTIONS
from helpers.checks.looks.devices import seen_elsewhere
from helpers.checks.looks.dropout import (
    in_train_mode,
    seen_default_dropout,
    seen_in_train_mode,
    seen_without_dropout,
)
from helpers.checks.looks.gradients import seen_gradients
from helpers.checks.looks.numerical_gradients import seen_other_gradients
from helpers.checks.looks.used_before import overwrite, second_call


def look_at_output(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """The output for random weights and inputs; `settings` are those of `make_case`."""
    what = "In float64, the output" if settings.get("dtype") == torch.float64 else "The output"
    yield make_case(subject, draw, **settings).seen(what)


def look_at_empty_rows(subject: Subject, draw: Draw, memory: bool = True) -> Iterator[Seen]:
    """A text, or a memory, that is nothing but padding."""
    masks = {"memory_mask": PADDING} if memory else {"mask": PADDING}
    case = make_case(subject, draw, **masks)  # type: ignore[arg-type]
    mask = case.memory_mask if memory else case.mask
    assert mask is not None
    mask[-1] = False
    yield case.seen("Where a word may attend to nothing, the output")


def look_at_gradients(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """The gradients of the input, of the memory, and of all weights."""
    case = make_case(subject, draw, dtype=torch.float64, mask=PADDING, memory_mask=PADDING)
    case.x.requires_grad_()
    case.memory.requires_grad_()
    output = case.call()
    yield case.seen("The output", output)
    leaves: dict[str, torch.Tensor] = {"x": case.x, "memory": case.memory, **case.fitted.parameters}
    exact = {"x": case.x.detach().double(), "memory": case.memory.detach().double(), **case.fitted.weights}

    def torchs(leaves: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return case.expected(leaves, leaves["x"], leaves["memory"])

    axes = {"x": ("b", "t", "k"), "memory": ("b", "tk", "k")}
    yield from seen_gradients(subject, draw, output, leaves, torchs, exact, axes, case.sizes, case.words)
    yield from seen_other_gradients(subject, draw, case.layer, case.call, case.fitted.parameters.values())


def look_at_eval(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """No dropout in eval mode."""
    case = make_case(subject, draw, dropout=P)
    first, second = case.call(), case.call()
    yield seen_without_dropout(first, second)
    yield case.seen(f"The output in eval mode with dropout={P}", first)


def look_at_training(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """With dropout=0 none in train mode either."""
    yield make_case(subject, draw, **settings).seen_in_train_mode("The output in train mode with dropout=0")


def look_at_dropout(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Train mode is random; where dropout falls is left open."""
    yield seen_in_train_mode(make_case(subject, draw, dropout=P, b=4, t=8), P)


def look_at_default_dropout(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Where nothing else is said, dropout is 0.1."""
    yield from seen_default_dropout(
        subject, lambda dropout: make_case(subject, draw, hidden=False, dropout=dropout, b=4, t=8)
    )


def look_at_places_of_dropout(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Dropout falls on the attentions' weights and on what attentions and MLP return, as the lesson's text has it.

    With texts of one word, and a memory of one, there are few numbers to drop.
    """
    case = make_case(subject, draw, dropout=PLACES_P, dtype=torch.float64, b=14, t=1, tk=1, h=1, m=3, more=1)
    with in_train_mode(case.layer):
        output = case.call()
    yield seen_decoder_dropout(output[:, 0], case, PLACES_P)


def look_at_defaults(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Nothing said but the two sizes."""
    case = make_case(subject, draw, hidden=False, dropout=None)
    yield case.seen("For a block made with embed_dim and num_heads alone, the output")


def look_twice(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A block that has been used keeps nothing: neither of other sizes, nor of other numbers of the same sizes."""
    case = make_case(subject, draw, mask=PADDING, memory_mask=PADDING)
    assert case.mask is not None
    assert case.memory_mask is not None
    case.call()
    for in_place in (False, True):
        others = [draw.normal(*case.x.shape), draw.normal(*case.memory.shape)]
        others += [case.mask.roll(1, 0), case.memory_mask.roll(1, 0)]
        if in_place:
            overwrite(case.x, case.memory, case.mask, case.memory_mask, by=others)
        else:
            case.x, case.memory, case.mask, case.memory_mask = others
        with second_call("with other numbers"):
            what = "The output of a block that was used before, for other tensors of the same sizes,"
            yield replace(case.seen(what), alone=None)
    case.x, case.has_memory, case.mask, case.memory_mask = draw.normal(5, 9, case.sizes["k"]), False, None, None
    case.words, case.sizes = "", case.sizes | {"b": 5, "t": 9}
    with second_call():
        what = "The output of a block that was used before, with masks, a memory and other sizes,"
        yield replace(case.seen(what), alone=None)


def look_at_order(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """By place, the arguments are (x, memory, mask, memory_mask)."""
    case = make_case(subject, draw, mask=PADDING, memory_mask=PADDING)
    told = {
        "order": "Handed over by place, as in `block(x, memory, mask, memory_mask)`, the arguments of `forward` are "
        "taken for each other."
    }
    wanted = case.call()
    try:
        came = subject.tensor(case.layer, case.x, case.memory, case.mask, case.memory_mask)
    except Trouble as trouble:
        if trouble.key[0] != "raised":
            raise
        came = torch.zeros(())
    yield Seen("The order of the arguments", {"order": same(came, wanted)}, lambda: {"order": True}, told=told)


def look_at_names(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """What is called as in the lesson is what it is there: functions further down read these parts by name."""
    misnamed = subject.shared(Block, draw).misnamed
    names = " and ".join(f"`{name}`" for name in misnamed)
    told = (
        f"{names}: in the text of the exercise other parts are called so. The block computes the same, but what stands "
        "further down in the lesson reads its parts by name."
    )
    yield Seen("The names", {"right": not misnamed}, lambda: {"right": True}, remarks={"right": told})


def look_elsewhere(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Tensors that are made on the way, such as the causal mask, are made where the inputs are."""
    case = make_case(subject, draw, mask=PADDING, memory_mask=PADDING)
    named = {"memory": case.memory, "mask": case.mask, "memory_mask": case.memory_mask}
    yield from seen_elsewhere(subject, case.layer, case.x, named=named)


SIMPLER: tuple[tuple[str, dict[str, Any]], ...] = (
    ("without a mask", {"mask": None, "memory_mask": None}),
    ("without a memory", {"memory": False, "memory_mask": None}),
    ("for one head, and wrong for several", {"h": 1, "m": 6}),
    ("for a batch of one, and wrong for several", {"b": 1}),
    ("in float32, but not in float64", {"dtype": torch.float32}),
    ("for tensors that have no axis of size 1", {"ones": ""}),
    ("for shorter inputs", {"long": False}),
)
_USUAL: dict[str, Any] = {
    "memory": True, "mask": None, "memory_mask": None, "h": None, "m": None, "b": None, "dtype": torch.float32,
    "ones": "", "long": False,
}  # fmt: skip


def _output(right: str, draws: str = "a block", **settings: Any) -> Step:
    return Step(right, look_at_output, settings, simpler_cases(settings, _USUAL, SIMPLER), draws=draws)


BOTH: dict[str, Any] = {"mask": PADDING, "memory_mask": PADDING}
P, PLACES_P = 0.7, 0.5
OTHER_PLACES = (
    "dropout is applied in other places than in the text of the exercise, where `self.dropout` goes around what both "
    "attentions and the MLP return."
)
LEFT_ON_CPU = "on a GPU it would stop: the causal mask stays behind on the CPU. `.to(x.device)` takes it along."
EXERCISE = Exercise(
    id="6b",
    title="the decoder block",
    passed="Causal attention, attention to the memory, MLP, masks and gradients agree with torch's own layer; dropout "
    "is on in train mode only.",
    hints=(
        "Three parts of one shape: something is computed from x, it is added to x, and the sum is normed. The block of "
        "exercise 4 has two such lines; the one for the memory stands between them.",
        "In the first line keys and values come from x, and the causal mask goes along; where there is a `mask` too, "
        "`&` joins the two. In the second, `context=memory` brings other keys and values, with their own mask.",
    ),
    steps=(
        _output("the text so far", memory=False),
        _output("the memory"),
        *(_output("masks", memory=False, mask=mask) for mask in (PADDING, PER_QUERY, PER_HEAD)),
        *(_output("memory masks", memory_mask=mask) for mask in (PADDING, PER_QUERY, PER_HEAD)),
        _output("both masks", "another block", **BOTH),
        _output("masks", "another block", mask=ROWS, memory_mask=TABLE),
        _output("masks", "another block", mask=TABLE),
        _output("sizes of 1", ones="b t"),
        _output("sizes of 1", ones="tk"),
        _output("sizes of 1", ones="t", memory_mask=PADDING),
        _output("sizes of 1", ones="m"),
        _output("sizes of 1", ones="h"),
        _output("a memory as long as the text", "another block", mask=PADDING, memory_mask=PADDING, t=5, tk=5),
        _output("long inputs", long=True, b=2, h=2, m=3),
        _output("float64", "a block in float64", dtype=torch.float64, mask=PER_QUERY, memory_mask=PADDING),
        Step("the gradients", look_at_gradients, draws="a block in float64"),
        Step("rows without any key", look_at_empty_rows, {"memory": False}, draws="another block"),
        Step("rows without any key", look_at_empty_rows, draws="another block"),
        Step("using a block twice", look_twice),
        Step("eval mode", look_at_eval, draws="a block with dropout"),
        Step("train mode without dropout", look_at_training, draws="another block"),
        Step("train mode without dropout", look_at_training, BOTH, draws="another block"),
        Step("dropout", look_at_dropout, draws="a block with dropout"),
        Step("the defaults", look_at_defaults, draws="the defaults"),
        Step("the defaults", look_at_default_dropout, draws="the defaults"),
        Step("the places of dropout", look_at_places_of_dropout, remark=OTHER_PLACES),
        Step("the order of the arguments", look_at_order, draws="another block"),
        Step("other devices", look_elsewhere, remark=LEFT_ON_CPU),
        Step("names", look_at_names, remark="its parts have each other's names.", draws="a block"),
    ),
    telling="both masks",
    misconceptions=MISCONCEPTIONS,
)
