"""Exercise 3, self-attention with several heads: what the check looks at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import torch

from helpers.checks.attention_case import NAN_GRADIENT
from helpers.checks.draw import CAUSAL, PADDING, PER_HEAD, PER_QUERY, Draw
from helpers.checks.dropout import seen_without_dropout
from helpers.checks.engine import Exercise, Step, simpler_cases
from helpers.checks.gradients import seen_gradients
from helpers.checks.mistakes_3 import MISCONCEPTIONS
from helpers.checks.parts import remembered
from helpers.checks.seen import Seen
from helpers.checks.self_attention_case import Case, expected_output, fit_attention, run_layer
from helpers.checks.subject import Subject
from helpers.checks.trouble import Trouble


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


def look_at_error(subject: Subject, draw: Draw, message: bool = False) -> Iterator[Seen]:
    """An embed_dim that does not divide by num_heads; and whether the error's message names both."""
    h = draw.random.randrange(3, 7)
    k = h * draw.random.randrange(2, 5) + draw.random.randrange(1, h)
    raises = False
    try:
        subject.make(k, h)
    except Trouble as trouble:
        if trouble.key[0] != "raised":
            raise
        raises = not message or all(re.search(rf"\b{number}\b", str(trouble.key[-1])) for number in (k, h))
    told = {"an error": f"{subject.name}({k}, {h}) should raise an error that names {k} and {h}: it does not divide."}
    yield Seen("The width of a head", {"an error": raises}, lambda: {"an error": True}, told=told)


def look_at_empty_rows(subject: Subject, draw: Draw, mask: str, gradients: bool = False) -> Iterator[Seen]:
    """Where a word may attend to nothing, only unify_heads' bias is left."""
    case = Case(subject, draw, mask=mask, dtype=torch.float64)
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


def look_at_dropout(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Train mode is random, and the more so the larger `dropout` is; where it falls is left to the attention."""
    case = Case(subject, draw, dropout=0.9, h=3, b=4, t=8)
    clean = case.expected()
    case.layer.train()
    first, second = (case.call().detach().cpu().double() for _ in range(2))
    bias = case.fitted.weights.get("unify_heads.bias", torch.zeros(()))
    # The variance that dropout adds is p / (1 - p) times the square of what it falls on: 9 here, 0.1 for p = 0.1.
    added = (first - clean).square().mean() / (clean - bias).square().mean()
    facts = {"random": not torch.equal(first, second), "as much as it says": bool(added > 1)}
    told = {
        "random": "Two calls with the same input give the same output although dropout=0.9: nothing is dropped.",
        "as much as it says": "With dropout=0.9 nearly everything should be dropped; far less is.",
    }
    yield Seen("Dropout in train mode", facts, lambda: dict.fromkeys(facts, True), told=told)


def look_twice(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A layer that has been used, with a mask, a context and other sizes, keeps nothing of it."""
    case = Case(subject, draw, mask=PADDING, context=True)
    case.call()
    case.x, case.mask, case.context, case.words = case.draw.normal(5, 9, case.sizes["k"]), None, None, ""
    case.sizes = case.sizes | {"b": 5, "t": 9}
    yield case.seen("The output of a layer that was used before, with other sizes, a mask and a context,")


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


ERROR_MESSAGE = "the error for an embed_dim that does not divide could name both numbers, embed_dim and num_heads."
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
        _output("head_dim", heads="wide"),
        _output("head_dim", heads="own", bias=True),
        Step("the error for a remainder", look_at_error),
        Step("the error for a remainder", look_at_error, {"message": True}, remark=ERROR_MESSAGE),
        _output("context", context=True),
        *(_output("masks", mask=mask) for mask in (PADDING, CAUSAL, PER_QUERY, PER_HEAD)),
        *(_output("masks with a context", mask=mask, context=True) for mask in (PADDING, CAUSAL, PER_HEAD)),
        _output("sizes of 1", ones="b t"),
        _output("sizes of 1", ones="m tk", context=True),
        _output("long inputs", long=True, context=True),
        _output("float64", dtype=torch.float64, mask=PER_QUERY, bias=True, context=True),
        Step("the gradients", look_at_gradients),
        Step("the gradients", look_at_gradients, {"bias": True, "mask": PER_QUERY, "context": True}),
        Step("rows without any key", look_at_empty_rows, {"mask": PADDING}),
        Step("rows without any key", look_at_empty_rows, {"mask": PER_HEAD}),
        Step("rows without any key", look_at_empty_rows, {"mask": PADDING, "gradients": True}, remark=NAN_GRADIENT),
        Step("eval mode", look_at_eval),
        Step("eval mode", look_at_eval, {"mask": PER_QUERY, "context": True}),
        Step("train mode without dropout", look_at_training),
        Step("train mode without dropout", look_at_training, {"mask": PER_QUERY, "context": True}),
        Step("dropout", look_at_dropout),
        Step("the default of 8 heads", look_at_defaults),
        Step("using a layer twice", look_twice),
    ),
    telling="several heads",
    misconceptions=MISCONCEPTIONS,
)
