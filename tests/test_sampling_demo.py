"""The demo of what is cut off before the next token is drawn."""

from __future__ import annotations

import time

import ipywidgets as widgets
import torch
from matplotlib.colors import to_hex

from helpers import plots
from helpers.demos.sampling import describe_kept, draw_kept, sampling_demo
from helpers.layers import top_p

LOGITS = torch.tensor([4.0, 2.5, 3.5, 0.0, 1.0, 3.0, 2.0, 0.5])


def letters(ids: list[int]) -> list[str]:
    return [" ABCDEFGH"[number + 1] for number in ids]


def test_a_picture_shows_what_stays_in_blue_and_what_is_cut_off_in_grey() -> None:
    kept = top_p(LOGITS[None], 0.5)[0]
    figure = draw_kept(LOGITS, letters, {"all": LOGITS, "top-p": kept})
    everything, cut = figure.axes
    assert [label.get_text() for label in everything.get_yticklabels()] == list("ACFBGEHD")
    assert "2 tokens stay" in cut.get_title(loc="left") + cut.get_title()
    grey, blue = cut.containers
    assert (len(grey), len(blue)) == (6, 2)
    assert abs(sum(bar.get_width() for bar in blue) - 1) < 1e-6
    assert everything.get_xlim()[1] > max(bar.get_width() for bar in blue)  # no bar is cut off by the frame


def test_one_token_is_one_token() -> None:
    assert describe_kept(top_p(LOGITS[None], 0.0)[0]) == "1 token stays"


def find(box: widgets.Widget, description: str) -> widgets.Widget:
    return next(child for child in box.children if getattr(child, "description", "") == description)


def html_of(box: widgets.VBox) -> list[str]:
    """What is written, and the picture."""
    return [child.value for child in box.children if isinstance(child, widgets.HTML)]


def demo() -> tuple[widgets.VBox, list[tuple[object, ...]]]:
    asked: list[tuple[object, ...]] = []

    def write(text: str, seed: int, **settings: float) -> str:
        asked.append((text, seed, *settings.values()))
        return f"{text} <b>"

    def keep(logits: torch.Tensor, temperature: float, k: int, p: float) -> torch.Tensor:
        return top_p(logits[None] / temperature, p)[0]

    return sampling_demo(write, lambda text: LOGITS, keep, letters), asked


def test_each_control_draws_anew_and_what_is_written_is_text_and_no_markup() -> None:
    box, asked = demo()
    for description, value in (
        ("temperature", 0.5),
        ("top-k", 3),
        ("top-p", 0.2),
        ("begins with", "Then"),
        ("seed", 7),
    ):
        before, pictures = len(asked), html_of(box)[1]
        find(box, description).value = value
        assert len(asked) == before + 1, description
        assert (html_of(box)[1] != pictures) == (description != "seed"), description
    assert asked[-1] == ("Then", 7, 0.5, 3, 0.2)
    written, shown = html_of(box)
    assert "&lt;b&gt;" in written
    assert "Of 8 that may follow “Then”, 1 token stays, with temperature 0.5, top-k 3, top-p 0.2." in shown


def test_an_empty_box_is_the_first_text() -> None:
    box, asked = demo()
    find(box, "begins with").value = "  "
    assert asked[-1][0] == "The princess went down to the"


def test_it_redraws_quickly() -> None:
    box, _ = demo()
    slider = find(box, "top-p")
    times = []
    for value in (0.1, 0.2, 0.3, 0.4):
        started = time.process_time()
        slider.value = value
        times.append(time.process_time() - started)
    assert min(times) < 0.25


def test_the_key_names_both_colours_where_nothing_is_cut_off_either() -> None:
    legend = draw_kept(LOGITS, letters, {"all": LOGITS}).axes[0].get_legend()
    assert [to_hex(patch.get_facecolor()) for patch in legend.get_patches()] == [plots.GREY.lower(), plots.BLUE.lower()]
