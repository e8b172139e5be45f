"""Put the sample data into the cache, so that no lesson needs a network afterwards."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from helpers.downloads import DownloadError, cache_dir
from helpers.models.files import encoder_files
from helpers.texts.rated_sentences import fetch_rated_sentences

HELP = "put the sample data into the cache, so that the lessons run without a network"

# What the lessons load by default. Each function costs nothing when its data is there.
SAMPLE: list[tuple[str, Callable[[], object]]] = [
    ("the pretrained encoder", encoder_files),
    ("the rated sentences", fetch_rated_sentences),
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"The cache is {cache_dir()}; COURSE_CACHE in the environment sets another."


def run(args: argparse.Namespace) -> int:
    return 1 if fetch_sample() else 0


def fetch_sample() -> list[str]:
    """Fetch what is missing; say in a line what could not be had, and return its names."""
    failed = []
    for name, fetch in SAMPLE:
        try:
            fetch()
        except DownloadError as error:
            print(f"Missing: {name}. {error}", file=sys.stderr)
            failed.append(name)
    return failed
