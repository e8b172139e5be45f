"""Exercise 1, additive attention: what goes in, what is right, what the check looks at, and mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from helpers import layers
from helpers.checks.answer.parts import Fitted, Wanted, fit_linear, part, randomize
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import PADDING, Draw
from helpers.checks.engine.exercise import Exercise, Step
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen
from helpers.checks.engine.trouble import Trouble, wrong_kind
from helpers.checks.looks import layer as looks
from helpers.checks.looks.case import Case, Input, Layer, Mask, leaked
from helpers.checks.looks.dropout import seen_the_same_twice
from helpers.checks.looks.strides import NOT_CONTIGUOUS

# What goes in, and what is right

_PAIR = "a pair of tensors, `(context, weights)`,"


class Weights(Case):
    """A query for each text, keys and a mask; what is looked at are the weights."""

    takes = {"query": Input("b q"), "keys": Input("b tk k"), "mask": Mask("1", "tk")}  # noqa: RUF012
    output = "b tk"
    made_for = "q k hidden"
    one_head = {}  # noqa: RUF012
    long_sizes = {"b": 2, "tk": 67}  # noqa: RUF012
    place = 1  # in the pair that comes back

    @classmethod
    def make(
        cls, subject: Subject, draw: Draw, *, dtype: torch.dtype = torch.float32, dropout: float = 0.0, **fixed: int
    ) -> Layer:
        sizes = draw.sizes("q k hidden", 2, 8) | fixed
        q, k, hidden = sizes["q"], sizes["k"], sizes["hidden"]
        module = subject.make(q, k, hidden)
        subject.insist_on_registered(module)
        layer = Layer(module.to(dtype), {"q": q, "k": k, "hidden": hidden}, {}, Fitted())
        wanted = {
            "W": Wanted(q, hidden, why="from query_dim to hidden_dim"),
            "U": Wanted(k, hidden, why="from key_dim to hidden_dim"),
            "v": Wanted(hidden, 1, why="from hidden_dim to one score"),
        }
        for name, sizes_of in wanted.items():
            held = getattr(module, name, None)
            if isinstance(held, nn.Parameter):
                _fit_matrix(subject, draw.again(name), layer.fitted, name, held, sizes_of)
            else:
                found = part(module, name, subject.name)
                fit_linear(subject, draw, layer.fitted, name, found, sizes_of, dtype)
        layer.fitted.insist_on_no_others(subject, module)
        return layer

    def drawn_sizes(self, draw: Draw, fixed: Mapping[str, int]) -> dict[str, int]:
        return {**draw.sizes("b", 2, 5), **draw.sizes("tk", 6, 9)} | dict(
            fixed
        )  # an answer may go through texts and keys

    def _drawn(self, draw: Draw, wanted: Input | Mask, kind: Any) -> torch.Tensor | None:
        if isinstance(wanted, Input) or not kind:
            return super()._drawn(draw, wanted, kind)
        return draw.mask(PADDING, self.sizes["b"], 1, 1, self.sizes["tk"])[:, 0, 0]

    def _first(self, name: str) -> torch.Tensor | None:
        return None if self.given[name] is None else self.given[name][:1]

    def _words(self, kinds: Mapping[str, Any]) -> str:
        return " with a mask (b, tk)" if kinds["mask"] else ""

    def run(self, *by_place: Any, **named: Any) -> torch.Tensor:
        value = self.subject.call(self.layer.module, *by_place, named=named)
        if isinstance(value, torch.Tensor):
            sentence = f"`forward` returns one tensor where {_PAIR} is wanted: end with `return context, weights`."
            raise Trouble(sentence, "kind", "Tensor")
        if not isinstance(value, tuple) or len(value) != 2:
            raise wrong_kind(value, "forward", _PAIR)
        for each in value:
            if not isinstance(each, torch.Tensor):
                raise wrong_kind(each, "forward", "a tensor in each place of the pair")
            if not each.is_floating_point():
                raise Trouble(f"`forward` returns a tensor of {each.dtype}: real numbers are wanted.", "dtype")
        came: torch.Tensor = value[self.place]
        return came

    def seen(self, what: str, got: torch.Tensor | None = None, alone: bool = True) -> Seen:
        seen = super().seen(what.replace("output", "context" if self.place == 0 else "tensor of weights"), got, alone)
        seen.dtype = self.dtype if self.dtype == torch.float64 else None
        mask = self.given["mask"]
        if self.place == 1:
            seen.shares = mask is None or bool(mask.any(1).all())
            seen.clue = lambda got: leaked(got, mask)
        return seen

    def oracle(self, weights: Mapping[str, torch.Tensor], **given: Any) -> torch.Tensor:
        query, keys, mask = given["query"], given["keys"], given["mask"]
        inner = F.linear(query, weights["W.weight"], weights.get("W.bias"))[:, None]
        inner = torch.tanh(inner + F.linear(keys, weights["U.weight"], weights.get("U.bias")))
        scores = F.linear(inner, weights["v.weight"], weights.get("v.bias")).squeeze(-1)
        if mask is None:
            return scores.softmax(-1)
        some = mask.any(-1, keepdim=True)
        return scores.masked_fill(~mask & some, -torch.inf).softmax(-1) * some


class Context(Weights):
    """The same; what is looked at is the context."""

    output = "b k"
    place = 0

    def oracle(self, weights: Mapping[str, torch.Tensor], **given: Any) -> torch.Tensor:
        return torch.einsum("bt,btk->bk", super().oracle(weights, **given), given["keys"])


def _fit_matrix(subject: Subject, draw: Draw, fitted: Fitted, name: str, held: nn.Parameter, wanted: Wanted) -> None:
    """Give a bare matrix or vector random numbers; which way round it is, sizes that differ have told."""
    fitted.claim(name, [held])
    randomize([held], draw)
    shape = tuple(size for size in held.shape if size > 1)
    straight = tuple(size for size in (wanted.outputs, wanted.inputs) if size > 1)
    if sorted(shape) != sorted(straight):
        sentence = f"`{name}` has the shape {tuple(held.shape)}; it should map {wanted.inputs} to {wanted.outputs}, "
        raise Trouble(f"{sentence}{wanted.why}.", "sizes", name, shape)
    if 1 < wanted.outputs != wanted.inputs > 1:
        subject.notes["turned", name] = shape != straight
    flat = held.detach().cpu().double().clone()
    flat = flat.reshape(wanted.inputs, wanted.outputs).T if subject.notes.get(("turned", name)) else flat
    fitted.weights[f"{name}.weight"] = flat.reshape(wanted.outputs, wanted.inputs).contiguous()


# What this check alone looks at


def look_at_large_scores(subject: Subject, draw: Draw, case: type[Weights], mask: str | None = None) -> Iterator[Seen]:
    """Scores in the thousands, exact ones: they overflow a softmax that does not subtract its maximum.

    In float64: from such numbers, float32 cannot subtract the logarithm of a sum of powers as exactly as we compare.
    """
    a_case = case(subject, draw, own=True, mask=mask, hidden=3, q=4, k=6, b=4, tk=9, dtype=torch.float64)
    yield a_case.seen("The output")  # weights of 0 and 1 alone would be little to tell mistakes apart by
    # Each key is a unit vector and U is ±30, so each tanh is exactly ±1, and each score an odd multiple of 1024: that
    # of key 0 is -1024, of key 1 1024, of key 2 7168, of key 3 -7168.
    ahead = draw.normal(3).sign()
    some = torch.tensor([[1, 1, -1], [-1, -1, 1], [1, 1, 1], [-1, -1, -1]]).T * ahead[:, None]
    columns = torch.cat([some, draw.normal(3, 2).sign()], 1)
    weights = dict(a_case.layer.fitted.weights)
    weights |= {"U.weight": 30 * columns.double(), "v.weight": (1024 * 2.0 ** torch.arange(3) * ahead).double()[None]}
    weights = {name: w for name, w in weights.items() if name not in ("W.bias", "U.bias")}
    if not all(_write(a_case.layer.module, name, weights[f"{name}.weight"]) for name in ("U", "v")):
        return  # a layer of one's own, into which no numbers can be written
    # The first text has the best key, the others have not: no text's maximum will do for another.
    places = torch.randint(2, (4, 9), generator=draw.generator)
    places[:, :2] = torch.arange(2)
    places = torch.tensor([3, 1])[places] if mask else places
    places[0] = torch.randperm(9, generator=draw.generator) % 6
    a_case.given |= {"query": torch.zeros_like(a_case.given["query"]), "keys": F.one_hot(places, 6).double()}
    a_case.layer.fitted = Fitted(weights, a_case.layer.fitted.parameters)
    if mask:  # the best keys are forbidden: what hides them must be lower than the scores that are left, below -1000
        scores = (weights["v.weight"] @ weights["U.weight"].sign())[0]  # of the 6 unit vectors
        a_case.given["mask"], a_case.words = scores[places] < 0, " with a mask (b, tk) that forbids the best keys"
    seen = a_case.seen("For scores in the thousands, the output")
    if mask:
        seen.clue = lambda got: (
            "The number that hides a score must win over every score, however large; and where a maximum is "
            "subtracted, it is each text's own"
        )
    yield seen


def _write(module: nn.Module, name: str, value: torch.Tensor) -> bool:
    """Put numbers (out, in) into a part, and zeros into its bias; return whether they could be."""
    held = getattr(module, name)
    with torch.no_grad():
        if isinstance(held, nn.Parameter):
            straight = tuple(s for s in held.shape if s > 1) == tuple(s for s in value.shape if s > 1)
            held.copy_((value if straight else value.T).reshape(held.shape))
            return True
        if not isinstance(held, nn.Linear) or "weight" not in held._parameters:
            return False
        held.weight.copy_(value)
        if held.bias is not None:
            held.bias.zero_()
    return True


def look_at_training(subject: Subject, draw: Draw, case: type[Weights], mask: str | None = None) -> Iterator[Seen]:
    """Nothing in this layer is random, not in train mode either; there are enough keys for any change to show."""
    a_case = case(subject, draw, mask=mask, b=4, tk=9)
    a_case.layer.module.train()
    came = a_case.call()
    seen = seen_the_same_twice(came, a_case.call(), asked=False)
    # There is no `dropout` here to speak of.
    seen.told, seen.says_it_all = {"the same twice": MISTAKES[-1].sentence}, False
    yield seen
    yield a_case.seen("The output in train mode", came)


# Mistakes

# An answer may have biases; the mistakes can take them over.
MISTAKES = Mistakes(layers.AdditiveAttention, always=((", bias=False", ""),)).read(
    """
    no tanh: There is no tanh: without it, W q adds the same to every key's score, and changes no weight.
        torch.tanh( => (
    relu for tanh: W q + U k goes through a ReLU, which cuts off what is negative. The formula has a tanh.
        torch.tanh( => torch.relu(
    sigmoid for tanh: W q + U k goes through a sigmoid, from 0 to 1. The formula has a tanh, from -1 to 1.
        torch.tanh( => torch.sigmoid(
    tanh outside: The tanh is taken of the score, v^T (W q + U k). It belongs inside: v^T tanh(W q + U k).
        torch.tanh( => (
        self.v(hidden)[:, :, 0] => torch.tanh(self.v(hidden)[:, :, 0])
    no v, a sum: v is left out: the numbers of tanh(W q + U k) are simply added up. v weighs them first.
        self.v(hidden)[:, :, 0] => hidden.sum(-1)
    no v, a mean: v is left out: the score is the mean of tanh(W q + U k). v weighs these numbers first.
        self.v(hidden)[:, :, 0] => hidden.mean(-1)
    no query: The query plays no part: whatever is asked, the weights are the same. W q has to be added inside the tanh;
    what is added to all scores alike, softmax takes out again.
        self.W(query)[:, None] +  =>
    no keys: The keys play no part in the scores, so all keys get the same weight.
        self.W(query)[:, None] + self.U(keys) => self.W(query)[:, None].expand(-1, keys.shape[1], -1)
    query not projected: The query is added as it is. W has to bring it to hidden_dim first: query_dim may be another.
        self.W(query)[:, None] => query[:, None]
    keys not projected: The keys are added as they are. U has to bring them to hidden_dim first: key_dim may be another.
        self.U(keys) => keys
    no axis for the keys: W q, (b, hidden), is added to U k, (b, tk, hidden), without an axis for the keys in between.
    Then the shapes do not fit, or worse, they do, and each key meets another text's query.
        self.W(query)[:, None] => self.W(query)
    multiplied: W q and U k are multiplied with each other. This attention is additive: add them.
        self.W(query)[:, None] +  => self.W(query)[:, None] *
    subtracted: The difference of W q and U k is taken. This attention is additive: add them.
        self.W(query)[:, None] +  => self.W(query)[:, None] -
    dot product: The score is the dot product of W q and U k, which is lesson 2's attention. Here it is v^T tanh(W q + U
    k).
        torch.tanh(self.W(query)[:, None] + self.U(keys)) => self.W(query)[:, None] * self.U(keys)
        self.v(hidden)[:, :, 0] => hidden.sum(-1)
    scaled: The scores are divided by the root of hidden_dim. That is right for a dot product (lesson 2), not here.
        self.v(hidden)[:, :, 0] => self.v(hidden)[:, :, 0] / hidden.shape[-1] ** 0.5
    softmax over the batch: Softmax runs over the batch: the texts compete for each key. It should run over the keys of
    each text.
        torch.softmax(scores, dim=-1) => torch.softmax(scores, dim=0)
    softmax over one number: The scores still have the shape (b, tk, 1), and softmax runs over the last axis, a single
    number: every weight is 1. Take that axis away before softmax.
        torch.softmax(scores, dim=-1) => torch.ones_like(scores)[..., None]
        weights.masked_fill(~mask, 0.0) => weights
        (weights[:, None] @ keys)[:, 0] => keys.sum(1)
    an axis too many: The weights have the shape (b, tk, 1). The axis that v left behind has to go: (b, tk).
        return context, weights => return context, weights[..., None]
    no softmax: The scores are used as weights as they are. Softmax turns them into weights that sum to 1.
        torch.softmax(scores, dim=-1) => scores
    sigmoid for softmax: Each weight comes from a sigmoid of its own, so they do not sum to 1 as they do in softmax.
        torch.softmax(scores, dim=-1) => scores.sigmoid()
    softmax that overflows: The softmax overflows: exp of a large score is infinite, and infinity divided by infinity is
    NaN. `torch.softmax` subtracts the largest score first.
        torch.softmax(scores, dim=-1) => scores.exp() / scores.exp().sum(-1, keepdim=True)
    average of projected keys: The weights average U k. They should average the keys as they came in: (b, k).
        (weights[:, None] @ keys)[:, 0] => (weights[:, None] @ self.U(keys))[:, 0]
    plain mean: The context is the plain mean of the keys: the weights are not used.
        (weights[:, None] @ keys)[:, 0] => keys.mean(1)
    plain sum: The context is the plain sum of the keys: the weights are not used.
        (weights[:, None] @ keys)[:, 0] => keys.sum(1)
    mean of the weighted keys: The weighted keys are averaged once more, so the context is too small by the number of
    keys. The weights sum to 1 already: add the weighted keys up.
        (weights[:, None] @ keys)[:, 0] => (weights[:, None] @ keys)[:, 0] / keys.shape[1]
    the best key alone: The context is the key with the largest weight, alone. It should be the average of all keys:
    only that has a slope along which W, U and v can learn.
        (weights[:, None] @ keys)[:, 0] => keys[torch.arange(len(keys)), weights.argmax(1)]
    largest weighted number: The context takes the largest of the weighted keys, number by number. It should add them
    up.
        (weights[:, None] @ keys)[:, 0] => (weights[..., None] * keys).amax(1)
    weighted keys not added up: The keys are weighed, but not added up: the context still has an axis for the keys.
        (weights[:, None] @ keys)[:, 0] => weights[..., None] * keys
    an axis left in the context: The context has the shape (b, 1, k). The axis of length 1 has to go: (b, k).
        (weights[:, None] @ keys)[:, 0] => weights[:, None] @ keys
    weights first: The two results have changed places: the context comes first, then the weights.
        return context, weights => return weights, context
    scores returned: What comes back as weights are the scores, from before softmax.
        return context, weights => return context, scores
    mask ignored: The mask changes nothing: keys that are forbidden still get weight.
        if mask is not None: => if False:
    mask inverted: The mask works the wrong way round: here True means that a key may be attended to.
        ~mask => mask
    mask inverted, then zeroed: The scores of the allowed keys are hidden, not those of the forbidden: True means that a
    key may be attended to.
        scores.masked_fill(~mask, -math.inf) => scores.masked_fill(mask, -math.inf)
    mask after softmax: No mask reaches softmax: forbidden keys get 0 only after it, and what is left of the weights no
    longer sums to 1. Hide the scores before softmax, and keep the result: `scores = scores.masked_fill(...)`.
        scores.masked_fill(~mask, -math.inf) => scores
    mask multiplied into the scores: The scores are multiplied by the mask, so a forbidden key's score is 0, and exp(0)
    = 1 is no small weight. Minus infinity is what makes it 0.
        scores.masked_fill(~mask, -math.inf) => scores * mask
        weights.masked_fill(~mask, 0.0) => weights
    a small number for minus infinity: A forbidden key's score is made smaller by a fixed number, and a large score wins
    over it. Only minus infinity, or the smallest number there is, is small enough.
        scores.masked_fill(~mask, -math.inf) => scores - 100.0 * ~mask
        weights.masked_fill(~mask, 0.0) => weights
    mask of the first text: The mask of the first text in the batch is used for all of them.
        ~mask => ~mask[:1]
    average of all keys: The weights are right, but the context averages the keys without the mask.
        , :, 0] => , :, 0]; open_to_all = torch.softmax(scores, -1)
        (weights[:, None] @ keys)[:, 0] => (open_to_all[:, None] @ keys)[:, 0]
    NaN where nothing may be attended to: Where nothing may be attended to, softmax divides 0 by 0, and NaN comes out.
    Zeros are wanted there.
        weights.masked_fill(~mask, 0.0) => weights
    an average where nothing may be attended to: Where nothing may be attended to, the average of all keys comes out.
    Zeros are wanted there.
        weights.masked_fill(~mask, 0.0) => weights
        -math.inf => -1e9
    dropout: In train mode, something is dropped at random. The exercise has no dropout, and no argument for it.
        (weights[ => (nn.functional.dropout(weights, 0.5, self.training)[
    """
)

# The check


def both(right: str, look: Any = looks.output, **settings: Any) -> list[Step]:
    """The weights, then the context."""
    return [kind.step(right, look, draws=f"{right} {settings}", **settings) for kind in (Weights, Context)]


EXERCISE = Exercise(
    id="1",
    title="additive attention",
    passed="Scores, weights, context, masks and gradients agree with the formula.",
    hints={1: ("the weights",), 2: ("the context",)},
    steps=(
        Weights.step("the weights", looks.output),
        Context.step("the context", looks.output),
        *(one for ones in ("b tk", "b", "tk", "q k", "hidden") for one in both("sizes of 1", ones=ones)),
        *both("equal sizes", **dict.fromkeys(("b", "tk", "q", "k", "hidden"), 4)),
        *both("many keys", long=True),
        Weights.step("masks", looks.output, mask=PADDING),
        *both("masks and context", mask=PADDING),
        *(one for ones in ("b", "tk") for one in both("masks and context", mask=PADDING, ones=ones)),
        *both("using a layer twice", looks.second_use, mask=PADDING),
        *both("float64", mask=PADDING, dtype=torch.float64),
        *both("large scores", look_at_large_scores),
        *both("large scores", look_at_large_scores, mask=PADDING),
        Context.step("the gradients", looks.gradients),
        Context.step("the gradients", looks.gradients, mask=PADDING),
        *both("rows without any key", looks.empty_rows, mask=PADDING),
        Context.step("rows without any key", looks.gradients, mask=PADDING, empty=True, remark=looks.NAN_GRADIENT),
        *both("train mode", look_at_training),
        *both("train mode", look_at_training, mask=PADDING),
        Context.step("another device", looks.elsewhere, mask=PADDING),
        Context.step("inputs that are not contiguous", looks.scattered, mask=PADDING, remark=NOT_CONTIGUOUS),
    ),
    telling="masks and context",
    misconceptions=MISTAKES,
)
