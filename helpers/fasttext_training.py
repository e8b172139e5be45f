"""Train word vectors of your own with fastText: the same numbers from the same texts, on one machine."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpers.texts.corpora import find_corpus
from helpers.word_vectors import WordVectors

CATEGORIES = (
    "editorial",
    "fiction",
    "government",
    "mystery",
    "news",
    "religion",
    "reviews",
    "romance",
    "science_fiction",
)

_END_OF_LINE = "</s>"  # fastText's own word for the end of a line

# In these 's stands for "is", "has" or "us".
_NOT_POSSESSIVE = {f"{word}'s" for word in ("he", "here", "how", "it", "let", "she", "that", "there", "what", "who")}


def split_words(text: str) -> list[str]:
    """Cut a text into lower-case words: runs of letters, with an apostrophe inside (`don't`) but no possessive 's.

    Figures and punctuation go, and `two-thirds` becomes two words.
    """
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text.lower().replace("’", "'"))
    return [word if word in _NOT_POSSESSIVE else word.removesuffix("'s") for word in words]


def brown_texts() -> list[list[str]]:
    """Read nine categories of the Brown corpus, a list of words for each text; NLTK downloads it if it must.

    Raises
    ------
    DownloadError
        It is neither on this computer nor to be had.
    """
    from tqdm.auto import tqdm

    find_corpus("brown")
    from nltk.corpus import brown

    names = brown.fileids(categories=list(CATEGORIES))
    bar = tqdm(names, desc="Reading the Brown corpus", unit=" texts", leave=False)
    return [[word for token in brown.words(name) for word in split_words(token)] for name in bar]


def train_fasttext(
    texts: Iterable[str | Sequence[str]],
    *,
    dim: int = 50,
    epochs: int = 15,
    runs: int = 1,
    min_count: int = 5,
    window: int = 10,
    negatives: int = 5,
    learning_rate: float = 0.1,
    sampling: float = 1e-4,
    seed: int = 2021,
    verbose: bool = False,
) -> WordVectors:
    """Train skip-gram word vectors (Mikolov et al. 2013) with fastText, on one thread, so that a second run agrees.

    Two things are done to what fastText learned. The mean of all vectors is subtracted: it is what every word has
    in common, and would make any two words look alike (Mu & Viswanath 2018, the first half of their method). Then
    each vector is scaled to length `dim ** 0.25`: that keeps its direction, and makes the score of dot-product
    attention, `query @ key / sqrt(dim)`, the cosine of the angle between two words.

    Parameters
    ----------
    texts
        Sentences or longer texts: each a string, which `split_words` cuts, or a list of words, taken as it is.
        Neighbours are looked for within a text, not across two.
    dim
        Width of the vectors.
    epochs
        How often to go through all texts.
    runs
        How often to train, each time from other starting vectors. The results are laid side by side and reduced to
        their `dim` principal components: what the runs agree on stays, and much of what chance put there goes.
    min_count
        Words that occur less often are left out.
    window
        A word learns to predict its neighbours up to this far to the left and right.
    negatives
        How many random words each true neighbour is told apart from.
    learning_rate
        At the start; it falls to zero in a straight line.
    sampling
        Words that make up more than this part of the text are skipped now and then, the more the more frequent.
    seed
        Draws the starting vectors and the order of the texts. (fastText's random numbers while it trains are
        always the same: its Python function takes no seed.)
    verbose
        Whether fastText writes its progress to the terminal.

    Returns
    -------
    WordVectors
        The most frequent word first.

    Raises
    ------
    ImportError
        fastText is not installed.
    ValueError
        No word occurs `min_count` times, or `runs` is below 1.
    """
    if runs < 1:
        raise ValueError(f"runs is {runs}: train at least once.")
    fasttext = _import_fasttext()
    cut = [split_words(text) if isinstance(text, str) else list(text) for text in texts]
    counts = Counter(word for text in cut for word in text)
    words = sorted((word for word in counts if counts[word] >= min_count), key=lambda word: (-counts[word], word))
    if not words:
        raise ValueError(
            f"No word occurs {min_count} times in these {len(cut):,} texts: give more text, or a smaller min_count."
        )
    known = set(words)
    lines = [" ".join(word for word in text if word in known) for text in cut]
    generator = np.random.default_rng(seed)
    learned = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            text_file, start_file = Path(folder, "texts"), Path(folder, "start")
            text_file.write_text("\n".join(lines[place] for place in generator.permutation(len(lines))) + "\n", "utf-8")
            _write_start(start_file, [*words, _END_OF_LINE], dim, generator)
            model = fasttext.train_unsupervised(
                str(text_file),
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
                pretrainedVectors=str(start_file),
                verbose=2 if verbose else 0,
            )
        learned.append(_centred(np.stack([model.get_word_vector(word) for word in words])))
    vectors = learned[0] if runs == 1 else _principal_components(np.hstack([_unit(one) for one in learned]), dim)
    return WordVectors(words, dim**0.25 * _unit(vectors))


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


def _centred(vectors: np.ndarray) -> np.ndarray:
    return vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def _principal_components(vectors: np.ndarray, count: int) -> np.ndarray:
    """Turn vectors (v, k) so that the first `count` axes hold most of their spread, and keep these: (v, count)."""
    vectors = _centred(vectors)
    _, axes = np.linalg.eigh(vectors.T @ vectors)  # from the least spread to the most
    axes = axes[:, : -count - 1 : -1]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), range(count)])  # an axis has two directions: choose one
    return vectors @ (axes * signs)


def _import_fasttext() -> Any:
    try:
        import fasttext
    except ImportError as error:
        raise ImportError(
            "Training needs fastText: run `pip install fasttext` (it compiles, which takes a minute and a C++ "
            "compiler), then try again. The vectors that ship with the course need no fastText."
        ) from error
    return fasttext
