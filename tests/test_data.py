"""The labelled texts: read right, split the same everywhere, and honest about which data they are."""

from __future__ import annotations

import csv
import hashlib
import html
import io
import math
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from helpers.data import load_reviews, load_sentences, load_topics
from helpers.downloads import DownloadError, fetch_package
from helpers.texts import held_out, rated_sentences
from helpers.texts.rated_sentences import SOURCES, load_rated_sentences, parse, read_archive

COUNTS = {"film reviews": 10_605, "editorials": 5_190, "tweets": 4_200, "product reviews": 3_708}
GOOD = "1_1\t-0.5\tA café, &amp; more.\r\n1_2\t2\tFine.\r\n"


def words(text: str) -> str:
    """The words alone, in order: what is left of copies that differ in case and punctuation."""
    return " ".join(re.findall(r"\w+", text.lower()))


# ---- reading the archive


def archive(folder: Path, files: dict[str, str | None], link: str = "") -> Path:
    """Make a package like the real one. A file that is None is made a link to `link`."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, link
                tar.addfile(member)
            else:
                raw = content.encode("utf-8")
                member.size = len(raw)
                tar.addfile(member, io.BytesIO(raw))
    path = folder / "package.zip"
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("vaderSentiment-0.5/setup.py", "raise SystemExit('this must not be run')")
        package.writestr("vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz", inner.getvalue())
    return path


def four_files(content: str = GOOD) -> dict[str, str | None]:
    return {f"hutto_ICWSM_2014/{name}": content for name in SOURCES.values()}


def test_archive_is_read_file_by_file(tmp_path: Path) -> None:
    sentences = read_archive(archive(tmp_path, four_files()))
    assert [line.source for line in sentences] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [line.text for line in sentences[:2]] == ["A café, & more.", "Fine."]
    assert [line.rating for line in sentences[:2]] == [-0.5, 2.0]
    assert len({line.origin for line in sentences}) == 4  # one review a file


def test_a_sentence_may_hold_what_python_takes_for_a_line_end() -> None:
    (line,) = parse("7\t1.0\tone\x85two\u2028three\r\n\r\n", 0, "file.txt")
    assert line.text == "one\x85two\u2028three"


@pytest.mark.parametrize(
    "bad", ["2\tnice\tText.", "2\t1.0", "2\t1.0\tText.\tmore", "2\t4.5\tText.", "2\tnan\tText.", "just words"]
)
def test_a_line_that_is_not_understood_is_named(bad: str) -> None:
    with pytest.raises(ValueError, match=r"file\.txt, line 2: .*" + re.escape(repr(bad))):
        parse(f"1\t1.0\tText.\r\n{bad}\r\n", 0, "file.txt")


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/outside.txt", "hutto_ICWSM_2014/../../outside.txt"])
def test_an_archive_that_leads_out_of_itself_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DownloadError, match=re.escape(repr(name))):
        read_archive(archive(tmp_path, {**four_files(), name: "x"}))


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    files = four_files()
    files[f"hutto_ICWSM_2014/{SOURCES['tweets']}"] = None
    with pytest.raises(DownloadError, match="not a plain file"):
        read_archive(archive(tmp_path, files, link="/etc/passwd"))


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    files = four_files()
    del files[f"hutto_ICWSM_2014/{SOURCES['tweets']}"]
    with pytest.raises(DownloadError, match=SOURCES["tweets"]):
        read_archive(archive(tmp_path, files))


# ---- the real sentences


@pytest.fixture(scope="module")
def raw() -> list[tuple[str, str, float, str]]:
    """Source, id, rating and text of each line, read by other means than the course's."""
    path = fetch_package(rated_sentences.PACKAGE, rated_sentences.PACKAGE_SHA256, binary=False)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == rated_sentences.PACKAGE_SHA256
    lines = []
    package = zipfile.ZipFile(path)
    with package, package.open(rated_sentences._INNER) as inner, tarfile.open(fileobj=inner) as tar:
        for source, name in SOURCES.items():
            member = tar.extractfile(f"hutto_ICWSM_2014/{name}")
            assert member is not None
            table = csv.reader(io.TextIOWrapper(member, "utf-8", newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
            for identity, rating, text in table:
                lines.append((source, identity, float(rating), html.unescape(html.unescape(text)).strip()))
    return lines


def rows(part: str) -> list[tuple[str, float, int, int]]:
    columns = load_rated_sentences()[part]
    names = ("text", "rating", "level", "source")
    return list(zip(*(columns[name][:] for name in names), strict=True))


def test_every_sentence_of_each_source_is_there_once(raw: list[tuple[str, str, float, str]]) -> None:
    assert Counter(source for source, *_ in raw) == COUNTS
    expected = Counter((text, rating, source) for source, _, rating, text in raw)
    names = list(SOURCES)
    assert (
        Counter((text, rating, names[source]) for text, rating, _, source in rows("train") + rows("test")) == expected
    )


def test_levels_are_ratings_rounded_and_held_to_two() -> None:
    for _, rating, level, _ in rows("train") + rows("test"):
        assert level == min(max(math.floor(rating + 0.5), -2), 2) + 2


def test_largest_level_of_held_out_reviews_is_a_third() -> None:
    levels = Counter(level for *_, level, source in rows("test") if source in (0, 3))
    assert round(max(levels.values()) / levels.total(), 2) == 0.34


def test_each_source_and_level_gives_up_the_same_share() -> None:
    everything = Counter((level, source) for *_, level, source in rows("train") + rows("test"))
    test = Counter((level, source) for *_, level, source in rows("test"))
    assert len(everything) == 20
    for stratum, count in everything.items():
        # Whole articles and reviews of about ten sentences, in strata of 200 and more, leave a few too many or few.
        assert abs(test[stratum] - 0.15 * count) <= 7, stratum


def test_no_words_are_in_both_parts() -> None:
    train = {words(text) for text, *_ in rows("train")}
    assert not [text for text, *_ in rows("test") if words(text) in train and words(text)]
    assert not {text for text, *_ in rows("train")} & {text for text, *_ in rows("test")}


def test_no_article_and_no_product_review_is_in_both_parts(raw: list[tuple[str, str, float, str]]) -> None:
    train, test = ({text for text, *_ in rows(part)} for part in ("train", "test"))
    parts: dict[tuple[str, str], set[str]] = {}
    for source, identity, _, text in raw:
        if "_" in identity:
            found = parts.setdefault((source, identity.split("_")[0]), set())
            found |= {name for name, part in (("train", train), ("test", test)) if text in part}
    assert len(parts) == 798  # 498 articles and 300 reviews
    assert all(len(found) == 1 for found in parts.values())


def test_a_sentence_and_its_rewritten_copies_stay_together() -> None:
    copies = {
        part: sum("good phone interview" in text.lower() for text, *_ in rows(part)) for part in ("train", "test")
    }
    assert sorted(copies.values()) == [0, 7]


SPLIT_DIGEST = "b2cc5de11e98df2bd1b25e2b99fab07cfb747cf08c088d565b9d3646fd28ed48"
DIGEST_OF_SPLIT = """
import hashlib
from helpers.texts.rated_sentences import load_rated_sentences, _split, read_archive, PACKAGE, PACKAGE_SHA256
from helpers.downloads import fetch_package
parts = _split(read_archive(fetch_package(PACKAGE, PACKAGE_SHA256, binary=False)))
print(hashlib.sha256("\\n".join(parts["test"]["text"][:]).encode()).hexdigest())
"""


def test_split_is_the_same_everywhere() -> None:
    """With another hash seed, in another process, and on whichever machine first wrote this digest down."""
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    made = subprocess.run(
        [sys.executable, "-c", DIGEST_OF_SPLIT], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()
    loaded = hashlib.sha256("\n".join(text for text, *_ in rows("test")).encode()).hexdigest()
    assert (made, loaded) == (SPLIT_DIGEST, SPLIT_DIGEST)


def test_second_load_reads_what_the_first_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []
    small = archive(tmp_path, four_files())
    monkeypatch.setattr(rated_sentences, "fetch_package", lambda *_, **__: fetched.append(1) or small)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    rated_sentences._load.cache_clear()
    first = load_rated_sentences()
    rated_sentences._load.cache_clear()
    second = load_rated_sentences()
    assert len(fetched) == 1
    for part in ("train", "test"):
        assert second[part].features == first[part].features
        assert second[part][:] == first[part][:]
    rated_sentences._load.cache_clear()


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = archive(tmp_path, four_files())
    monkeypatch.setattr(rated_sentences, "fetch_package", lambda *_, **__: small)
    (tmp_path / "file").write_text("a file, where a folder should be")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file" / "cache"))
    parts = load_rated_sentences()
    assert sum(map(len, parts.values())) == 8
    rated_sentences._load.cache_clear()


# ---- which sentences are held out


def test_sentences_that_belong_together_get_one_group() -> None:
    groups = held_out.group(
        [
            ("Good film.", "a"),
            ("Nothing like it.", "a"),  # the same origin
            ("good, GOOD film!", "b"),  # the same words as the first
            ("The staff was kind to us.", "c"),
            ("The staff was very kind to us.", "d"),  # shares six of its seven words with the one before
            ("...", "e"),
            ("!!", "f"),  # no words, like the one before
            ("Something else.", "g"),
        ]
    )
    assert groups[0] == groups[1] == groups[2]
    assert groups[3] == groups[4]
    assert groups[5] == groups[6]
    assert len(set(groups)) == 4


def test_chosen_groups_are_whole_and_make_up_the_share() -> None:
    groups = [place // 7 for place in range(7000)]
    strata = ["rare" if place % 10 == 0 else "common" for place in range(7000)]
    chosen = held_out.choose(groups, strata, 0.2)
    assert all(len(set(chosen[start : start + 7])) == 1 for start in range(0, 7000, 7))
    found = Counter(stratum for stratum, taken in zip(strata, chosen, strict=True) if taken)
    assert found["rare"] == pytest.approx(140, abs=7)  # within one group
    assert found["common"] == pytest.approx(1260, abs=7)


# ---- what lessons call


class Letters:
    """A tokenizer whose tokens are letters."""

    pad_token_id = 0

    def __len__(self) -> int:
        return 0x110000

    def __call__(self, texts: list[str], max_length: int, **_: Any) -> dict[str, list[list[int]]]:
        return {"input_ids": [[ord(letter) for letter in text[:max_length]] for text in texts]}


@pytest.fixture(autouse=True)
def sample_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COURSE_DATA", raising=False)


def test_reviews_are_the_film_and_product_sentences_with_their_levels() -> None:
    reviews = load_reviews(tokenizer=Letters())  # type: ignore[arg-type]
    for part, dataset in (("train", reviews.train), ("test", reviews.test)):
        expected = [(text, level) for text, _, level, source in rows(part) if source in (0, 3)]
        assert list(zip(dataset["text"][:], dataset["label"][:], strict=True)) == expected
    assert reviews.num_classes == 5
    assert reviews.label_names == ["1 star", "2 stars", "3 stars", "4 stars", "5 stars"]


def test_topics_are_the_four_sources() -> None:
    topics = load_topics(tokenizer=Letters())  # type: ignore[arg-type]
    assert topics.label_names == list(COUNTS)
    labels = Counter(topics.train["label"][:] + topics.test["label"][:])
    assert [labels[label] for label in range(4)] == list(COUNTS.values())


def test_sizes_are_read_off_the_data_and_not_off_a_batch() -> None:
    reviews = load_reviews(tokenizer=Letters(), batch_size=4, max_len=90)  # type: ignore[arg-type]
    texts = reviews.train["text"][:] + reviews.test["text"][:]
    assert reviews.longest == min(90, max(map(len, texts))) == 90
    assert reviews.vocab_size == 0x110000
    batch = next(iter(reviews.test_loader))
    assert batch.token_ids.shape[1] < reviews.longest
    assert len(set(batch.labels.tolist())) <= 4 < reviews.num_classes
    assert len(reviews.train_loader) == math.ceil(len(reviews.train) / 4)


def test_sentences_can_be_chosen_by_source_and_part() -> None:
    assert load_sentences() == [text for text, *_ in rows("train")]
    assert load_sentences("tweets", part="test") == [text for text, *_, source in rows("test") if source == 2]
    assert len(load_sentences("tweets", "editorials", part="all")) == COUNTS["tweets"] + COUNTS["editorials"]
    with pytest.raises(ValueError, match=r"'twits'.*film reviews, editorials, tweets, product reviews"):
        load_sentences("twits")
    with pytest.raises(ValueError, match="'dev'"):
        load_sentences(part="dev")


def test_a_data_set_by_another_name_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="data is 'ful': choose 'sample' or 'full'"):
        load_reviews("ful")
    monkeypatch.setenv("COURSE_DATA", "all")
    with pytest.raises(ValueError, match="COURSE_DATA is 'all'"):
        load_reviews()
