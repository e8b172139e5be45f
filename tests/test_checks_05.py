"""Exercise 5's check: what is expected, wrong answers and what they are told. For every check: test_checks_all.py."""

from __future__ import annotations

import math
import re
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from answers.right_5 import WithExpAndLog, _Layer
from checks_support import failure as failure_of
from torch import nn

from helpers import checks
from helpers.checks.exercises.ex_05 import MISTAKES, expected_encoding
from helpers.layers import PositionalEncoding

SEEDS = (1, 22)


failure = partial(failure_of, checks.positional_encoding)


def test_the_oracle_is_the_papers_formula() -> None:
    position, place = np.meshgrid(np.arange(6), np.arange(7), indexing="ij")
    angle = position / np.power(10000, (place // 2) * 2 / 7)
    np.testing.assert_allclose(expected_encoding(6, 7), np.where(place % 2, np.cos(angle), np.sin(angle)), atol=1e-12)


class CopiedFromABook(WithExpAndLog):
    """Words on the first axis, as where that line came from."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.accept(x)
        return self.dropout(x + self.table.transpose(0, 1)[: x.size(0)])


class CrashesAtOddWidth(_Layer):
    """Its table has an axis for the batch: torch's message is another one than our own misconception's."""

    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__(embed_dim, dropout, max_len)
        angles = torch.arange(max_len)[:, None] / 10000 ** (torch.arange(0, embed_dim, 2) / embed_dim)
        table = torch.zeros(1, max_len, embed_dim)
        table[:, :, 0::2], table[:, :, 1::2] = angles.sin(), angles.cos()
        self.register_buffer("table", table)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(x + self.table[:, : self.accept(x)])


class NoLook(WithExpAndLog):
    """Relies on torch to complain about a text that is too long."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(x + self.table[:, : x.size(1)])


class AlwaysTheDefault(WithExpAndLog):
    """Ignores max_len."""

    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__(embed_dim, dropout)


class AnotherDefault(WithExpAndLog):
    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 1000) -> None:
        super().__init__(embed_dim, dropout, max_len)


class BothClocksWrong(_Layer):
    """The loop of a well-known book: exponents doubled, and the cosine's one further on."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = torch.zeros(self.accept(x), self.k + 1)
        for position in range(len(rows)):
            for i in range(0, self.k, 2):
                rows[position, i] = math.sin(position / 10000 ** (2 * i / self.k))
                rows[position, i + 1] = math.cos(position / 10000 ** (2 * (i + 1) / self.k))
        return self.dropout(x + rows[:, : self.k].to(x))


class ByTextWhereSquare(WithExpAndLog):
    """Takes texts for words where there are as many."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        table = self.table[:, : self.accept(x)]
        return self.dropout(x + (table.transpose(0, 1) if x.size(0) == x.size(1) else table))


class DropsTwice(WithExpAndLog):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(super().forward(x))


class DropsTheRest(WithExpAndLog):
    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__(embed_dim, 1 - dropout, max_len)


class WithoutPower(_Layer):
    """The first `*` of `**` is missing."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        angles = torch.arange(self.accept(x))[:, None] / 10000 * (torch.arange(0, self.k, 2) / self.k)
        return self.dropout(x + torch.stack([angles.sin(), angles.cos()], 2).flatten(1)[:, : self.k].to(x))


class FirstRow(WithExpAndLog):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.accept(x)
        return self.dropout(x + self.table[:, 0])


class AddsOnce(WithExpAndLog):
    """Nothing is added from the second call on."""

    used = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.accept(x)
        output = x if self.used else super().forward(x)
        self.used = True
        return output


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (DropsTwice, "dropout applied twice"),
        (DropsTheRest, "numbers kept with probability p"),
        (WithoutPower, "no power"),
        (FirstRow, "row 0 for every word"),
        (CopiedFromABook, "by place in the batch"),
        (ByTextWhereSquare, "by place in the batch"),
        (CrashesAtOddWidth, "an odd width stops it"),
        (NoLook, "a limit without a message"),
        (AlwaysTheDefault, "no limit"),
        (AnotherDefault, "no limit"),
        (BothClocksWrong, "a clock for each place, too slow"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_an_answer_written_otherwise_is_recognised_by_what_it_does(answer: type[nn.Module], name: str) -> None:
    for seed in SEEDS:
        assert failure(answer, seed).misconception == name


# Other wrong answers


class RightInTheFirstText(WithExpAndLog):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output = x.clone()
        output[0] += self.table[0, : self.accept(x)]
        return self.dropout(output)


class Shallow(WithExpAndLog):
    """Knows 100 positions only, and goes round."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(x + self.table[0, torch.arange(self.accept(x), device=x.device) % 100])


class InPlace(WithExpAndLog):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x += self.table[:, : self.accept(x)]
        return self.dropout(x)


class Forgetful(WithExpAndLog):
    def forward(self, x: torch.Tensor) -> None:
        self.dropout(x + self.table[:, : self.accept(x)])


class Integers(WithExpAndLog):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x + self.table[:, : self.accept(x)]).long()


class Unnamed(WithExpAndLog):
    def accept(self, x: torch.Tensor) -> int:
        if x.size(1) > self.max_len:
            raise ValueError("too long")
        return x.size(1)


class Asserted(WithExpAndLog):
    def accept(self, x: torch.Tensor) -> int:
        if x.size(1) > self.max_len:  # as `assert` does, to which pytest would add the numbers
            raise AssertionError
        return x.size(1)


class OfTheExample(_Layer):
    """The picture's numbers by heart: 32 places and 64 positions."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.accept(x)
        table = expected_encoding(64, 32).to(x)
        return self.dropout(x + F.pad(table, (0, max(0, self.k - 32)))[: x.size(1), : self.k])


class WholeTokensDropped(WithExpAndLog):
    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__(embed_dim, dropout, max_len)
        self.p = dropout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        keep = F.dropout(torch.ones_like(x[:, :, :1]), self.p, self.training)
        return (x + self.table[:, : self.accept(x)]) * keep


class Squeezed(WithExpAndLog):
    """Loses an axis of size 1."""

    axis = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).squeeze(self.axis)


class SqueezedWords(Squeezed):
    axis = 1


class SqueezedFeatures(Squeezed):
    axis = 2


class LimitsTheBatch(WithExpAndLog):
    def accept(self, x: torch.Tensor) -> int:
        if x.size(0) > self.max_len:
            raise ValueError(f"max_len is {self.max_len}, and here are {x.size(0)} tokens")
        return super().accept(x)


class SinglePrecision(WithExpAndLog):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.float())


class TurnedWhereSquare(WithExpAndLog):
    """Takes places for positions where there are as many."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        table = self.table[0, : self.accept(x)]
        return self.dropout(x + (table.T if x.size(1) == x.size(2) else table))


class TurnedWhereAsManyTexts(WithExpAndLog):
    """Takes features for texts where there are as many."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output = super().forward(x)
        return output if x.size(0) != x.size(2) else output.transpose(0, 2)


class ConstantDropout(WithExpAndLog):
    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__(embed_dim, 0.1, max_len)


class LearnedScale(WithExpAndLog):
    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__(embed_dim, dropout, max_len)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(x + self.scale * self.table[:, : self.accept(x)])


class AddsToItsTable(WithExpAndLog):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output = super().forward(x)
        self.table += 0.01
        return output


class NothingForPadding(WithExpAndLog):
    """Takes words that are all zero for padding."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(x + self.table[:, : self.accept(x)] * (x != 0).any(-1, keepdim=True))


class AnotherDropout(WithExpAndLog):
    def __init__(self, embed_dim: int, dropout: float = 0.5, max_len: int = 512) -> None:
        super().__init__(embed_dim, dropout, max_len)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (RightInTheFirstText, "right in the first batch element only"),
        (Shallow, "Right so far: .*odd widths"),
        (InPlace, "changes its input `x` in place"),
        (Forgetful, "returns None"),
        (Integers, "torch.int64"),
        (OfTheExample, "what is added to zeros"),
        (WholeTokensDropped, "dropped or kept on its own"),
        (Squeezed, r"shape \(b, t, k\) = \(1, "),
        (SqueezedWords, r"shape \(b, t, k\) = \(\d, 1, "),
        (SqueezedFeatures, r"shape \(b, t, k\) = \(\d, \d, 1\)"),
        (LimitsTheBatch, "max_len is 8, and here are 9 tokens"),
        (TurnedWhereSquare, "Right so far: .*sizes of 1"),
        (TurnedWhereAsManyTexts, "Right so far: .*sizes of 1"),
        (ConstantDropout, "differ although dropout=0. Is the argument handed on"),
        (LearnedScale, "something to train, `scale`: the formula has nothing to learn"),
        (AddsToItsTable, "of a layer that was used before, for a shorter text"),
        (NothingForPadding, "what is added to zeros"),
        (AnotherDropout, "made without `dropout`, which is 0.1 then"),
        (PositionalEncoding(8), "without calling it"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_wrong_answer_is_told_what_differs(answer: Any, words: str) -> None:
    for seed in SEEDS:
        failed = failure(answer, seed)
        assert re.search(words, str(failed)), str(failed)
        assert failed.misconception is None


class LeftBehind(_Layer):
    """Its table is an ordinary attribute."""

    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__(embed_dim, dropout, max_len)
        self.table = expected_encoding(max_len, embed_dim).float()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(x + self.table[: self.accept(x)])


def test_on_another_device_the_table_must_move_along() -> None:
    assert "`register_buffer`" in str(failure(LeftBehind))


def test_open_blanks_are_counted_and_named() -> None:
    class Skeleton(_Layer):
        def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
            super().__init__(embed_dim, dropout, max_len)
            encoding = torch.zeros(max_len, embed_dim)
            encoding[:, 0::2] = ...
            encoding[:, 1::2] = ...
            self.register_buffer("encoding", encoding, persistent=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = ...
            return self.dropout(x)

    assert "3 blanks are still open" in str(failure(Skeleton))


class CutByTexts(_Layer):
    """The slip of section 5: rows are counted by the batch."""

    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__(embed_dim, dropout, max_len)
        self.register_buffer("encoding", expected_encoding(max_len, embed_dim).float())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.accept(x)
        return self.dropout(self.encoding[: x.shape[0]] + x)


class NotCut(CutByTexts):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.accept(x)
        x = x + self.encoding
        return self.dropout(x)


@pytest.mark.parametrize(
    ("answer", "name"), [(CutByTexts, "rows counted by the batch"), (NotCut, "the whole table")], ids=["texts", "all"]
)
def test_rows_that_do_not_fit_are_explained_before_torchs_own_words(answer: Any, name: str) -> None:
    for seed in range(6):
        failed = failure(answer, seed)
        assert failed.misconception == name
        assert "RuntimeError" not in str(failed).split("\n")[0]


@pytest.mark.parametrize(
    ("answer", "remark"),
    [
        (Unnamed, "does not name both lengths"),
        (Asserted, "does not name both lengths"),
        (SinglePrecision, "for words in float64"),
    ],
)
def test_what_no_text_asks_for_is_a_remark(answer: Any, remark: str, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in SEEDS:
        checks.positional_encoding(answer, seed=seed, record=False)
        assert remark in capsys.readouterr().out


class Viewed(WithExpAndLog):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        t = self.accept(x)
        return self.dropout((x.view(len(x), -1) + self.table[0, :t].flatten()).view(x.shape))


def test_an_answer_that_stops_at_words_that_are_not_contiguous_gets_a_remark(
    capsys: pytest.CaptureFixture[str],
) -> None:
    checks.positional_encoding(Viewed, record=False)
    assert "for an input that is not contiguous" in capsys.readouterr().out
    checks.positional_encoding(WithExpAndLog, record=False)
    assert "One thing" not in capsys.readouterr().out


def test_what_is_kept_between_calls_is_not_taken_for_a_long_text() -> None:
    for seed in SEEDS:
        assert "of a layer that was used before, for a shorter text: Nothing is added" in str(failure(AddsOnce, seed))


def test_tiny_angles_and_none_are_told_apart() -> None:
    for seed in range(12):
        assert failure(WithoutPower, seed).misconception == "no power"
        assert failure(FirstRow, seed).misconception == "row 0 for every word"


def test_a_detached_input_is_told_so_once() -> None:
    answer = next(wrong.answer for wrong in MISTAKES if wrong.name == "words detached")
    assert str(failure(answer)).count("No gradient reaches the words") == 1
