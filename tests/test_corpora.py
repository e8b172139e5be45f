"""NLTK's corpora as texts made of sentences."""

from __future__ import annotations

from pathlib import Path

import nltk
import pytest
from nltk.corpus.reader import CategorizedTaggedCorpusReader, PlaintextCorpusReader

from helpers.course.__main__ import main
from helpers.downloads import DownloadError
from helpers.texts.corpora import find_corpus, read_sentences, split_sentences


def test_sentences_end_at_full_stops_and_lines() -> None:
    text = "It  rained. “Why?” he\tasked!  \n\nNobody knew\n… at 5.30 p.m. or so"
    assert split_sentences(text) == ["It rained.", '"Why?" he asked!', "Nobody knew", "… at 5.30 p.m.", "or so"]


def test_brown_gives_its_own_sentences_with_plain_quotation_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca01").write_text("``/`` No/uh ''/'' ,/, said/vbd Mr./np Smith/np ./.\nHe/pps left/vbd ./.\n", "utf-8")
    monkeypatch.setattr("helpers.texts.corpora.find_corpus", lambda name: None)
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])  # NLTK reads nowhere else
    reader = CategorizedTaggedCorpusReader(str(tmp_path), ["ca01"], cat_map={"ca01": ["news"]})
    monkeypatch.setattr(nltk.corpus, "brown", reader)
    assert read_sentences("brown") == [['" No " , said Mr. Smith .', "He left ."]]


def test_other_corpora_give_a_list_for_each_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text(f"This is {name[:3]}. It is short.\n", "utf-8")
    monkeypatch.setattr("helpers.texts.corpora.find_corpus", lambda name: None)
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])  # NLTK reads nowhere else
    monkeypatch.setattr(nltk.corpus, "abc", PlaintextCorpusReader(str(tmp_path), r".*\.txt"))
    assert read_sentences("abc") == [["This is one.", "It is short."], ["This is two.", "It is short."]]


def test_a_corpus_that_cannot_be_had_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(nltk, "download", lambda *args, **options: False)
    monkeypatch.delenv("COURSE_OFFLINE", raising=False)
    with pytest.raises(DownloadError, match=r"could not download its corpus 'brown'.*brown\.zip"):
        find_corpus("brown")
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    with pytest.raises(DownloadError, match="forbids the network"):
        find_corpus("brown")


@pytest.mark.parametrize("command", ["train-word-vectors", "train-masked-words"])
def test_a_command_that_cannot_have_its_corpus_says_so_and_writes_nothing(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    output = tmp_path / "assets"
    output.mkdir()
    assert main([command, "--output", str(output)]) == 1
    assert "COURSE_OFFLINE=1 forbids the network" in capsys.readouterr().err
    assert not list(output.iterdir())
