"""Words as vectors: look one up, and find the words whose vectors point the same way."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

SHIPPED = Path(__file__).parent / "assets" / "word_vectors.npz"

_LONGEST_QUOTED = 40  # letters of an unknown word that an error repeats


class UnknownWord(KeyError):  # noqa: N818 (reads as English where it is caught)
    """A word that has no vector. Its text names the nearest spellings: `'flyy' is not in the vocabulary ...`.

    Attributes
    ----------
    word
        The word as it was asked for.
    close
        Words of the vocabulary that are spelt nearly like it, at most three, the nearest first.
    """

    def __init__(self, word: str, close: Sequence[str], vocabulary_size: int) -> None:
        super().__init__(word, close, vocabulary_size)
        self.word, self.close, self.vocabulary_size = word, list(close), vocabulary_size

    def __str__(self) -> str:  # KeyError's own would show its arguments
        shown = self.word if len(self.word) <= _LONGEST_QUOTED else self.word[: _LONGEST_QUOTED - 1] + "…"
        spelling = f"Close: {', '.join(self.close)}." if self.close else "No word in it is spelt nearly like that."
        return f"{shown!r} is not in the vocabulary ({self.vocabulary_size:,} words). {spelling}"


class WordVectors:
    """A vector for each word of a vocabulary.

    `vectors["river"]` gives a vector, `"river" in vectors` says whether there is one. Capitals do not matter where
    the vocabulary has only the small spelling.

    Parameters
    ----------
    words
        The vocabulary, each word once.
    vectors
        Their vectors, (v, d), in the same order.

    Attributes
    ----------
    words
        The vocabulary.
    vectors
        Their vectors, float32 (v, d), which cannot be written to.

    Raises
    ------
    ValueError
        There is no word, a word comes twice, the two lengths differ, or a number is not finite.
    """

    def __init__(self, words: Sequence[str], vectors: Any) -> None:
        self.words = list(words)
        self.vectors = np.array(vectors, dtype=np.float32)
        if not self.words or self.vectors.ndim != 2 or len(self.words) != len(self.vectors):
            raise ValueError(
                f"Word vectors need words and a row of numbers for each, (v, d): there are {len(self.words)} words, "
                f"and the matrix has shape {self.vectors.shape}."
            )
        self._places = {word: place for place, word in enumerate(self.words)}
        if len(self._places) != len(self.words):
            twice = next(word for place, word in enumerate(self.words) if self._places[word] != place)
            raise ValueError(f"{twice!r} is in the vocabulary more than once: keep one of its vectors.")
        lengths = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        if not np.isfinite(lengths).all():
            raise ValueError(f"The vector of {self.words[int(np.argmin(np.isfinite(lengths)))]!r} is not finite.")
        self._unit_vectors = self.vectors / np.where(lengths > 0, lengths, 1)
        self.vectors.flags.writeable = False

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and self._place(word) is not None

    def __getitem__(self, word: str) -> np.ndarray:
        """Look up a word's vector, (d,).

        Raises
        ------
        UnknownWord
            The word is not in the vocabulary.
        """
        return self.vectors[self._known_place(word)]

    def __repr__(self) -> str:
        return f"WordVectors({len(self):,} words, {self.vectors.shape[1]} wide)"

    def spelling(self, word: str) -> str:
        """Give a word as the vocabulary writes it: `"River"` becomes `"river"`.

        Raises
        ------
        UnknownWord
            The word is not in the vocabulary.
        """
        return self.words[self._known_place(word)]

    def nearest_words(self, word: str, n: int = 10) -> list[tuple[str, float]]:
        """Find the `n` words whose vectors point most nearly the same way as this word's, without the word itself.

        Returns
        -------
        list[tuple[str, float]]
            Words and cosine similarities (1 is the same direction, 0 a right angle), the nearest first.

        Raises
        ------
        UnknownWord
            The word is not in the vocabulary.
        ValueError
            `n` is below 1, or the word's vector is zero.
        """
        place = self._known_place(word)
        return self._nearest(self.vectors[place], n, leave_out={place})

    def nearest_to_vector(self, vector: Any, n: int = 10) -> list[tuple[str, float]]:
        """Find the `n` words whose vectors point most nearly the same way as `vector`.

        A word whose own vector this is, up to rounding, is left out: it would always be the first.

        Parameters
        ----------
        vector
            Numbers of shape (d,): an array, a list or a tensor.
        n
            How many words.

        Returns
        -------
        list[tuple[str, float]]
            Words and cosine similarities, the nearest first.

        Raises
        ------
        ValueError
            The shape is wrong, a number is not finite, all are zero, or `n` is below 1.
        """
        vector = np.asarray(vector, dtype=np.float32)
        width = self.vectors.shape[1]
        if vector.shape != (width,):
            raise ValueError(f"A vector of these words has shape ({width},), not {vector.shape}.")
        tolerance = 1e-5 * float(np.abs(vector).max())  # a few roundings in float32
        same = np.flatnonzero((np.abs(self.vectors - vector) <= tolerance).all(axis=1))
        return self._nearest(vector, n, leave_out=set(same.tolist()))

    def random_words(self, n: int = 10, seed: int | None = None) -> list[str]:
        """Draw `n` different words of the vocabulary, so each of them works. With a seed, the same ones each time.

        Raises
        ------
        ValueError
            `n` is below 1, or there are not so many words.
        """
        if not 1 <= n <= len(self):
            raise ValueError(f"n is {n}: it must lie between 1 and the number of words, {len(self):,}.")
        return [self.words[place] for place in np.random.default_rng(seed).choice(len(self), n, replace=False)]

    def close_spellings(self, word: str, n: int = 3) -> list[str]:
        """Find at most `n` words of the vocabulary that are spelt nearly like this one, the nearest first."""
        return difflib.get_close_matches(word.strip().lower(), self.words, n=n, cutoff=0.65)

    def _place(self, word: str) -> int | None:
        word = word.strip()
        return self._places.get(word, self._places.get(word.lower()))

    def _known_place(self, word: str) -> int:
        place = self._place(word)
        if place is None:
            raise UnknownWord(word, self.close_spellings(word), len(self))
        return place

    def _nearest(self, vector: np.ndarray, n: int, leave_out: set[int]) -> list[tuple[str, float]]:
        if n < 1:
            raise ValueError(f"n is {n}: ask for at least one word.")
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length):
            raise ValueError("The vector holds a number that is not finite, so no word is near it.")
        if length == 0:
            raise ValueError("The vector is zero: it points nowhere, so no word is near it.")
        cosines = self._unit_vectors @ (vector / length)  # (v, d) @ (d,) -> (v,)
        order = np.argsort(-cosines, kind="stable")[: n + len(leave_out)]
        return [(self.words[place], float(cosines[place])) for place in order if place not in leave_out][:n]


@cache
def load_word_vectors(path: str | Path = SHIPPED) -> WordVectors:
    """Load word vectors from a file that `save_word_vectors` wrote; by default those that ship with the course.

    The shipped ones were trained on nine categories of the Brown corpus: `helpers/assets/word_vectors.md` says how,
    and on what terms. A second call gives the same object.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file does not hold word vectors.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"There is no file {path}. The command `python -m helpers.course train-word-vectors` makes one."
        )
    try:
        with np.load(path, allow_pickle=False) as arrays:
            words, vectors = arrays["words"], arrays["vectors"]
        return WordVectors(np.char.decode(words, "utf-8").tolist(), vectors)
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ValueError(f"{path} does not hold word vectors: {error}") from error


def save_word_vectors(word_vectors: WordVectors, path: str | Path) -> None:
    """Write word vectors as two arrays, `words` (UTF-8) and `vectors` (float16), in a NumPy archive without pickles.

    The same vectors give the same bytes.
    """
    with Path(path).open("wb") as file:  # a file, because np.savez would add .npz to a name without it
        np.savez(
            file,
            words=np.char.encode(word_vectors.words, "utf-8"),
            vectors=word_vectors.vectors.astype(np.float16),
        )
