"""Public texts that NLTK distributes, and that the course's own models are trained on."""

from __future__ import annotations

import re

from helpers.downloads import DownloadError, cache_dir, offline

# Brown marks quotation marks as its typists did; some of the others hold what came with the web pages.
_QUOTES = str.maketrans({"\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'"})
_END_OF_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


def find_corpus(name: str) -> None:
    """Make sure that NLTK has a corpus, downloading it into the course's cache when it must.

    Parameters
    ----------
    name
        NLTK's name for it, such as `brown`.

    Raises
    ------
    DownloadError
        It is neither on this computer nor to be had.
    """
    import nltk

    folder = cache_dir() / "nltk_data"
    if str(folder) not in nltk.data.path:
        nltk.data.path.append(str(folder))
    if not _has(name):
        if offline():
            raise DownloadError(
                f"NLTK's corpus {name!r} is not on this computer, and COURSE_OFFLINE=1 forbids the network."
            )
        nltk.download(name, download_dir=str(folder), quiet=True)
    if not _has(name):
        raise DownloadError(
            f"NLTK could not download its corpus {name!r}. Try again with a network, or put NLTK's {name}.zip into "
            f"{folder / 'corpora'}."
        )


def read_sentences(name: str) -> list[list[str]]:
    """Read a corpus of NLTK as its texts, each a list of sentences.

    Parameters
    ----------
    name
        NLTK's name for it. Brown's own sentences are taken; the others are cut at ends of lines, and after full
        stops, question marks and exclamation marks.

    Raises
    ------
    DownloadError
        The corpus is neither on this computer nor to be had.
    """
    import nltk

    find_corpus(name)
    corpus = getattr(nltk.corpus, name)
    if name == "brown":
        return [[_joined(words) for words in corpus.sents(text)] for text in corpus.fileids()]
    return [split_sentences(corpus.raw(text)) for text in corpus.fileids()]


def split_sentences(text: str) -> list[str]:
    """Cut a text into its sentences, white space between words made one blank."""
    sentences = (" ".join(piece.split()) for piece in _END_OF_SENTENCE.split(text.translate(_QUOTES)))
    return [sentence for sentence in sentences if sentence]


def _joined(words: list[str]) -> str:
    return " ".join(words).replace("``", '"').replace("''", '"')


def _has(name: str) -> bool:
    import nltk

    for place in (f"corpora/{name}", f"corpora/{name}.zip"):
        try:
            nltk.data.find(place)
        except LookupError:
            continue
        return True
    return False
