"""Train word vectors of your own with fastText: the same numbers from the same sentences, on one machine."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpers.word_vectors import WordVectors

_END_OF_LINE = "</s>"  # fastText's own word for the end of a line


class FastTextMissing(ImportError):
    """The package fasttext, which only training needs, is not installed."""


def split_words(text: str) -> list[str]:
    """Cut a text into lower-case words: runs of letters, with an apostrophe inside (`don't`) but no possessive 's.

    Figures and punctuation go, and `two-thirds` becomes two words.
    """
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text.lower().replace("’", "'"))
    return [word if word in _NOT_POSSESSIVE else word.removesuffix("'s") for word in words]


# In these 's stands for "is", "has" or "us".
_NOT_POSSESSIVE = {f"{word}'s" for word in "he here how it let she that there what when where who why".split()}


def train_fasttext(
    sentences: Iterable[str | Sequence[str]],
    *,
    dim: int = 50,
    epochs: int = 30,
    min_count: int = 5,
    window: int = 5,
    negatives: int = 5,
    learning_rate: float = 0.05,
    sampling: float = 1e-4,
    seed: int = 2021,
    verbose: bool = False,
) -> WordVectors:
    """Train skip-gram word vectors (Mikolov et al. 2013) with fastText, on one thread, so that a second run agrees.

    Two things are done to what fastText learned. The mean of all vectors is subtracted: it is what every word has
    in common, and would make any two words look alike (Mu & Viswanath 2018, the first half of their method). Then
    each vector is scaled to length `d ** 0.25`: that keeps its direction, and makes the score of dot-product
    attention, `query @ key / sqrt(d)`, the cosine of the angle between two words.

    Parameters
    ----------
    sentences
        Each a text, which `split_words` cuts, or a list of words, which is taken as it is.
    dim
        Width of the vectors, d.
    epochs
        How often to go through all sentences.
    min_count
        Words that occur less often are left out.
    window
        A word is trained to predict its neighbours up to this far to the left and right.
    negatives
        How many random words each true neighbour is told apart from.
    learning_rate
        At the start; it falls to zero in a straight line.
    sampling
        Words that make up more than this part of the text are skipped now and then, the more the more frequent.
    seed
        Draws the vectors to start from and the order of the sentences. (fastText's random numbers while training
        always start alike; its Python function takes no seed.)
    verbose
        Whether fastText writes its progress to the terminal.

    Returns
    -------
    WordVectors
        The most frequent word first.

    Raises
    ------
    FastTextMissing
        fastText is not installed.
    ValueError
        No word occurs `min_count` times.
    """
    fasttext = _import_fasttext()
    cut = [split_words(sentence) if isinstance(sentence, str) else list(sentence) for sentence in sentences]
    counts = Counter(word for sentence in cut for word in sentence)
    words = sorted((word for word in counts if counts[word] >= min_count), key=lambda word: (-counts[word], word))
    if not words:
        raise ValueError(
            f"No word occurs {min_count} times in these {len(cut):,} sentences: give more text, or a smaller min_count."
        )
    known = set(words)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(cut))
    lines = (" ".join(word for word in cut[place] if word in known) for place in order)
    with tempfile.TemporaryDirectory() as folder:
        text, start = Path(folder, "text"), Path(folder, "start")
        text.write_text("\n".join(lines) + "\n", "utf-8")
        _write_start(start, [*words, _END_OF_LINE], dim, generator)
        model = fasttext.train_unsupervised(
            str(text),
            model="skipgram",
            dim=dim,
            epoch=epochs,
            minCount=1,  # rare words are gone already
            minn=0,
            maxn=0,  # no vectors for parts of words: see _write_start
            ws=window,
            neg=negatives,
            lr=learning_rate,
            t=sampling,
            thread=1,  # several threads write into one matrix, and no two runs agree
            pretrainedVectors=str(start),
            verbose=2 if verbose else 0,
        )
    vectors = np.stack([model.get_word_vector(word) for word in words])  # (v, d)
    vectors -= vectors.mean(axis=0)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return WordVectors(words, vectors * (dim**0.25 / np.where(lengths > 0, lengths, 1)))


def _write_start(path: Path, words: list[str], dim: int, generator: np.random.Generator) -> None:
    """Write the vectors that training starts from, in fastText's text format.

    fastText 0.9.3 draws its own only in part: with fewer than ten threads the rest of the matrix is whatever the
    memory held (`DenseMatrix::uniform`), so that two runs differ, or end with "Encountered NaN". Rows that are
    read from a file are safe. Vectors for parts of words cannot be read from one, so they are not used.
    """
    vectors = generator.uniform(-1 / dim, 1 / dim, (len(words), dim))
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{len(words)} {dim}\n")
        for word, vector in zip(words, vectors, strict=True):
            file.write(f"{word} {' '.join(f'{value:.8f}' for value in vector)}\n")


def _import_fasttext() -> Any:
    try:
        import fasttext
    except ImportError as error:
        raise FastTextMissing(
            "Training needs fastText: run `pip install fasttext` (it compiles, which takes a minute and a C++ "
            "compiler), then try again. The vectors that ship with the course need no fastText."
        ) from error
    return fasttext
