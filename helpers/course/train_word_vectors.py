"""Make the word vectors that ship with the course, and their card."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from helpers.downloads import cache_dir, offline
from helpers.fasttext_training import FastTextMissing, split_words, train_fasttext
from helpers.word_vectors import SHIPPED, WordVectors, save_word_vectors

HELP = "train the word vectors that ship with the course, on nine categories of the Brown corpus"

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
SETTINGS = {"dim": 50, "epochs": 30, "min_count": 5, "window": 5}

CARD = """\
"""


class NoCorpus(RuntimeError):
    """The Brown corpus is not on this computer and cannot be downloaded."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, default=SHIPPED.parent, help="folder to write to (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=SETTINGS["epochs"], help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=2021, help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    started = time.perf_counter()
    try:
        print("Reading the Brown corpus ...")
        sentences = brown_sentences()
        words = sum(map(len, sentences))
        print(f"Training on {words:,} words, {args.epochs} times over; fastText shows how far it is:")
        word_vectors = train_fasttext(sentences, **(SETTINGS | {"epochs": args.epochs}), seed=args.seed, verbose=True)
    except (FastTextMissing, NoCorpus, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    files = write(word_vectors, args.output)
    print(
        f"Written: {', '.join(map(str, files))} ({len(word_vectors):,} words), in {time.perf_counter() - started:.0f} s"
    )
    return 0


def brown_sentences() -> list[list[str]]:
    """Read the corpus as lists of words, a paragraph each; NLTK downloads it into the course's cache if it must.

    Raises
    ------
    NoCorpus
        It is neither on this computer nor to be had.
    """
    import nltk
    from tqdm.auto import tqdm

    folder = str(cache_dir() / "nltk_data")
    if folder not in nltk.data.path:
        nltk.data.path.append(folder)
    if not _has_brown() and offline():
        raise NoCorpus("The Brown corpus is not on this computer, and COURSE_OFFLINE=1 forbids the network.")
    if not _has_brown():
        nltk.download("brown", download_dir=folder, quiet=True)
    if not _has_brown():
        raise NoCorpus(
            "NLTK could not download the Brown corpus. With a network, try again; or put NLTK's brown.zip into "
            f"{folder}/corpora."
        )
    from nltk.corpus import brown

    return [
        [word for sentence in paragraph for token in sentence for word in split_words(token)]
        for category in tqdm(CATEGORIES, desc="categories", leave=False)
        for paragraph in brown.paras(categories=category)
    ]


def _has_brown() -> bool:
    import nltk

    for name in ("corpora/brown", "corpora/brown.zip"):
        try:
            nltk.data.find(name)
        except LookupError:
            continue
        return True
    return False


def write(word_vectors: WordVectors, output: Path, facts: dict[str, object]) -> list[Path]:
    """Write the vectors and their card into a folder, and return both files."""
    output.mkdir(parents=True, exist_ok=True)
    vectors, card = output / SHIPPED.name, output / SHIPPED.with_suffix(".md").name
    save_word_vectors(word_vectors, vectors)
    card.write_text(CARD.format(vocabulary=len(word_vectors), sha256=digest(vectors), **facts), "utf-8")
    return [vectors, card]


def digest(path: Path) -> str:
    """A file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    command_line = argparse.ArgumentParser(description=HELP)
    add_arguments(command_line)
    sys.exit(run(command_line.parse_args()))
