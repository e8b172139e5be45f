"""The course's masked language model: how it is trained, kept, stopped and resumed, and what ships."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F
from transformers import BertConfig, BertForMaskedLM, BertTokenizer

from helpers.course.__main__ import main
from helpers.course.train import masked_words as command
from helpers.course.train import word_vectors as train_word_vectors
from helpers.course.train.masked_word_training import PIECE, Trainer, cut
from helpers.models.files import encoder_files
from helpers.models.masked_word_weights import SHIPPED, add_difference, embedded_masked_model, save_difference
from helpers.pretrained import load_masked_language_model, load_tokenizer

pytestmark = pytest.mark.precision

WORDS = ["the", "cat", "dog", "man", "woman", "sat", "on", "a", "mat", "house", "then", "he", "ate", "fish", "bread"]
WORDS += ["."]


@pytest.fixture
def tokenizer(tmp_path: Path) -> BertTokenizer:
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]), "utf-8")
    return BertTokenizer(vocab=str(vocabulary))


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """A directory with an encoder of two layers, as the embedded one is kept."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=5 + len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=PIECE,
        initializer_range=0.3,
    )
    model = BertForMaskedLM(config).bert
    folder = tmp_path / "encoder"
    model.save_pretrained(folder)
    return folder


def texts(number: int = 30) -> list[list[str]]:
    beings, places = ["cat", "dog", "man", "woman"], ["mat", "house"]
    return [
        [f"the {beings[i % 4]} sat on a {places[j % 2]} .", f"then he ate {('fish', 'bread')[i % 2]} ."]
        for i, j in zip(range(number), range(1, number + 1), strict=True)
    ]


def trainer(tokenizer: BertTokenizer, encoder: Path, steps: int = 6, seed: int = 1) -> Trainer:
    pieces = cut(texts(), tokenizer) * 60
    return Trainer(pieces, tokenizer, encoder, steps=steps, learning_rate=1e-2, seed=seed, device="cpu")


# Pieces


def test_pieces_hold_whole_sentences_and_all_words_between_two_marks(tokenizer: BertTokenizer) -> None:
    sentence = "the cat sat on a mat ."
    (first, second) = cut([[sentence] * 10], tokenizer)
    ids = tokenizer(sentence, add_special_tokens=False)["input_ids"]
    room = (PIECE - 2) // len(ids)
    assert first == [tokenizer.cls_token_id, *ids * room, tokenizer.sep_token_id]
    assert second == [tokenizer.cls_token_id, *ids * (10 - room), tokenizer.sep_token_id]


def test_a_sentence_longer_than_a_piece_is_cut_and_what_is_too_short_left_out(tokenizer: BertTokenizer) -> None:
    pieces = cut([["the cat " * 50], ["a cat ."]], tokenizer)
    assert [len(piece) for piece in pieces] == [64, 40]
    assert all(piece[0] == tokenizer.cls_token_id and piece[-1] == tokenizer.sep_token_id for piece in pieces)


def test_texts_do_not_share_a_piece(tokenizer: BertTokenizer) -> None:
    assert len(cut([["the cat sat on a mat ."], ["the dog sat on a mat ."]], tokenizer)) == 2


# Training


def test_training_lowers_the_loss_on_texts_that_it_has_not_seen(
    tokenizer: BertTokenizer, encoder: Path, tmp_path: Path
) -> None:
    run = trainer(tokenizer, encoder, steps=60)
    unseen = cut([["the woman sat on a mat .", "then he ate bread ."]] * 40, tokenizer)
    before = run.test_loss(unseen)
    losses = list(run.train(tmp_path / "checkpoint.pt"))
    assert len(losses) == 60
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    assert run.test_loss(unseen) < 0.7 * before


def test_the_test_loss_is_the_mean_over_hidden_tokens(tokenizer: BertTokenizer, encoder: Path) -> None:
    """Against transformers' own loss, on one batch that holds all the pieces."""
    from transformers import DataCollatorForLanguageModeling

    run = trainer(tokenizer, encoder)
    pieces = cut(texts(20), tokenizer)
    torch.manual_seed(run.seed)
    batch = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)(
        [{"input_ids": piece} for piece in sorted(pieces, key=len)]
    )
    run.model.eval()
    with torch.no_grad():
        own = run.model(**batch).loss
    assert run.test_loss(pieces) == pytest.approx(float(own), abs=1e-5)
    assert run.test_loss(pieces) == run.test_loss(pieces)


def test_the_vectors_of_words_stay_and_everything_else_learns(
    tokenizer: BertTokenizer, encoder: Path, tmp_path: Path
) -> None:
    run = trainer(tokenizer, encoder, steps=3)
    before = {name: weight.clone() for name, weight in run.model.named_parameters()}
    list(run.train(tmp_path / "checkpoint.pt"))
    for name, weight in run.model.named_parameters():
        assert torch.equal(weight, before[name]) == ("embeddings" in name), name


def test_a_run_that_was_stopped_goes_on_and_ends_where_one_without_a_stop_ends(
    tokenizer: BertTokenizer, encoder: Path, tmp_path: Path
) -> None:
    whole = trainer(tokenizer, encoder)
    losses = list(whole.train(tmp_path / "whole.pt"))
    stopped = trainer(tokenizer, encoder)
    first = list(islice(stopped.train(tmp_path / "never.pt"), 3))
    stopped.save(tmp_path / "stopped.pt")
    resumed = trainer(tokenizer, encoder)
    assert resumed.resume(tmp_path / "stopped.pt")
    assert first + list(resumed.train(tmp_path / "stopped.pt")) == losses
    for one, other in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_run_goes_on_only_from_one_with_the_same_settings(
    tokenizer: BertTokenizer, encoder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoint.pt"
    trainer(tokenizer, encoder).save(file)
    assert trainer(tokenizer, encoder).resume(file)
    assert not trainer(tokenizer, encoder, seed=2).resume(file)
    assert not trainer(tokenizer, encoder, steps=7).resume(file)
    assert not trainer(tokenizer, encoder).resume(tmp_path / "missing.pt")


# The file


def test_the_difference_brings_the_trained_model_back(tokenizer: BertTokenizer, encoder: Path, tmp_path: Path) -> None:
    run = trainer(tokenizer, encoder, steps=5)
    list(run.train(tmp_path / "checkpoint.pt"))
    file = tmp_path / "new" / "masked_words.safetensors"
    save_difference(run.model, encoder, file)
    assert not any("embeddings" in name for name in load_file(file))
    back = embedded_masked_model(encoder)
    add_difference(back, file)
    trained = dict(run.model.named_parameters())
    for name, weight in back.named_parameters():
        # Half precision keeps 11 bits, of the change alone where there was something before.
        torch.testing.assert_close(weight, trained[name], rtol=1e-3, atol=1e-3, msg=name)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_file_for_another_model_is_refused(tokenizer: BertTokenizer, encoder: Path, tmp_path: Path) -> None:
    file = tmp_path / "masked_words.safetensors"
    run = trainer(tokenizer, encoder)
    save_difference(run.model, encoder, file)
    other = BertForMaskedLM(BertConfig(vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2))
    with pytest.raises(ValueError, match="does not fit this model"):
        add_difference(other, file)


# The command


def test_the_command_writes_a_model_and_its_card(
    tokenizer: BertTokenizer,
    encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    corpora = {name: texts(8) for name in command.NAMES}
    monkeypatch.setattr(command, "read_corpora", lambda: (corpora, texts(4)))
    monkeypatch.setattr("helpers.models.files.encoder_files", lambda: encoder)
    monkeypatch.setattr("helpers.pretrained.load_tokenizer", lambda: tokenizer)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    assert main(["train-masked-words", "--output", str(tmp_path), "--steps", "4", "--learning-rate", "0.01"]) == 0
    card = (tmp_path / "masked_words.md").read_text("utf-8")
    assert train_word_vectors.digest(tmp_path / SHIPPED.name) in card
    assert "4 steps" in card
    assert "4 of Brown's 12" in card
    assert "non-commercial" in card
    assert "held-out loss" in capsys.readouterr().out


# What ships


def test_the_shipped_file_is_small_and_its_card_belongs_to_it() -> None:
    assert SHIPPED.stat().st_size < 25_000_000
    card = SHIPPED.with_suffix(".md").read_text("utf-8")
    assert train_word_vectors.digest(SHIPPED) in card
    assert "non-commercial" in card


def test_the_shipped_model_is_an_ordinary_bert_and_is_loaded_once() -> None:
    model = load_masked_language_model()
    assert type(model) is BertForMaskedLM
    assert not model.training
    assert load_masked_language_model() is model
    assert json.loads((encoder_files() / "config.json").read_text())["num_hidden_layers"] == 6


def test_the_shipped_model_puts_a_verb_where_a_verb_belongs() -> None:
    verbs = {"opened", "closed", "shut", "pushed", "pulled", "locked", "unlocked", "kicked", "knocked", "reached"}
    verbs |= {"crossed", "entered", "passed", "held", "left", "slammed", "turned", "took", "broke", "walked", "heard"}
    likely = list(_probabilities("He [MASK] the door and walked in."))[:5]
    assert len(verbs.intersection(likely)) >= 3, likely


def test_the_shipped_model_weighs_he_and_she_differently_after_nurse_and_engineer() -> None:
    nurse = _probabilities("The nurse said that [MASK] was tired.")
    engineer = _probabilities("The engineer said that [MASK] was tired.")
    assert nurse["she"] / nurse["he"] > 2 * engineer["she"] / engineer["he"]
    assert {"he", "she"} < set(list(nurse)[:5])


def _probabilities(text: str) -> dict[str, float]:
    """Each piece of the vocabulary and its probability at the mask, the likeliest first."""
    tokenizer, model = load_tokenizer(), load_masked_language_model()
    batch = tokenizer(text, return_tensors="pt")
    place = int((batch["input_ids"][0] == tokenizer.mask_token_id).nonzero())
    with torch.no_grad():
        probabilities, pieces = F.softmax(model(**batch).logits[0, place], dim=-1).sort(descending=True)
    return dict(zip(tokenizer.convert_ids_to_tokens(pieces.tolist()), probabilities.tolist(), strict=True))
