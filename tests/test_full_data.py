"""The full data sets: from the hub, else from a second place, else the sample, and a line that says so."""

from __future__ import annotations

import hashlib
import io
import logging
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, Features, Value
from fault_server import FaultServer, refusing_address, running

from helpers import data
from helpers.data import load_reviews
from helpers.downloads import attempts as web_attempts
from helpers.downloads.cache import DownloadError, cache_dir
from helpers.texts import full_data, rated_sentences
from helpers.texts.full_data import AG_NEWS, YELP, FullData, load_full

SENTENCES = Dataset.from_dict(
    {"text": ["A film.", "An editorial.", "A thing."], "level": [4, 2, 0], "source": [0, 1, 3]},
    features=Features(
        text=Value("string"), level=ClassLabel(names=list(rated_sentences.LEVELS)), source=Value("int64")
    ),
)
ROWS = b'"5","Great ""place""!\\n\\nTwo lines."\n"1","So, so bad"\n"3","Meh"\n'


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """The second place. The hub refuses connections."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "*")
    monkeypatch.delenv("COURSE_OFFLINE", raising=False)
    monkeypatch.delenv("COURSE_DATA", raising=False)
    taken, address = refusing_address()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address.removesuffix("/refused"))
    server = FaultServer(b"")
    with taken, running(server):
        yield server


def archive(content: bytes, *names: str) -> bytes:
    """Pack files that all have the same content."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def served(server: FaultServer, source: FullData, name: str, content: bytes) -> FullData:
    """Put a file into the second place of a data set, for both parts."""
    server.content = content
    place = (server.plan(f"/{name}", "ok"), hashlib.sha256(content).hexdigest())
    return replace(source, second={"train": place, "test": place}, rows={"train": 2, "test": None})


def kept() -> list[Path]:
    return [path for path in cache_dir().rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_full_data_keeps_the_sizes_that_the_lesson_names() -> None:
    assert YELP.rows == {"train": 10_000, "test": 5_000}
    assert AG_NEWS.rows == {"train": None, "test": None}


def test_second_place_is_asked_when_the_hub_is_gone(server: FaultServer) -> None:
    names = [f"yelp_review_full_csv/{name}" for name in ("readme.txt", "test.csv", "train.csv")]
    parts = load_full(served(server, YELP, "yelp.tgz", archive(ROWS, *names)))
    assert parts["train"]["text"][:] == ['Great "place"!  Two lines.', "So, so bad"]
    assert parts["train"]["label"][:] == [4, 0]  # the files count from 1
    assert len(parts["test"]) == 3
    assert server.requests == ["/yelp.tgz"]  # one archive, which holds both parts


def test_plain_files_are_read_too_and_nothing_but_the_data_is_kept(server: FaultServer) -> None:
    parts = load_full(served(server, AG_NEWS, "news.csv", b'"4","Title","Text with\\a break."\n' * 3))
    assert parts["test"]["text"][:] == ["Title Text with a break."] * 3
    assert parts["test"].features["label"].names[parts["test"]["label"][0]] == "Sci/Tech"
    assert sorted(path.name for path in kept()) == ["test.arrow", "train.arrow"]


def test_a_file_with_another_hash_is_not_believed(server: FaultServer) -> None:
    source = served(server, YELP, "yelp.csv", ROWS)
    server.content = b"<html>Please log in to the hotel's wifi</html>"
    with pytest.raises(DownloadError, match=r"refused the connection; then 127.* sent a file .a web page.*must have"):
        load_full(source)
    assert kept() == []
    server.content = ROWS
    assert len(load_full(source)["test"]) == 3


@pytest.mark.parametrize("name", ["/etc/train.csv", "../train.csv", "a/../../train.csv"])
def test_an_archive_that_leads_out_is_refused(server: FaultServer, name: str) -> None:
    with pytest.raises(DownloadError, match="leads out of the folder"):
        load_full(served(server, YELP, "yelp.tgz", archive(ROWS, name)))
    assert kept() == []


def test_an_archive_without_the_file_is_named(server: FaultServer) -> None:
    with pytest.raises(DownloadError, match=r"yelp\.tgz holds no file …/train\.csv"):
        load_full(served(server, YELP, "yelp.tgz", archive(ROWS, "a/test.csv")))


def test_a_silent_hub_is_left_for_the_second_place(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    source = served(server, YELP, "yelp.csv", ROWS)
    server.plan(f"/api/datasets/{YELP.hub_name}", "stall")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.address)
    monkeypatch.setattr(web_attempts, "TIMEOUT", (0.2, 0.3))
    assert len(load_full(source)["test"]) == 3
    assert server.requests == [f"/api/datasets/{YELP.hub_name}", "/yelp.csv"]


@pytest.mark.parametrize("ask", ["argument", "environment"])
def test_sample_is_used_when_full_data_cannot_be_had_and_one_line_says_so(
    ask: str, server: FaultServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gone = (server.plan("/gone", 404), "0" * 64)
    monkeypatch.setattr(data, "YELP", replace(YELP, second={"train": gone, "test": gone}))
    monkeypatch.setattr(data, "load_rated_sentences", lambda: {"train": SENTENCES, "test": SENTENCES})
    if ask == "environment":
        monkeypatch.setenv("COURSE_DATA", "full")
    with caplog.at_level(logging.WARNING):
        reviews = load_reviews("full" if ask == "argument" else None, tokenizer=object())  # type: ignore[arg-type]
    assert reviews.train["text"][:] == ["A film.", "A thing."]
    (record,) = [record for record in caplog.records if record.name == "helpers.data"]
    said = record.getMessage()
    assert "\n" not in said
    for part in (
        "Yelp's reviews could not be had",
        "refused the connection",
        "answered 404",
        "Using the sample",
        "go online and run this again",
    ):
        assert part in said


def test_offline_full_data_is_not_asked_for(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    monkeypatch.setattr(full_data, "_download", lambda *_: pytest.fail("the network was tried"))
    with pytest.raises(DownloadError, match="COURSE_OFFLINE=1"):
        load_full(YELP)


def test_patience_of_the_library_is_given_back() -> None:
    from datasets import config

    before = dict(vars(config))
    with full_data._impatience():
        assert config.STREAMING_READ_MAX_RETRIES == 1
    assert dict(vars(config)) == before
    assert config.STREAMING_READ_MAX_RETRIES > 1


def test_the_first_answer_is_waited_for_ten_seconds_at_most() -> None:
    assert sum(web_attempts.TIMEOUT) <= 10
