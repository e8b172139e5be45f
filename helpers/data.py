"""The labelled texts that the lessons train on: a sample that works without the internet, or the full data."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from helpers.downloads import DownloadError
from helpers.labelled_texts import LabelledTexts
from helpers.pretrained import load_tokenizer
from helpers.texts.full_data import AG_NEWS, YELP, FullData, load_full
from helpers.texts.rated_sentences import SOURCES, load_rated_sentences

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict
    from transformers import PreTrainedTokenizerBase

_log = logging.getLogger(__name__)


def load_reviews(
    data: str | None = None,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    batch_size: int = 32,
    max_len: int = 128,
    seed: int = 2021,
    num_workers: int = 0,
) -> LabelledTexts:
    """Load reviews with one to five stars (labels 0 to 4).

    Parameters
    ----------
    data
        ``"sample"``: sentences from reviews of films and products, whose ratings, cut into five levels, stand in
        for stars (see `helpers.texts.rated_sentences`). ``"full"``: the first 10,000 of Yelp's reviews to train on and
        the first 5,000 to test on; where they cannot be had, the sample, and a line that says so. ``None``: what
        `COURSE_DATA` says, else the sample.
    tokenizer
        What cuts texts into tokens; by default BERT's, from `load_tokenizer()`.
    batch_size
        Texts in a batch.
    max_len
        A text's tokens beyond this many are cut off. The sample's longest has 201.
    seed
        Decides the order in which texts are seen in training.
    num_workers
        Processes that put batches together. Their number does not change the batches.
    """
    title, parts = _parts(data, YELP, _REVIEWS)
    return LabelledTexts(
        title,
        parts["train"],
        parts["test"],
        load_tokenizer() if tokenizer is None else tokenizer,
        batch_size,
        max_len,
        seed,
        num_workers,
    )


def load_topics(
    data: str | None = None,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    batch_size: int = 8,
    max_len: int = 128,
    seed: int = 2021,
    num_workers: int = 0,
) -> LabelledTexts:
    """Load texts of four kinds (labels 0 to 3).

    Parameters
    ----------
    data
        ``"sample"``: sentences from film reviews, newspaper editorials, tweets and product reviews; these are
        kinds of text rather than topics, and 45% of them are film reviews. ``"full"``: AG News, with topics. Else
        as in `load_reviews`, like the other parameters.
    """
    title, parts = _parts(data, AG_NEWS, _TOPICS)
    return LabelledTexts(
        title,
        parts["train"],
        parts["test"],
        load_tokenizer() if tokenizer is None else tokenizer,
        batch_size,
        max_len,
        seed,
        num_workers,
    )


def load_sentences(*sources: str, part: str = "train") -> list[str]:
    """Load plain sentences, for models that learn from text alone.

    Parameters
    ----------
    *sources
        Some of ``"film reviews"``, ``"editorials"``, ``"tweets"``, ``"product reviews"``; by default all four.
    part
        ``"train"``, ``"test"``, or ``"all"`` for the one and then the other.

    Raises
    ------
    ValueError
        When a source or a part has another name.
    """
    if unknown := sorted(set(sources) - set(SOURCES)):
        raise ValueError(f"There is no source {unknown[0]!r}. Choose from: {', '.join(SOURCES)}.")
    if part not in {"train", "test", "all"}:
        raise ValueError(f"There is no part {part!r}. Choose 'train', 'test' or 'all'.")
    parts = load_rated_sentences()
    wanted = {place for place, name in enumerate(SOURCES) if not sources or name in sources}
    return [
        text
        for name in (("train", "test") if part == "all" else (part,))
        for text, source in zip(parts[name]["text"][:], parts[name]["source"][:], strict=True)
        if source in wanted
    ]


class Sample(NamedTuple):
    """What stands in for full data: a title, and what it takes of the rated sentences."""

    title: str
    choose: Callable[[Dataset], Dataset]


def _parts(data: str | None, full: FullData, sample: Sample) -> tuple[str, DatasetDict]:
    """Choose between full data and sample, and say so when it is not the one that was asked for."""
    chosen = data or os.environ.get("COURSE_DATA") or "sample"
    if chosen not in {"sample", "full"}:
        where = "data" if data else "COURSE_DATA"
        raise ValueError(f"{where} is {chosen!r}: choose 'sample' or 'full'.")
    if chosen == "full":
        try:
            return full.title, load_full(full)
        except DownloadError as error:
            _log.warning(
                "%s could not be had (%s). Using the sample: %s. For the full data, go online and run this again.",
                full.title,
                error,
                sample.title,
            )
    from datasets import DatasetDict

    return sample.title, DatasetDict({name: sample.choose(part) for name, part in load_rated_sentences().items()})


def _reviews(part: Dataset) -> Dataset:
    wanted = {list(SOURCES).index("film reviews"), list(SOURCES).index("product reviews")}
    places = [place for place, source in enumerate(part["source"][:]) if source in wanted]
    return part.select(places).rename_column("level", "label")


_REVIEWS = Sample("sentences from film and product reviews", _reviews)
_TOPICS = Sample("sentences of four kinds", lambda part: part.rename_column("source", "label"))
