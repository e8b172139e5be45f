"""Exercise 6b, the decoder block: what goes in, what is right, what the check looks at, and mistakes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

import torch

from helpers import layers
from helpers.checks.answer.parts import within
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import PADDING, PER_HEAD, PER_QUERY, ROWS, TABLE, Draw
from helpers.checks.engine.exercise import Exercise
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen
from helpers.checks.exercises.ex_03 import self_attention
from helpers.checks.looks import layer as looks
from helpers.checks.looks.block import BlockCase, linear, norm, seen_places
from helpers.checks.looks.case import Input, Mask
from helpers.checks.looks.dropout import in_train_mode
from helpers.checks.looks.where_dropout import all_kept, dropped_ways

# What goes in, and what is right


def decoder(
    weights: Mapping[str, torch.Tensor],
    h: int,
    x: torch.Tensor,
    memory: torch.Tensor | None = None,
    mask: torch.Tensor | None = None,
    memory_mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return what torch's functions give with these weights: (b, t, k) gives (b, t, k), in float64."""
    t = x.shape[1]
    causal = torch.ones(t, t, dtype=torch.bool, device=x.device).tril()
    allowed = causal if mask is None else causal & mask
    x = norm(weights, "norm_1", x + self_attention(within(weights, "self_attention"), h, x, allowed))
    if memory is not None:
        across = self_attention(within(weights, "cross_attention"), h, x, memory_mask, memory)
        x = norm(weights, "norm_2", x + across)
    hidden = linear(weights, "mlp_1", x).relu()
    return norm(weights, "norm_3", x + linear(weights, "mlp_2", hidden))


class Decoder(BlockCase):
    """Words, a memory that may be left out, and a mask for each."""

    takes = {  # noqa: RUF012
        "x": Input("b t k"),
        "memory": Input("b tk k", optional=True),
        "mask": Mask("t", "t"),
        "memory_mask": Mask("t", "tk"),
    }
    long_sizes = {"t": 131, "tk": 139}  # noqa: RUF012
    norms = ("norm_1", "norm_2", "norm_3")
    attentions = ("self_attention", "cross_attention")

    def oracle(self, weights: Mapping[str, torch.Tensor], **given: Any) -> torch.Tensor:
        return decoder(weights, self.sizes["h"], **given)


# What this check alone looks at

P = 0.5
PLACES = (
    "the weights of the attention to x",
    "what the attention to x returns",
    "the weights of the attention to the memory",
    "what the attention to the memory returns",
    "what the MLP returns",
)


def look_at_places_of_dropout(subject: Subject, draw: Draw, case: type[Decoder]) -> Iterator[Seen]:
    """Dropout falls on the attentions' weights and on what attentions and MLP return, as the lesson's text has it.

    With texts of one word, and a memory of one, there are few numbers to drop.
    """
    one = case(subject, draw, dropout=P, dtype=torch.float64, b=14, t=1, tk=1, h=1, m=3, more=1)
    with in_train_mode(one.layer.module):
        came = one.call()[:, 0]  # (b, k)

    def kept(number: torch.Tensor) -> list[torch.Tensor]:
        found, k = list[torch.Tensor](), one.sizes["k"]
        for numbers in (k, k, 1, k, 1):  # at the places from the last one, which counts fastest, to the first
            found.insert(0, all_kept(numbers)[number % 2**numbers])
            number = number // 2**numbers
        return found

    yield from seen_places(came, partial(_ways, one, P), kept, PLACES, P, "Dropout in train mode" + one.words)


def _ways(case: Decoder, p: float, some: slice, inside: bool, missing: Collection[str]) -> torch.Tensor:
    """Return the output (b, ways, k) for all droppings, of one place after the other but for those `missing`."""
    weights = case.layer.fitted.weights

    def normed_sum(number: int, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        is_missing = PLACES[2 * number - 1 if number < 3 else 4] in missing
        added = x + y if is_missing else (x[..., None, :] + dropped_ways(y, p)).flatten(1, 2)
        return norm(weights, f"norm_{number}", added)

    def attended(name: str, source: torch.Tensor) -> torch.Tensor:
        """With one word and one head there is one weight, and it is 1: dropped, or 1 / (1 - p)."""
        values = linear(weights, f"{name}.to_values", source)
        is_missing = PLACES[0 if name == "self_attention" else 2] in missing
        ways = [values, values] if is_missing else [0 * values, values / (1 - p)]
        return linear(weights, f"{name}.unify_heads", torch.cat(ways, dim=1))

    x, memory = (part[some].detach().double() for part in (case.given["x"], case.given["memory"]))  # (b, 1, k)
    x = normed_sum(1, x.expand(-1, 2, -1), attended("self_attention", x))
    across = attended("cross_attention", memory)
    x = normed_sum(2, x.repeat_interleave(2, 1), across.repeat(1, x.shape[1], 1))
    hidden = linear(weights, "mlp_1", x).relu()
    if inside:
        kept = all_kept(hidden.shape[-1]) / (1 - p)
        x, hidden = x.repeat_interleave(len(kept), 1), (hidden[:, :, None] * kept).flatten(1, 2)
    return normed_sum(3, x, linear(weights, "mlp_2", hidden))


# Mistakes

MISTAKES = Mistakes(layers.DecoderBlock).read(
    r"""
    the mask replaces the causal one: Where a mask is given, the causal one is forgotten, and words see the future. Both
    must allow: join with `&`.
        allowed & mask => mask
    no causal mask: Words see the words after them: nothing is causal here. `causal_mask` belongs to the attention to x,
    always.
        allowed & mask => mask
        causal_mask(x.shape[1]).to(x.device) => None
    causal only where a mask is given: Where no mask is given, words see the words after them. The causal mask holds
    always, with a `mask` or without.
        allowed = causal_mask(x.shape[1]).to(x.device) => allowed = None
        allowed & mask => causal_mask(x.shape[1]).to(x.device) & mask
    mask not passed on: `mask` has no effect: only the causal mask reaches the attention to x. Join the two with `&`.
        allowed & mask => allowed
    either mask is enough: The two masks are joined with `|` or `+`, so a word may be attended to where either allows
    it. Both must: `&`.
        allowed & mask => allowed | mask
    the mask inverted: `mask` works the wrong way round: here True means that a word may be attended to.
        allowed & mask => allowed & ~mask
    the causal mask turned round: Each word sees itself and the words after it: the causal mask is turned round.
        causal_mask(x.shape[1]) => causal_mask(x.shape[1]).T
    the causal mask inverted: Each word sees only the words after it: the causal mask goes in inverted, as torch's own
    layers want it.
        causal_mask(x.shape[1]) => ~causal_mask(x.shape[1])
    a word does not see itself: A word may not attend to itself here. In the causal mask it may.
        causal_mask(x.shape[1]) => causal_mask(x.shape[1]).tril(-1)
    memory ignored: `memory` has no effect: there is no attention to it, or its result is never used.
        if memory is not None: => if False:
    keys and values from x: The second attention takes its keys and values from x. They come from the memory:
    `context=memory`.
        (x, memory_mask, context=memory) => (x)
    x and memory exchanged: The queries come from the memory, and keys and values from x. Each word of x asks: queries
    are x's.
        (x, memory_mask, context=memory) => (memory, context=x)
      or (x, memory_mask, context=memory) => (memory, memory_mask, context=x)
    attention to x where there is no memory: Without a memory, the second attention should be left out, with its sum and
    its norm. Here it attends to x.
        if memory is not None: => if True:
    the second norm where there is no memory: Without a memory, the second norm should be left out too, and here it is
    not.
        return self.norm_3( => x = self.norm_2(x) if memory is None else x\n        return self.norm_3(
    memory mask not passed on: `memory_mask` has no effect: hand it on to the attention to the memory.
        memory_mask, context => None, context
    the memory mask inverted: `memory_mask` works the wrong way round: here True means that a word may be attended to.
        memory_mask, context => None if memory_mask is None else ~memory_mask, context
    the text's mask over the memory: The attention to the memory is handed the mask of x. The memory has a mask of its
    own, `memory_mask`, which may be None: all of it is there already.
        memory_mask, context => allowed, context
    a causal mask over the memory: The attention to the memory is causal too. The memory is all there already: each word
    may look at all of it.
        memory_mask, => x.new_ones(x.shape[1], memory.shape[1]).tril().bool() & (memory_mask is None or memory_mask),
    the memory first: The attention to the memory comes before the one to the text so far. The text so far comes first.
        x = self.norm_1(x + self.dropout(self.self_attention(x, allowed))) =>
        return => x = self.norm_1(x + self.dropout(self.self_attention(x, allowed)))\n        return
    the memory asked with the block's input: The attention to the memory reads the block's input. It should read what
    the first attention has made of it.
        x = self.norm_1 => start = x; x = self.norm_1
        (x, memory_mask, context=memory) => (start, memory_mask, context=memory)
    nothing added to the first attention: The output of the attention to x takes the place of x. Add x: that is the
    residual path.
        x + self.dropout(self.self_attention => self.dropout(self.self_attention
    nothing added to the second attention: The output of the attention to the memory takes the place of x. Add x: that
    is the residual path.
        x + self.dropout(self.cross_attention => self.dropout(self.cross_attention
    nothing added to the MLP: The MLP's output takes the place of its input. Add the input: that is the residual path.
        x + self.dropout(self.mlp => self.dropout(self.mlp
    norm first: The norms come before attention and MLP. Here: add, then normalize the sum.
        self.norm_1(x + self.dropout(self.self_attention(x, => (x + self.dropout(self.self_attention(self.norm_1(x),
        self.norm_2(x + self.dropout(self.cross_attention(x => (x + self.dropout(self.cross_attention(self.norm_2(x)
        self.norm_3(x + self.dropout(self.mlp(x)) => (x + self.dropout(self.mlp(self.norm_3(x)))
    norm before adding: Each norm sees what attention or MLP return, alone, and the input is added after it. Add first,
    then normalize the sum.
        self.norm_1(x +  => x + self.norm_1(
        self.norm_2(x +  => x + self.norm_2(
        self.norm_3(x +  => x + self.norm_3(
    no norm after the memory: The sum after the attention to the memory is not normalized.
        self.norm_2(x => (x
    no norm at the end: The sum after the MLP is not normalized.
        self.norm_3(x => (x
    the first norm twice: `norm_1` stands after both attentions. Each sum has a norm of its own: `norm_2` comes after
    the memory.
        self.norm_2(x => self.norm_1(x
    the second norm twice: `norm_2` stands after the memory and at the end. Each sum has a norm of its own: `norm_3`
    comes last.
        self.norm_3(x => self.norm_2(x
    the first attention twice: `self_attention` looks at the memory, too. `cross_attention` is there for that, with
    weights of its own.
        self.cross_attention(x, => self.self_attention(x,
    one norm for all: One norm serves in all places. Make three, each with weights of its own: one after each sum.
        self.norm_2 = nn.LayerNorm(embed_dim) => self.norm_2 = self.norm_1
        self.norm_3 = nn.LayerNorm(embed_dim) => self.norm_3 = self.norm_1
    one attention for both: One and the same attention layer looks at the text so far and at the memory. Make two: they
    look for different things.
        cross_attention = SelfAttention(embed_dim, num_heads, dropout=dropout) => cross_attention = self.self_attention
    MLP not used: The MLP is made and never used.
        x + self.dropout(self.mlp(x)) => x
    no activation: There is no activation between the MLP's two layers, so together they are no more than one linear
    layer.
        nn.ReLU() => nn.Identity()
    GELU: The activation is GELU; this block has ReLU.
        nn.ReLU() => nn.GELU()
    hidden width of 4k: The MLP is four times as wide as the model inside. Here the default is 2 * embed_dim.
        2 * embed_dim if => 4 * embed_dim if
    hidden_dim ignored: `hidden_dim` has no effect on the width of the MLP.
        2 * embed_dim if hidden_dim is None else hidden_dim => 2 * embed_dim
    dropout in eval mode: Dropout is active in eval mode too, so predictions are random. `nn.Dropout` knows the mode;
    `F.dropout` has to be told.
        nn.Dropout(dropout) => lambda x: nn.functional.dropout(x, dropout)
    no dropout: Nothing is dropped in train mode: the `dropout` argument has no effect.
        super().__init__() => super().__init__(); dropout = 0.0
    attention's dropout not passed on: The attention layers drop with their own default of 0.1 whatever `dropout` says:
    hand `dropout` on to them.
        , dropout=dropout =>
    """
)

# The check

LEFT_ON_CPU = "on a GPU it would stop: the causal mask stays behind on the CPU. `.to(x.device)` takes it along."
BOTH = {"mask": PADDING, "memory_mask": PADDING}
ANOTHER, DROPS, DEFAULTS = {"draws": "another block"}, {"draws": "a block with dropout"}, {"draws": "the defaults"}
DOUBLE: dict[str, Any] = {"dtype": torch.float64, "draws": "a block in float64"}
step = Decoder.step
output: Any = partial(step, look=looks.output, draws="a block")

EXERCISE = Exercise(
    id="6b",
    title="the decoder block",
    passed="Causal attention, attention to the memory, MLP, masks and gradients agree with torch's own layer; dropout "
    "is on in train mode only.",
    hints={1: ("the text so far",), 2: ("the memory", "masks", "memory masks", "both masks")},
    steps=(
        output("the text so far", memory=False),
        output("the memory"),
        *(output("masks", memory=False, mask=mask) for mask in (PADDING, PER_QUERY, PER_HEAD)),
        *(output("memory masks", memory_mask=mask) for mask in (PADDING, PER_QUERY, PER_HEAD)),
        output("both masks", **BOTH, **ANOTHER),
        output("masks", mask=ROWS, memory_mask=TABLE, **ANOTHER),
        output("masks", mask=TABLE, **ANOTHER),
        *(output("sizes of 1", ones=ones) for ones in ("b t", "tk", "m", "h")),
        output("sizes of 1", ones="t", memory_mask=PADDING),
        output("a memory as long as the text", t=5, tk=5, **BOTH, **ANOTHER),
        output("long inputs", long=True, b=2, h=2, m=3),
        output("float64", mask=PER_QUERY, memory_mask=PADDING, **DOUBLE),
        step("the gradients", looks.gradients, draws="a block in float64", **BOTH),
        step("rows without any key", looks.empty_rows, mask=PADDING, **ANOTHER),
        step("rows without any key", looks.empty_rows, memory_mask=PADDING, **ANOTHER),
        step("using a block twice", looks.second_use, **BOTH),
        step("eval mode", looks.eval_mode, **DROPS),
        step("train mode without dropout", looks.train_mode, **ANOTHER),
        step("train mode without dropout", looks.train_mode, **BOTH, **ANOTHER),
        step("dropout", looks.dropout, **DROPS),
        output("the defaults", what=looks.BY_SIZES, hidden=False, dropout=None, **DEFAULTS),
        step("the defaults", looks.default_dropout, hidden=False, **DEFAULTS),
        step("the places of dropout", look_at_places_of_dropout),
        step("the order of the arguments", looks.order, **BOTH, **ANOTHER),
        step("other devices", looks.elsewhere, remark=LEFT_ON_CPU, **BOTH),
    ),
    telling="both masks",
    misconceptions=MISTAKES,
)
