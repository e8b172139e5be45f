"""Lesson 14's layers and texts beside others' work: peft, torch's own rounding, singular values, held-out books."""

from __future__ import annotations

import time

import peft
import pytest
import torch
from torch import nn

from helpers.demos import low_rank
from helpers.demos.parts.picture import picture
from helpers.layers import LoRALinear, quantize_rows


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("rank", "alpha"), [(1, 16), (4, 16), (4, 2), (3, 1)])
def test_an_adapter_gives_the_same_numbers_as_peft(bias: bool, rank: int, alpha: int) -> None:
    torch.manual_seed(rank)
    linear = nn.Linear(9, 7, bias=bias)
    old = nn.Linear(9, 7, bias=bias)
    old.load_state_dict(linear.state_dict())
    model = nn.Sequential(linear)
    config = peft.LoraConfig(r=rank, lora_alpha=alpha, target_modules=["0"], lora_dropout=0.0)
    theirs = peft.get_peft_model(model, config)
    layer = theirs.base_model.model[0]
    ours = LoRALinear(old, rank, alpha)
    x = torch.randn(5, 3, 9)
    assert torch.equal(theirs(x), ours(x))  # nothing has changed yet
    with torch.no_grad():
        for name, part in (("A", layer.lora_A["default"]), ("B", layer.lora_B["default"])):
            part.weight.copy_(torch.randn_like(part.weight))
            getattr(ours, name).weight.copy_(part.weight)
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-6, rtol=1e-6)  # rounding of sums in another order
    learn = {tuple(p.shape) for p in theirs.parameters() if p.requires_grad}
    assert {tuple(p.shape) for p in ours.parameters() if p.requires_grad} == learn
    merged = theirs.merge_and_unload()[0]
    torch.testing.assert_close(ours.merge().weight, merged.weight, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(ours.merge()(x), ours(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("bits", range(2, 9))
def test_few_bits_are_what_torch_makes_of_each_row(bits: int) -> None:
    torch.manual_seed(bits)
    weight = torch.randn(6, 40) * torch.rand(6, 1)
    most = 2 ** (bits - 1) - 1
    numbers, scale = quantize_rows(weight, bits)
    zero = torch.zeros(6, dtype=torch.int32)
    theirs = torch.fake_quantize_per_channel_affine(weight, scale[:, 0], zero, 0, -most, most)
    torch.testing.assert_close(numbers * scale, theirs)
    assert numbers.dtype == torch.int8
    assert torch.equal(numbers.abs().amax(1), torch.full((6,), most, dtype=torch.int8))
    observer = torch.ao.quantization.PerChannelMinMaxObserver(
        ch_axis=0, dtype=torch.qint8, qscheme=torch.per_channel_symmetric, quant_min=-most, quant_max=most
    )
    observer(weight)
    torch.testing.assert_close(observer.calculate_qparams()[0], scale[:, 0])


def test_a_row_of_zeros_stays_zero() -> None:
    weight = torch.randn(3, 5)
    weight[1] = 0
    numbers, scale = quantize_rows(weight, 4)
    assert not numbers[1].any()
    assert bool(scale.isfinite().all())


def test_shares_of_a_matrix_of_rank_two_are_all_in_two_directions() -> None:
    torch.manual_seed(1)
    matrix = torch.randn(20, 2) @ torch.randn(2, 30)
    shares = low_rank.shares(matrix)
    assert shares.shape == (20,)
    assert shares[0] < 0.999
    assert shares[1] == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(low_rank.low_rank(matrix, 2), matrix, atol=1e-5, rtol=1e-4)
    assert torch.linalg.matrix_rank(low_rank.low_rank(matrix, 1), atol=1e-4) == 1
    assert not low_rank.low_rank(matrix, 0).any()


def test_what_is_left_out_is_what_the_share_says() -> None:
    torch.manual_seed(2)
    matrix = torch.randn(40, 30)
    left_out = (matrix - low_rank.low_rank(matrix, 5)).square().sum() / matrix.square().sum()
    assert float(low_rank.shares(matrix)[4] + left_out) == pytest.approx(1, abs=1e-5)


def test_a_rank_that_a_matrix_cannot_have_is_named() -> None:
    with pytest.raises(ValueError, match="rank is 31"):
        low_rank.low_rank(torch.zeros(40, 30), 31)


def test_the_picture_says_how_much_is_kept_and_so_does_its_text() -> None:
    matrix = torch.randn(100, 80, generator=torch.Generator().manual_seed(3))
    figure = low_rank.draw_low_rank(matrix, 8)
    share = f"{low_rank.shares(matrix)[7]:.0%}"
    assert figure.axes[1].get_title() == f"Rank 8 holds {share}"
    assert f"hold {share}" in low_rank.describe_low_rank(matrix, 8)
    assert "1,440 numbers instead of 8,000" in low_rank.describe_low_rank(matrix, 8)


def test_the_slider_redraws_in_time() -> None:
    matrix = torch.randn(384, 384, generator=torch.Generator().manual_seed(3))
    demo = low_rank.low_rank_demo(matrix)
    slider, shown = demo.children[:2]
    before = shown.value
    started = time.process_time()
    slider.value = 16
    assert time.process_time() - started < 1  # 0.25 s on an idle machine
    assert shown.value != before
    assert "first 16 of 384" in shown.value
    assert picture(low_rank.draw_low_rank(matrix, 1), "a matrix").startswith("<div")
