"""Exercise 4, the Transformer block: what goes in, what is right, what the check looks at, and mistakes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from helpers import layers
from helpers.checks.answer.parts import within
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import CAUSAL, PADDING, PER_HEAD, PER_QUERY, Draw
from helpers.checks.engine.exercise import Exercise
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen
from helpers.checks.exercises.ex_03 import self_attention
from helpers.checks.looks import layer as looks
from helpers.checks.looks.block import BlockCase, linear, norm, seen_places
from helpers.checks.looks.case import Input, Mask
from helpers.checks.looks.dropout import in_train_mode
from helpers.checks.looks.where_dropout import all_kept, plus_dropped

# What goes in, and what is right


def block(
    weights: Mapping[str, torch.Tensor],
    h: int,
    x: torch.Tensor,
    mask: torch.Tensor | None = None,
    norm_first: bool = False,
    activation: str = "relu",
    norm_eps: float = 1e-5,
) -> torch.Tensor:
    """Return what torch's functions give with these weights: (b, t, k) gives (b, t, k), in float64."""

    def mlp(x: torch.Tensor) -> torch.Tensor:
        hidden = linear(weights, "mlp_1", x)
        return linear(weights, "mlp_2", F.gelu(hidden) if activation == "gelu" else F.relu(hidden))

    def attention(x: torch.Tensor) -> torch.Tensor:
        return self_attention(within(weights, "attention"), h, x, mask)

    if norm_first:
        x = x + attention(norm(weights, "norm_1", x, norm_eps))
        return x + mlp(norm(weights, "norm_2", x, norm_eps))
    x = norm(weights, "norm_1", x + attention(x), norm_eps)
    return norm(weights, "norm_2", x + mlp(x), norm_eps)


class Block(BlockCase):
    """Words, and a mask."""

    takes = {"x": Input("b t k"), "mask": Mask("t", "t")}  # noqa: RUF012
    long_sizes = {"t": 47}  # noqa: RUF012
    norms = ("norm_1", "norm_2")
    attentions = ("attention",)
    bias = False

    def oracle(self, weights: Mapping[str, torch.Tensor], **given: Any) -> torch.Tensor:
        options = {name: value for name, value in self.layer.options.items() if name != "bias"}
        return block(weights, self.sizes["h"], given["x"], given["mask"], **options)


# What this check alone looks at


WEIGHTS, ATTENDED, MLP = PLACES = (
    "the attention's weights (`SelfAttention` drops them, if it is told `dropout`)",
    "what the attention returns",
    "what the MLP returns",
)


def look_at_places_of_dropout(subject: Subject, draw: Draw, case: type[Block], **settings: Any) -> Iterator[Seen]:
    """Dropout falls on the attention's weights and on what attention and MLP return, as the lesson's text has it.

    With texts of one word there are few numbers to drop.
    """
    p = 0.4
    one = case(subject, draw, dropout=p, dtype=torch.float64, b=36, t=1, h=2, m=2, more=1, **settings)
    with in_train_mode(one.layer.module):
        came = one.call()[:, 0]  # (b, k)
    h, k = one.sizes["h"], one.sizes["k"]

    def kept(number: torch.Tensor) -> list[torch.Tensor]:
        return [all_kept(h)[number // 4**k], all_kept(k)[number // 2**k % 2**k], all_kept(k)[number % 2**k]]

    yield from seen_places(came, partial(_ways, one, p), kept, PLACES, p, "Dropout in train mode" + one.words)


def _ways(case: Block, p: float, some: slice, inside: bool, missing: Collection[str]) -> torch.Tensor:
    """Return the output (b, ways, k) for all droppings: of each head's weight, of k numbers, of k numbers again."""
    weights, first = case.layer.fitted.weights, bool(case.layer.options.get("norm_first"))
    x = case.given["x"][some].detach().double()  # (b, 1, k)
    values = linear(weights, "attention.to_values", norm(weights, "norm_1", x) if first else x)
    heads = all_kept(case.sizes["h"]).repeat_interleave(case.sizes["d"], 1)  # with one word, a head has one weight
    attended = linear(weights, "attention.unify_heads", values if WEIGHTS in missing else values * heads / (1 - p))
    x = x.expand(attended.shape)
    x = x + attended if ATTENDED in missing else plus_dropped(x, attended, p)
    if not first:
        x = norm(weights, "norm_1", x)
    hidden = linear(weights, "mlp_1", norm(weights, "norm_2", x) if first else x).relu()
    if inside:
        kept = all_kept(hidden.shape[-1]) / (1 - p)
        x, hidden = x.repeat_interleave(len(kept), 1), (hidden[:, :, None] * kept).flatten(1, 2)
    hidden = linear(weights, "mlp_2", hidden)
    x = x + hidden if MLP in missing else plus_dropped(x, hidden, p)
    return x if first else norm(weights, "norm_2", x)


# Mistakes


class OverText(nn.LayerNorm):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, x.shape[1:], eps=self.eps) * self.weight + self.bias


class AlongWords(nn.LayerNorm):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean(1, keepdim=True)
        return centred / (x.var(1, keepdim=True, correction=0) + self.eps).sqrt() * self.weight + self.bias


class Unbiased(nn.LayerNorm):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return centred / (x.var(-1, keepdim=True) + self.eps).sqrt() * self.weight + self.bias


MISTAKES = Mistakes(layers.TransformerBlock, OverText=OverText, AlongWords=AlongWords, Unbiased=Unbiased).read(
    r"""
    no residual path around the attention: The attention's output takes the place of its input. Add the input: that is
    the residual path.
        x + self.dropout(self.attention => self.dropout(self.attention
    no residual path around the MLP: The MLP's output takes the place of its input. Add the input: that is the residual
    path.
        x + self.dropout(self.mlp => self.dropout(self.mlp
    no residual path: Nothing is added: both residual paths, around the attention and around the MLP, are missing.
        x + self.dropout(self. => self.dropout(self.
    the block's input added twice: The block's own input is added after the MLP. What is added there is what went into
    the MLP.
        x + self.dropout(self.mlp => start + self.dropout(self.mlp
        if self.norm_first: => start = x\n        if self.norm_first:
    attention and MLP side by side: The MLP reads the block's input. It should read what the attention's half has made
    of it.
        self.mlp(x) => self.mlp(start)
        self.mlp(self.norm_2(x)) => self.mlp(self.norm_2(start))
        if self.norm_first: => start = x\n        if self.norm_first:
    norm before adding: The norm sees the attention's (or the MLP's) output alone, and the input is added after it. Add
    first, then normalize the sum.
        self.norm_1(x +  => x + self.norm_1(
        self.norm_2(x +  => x + self.norm_2(
    always norm first: The norms come first although norm_first=False: without it, add, then normalize the sum.
        if self.norm_first: => if True:
    never norm first: `norm_first` has no effect: with norm_first=True each norm comes before the attention or the MLP.
        if self.norm_first: => if False:
    norm_first inverted: `norm_first` works the wrong way round.
        if self.norm_first: => if not self.norm_first:
    norm first on the residual path: With norm_first=True, what is added is the normalized input. The residual path goes
    around the norm: add the input itself.
        x + self.dropout(self.attention(self.norm_1(x) => (x := self.norm_1(x)) + self.dropout(self.attention(x
        x + self.dropout(self.mlp(self.norm_2(x) => (x := self.norm_2(x)) + self.dropout(self.mlp(x
    no norms: Nothing is normalized: neither `norm_1` nor `norm_2` is ever used.
        self.norm_1( => (
        self.norm_2( => (
    attention added twice: What the attention returns counts twice as much as its input. Add each of them once.
        norm_1(x + self.dropout(self. => norm_1(x + 2 * self.dropout(self.
        x + self.dropout(self.attention => x + 2 * self.dropout(self.attention
    residual from the normed sum: What goes around the MLP is normalized once more. Add the MLP's output to its own
    input.
        self.norm_2(x + self.dropout(self.mlp(x))) => self.norm_2(self.norm_2(x) + self.dropout(self.mlp(x)))
    one norm used twice: `norm_1` normalizes in both places. The second one is `norm_2`, with weights of its own.
        self.norm_2( => self.norm_1(
    one norm with two names: `norm_1` and `norm_2` are one and the same layer. Each needs weights of its own.
        self.norm_2 = nn.LayerNorm(embed_dim, eps=norm_eps) => self.norm_2 = self.norm_1
    norms exchanged: `norm_2` stands at the attention and `norm_1` at the MLP: they are exchanged.
        self.norm_1( => self.norm_0(
        self.norm_2( => self.norm_1(
        self.norm_0( => self.norm_2(
    no second norm: The sum after the MLP is not normalized: `norm_2` is never used.
        self.norm_2( => (
    no second norm with the norm first: With norm_first=True, what goes into the MLP is not normalized: there, too,
    `norm_2` has its place.
        self.norm_2(x)) => x)
    residual path of the MLP after its norm: With norm_first=True, the MLP's residual path starts after `norm_2`. It
    should carry x as it came: the norm is for what goes into the MLP alone.
        x + self.dropout(self.mlp(self.norm_2(x) => (x := self.norm_2(x)) + self.dropout(self.mlp(x
    no first norm: The sum after the attention is not normalized: `norm_1` is never used.
        self.norm_1( => (
    norm over the whole text: The norm takes mean and variance over all words of a text. Layer norm looks at each word's
    features alone.
        nn.LayerNorm => OverText
    norm along the words: The norm takes mean and variance of each feature along the words. It should take them along
    the features of a word.
        nn.LayerNorm => AlongWords
    variance divided by k - 1: The norm's variance is divided by k - 1, as `torch.var` does unless told otherwise. Layer
    norm divides by k.
        nn.LayerNorm => Unbiased
    no activation: There is no activation between the MLP's two layers, so together they are no more than one linear
    layer.
        activations[activation]() => nn.Identity()
    activation at the end: The activation comes after the MLP's second layer. It belongs between the two.
        activations[activation](), =>
        nn.Linear(hidden_dim, embed_dim) => nn.Linear(hidden_dim, embed_dim), activations[activation]()
    always ReLU: `activation` has no effect: with activation="gelu" it is still ReLU.
        activations[activation]() => nn.ReLU()
    always GELU: The activation is GELU although activation="relu".
        activations[activation]() => nn.GELU()
    GELU approximated: This GELU is the approximation by tanh. torch's default, and BERT's, is the exact one.
        "gelu": nn.GELU => "gelu": lambda: nn.GELU("tanh")
    hidden width of 4k: The MLP is four times as wide as the model inside. Here the default is 2 * embed_dim.
        2 * embed_dim if => 4 * embed_dim if
    hidden_dim ignored: `hidden_dim` has no effect on the width of the MLP.
        2 * embed_dim if hidden_dim is None else hidden_dim => 2 * embed_dim
    norm_eps ignored: `norm_eps` has no effect: hand it on to both norms.
        , eps=norm_eps =>
    bias not passed on: `bias` has no effect on the attention's projections: hand it on.
        , bias=bias =>
    always a bias: The attention's projections have a bias although bias=False: hand `bias` on.
        , bias=bias => , bias=True
    mask not passed on: The mask has no effect: hand it on to the attention.
        , mask) => )
    mask inverted: The mask works the wrong way round: here True means that a word may be attended to.
        , mask) => , None if mask is None else ~mask)
    dropout in eval mode: Dropout is active in eval mode too, so predictions are random. `nn.Dropout` knows the mode;
    `F.dropout` has to be told.
        nn.Dropout(dropout) => lambda x: nn.functional.dropout(x, dropout)
    no dropout: Nothing is dropped in train mode: the `dropout` argument has no effect.
        super().__init__() => super().__init__(); dropout = 0.0
    attention's dropout not passed on: The attention drops with its own default of 0.1 whatever `dropout` says: hand
    `dropout` on to it.
        , dropout=dropout =>
    """
)

# The check

FIRST: dict[str, Any] = {"options": {"norm_first": True}}
ANOTHER, DROPS, DEFAULTS = {"draws": "another block"}, {"draws": "a block with dropout"}, {"draws": "the defaults"}
step = Block.step
output: Any = partial(step, look=looks.output, draws="a block")

EXERCISE = Exercise(
    id="4",
    title="the Transformer block",
    passed="Attention, MLP, norms first and last, masks and gradients agree with torch's own layer, and dropout is for "
    "training only.",
    hints={1: ("norm first", "GELU"), 2: ("norm last",)},
    steps=(
        output("norm last"),
        output("norm first", **FIRST),
        output("GELU", options={"activation": "gelu"}),
        output("norm_eps", options={"norm_eps": 0.5}),
        output("norm_eps", options={"norm_eps": 0.5, "norm_first": True}),
        # Words that hardly vary show how large the number is that keeps the norm from dividing by 0.
        output("norm_eps", what="The output with the default norm_eps for words of tiny variance", scale=3e-3, **FIRST),
        output("bias", bias=True),
        *(output("masks", mask=mask) for mask in (PADDING, CAUSAL, PER_HEAD)),
        output("masks with norm first", mask=PADDING, **FIRST, **ANOTHER),
        output("sizes of 1", ones="b m"),
        output("sizes of 1", ones="t h"),
        output("long inputs", long=True, **ANOTHER),
        output(
            "float64",
            dtype=torch.float64,
            mask=PER_QUERY,
            bias=True,
            options={"norm_first": True, "activation": "gelu"},
        ),
        step("the gradients", looks.gradients),
        step("the gradients", looks.gradients, bias=True, mask=PER_QUERY, **FIRST),
        step("rows without any key", looks.empty_rows, mask=PADDING, **ANOTHER),
        step("rows without any key", looks.empty_rows, mask=PADDING, **FIRST, **ANOTHER),
        step("using a block twice", looks.second_use, mask=PADDING),
        step("eval mode", looks.eval_mode, **DROPS),
        step("eval mode", looks.eval_mode, mask=PADDING, **FIRST, **DROPS),
        step("train mode without dropout", looks.train_mode, **ANOTHER),
        step("train mode without dropout", looks.train_mode, mask=PER_QUERY, **ANOTHER),
        step("train mode without dropout", looks.train_mode, mask=PADDING, **FIRST, **ANOTHER),
        step("dropout", looks.dropout, **DROPS),
        step("dropout", looks.dropout, **FIRST, **DROPS),
        output(
            "the defaults",
            what=looks.BY_SIZES,
            hidden=False,
            dropout=None,
            **DEFAULTS,
        ),
        step("the defaults", looks.default_dropout, hidden=False, **DEFAULTS),
        step("the places of dropout", look_at_places_of_dropout),
        step("the places of dropout", look_at_places_of_dropout, **FIRST),
        step("other devices", looks.elsewhere, mask=PER_QUERY),
        step("other devices", looks.elsewhere, mask=PER_QUERY, **FIRST),
    ),
    telling="norm first",
    misconceptions=MISTAKES,
)
