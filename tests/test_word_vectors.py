"""The vocabulary and its neighbours, the file they ship in, and the training that makes it."""

from __future__ import annotations

import importlib.util
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.course.__main__ import main
from helpers.course.train import word_vectors as command
from helpers.fasttext_training import split_words, train_fasttext
from helpers.word_vectors import UnknownWord, WordVectors, load_word_vectors, save_word_vectors

needs_fasttext = pytest.mark.skipif(importlib.util.find_spec("fasttext") is None, reason="fasttext is not installed")

WORDS = ["river", "lake", "money", "bank", "fly", "flyer", "don't", "café"]


@pytest.fixture
def small() -> WordVectors:
    return WordVectors(WORDS, np.random.default_rng(0).normal(size=(len(WORDS), 5)))


@pytest.fixture(scope="module")
def sentences() -> list[list[str]]:
    """Two topics that share no word, so that a word's neighbours must come from its own topic."""
    topics = (["boat", "water", "fish", "shore", "wave"], ["coin", "loan", "price", "debt", "sale"])
    generator = np.random.default_rng(0)
    return [[*map(str, generator.permutation(topics[number % 2]))] for number in range(600)]


# Looking up


def test_a_word_is_found_whatever_its_capitals_and_spaces(small: WordVectors) -> None:
    assert "River" in small
    assert " river " in small
    np.testing.assert_array_equal(small["RIVER"], small.vectors[0])
    assert small.spelling("RIVER") == "river"
    assert "sea" not in small
    assert 3 not in small


def test_a_capital_spelling_of_its_own_comes_first() -> None:
    vectors = WordVectors(["us", "US"], np.eye(2))
    np.testing.assert_array_equal(vectors["US"], [0, 1])
    np.testing.assert_array_equal(vectors["Us"], [1, 0])


def test_an_unknown_word_is_named_with_near_spellings() -> None:
    words = ["fly", "flyer", *(f"word{number}" for number in range(8894))]
    with pytest.raises(UnknownWord) as caught:
        WordVectors(words, np.ones((8896, 2)))["flyy"]
    assert str(caught.value) == "'flyy' is not in the vocabulary (8,896 words). Close: fly, flyer."
    assert isinstance(caught.value, KeyError)
    assert caught.value.close == ["fly", "flyer"]
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("word", ["", "蛋", "река", "x" * 10_000, "12"])
def test_an_unknown_word_unlike_any_other_still_gets_a_short_message(small: WordVectors, word: str) -> None:
    with pytest.raises(UnknownWord, match="No word in it is spelt nearly like that") as caught:
        small[word]
    assert len(str(caught.value)) < 200


# Neighbours


def slowly_nearest(words: list[str], rows: list[list[float]], vector: list[float]) -> list[tuple[str, float]]:
    """The definition of cosine similarity, in plain Python."""

    def length(x: list[float]) -> float:
        return sum(value * value for value in x) ** 0.5

    cosines = [
        (word, sum(a * b for a, b in zip(row, vector, strict=True)) / length(row) / length(vector))
        for word, row in zip(words, rows, strict=True)
    ]
    return sorted(cosines, key=lambda entry: -entry[1])


def test_nearest_words_are_those_of_a_slow_loop_without_the_query(small: WordVectors) -> None:
    rows = small.vectors.tolist()
    expected = [entry for entry in slowly_nearest(WORDS, rows, rows[3]) if entry[0] != "bank"][:4]
    found = small.nearest_words("Bank", 4)
    assert [word for word, _ in found] == [word for word, _ in expected]
    # float32 against double
    np.testing.assert_allclose([c for _, c in found], [c for _, c in expected], atol=1e-6)


def test_nearest_to_a_vector_are_those_of_a_slow_loop(small: WordVectors) -> None:
    vector = np.random.default_rng(1).normal(size=5)
    expected = slowly_nearest(WORDS, small.vectors.tolist(), vector.tolist())
    found = small.nearest_to_vector(vector, 100)  # more than there are: all of them
    assert [word for word, _ in found] == [word for word, _ in expected]
    np.testing.assert_allclose([c for _, c in found], [c for _, c in expected], atol=1e-6)  # float32 against double


def test_a_words_own_vector_does_not_find_that_word(small: WordVectors) -> None:
    third = np.float32(1 / 3) * small["bank"]
    for vector in (small["bank"], small["bank"].tolist(), third + third + third):  # the last is off by rounding
        assert dict(small.nearest_to_vector(vector)) == pytest.approx(dict(small.nearest_words("bank")), abs=1e-6)
    assert "bank" in dict(small.nearest_to_vector(2 * small["bank"]))  # not its own vector: the same direction


@pytest.mark.parametrize(
    ("vector", "complaint"),
    [
        (np.zeros(5), "zero"),
        (np.full(5, np.nan), "finite"),
        (np.ones(4), r"\(5,\), not \(4,\)"),
        (np.ones((1, 5)), "shape"),
    ],
)
def test_a_vector_that_points_nowhere_or_does_not_fit_is_refused(
    small: WordVectors, vector: np.ndarray, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        small.nearest_to_vector(vector)


def test_asking_for_no_neighbours_is_refused(small: WordVectors) -> None:
    with pytest.raises(ValueError, match="n is 0"):
        small.nearest_words("bank", 0)


def test_random_words_all_work_and_repeat_with_a_seed(small: WordVectors) -> None:
    drawn = small.random_words(6, seed=3)
    assert len(set(drawn)) == 6
    assert all(word in small for word in drawn)
    assert drawn == small.random_words(6, seed=3)
    assert len({tuple(small.random_words(6)) for _ in range(20)}) > 1
    with pytest.raises(ValueError, match="n is 9"):
        small.random_words(9)


# Bad matrices


@pytest.mark.parametrize(
    ("words", "vectors", "complaint"),
    [
        ([], np.ones((0, 2)), "0 words"),
        (["a"], np.ones((2, 2)), r"\(2, 2\)"),
        (["a"], np.ones(2), r"\(2,\)"),
        (["a", "b", "a"], np.ones((3, 2)), "'a' is in the vocabulary more than once"),
        (["a", "b"], [[1, 1], [1, np.inf]], "'b' is not finite"),
    ],
)
def test_words_and_vectors_that_do_not_fit_are_refused(words: list[str], vectors: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        WordVectors(words, vectors)


def test_the_vectors_cannot_be_changed_by_accident(small: WordVectors) -> None:
    with pytest.raises(ValueError, match="read-only"):
        small["river"][0] = 1


# The file


def test_a_saved_file_gives_back_the_words_and_is_the_same_each_time(small: WordVectors, tmp_path: Path) -> None:
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    save_word_vectors(small, one)
    save_word_vectors(small, two)
    assert one.read_bytes() == two.read_bytes()
    assert b"\x00\x00\x21\x00" in one.read_bytes()[:20]  # a zip entry's date: midnight, 1 January 1980
    again = load_word_vectors(one)
    assert again.words == WORDS
    np.testing.assert_allclose(again.vectors, small.vectors, rtol=2**-11)  # float16 keeps 11 bits
    assert load_word_vectors(one) is again


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.npz"
    page.write_text("<html>404</html>")
    other = tmp_path / "other.npz"
    np.savez(other, x=np.ones(3))
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, words=np.array(["a", None], dtype=object), vectors=np.ones((2, 2)))
    for path in (page, other, pickled):
        with pytest.raises(ValueError, match=f"{path.name} does not hold word vectors"):
            load_word_vectors(path)
    with pytest.raises(FileNotFoundError, match="train-word-vectors"):
        load_word_vectors(tmp_path / "none.npz")


# Training


def test_a_text_is_cut_into_lower_case_words_without_figures_and_possessives() -> None:
    text = "It's the Bank's 2 two-thirds: “don’t”, Mr. Café said in 1961!"
    expected = ["it's", "the", "bank", "two", "thirds", "don't", "mr", "café", "said", "in"]
    assert split_words(text) == expected


@needs_fasttext
def test_training_twice_gives_the_same_numbers_and_another_seed_others(sentences: list[list[str]]) -> None:
    np.full(1_000_000, np.nan).sum()  # leaves memory behind that no training may start from
    one, two, other = (train_fasttext(sentences, dim=8, epochs=2, runs=2, seed=seed) for seed in (1, 1, 2))
    assert one.words == two.words
    np.testing.assert_array_equal(one.vectors, two.vectors)
    assert not np.allclose(one.vectors, other.vectors)


@needs_fasttext
@pytest.mark.parametrize("runs", [1, 3])
def test_training_learns_which_words_keep_company(sentences: list[list[str]], runs: int) -> None:
    vectors = train_fasttext(sentences, dim=8, epochs=20, sampling=1, runs=runs)
    assert {word for word, _ in vectors.nearest_words("boat", 4)} == {"water", "fish", "shore", "wave"}
    assert {word for word, _ in vectors.nearest_words("loan", 4)} == {"coin", "price", "debt", "sale"}
    assert dict(vectors.nearest_words("boat", 9))["loan"] < 0  # what all words share is gone


@needs_fasttext
def test_rare_words_are_left_out_and_the_most_frequent_come_first() -> None:
    vectors = train_fasttext(["A rare bird!", *["the bird, the lake"] * 5], dim=4, epochs=1)
    assert vectors.words == ["the", "bird", "lake"]
    with pytest.raises(ValueError, match="No word occurs 5 times in these 2 texts"):
        train_fasttext(["one two", "three"])


@needs_fasttext
def test_the_score_of_attention_is_the_cosine(sentences: list[list[str]]) -> None:
    vectors = train_fasttext(sentences, dim=9, epochs=1)
    scores = vectors.vectors @ vectors["boat"] / np.sqrt(9)
    cosines = dict(vectors.nearest_words("boat", 100))
    for word, score in zip(vectors.words, scores, strict=True):
        assert score == pytest.approx(cosines.get(word, 1.0), abs=1e-5)  # float32


def test_without_fasttext_training_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fasttext", None)
    with pytest.raises(ImportError, match="pip install fasttext"):
        train_fasttext(["one two"])


@needs_fasttext
def test_the_command_writes_vectors_and_a_card_the_same_twice(
    sentences: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "brown_texts", lambda: sentences)
    for folder in ("one", "two"):
        assert main(["train-word-vectors", "--output", str(tmp_path / folder), "--epochs", "2", "--runs", "2"]) == 0
    for name in ("word_vectors.npz", "word_vectors.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    vectors = load_word_vectors(tmp_path / "one" / "word_vectors.npz")
    assert len(vectors) == 10
    assert vectors.vectors.shape == (10, 50)
    card = (tmp_path / "one" / "word_vectors.md").read_text("utf-8")
    assert "600 texts" in card
    assert "3,000 words" in card
    assert "epochs=2, runs=2" in card
    assert "non-commercial" in card
    assert "10 words" in capsys.readouterr().out


# What ships


def test_the_shipped_vectors_are_small_and_made_of_words() -> None:
    vectors = load_word_vectors()
    assert vectors.vectors.shape[1] == 50
    assert 7_500 < len(vectors) < 9_500
    assert command.SHIPPED.stat().st_size < 1_200_000
    assert all(split_words(word) == [word] for word in vectors.words)


def test_the_shipped_card_belongs_to_the_shipped_vectors() -> None:
    card = command.SHIPPED.with_suffix(".md").read_text("utf-8")
    assert command.digest(command.SHIPPED) in card
    assert f"{len(load_word_vectors()):,} words" in card
    assert "non-commercial" in card
