"""Exercise 3, self-attention with several heads: what the check looks at."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import CAUSAL, PADDING, PER_HEAD, PER_QUERY, Draw
from helpers.checks.engine.run import Exercise, Step, simpler_cases
from helpers.checks.engine.seen import Seen, same
from helpers.checks.engine.trouble import Trouble
from helpers.checks.exercises.attention_case import NAN_GRADIENT
from helpers.checks.exercises.mistakes_3 import MISCONCEPTIONS
from helpers.checks.exercises.parts import remembered
from helpers.checks.exercises.self_attention_case import (
    Case,
    attention_by_parts,
    expected_output,
    fit_attention,
    run_layer,
)
from helpers.checks.looks.devices import seen_elsewhere
from helpers.checks.looks.dropout import seen_with_dropout, seen_without_dropout
from helpers.checks.looks.gradients import seen_gradients
from helpers.checks.looks.numerical_gradients import seen_other_gradients
from helpers.checks.looks.strides import NOT_CONTIGUOUS, seen_scattered
from helpers.checks.looks.used_before import overwrite, second_call
from helpers.checks.looks.where_dropout import all_kept, seen_dropout


def look_at_output(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """The output for random weights and inputs; `settings` are those of `Case`."""
    what = "In float64, the output" if settings.get("dtype") == torch.float64 else "The output"
    yield Case(subject, draw, **settings).seen(what)


def look_at_defaults(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Eight heads where nothing else is said."""
    b, t, m = draw.sizes("b t m", 2, 5).values()
    sizes = {"b": b, "t": t, "h": 8, "k": 8 * m, "d": m, "h·d": 8 * m}
    layer = subject.make(8 * m)
    fitted = remembered(subject, draw, "defaults", fit_attention(subject, draw, layer, sizes, bias=False))
    x = draw.normal(b, t, 8 * m)
    output = run_layer(subject, layer, x)
    what = f"The output of {subject.name}({8 * m}), which has 8 heads,"
    yield Seen(what, output, lambda: expected_output(fitted.weights, 8, x.double()), ("b", "t", "k"), sizes)


def look_at_error(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """An embed_dim that does not divide by num_heads is refused, in words that name both."""
    h = draw.random.randrange(3, 7)
    k = h * draw.random.choice([width for width in (2, 3, 4) if width != h]) + draw.random.randrange(1, h)
    facts = {"an error": False, "both named": False}
    try:
        subject.make(k, h)
    except Trouble as trouble:
        if trouble.key[0] != "raised":
            raise
        message = str(trouble.key[-1])
        by_number = all(re.search(rf"\b{number}\b", message) for number in (k, h))
        facts = {"an error": True, "both named": by_number or all(n in message for n in ("embed_dim", "num_heads"))}
    made = f"{subject.name}({k}, {h})"
    told = {
        "an error": f"{made} should raise an error that names {k} and {h}: it does not divide.",
        "both named": f"The error of {made} should name both embed_dim, {k}, and num_heads, {h}.",
    }
    yield Seen("The width of a head", facts, lambda: dict.fromkeys(facts, True), told=told)


def look_at_own_width(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """With a head_dim, nothing has to divide."""
    b, t, h, d = draw.sizes("b t h d", 2, 6).values()
    k = h * 3 + draw.random.randrange(1, h)
    sizes = {"b": b, "t": t, "h": h, "k": k, "d": d, "h·d": h * d}
    try:
        layer = subject.make(k, h, head_dim=d, dropout=0.0, bias=True)
    except Trouble as trouble:
        if trouble.key[0] != "raised":
            raise
        sentence = f"With head_dim={d} nothing has to divide, and {subject.name}({k}, {h}, {d}) should pass."
        raise Trouble(f"{sentence} {trouble.sentence}", "refused", trouble.key[1]) from None
    fitted = remembered(subject, draw, "own", fit_attention(subject, draw, layer, sizes, bias=True))
    x = draw.normal(b, t, k)
    what = f"The output of {subject.name}({k}, {h}, head_dim={d}, bias=True)"
    expected = functools.partial(expected_output, fitted.weights, h, x.double())
    yield Seen(what, run_layer(subject, layer, x), expected, ("b", "t", "k"), sizes)


def look_at_empty_rows(subject: Subject, draw: Draw, mask: str, gradients: bool = False) -> Iterator[Seen]:
    """Where a word may attend to nothing, in x or in the context, only unify_heads' bias is left."""
    case = Case(subject, draw, mask=mask, context=mask == PER_HEAD, dtype=torch.float64)
    assert case.mask is not None
    case.mask[-1 if mask == PADDING else (-1, 0, -1)] = False
    seen = _with_gradients(case, " where a word may attend to nothing,")
    yield from seen if gradients else islice(seen, 1)


def look_at_gradients(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """The gradients of the input, the context and all weights."""
    yield from _with_gradients(Case(subject, draw, dtype=torch.float64, **settings), "")


def _with_gradients(case: Case, when: str) -> Iterator[Seen]:
    inputs = {"x": case.x} | ({} if case.context is None else {"the context": case.context})
    for leaf in inputs.values():
        leaf.requires_grad_()
    output = case.call()
    yield case.seen(f"The output{when}", output)
    exact = case.fitted.weights | {name: leaf.detach().double() for name, leaf in inputs.items()}
    leaves = {**inputs, **case.fitted.parameters}

    def torchs(leaves: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return expected_output(leaves, case.sizes["h"], leaves["x"], case.mask, leaves.get("the context"))

    axes = {"x": ("b", "t", "k"), "the context": ("b", "tk", "k")}
    yield from seen_gradients(
        case.subject, case.draw, output, leaves, torchs, exact, axes, case.sizes, when + case.words
    )
    yield from seen_other_gradients(case.subject, case.draw, case.layer, case.call, case.fitted.parameters.values())


def look_at_eval(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """No dropout in eval mode."""
    case = Case(subject, draw, dropout=0.6, **settings)
    first, second = case.call(), case.call()
    yield seen_without_dropout(first, second)
    yield case.seen("The output in eval mode with dropout=0.6", first)


def look_at_training(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """With dropout=0 none in train mode either."""
    case = Case(subject, draw, **settings)
    case.layer.train()
    yield case.seen("The output in train mode with dropout=0")


def look_at_dropout(subject: Subject, draw: Draw, dropout: float | None = 0.4) -> Iterator[Seen]:
    """Dropout falls on the attention's weights, one by one, and on nothing else; None: as often as by default."""
    case = Case(subject, draw, context=True, dropout=dropout, dtype=torch.float64, b=6, t=8, tk=3, h=2, m=3)
    case.layer.train()
    p = 0.1 if dropout is None else dropout
    first, second = case.call(), case.call()
    yield seen_with_dropout(first, second, dropout)
    if first.shape != case.x.shape:
        yield case.seen("The output in train mode", first)
        return
    kept = all_kept(6).reshape(-1, 2, 3)  # of two heads, three weights each
    weights, values = attention_by_parts(case.fitted.weights, 2, case.x, case.context)
    attended = torch.einsum("bhtj,whj,bhjd->btwhd", weights, kept / (1 - p), values).flatten(-2).flatten(0, 1)
    ways = F.linear(attended, case.fitted.weights["unify_heads.weight"], case.fitted.weights.get("unify_heads.bias"))
    name = "the attention's weights"
    told = {name: "The attention's weights are never dropped."}
    what = "Dropout in train mode" + (
        " for a layer made without `dropout`, which is 0.1 then" if dropout is None else ""
    )
    yield seen_dropout(first.flatten(0, 1), ways, {name: kept.flatten(1)}, p, told, what)


def look_twice(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A layer that has been used keeps nothing: neither of other sizes, nor of other numbers of the same sizes."""
    case = Case(subject, draw, mask=PADDING, context=True)
    assert case.mask is not None
    assert case.context is not None
    what = "The output of a layer that was used before, for other tensors of the same sizes,"
    case.call()
    for in_place in (False, True):
        others = [draw.normal(*case.x.shape), case.mask.roll(1, 0), draw.normal(*case.context.shape)]
        if in_place:
            overwrite(case.x, case.mask, case.context, by=others)
        else:
            case.x, case.mask, case.context = others
        with second_call("with other numbers"):
            yield replace(case.seen(what), alone=None)
    case.refit()
    with second_call("with other weights"):
        yield replace(case.seen("The output of a layer that was used before, with other weights since,"), alone=None)
    case.x, case.mask, case.context, case.words = draw.normal(5, 9, case.sizes["k"]), None, None, ""
    case.sizes = case.sizes | {"b": 5, "t": 9}
    with second_call():
        what = "The output of a layer that was used before, with other sizes, a mask and a context,"
        yield replace(case.seen(what), alone=None)


def look_at_order(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """By place, the arguments are (x, mask, context)."""
    case = Case(subject, draw, mask=PADDING, context=True)
    told = {
        "order": "Handed over by place, as in `layer(x, mask, context)`, the arguments of `forward` are taken for each "
        "other: `mask` comes second, `context` third."
    }
    wanted = case.call()
    try:
        came = subject.tensor(case.layer, case.x, case.mask, case.context)
    except Trouble as trouble:
        if trouble.key[0] != "raised":
            raise
        came = torch.zeros(())
    yield Seen("The order of the arguments", {"order": same(came, wanted)}, lambda: {"order": True}, told=told)


def look_at_scattered(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Inputs that are not contiguous."""
    case = Case(subject, draw, mask=PER_QUERY)
    yield seen_scattered(subject, case.layer, case.x, case.mask)


def look_elsewhere(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Tensors that are made on the way are made where the inputs are."""
    case = Case(subject, draw, mask=PER_QUERY, context=True)
    yield from seen_elsewhere(subject, case.layer, case.x, named={"mask": case.mask, "context": case.context})


SIMPLER: tuple[tuple[str, dict[str, Any]], ...] = (
    ("without a mask", {"mask": None}),
    ("without a context", {"context": False}),
    ("without bias", {"bias": False}),
    ("for heads of the usual width", {"heads": "usual"}),
    ("for one head, and wrong for several", {"h": 1}),
    ("for a batch of one, and wrong for several", {"b": 1}),
    ("in float32, but not in float64", {"dtype": torch.float32}),
    ("for tensors that have no axis of size 1", {"ones": ""}),
    ("for shorter inputs", {"long": False}),
)
_USUAL: dict[str, Any] = {
    "mask": None, "context": False, "bias": False, "heads": "usual", "h": None, "b": None,
    "dtype": torch.float32, "ones": "", "long": False,
}  # fmt: skip


def _output(right: str, **settings: Any) -> Step:
    return Step(right, look_at_output, settings, simpler_cases(settings, _USUAL, SIMPLER))


EXERCISE = Exercise(
    id="3",
    title="self-attention with several heads",
    passed="Projections, heads, masks, context, gradients and dropout agree with torch's own layers.",
    hints=(
        "`to_queries(x)` is (b, t, h * d): all heads side by side, one head after the other. Which shape does the "
        "attention of exercise 2 want, and which one call of `view` or `reshape` leads there?",
        "Go through the four layers one by one: what does each read, x, the context or the joined heads? How wide is "
        "what comes in, how wide what goes out, in terms of embed_dim, num_heads and head_dim?",
    ),
    steps=(
        _output("one head", h=1),
        _output("several heads"),
        _output("bias", bias=True),
        _output("head_dim", heads="own", bias=True),
        _output("head_dim", heads="wide"),
        Step("the error for a remainder", look_at_error),
        Step("head_dim", look_at_own_width),
        _output("context", context=True),
        *(_output("masks", mask=mask) for mask in (PADDING, CAUSAL, PER_QUERY, PER_HEAD)),
        *(_output("masks with a context", mask=mask, context=True) for mask in (PADDING, CAUSAL, PER_HEAD)),
        _output("head_dim", heads="own", mask=PER_QUERY, context=True),
        _output("masks with a context", mask=PADDING, context=True, t=5, tk=5),
        Step("the order of the arguments", look_at_order),
        _output("masks", mask=PADDING, context=True, ones="t"),
        _output("masks", mask=PER_QUERY, ones="b h"),
        _output("sizes of 1", ones="b t"),
        _output("sizes of 1", ones="m tk", context=True),
        _output("long inputs", long=True, context=True),
        _output("float64", dtype=torch.float64, mask=PER_QUERY, bias=True, context=True),
        Step("the gradients", look_at_gradients),
        Step("the gradients", look_at_gradients, {"bias": True, "mask": PER_QUERY, "context": True}),
        Step("rows without any key", look_at_empty_rows, {"mask": PADDING}),
        Step("rows without any key", look_at_empty_rows, {"mask": PER_HEAD}),
        Step("rows without any key", look_at_empty_rows, {"mask": PADDING, "gradients": True}, remark=NAN_GRADIENT),
        Step("using a layer twice", look_twice),
        Step("eval mode", look_at_eval),
        Step("eval mode", look_at_eval, {"mask": PER_QUERY, "context": True}),
        Step("train mode without dropout", look_at_training),
        Step("train mode without dropout", look_at_training, {"mask": PER_QUERY, "context": True}),
        Step("dropout", look_at_dropout),
        Step("the defaults", look_at_defaults),
        Step("the defaults", look_at_dropout, {"dropout": None}),
        Step("other devices", look_elsewhere),
        Step("inputs that are not contiguous", look_at_scattered, remark=NOT_CONTIGUOUS),
    ),
    telling="several heads",
    misconceptions=MISCONCEPTIONS,
)
