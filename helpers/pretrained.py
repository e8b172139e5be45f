"""Pretrained models: a small encoder of BERT's kind that needs no internet, or any by name or from a directory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.models.files import encoder_files, find_model
from helpers.models.masked_word_weights import SHIPPED, add_difference, embedded_masked_model
from helpers.models.storyteller import read_storyteller

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerBase


def load_tokenizer(name: str | Path | None = None) -> PreTrainedTokenizerBase:
    """Load the tokenizer that belongs to a model.

    Parameters
    ----------
    name
        As in `load_encoder`.

    Returns
    -------
    PreTrainedTokenizerBase
        The same object at every call with the same name in one session.
    """
    return _tokenizer(find_model(name, weights=False))


def load_encoder(name: str | Path | None = None, attentions: bool = False) -> PreTrainedModel:
    """Load a pretrained encoder, in evaluation mode.

    Parameters
    ----------
    name
        Nothing: all-MiniLM-L6-v2 (6 layers, 384 wide, 12 heads, BERT's uncased vocabulary; distilled, then
        tuned for sentence similarity), which pip brings, so no model hub is needed. A directory: the model
        saved there. Anything else: a name on the Hugging Face hub, such as `google-bert/bert-base-uncased`.
        Weights are read from safetensors files only, never from a pickle.
    attentions
        Whether a call's result has `attentions`: for each layer a tensor (b, h, t, t), rows summing to 1.

    Returns
    -------
    PreTrainedModel
        The same object at every call with the same arguments in one session: copy it before you train it.

    Raises
    ------
    helpers.downloads.DownloadError
        When the model cannot be had, or when the weights have another SHA-256 than the published ones.
    FileNotFoundError
        When a directory does not hold a model.
    """
    return _encoder(find_model(name), attentions).eval()


def load_classifier(num_labels: int, name: str | Path | None = None) -> PreTrainedModel:
    """Load a pretrained encoder with a classifier on top, to be fine-tuned; in evaluation mode.

    Parameters
    ----------
    num_labels
        How many classes there are. The classifier has a score for each.
    name
        As in `load_encoder`.

    Returns
    -------
    PreTrainedModel
        A model of one's own at every call: training it changes no other. Unless a directory holds a trained
        classifier, its weights are new, drawn by torch's generator: after the same seed, the same ones.

    Raises
    ------
    helpers.downloads.DownloadError, FileNotFoundError
        As in `load_encoder`.
    ValueError
        When there are fewer than two classes, or a directory holds a classifier for another number of them.
    """
    if num_labels < 2:
        raise ValueError(f"num_labels is {num_labels}: a classifier needs at least two classes to choose from.")
    from transformers import AutoModelForSequenceClassification

    source = find_model(name)
    with _quiet():
        model, report = AutoModelForSequenceClassification.from_pretrained(
            source,
            num_labels=num_labels,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # told below, in words of our own
            local_files_only=True,
        )
    if other := report["mismatched_keys"]:
        raise ValueError(
            f"{source} holds a classifier for another number of classes than {num_labels} "
            f"({', '.join(sorted(key for key, *_ in other))}). Load the encoder that it was trained from."
        )
    encoder = f"{model.base_model_prefix}."
    if missing := sorted(key for key in report["missing_keys"] if key.startswith(encoder)):
        warnings.warn(f"{source} has no weights for {', '.join(missing)}: these were drawn at random.", stacklevel=2)
    return model


def load_masked_language_model(name: str | Path | None = None) -> PreTrainedModel:
    """Load a masked language model, in evaluation mode.

    Parameters
    ----------
    name
        Nothing: the embedded encoder as this course trained it on, with a head that predicts words; the card
        beside its file, `helpers/assets/masked_words.md`, says on what, and what it does badly. Otherwise as in
        `load_encoder`.

    Returns
    -------
    PreTrainedModel
        Nothing given: a `BertForMaskedLM`. The same object at every call with the same name in one session: copy
        it before you train it.

    Raises
    ------
    helpers.downloads.DownloadError, FileNotFoundError
        As in `load_encoder`.
    """
    return (_embedded_masked_model() if name is None else _masked_language_model(find_model(name))).eval()


def load_storyteller(name: str | Path | None = None) -> tuple[LlamaForCausalLM, PreTrainedTokenizerBase]:
    """Load a decoder of Llama's kind and its tokenizer, in evaluation mode.

    Parameters
    ----------
    name
        Nothing: the course's storyteller, which ships with it; its card, `helpers/assets/storyteller.md`, says what it
        has read, and what it does badly. Otherwise as in `load_encoder`, such as `HuggingFaceTB/SmolLM2-135M`.

    Returns
    -------
    tuple[LlamaForCausalLM, PreTrainedTokenizerBase]
        The same objects at every call with the same name in one session: copy the model before you train it. The
        tokenizer pads on the left.

    Raises
    ------
    helpers.downloads.DownloadError, FileNotFoundError
        As in `load_encoder`.
    ValueError
        When a directory holds a model of another kind.
    """
    return _storyteller() if name is None else _decoder(find_model(name))


@cache
def _storyteller() -> tuple[LlamaForCausalLM, PreTrainedTokenizerBase]:
    return read_storyteller()


@cache
def _decoder(source: str) -> tuple[LlamaForCausalLM, PreTrainedTokenizerBase]:
    from transformers import AutoConfig, AutoTokenizer, LlamaForCausalLM

    kind = AutoConfig.from_pretrained(source, local_files_only=True).model_type
    if kind != "llama":
        raise ValueError(f"{source} holds a model of type {kind!r}. Its parts should be Llama's: type 'llama'.")
    with _quiet():
        # Half width is how such models are published; the lessons compute in float32.
        model = LlamaForCausalLM.from_pretrained(source, use_safetensors=True, local_files_only=True).float()
    tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True, padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model.eval(), tokenizer


@cache
def _tokenizer(source: str) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(source, local_files_only=True)


@cache
def _encoder(source: str, attentions: bool) -> PreTrainedModel:
    from transformers import AutoModel

    # Only the plain ("eager") attention of transformers hands its weights out.
    options = {"attn_implementation": "eager", "output_attentions": True} if attentions else {}
    with _quiet():
        model, report = AutoModel.from_pretrained(
            source, use_safetensors=True, output_loading_info=True, local_files_only=True, **options
        )
    if missing := sorted(report["missing_keys"]):
        warnings.warn(f"{source} has no weights for {', '.join(missing)}: these were drawn at random.", stacklevel=3)
    return model


@cache
def _embedded_masked_model() -> PreTrainedModel:
    model = embedded_masked_model(encoder_files())
    add_difference(model, SHIPPED)
    return model


@cache
def _masked_language_model(source: str) -> PreTrainedModel:
    from transformers import AutoModelForMaskedLM

    with _quiet():
        return AutoModelForMaskedLM.from_pretrained(source, use_safetensors=True, local_files_only=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the bar for reading weights off the notebook: they are on disk, and take a second."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    level = logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
