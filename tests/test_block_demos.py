"""The pictures and measurements of the lesson on the Transformer block."""

from __future__ import annotations

import math
import re
import time
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from whole_picture import parts_outside

from helpers import plots
from helpers.demos import averaging, depth, diagram, influence, norm_order, norms, speed
from helpers.layers import TransformerBlock

STEPS = {
    "plain": lambda layer, x: layer(x),
    "residual": lambda layer, x: x + layer(x),
    "residual, then norm": lambda layer, x: nn.functional.layer_norm(x + layer(x), x.shape[-1:]),
}


def scaled_identities(slope: float, number: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for _ in range(number):
        layer = nn.Linear(depth.WIDTH, depth.WIDTH, bias=False).double()
        with torch.no_grad():
            layer.weight.copy_(slope * torch.eye(depth.WIDTH))
        layers.append(layer)
    return layers


def some_blocks(number: int, norm_first: bool) -> nn.ModuleList:
    return nn.ModuleList(TransformerBlock(16, 2, dropout=0.0, norm_first=norm_first) for _ in range(number))


# Gradients at depth


@pytest.mark.parametrize(("step", "slope"), [("plain", 0.5), ("residual", 1.5)])
def test_gradients_shrink_or_grow_by_each_steps_slope(step: str, slope: float) -> None:
    # Each layer multiplies by 0.5. A layer's gradient is its input times what comes down: in a chain of equal
    # layers both products together have the same length for every layer, slope ** (depth - 1).
    sizes = {n: depth.gradient_by_layer(STEPS[step], scaled_identities(0.5, n)) for n in (1, 5)}
    assert sizes[5] == pytest.approx(sizes[1][0] * slope**4)


def test_gradient_agrees_with_a_finite_difference() -> None:
    layers = depth.make_layers(3)
    analytic = depth.gradient_by_layer(STEPS["residual"], layers)[0] ** 2
    gradients = [parameter.grad.clone() for parameter in layers[0].parameters()]

    def loss(shift: float) -> float:
        generator = torch.Generator().manual_seed(2021)
        x, directions = torch.randn(2, 32, depth.WIDTH, generator=generator, dtype=torch.float64)
        shifted = [p + shift * g for p, g in zip(layers[0].parameters(), gradients, strict=True)]
        names = [name for name, _ in layers[0].named_parameters()]
        x = x + torch.func.functional_call(layers[0], dict(zip(names, shifted, strict=True)), x)
        for layer in layers[1:]:
            x = x + layer(x)
        return float(-(x * directions).mean())

    with torch.no_grad():
        numeric = (loss(1e-4) - loss(-1e-4)) / 2e-4  # along the gradient, the slope is its length squared
    assert numeric == pytest.approx(analytic, rel=1e-4)  # what is left is the second order, 1e-8, and ReLU's kinks


def test_only_the_residual_path_reaches_the_first_of_24_layers() -> None:
    plain, residual, normed = (depth.gradient_by_layer(step, depth.make_layers(24)) for step in STEPS.values())
    assert plain[0] < 1e-12 * plain[-1]
    assert residual[0] > 0.5 * residual[-1]
    assert normed[0] > 0.5 * normed[-1]


def test_only_the_norm_keeps_large_weights_from_exploding() -> None:
    largest = {name: depth.gradient_by_layer(step, depth.make_layers(24, 3.0)).max() for name, step in STEPS.items()}
    assert largest["plain"] > 1e5
    assert largest["residual"] > 1e5
    assert largest["residual, then norm"] < 1


def test_the_plain_stack_survives_at_twice_the_usual_weights() -> None:
    plain = depth.gradient_by_layer(STEPS["plain"], depth.make_layers(24, 2.0))
    assert 0.01 < plain[0] / plain[-1] < 100


def test_layers_repeat_and_leave_the_notebooks_random_numbers_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first, second = (depth.make_layers(2)[1][0].weight for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.rand(3), expected)


def test_measuring_twice_gives_the_same() -> None:
    layers = depth.make_layers(3)
    first, second = (depth.gradient_by_layer(STEPS["residual"], layers) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(("layers", "scale"), [(24, 3.0), (24, 0.5), (6, 1.0)])
def test_a_picture_alone_leaves_no_half_of_its_axes_empty(layers: int, scale: float) -> None:
    axis = depth.draw_by_layer(STEPS, layers, scale).axes[0]
    lines = [line.get_xydata() for line in axis.get_lines()]
    assert all(np.isfinite(line).all() for line in lines)
    (left, lowest), (right, highest) = np.concatenate(lines).min(axis=0), np.concatenate(lines).max(axis=0)
    assert (axis.get_xlim()[0], axis.get_xlim()[1]) == (left - 0.5, right + 0.5)
    bottom, top = axis.get_ylim()
    assert bottom <= lowest < highest <= top
    assert math.log10(highest / lowest) > 0.5 * math.log10(top / bottom)


def test_no_line_leaves_the_picture_at_the_top_and_its_scale_never_changes() -> None:
    axes = [depth.draw_by_layer(STEPS, 24, scale, depth.DEMO_LIMITS).axes[0] for scale in depth.SCALES]
    assert len({axis.get_ylim() for axis in axes}) == 1
    for line in axes[-1].get_lines():
        assert np.isfinite(line.get_ydata()).all()


@pytest.mark.parametrize(("layers", "scale"), [(1, 1.0), (24, 0.5), (24, 3.0)])
def test_the_names_of_the_lines_stay_within_the_picture(layers: int, scale: float) -> None:
    plots.use_course_style()
    assert parts_outside(depth.draw_by_layer(STEPS, layers, scale)) == []


def test_depth_demo_redraws_for_both_sliders_and_in_time() -> None:
    demo = depth.depth_demo(STEPS)
    layers, scale, shown, _ = demo.children
    assert layers.style.description_width == scale.style.description_width != "initial", "sliders of equal length"
    seen = {shown.value}
    layers.value = 12
    seen.add(shown.value)
    times = []
    for value in (2.0, 3.0, 0.5):
        start = time.process_time()  # not the wall's clock: other tests run beside this one
        scale.value = value
        times.append(time.process_time() - start)
        seen.add(shown.value)
    assert len(seen) == 5
    assert min(times) < 2.0  # the course promises 0.25 s; this is for a very busy machine
    assert "plain: " in shown.value
    assert "12 layers" in re.search(r'alt="([^"]+)"', shown.value)[1]


# Averages and features


def test_answers_picture_shades_exactly_the_area_between_the_words() -> None:
    values = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    figure = averaging.draw_answers(values, values[:2], ["a", "b", "$c", "inside"])
    triangles = np.array([path.vertices[:3] for path in figure.axes[0].collections[0].get_paths()])
    sides = triangles[:, 1:] - triangles[:, :1]
    area = np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]).sum() / 2
    assert area == pytest.approx(6.0)  # half of 4 times 3
    assert [text.get_text() for text in figure.axes[0].texts] == ["a", "b", "$c", "inside"]


@pytest.mark.parametrize(("shape", "words"), [((3, 3), ["a", "b", "c"]), ((2, 2), ["a", "b"]), ((3, 2), ["a", "b"])])
def test_answers_picture_refuses_what_is_no_plane(shape: tuple[int, int], words: list[str]) -> None:
    with pytest.raises(ValueError, match="point in the plane"):
        averaging.draw_answers(torch.zeros(shape), torch.zeros(5, 2), words)


def test_plane_is_drawn_the_right_way_round() -> None:
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    figure = averaging.draw_plane(
        {"rightwards": lambda x: x[:, 0], "upwards": lambda x: x[:, 1]},
        points,
        ["left", "right"],
        xlabel="x",
        ylabel="y",
        colour_label="value",
    )
    rightwards, upwards = (axis.images[0] for axis in figure.axes[:2])
    assert rightwards.get_array()[0, -1] == pytest.approx(1.25)
    assert upwards.get_array()[-1, 0] == pytest.approx(1.25)
    assert {image.origin for image in (rightwards, upwards)} == {"lower"}


# Layer norm and the drawing of the block


def test_norm_picture_marks_mean_and_spread_of_each_word() -> None:
    before = torch.tensor([[1.0, 3.0], [10.0, 30.0]])
    figure = norms.draw_before_and_after(before, before, ["small", "large"])
    bars = figure.axes[0].containers[:2]
    assert [float(bar.lines[0].get_xdata()[0]) for bar in bars] == [2.0, 20.0]
    assert [bar.lines[2][0].get_segments()[0][:, 0].tolist() for bar in bars] == [[1.0, 3.0], [10.0, 30.0]]


def test_norm_picture_refuses_words_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="same 3 words"):
        norms.draw_before_and_after(torch.zeros(2, 4), torch.zeros(2, 4), ["a", "b", "c"])


def test_drawing_norms_after_the_sum_on_the_left_and_before_attention_on_the_right() -> None:
    left, right = (
        [text.get_text() for text in sorted(axis.texts, key=lambda text: text.get_position()[1]) if text.get_text()]
        for axis in diagram.draw_block().axes
    )
    assert left[1:] == ["attention", "+", "norm 1", "MLP", "+", "norm 2"]
    assert right[1:] == ["norm 1", "attention", "+", "norm 2", "MLP", "+"]


# Who hears whom


def test_running_sum_hears_only_what_came_before() -> None:
    x, other = torch.randn(2, 1, 5, 3)
    moved = influence.influence(lambda x: x.cumsum(dim=1), x, other)
    distance = (other - x)[0].norm(dim=-1)
    torch.testing.assert_close(moved, torch.ones(5, 5).tril() * distance)  # row: who hears; column: who is swapped


def test_influence_leaves_its_input_alone() -> None:
    x, other = torch.randn(2, 1, 4, 3)
    before = x.clone()
    influence.influence(lambda x: x * 2, x, other)
    assert torch.equal(x, before)


def test_influence_picture_tells_small_numbers_from_zero() -> None:
    x, other = torch.randn(2, 1, 4, 8)
    block = TransformerBlock(8, 2).eval()
    figure = influence.draw_influence({"block": block, "MLP": block.mlp}, x, other, list("abcd"))
    moved = influence.influence(block, x, other)
    image = figure.axes[0].images[0]
    largest_of_others = float((moved - torch.diag(moved.diag())).max())
    assert image.norm(largest_of_others) == pytest.approx(0.5)
    assert image.norm.vmin == 0
    assert figure.axes[1].images[0].norm.vmax == image.norm.vmax


def test_influence_picture_of_an_mlp_alone_has_colours_too() -> None:
    x, other = torch.randn(2, 1, 4, 8)
    figure = influence.draw_influence({"MLP": nn.Linear(8, 8)}, x, other, list("abcd"))
    assert figure.axes[0].images[0].norm.vmax > 0


# Recurrence


@pytest.mark.parametrize("length", [3, 50])
def test_multiplications_agree_with_torchs_counter(length: int) -> None:
    width = 16
    x = torch.randn(1, length, width)
    counted = {}
    for name, model in (("GRU", nn.GRU(width, width, batch_first=True)), ("block", TransformerBlock(width, 4))):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(x)
        counted[name] = counter.get_total_flops() // 2  # torch counts the additions as well
    assert speed.multiplications(length, width) == counted


class Recorder(nn.Module):
    """Notes each call, and how long the test's clock shall say that it took."""

    def __init__(self, seconds: list[float], clock: list[float], calls: list[str]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.seconds, self.clock, self.calls = seconds, clock, calls

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
        self.calls.append(f"{id(self)}:{x.shape[1]}")
        self.clock[0] += self.seconds[len([c for c in self.calls if c.startswith(f"{id(self)}:")]) - 1]
        return self.weight * x, None


def test_fastest_run_counts_and_models_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = [0.0], []
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    one = Recorder([9, 3, 2, 4, 5, 6, 7], clock, calls)  # the first is the warm-up, then three for each length
    two = Recorder([9, 30, 40, 20, 70, 60, 50], clock, calls)
    seconds = speed.seconds_to_encode({"one": one, "two": two}, [4, 8], width=2, batch_size=1, repeats=3)
    assert seconds == {"one": [2, 5], "two": [20, 50]}
    order = [("one" if call.startswith(f"{id(one)}:") else "two", int(call.split(":")[1])) for call in calls]
    assert order == [("one", 4), ("two", 4)] * 4 + [("one", 8), ("two", 8)] * 3


def test_race_has_a_line_for_each_model_in_both_panels() -> None:
    lines = {"GRU": [1, 2], "block": [1, 4]}
    figure = speed.draw_race([16, 32], lines, lines)
    for axis in figure.axes:
        assert [line.get_label() for line in axis.get_lines()] == ["GRU", "block"]
        assert axis.get_xscale() == axis.get_yscale() == "log"


# Norm first, norm last


def test_counts_are_how_many_other_words_are_the_same() -> None:
    texts, counts = norm_order.make_texts(20, torch.Generator().manual_seed(0))
    assert texts.max() < norm_order.VOCABULARY
    for text, row in zip(texts.tolist(), counts.tolist(), strict=True):
        assert row == [Counter(text)[word] - 1 for word in text]


def test_gradient_by_block_is_the_length_of_all_a_blocks_gradients() -> None:
    torch.manual_seed(0)
    blocks = some_blocks(3, norm_first=True)
    sizes = norm_order.gradient_by_block(blocks)
    for block, size in zip(blocks, sizes, strict=True):
        everything = torch.cat([p.grad.flatten() for p in block.parameters()])
        assert size == pytest.approx(float(everything.norm()), rel=1e-5)  # sums in another order, 32 bits
    assert len(sizes) == 3


def test_first_loss_is_that_of_a_guess_and_learning_repeats() -> None:
    runs = []
    for _ in range(2):
        torch.manual_seed(0)
        runs.append(norm_order.loss_while_learning(some_blocks(1, norm_first=False), learning_rate=3e-3, steps=25))
    assert np.array_equal(runs[0], runs[1])
    assert runs[0][0] == pytest.approx(math.log(norm_order.LENGTH), abs=1.0)  # 12 classes, weights that know nothing
    assert runs[0][-1] < runs[0][0] - 0.3


def test_the_loss_without_looking_agrees_with_counted_texts() -> None:
    _, counts = norm_order.make_texts(20_000, torch.Generator().manual_seed(0))
    shares = torch.bincount(counts.flatten()) / counts.numel()
    measured = -(shares * shares.clamp(min=1e-9).log()).sum()
    assert norm_order.loss_of_frequencies() == pytest.approx(float(measured), abs=0.01)  # 20,000 texts: chance is left


def test_running_mean_takes_as_many_as_there_are() -> None:
    assert norm_order.running_mean([1.0, 2.0, 6.0, 10.0], 3).tolist() == [1.0, 1.5, 3.0, 6.0]


def test_warm_up_raises_the_learning_rate_in_a_straight_line(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = []
    original = torch.optim.Adam.step

    def noting(self: torch.optim.Adam, *arguments: object) -> object:
        rates.append(self.param_groups[0]["lr"])
        return original(self, *arguments)

    monkeypatch.setattr(torch.optim.Adam, "step", noting)
    for warm_up in (4, 0):
        norm_order.loss_while_learning(some_blocks(1, norm_first=True), learning_rate=0.8, steps=6, warm_up=warm_up)
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8] + [0.8] * 6)


def test_blocks_with_the_norm_first_end_in_one_more_norm() -> None:
    lasts = [norm_order._counter(some_blocks(2, norm_first))[-2] for norm_first in (False, True)]
    assert [type(last) for last in lasts] == [nn.Identity, nn.LayerNorm]


def test_last_block_picture_shows_both_orders_for_stacks_of_up_to_24() -> None:
    asked = []

    def make_blocks(number: int, norm_first: bool) -> nn.ModuleList:
        asked.append((number, norm_first))
        return some_blocks(1, norm_first)

    figure = norm_order.draw_last_block(make_blocks)
    last, first = figure.axes[0].get_lines()
    assert (last.get_label(), first.get_label()) == ("norm last", "norm first")
    assert [norm_first for _, norm_first in asked] == [False] * 18 + [True] * 18  # three draws at each of six depths
    assert sorted({number for number, _ in asked}) == list(last.get_xdata()) == [1, 2, 4, 8, 16, 24]
