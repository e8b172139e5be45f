"""Exercise 5, positional encoding: what goes in, what is right, what the check looks at, and mistakes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch

from helpers import layers
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.exercise import Exercise, Step
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen, seen_facts
from helpers.checks.engine.trouble import told_first
from helpers.checks.looks import layer as looks
from helpers.checks.looks.case import Case, Input, Layer
from helpers.checks.looks.dropout import Facts, dropped_facts
from helpers.checks.looks.refusal import Refusal, names_numbers, outcome, refused_or_told
from helpers.checks.looks.strides import NOT_CONTIGUOUS
from helpers.checks.looks.used_before import second_call

# What goes in, and what is right


def expected_encoding(t: int, k: int) -> torch.Tensor:
    """Return the encoding of positions 0 to t - 1, (t, k) in float64: the paper's formula, a number at a time."""
    rows = []
    for position in range(t):
        angles = [position / 10000 ** (2 * (place // 2) / k) for place in range(k)]
        rows.append([math.cos(angle) if place % 2 else math.sin(angle) for place, angle in enumerate(angles)])
    return torch.tensor(rows, dtype=torch.float64)


class Encoding(Case):
    """Words' vectors; with `zeros`, nothing but zeros, so that the encoding alone comes out."""

    takes = {"x": Input("b t k")}  # noqa: RUF012
    made_for = "k"
    long_sizes = {"t": 43}  # noqa: RUF012

    def __init__(self, subject: Subject, draw: Draw, *, zeros: bool = False, **settings: Any) -> None:
        super().__init__(subject, draw, **settings)
        if zeros:
            self.given = {"x": torch.zeros_like(self.given["x"])}

    @classmethod
    def make(
        cls,
        subject: Subject,
        draw: Draw,
        *,
        dtype: torch.dtype = torch.float32,
        dropout: float | None = 0.0,
        max_len: int | None = None,
        odd: bool = False,
        k: int | None = None,
    ) -> Layer:
        # Wide enough for every mistake in the exponent to show, and as long as no other axis.
        k = 2 * draw.random.randint(4, 8) + odd if k is None else k
        max_len = 50 + draw.random.randint(1, 9) if max_len is None else max_len
        return Layer(subject.make(k) if dropout is None else subject.make(k, dropout, max_len), {"k": k})

    def drawn_sizes(self, draw: Draw, fixed: Mapping[str, int]) -> dict[str, int]:
        return draw.sizes("b t", 3, 7) | dict(fixed)

    def call(self, first_only: bool = False) -> torch.Tensor:
        """Return the output; where words and table do not fit, say first what should."""
        told = "What is added to `x` should be (t, k), a row for each word; here the shapes do not fit."
        with told_first(told, where="must match the size of tensor"):
            return super().call(first_only)

    def oracle(self, weights: Mapping[str, torch.Tensor], **given: Any) -> torch.Tensor:
        x: torch.Tensor = given["x"]
        return x + expected_encoding(*x.shape[1:])


# What this check alone looks at


def look_at_odd_widths(subject: Subject, draw: Draw, case: type[Encoding]) -> Iterator[Seen]:
    """An odd width, at which careless code stops."""
    with told_first("With an odd width there is one sine more than there are cosines.", "stops at an odd width"):
        yield case(subject, draw, odd=True, zeros=True).seen("What is added to zeros")


def look_at_longest(subject: Subject, draw: Draw, default: bool = False, words: bool = False) -> Iterator[Seen]:
    """A text as long as the table passes; a longer one is refused. With `words`: what the error says."""
    longest = 512 if default else draw.random.randint(5, 9)
    layer = subject.make(4, 0.0) if default else subject.make(4, 0.0, longest)
    if not words:
        fits = torch.zeros(2, longest, 4)
        refused = isinstance(subject.call(lambda: outcome(layer, fits)), Refusal)
        told = f"With max_len={longest}, a text of {longest} tokens should pass; here it is refused."
        yield seen_facts("What comes of a text of max_len tokens", {"taken": (not refused, told)})
        what = f"For a text of {longest} tokens, which is max_len, the output"
        came = subject.tensor(layer, fits)
        yield Seen(what, came, lambda: expected_encoding(longest, 4).expand(2, -1, -1), Encoding.output.split())
    for more in (2, 1):
        came = subject.call(lambda: outcome(layer, torch.zeros(2, longest + more, 4)))  # noqa: B023
        if words:
            yield seen_facts("The error", {"names": (names_numbers(came, longest, longest + more), "")})
        else:
            facts = {"came": refused_or_told(came, f"With max_len={longest}, a text of {longest + more} tokens")}
            yield seen_facts("What comes of a text longer than max_len", facts)


def look_at_learning(subject: Subject, draw: Draw, case: type[Encoding]) -> Iterator[Seen]:
    """The gradient goes through to the words, and nothing here is to be trained."""
    a_case = case(subject, draw)
    trained = {name: p for name, p in a_case.layer.module.named_parameters() if p.requires_grad}
    has_table = any(p.numel() >= 50 * a_case.sizes["k"] for p in trained.values())
    advice = "keep the table as a buffer, `register_buffer`" if has_table else "the formula has nothing to learn"
    told = f"The layer has something to train, {', '.join(f'`{name}`' for name in trained)}: {advice}."
    which = not trained or ("the table" if has_table else "something else")
    yield seen_facts("The layer", {"fixed": (which, told)})
    x = a_case.given["x"].requires_grad_()
    output = a_case.call()
    ahead = draw.normal(*output.shape)
    (got,) = subject.gradients(output, [x], ahead)
    yield Seen("The gradient of the words", got, lambda: ahead.double(), case.output.split(), a_case.sizes)


def look_at_dropout(subject: Subject, draw: Draw, case: type[Encoding], dropout: float | None = 0.25) -> Iterator[Seen]:
    """Dropout falls on the sum: what is dropped is 0, what is kept is the sum divided by 1 - p; by default p is 0.1."""
    p = 0.1 if dropout is None else dropout
    a_case = case(subject, draw, dropout=dropout, b=4, t=11, k=32)
    a_case.layer.module.train()
    clean = a_case.oracle({}, **a_case.exact({}))
    first, second = a_case.call(), a_case.call()
    if first.shape != clean.shape:
        yield a_case.seen("The output in train mode", first)
        return
    a_case.given = {"x": torch.zeros(4, 11, 32)}
    unworded = [a_case.call(), a_case.call()]
    # At position 0 the sines are 0: there, what differs from call to call is the words.
    words = not torch.equal(first[:, 0, 0::2], second[:, 0, 0::2])
    same = "two calls give the same"
    facts: Facts = {
        "the positions": (
            not torch.equal(*unworded),
            f"For words that are all zero, {same}: the positions are never dropped.",
        ),
        "the words": (words, f"For the words, {same}: they are never dropped."),
        **dropped_facts(first, clean, p, "number", "the sum"),
    }
    made = " for a layer made without `dropout`, which is 0.1 then" if dropout is None else f" with p = {p}"
    yield seen_facts(f"Dropout in train mode{made}", facts, says_it_all=dropout is None)


def look_twice(subject: Subject, draw: Draw, case: type[Encoding]) -> Iterator[Seen]:
    """A layer that was used for shorter and for longer texts, and for larger batches, keeps nothing of them."""
    a_case = case(subject, draw, b=5, t=4)
    a_case.call()
    k = a_case.sizes["k"]
    for t, words in ((5, "a shorter"), (5, "another"), (3, "a longer"), (9, "a shorter")):
        a_case.given, a_case.sizes = {"x": draw.normal(2, t, k)}, {"b": 2, "t": t, "k": k}
        with second_call(f"after {words} text"):
            yield a_case.seen(f"The output of a layer that was used before, for {words} text,", alone=False)


# Mistakes

MISTAKES = Mistakes(layers.PositionalEncoding).read(
    """
    the exponent i / k: The clocks turn too fast: the exponent is i/k, and 2i/k is wanted. The last clock should be
    almost 10000 times slower than the first.
        even / embed_dim => even / embed_dim / 2
    the exponent 4i / k: The clocks turn too slowly: the exponent is twice what it should be. `even` holds 0, 2, 4 ...:
    it is 2i already. Divide it by k, not by k / 2.
        even / embed_dim => 2 * even / embed_dim
    rounded exponents: All clocks turn at the same speed: 2i/k is rounded down to a whole number, 0. Divide with `/`,
    not with `//`.
        even / embed_dim => even // embed_dim
    base 1000: The base is 1000; the formula has 10000.
        10000 ** => 1000 **
    base 100000: The base is 100000; the formula has 10000.
        10000 ** => 100000 **
    base e: The base is e, not 10000: written with `exp`, the exponent needs a factor of log(10000).
        10000 ** => math.e **
    one divisor too far: The first clock is skipped: i counts from 1. It should count from 0, so that the first angle is
    the position.
        even / embed_dim => (even + 2) / embed_dim
    the last clock exactly 10000 times slower: The exponents are stretched, so that the last one is 1: they are 2i/(k -
    2). In the formula they are 2i/k, which never reaches 1.
        even / embed_dim => even / max(1, embed_dim - 2)
    10000 times 2i / k: 10000 is multiplied by 2i/k. It should be raised to that power: `**`.
        10000 ** (even / embed_dim) => (10000 * even / embed_dim)
    no power: Positions are divided by 10000 and multiplied by 2i/k. 10000 should be raised to that power: `**`.
        10000 ** => 10000 *
    no brackets around the exponent: The exponent ends too early: `**` is done before `/` and `*`. Put brackets round
    the whole of it.
        10000 ** (even / embed_dim) => 10000 ** even / embed_dim
    multiplied by the power: Positions are multiplied by 10000^(2i/k). They should be divided by it: later clocks are
    slower.
        position / => position *
    positions from 1: Positions are counted from 1. The first word of a text stands at position 0: its sines are 0, its
    cosines 1.
        torch.arange(max_len, => torch.arange(1, max_len + 1,
    positions as a fraction of max_len: Positions are divided by max_len first, so the same place looks different in
    layers of other lengths. Take the positions 0, 1, 2 ... as they are.
        [:, None] => [:, None] / max_len
    whole turns: The angles are multiplied by 2 pi. In the formula the first clock's angle is the position itself, in
    radians.
        [:, None] => [:, None] * 2 * math.pi
    sines and cosines in two halves: All sines stand in the first half, all cosines in the second. They should take
    turns: sine, cosine, sine, cosine.
        encoding[:, 0::2] = torch.sin(angles)
            => encoding = torch.cat([angles.sin(), angles.cos()], dim=1)[:, :embed_dim].float()
        encoding[:, 1::2] = torch.cos(angles[:, : embed_dim // 2]) =>
    sine and cosine swapped: Sine and cosine have changed places: the sine belongs in the even places 0, 2, 4 ..., the
    cosine in the odd ones.
        torch.sin(angles) => torch.cos(angles)
        torch.cos(angles[ => torch.sin(angles[
    sines only: There are only sines. The odd places should hold cosines.
        torch.cos( => torch.sin(
    odd places left empty: The odd places are all 0. They should hold the cosines.
        encoding[:, 1::2] = torch.cos(angles[:, : embed_dim // 2]) =>
    even places left empty: The even places are all 0. They should hold the sines.
        encoding[:, 0::2] = torch.sin(angles) =>
    a clock for each place: Each place has a speed of its own. Places 2i and 2i + 1 belong to the same clock: the same
    angle, once as a sine and once as a cosine.
        torch.arange(0, embed_dim, 2, => torch.arange(embed_dim,
        sin(angles) => sin(angles[:, 0::2])
        : embed_dim // 2] => 1::2]
    a clock for each place, too slow: Each place has a speed of its own, and the exponents are twice what they should
    be. A loop over 0, 2, 4 ... holds 2i already, and places 2i and 2i + 1 share an angle.
        torch.arange(0, embed_dim, 2, => torch.arange(embed_dim,
        sin(angles) => sin(angles[:, 0::2])
        : embed_dim // 2] => 1::2]
        even / embed_dim => 2 * even / embed_dim
    an odd width stops it: An odd width stops it: there is one sine more than there are cosines. Give the odd columns
    the first embed_dim // 2 angles only.
        angles[:, : embed_dim // 2] => angles
    the last sine is missing: With an odd width the last place stays 0. It holds one more sine.
        ]) => ]); encoding[:, embed_dim // 2 * 2 :] = 0
    the width rounded down: With an odd width the exponent is 2i/(k - 1): the width was rounded down to an even number.
    Divide by k itself.
        even / embed_dim => even / max(1, embed_dim // 2 * 2)
    the width rounded up: With an odd width the exponent is 2i/(k + 1): the width was rounded up to an even number.
    Divide by k itself.
        even / embed_dim => even / (embed_dim + embed_dim % 2)
    by place in the batch: Positions run along the batch: all words of a text get the same numbers, and equal texts get
    different ones. Each word should get the row of its place in its text.
        x + self.encoding[:t] => x + self.encoding[: len(x), None]
        if t > max_len: => if False:
    rows counted by the batch: The table is cut to `x.shape[0]` rows, which is the number of texts. `x` is (b, t, k): as
    many rows as words are wanted, `x.shape[1]`, so that what you add is (t, k).
        x + self.encoding[:t] => x + self.encoding[: len(x)]
      or x + self.encoding[:t] => self.encoding[: len(x)] + x
    the whole table: The whole table is added, all max_len rows of it. A text has t words: take the first t rows.
        x + self.encoding[:t] => x + self.encoding
      or x + self.encoding[:t] => self.encoding + x
    positions left out: Nothing is added: the words come back as they were.
        x + self.encoding[:t] => x
    words left out: The encoding comes back without the words. Add it to `x`.
        x + self.encoding[:t] => self.encoding[:t].expand_as(x)
    multiplied: Words and encoding are multiplied. They should be added.
        x + self.encoding[:t] => x * self.encoding[:t]
    subtracted: The encoding is subtracted. It should be added.
        x + self.encoding[:t] => x - self.encoding[:t]
    side by side: The encoding is put beside the words, which makes the vectors twice as wide. Add it to them: (b, t, k)
    stays.
        x + self.encoding[:t] => torch.cat([x, self.encoding[:t].expand_as(x)], dim=-1)
    words scaled: The words are multiplied by the square root of k here. This layer only adds: the scaling belongs to
    the embedding (lesson 7).
        x + self.encoding[:t] => x * math.sqrt(x.shape[-1]) + self.encoding[:t]
    row t for every word: Every word gets row t of the table. Take the rows *up to* t, a row for each word: `[:t]`, not
    `[t]`.
        [:t] => [t]
    row 0 for every word: Every word gets row 0 of the table. Word 1 should get row 1, word 2 row 2, and so on: the
    first t rows.
        [:t] => [0]
    the last rows of the table: Each text gets the last t rows of the table. It should get the first t: every text
    begins at position 0.
        [:t] => [-t:]
    no limit: A text longer than max_len goes through. It should raise a ValueError.
        super().__init__() => super().__init__(); max_len *= 9
    a limit without a message: A text longer than max_len stops it somewhere inside torch. Look at the length first, and
    raise a ValueError.
        if t > max_len: => if False:
    cut to max_len: A text longer than max_len is cut without a word: its end is lost. Raise a ValueError.
        t, max_len = => x = x[:, : len(self.encoding)]; t, max_len =
    the limit one too low: A text of exactly max_len tokens is refused. Only longer ones should be.
        if t > max_len: => if t >= max_len:
    positions that are trained: The table is a parameter, so training would change it. Keep it as a buffer:
    `register_buffer`.
        self.register_buffer("encoding", encoding, persistent=False) => self.encoding = nn.Parameter(encoding)
    words detached: `x` is detached from the embeddings that it comes from: they could not be learned.
        x = x + => x = x.detach() +
    dropout in eval mode: Dropout is active in eval mode too, so predictions are random. `nn.Dropout` knows the mode;
    `F.dropout` has to be told with `training=self.training`.
        return self.dropout(x) => return nn.functional.dropout(x, self.dropout.p)
    no dropout: Nothing is dropped in train mode: the `dropout` argument has no effect.
        return self.dropout(x) => return x
    dropout on the positions alone: Dropout falls on the encoding alone, before it is added. It comes last, on the sum.
        x + self.encoding[:t] => x + self.dropout(self.encoding[:t].expand_as(x))
        return self.dropout(x) => return x
    dropout on the words alone: Dropout falls on the words alone. It comes last, on the sum.
        x + self.encoding[:t] => self.dropout(x) + self.encoding[:t]
        return self.dropout(x) => return x
    numbers kept with probability p: `dropout` is the probability that a number is dropped; here it is that of staying.
        nn.Dropout(dropout) => nn.Dropout(1 - dropout)
    dropout applied twice: Dropout is applied twice, so more numbers are dropped than `dropout` says. The given line
    does it already.
        return self.dropout(x) => return self.dropout(self.dropout(x))
    made for the first text: The table is made for the first text that comes, and kept: a longer text does not fit. Make
    max_len rows at once.
        x + self.encoding[:t] => x + self.__dict__.setdefault("kept", self.encoding[:t])[:t]
    """
)

# The check

step = Encoding.step
output: Any = partial(step, look=looks.output)

EXERCISE = Exercise(
    id="5",
    title="positional encoding",
    passed="Angles, sines and cosines agree with the formula, for every width; positions are added along each text.",
    hints={
        1: ("the encoding",),
        2: ("the sum", "a batch larger than max_len", "odd widths", "sizes of 1", "sizes that are equal", "long texts"),
    },
    steps=(
        # Long enough for the smallest angles to show.
        output("the encoding", t=11, zeros=True, what="What is added to zeros"),
        output("the sum"),
        output("a batch larger than max_len", b=9, max_len=8),
        step("odd widths", look_at_odd_widths),
        *(output("sizes of 1", **{axis: 1}) for axis in ("b", "t", "k")),
        output("sizes that are equal", t=6, k=6, max_len=9),
        output("sizes that are equal", b=5, t=5, max_len=9),
        output("sizes that are equal", b=6, k=6, max_len=9),
        output("long texts", long=True, k=6),
        step("using a layer twice", look_twice),
        step("using a layer twice", looks.second_use),
        Step("texts that are too long", look_at_longest),
        Step("texts that are too long", look_at_longest, {"default": True}),
        step("the gradients", look_at_learning),
        step("eval mode", looks.eval_mode),
        step("train mode without dropout", looks.train_mode, twice=True),
        step("dropout", look_at_dropout),
        step("the default dropout", look_at_dropout, dropout=None),
        step("other devices", looks.elsewhere),
        Step(
            "the error's words",
            look_at_longest,
            {"words": True},
            remark="the error for a text that is too long does not name both lengths. Whoever meets it wants to know.",
        ),
        output("float64", dtype=torch.float64, remark="for words in float64, something else than float64 comes out."),
        step("inputs that are not contiguous", looks.scattered, remark=NOT_CONTIGUOUS),
    ),
    telling="the sum",
    misconceptions=MISTAKES,
)
