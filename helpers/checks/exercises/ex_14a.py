"""Exercise 14a, a low-rank adapter: what goes in, what is right, what the check looks at, and mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from helpers import layers
from helpers.checks.answer.parts import CONTRACT, Fitted, Wanted, fit_linear, part, randomize
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.exercise import Exercise, Step
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen, same
from helpers.checks.engine.trouble import Trouble, wrong_kind
from helpers.checks.looks import layer as looks
from helpers.checks.looks.case import Case, Input, Layer
from helpers.checks.looks.gradients import seen_gradients, seen_reached

# What goes in, and what is right


def old_layer(draw: Draw, k: int, n: int, bias: bool, dtype: torch.dtype = torch.float32) -> nn.Linear:
    """Make the layer that is handed over, with weights of its own."""
    linear = nn.Linear(k, n, bias=bias, dtype=dtype)
    randomize(linear.parameters(), draw.again("the old layer"))
    return linear


def fit_factor(
    subject: Subject, draw: Draw, fitted: Fitted, module: nn.Module, name: str, wanted: Wanted, dtype: torch.dtype
) -> None:
    """Give `A` or `B` random weights: it is a linear layer, or a matrix of its own, lying or standing."""
    found = getattr(module, name, None)
    if not isinstance(found, torch.Tensor):
        fit_linear(subject, draw, fitted, name, part(module, name, subject.name), wanted, dtype)
        return
    if not isinstance(found, nn.Parameter):
        raise Trouble(f"`{name}` is a plain tensor, so nothing learns it. Make it an `nn.Parameter`.", "plain", name)
    lies = tuple(found.shape) == (wanted.outputs, wanted.inputs)
    if not lies and tuple(found.shape) != (wanted.inputs, wanted.outputs):
        sentence = f"`{name}` has the shape {tuple(found.shape)}; ({wanted.outputs}, {wanted.inputs}) is wanted"
        raise Trouble(f"{sentence}, {wanted.why}.", "sizes", name, *reversed(found.shape), False)
    fitted.claim(name, [found])
    if subject.is_students:
        randomize([found], draw.again(name))
    if lies:
        fitted.parameters[f"{name}.weight"] = found
    fitted.weights[f"{name}.weight"] = (found if lies else found.T).detach().cpu().double().clone()


class Adapter(Case):
    """An old layer with its adapter, and inputs."""

    noun = "layer"
    takes = {"x": Input("b t k")}  # noqa: RUF012
    output = "b t n"
    made_for = "k n r"
    one_head = {}  # noqa: RUF012

    @classmethod
    def make(  # type: ignore[override]  # it has no dropout
        cls,
        subject: Subject,
        draw: Draw,
        *,
        dtype: torch.dtype = torch.float32,
        bias: bool = True,
        alpha: float | None = None,
        fit: bool = True,
        **fixed: int,
    ) -> Layer:
        drawn = " ".join(name for name in ("k", "n", "r") if name not in fixed)
        # All different, so that a matrix of its own can lie or stand.
        sizes = draw.sizes(drawn, 2, 9, taken=fixed.values()) | fixed
        k, n, r = (sizes[name] for name in ("k", "n", "r"))
        if alpha is None:  # alpha // rank is neither 0, nor 1, nor alpha / rank: each would look like another mistake
            alpha = draw.random.choice([a for a in (5, 7, 11, 13, 17, 19) if a // r > 1 and (a % r or r == 1)])
        linear = old_layer(draw, k, n, bias)
        old = {f"linear.{name}": w.detach().double().clone() for name, w in linear.named_parameters()}
        module = subject.make(linear, r, alpha)
        subject.insist_on_registered(module)
        layer = Layer(module.to(dtype), {"k": k, "n": n, "r": r}, {"rank": r, "alpha": alpha})
        if fit:
            fit_factor(subject, draw, layer.fitted, module, "A", Wanted(k, r, False, "from x to rank"), dtype)
            fit_factor(subject, draw, layer.fitted, module, "B", Wanted(r, n, False, "from rank to the output"), dtype)
        layer.fitted.weights |= old
        return layer

    def oracle(self, weights: Mapping[str, torch.Tensor], **given: Any) -> torch.Tensor:
        x, scale = given["x"], self.layer.options["alpha"] / self.layer.options["rank"]
        change = scale * weights["B.weight"] @ weights["A.weight"]
        return F.linear(x, weights["linear.weight"] + change, weights.get("linear.bias"))


# What this check alone looks at

START = {
    "A": "`A` should begin with random numbers, and begins at zero.",
    "rows": "`A` should begin with random numbers. With the same number everywhere, its rows would all learn the same.",
    "B": "`B` should begin at zero, without a bias: then the adapter changes nothing before it has learned.",
}
FROZEN = {
    "weight": "The old layer's weights still learn. Freeze them: `requires_grad_(False)`.",
    "bias": "The old layer's bias still learns. It is to be frozen, like the weights.",
}
COUNTED = (
    "no gradient reaches the old weights, but they still count as weights that learn. `requires_grad_(False)` says "
    "that they are frozen."
)


def look_at_start(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """Before anything is learned, the adapter changes nothing; and it can learn."""
    case = Adapter(subject, draw, own=True, fit=False, **settings)
    module, old = case.layer.module, case.layer.fitted.weights
    factors = {name: _first_matrix(subject, module, name) for name in ("A", "B")}
    numbers = factors["A"]
    facts = {
        "A": bool(numbers.any()),
        "rows": not numbers.any() or float(numbers.std()) > 0,
        "B": not factors["B"].any(),
    }
    yield Seen("What stands in `A` and `B` at the start", facts, lambda: dict.fromkeys(facts, True), told=START)
    yield Seen(
        "Before anything is learned, the output" + case.words,
        case.call(),
        lambda: F.linear(case.given["x"].double(), old["linear.weight"], old.get("linear.bias")),
        ("b", "t", "n"),
        case.sizes,
    )


def _first_matrix(subject: Subject, module: nn.Module, name: str) -> torch.Tensor:
    found = getattr(module, name, None)
    if isinstance(found, torch.Tensor):
        return found.detach()
    layer = part(module, name, subject.name)
    numbers = [parameter.detach().flatten() for parameter in layer.parameters()]
    if not numbers:
        raise Trouble(f"`{name}` has nothing to learn. {CONTRACT}", "nothing to learn", name)
    return torch.cat(numbers)


def look_at_any_axes(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """One vector, several, and texts in two axes: whatever a linear layer takes."""
    case = Adapter(subject, draw)
    weights = case.layer.fitted.weights
    given = case.given["x"]
    for axes, x in ((("b", "n"), given[:, 0]), (("n",), given[0, 0]), (("b", "1", "t", "n"), given[:, None])):
        came = subject.tensor(case.layer.module, x)
        what = f"The output for an x of shape {tuple(x.shape)}"
        yield Seen(what, came, lambda x=x: case.oracle(weights, x=x.double()), axes, case.sizes)  # type: ignore[misc]


def look_at_frozen(subject: Subject, draw: Draw, counted: bool = False, **settings: Any) -> Iterator[Seen]:
    """No gradient reaches the old weights; `counted`: nor do they look as if they learned."""
    case = Adapter(subject, draw, own=True, dtype=torch.float64, **settings)
    module, fitted = case.layer.module, case.layer.fitted
    own = {id(p) for p in fitted.parameters.values()} | set(fitted._owners)
    old = {name: p for name, p in module.named_parameters() if id(p) not in own}
    came = case.call()
    reached = subject.gradients(came, list(old.values()), draw.normal(*came.shape))
    facts = {"weight": True, "bias": True}
    for (name, parameter), gradient in zip(old.items(), reached, strict=True):
        learns = parameter.requires_grad if counted else gradient is not None
        facts[name.rpartition(".")[2] if name.rpartition(".")[2] in facts else "weight"] &= not learns
    yield Seen("What learns", facts, lambda: dict.fromkeys(facts, True), told=FROZEN)


def look_at_gradients(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """The gradients of x, `A` and `B`; the frozen weights have none."""
    case = Adapter(subject, draw, own=True, dtype=torch.float64)
    x, fitted = case.given["x"].requires_grad_(), case.layer.fitted
    exact = fitted.weights | {"x": x.detach()}
    yield from seen_gradients(
        subject,
        draw,
        case.call(),
        {"x": x} | fitted.parameters,
        lambda leaves: case.oracle(leaves, x=leaves["x"]),
        exact,
        {"x": ("b", "t", "k")},
        case.sizes,
    )
    old = [p for p in case.layer.module.parameters() if id(p) not in fitted._owners]
    yield from seen_reached(subject, draw, case.layer.module, case.call, [*fitted.parameters.values(), *old])


def look_at_merge(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """One ordinary layer that does the same; the adapter stays as it was."""
    case = Adapter(subject, draw, own=True, **settings)
    module, before = case.layer.module, case.call()
    merge = getattr(module, "merge", None)
    if merge is None:
        raise Trouble(f"`{subject.name}` has no method `merge`.", "missing", "merge")
    held = _held(module)
    merged = subject.call(merge, name="merge")
    if type(merged) is not nn.Linear:
        if isinstance(merged, type(module)):
            raise Trouble("`merge` returns the adapter itself, not one ordinary `nn.Linear`.", "kind", "adapter")
        raise wrong_kind(merged, "merge", "an `nn.Linear`")
    what = "The output of the merged layer" + (" in float64" if case.dtype == torch.float64 else "")
    came = subject.tensor(merged, case.given["x"], name="the merged layer")
    yield case.seen(what if settings.get("bias", True) else f"{what}, where the old one has no bias", came, alone=False)
    shared = {p.data_ptr() for p in module.parameters()}
    facts = {
        "output": same(case.call(), before),
        "weight": merged.weight.data_ptr() not in shared,
        "kept": _held(module) == held,
    }
    told = {
        "output": "After `merge`, the adapter itself gives another output: `merge` has changed it. Make a new layer.",
        "weight": "The merged layer shares its weights with the adapter: when one learns, both change. Make a new one.",
        "kept": "`merge` has changed the adapter's weights, which of them learn, or `alpha`. It should stay as it is, "
        "so that it can go on learning.",
    }
    yield Seen("The adapter after `merge`", facts, lambda: dict.fromkeys(facts, True), told=told)


def _held(module: nn.Module) -> tuple[dict[str, Any], Any]:
    """What an adapter holds: its weights and whether they learn, and alpha."""
    weights = {name: (p.requires_grad, p.tolist()) for name, p in module.named_parameters()}
    return weights, getattr(module, "alpha", None)


def look_at_alpha(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """An alpha of 0 switches the adapter off, as a later section does."""
    case = Adapter(subject, draw, own=True)
    module: Any = case.layer.module
    module.alpha = 0.0
    old = case.layer.fitted.weights
    off = F.linear(case.given["x"].double(), old["linear.weight"], old.get("linear.bias"))
    yield Seen("The adapter", {"off": same(case.call().double(), off)}, lambda: {"off": True})


# Mistakes

MISTAKES = Mistakes(layers.LoRALinear).read(
    """
    both zero: `A` and `B` both begin at zero. Then each one's gradient is zero, and neither ever learns: `A` stays
    random.
        nn.init.zeros_(self.B.weight) => nn.init.zeros_(self.B.weight); nn.init.zeros_(self.A.weight)
    both random: `B` is random at the start, so the layer's output changes before anything is learned. `B` begins at
    zero.
        nn.init.zeros_(self.B.weight) =>
    the wrong one is zero: `A` begins at zero, and `B` is random. It is the other way round: `A` random, `B` zero.
        nn.init.zeros_(self.B.weight) => nn.init.zeros_(self.A.weight)
    A the same everywhere: All numbers of `A` are the same at the start, so all its rows learn the same. Leave them
    random, as torch draws them.
        nn.init.zeros_(self.B.weight) => nn.init.zeros_(self.B.weight); nn.init.ones_(self.A.weight)
    the old layer learns: The old layer still learns: every weight of it gets a gradient. Freeze it:
    `requires_grad_(False)`.
        self.linear.requires_grad_(False) =>
    the old bias learns: The old weights are frozen, but the old bias still learns. Freeze the whole layer.
        self.linear.requires_grad_(False) => self.linear.weight.requires_grad_(False)
    all frozen: `A` and `B` do not learn: they are frozen as well, or the way to them is cut, by `no_grad`, `detach` or
    `.data`. Freeze the old layer alone.
        nn.init.zeros_(self.B.weight) => nn.init.zeros_(self.B.weight); self.requires_grad_(False)
    no factor: The change is added as it is. Multiply it by alpha / rank.
        self.alpha / self.rank * =>
    alpha alone: The change is multiplied by alpha. The factor is alpha / rank.
        self.alpha / self.rank => self.alpha
    alpha times rank: The change is multiplied by alpha * rank. The factor is alpha / rank.
        self.alpha / self.rank => self.alpha * self.rank
    rank over alpha: The factor is upside down: rank / alpha. It is alpha / rank.
        self.alpha / self.rank => self.rank / self.alpha
    alpha left out: The change is divided by the rank, and alpha has no effect. The factor is alpha / rank.
        self.alpha / self.rank => 1 / self.rank
    root of the rank: The factor is alpha over the square root of the rank. Here it is alpha / rank.
        self.alpha / self.rank => self.alpha / self.rank**0.5
    whole division: alpha // rank drops what is behind the point. The factor is alpha / rank.
        self.alpha / self.rank => self.alpha // self.rank
    the factor on everything: The factor multiplies the old layer's output, too. It belongs to the change alone.
        self.linear(x) + self.alpha / self.rank * self.B(self.A(x))
            => self.alpha / self.rank * (self.linear(x) + self.B(self.A(x)))
    minus: The change is subtracted. It is added.
        self.linear(x) + => self.linear(x) -
    the old layer left out: The old layer's output is missing: only the change comes out. Add the two.
        return self.linear(x) + => return
    only the old layer: Only the old layer's output comes out. The change is missing.
        return self.linear(x) + self.alpha / self.rank * self.B(self.A(x)) => return self.linear(x)
    B before A: `B` is applied before `A`. `A` comes first: it makes `rank` numbers of x, and `B` the output of these.
        self.B(self.A(x)) => self.A(self.B(x))
    A the wrong way round: `A` maps from rank to the inputs. It is the other way round: x comes in, `rank` numbers go
    out.
        nn.Linear(linear.in_features, rank, => nn.Linear(rank, linear.in_features,
    B the wrong way round: `B` maps from the outputs to rank. It is the other way round: `rank` numbers come in, the
    output goes out.
        nn.Linear(rank, linear.out_features, => nn.Linear(linear.out_features, rank,
    sizes of A and B swapped: `A` and `B` have each other's sizes. `A` comes first, and takes x: from in_features to
    rank.
        nn.Linear(linear.in_features, rank, => nn.Linear(rank, linear.out_features_,
        self.B = nn.Linear(rank, linear.out_features, => self.B = nn.Linear(linear.in_features, rank,
        linear.out_features_ => linear.out_features
    biases: `A` and `B` have biases. The change is a product of two matrices alone: `bias=False`.
        bias=False => bias=True
    an activation: There is an activation between `A` and `B`. Without one, the change is a matrix that can be merged.
        self.B(self.A(x)) => self.B(torch.relu(self.A(x)))
    dropout: Something is dropped in train mode. This adapter has no dropout.
        self.A(x) => self.A(nn.functional.dropout(x, 0.1, self.training))
    the old output detached: No gradient goes through the old layer to what stands before it: its output is detached, or
    computed under `no_grad`. Its weights are frozen; x is not.
        self.linear(x) + => self.linear(x).detach() +
    x detached: No gradient goes through the adapter to what stands before it: x, or what `A` and `B` make of it, is
    detached.
        self.A(x) => self.A(x.detach())
    transposed product: In `merge`, the product is transposed, (in, out). `nn.Linear` keeps its weight as (out, in): `B`
    times `A`.
        (self.B.weight @ self.A.weight) => (self.B.weight @ self.A.weight).T
    the product the other way round: In `merge`, the product is taken the other way round. `B.weight` is (out, rank),
    and `A.weight` (rank, in).
        (self.B.weight @ self.A.weight) => (self.A.weight @ self.B.weight)
    merged without bias: `merge` forgets the old layer's bias.
        bias = self.linear.bias => bias = None
    merged without factor: `merge` forgets the factor alpha / rank.
        self.linear.weight + self.alpha / self.rank * => self.linear.weight +
    merged change alone: `merge` forgets the old weights: add them to the change.
        weight = self.linear.weight + => weight =
    merged old alone: `merge` gives the old layer: the change is missing.
        weight = self.linear.weight + self.alpha / self.rank * (self.B.weight @ self.A.weight)
            => weight = self.linear.weight
    merged in place: `merge` changes the old layer itself, so the adapter then adds its change twice. Make a new layer.
        outputs, inputs = weight.shape => self.linear.weight.data = weight.detach(); return self.linear
    adapter returned: `merge` returns the adapter itself. It should return one ordinary `nn.Linear`.
        outputs, inputs = weight.shape => return self
    matrix returned: `merge` returns the weight matrix. It should return an `nn.Linear` that holds it.
        outputs, inputs = weight.shape => return weight
    not left as it was: `merge` changes weights that are there already, the adapter's or the old layer's. It should
    leave both as they are, and put the sum into a new layer.
        return merged => nn.init.zeros_(self.B.weight); return merged
    """
)

# The check

DOUBLE: dict[str, Any] = {"dtype": torch.float64}
LATER_ALPHA = "to set `alpha` later has no effect, and section 5 sets it to 0, to switch the adapter off."
LEFT_ON_CPU = "with all on another device, say a GPU, it stops: something stays on the CPU."
WIDE_MERGE = "for a layer in float64, what `merge` returns is not in float64."
step = Adapter.step


EXERCISE = Exercise(
    id="14a",
    title="a low-rank adapter",
    passed="It starts as the old layer, only A and B learn, and the merged layer gives the same output.",
    hints={1: ("the start", "what is frozen"), 2: ("the merged layer", "the merged layer without bias")},
    steps=(
        Step("the start", look_at_start),
        Step("the start", look_at_start, {"bias": False}),
        step("the output", looks.output, "an adapter"),
        step("the output", looks.output, "without bias", bias=False),
        step("rank 1", looks.output, "rank 1", r=1),
        step("alpha as large as the rank", looks.output, "as large", r=4, alpha=4),
        step("an alpha that is no whole number", looks.output, "half", alpha=0.5),
        step("sizes of 1", looks.output, "an adapter", ones="b t"),
        Step("an x of any axes", look_at_any_axes, draws="an adapter"),
        step("as many outputs as inputs", looks.output, "square", k=6, n=6, r=3),
        Step("what is frozen", look_at_frozen),
        Step("the gradients", look_at_gradients),
        step("train mode", looks.train_mode, "an adapter"),
        Step("the merged layer", look_at_merge),
        Step("the merged layer without bias", look_at_merge, {"bias": False}),
        Step("the merged layer", look_at_merge, {"k": 6, "n": 6, "r": 3}),
        step("using it twice", looks.second_use, "an adapter"),
        Step("the weights that learn", look_at_frozen, {"counted": True}, remark=COUNTED),
        step("other devices", looks.elsewhere, remark=LEFT_ON_CPU),
        Step("another alpha", look_at_alpha, remark=LATER_ALPHA),
        Step("a merged layer in float64", look_at_merge, DOUBLE, remark=WIDE_MERGE),
    ),
    telling="the output",
    misconceptions=MISTAKES,
)
