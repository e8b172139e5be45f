"""Lesson 08's training as a program: two processes end with the model that one would have made."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel

from helpers import fine_tune
from helpers.data import load_topics
from helpers.pretrained import load_classifier, load_encoder, load_tokenizer

pytestmark = pytest.mark.precision

STEPS = 12


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a BERT of one narrow layer, and the course's tokenizer."""
    folder = tmp_path_factory.mktemp("small")
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        initializer_range=0.3,
    )
    BertModel(config).save_pretrained(folder)
    load_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def own_accelerator() -> Iterator[None]:
    """accelerate keeps one state a process, and refuses another precision in it."""
    yield
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)


def options(model: Path, output: Path) -> list[str]:
    return f"--data sample --model {model} --steps {STEPS} --learning-rate 1e-3 --max-len 32 --output {output}".split()


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def launched(arguments: list[str]) -> str:
    """Run under `accelerate launch` with two processes that talk by gloo; return what is printed."""
    command = "-m accelerate.commands.launch --multi_gpu --num_machines 1 --num_processes 2 --main_process_port 0"
    done = subprocess.run(
        [sys.executable, *command.split(), "--mixed_precision", "no", "-m", "helpers.fine_tune", *arguments],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "COURSE_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.fresh
def test_two_processes_make_the_same_model_as_one(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In half width, the sums of two halves of a batch and of the whole round differently, and far more than here.
    monkeypatch.setenv("COURSE_PRECISION", "float32")
    for name, batch_size in (("one", 8), ("half", 4)):
        fine_tune.main([*options(small_model, tmp_path / name), "--batch-size", str(batch_size)])
    said = launched([*options(small_model, tmp_path / "two"), "--batch-size", "8"])
    one, two, half = (weights(tmp_path / name) for name in ("one", "two", "half"))
    # A bias of the keys shifts all of a query's scores alike, which softmax does not see: its gradient is rounding
    # alone, from which AdamW makes steps of full size. Everything else agrees up to rounding.
    seen = [name for name in one if not name.endswith("key.bias")]
    assert max(float((one[name] - two[name]).abs().max()) for name in seen) < 1e-6
    # Another batch size makes another model: the comparison can tell.
    assert min(float((one[name] - half[name]).abs().max()) for name in seen) > 1e-4
    logits = []
    for name in ("one", "two"):
        with torch.no_grad():
            logits.append(load_classifier(4, tmp_path / name)(torch.tensor([[101, 2023, 2143, 102]])).logits)
    assert torch.allclose(*logits, rtol=0, atol=1e-5)
    assert said.count(f"step {STEPS}: loss") == 1  # one of the two reports


def test_one_process_learns_and_saves_what_load_classifier_reads(
    small_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fine_tune.main(options(small_model, tmp_path / "tuned")) == 0
    assert f"step {STEPS}: loss" in capsys.readouterr().out
    tuned = load_classifier(4, tmp_path / "tuned")
    before = load_classifier(4, small_model)
    assert not torch.equal(tuned.bert.pooler.dense.weight, before.bert.pooler.dense.weight)
    assert load_tokenizer(tmp_path / "tuned").encode("a film") == load_tokenizer().encode("a film")


@pytest.mark.parametrize("reads", ["mean", "cls"])
def test_frozen_blocks_stay_and_the_others_learn(small_model: Path, tmp_path: Path, reads: str) -> None:
    before = load_encoder(small_model).state_dict()
    changed = {}
    for freeze in ("0", "1"):
        folder = tmp_path / freeze
        fine_tune.main([*options(small_model, folder), "--reads", reads, "--freeze", freeze, "--steps", "2"])
        assert load_file(folder / "head.safetensors")["weight"].shape == (4, 16)
        after = load_encoder(folder).state_dict()
        changed[freeze] = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed["0"] > changed["1"]
    assert all(name.startswith("encoder.layer.0.") for name in changed["0"] - changed["1"])
    assert not any(name.startswith("encoder.layer.0.") for name in changed["1"])


def test_it_says_how_many_held_out_texts_are_right(
    small_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_PRECISION", "float32")  # in half width, an untrained model's logits are often equal
    fine_tune.main([*options(small_model, tmp_path / "still"), "--steps", "1", "--learning-rate", "0"])
    said = re.search(r"([\d,]+) of 3,549 held-out texts right", capsys.readouterr().out)
    assert said
    # The slow way: one text after the other, each without padding.
    still, tokenizer = load_classifier(4, tmp_path / "still"), load_tokenizer()
    part = load_topics("sample", tokenizer=tokenizer).test
    right = 0
    with torch.no_grad():
        for label, text in zip(part["label"][:], part["text"][:], strict=True):
            ids = tokenizer(text, truncation=True, max_length=32, return_tensors="pt")["input_ids"]
            right += int(still(ids).logits.argmax() == label)
    assert int(said[1].replace(",", "")) == right


def test_five_levels_are_another_task(small_model: Path, tmp_path: Path) -> None:
    fine_tune.main([*options(small_model, tmp_path / "levels"), "--task", "levels", "--steps", "2"])
    assert load_classifier(5, tmp_path / "levels").classifier.weight.shape == (5, 16)


def test_without_accelerate_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    assert fine_tune.main([]) == 1
    assert "pip install accelerate" in capsys.readouterr().err
