"""The "bank" demo: what it computes, what it does with what people type, and what its widgets show."""

from __future__ import annotations

import html
import io
import math
import re
import warnings

import numpy as np
import pytest
from matplotlib.colors import to_hex

from helpers import plots
from helpers.demos.bank import (
    PRESETS,
    ValueAttention,
    bank_demo,
    describe_value_attention,
    draw_value_attention,
    get_value_attention,
)
from helpers.demos.parts.picture import picture
from helpers.demos.parts.vocabulary import describe_word, vocabulary_box
from helpers.word_vectors import WordVectors, load_word_vectors

widgets = pytest.importorskip("ipywidgets")

MONEY = {"loan", "loans", "business", "interest", "credit", "finance", "financing", "tax", "taxes", "revenue"}
NATURE = {
    "mud",
    "log",
    "rocks",
    "rock",
    "sand",
    "sea",
    "lake",
    "ocean",
    "salt",
    "shore",
    "bay",
    "ice",
    "snow",
    "hill",
    "feet",
}


@pytest.fixture(scope="module")
def vectors() -> WordVectors:
    return load_word_vectors()


@pytest.fixture
def small() -> WordVectors:
    words = ["bank", "river", "money", "water"]
    return WordVectors(words, [[1.0, 2.0, 0.0], [0.0, 3.0, 1.0], [2.0, 0.0, 0.0], [0.0, 1.0, 1.0]])


# What it computes


def test_weights_and_value_are_those_of_the_formula_written_out(small: WordVectors) -> None:
    result = get_value_attention(small, "bank", "river money bank")
    rows = [[0.0, 3.0, 1.0], [2.0, 0.0, 0.0], [1.0, 2.0, 0.0]]
    powers = [math.exp(sum(a * b for a, b in zip(row, [1.0, 2.0, 0.0], strict=True)) / math.sqrt(3)) for row in rows]
    weights = [power / sum(powers) for power in powers]
    value = [sum(weight * row[column] for weight, row in zip(weights, rows, strict=True)) for column in range(3)]
    assert result.words == ["river", "money", "bank"]
    np.testing.assert_allclose(result.weights, weights, rtol=1e-6)  # float32 against double
    np.testing.assert_allclose(result.value, value, rtol=1e-6)
    assert result.query_neighbours == small.nearest_words("bank", 12)
    assert result.value_neighbours == small.nearest_to_vector(result.value, 12)


def test_large_scores_do_not_overflow() -> None:
    vectors = WordVectors(["a", "b"], [[1e4, 0], [0, 1e4]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = get_value_attention(vectors, "a", "a b")
    np.testing.assert_array_equal(result.weights, [1, 0])


def test_torch_agrees_on_a_preset(vectors: WordVectors) -> None:
    torch = pytest.importorskip("torch")
    result = get_value_attention(vectors, *PRESETS["by the river"])
    query = torch.tensor(vectors["bank"])[None, None]
    keys = torch.tensor(np.stack([vectors[word] for word in ("river", "bank", "cold", "water")]))[None]
    expected = torch.nn.functional.scaled_dot_product_attention(query, keys, keys)
    np.testing.assert_allclose(result.value, expected[0, 0].numpy(), atol=1e-5)  # two orders of summing in float32


def test_the_presets_lead_to_nature_and_to_money(vectors: WordVectors) -> None:
    """With the vectors that ship: the demo's whole point."""
    river, town = (get_value_attention(vectors, *preset) for preset in PRESETS.values())
    assert river.query_neighbours == town.query_neighbours
    near_river, near_town = ({word for word, _ in result.value_neighbours} for result in (river, town))
    assert len(near_river & NATURE) >= 3
    assert not near_river & MONEY
    assert len(near_town & MONEY) >= 4
    assert not near_town & NATURE
    assert near_river & near_town <= {"bank"}


def test_no_weight_of_a_preset_is_all_or_nothing(vectors: WordVectors) -> None:
    for preset in PRESETS.values():
        weights = get_value_attention(vectors, *preset).weights
        assert 0.05 < weights.min() < weights.max() < 0.7
        assert weights.max() > 1.5 * weights.min()


# What people type


@pytest.mark.parametrize(
    "keys", ["river  money", "   river\t\tmoney \n", "River, MONEY!", ["river", "money"], " river · money"]
)
def test_spaces_capitals_and_punctuation_change_nothing(small: WordVectors, keys: str | list[str]) -> None:
    expected = get_value_attention(small, "bank", "river money")
    result = get_value_attention(small, "  Bank. ", keys)
    assert result.words == ["river", "money"]
    assert result.query == "bank"
    np.testing.assert_array_equal(result.value, expected.value)


def test_an_unknown_key_is_named_and_the_others_are_used(small: WordVectors) -> None:
    result = get_value_attention(small, "bank", "riverr 河 money <b>")
    assert result.words == ["money"]
    np.testing.assert_array_equal(result.weights, [1])
    assert result.messages[0] == "The key 'riverr' is not in the vocabulary (4 words). Close: river."
    assert [message.split("'")[1] for message in result.messages] == ["riverr", "河", "b"]


@pytest.mark.parametrize("keys", ["", "   ", "\n", "河 река", "?!", []])
def test_a_line_without_a_known_word_gives_zeros_and_says_so(small: WordVectors, keys: str | list[str]) -> None:
    result = get_value_attention(small, "bank", keys)
    assert result.words == []
    assert result.weights.shape == (0,)
    np.testing.assert_array_equal(result.value, np.zeros(3))
    assert result.value_neighbours == []
    assert "nothing to attend to" in result.messages[-1]
    assert result.query_neighbours


@pytest.mark.parametrize(
    ("query", "said"), [("riverr", "Close: river"), ("", "There is no query"), ("河", "'河' is not")]
)
def test_an_unknown_query_gives_zeros_and_says_so(small: WordVectors, query: str, said: str) -> None:
    result = get_value_attention(small, query, "river money")
    assert result.words == ["river", "money"]
    np.testing.assert_array_equal(result.weights, [0, 0])
    np.testing.assert_array_equal(result.value, np.zeros(3))
    assert (result.query_neighbours, result.value_neighbours) == ([], [])
    assert said in result.messages[0]


def test_ten_thousand_words_are_taken_and_few_messages_made(vectors: WordVectors) -> None:
    words = [*vectors.random_words(5000, seed=0), *(f"zz{number}q" for number in range(5000))]
    result = get_value_attention(vectors, "bank", " ".join(words))
    assert len(result.words) == 5000
    assert result.weights.sum() == pytest.approx(1, abs=1e-5)  # the sum of 5,000 float32 numbers
    assert result.messages[-1] == "4,997 more keys are not in the vocabulary."
    assert len(result.messages) == 4
    assert len(describe_value_attention(result)) < 2500


# The picture


def draw(result: ValueAttention) -> list[list[str]]:
    """Draw with every warning an error, check that nothing is cut off, and return each panel's words."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw_value_attention(result)
        figure.savefig(io.BytesIO(), bbox_inches=figure.bbox_inches)
    box = figure.get_tightbbox()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.get_figwidth()
    assert box.y1 <= figure.get_figheight()
    panels = [ax.get_tightbbox() for ax in figure.axes]
    assert panels[0].x1 <= panels[1].x0
    assert panels[1].x1 <= panels[2].x0
    return [[text.get_text() for text in ax.texts if text.get_ha() == "right"] for ax in figure.axes]


@pytest.mark.parametrize(
    ("query", "keys"),
    [*PRESETS.values(), ("bank", "bank"), ("responsibilities", "characteristically responsibilities disappointment")],
)
def test_the_picture_shows_neighbours_keys_and_neighbours(vectors: WordVectors, query: str, keys: str) -> None:
    result = get_value_attention(vectors, query, keys)
    left, middle, right = draw(result)
    assert left == [word for word, _ in result.query_neighbours]
    assert middle == result.words
    assert right == [word for word, _ in result.value_neighbours]


@pytest.mark.parametrize(("query", "keys"), [("flyy", "river"), ("bank", ""), ("河", "河 река"), ("$x$", "$y$ river")])
def test_the_picture_is_drawn_where_words_are_missing(vectors: WordVectors, query: str, keys: str) -> None:
    draw(get_value_attention(vectors, query, keys))


def test_neighbours_that_were_typed_are_grey_with_an_edge(vectors: WordVectors) -> None:
    result = get_value_attention(vectors, *PRESETS["by the river"])
    right = draw_value_attention(result).axes[2]
    (bars,) = right.collections
    typed = [word in {result.query, *result.words} for word, _ in result.value_neighbours]
    assert 0 < sum(typed) < len(typed)
    assert [to_hex(colour) == plots.GREY.lower() for colour in bars.get_facecolor()] == typed
    assert [colour[3] == 1 for colour in bars.get_edgecolor()] == typed
    lengths = [path.get_extents().width for path in bars.get_paths()]
    assert lengths == pytest.approx([cosine for _, cosine in result.value_neighbours], rel=1e-5)


def test_a_very_long_word_stays_within_its_panel() -> None:
    words = ["pneumonoultramicroscopicsilicovolcanoconiosis", "floccinaucinihilipilification", "z"]
    _, middle, right = draw(get_value_attention(WordVectors(words, np.eye(3)), words[0], words))
    assert middle == right == ["pneumonoultramic…", "floccinaucinihil…", "z"]


def test_of_many_keys_the_strongest_are_drawn_and_the_picture_says_so(vectors: WordVectors) -> None:
    words = vectors.random_words(300, seed=0)
    result = get_value_attention(vectors, "bank", words * 30)
    _, middle, _ = draw(result)
    order = sorted(set(result.words), key=lambda word: -result.weights[result.words.index(word)])
    assert middle == order[:20]
    axes = draw_value_attention(result).axes[1]
    assert "20 strongest of 300 keys" in axes.get_xlabel()
    (bars,) = axes.collections
    assert bars.get_paths()[0].get_extents().width == pytest.approx(
        30 * result.weights[result.words.index(order[0])], rel=1e-5
    )
    assert "280 weaker keys are not shown" in describe_value_attention(result)


def test_a_figure_becomes_an_image_with_its_text_and_the_same_bytes(small: WordVectors) -> None:
    from matplotlib import pyplot

    figure, _ = pyplot.subplots()
    image = picture(figure, 'A "quoted" <b>')
    assert image.startswith('<div style="overflow-x: auto"><img alt="A &quot;quoted&quot; &lt;b&gt;"')
    assert "data:image/png;base64,iVBOR" in image
    assert not pyplot.fignum_exists(figure.number)
    result = get_value_attention(small, "bank", "river money")
    assert picture(draw_value_attention(result), "x") == picture(draw_value_attention(result), "x")
    with pytest.raises(ValueError, match="text alternative"):
        picture(figure, " ")


# The widgets


def test_the_demo_redraws_when_a_box_changes_or_a_preset_is_chosen(vectors: WordVectors) -> None:
    demo = bank_demo(vectors)
    (query, keys), shown = _all(demo, widgets.Text)[:2], _all(demo, widgets.HTML)[0]
    assert (query.value, keys.value) == PRESETS["by the river"]
    by_river = shown.value
    town = next(button for button in _all(demo, widgets.Button) if "in the town" in button.description)
    town.click()
    assert (query.value, keys.value) == PRESETS["in the town"]
    assert describe_value_attention(get_value_attention(vectors, *PRESETS["in the town"])) in html.unescape(shown.value)
    assert shown.value != by_river


@pytest.mark.parametrize("typed", ["", "   ", "flyy", "x<script>alert(1)</script>x", "河", "a" * 5000])
def test_nothing_that_is_typed_breaks_the_demo(vectors: WordVectors, typed: str) -> None:
    demo = bank_demo(vectors)
    (query, keys), shown = _all(demo, widgets.Text)[:2], _all(demo, widgets.HTML)[0]
    query.value = typed
    keys.value = typed
    assert "<script>" not in shown.value
    assert re.search(r'<img alt="[^"]+"', shown.value)
    assert "nothing to attend to" in shown.value
    query.value, keys.value = "bank", "river"
    assert "attends to: river 1.00" in shown.value


def test_each_box_has_a_label_and_the_text_form_is_short(vectors: WordVectors) -> None:
    demo = bank_demo(vectors)
    assert all(box.description for box in _all(demo, widgets.Text) + _all(demo, widgets.Button))
    assert len(repr(demo)) < 110


def test_the_ten_random_words_are_all_in_the_vocabulary(vectors: WordVectors) -> None:
    box = vocabulary_box(vectors)
    button, (drawn, _) = _all(box, widgets.Button)[0], _all(box, widgets.HTML)
    button.click()
    words = re.sub("<[^>]+>", "", html.unescape(drawn.value)).split()
    assert len(words) == 10
    assert all(word in vectors for word in words)


def test_the_box_says_whether_a_word_is_present(vectors: WordVectors) -> None:
    box = vocabulary_box(vectors)
    word, (_, answer) = _all(box, widgets.Text)[0], _all(box, widgets.HTML)
    word.value = " River "
    assert "Yes: 'river' is in the vocabulary." in html.unescape(answer.value)
    word.value = "riverr"
    assert "No: 'riverr' is not in the vocabulary" in html.unescape(answer.value)
    assert describe_word(vectors, "  ").startswith(f"The vocabulary has {len(vectors):,} words.")


def _all(root: widgets.Widget, kind: type) -> list:
    """All widgets of one kind, as they stand on the page."""
    here = [root] if isinstance(root, kind) else []
    return here + [found for child in getattr(root, "children", ()) for found in _all(child, kind)]
