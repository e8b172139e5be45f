"""What reading and writing cost: the formulas against torch's own count, the picture, the sliders."""

from __future__ import annotations

import re
import time

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from whole_picture import parts_outside

from helpers import plots
from helpers.demos import cost
from helpers.layers import DecoderBlock, LanguageModel, TransformerBlock, step_with_cache


def counted(run) -> float:  # type: ignore[no-untyped-def]
    """Multiplications, as torch counts them: a multiplication and an addition are two operations."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return counter.get_total_flops() / 2


@pytest.mark.parametrize(("n", "m", "k"), [(40, 25, 64), (7, 90, 16), (100, 3, 32)])
def test_formulas_agree_with_torchs_own_count(n: int, m: int, k: int) -> None:
    reader, writer = TransformerBlock(k, 4).eval(), DecoderBlock(k, 4).eval()
    memory, x = torch.randn(1, n, k), torch.randn(1, m, k)
    # 1%: what the course holds itself to; norms, sums and softmax are not matrix products and count for neither.
    assert cost.reading(n, k) == pytest.approx(counted(lambda: reader(memory)), rel=0.01)
    assert cost.whole_pass(n, m, k) == pytest.approx(counted(lambda: writer(x, memory)), rel=0.01)
    assert cost.whole_pass(0, m, k) == pytest.approx(counted(lambda: writer(x)), rel=0.01)


@pytest.mark.parametrize("taken_in", [0, 1, 20])
def test_a_step_with_the_cache_costs_what_the_formula_says(taken_in: int) -> None:
    model = LanguageModel(13, 32, 4, depth=3).eval()
    caches: list[dict[str, torch.Tensor]] = [{} for _ in model.blocks]
    newest = torch.zeros(1, 1, dtype=torch.long)
    for _ in range(taken_in):
        step_with_cache(model, newest, caches)
    theirs = counted(lambda: step_with_cache(model, newest, caches))
    assert 3 * cost.cached_step(0, taken_in + 1, 32) + 32 * 13 == pytest.approx(theirs, rel=0.01)


def test_writing_adds_up_the_steps() -> None:
    assert cost.writing(5, 3, 8, cached=False) == sum(cost.whole_pass(5, i, 8) for i in (1, 2, 3))
    assert cost.writing(5, 3, 8, cached=True) == 2 * 5 * 64 + sum(cost.cached_step(5, i, 8) for i in (1, 2, 3))
    assert cost.writing(5, 1, 8, cached=True) == cost.writing(5, 1, 8, cached=False)


def test_twice_the_words_cost_as_the_big_o_says() -> None:
    narrow, long = 4, 4096  # pairs outweigh the width
    cube = cost.writing(0, 2 * long, narrow, cached=False) / cost.writing(0, long, narrow, cached=False)
    square = cost.writing(0, 2 * long, narrow, cached=True) / cost.writing(0, long, narrow, cached=True)
    assert cube == pytest.approx(8, rel=0.02)
    assert square == pytest.approx(4, rel=0.02)


def test_the_fastest_run_counts_and_the_first_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    pauses = {"slow": [0.1, 5.0, 3.0, 4.0], "fast": [0.1, 1.0, 1.0, 2.0]}  # the first warms up

    def maker(name: str):  # type: ignore[no-untyped-def]
        def make(length: int):  # type: ignore[no-untyped-def]
            left = [pause * length for pause in pauses[name]]

            def run() -> None:
                clock[0] += left.pop(0)

            return run

        return make

    seconds = cost.seconds_per_word({name: maker(name) for name in pauses}, [1, 5], repeats=3)
    assert seconds == {"slow": [pytest.approx(3.0), pytest.approx(15.0)], "fast": [pytest.approx(1), pytest.approx(5)]}


def test_large_numbers_are_written_in_words() -> None:
    numbers = (999, 1000, 5_312_000, 530_000_000, 53_000_000_000)
    assert [cost.in_words(n) for n in numbers] == ["999", "1 thousand", "5.3 million", "530 million", "53 billion"]


def test_each_slider_changes_the_picture_and_the_sentence() -> None:
    demo = cost.cost_demo()
    *sliders, said, shown, _ = demo.children
    for slider in sliders:
        before = said.value, shown.value
        slider.value = slider.options[-2][1] if isinstance(slider.options[-2], tuple) else slider.options[-2]
        assert said.value != before[0]
        assert shown.value != before[1]
        assert re.search(r'alt="Reading \d+ words', shown.value)


@pytest.mark.parametrize("sizes", [(1, 1, 8), (128, 128, 64), (512, 512, 512), (1, 512, 64)])
def test_words_and_numbers_stay_within_the_picture(sizes: tuple[int, int, int]) -> None:
    plots.use_course_style()
    assert parts_outside(cost.draw_cost(*sizes)) == []


def test_the_sliders_are_equally_long() -> None:
    *sliders, _, _, _ = cost.cost_demo().children
    assert len(sliders) == 3
    assert len({(slider.layout.width, slider.style.description_width) for slider in sliders}) == 1
    assert sliders[0].style.description_width != "initial", "then the label's length would set the slider's"


def test_bars_are_as_long_as_their_numbers() -> None:
    lines, bars = cost.draw_cost(64, 64, 128).axes
    read, without, kept = (bar.get_width() for bar in bars.patches)
    assert (read, without, kept) == (9_437_184, 531_980_288, 14_163_968)
    assert bars.get_xscale() == lines.get_yscale() == "linear"
    assert bars.get_xlim()[0] == lines.get_ylim()[0] == 0
