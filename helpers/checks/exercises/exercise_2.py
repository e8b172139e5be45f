"""Exercise 2, scaled dot-product attention: what the check looks at."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import torch

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import CAUSAL, PADDING, PER_HEAD, PER_QUERY, SHARED, Draw
from helpers.checks.engine.run import Exercise, Step, simpler_cases
from helpers.checks.engine.seen import Seen, close, same
from helpers.checks.exercises.attention_case import (
    CHECK_ANSWER,
    CHECK_TENSORS,
    MASK_WORDS,
    NAN_GRADIENT,
    draw_case,
    expected_output,
)
from helpers.checks.exercises.mistakes_2 import MISCONCEPTIONS
from helpers.checks.exercises.parts import randomize
from helpers.checks.looks.devices import seen_elsewhere
from helpers.checks.looks.dropout import dropout_facts, dropout_told, seen_unasked_dropout, seen_without_dropout
from helpers.checks.looks.gradients import seen_gradients
from helpers.checks.looks.strides import NOT_CONTIGUOUS, seen_scattered
from helpers.checks.looks.used_before import overwrite, second_call


def look_at_scores(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """The scores; dividing by the root of d may as well be left to `forward`. Without the method, `forward` decides."""
    calculate_score: Any = getattr(subject.make(0.0), "calculate_score", None)
    if calculate_score is None:
        return
    sizes = draw.sizes("b·h tq tk d", 2, 8)
    n, tq, tk, d = sizes.values()
    queries, keys = draw.normal(n, tq, d), draw.normal(n, tk, d)
    products = queries.double() @ keys.double().transpose(1, 2)
    scores = subject.tensor(calculate_score, queries, keys, name="calculate_score")
    if scores.dtype == queries.dtype and same(scores, products):
        return  # whether they are scaled is still to be seen, so they are not called right
    axes = ("b·h", "tq", "tk")
    yield Seen("What `calculate_score` gives", scores, lambda: products / d**0.5, axes, sizes, dtype=queries.dtype)


def look_at_weights(subject: Subject, draw: Draw, mask: str | None = None, **fixed: int) -> Iterator[Seen]:
    """The weights of one head, seen through values that are the identity, with zeros behind it: tk and d differ."""
    sizes = draw.sizes("b tq tk more", 2, 8) | fixed
    b, tq, tk, d = sizes["b"], sizes["tq"], sizes["tk"], sizes["tk"] + sizes["more"]
    queries, keys = draw.normal(b, tq, 1, d), draw.normal(b, tk, 1, d)
    values = torch.eye(tk, d).expand(b, tk, d)[:, :, None].contiguous()
    where = None if mask is None else draw.mask(mask, b, 1, tq, tk)
    layer = subject.make(0.0)

    def call(*tensors: torch.Tensor | None) -> torch.Tensor:
        output = subject.tensor(layer, *(x for x in tensors if x is not None))
        return output[..., :tk] if output.shape[-1:] == (d,) and not output[..., tk:].any() else output

    got = call(queries, keys, values, where)
    yield Seen(
        "The weight matrix of one head (the output for values that are the identity)" + MASK_WORDS[mask],
        got,
        lambda: expected_output(queries, keys, values, where)[..., : tk if got.shape[-1:] == (tk,) else d],
        ("b", "tq", "tk"),
        {"b": b, "tq": tq, "tk": tk, "d": d},
        dtype=queries.dtype,
        shares=True,
        clue=lambda got: "" if where is None else _forbidden(got, where),
        alone=lambda: call(queries[:1], keys[:1], values[:1], where if where is None else where[:1]),
    )


def _forbidden(weights: torch.Tensor, mask: torch.Tensor) -> str:
    """Say whether keys get weight (b, tq, tk) that a mask (…, tk) forbids."""
    leaked = weights[~mask[:, 0].expand(weights.shape)].abs().max()
    return f"A key that the mask forbids still gets a weight of {leaked:.2g}" if leaked > 0 else ""


def look_at_output(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """The output for random tensors; `settings` are those of `draw_case`."""
    (queries, keys, values), mask, sizes = draw_case(draw, **settings)
    layer = subject.make(0.0)

    def call(*tensors: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return subject.tensor(layer, *tensors, *([] if mask is None else [mask]))

    first = None if mask is None else mask[:1] if mask.dim() == 4 else mask
    double = settings.get("dtype") == torch.float64
    yield Seen(
        ("In float64, the output" if double else "The output") + MASK_WORDS[settings.get("mask")],
        call(queries, keys, values, mask=mask),
        lambda: expected_output(queries, keys, values, mask),
        ("b", "tq", "h·d"),
        sizes,
        dtype=queries.dtype,
        alone=lambda: call(queries[:1], keys[:1], values[:1], mask=first),
    )


def look_at_check_tensor(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """The lesson's exact numbers: large enough to overflow a softmax that does not subtract its maximum."""
    queries, keys, values = (torch.tensor(numbers, dtype=torch.float32) for numbers in CHECK_TENSORS)
    sizes = {"b": 1, "t": 3, "h": 1, "d": 4, "h·d": 4}
    output = subject.tensor(subject.make(0.0), queries, keys, values)
    yield Seen(
        "The output for the check tensor", output, lambda: torch.tensor([CHECK_ANSWER]), ("b", "tq", "h·d"), sizes
    )
    # Scores so far from 0 that only minus infinity, or something near it, hides one.
    mask = torch.tensor([True, False, True])[None, None, None]
    for sign, words in ((1, ""), (-1, " times -1")):
        some = sign * queries
        yield Seen(
            f"The output for the check tensor{words} with its second key masked",
            subject.tensor(subject.make(0.0), some, keys, values, mask),
            lambda some=some: expected_output(some, keys, values, mask),  # type: ignore[misc]
            ("b", "tq", "h·d"),
            sizes,
            clue=functools.partial(_hiding, expected_output(some, keys, values, mask)),
        )


def _hiding(expected: torch.Tensor, got: torch.Tensor) -> str:
    """Say how the hidden key, which is number 1, comes through."""
    wrong = (~close(got.float(), expected)).any(-1).nonzero()[:, 1].unique().tolist()
    if wrong == [1]:
        return "The mask hides its word as a query, too: it is for keys alone"
    return "The number that hides a score must win over every score, however large or small"


def look_at_empty_rows(subject: Subject, draw: Draw, mask: str = PADDING, gradients: bool = False) -> Iterator[Seen]:
    """A query that may attend to nothing gives zeros."""
    tensors, where, sizes = draw_case(draw, mask, dtype=torch.float64)
    assert where is not None
    where[(-1, 0, -1) if mask == PER_HEAD else -1] = False
    seen = _with_gradients(subject, draw, tensors, where, sizes, " where a query may attend to nothing")
    yield from seen if gradients else islice(seen, 1)


def look_at_gradients(subject: Subject, draw: Draw, mask: str | None = None) -> Iterator[Seen]:
    """The gradients of queries, keys and values."""
    tensors, where, sizes = draw_case(draw, mask, dtype=torch.float64)
    yield from _with_gradients(subject, draw, tensors, where, sizes, MASK_WORDS[mask])


def _with_gradients(
    subject: Subject,
    draw: Draw,
    tensors: list[torch.Tensor],
    mask: torch.Tensor | None,
    sizes: dict[str, int],
    when: str,
) -> Iterator[Seen]:
    leaves = dict(zip(("the queries", "the keys", "the values"), tensors, strict=True))
    for leaf in leaves.values():
        leaf.requires_grad_()
    output = subject.tensor(subject.make(0.0), *tensors, *([] if mask is None else [mask]))
    exact = {name: leaf.detach().double() for name, leaf in leaves.items()}

    def torchs(leaves: Mapping[str, torch.Tensor]) -> torch.Tensor:
        queries, keys, values = leaves.values()
        return expected_output(queries, keys, values, mask)

    yield Seen(f"The output{when}", output, lambda: torchs(exact), ("b", "tq", "h·d"), sizes)
    axes = {name: ("b", "tq" if name == "the queries" else "tk", "h", "d") for name in leaves}
    yield from seen_gradients(subject, draw, output, leaves, torchs, exact, axes, sizes, when)


def look_at_eval(subject: Subject, draw: Draw, mask: str | None = None) -> Iterator[Seen]:
    """No dropout in eval mode."""
    tensors, where, sizes = draw_case(draw, mask)
    inputs = tensors if where is None else [*tensors, where]
    layer = subject.make(0.6)
    first, second = (subject.tensor(layer, *inputs) for _ in range(2))
    yield seen_without_dropout(first, second)
    what = "The output in eval mode with dropout 0.6" + MASK_WORDS[mask]
    yield Seen(what, first, lambda: expected_output(*inputs), ("b", "tq", "h·d"), sizes)


def look_at_training(subject: Subject, draw: Draw, mask: str | None = None) -> Iterator[Seen]:
    """With p = 0 no dropout in train mode either."""
    tensors, where, sizes = draw_case(draw, mask, b=2, h=2)
    inputs = tensors if where is None else [*tensors, where]
    layer = subject.make(0.0).train()
    output, again = (subject.tensor(layer, *inputs) for _ in range(2))
    yield seen_unasked_dropout(output, again)
    what = "The output in train mode with dropout 0" + MASK_WORDS[mask]
    yield Seen(what, output, lambda: expected_output(*inputs), ("b", "tq", "h·d"), sizes)


def look_at_dropout(subject: Subject, draw: Draw, p: float = 0.25) -> Iterator[Seen]:
    """Dropout falls on the weights: the values are the identity twice, so each weight can be read off twice."""
    b, h, tq, tk = 2, 2, 24, 16  # enough weights to tell p from dropping twice
    queries, keys = draw.normal(b, tq, h, 2 * tk, scale=0.4), draw.normal(b, tk, h, 2 * tk, scale=0.4)
    values = torch.eye(tk).repeat(1, 2)[None, :, None].repeat(b, 1, h, 1)
    layer = subject.make(p).train()
    first, second = (subject.tensor(layer, queries, keys, values) for _ in range(2))
    clean = expected_output(queries, keys, values)
    sizes = {"b": b, "tq": tq, "h·d": h * 2 * tk}
    if first.shape != clean.shape:
        yield Seen("The output in train mode", first, lambda: clean, ("b", "tq", "h·d"), sizes)
    fold = (b, tq, h, 2, tk)
    facts = dropout_facts(first.reshape(fold), second.reshape(fold), clean.reshape(fold), p)
    told = dropout_told(p)
    yield Seen(f"Dropout in train mode with p = {p}", facts, lambda: dict.fromkeys(facts, True), told=told)


def look_twice(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A layer that has been used keeps nothing: neither of other sizes, nor of other numbers of the same sizes."""
    layer = subject.make(0.0)
    inputs, mask, sizes = draw_case(draw, PADDING)
    assert mask is not None
    subject.tensor(layer, *inputs, mask)
    what = "The output of a layer that was used before, for other tensors of the same sizes,"
    for in_place in (False, True):
        others = [*(draw.normal(*x.shape) for x in inputs), mask.roll(1, 0)]
        if in_place:
            overwrite(*inputs, mask, by=others)
        else:
            *inputs, mask = others
        with second_call("with other numbers"):
            output = subject.tensor(layer, *inputs, mask)
        yield Seen(
            what,
            output,
            functools.partial(expected_output, inputs[0], inputs[1], inputs[2], mask),
            ("b", "tq", "h·d"),
            sizes,
        )
    first = dict(sizes)
    while any(sizes[axis] == first[axis] for axis in ("b", "tq", "tk", "h", "d")):  # a scale may be kept, too
        (queries, keys, values), _, sizes = draw_case(draw)
    with second_call():
        output = subject.tensor(layer, queries, keys, values)
    what = "The output of a layer that was used before, with other sizes and a mask,"
    yield Seen(what, output, lambda: expected_output(queries, keys, values), ("b", "tq", "h·d"), sizes)


def look_at_parameters(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """The layer has nothing to learn, or at least nothing that would change the output."""
    layer = subject.make(0.0)
    learned = dict(layer.named_parameters())
    if not learned:
        return
    (queries, keys, values), _, sizes = draw_case(draw)
    randomize(learned.values(), draw)
    expected = functools.partial(expected_output, queries, keys, values)
    what = f"With other numbers in `{next(iter(learned))}`, which the formula does not have, the output"
    yield Seen(what, subject.tensor(layer, queries, keys, values), expected, ("b", "tq", "h·d"), sizes)


def look_closely(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Float64 is float64 all through: a change that float32 cannot hold comes out at the end."""
    (queries, keys, values), _, sizes = draw_case(draw, dtype=torch.float64)
    layer, change = subject.make(0.0), draw.normal(*values.shape, dtype=torch.float64)
    first, second = (subject.tensor(layer, queries, keys, v) for v in (values, values + 1e-9 * change))
    expected = functools.partial(expected_output, queries, keys, change)
    what = "What a tiny change of the values in float64 changes, times a billion,"
    yield Seen(what, ((second - first) * 1e9).float(), expected, ("b", "tq", "h·d"), sizes)


def look_at_scattered(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Inputs that are not contiguous."""
    inputs, mask, _ = draw_case(draw, PER_QUERY)
    yield seen_scattered(subject, subject.make(0.0), *inputs, mask)


def look_elsewhere(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Tensors that are made on the way are made where the inputs are."""
    inputs, mask, _ = draw_case(draw, PER_QUERY)
    yield from seen_elsewhere(subject, subject.make(0.0), *inputs, mask)


SIMPLER: tuple[tuple[str, dict[str, Any]], ...] = (
    ("without a mask", {"mask": None}),
    ("for one head, and wrong for several", {"h": 1}),
    ("for a batch of one, and wrong for several", {"b": 1}),
    ("for sizes that all differ", dict.fromkeys(("b", "tq", "tk", "h", "d"))),
    ("in float32, but not in float64", {"dtype": torch.float32}),
    ("for tensors that have no axis of size 1", {"ones": ""}),
    ("for shorter inputs", {"long": False}),
)


_USUAL: dict[str, Any] = {"mask": None, "h": None, "b": None, "dtype": torch.float32, "ones": "", "long": False}


def _output(right: str, **settings: Any) -> Step:
    return Step(right, look_at_output, settings, simpler_cases(settings, _USUAL, SIMPLER))


EXERCISE = Exercise(
    id="2",
    title="scaled dot-product attention",
    passed="Scores, weights, heads, masks, gradients and dropout agree with torch's own function.",
    hints=(
        "`keys` is (b * h, tk, d). For a matrix product with the queries you need (b * h, d, tk): "
        "`keys.transpose(1, 2)`.",
        "The scores are (b * h, tq, tk). Each *query* shares out a weight of 1 among the keys: which of the three "
        "axes does softmax run along?",
    ),
    steps=(
        Step("the scores", look_at_scores),
        Step("the weights", look_at_weights),
        _output("the weighted values", h=1),
        _output("several heads"),
        _output("sizes of 1", ones="b tq"),
        _output("sizes of 1", ones="h d"),
        _output("sizes of 1", ones="tk"),
        _output("sizes of 1", ones="b h"),
        _output("equal sizes", **dict.fromkeys(("b", "tq", "tk", "h", "d"), 3)),
        _output("long inputs", long=True),
        Step("masks", look_at_weights, {"mask": PADDING}),
        *(_output("masks", mask=mask) for mask in (PADDING, CAUSAL, PER_QUERY, PER_HEAD, SHARED)),
        _output("masks", mask=CAUSAL, tq=6, tk=6),
        _output("masks", mask=PADDING, ones="tq"),
        _output("masks", mask=PER_QUERY, ones="b"),
        _output("masks", mask=PER_HEAD, ones="h d"),
        Step("large numbers", look_at_check_tensor),
        _output("float64", dtype=torch.float64, mask=PER_QUERY),
        Step("the gradients", look_at_gradients),
        Step("the gradients", look_at_gradients, {"mask": PER_QUERY}),
        Step("rows without any key", look_at_empty_rows),
        Step("rows without any key", look_at_empty_rows, {"mask": PER_HEAD}),
        Step("rows without any key", look_at_empty_rows, {"gradients": True}, remark=NAN_GRADIENT),
        Step("using a layer twice", look_twice),
        Step("eval mode", look_at_eval),
        Step("eval mode", look_at_eval, {"mask": PADDING}),
        Step("train mode without dropout", look_at_training),
        Step("train mode without dropout", look_at_training, {"mask": PADDING}),
        Step("dropout", look_at_dropout),
        Step("nothing to learn", look_at_parameters),
        Step("float64", look_closely),
        Step("other devices", look_elsewhere),
        Step("inputs that are not contiguous", look_at_scattered, remark=NOT_CONTIGUOUS),
    ),
    telling="several heads",
    misconceptions=MISCONCEPTIONS,
)
