"""The checks of exercises 14a and 14b: wrong answers and what they are told. For every check: test_checks_all.py."""

from __future__ import annotations

import copy
import re
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from answers import right_14a, right_14b
from answers.right_14a import DetachedWeights, Functional, Standing, WithParameters
from checks_support import failure as failure_of
from torch import nn

from helpers import checks
from helpers.checks.engine.draw import Draw
from helpers.checks.exercises.ex_14b import drawn_weights
from helpers.layers import LoRALinear, quantize_rows

SEEDS = (1, 22, 333)

failure_a, failure_b = partial(failure_of, checks.lora_linear), partial(failure_of, checks.quantize_rows)


# 14a


class BothZero(WithParameters):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.A = nn.Parameter(torch.zeros_like(self.A))


class BothRandom(Standing):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.B = nn.Parameter(torch.randn_like(self.B))


class Unfrozen(WithParameters):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.linear.requires_grad_(True)


class Unscaled(WithParameters):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.scale = 1.0


class TimesRank(WithParameters):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.scale = alpha * rank


class WithoutGradient(Standing):
    def forward(self, x):
        with torch.no_grad():
            old = self.linear(x)
        return old + (self.alpha / self.rank) * (x @ self.A @ self.B)


class MergedInPlace(WithParameters):
    def merge(self):
        with torch.no_grad():
            self.linear.weight += self.scale * self.B @ self.A
        return self.linear


class MergedWithoutBias(Functional):
    def merge(self):
        merged = nn.Linear(*reversed(self.whole().shape), bias=False)
        merged.weight = nn.Parameter(self.whole().detach().clone())
        return merged


class MergedUnscaled(WithParameters):
    def merge(self):
        merged = copy.deepcopy(self.linear)
        merged.weight.data += self.B.data @ self.A.data
        return merged


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (BothZero, "both zero"),
        (BothRandom, "both random"),
        (Unfrozen, "the old layer learns"),
        (Unscaled, "no factor"),
        (TimesRank, "alpha times rank"),
        (WithoutGradient, "the old output detached"),
        (MergedInPlace, "merged in place"),
        (MergedWithoutBias, "merged without bias"),
        (MergedUnscaled, "merged without factor"),
    ],
)
def test_an_adapter_written_otherwise_is_recognised_by_what_it_does(answer: Any, name: str) -> None:
    for seed in SEEDS:
        assert failure_a(answer, seed).misconception == name


class PlainTensor(WithParameters):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        numbers = self.A.detach()
        del self.A
        self.A = numbers


class OtherNames(LoRALinear):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.down, self.up = self.A, self.B
        del self.A, self.B

    def forward(self, x):
        return self.linear(x) + self.alpha / self.rank * self.up(self.down(x))


class NoMerge(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.inside = LoRALinear(linear, rank, alpha)
        self.A, self.B = self.inside.A, self.inside.B

    def forward(self, x):
        return self.inside(x)


class SharesTheMatrix(WithParameters):
    def merge(self):
        merged = nn.Linear(self.linear.in_features, self.linear.out_features, bias=self.linear.bias is not None)
        self.linear.weight.data = self.linear.weight + self.scale * self.B.data @ self.A.data
        merged.weight, merged.bias = self.linear.weight, self.linear.bias
        return merged


class HalfWay(WithParameters):
    def forward(self, x):
        return super().forward(x) + 0.1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (PlainTensor, "`A` is a plain tensor"),
        (OtherNames, "has no `A`"),
        (NoMerge, "has no method `merge`"),
        (SharesTheMatrix, "changed it|changes the old layer"),
        (HalfWay, "Before anything is learned|before anything is learned"),
    ],
)
def test_a_wrong_adapter_is_told_what_differs(answer: Any, words: str) -> None:
    for seed in SEEDS:
        assert re.search(words, str(failure_a(answer, seed)))


def test_weights_that_only_look_as_if_they_learned_are_a_remark(capsys: pytest.CaptureFixture[str]) -> None:
    checks.lora_linear(DetachedWeights, seed=1, record=False)
    assert "still count as weights that learn" in capsys.readouterr().out
    checks.lora_linear(WithParameters, seed=1, record=False)
    said = capsys.readouterr().out
    assert "count as weights" not in said
    assert "to set `alpha` later has no effect" in said


class MergeFreezes(WithParameters):
    def merge(self):
        self.requires_grad_(False)
        return super().merge()


class FlattensTexts(WithParameters):
    def forward(self, x):
        return super().forward(x.reshape(len(x), -1, x.shape[-1])).reshape(*x.shape[:-1], -1)


@pytest.mark.parametrize("answer", [MergeFreezes, FlattensTexts])
def test_merge_changes_nothing_and_x_has_any_axes(answer: Any) -> None:
    for seed in SEEDS:
        failure_a(answer, seed)


# 14b


def test_what_goes_in_has_no_weight_near_the_middle_and_a_largest_of_either_sign() -> None:
    for bits in range(2, 9):
        weight, numbers, scale = drawn_weights(Draw(7, "a test", str(bits)), bits)
        off = weight.double() / scale - numbers
        assert float(off.abs().max()) < 0.45
        largest = weight.gather(1, weight.abs().argmax(1, keepdim=True))
        assert bool((largest > 0).any())
        assert bool((largest < 0).any())
        got, got_scale = quantize_rows(weight, bits)
        assert torch.equal(got.double(), numbers)
        torch.testing.assert_close(got_scale.double(), scale, rtol=1e-5, atol=0)


def one_scale(weight, bits=8):
    most = 2 ** (bits - 1) - 1
    scale = (weight.abs().max() / most).reshape(1, 1).repeat(len(weight), 1)
    return torch.round(weight / scale).to(torch.int8), scale


def cut_off(weight, bits=8):
    scale = weight.abs().amax(1, keepdim=True).clamp(min=1e-9) / (2 ** (bits - 1) - 1)
    return (weight / scale).to(torch.int8), scale


def nan_by_luck(weight, bits=8):
    scale = weight.abs().max(dim=1, keepdim=True).values / (2 ** (bits - 1) - 1)
    return torch.round(weight / scale).to(torch.int8), scale


def nan_left(weight, bits=8):
    scale = weight.abs().max(dim=1, keepdim=True).values / (2 ** (bits - 1) - 1)
    return torch.round(weight / scale), scale


def flat_scale(weight, bits=8):
    numbers, scale = right_14b.with_clamp(weight, bits)
    return numbers, scale[:, 0]


def with_sign(weight, bits=8):
    most = 2 ** (bits - 1) - 1
    largest = weight.max(dim=1, keepdim=True).values
    scale = torch.where(largest > 0, largest, torch.ones_like(largest)) / most
    return torch.round(weight / scale).to(torch.int8), scale


def a_hundred_and_twenty_eight(weight, bits=8):
    most = 2 ** (bits - 1)
    scale = weight.abs().amax(1, keepdim=True).clamp(min=1e-12) / most
    return torch.round(weight / scale).clamp(-most, most - 1).to(torch.int8), scale


def eight_only(weight, bits=8):
    return right_14b.with_clamp(weight, 8)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (one_scale, "one scale for all"),
        (cut_off, "cut off"),
        (nan_by_luck, "divided by zero"),
        (flat_scale, "scale without its axis"),
        (with_sign, "largest with its sign"),
        (a_hundred_and_twenty_eight, "one too many"),
        (eight_only, "always 8 bits"),
    ],
)
def test_few_bits_written_otherwise_are_recognised_by_what_they_do(answer: Any, name: str) -> None:
    for seed in SEEDS:
        assert failure_b(answer, seed).misconception == name


def test_nan_in_a_row_of_zeros_is_told() -> None:
    assert "row" in str(failure_b(nan_left))
    assert "zero" in str(failure_b(nan_left))


@pytest.mark.parametrize("answer", [right_14b.in_int32, right_14b.as_real_numbers])
def test_whole_numbers_that_take_too_much_room_are_a_remark(answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    checks.quantize_rows(answer, seed=1, record=False)
    assert "torch.int8" in capsys.readouterr().out


def test_anything_but_a_pair_is_told() -> None:
    def alone(weight, bits=8):
        return quantize_rows(weight, bits)[0]

    assert "a pair, whole numbers and scales, is wanted" in str(failure_b(alone))


def test_open_blanks_are_counted_and_named() -> None:
    def skeleton(weight, bits=8):
        most = ...
        scale = ...
        return most, scale

    assert "still open" in str(failure_b(skeleton))


def test_a_layer_put_in_place_of_another_learns_as_a_matrix_of_its_rank() -> None:
    """Not the check, but what it is for: after training, the change has no more directions than the rank."""
    torch.manual_seed(0)
    adapter = right_14a.WithParameters(nn.Linear(9, 7), 2, 4)
    x, wanted = torch.randn(64, 9), torch.randn(64, 7)
    optimizer = torch.optim.Adam([p for p in adapter.parameters() if p.requires_grad], lr=0.05)
    for _ in range(20):
        optimizer.zero_grad()
        F.mse_loss(adapter(x), wanted).backward()
        optimizer.step()
    change = adapter.merge().weight - adapter.linear.weight
    assert torch.linalg.matrix_rank(change, atol=1e-5) == 2


def any_for_all(weight, bits=8):
    largest = weight.abs().amax(1, keepdim=True)
    scale = torch.where((weight == 0).any(1, keepdim=True), 1.0, largest) / (2 ** (bits - 1) - 1)
    return (weight / scale).round().to(torch.int8), scale


def small_ones_lost(weight, bits=8):
    largest = weight.abs().amax(1, keepdim=True)
    scale = torch.where(largest < 1e-2, 1.0, largest) / (2 ** (bits - 1) - 1)
    return (weight / scale).round().to(torch.int8), scale


@pytest.mark.parametrize("answer", [any_for_all, small_ones_lost])
def test_small_rows_and_single_zeros_are_met(answer: Any) -> None:
    for seed in range(12):
        failure_b(answer, seed)
