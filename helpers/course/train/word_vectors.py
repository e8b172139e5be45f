"""Make the word vectors that ship with the course, and their card."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from importlib.metadata import version
from pathlib import Path

from helpers.downloads import DownloadError
from helpers.fasttext_training import CATEGORIES, brown_texts, train_fasttext
from helpers.word_vectors import SHIPPED, save_word_vectors

HELP = "train the word vectors that ship with the course, on nine categories of the Brown corpus"

CARD = """\
# Word vectors

`word_vectors.npz` holds {vocabulary:,} words and a vector for each, {dim} wide, as two arrays: `words` (UTF-8) and
`vectors` (float16). `helpers.word_vectors.load_word_vectors()` reads it. Its SHA-256 is
`{sha256}`.

## Trained on what

The Brown corpus (Francis & Kučera 1964, American English printed in 1961), as NLTK distributes it: {texts} texts,
{tokens:,} words, which are all of the categories {categories}.

The text is lower-cased and cut into runs of letters, without figures, punctuation and possessive 's. A word that
occurs fewer than {min_count} times has no vector.

## How

fastText {fasttext} trains skip-gram vectors with negative sampling, without parts of words (which makes it
word2vec's method), on one thread: `{settings}`.

It is trained {runs} times from different starting vectors. Each result has its mean subtracted; laid side by side,
they are reduced to their {dim} principal components, which keeps what the runs agree on. Each vector is scaled to
length {dim} ** 0.25, so that the score of dot-product attention, query @ key / sqrt({dim}), is the cosine of the angle
between two words.

## Make it again

    python -m helpers.course train-word-vectors

A second run on one computer writes the same bytes. fastText is compiled for the computer at hand, so another one's
numbers may differ slightly.

## Licence

The Brown corpus is for non-commercial use, and so is what is made from it: these vectors too.

## What they are bad at

The corpus is small: a word that occurs five times has a vector that is mostly chance, and even a frequent word's
neighbours hold odd ones. One word has one vector, whatever it means: `bank` is a place for money in about three of
four of these sentences and the side of a river in the rest, and its neighbours are those of money. Nothing newer than
1961 is in it, and what these texts say of men, women and peoples is what was printed then: expect their prejudices in
the neighbours. They are for learning how attention works, and for nothing else.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, default=SHIPPED.parent, help="folder to write to (default: helpers/assets)"
    )
    parser.add_argument("--epochs", type=int, default=15, help="how often to go through the texts (default: 15)")
    parser.add_argument("--runs", type=int, default=3, help="how often to train, to average out chance (default: 3)")
    parser.add_argument("--seed", type=int, default=2021, help="another one gives other vectors (default: 2021)")


def run(args: argparse.Namespace) -> int:
    started = time.perf_counter()
    settings = {
        "dim": 50,
        "epochs": args.epochs,
        "runs": args.runs,
        "min_count": 5,
        "window": 10,
        "negatives": 5,
        "learning_rate": 0.1,
        "sampling": 1e-4,
        "seed": args.seed,
    }
    try:
        texts = brown_texts()
        tokens = sum(map(len, texts))
        print(
            f"{tokens:,} words. fastText goes through them {args.epochs} times, in each of {args.runs} runs:",
            flush=True,
        )
        word_vectors = train_fasttext(texts, **settings, verbose=True)
    except (DownloadError, ImportError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    args.output.mkdir(parents=True, exist_ok=True)
    file, card = args.output / SHIPPED.name, args.output / SHIPPED.with_suffix(".md").name
    save_word_vectors(word_vectors, file)
    card_text = CARD.format(
        vocabulary=len(word_vectors),
        sha256=digest(file),
        texts=len(texts),
        tokens=tokens,
        categories=", ".join(CATEGORIES).replace("_", " "),
        fasttext=version("fasttext"),
        settings=", ".join(f"{name}={value}" for name, value in settings.items()),
        **{name: settings[name] for name in ("dim", "runs", "min_count")},
    )
    card.write_text(card_text, "utf-8")
    print(f"{len(word_vectors):,} words written to {file}, the card to {card}: {time.perf_counter() - started:.0f} s")
    return 0


def digest(path: Path) -> str:
    """A file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    command_line = argparse.ArgumentParser(description=HELP)
    add_arguments(command_line)
    sys.exit(run(command_line.parse_args()))
