"""Models and data from a hub, which is a server on this machine that speaks the real one's protocol."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fault_server import FaultServer, refusing_address, running
from hub_server import HubServer

from helpers.downloads import attempts as web_attempts
from helpers.downloads import hub
from helpers.downloads.cache import DownloadError, cache_dir
from helpers.downloads.hub import fetch_model
from helpers.pretrained import load_encoder, load_tokenizer
from helpers.texts.full_data import AG_NEWS, YELP, FullData, load_full

UNCASED, CASED = "google-bert/bert-base-uncased", "google-bert/bert-base-cased"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "film", "was", "good", ".", "english", "English"]
ROWS = 9


def put_model(folder: Path, lower: bool) -> None:
    """A tiny BERT with files like those of the real ones, and some that nobody needs."""
    import torch
    from transformers import BertConfig, BertForPreTraining

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8
    )
    BertForPreTraining(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": lower, "model_max_length": 512}), "utf-8"
    )
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "config.json").write_text("{}", "utf-8")


def put_data(folder: Path, source: FullData, inside: str) -> None:
    """A data set with the columns and the layout of the real one: parquet files, and a card that lists them."""
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features(label=ClassLabel(names=list(source.label_names)), text=Value("string"))
    card = f"---\nconfigs:\n- config_name: {inside}\n  default: true\n  data_files:\n"
    for part in ("train", "test"):
        columns = {
            "label": [number % len(source.label_names) for number in range(ROWS)],
            "text": [f'{part} {number}: so \\"good\\"{source.line_break}Yes.' for number in range(ROWS)],
        }
        path = folder / inside / f"{part}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            Dataset.from_dict(columns, features=features).to_parquet(file)
        card += f"  - split: {part}\n    path: {inside}/{part}-*\n"
    (folder / "README.md").write_text(f"{card}---\n", "utf-8")


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hub")
    put_model(root / "models" / UNCASED, lower=True)
    put_model(root / "models" / CASED, lower=False)
    put_data(root / "datasets" / AG_NEWS.hub_name, AG_NEWS, "data")
    put_data(root / "datasets" / YELP.hub_name, YELP, "yelp_review_full")
    pickled = root / "models" / "someone" / "pickled"
    pickled.mkdir(parents=True)
    (pickled / "config.json").write_text('{"model_type": "bert"}', "utf-8")
    (pickled / "pytorch_model.bin").write_bytes(b"a pickle")
    return root


# ---- what a student calls, in a process of its own: the hub's library reads HF_ENDPOINT when it is imported

LOAD = """
import json, sys, torch
from helpers.data import load_reviews, load_topics
from helpers.pretrained import load_classifier, load_encoder, load_tokenizer

uncased, cased = load_tokenizer("bert-base-uncased"), load_tokenizer("google-bert/bert-base-cased")
encoder = load_encoder("google-bert/bert-base-uncased")
with torch.no_grad():
    output = encoder(**uncased("The film was good.", return_tensors="pt")).last_hidden_state
found = {
    "uncased": uncased.tokenize("English"),
    "cased": cased.tokenize("English"),
    "training": encoder.training,
    "again": load_encoder("bert-base-uncased") is encoder and load_tokenizer("bert-base-uncased") is uncased,
    "output": output[0].tolist(),
    "labels": load_classifier(3, "bert-base-uncased").num_labels,
}
for load in (load_reviews, load_topics):
    texts = load("full", tokenizer=cased)
    found[texts.title] = [texts.label_names, texts.train["text"][:], texts.train["label"][:], len(texts.test)]
json.dump(found, sys.stdout)
"""


class Loaded(NamedTuple):
    """What the calls gave, what the hub was asked for, and the cache that they left."""

    found: dict[str, Any]
    requests: list[str]
    cache: Path


@pytest.fixture(scope="module")
def loaded(repositories: Path, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    cache = tmp_path_factory.mktemp("cache")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "COURSE_"))}
    environment |= {"COURSE_CACHE": str(cache), "HF_HOME": str(cache / "home"), "NO_PROXY": "*", "no_proxy": "*"}
    server = HubServer(repositories)
    environment["HF_ENDPOINT"] = server.address
    with running(server):
        done = subprocess.run(
            [sys.executable, "-c", LOAD], env=environment, capture_output=True, text=True, timeout=600
        )
    assert done.returncode == 0, done.stderr
    return Loaded(json.loads(done.stdout), server.requests, cache)


def test_models_come_from_the_hub(loaded: Loaded, repositories: Path) -> None:
    import torch
    from transformers import BertModel

    found = loaded.found
    assert (found["uncased"], found["cased"]) == (["english"], ["English"])
    assert found["again"]
    assert found["training"] is False
    assert found["labels"] == 3
    expected = BertModel.from_pretrained(repositories / "models" / UNCASED).eval()
    with torch.no_grad():
        ids = torch.tensor([[WORDS.index(word) for word in ["[CLS]", "the", "film", "was", "good", ".", "[SEP]"]]])
        torch.testing.assert_close(torch.tensor(found["output"]), expected(ids).last_hidden_state[0])


@pytest.mark.parametrize("source", [YELP, AG_NEWS], ids=lambda source: source.title)
def test_data_come_from_the_hub(loaded: Loaded, source: FullData) -> None:
    label_names, texts, labels, test_size = loaded.found[source.title]
    assert label_names == list(source.label_names)
    assert texts == [f'train {number}: so "good" Yes.' for number in range(ROWS)]
    assert labels == [number % len(source.label_names) for number in range(ROWS)]
    assert test_size == ROWS


def test_everything_is_there_the_next_time_without_the_hub(
    loaded: Loaded, no_hub: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_CACHE", str(loaded.cache))
    assert load_tokenizer(CASED).tokenize("English") == ["English"]
    assert load_encoder(UNCASED).config.hidden_size == 8
    for source in (YELP, AG_NEWS):
        assert load_full(source)["train"]["text"][:] == loaded.found[source.title][1]


def test_no_pickle_and_nothing_needless_is_asked_for(loaded: Loaded) -> None:
    assert any("model.safetensors" in request for request in loaded.requests)
    assert not [request for request in loaded.requests if "pytorch_model" in request or "onnx" in request]
    tokenizer_only = [request for request in loaded.requests if CASED in request]
    assert tokenizer_only
    assert not [request for request in tokenizer_only if "safetensors" in request]


# ---- when things break


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "*")
    monkeypatch.delenv("COURSE_OFFLINE", raising=False)
    monkeypatch.setattr(hub, "PAUSES", (0.01, 0.01))
    return tmp_path / "cache"


@pytest.fixture
def hub_server(repositories: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    server = HubServer(repositories)
    # What HF_ENDPOINT would do to a new process.
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.address)
    template = f"{server.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    with running(server):
        yield server


@pytest.fixture
def no_hub(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    taken, address = refusing_address()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address.removesuffix("/refused"))
    with taken:
        yield


@pytest.fixture
def mirror(repositories: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """A second source for the uncased model, which knows it by its files' hashes."""
    folder = repositories / "models" / UNCASED
    names = ("config.json", "tokenizer_config.json", "vocab.txt", "model.safetensors")
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    monkeypatch.setattr(hub, "_COPIES", {UNCASED: ("f00d", hashes)})
    server = FaultServer(b"")
    for name in names:
        server.plan(f"/{UNCASED}/resolve/f00d/{name}", "ok")
        server.contents[f"/{UNCASED}/resolve/f00d/{name}"] = (folder / name).read_bytes()
    monkeypatch.setattr(hub, "_MIRROR", server.address)
    with running(server):
        yield server


def kept() -> list[str]:
    return sorted(path.name for path in cache_dir().rglob("*") if path.is_file() and path.suffix != ".lock")


def test_only_what_a_model_needs_is_kept(hub_server: HubServer) -> None:
    folder = fetch_model(UNCASED)
    assert {path.name for path in folder.iterdir()} >= {"config.json", "model.safetensors", "vocab.txt"}
    assert not {path.name for path in folder.iterdir()} & {".cache", "onnx", "pytorch_model.bin"}


def test_the_second_source_is_asked_when_the_hub_is_gone(no_hub: None, mirror: FaultServer, repositories: Path) -> None:
    folder = fetch_model("bert-base-uncased")
    for name in ("model.safetensors", "vocab.txt"):
        assert (folder / name).read_bytes() == (repositories / "models" / UNCASED / name).read_bytes()
    assert load_tokenizer(UNCASED).tokenize("English") == ["english"]
    assert load_encoder(UNCASED).config.hidden_size == 8
    assert len(mirror.requests) == 4


def test_nothing_of_a_broken_first_source_is_mixed_with_the_second(hub_server: HubServer, mirror: FaultServer) -> None:
    hub_server.lost = {"model.safetensors"}
    fetch_model(UNCASED)
    assert hub_server.sent.is_set()
    assert kept() == ["config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"]


def test_a_tokenizer_from_the_second_source_needs_no_weights(no_hub: None, mirror: FaultServer) -> None:
    load_tokenizer(UNCASED)
    assert kept() == ["config.json", "tokenizer_config.json", "vocab.txt"]


def test_a_changed_copy_is_not_believed(no_hub: None, mirror: FaultServer) -> None:
    mirror.contents[f"/{UNCASED}/resolve/f00d/model.safetensors"] = b"changed"
    changed = hashlib.sha256(b"changed").hexdigest()
    with pytest.raises(DownloadError, match=rf"refused the connection; then 127.* SHA-256 {changed}, but it must have"):
        fetch_model(UNCASED)
    assert kept() == []


def test_no_source_leads_to_the_model_that_needs_none(no_hub: None, mirror: FaultServer) -> None:
    for path in mirror.plans:
        mirror.plan(path, 404)
    for load in (load_encoder, load_tokenizer):
        with pytest.raises(DownloadError) as failed:
            load(UNCASED)
        said = str(failed.value)
        assert said.startswith(f"The model {UNCASED!r} could not be loaded: 127.0.0.1 refused the connection; then ")
        assert "answered 404 (Not Found)" in said
        assert said.endswith("load_encoder(), load_tokenizer().")
    assert kept() == []


def test_a_model_by_another_name_has_no_second_source(no_hub: None, mirror: FaultServer) -> None:
    with pytest.raises(DownloadError, match=r"^127\.0\.0\.1 refused the connection$"):
        fetch_model("someone/something")
    assert mirror.requests == []


def test_a_name_that_the_hub_does_not_have_is_named(hub_server: HubServer) -> None:
    with pytest.raises(DownloadError, match=r"no public model 'someone/nothing': look it up"):
        load_encoder("someone/nothing")
    assert kept() == []


def test_a_model_without_safetensors_is_refused(hub_server: HubServer) -> None:
    with pytest.raises(DownloadError, match="'someone/pickled' has no weights as safetensors"):
        load_encoder("someone/pickled")
    assert kept() == []


def test_a_file_that_the_hub_lists_and_does_not_have_leaves_nothing(
    hub_server: HubServer, mirror: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "_COPIES", {})
    hub_server.lost = {"model.safetensors"}
    with pytest.raises(DownloadError, match=r"model\.safetensors"):
        load_encoder(CASED)
    assert kept() == []
    hub_server.lost = set()
    assert load_encoder(CASED).config.hidden_size == 8


@pytest.mark.parametrize(("faults", "said"), [((503, 404), None), ((503,), "answered 503"), (("stall",), "no answer")])
def test_the_hub_is_asked_once_more_when_it_is_busy_and_left_when_it_is_silent(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch, faults: tuple[str | int, ...], said: str | None
) -> None:
    """That a repository is not there (404) is left to the hub's library to say."""
    server = FaultServer(b"")
    server.plan("/api/models/a/b", *faults)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.address)
    monkeypatch.setattr(web_attempts, "TIMEOUT", (0.2, 0.3))
    with running(server):
        if said is None:
            hub.ask_hub("models/a/b")
        else:
            with pytest.raises(hub.AttemptError, match=rf"127\.0\.0\.1 {said}|127\.0\.0\.1 gave {said}"):
                hub.ask_hub("models/a/b")
    assert len(server.requests) == {(503, 404): 2, (503,): 3, ("stall",): 1}[faults]


def test_copies_are_of_the_two_models_that_the_lessons_name() -> None:
    assert set(hub._COPIES) == {UNCASED, CASED}
    for revision, files in hub._COPIES.values():
        assert len(revision) == 40
        assert {"config.json", "tokenizer_config.json", "vocab.txt", "model.safetensors"} == set(files)
        assert all(len(sha256) == 64 for sha256 in files.values())
