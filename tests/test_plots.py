"""Pictures: right content, readable, repeatable, and shown once by a real notebook."""

import base64
import io
import subprocess
import sys
import warnings
from itertools import pairwise

import matplotlib
import nbformat
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from nbclient import NotebookClient

from helpers import plots
from helpers.plots import bars, curves, heatmap, panels, use_course_style

WORDS = {"title": "A title", "xlabel": "across", "ylabel": "up"}


@pytest.fixture(autouse=True)
def _style():
    with matplotlib.rc_context():
        use_course_style()
        yield


def png(figure):
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(file, format="png")
    return file.getvalue()


def lay_out(figure):
    """Do all that drawing does but for the pixels, and let no warning pass."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()


def attention(rows, columns):
    return torch.softmax(torch.randn(rows, columns, generator=torch.Generator().manual_seed(0)), dim=-1)


def tick_words(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


# What is drawn


def test_a_heatmap_shows_each_number_in_its_row_and_column():
    weights = attention(3, 5)
    (ax,) = heatmap(weights, list("abc"), list("vwxyz"), **WORDS).axes
    np.testing.assert_array_equal(ax.images[0].get_array(), weights.double().numpy())
    assert tick_words(ax.yaxis) == list("abc")
    assert tick_words(ax.xaxis) == list("vwxyz")
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written == {(c, r): f"{weights[r, c]:.2f}" for r in range(3) for c in range(5)}
    assert (ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel()) == ("A title", "across", "up")


def test_tensors_arrays_and_lists_are_drawn_alike():
    tensor = attention(3, 4)
    forms = [tensor, tensor.clone().requires_grad_(), tensor.double().numpy(), tensor.tolist(), list(tensor)]
    for form in forms:
        drawn = heatmap(form, **WORDS).axes[0].images[0].get_array()
        np.testing.assert_array_equal(drawn, tensor.double().numpy())


def test_half_precision_and_booleans_can_be_drawn():
    image = heatmap(torch.tensor([[0.5, 0.25]], dtype=torch.bfloat16), **WORDS).axes[0].images[0]
    assert image.get_array().tolist() == [[0.5, 0.25]]
    ax = heatmap(torch.ones(3, 3, dtype=torch.bool).tril(), **WORDS).axes[0]
    assert [text.get_text() for text in ax.texts] == list("100110111")


def test_a_large_heatmap_has_a_colour_bar_and_no_numbers():
    (ax,) = heatmap(attention(20, 20), **WORDS, colour_label="weight").axes
    (colour_bar,) = ax.child_axes
    assert not ax.texts
    assert colour_bar.get_ylabel() == "weight"


def test_numbers_in_cells_can_be_asked_for_and_declined():
    numbered = heatmap(attention(20, 20), **WORDS, annotate=True).axes[0]
    assert (len(numbered.texts), len(numbered.child_axes)) == (400, 0)
    plain = heatmap(attention(2, 2), **WORDS, annotate=False).axes[0]
    assert (len(plain.texts), len(plain.child_axes)) == (0, 1)


def test_what_is_not_finite_is_a_gap_without_a_number():
    ax = heatmap([[1.5, float("-inf")], [float("nan"), 2.5]], **WORDS).axes[0]
    assert [text.get_text() for text in ax.texts] == ["1.50", "2.50"]
    assert ax.images[0].get_clim() == (1.5, 2.5)


def test_numbers_in_cells_stand_out_from_their_cell():
    ax = heatmap([[0, 1]], **WORDS).axes[0]
    assert [to_hex(text.get_color()) for text in ax.texts] == ["#ffffff", "#000000"]


def test_colour_scales_can_be_held_equal():
    image = heatmap(attention(2, 2), **WORDS, vmin=0, vmax=1).axes[0].images[0]
    assert image.get_clim() == (0, 1)


def test_dollar_signs_in_words_are_shown_as_they_are():
    tokens = ["$", "5", "$x_1$", "\\frac{"]
    figure = heatmap(attention(4, 4), tokens, tokens, **WORDS)
    lay_out(figure)
    assert not any(label.get_parse_math() for label in figure.axes[0].get_xticklabels())
    lay_out(bars(tokens, [1, 2, 3, 4], title="t", xlabel="x"))
    lay_out(curves([1, 2], {token: [1, 2] for token in tokens}, **WORDS))  # names beside the lines
    lay_out(curves([1, 2], {token: [1, 2] for token in [*tokens, "$$"]}, **WORDS))  # a legend


@pytest.mark.parametrize("count", [2, 6, 14, 40, 120])
def test_labels_do_not_overlap(count):
    words = [f"word{number}" for number in range(count)]
    alone = heatmap(attention(count, count), words, words, **WORDS)
    beside, axes = panels(1, 2, width=7, height=3)
    heatmap(attention(count, count), words, words, **WORDS, ax=axes[0, 0])
    lay_out(alone)
    lay_out(beside)
    for axis in (alone.axes[0].xaxis, alone.axes[0].yaxis, axes[0, 0].xaxis, axes[0, 0].yaxis):
        boxes = [label.get_window_extent() for label in axis.get_ticklabels()]
        assert not any(one.overlaps(other) for one, other in pairwise(boxes))


def test_bars_run_from_the_top_each_with_its_number():
    (ax,) = bars(["river", "river", "cold"], torch.tensor([0.5, 0.25, -0.1]), title="t", xlabel="x").axes
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.5, 0.25, -0.1])
    assert tick_words(ax.yaxis) == ["river", "river", "cold"]
    assert [text.get_text() for text in ax.texts] == ["0.50", "0.25", "-0.10"]
    assert ax.yaxis_inverted()
    assert bars(["a"], [0.2], title="t", xlabel="x", xlim=(0, 1)).axes[0].get_xlim() == (0, 1)


def test_curves_are_drawn_and_named_at_their_ends():
    (ax,) = curves([1, 2, 3], {"GRU": [1, 2, 4], "block": torch.tensor([1.0, 1.5, 2.0])}, **WORDS).axes
    assert [line.get_ydata().tolist() for line in ax.lines] == [[1, 2, 4], [1, 1.5, 2]]
    assert {text.get_text(): text.xy for text in ax.texts} == {"GRU": (3, 4), "block": (3, 2)}
    assert ax.get_legend() is None
    assert len({line.get_marker() for line in ax.lines}) == 2


def test_names_of_curves_that_end_together_do_not_overlap():
    figure = curves([1, 2], {name: [0, 1] for name in "abcd"}, **WORDS)
    lay_out(figure)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k])


def test_whole_numbers_are_marked_by_whole_numbers():
    (ax,) = plots.curves(range(1, 20), {"kept": range(19)}, title="t", xlabel="characters", ylabel="y").axes
    assert all(place == round(place) for place in ax.get_xticks())
    (ax,) = plots.curves([0.0, 0.5, 1.0], {"kept": [1, 2, 3]}, title="t", xlabel="p", ylabel="y").axes
    assert any(place != round(place) for place in ax.get_xticks())


def test_many_curves_get_a_legend():
    (ax,) = curves([1, 2], {name: [1, 2] for name in "abcdef"}, **WORDS).axes
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list("abcdef")
    assert not ax.texts


def test_a_curve_is_named_at_its_last_number():
    (ax,) = curves([1, 2, 3], {"a": [1, 2, float("nan")], "none": [float("nan")] * 3}, **WORDS).axes
    assert [(text.get_text(), text.xy) for text in ax.texts] == [("a", (2, 2))]


def test_logarithmic_axes_show_the_sizes_that_were_measured():
    (ax,) = curves([64, 128, 1024], {"a": [1e-3, 1e-2, 0]}, **WORDS, log_x=True, log_y=True).axes
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert tick_words(ax.xaxis) == ["64", "128", "1024"]
    assert ax.xaxis.get_minorticklocs().size == 0


def test_several_pictures_share_a_figure():
    figure, axes = panels(1, 2, width=9, height=3)
    assert axes.shape == (1, 2)
    assert heatmap(attention(3, 3), **WORDS, ax=axes[0, 0]) is figure
    assert curves([1, 2], {"a": [1, 2]}, **WORDS, ax=axes[0, 1]) is figure


# Errors


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (0, 3)])
def test_a_heatmap_of_something_else_than_a_matrix_names_the_shape(shape):
    with pytest.raises(ValueError, match=str(shape).replace("(", r"\(").replace(")", r"\)")):
        heatmap(torch.zeros(shape), **WORDS)


def test_labels_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="row_labels has 2 entries and the data 3"):
        heatmap(attention(3, 3), ["a", "b"], **WORDS)
    with pytest.raises(ValueError, match="column_labels has 4 entries and the data 3"):
        heatmap(attention(3, 3), None, list("abcd"), **WORDS)
    with pytest.raises(ValueError, match="labels has 1 entries and the data 2"):
        bars(["a"], [1, 2], title="t", xlabel="x")


def test_lines_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"Line 'a' has shape \(3,\) and x \(2,\)"):
        curves([1, 2], {"a": [1, 2, 3]}, **WORDS)
    with pytest.raises(ValueError, match="need points"):
        curves([1, 2], {}, **WORDS)
    with pytest.raises(ValueError, match="need a row of values"):
        bars([], [], title="t", xlabel="x")


# Style


def test_the_named_colours_are_the_styles_cycle():
    cycle = [to_hex(colour) for colour in matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]]
    named = [plots.BLUE, plots.VERMILION, plots.GREEN, plots.PURPLE, plots.SKY, plots.ORANGE, plots.BLACK]
    assert cycle == [colour.lower() for colour in named]


def test_a_picture_has_the_same_bytes_in_another_process():
    code = (
        "import sys\n"
        "from helpers.plots import heatmap, use_course_style\n"
        "use_course_style()\n"
        "figure = heatmap([[1, 2], [3, 4]], ['a', 'b'], title='A title', xlabel='across', ylabel='up')\n"
        "figure.savefig(sys.stdout.buffer, format='png')\n"
    )
    elsewhere = subprocess.check_output([sys.executable, "-c", code])
    assert elsewhere == png(heatmap([[1, 2], [3, 4]], ["a", "b"], **WORDS))


def test_an_attention_map_of_a_sentence_is_small():
    words = ["[CLS]", *"the animal did not cross the street because it was too".split(), "[SEP]"]  # noqa: SIM905
    assert len(png(heatmap(attention(13, 13), words, words, **WORDS, colour_label="weight"))) < 60_000


# In a real notebook


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What a kernel shows for each of these cells, in which pyplot is imported last."""
    cells = {
        "set up": "from helpers.plots import *\nuse_course_style()\nwords = dict(title='t', xlabel='x', ylabel='y')",
        "last line": "heatmap([[1, 2]], **words)",
        "not used": "heatmap([[1, 2]], **words)\nbars(['a'], [1], title='t', xlabel='x')\n'done'",
        "named": "figure = curves([1, 2], {'a': [1, 2]}, **words)",
        "panels": "figure, axes = panels(1, 2)\nfor ax in axes.flat:\n    heatmap([[1, 2]], **words, ax=ax)\nfigure",
        "displayed": "from IPython.display import display\ndisplay(figure)",
        "no pyplot yet": "import sys\n'matplotlib.pyplot' in sys.modules",
        "pyplot": "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
        "last line, after pyplot": "heatmap([[1, 2]], **words)",
    }
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in cells.values()])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        patch.delenv("MPLBACKEND", raising=False)  # the kernel chooses its own
        NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    return dict(zip(cells, (cell.outputs for cell in notebook.cells), strict=True))


def pictures(outputs):
    return [base64.b64decode(out.data["image/png"]) for out in outputs if "image/png" in out.get("data", {})]


@pytest.mark.parametrize("cell", ["last line", "panels", "displayed", "pyplot", "last line, after pyplot"])
def test_a_figure_that_is_returned_is_shown_exactly_once(outputs, cell):
    assert len(outputs[cell]) == 1
    assert len(pictures(outputs[cell])) == 1


@pytest.mark.parametrize("cell", ["not used", "named"])
def test_a_figure_that_is_not_returned_is_not_shown(outputs, cell):
    assert not pictures(outputs[cell])


def test_pictures_do_not_need_pyplot(outputs):
    assert outputs["no pyplot yet"][0].data["text/plain"] == "False"


def test_importing_pyplot_later_changes_no_picture(outputs):
    assert pictures(outputs["last line"]) == pictures(outputs["last line, after pyplot"])
