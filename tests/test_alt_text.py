"""What a figure says of itself, and how its words get into notebooks, files and folded pictures."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

from helpers import media, plots
from helpers.course.build.demo_pictures import pictures_of
from helpers.demos.parts.picture import picture
from helpers.plots.alt_text import alt_text

ROOT = Path(__file__).resolve().parents[1]


def test_a_chart_is_told_by_its_title_and_its_axes() -> None:
    figure = plots.bars(["river", "bank"], [1.0, 2.0], title="Banks are wide", xlabel="metres")
    assert alt_text(figure) == "Banks are wide. Across: metres. Up: river, bank."


def test_colours_and_curves_are_named() -> None:
    square = plots.heatmap(
        [[1, 2], [3, 4]], title="Weights", xlabel="key", ylabel="query", colour_label="w", annotate=False
    )
    assert alt_text(square) == "Weights. Across: key. Up: query. Colour: w."
    figure, axes = plots.panels()
    axes[0, 0].plot([1, 2], label="sine")
    axes[0, 0].plot([2, 1], label="cosine")
    axes[0, 0].legend()
    axes[0, 0].set(title="Which way?", xlabel=r"angle $\frac{a}{b}$")
    assert alt_text(figure) == "Which way? Across: angle frac(a)(b). Shown: sine, cosine."


def test_each_panel_is_told_and_what_they_share_once() -> None:
    figure, axes = plots.panels(1, 2)
    figure.suptitle("Two\nhalves")
    for side, name in zip(axes[0], ("left", "right"), strict=True):
        side.set(title=name, xlabel="time")
    assert alt_text(figure) == "Two halves. Panel 1: left. Across: time. Panel 2: right. Across: time."


def test_a_drawing_without_axes_is_told_by_what_is_written_in_it() -> None:
    figure, axes = plots.panels()
    axes[0, 0].axis("off")
    axes[0, 0].text(0, 0, "encoder")
    axes[0, 0].text(1, 0, "decoder")
    assert alt_text(figure) == "encoder, decoder."


def test_a_long_list_is_cut_and_an_empty_picture_has_no_words() -> None:
    names = [f"word {letter}" for letter in "abcdefghijklmno"]
    figure = plots.bars(names, range(len(names)), title="Many", xlabel="n")
    assert alt_text(figure).endswith("word l and 3 more.")
    assert alt_text(plots.panels()[0]) == ""


def test_a_notebook_keeps_the_words_beside_the_picture(tmp_path: Path) -> None:
    code = (
        "from helpers import plots\nplots.use_course_style()\nplots.bars(['a'], [1], title='One bar', xlabel='metres')"
    )
    cells = [nbformat.v4.new_code_cell(code)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, kernel_name="python3", timeout=300).execute()
    (output,) = notebook.cells[0].outputs
    assert "image/png" in output.data
    assert output.metadata["image/png"]["alt"] == "One bar. Across: metres. Up: a."


@pytest.mark.parametrize("path", sorted((ROOT / "solutions").glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_picture_of_a_lesson_has_words(path: Path) -> None:
    for cell in nbformat.read(path, 4).cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                alt = output.metadata["image/png"]["alt"]
                assert len(alt) > 10
                assert alt[0] != alt[0].lower() or not alt[0].isalpha() or len(alt.split()) > 1
                with Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))) as image:
                    assert image.info["Description"] == alt


def test_a_folded_picture_has_the_words_that_its_file_carries(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(media, "_display", lambda page, text: shown.append(page))
    media.what_you_should_see("02_queries_keys_values_2")
    assert 'alt="Each word attends to itself most of all. Across: key' in shown[0]


def test_a_demo_leaves_the_pictures_that_its_widgets_hold() -> None:
    figure = plots.bars(["a"], [1.0], title="One bar", xlabel="metres")
    page = picture(figure, 'One bar, "a"')
    widgets = {
        "box": {"_model_name": "VBoxModel", "children": ["IPY_MODEL_inner", "IPY_MODEL_words"]},
        "inner": {"_model_name": "HBoxModel", "children": ["IPY_MODEL_slider", "IPY_MODEL_shown"]},
        "slider": {"_model_name": "IntSliderModel", "value": 3},
        "shown": {"_model_name": "HTMLModel", "value": page},
        "words": {"_model_name": "HTMLModel", "value": "<p>no picture <img src='https://example.org/x.png'></p>"},
        "other": {"_model_name": "HTMLModel", "value": page},
    }
    ((png, beside),) = pictures_of("box", widgets)
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        assert beside == {"alt": 'One bar, "a"', "width": round(image.width / 1.5)}
    assert pictures_of("slider", widgets) == []
