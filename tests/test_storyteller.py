"""The storyteller: how its books are read, how it is trained, stopped and resumed, and what ships."""

from __future__ import annotations

import json
import math
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from transformers import BertConfig, BertForMaskedLM, LlamaForCausalLM

from helpers.course.__main__ import main
from helpers.course.train import storyteller as command
from helpers.course.train import storyteller_training as training
from helpers.downloads import DownloadError
from helpers.models.storyteller import SETTINGS, VOCABULARY, WEIGHTS, read_storyteller, save_storyteller
from helpers.pretrained import load_storyteller
from helpers.texts.storybooks import clean, read_books

TALE = "Once there was a {who} who lived in a {where}. '{who}, {who}!' said the wolf, 'come out of your {where}.'\n"
SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}


def tales(count: int = 300) -> str:
    whos, wheres = ["girl", "king", "hen", "miller"], ["wood", "house", "tower"]
    return "".join(TALE.format(who=whos[i % 4], where=wheres[i % 3]) for i in range(count))


@pytest.fixture(scope="module")
def vocabulary() -> str:
    return training.learn_vocabulary([tales()])


def trainer(vocabulary: str, steps: int = 4, seed: int = 1) -> training.Trainer:
    ids = training.encode(vocabulary, [tales(2000)])
    size = training.size_of(vocabulary)
    return training.Trainer(ids, size, int(ids[0]), steps=steps, learning_rate=6e-3, seed=seed, device="cpu", **SMALL)


# Books


def test_a_paragraph_becomes_a_line_and_headings_go() -> None:
    text = "CHAPTER I\n\nDown the\nRabbit-Hole\n\n‘Well,’  she\nsaid—“so be _it_.”\n\n  1. The Cyclone\n"
    assert clean(text) == "'Well,' she said--\"so be it.\"\n"


def test_books_are_read_by_title_and_the_held_out_ones_apart(tmp_path: Path) -> None:
    for title in ("a-tale", "peter-pan", "another"):
        (tmp_path / f"{title}.txt").write_text(f"This is {title}.", "utf-8")
    train, test = read_books(tmp_path, ["peter-pan"])
    assert train == {"a-tale": "This is a-tale.\n", "another": "This is another.\n"}
    assert test == {"peter-pan": "This is peter-pan.\n"}


@pytest.mark.parametrize("held_out", [[], ["peter-pan"]])
def test_a_folder_without_the_books_is_named(tmp_path: Path, held_out: list[str]) -> None:
    if held_out:
        (tmp_path / "a-tale.txt").write_text("This is a tale.", "utf-8")
    with pytest.raises(FileNotFoundError, match="peter-pan" if held_out else "one .txt file each"):
        read_books(tmp_path, held_out)


# Vocabulary and windows


def test_every_text_survives_the_vocabulary(vocabulary: str) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(vocabulary)
    for text in (tales(3), "Ünknown 漢字 🐺  two  spaces at the end  \n\n", ""):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_windows_share_their_ends_so_every_token_is_predicted_once() -> None:
    ids = torch.arange(3 * training.WINDOW + 5)
    cut = training.windows(ids, start=2)
    assert cut.shape == (3, training.WINDOW + 1)
    assert torch.equal(cut[:, 1:].flatten(), ids[3 : 3 + 3 * training.WINDOW])


# Training


def test_training_lowers_the_loss(vocabulary: str, tmp_path: Path) -> None:
    run = trainer(vocabulary, steps=12)
    held_out = training.encode(vocabulary, [tales(150)])
    before = run.test_loss(held_out)
    assert before == pytest.approx(math.log(training.size_of(vocabulary)), rel=0.05)  # it begins by guessing
    list(run.train(tmp_path / "state"))
    assert run.test_loss(held_out) < before - 1


def test_the_test_loss_is_the_mean_over_tokens(vocabulary: str) -> None:
    run = trainer(vocabulary)
    ids = training.encode(vocabulary, [tales(150)])
    cut = training.windows(ids)
    run.model.eval()
    with torch.inference_mode():
        logits = run.model(cut[:, :-1]).logits
    wanted = F.cross_entropy(logits.flatten(0, 1), cut[:, 1:].flatten())
    assert run.test_loss(ids) == pytest.approx(float(wanted), rel=1e-5)  # float32 sums in another order


def test_the_rate_rises_and_falls_to_nothing(vocabulary: str) -> None:
    run = trainer(vocabulary, steps=1000)
    rates = [run.rate(step) for step in range(1001)]
    top = rates.index(max(rates))
    assert top == training.WARM_UP * 1000
    assert rates[top] == 1.0
    assert rates[0] == 0.0
    assert rates[-1] == pytest.approx(0.0)
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not(
    vocabulary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "STEPS_PER_CHECKPOINT", 2)
    whole = list(trainer(vocabulary).train(tmp_path / "whole"))
    list(islice(trainer(vocabulary).train(tmp_path / "state"), 3))
    again = trainer(vocabulary)
    assert again.resume(tmp_path / "state")
    assert again.step == 2
    assert list(again.train(tmp_path / "state")) == pytest.approx(whole[2:], rel=1e-6)


def test_a_run_on_other_books_does_not_go_on(vocabulary: str, tmp_path: Path) -> None:
    run = trainer(vocabulary)
    run.save(tmp_path / "state")
    assert not trainer(vocabulary, seed=2).resume(tmp_path / "state")
    assert not trainer(vocabulary).resume(tmp_path / "elsewhere")


# What is written


def test_what_is_saved_computes_the_same_to_half_width(vocabulary: str, tmp_path: Path) -> None:
    run = trainer(vocabulary)
    save_storyteller(run.model, vocabulary, tmp_path)
    model, tokenizer = read_storyteller(tmp_path)
    ids = tokenizer(["Once there was", "Once there was a king"], padding=True, return_tensors="pt")
    assert ids["attention_mask"][0, 0] == 0  # padded on the left
    run.model.eval()
    with torch.inference_mode():
        torch.testing.assert_close(model(**ids).logits, run.model(**ids).logits, atol=5e-3, rtol=5e-3)


@pytest.mark.parametrize("name", [WEIGHTS, VOCABULARY])
def test_a_file_that_was_changed_is_refused(vocabulary: str, tmp_path: Path, name: str) -> None:
    save_storyteller(trainer(vocabulary).model, vocabulary, tmp_path)
    with (tmp_path / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(DownloadError, match=name):
        read_storyteller(tmp_path)


def test_the_command_writes_model_and_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    books = tmp_path / "books"
    books.mkdir()
    for title in (*command.HELD_OUT, "a-tale"):
        (books / f"{title}.txt").write_text(tales().replace("\n", "\n\n"), "utf-8")
    small = training.new_storyteller
    monkeypatch.setattr(training, "new_storyteller", lambda size, end, **changes: small(size, end, **SMALL))
    output = tmp_path / "out"
    arguments = ["train-storyteller", str(books), "--output", str(output), "--steps", "2"]
    assert main([*arguments, "--checkpoint", str(tmp_path / "state")]) == 0
    card = (output / "storyteller.md").read_text("utf-8")
    for sha256 in json.loads((output / SETTINGS).read_text("utf-8"))["sha256"].values():
        assert sha256 in card
    assert "*peter pan*" in card
    assert "- a tale: " in card


def test_the_command_names_books_that_are_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train-storyteller", str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err


# Others of its kind


def test_a_directory_with_another_llama_is_loaded_in_float32_with_padding_on_the_left(
    vocabulary: str, tmp_path: Path
) -> None:
    save_storyteller(trainer(vocabulary).model, vocabulary, tmp_path / "own")
    model, tokenizer = read_storyteller(tmp_path / "own")
    tokenizer.padding_side = "right"
    model.half().save_pretrained(tmp_path / "other")
    tokenizer.save_pretrained(tmp_path / "other")
    other, its_tokenizer = load_storyteller(tmp_path / "other")
    assert isinstance(other, LlamaForCausalLM)
    assert other.dtype == torch.float32
    assert its_tokenizer.padding_side == "left"
    assert load_storyteller(tmp_path / "other")[0] is other
    ids = torch.tensor([[0, 5, 6, 7]])
    torch.testing.assert_close(other(ids).logits, model.float()(ids).logits)


def test_a_model_of_another_kind_is_named(tmp_path: Path) -> None:
    BertForMaskedLM(BertConfig(hidden_size=16, num_attention_heads=2, num_hidden_layers=1)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="'bert'"):
        load_storyteller(tmp_path)
