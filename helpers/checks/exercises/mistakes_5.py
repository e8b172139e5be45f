"""Misconceptions about positional encoding, as small wrong implementations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from helpers.checks.engine.run import Misconceptions

MISCONCEPTIONS = Misconceptions()


class EncodingByHand(nn.Module):
    """Right as it stands (a test compares it with the formula); a subclass goes wrong in one method."""

    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__()
        self.k, self.p, self.max_len = embed_dim, dropout, max_len

    def positions(self, t: int) -> torch.Tensor:
        return torch.arange(t, dtype=torch.float64)

    def divisors(self) -> torch.Tensor:
        """What positions are divided by, (ceil(k / 2),)."""
        return 10000 ** (torch.arange(0, self.k, 2, dtype=torch.float64) / self.k)

    def waves(self, angles: torch.Tensor) -> torch.Tensor:
        """(t, ceil(k / 2)) gives (t, k): sine, cosine, sine, cosine ..."""
        return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, : self.k]

    def table(self, t: int) -> torch.Tensor:
        return self.waves(self.positions(t)[:, None] / self.divisors())

    def refuse(self, x: torch.Tensor) -> None:
        if x.shape[1] > self.max_len:
            raise ValueError(f"{x.shape[1]} tokens are more than max_len={self.max_len}")

    def add(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return x + table

    def drop(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, self.p, self.training)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.refuse(x)
        return self.drop(self.add(x, self.table(x.shape[1]).to(x)))


# Angles


@MISCONCEPTIONS(
    "the exponent i / k",
    "The clocks turn too fast: the exponent is i/k, and 2i/k is wanted. The last clock should be almost 10000 times "
    "slower than the first.",
)
class HalfTheExponent(EncodingByHand):
    def divisors(self) -> torch.Tensor:
        return super().divisors() ** 0.5


@MISCONCEPTIONS(
    "the exponent 4i / k",
    "The clocks turn too slowly: the exponent is twice what it should be. `even` holds 0, 2, 4 ...: it is 2i already. "
    "Divide it by k, not by k / 2.",
)
class TwiceTheExponent(EncodingByHand):
    def divisors(self) -> torch.Tensor:
        return super().divisors() ** 2


@MISCONCEPTIONS(
    "rounded exponents",
    "All clocks turn at the same speed: 2i/k is rounded down to a whole number, 0. Divide with `/`, not with `//`.",
)
class RoundedExponent(EncodingByHand):
    def divisors(self) -> torch.Tensor:
        return torch.ones_like(super().divisors())


@MISCONCEPTIONS("base 1000", "The base is 1000; the formula has 10000.")
class Base1000(EncodingByHand):
    def divisors(self) -> torch.Tensor:
        return super().divisors() ** 0.75


@MISCONCEPTIONS("base 100000", "The base is 100000; the formula has 10000.")
class Base100000(EncodingByHand):
    def divisors(self) -> torch.Tensor:
        return super().divisors() ** 1.25


@MISCONCEPTIONS(
    "base e",
    "The base is e, not 10000: written with `exp`, the exponent needs a factor of log(10000).",
)
class BaseE(EncodingByHand):
    def divisors(self) -> torch.Tensor:
        return torch.exp(torch.arange(0, self.k, 2, dtype=torch.float64) / self.k)


@MISCONCEPTIONS(
    "one divisor too far",
    "The first clock is skipped: i counts from 1. It should count from 0, so that the first angle is the position.",
)
class ClocksFromOne(EncodingByHand):
    def divisors(self) -> torch.Tensor:
        return super().divisors() * 10000 ** (2 / self.k)


@MISCONCEPTIONS(
    "the last clock exactly 10000 times slower",
    "The exponents are stretched, so that the last one is 1: they are 2i/(k - 2). In the formula they are 2i/k, which "
    "never reaches 1.",
)
class StretchedExponents(EncodingByHand):
    def divisors(self) -> torch.Tensor:
        return super().divisors() ** (self.k / max(1, self.k - 2))


@MISCONCEPTIONS(
    "10000 times 2i / k",
    "10000 is multiplied by 2i/k. It should be raised to that power: `**`.",
)
class MultipliedBase(EncodingByHand):
    def divisors(self) -> torch.Tensor:
        return 10000 * (torch.arange(0, self.k, 2, dtype=torch.float64) / self.k)


@MISCONCEPTIONS(
    "no power",
    "Positions are divided by 10000 and multiplied by 2i/k. 10000 should be raised to that power: `**`.",
)
class NoPower(EncodingByHand):
    def table(self, t: int) -> torch.Tensor:
        return self.waves(self.positions(t)[:, None] / 10000 * torch.arange(0, self.k, 2) / self.k)


@MISCONCEPTIONS(
    "multiplied by the power",
    "Positions are multiplied by 10000^(2i/k). They should be divided by it: later clocks are slower.",
)
class MultipliedByPower(EncodingByHand):
    def divisors(self) -> torch.Tensor:
        return 1 / super().divisors()


@MISCONCEPTIONS(
    "positions from 1",
    "Positions are counted from 1. The first word of a text stands at position 0: its sines are 0, its cosines 1.",
)
class FromOne(EncodingByHand):
    def positions(self, t: int) -> torch.Tensor:
        return super().positions(t) + 1


@MISCONCEPTIONS(
    "positions as a fraction of max_len",
    "Positions are divided by max_len first, so the same place looks different in layers of other lengths. "
    "Take the positions 0, 1, 2 ... as they are.",
)
class Fractions(EncodingByHand):
    def positions(self, t: int) -> torch.Tensor:
        return super().positions(t) / self.max_len


@MISCONCEPTIONS(
    "whole turns",
    "The angles are multiplied by 2 pi. In the formula the first clock's angle is the position itself, in radians.",
)
class WholeTurns(EncodingByHand):
    def positions(self, t: int) -> torch.Tensor:
        return super().positions(t) * 2 * torch.pi


# Sines and cosines


@MISCONCEPTIONS(
    "sines and cosines in two halves",
    "All sines stand in the first half, all cosines in the second. They should take turns: sine, cosine, sine, cosine.",
)
class Halves(EncodingByHand):
    def waves(self, angles: torch.Tensor) -> torch.Tensor:
        return torch.cat([angles.sin(), angles.cos()], -1)[:, : self.k]


@MISCONCEPTIONS(
    "sine and cosine swapped",
    "Sine and cosine have changed places: the sine belongs in the even places 0, 2, 4 ..., the cosine in the odd ones.",
)
class SineAndCosineSwapped(EncodingByHand):
    def waves(self, angles: torch.Tensor) -> torch.Tensor:
        return torch.stack([angles.cos(), angles.sin()], -1).flatten(1)[:, : self.k]


@MISCONCEPTIONS("sines only", "There are only sines. The odd places should hold cosines.")
class SinesOnly(EncodingByHand):
    def waves(self, angles: torch.Tensor) -> torch.Tensor:
        return angles.sin().repeat_interleave(2, -1)[:, : self.k]


@MISCONCEPTIONS("odd places left empty", "The odd places are all 0. They should hold the cosines.")
class CosinesMissing(EncodingByHand):
    def waves(self, angles: torch.Tensor) -> torch.Tensor:
        return torch.stack([angles.sin(), torch.zeros_like(angles)], -1).flatten(1)[:, : self.k]


@MISCONCEPTIONS("even places left empty", "The even places are all 0. They should hold the sines.")
class SinesMissing(EncodingByHand):
    def waves(self, angles: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.zeros_like(angles), angles.cos()], -1).flatten(1)[:, : self.k]


@MISCONCEPTIONS(
    "a clock for each place",
    "Each place has a speed of its own. Places 2i and 2i + 1 belong to the same clock: the same angle, once as a sine "
    "and once as a cosine.",
)
class AClockEach(EncodingByHand):
    def table(self, t: int) -> torch.Tensor:
        places = torch.arange(self.k)
        angles = self.positions(t)[:, None] / 10000 ** (places.double() / self.k)
        return torch.where(places % 2 == 0, angles.sin(), angles.cos())


@MISCONCEPTIONS(
    "a clock for each place, too slow",
    "Each place has a speed of its own, and the exponents are twice what they should be. A loop over 0, 2, 4 ... holds "
    "2i already, and places 2i and 2i + 1 share an angle.",
)
class AClockEachTooSlow(EncodingByHand):
    def table(self, t: int) -> torch.Tensor:
        places = torch.arange(self.k)
        angles = self.positions(t)[:, None] / 10000 ** (2 * places.double() / self.k)
        return torch.where(places % 2 == 0, angles.sin(), angles.cos())


@MISCONCEPTIONS(
    "an odd width stops it",
    "An odd width stops it: there is one sine more than there are cosines. Give the odd columns the first "
    "embed_dim // 2 angles only.",
)
class StopsAtOddWidth(EncodingByHand):
    def waves(self, angles: torch.Tensor) -> torch.Tensor:
        table = torch.zeros(len(angles), self.k, dtype=angles.dtype)
        table[:, 0::2] = angles.sin()
        table[:, 1::2] = angles.cos()
        return table


@MISCONCEPTIONS("the last sine is missing", "With an odd width the last place stays 0. It holds one more sine.")
class LastSineMissing(EncodingByHand):
    def waves(self, angles: torch.Tensor) -> torch.Tensor:
        table = super().waves(angles)
        if self.k % 2:
            table[:, -1] = 0
        return table


@MISCONCEPTIONS(
    "the width rounded down",
    "With an odd width the exponent is 2i/(k - 1): the width was rounded down to an even number. Divide by k itself.",
)
class WidthRoundedDown(EncodingByHand):
    def divisors(self) -> torch.Tensor:
        return super().divisors() ** (self.k / max(1, self.k // 2 * 2))


@MISCONCEPTIONS(
    "the width rounded up",
    "With an odd width the exponent is 2i/(k + 1): the width was rounded up to an even number. Divide by k itself.",
)
class WidthRoundedUp(EncodingByHand):
    def divisors(self) -> torch.Tensor:
        return super().divisors() ** (self.k / (self.k + self.k % 2))


# Words and positions together


@MISCONCEPTIONS(
    "by place in the batch",
    "Positions run along the batch: all words of a text get the same numbers, and equal texts get different ones. "
    "Each word should get the row of its place in its text.",
)
class ByPlaceInBatch(EncodingByHand):
    def refuse(self, x: torch.Tensor) -> None:
        """A table that is looked up by text stops where there are more texts than rows: torch says so, not we."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(x + self.table(self.max_len)[: len(x), None].to(x))


@MISCONCEPTIONS("positions left out", "Nothing is added: the words come back as they were.")
class NothingAdded(EncodingByHand):
    def add(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return x


@MISCONCEPTIONS("words left out", "The encoding comes back without the words. Add it to `x`.")
class WordsLeftOut(EncodingByHand):
    def add(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return table.expand_as(x)


@MISCONCEPTIONS("multiplied", "Words and encoding are multiplied. They should be added.")
class Multiplied(EncodingByHand):
    def add(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return x * table


@MISCONCEPTIONS("subtracted", "The encoding is subtracted. It should be added.")
class Subtracted(EncodingByHand):
    def add(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return x - table


@MISCONCEPTIONS(
    "side by side",
    "The encoding is put beside the words, which makes the vectors twice as wide. Add it to them: (b, t, k) stays.",
)
class SideBySide(EncodingByHand):
    def add(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, table.expand_as(x)], -1)


@MISCONCEPTIONS(
    "words scaled",
    "The words are multiplied by the square root of k here. This layer only adds: the scaling belongs to the embedding "
    "(lesson 7).",
)
class WordsScaled(EncodingByHand):
    def add(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return x * self.k**0.5 + table


@MISCONCEPTIONS(
    "row t for every word",
    "Every word gets row t of the table. Take the rows *up to* t, a row for each word: `[:t]`, not `[t]`.",
)
class RowT(EncodingByHand):
    def add(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return x + self.table(self.max_len)[x.shape[1]].to(x)


@MISCONCEPTIONS(
    "row 0 for every word",
    "Every word gets row 0 of the table. Word 1 should get row 1, word 2 row 2, and so on: the first t rows.",
)
class RowZero(EncodingByHand):
    def add(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return x + table[0]


@MISCONCEPTIONS(
    "the last rows of the table",
    "Each text gets the last t rows of the table. It should get the first t: every text begins at position 0.",
)
class LastRows(EncodingByHand):
    def add(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return x + self.table(self.max_len)[-x.shape[1] :].to(x)


@MISCONCEPTIONS(
    "no limit",
    "A text longer than max_len goes through. It should raise a ValueError that names both lengths.",
)
class NoLimit(EncodingByHand):
    def refuse(self, x: torch.Tensor) -> None:
        pass


@MISCONCEPTIONS(
    "a limit without a message",
    "A text longer than max_len stops it somewhere inside torch. Look at the length first, and raise a ValueError that "
    "names both lengths.",
)
class LimitByTorch(EncodingByHand):
    def refuse(self, x: torch.Tensor) -> None:
        pass

    def add(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return x + table[: self.max_len]


@MISCONCEPTIONS(
    "cut to max_len",
    "A text longer than max_len is cut without a word: its end is lost. Raise a ValueError that names both lengths.",
)
class CutToLimit(EncodingByHand):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x[:, : self.max_len])


@MISCONCEPTIONS(
    "the limit one too low",
    "A text of exactly max_len tokens is refused. Only longer ones should be.",
)
class LimitTooLow(EncodingByHand):
    def refuse(self, x: torch.Tensor) -> None:
        if x.shape[1] >= self.max_len:
            raise ValueError(f"{x.shape[1]} tokens are more than max_len={self.max_len}")


# A layer among others


@MISCONCEPTIONS(
    "positions that are trained",
    "The table is a parameter, so training would change it. Keep it as a buffer: `register_buffer`.",
)
class Trained(EncodingByHand):
    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__(embed_dim, dropout, max_len)
        self.encoding = nn.Parameter(self.table(max_len).float())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.refuse(x)
        return self.drop(self.add(x, self.encoding[: x.shape[1]]))


@MISCONCEPTIONS("words detached", "`x` is detached from the embeddings that it comes from: they could not be learned.")
class Detached(EncodingByHand):
    def add(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return x.detach() + table


@MISCONCEPTIONS(
    "dropout in eval mode",
    "Dropout is active in eval mode too, so predictions are random. `nn.Dropout` knows the mode; `F.dropout` has to be "
    "told with `training=self.training`.",
)
class DropoutInEval(EncodingByHand):
    def drop(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, self.p, training=True)


@MISCONCEPTIONS("no dropout", "Nothing is dropped in train mode: the `dropout` argument has no effect.")
class NoDropout(EncodingByHand):
    def drop(self, x: torch.Tensor) -> torch.Tensor:
        return x


@MISCONCEPTIONS(
    "dropout on the positions alone",
    "Dropout falls on the encoding alone, before it is added. It comes last, on the sum.",
)
class DropoutOnPositions(NoDropout):
    def add(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return x + F.dropout(table.expand_as(x), self.p, self.training)


@MISCONCEPTIONS("dropout on the words alone", "Dropout falls on the words alone. It comes last, on the sum.")
class DropoutOnWords(NoDropout):
    def add(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, self.p, self.training) + table


@MISCONCEPTIONS(
    "numbers kept with probability p",
    "`dropout` is the probability that a number is dropped; here it is that of staying.",
)
class DropoutInverted(EncodingByHand):
    def drop(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, 1 - self.p, self.training)


@MISCONCEPTIONS(
    "dropout applied twice",
    "Dropout is applied twice, so more numbers are dropped than `dropout` says. The given line does it already.",
)
class DropoutTwice(EncodingByHand):
    def drop(self, x: torch.Tensor) -> torch.Tensor:
        return super().drop(super().drop(x))


@MISCONCEPTIONS(
    "made for the first text",
    "The table is made for the first text that comes, and kept: a longer text does not fit. Make max_len rows at once.",
)
class MadeForFirst(EncodingByHand):
    kept: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.refuse(x)
        if self.kept is None:
            self.kept = self.table(x.shape[1]).to(x)
        return self.drop(x + self.kept[: x.shape[1]])
