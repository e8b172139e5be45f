"""The two full data sets: Yelp's reviews and AG News, from the Hugging Face hub or else from a second place."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.downloads.archives import refuse_names_that_lead_out
from helpers.downloads.attempts import in_a_line
from helpers.downloads.cache import DownloadError, cache_dir, is_about_disk, make_once, offline
from helpers.downloads.hub import ask_hub
from helpers.downloads.url import url_download
from helpers.texts.dataset_files import read_parts, write_parts

if TYPE_CHECKING:
    from datasets import DatasetDict

Row = tuple[str, int]  # a text and its label, which counts from 0


@dataclass(frozen=True)
class FullData:
    """Where a data set is found. The second place has the same texts as CSV files, whose labels count from 1."""

    title: str
    hub_name: str
    label_names: tuple[str, ...]
    rows: dict[str, int | None]  # how many of each part, from its beginning; None: all
    second: dict[str, tuple[str, str]]  # of each part: address and SHA-256, of a CSV file or a .tgz that holds it
    line_break: str  # what the collectors put in a line break's place

    @property
    def folder(self) -> Path:
        """Its directory in the cache."""
        return cache_dir() / self.hub_name.replace("/", "-")


_YELP_ARCHIVE = (
    "https://s3.amazonaws.com/fast-ai-nlp/yelp_review_full_csv.tgz",
    "56006b0a17a370f1e366504b1f2c3e3754e4a3dda17d3e718a885c552869a559",
)
_NEWS = "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv/"

YELP = FullData(
    title="Yelp's reviews",
    hub_name="Yelp/yelp_review_full",
    label_names=("1 star", "2 stars", "3 stars", "4 stars", "5 stars"),
    rows={"train": 10_000, "test": 5_000},
    second={"train": _YELP_ARCHIVE, "test": _YELP_ARCHIVE},
    line_break="\\n",
)
AG_NEWS = FullData(
    title="AG News",
    hub_name="fancyzhx/ag_news",
    label_names=("World", "Sports", "Business", "Sci/Tech"),
    rows={"train": None, "test": None},
    second={
        "train": (f"{_NEWS}train.csv", "76a0a2d2f92b286371fe4d4044640910a04a803fdd2538e0f3f29a5c6f6b672e"),
        "test": (f"{_NEWS}test.csv", "521465c2428ed7f02f8d6db6ffdd4b5447c1c701962353eb2c40d548c3c85699"),
    },
    line_break="\\",
)


def load_full(source: FullData) -> DatasetDict:
    """Load a full data set: from the course's cache, else from the hub, else from the second place.

    Returns
    -------
    datasets.DatasetDict
        Parts `train` and `test`, with columns `text` and `label` (from 0).

    Raises
    ------
    helpers.downloads.DownloadError
        When it is in none of the three, with what each said.
    """
    if not source.folder.is_dir() and offline():
        raise DownloadError("it is not in the cache, and COURSE_OFFLINE=1 forbids the network")
    return read_parts(make_once(source.folder, lambda folder: write_parts(_download(source, folder.parent), folder)))


def _download(source: FullData, scratch: Path) -> DatasetDict:
    reasons = []
    for read in (_from_hub, _from_second):
        try:
            return _dataset(source, {part: read(source, part, scratch) for part in source.rows})
        except Exception as error:  # whatever a far server does: the next one may do better
            if is_about_disk(error):  # on which the next one would fail too
                raise
            reasons.append(in_a_line(error))
    raise DownloadError("; then ".join(reasons))


def _from_hub(source: FullData, part: str, scratch: Path) -> Iterator[Row]:
    """Read rows as they come in, so that the first 10,000 do not cost the download of 650,000."""
    ask_hub(f"datasets/{source.hub_name}")
    from datasets import load_dataset

    with _impatience():
        for row in load_dataset(source.hub_name, split=part, streaming=True):
            yield row["text"], row["label"]


@contextmanager
def _impatience() -> Iterator[None]:
    """Let `datasets` try once more where it would try twenty times, for minutes: there is a second place to ask."""
    from datasets import config

    names = [name for name in vars(config) if name.startswith("STREAMING_") and "RETR" in name]
    patience = {name: getattr(config, name) for name in names}
    for name in names:
        setattr(config, name, 1)
    try:
        yield
    finally:
        for name in names:
            setattr(config, name, patience[name])


def _from_second(source: FullData, part: str, scratch: Path) -> Iterator[Row]:
    address, sha256 = source.second[part]
    path = scratch / address.rpartition("/")[2]
    if not path.is_file():  # two parts may come in one archive
        url_download(source.title, [address], sha256, path)
    if address.endswith(".tgz"):
        # One member is read; no name in the archive ever reaches the disk.
        with tarfile.open(path) as archive:
            content = archive.extractfile(_find_member(archive, f"/{part}.csv", path))
            assert content is not None  # a plain file
            yield from _csv_rows(io.TextIOWrapper(content, encoding="utf-8", newline=""))
    else:
        with open(path, encoding="utf-8", newline="") as file:
            yield from _csv_rows(file)


def _find_member(archive: tarfile.TarFile, ending: str, path: Path) -> tarfile.TarInfo:
    for member in archive:
        refuse_names_that_lead_out(path, [member.name])
        if member.isfile() and member.name.endswith(ending):
            return member
    raise DownloadError(f"{path.name} holds no file …{ending}")


def _csv_rows(lines: Iterable[str]) -> Iterator[Row]:
    for label, *texts in csv.reader(lines):
        yield " ".join(texts), int(label) - 1


def _dataset(source: FullData, parts: dict[str, Iterator[Row]]) -> DatasetDict:
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

    features = Features(text=Value("string"), label=ClassLabel(names=list(source.label_names)))
    datasets = {}
    for part, rows in parts.items():
        texts, labels = zip(*islice(rows, source.rows[part]), strict=True)
        cleaned = [text.replace('\\"', '"').replace(source.line_break, " ").strip() for text in texts]
        datasets[part] = Dataset.from_dict({"text": cleaned, "label": list(labels)}, features=features)
    return DatasetDict(datasets)
