"""Exercise 3, self-attention with several heads: what the check looks at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from helpers.checks.attention_by_hand import torch_attention
from helpers.checks.draw import CAUSAL, PADDING, PER_HEAD, PER_QUERY, Draw
from helpers.checks.engine import Exercise, Step
from helpers.checks.mistakes_3 import MISCONCEPTIONS
from helpers.checks.parts import Fitted, Wanted, Weights, different_layers, fit_linear, part, remembered
from helpers.checks.seen import Seen
from helpers.checks.subject import Subject
from helpers.checks.trouble import Trouble

MASK_WORDS = {
    None: "",
    PADDING: " with a padding mask (b, 1, 1, tk)",
    CAUSAL: " with a causal mask (t, t)",
    PER_QUERY: " with a mask (b, 1, t, tk)",
    PER_HEAD: " with a mask (b, h, t, tk)",
}
PROJECTIONS = ("to_queries", "to_keys", "to_values")


def expected_output(
    weights: Weights, h: int, x: torch.Tensor, mask: torch.Tensor | None = None, context: torch.Tensor | None = None
) -> torch.Tensor:
    """Return what torch's functions give with these weights: (b, t, k) gives (b, t, k), in float64."""
    context = x if context is None else context
    sources = zip(PROJECTIONS, (x, context, context), strict=True)
    heads = (
        F.linear(source, weights[f"{name}.weight"], weights.get(f"{name}.bias")).unflatten(-1, (h, -1)).transpose(1, 2)
        for name, source in sources
    )
    joined = torch_attention(*heads, mask).transpose(1, 2).flatten(2)
    return F.linear(joined, weights["unify_heads.weight"], weights.get("unify_heads.bias"))


def fit_attention(
    subject: Subject,
    draw: Draw,
    layer: nn.Module,
    sizes: dict[str, int],
    bias: bool,
    dtype: torch.dtype = torch.float32,
    unify_bias: bool | None = True,
) -> Fitted:
    """Give the four layers of an answer weights that the check knows."""
    k, inner = sizes["k"], sizes["h·d"]
    why = f"{inner} being num_heads * head_dim = {sizes['h']} * {sizes['d']}"
    said = f"as bias={bias} says"
    fitted = Fitted()
    owner = type(layer).__name__
    for name in PROJECTIONS:
        fit_linear(subject, draw, fitted, name, part(layer, name, owner), Wanted(k, inner, None, why), dtype)
        if (f"{name}.bias" in fitted.weights) != bias:
            have = "has no bias, and should have one" if bias else "has a bias, and should have none"
            raise Trouble(f"`{name}` {have}, {said}.", "bias", name, bias)
    wanted = Wanted(inner, k, unify_bias, "whatever `bias` says" if unify_bias else "")
    fit_linear(subject, draw, fitted, "unify_heads", part(layer, "unify_heads", owner), wanted, dtype)
    different_layers(fitted)
    return fitted


class Case:
    """A layer with known weights, and inputs for it."""

    def __init__(
        self,
        subject: Subject,
        draw: Draw,
        *,
        heads: str = "usual",
        bias: bool = False,
        mask: str | None = None,
        context: bool = False,
        dtype: torch.dtype = torch.float32,
        ones: str = "",
        long: bool = False,
        dropout: float = 0.0,
        **fixed: int,
    ) -> None:
        sizes = draw.sizes("b t tk h m d", 2, 8, ["h*m"])
        sizes |= dict.fromkeys(ones.split(), 1) | fixed
        if long:
            sizes |= {"t": 41, "tk": 59}
        k = sizes["h"] * sizes["m"]
        d = {"usual": sizes["m"], "wide": k, "own": sizes["d"]}[heads]
        b, h, t, tk = sizes["b"], sizes["h"], sizes["t"], sizes["tk"] if context else sizes["t"]
        self.sizes = {"b": b, "t": t, "h": h, "k": k, "d": d, "h·d": h * d} | ({"tk": tk} if context else {})
        named: dict[str, Any] = {"dropout": dropout} | ({"bias": True} if bias else {})
        if heads != "usual":
            named["head_dim"] = d
        self.subject, self.draw = subject, draw
        self.layer = subject.make(k, h, **named).to(dtype)
        fitted = fit_attention(subject, draw, self.layer, self.sizes, bias, dtype)
        self.fitted = remembered(subject, draw, str(sizes), self.layer, fitted)
        self.x = draw.normal(b, t, k, dtype=dtype)
        self.context = draw.normal(b, tk, k, dtype=dtype) if context else None
        self.mask = None if mask is None else draw.mask(mask, b, h, t, tk)
        self.words = MASK_WORDS[mask] + (" and a context" if mask and context else " with a context" if context else "")
        self.words += {"usual": "", "wide": " with head_dim=embed_dim", "own": f" with head_dim={d}"}[heads]
        self.words += " with bias=True" if bias else ""

    def call(self, first_only: bool = False) -> torch.Tensor:
        """Return the answer's output, for the first text alone if asked."""
        x, mask, context = self.x, self.mask, self.context
        if first_only:
            x, context = x[:1], None if context is None else context[:1]
            mask = mask[:1] if mask is not None and mask.dim() == 4 else mask
        return run_layer(self.subject, self.layer, x, mask=mask, context=context)

    def expected(self) -> torch.Tensor:
        """Return torch's output."""
        context = None if self.context is None else self.context.detach().double()
        return expected_output(self.fitted.weights, self.sizes["h"], self.x.detach().double(), self.mask, context)

    def seen(self, what: str, got: torch.Tensor | None = None) -> Seen:
        """Return the output beside torch's."""
        got = self.call() if got is None else got
        double = self.x.dtype == torch.float64
        return Seen(
            what + self.words,
            got,
            self.expected,
            ("b", "t", "k"),
            self.sizes,
            dtype=torch.float64 if double else None,
            alone=lambda: self.call(first_only=True),
        )


def run_layer(subject: Subject, layer: nn.Module, x: torch.Tensor, **options: torch.Tensor | None) -> torch.Tensor:
    """Call a layer on its own device, leaving out trailing options that are None."""
    device = next(layer.parameters()).device
    named = {name: option if option is None else option.to(device) for name, option in options.items()}
    while named and list(named.values())[-1] is None:
        named.popitem()
    return subject.tensor(layer, x.to(device), named=named)


def look_at_output(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """The output for random weights and inputs; `settings` are those of `Case`."""
    what = "In float64, the output" if settings.get("dtype") == torch.float64 else "The output"
    yield Case(subject, draw, **settings).seen(what)


def look_at_defaults(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Eight heads where nothing else is said."""
    b, t, m = draw.sizes("b t m", 2, 5).values()
    sizes = {"b": b, "t": t, "h": 8, "k": 8 * m, "d": m, "h·d": 8 * m}
    layer = subject.make(8 * m)
    fitted = remembered(subject, draw, "defaults", layer, fit_attention(subject, draw, layer, sizes, bias=False))
    x = draw.normal(b, t, 8 * m)
    output = run_layer(subject, layer, x)
    what = f"The output of {subject.name}({8 * m}), which has 8 heads,"
    yield Seen(what, output, lambda: expected_output(fitted.weights, 8, x.double()), ("b", "t", "k"), sizes)


def look_at_error(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """An embed_dim that does not divide by num_heads."""
    h = draw.random.randrange(3, 7)
    k = h * draw.random.randrange(2, 5) + draw.random.randrange(1, h)
    raises = False
    try:
        subject.make(k, h)
    except Trouble as trouble:
        if trouble.key[0] != "raised":
            raise
        raises = True
    told = {"an error": f"{subject.name}({k}, {h}) should raise an error that names {k} and {h}: it does not divide."}
    yield Seen("The width of a head", {"an error": raises}, lambda: {"an error": True}, told=told)


def look_at_empty_rows(subject: Subject, draw: Draw, mask: str) -> Iterator[Seen]:
    """Where a word may attend to nothing, only unify_heads' bias is left, and no gradient is NaN."""
    case = Case(subject, draw, mask=mask)
    assert case.mask is not None
    case.mask[-1 if mask == PADDING else (-1, 0, -1)] = False
    case.x.requires_grad_()
    output = case.call()
    what = " where a word may attend to nothing,"
    yield case.seen(f"The output{what}", output)
    yield from _gradients(case, output, what)


def look_at_gradients(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """The gradients of the input, the context and all weights."""
    case = Case(subject, draw, **settings)
    case.x.requires_grad_()
    if case.context is not None:
        case.context.requires_grad_()
    yield from _gradients(case, case.call(), "")


def _gradients(case: Case, output: torch.Tensor, when: str) -> Iterator[Seen]:
    ahead = case.draw.normal(*output.shape)
    inputs = {"x": case.x} | ({} if case.context is None else {"the context": case.context})
    named: dict[str, torch.Tensor] = {**inputs, **case.fitted.parameters}
    got = case.subject.gradients(output, list(named.values()), ahead)
    exact = {name: x.detach().double().requires_grad_() for name, x in inputs.items()}
    leaves = {name: w.detach().clone().requires_grad_() for name, w in case.fitted.weights.items()}
    axes = {"x": ("b", "t", "k"), "the context": ("b", "tk", "k")}
    expected: list[torch.Tensor] = []

    def nth(i: int) -> torch.Tensor:
        if not expected:
            output = expected_output(leaves, case.sizes["h"], exact["x"], case.mask, exact.get("the context"))
            both = exact | leaves
            expected.extend(torch.autograd.grad(output, [both[name] for name in named], ahead.double()))
        return expected[i]

    for i, name in enumerate(named):
        shown = f"`{name}`" if "." in name else name
        what = f"The gradient of {shown}{when}{case.words}"
        yield Seen(what, got[i], lambda i=i: nth(i), axes.get(name, ()), case.sizes)


def look_at_eval(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """No dropout in eval mode, and with dropout=0 none in train mode either."""
    case = Case(subject, draw, dropout=0.6)
    first, second = case.call(), case.call()
    told = {"the same twice": "Two calls with the same input differ in eval mode: dropout belongs to training only."}
    facts = {"the same twice": bool(torch.equal(first, second))}
    yield Seen("Eval mode", facts, lambda: dict.fromkeys(told, True), told=told)
    yield case.seen("The output in eval mode with dropout=0.6", first)
    case = Case(subject, draw, dropout=0.0)
    case.layer.train()
    yield case.seen("The output in train mode with dropout=0")


def look_at_dropout(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Train mode is random, and the more so the larger `dropout` is; where it falls is left to the attention."""
    case = Case(subject, draw, dropout=0.9, h=3, b=4, t=8)
    clean = case.expected()
    case.layer.train()
    first, second = (case.call().double().cpu() for _ in range(2))
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
    useful = [
        (words, changes) for words, changes in SIMPLER if any(settings.get(k, _USUAL[k]) != v for k, v in changes.items())
    ]
    return Step(right, look_at_output, settings, tuple(useful))


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
        _output("context", context=True),
        *(_output("masks", mask=mask) for mask in (PADDING, CAUSAL, PER_QUERY, PER_HEAD)),
        *(_output("masks with a context", mask=mask, context=True) for mask in (PADDING, CAUSAL, PER_HEAD)),
        _output("sizes of 1", ones="b t"),
        _output("sizes of 1", ones="m tk", context=True),
        _output("long inputs", long=True, context=True),
        Step("the gradients", look_at_gradients),
        Step("the gradients", look_at_gradients, {"bias": True, "mask": PER_QUERY, "context": True}),
        Step("rows without any key", look_at_empty_rows, {"mask": PADDING}),
        Step("rows without any key", look_at_empty_rows, {"mask": PER_HEAD}),
        Step("eval mode", look_at_eval),
        Step("dropout", look_at_dropout),
        Step("the default of 8 heads", look_at_defaults),
        Step("using a layer twice", look_twice),
        _output("float64", dtype=torch.float64, mask=PER_QUERY, bias=True, context=True),
    ),
    telling="several heads",
    misconceptions=MISCONCEPTIONS,
)
