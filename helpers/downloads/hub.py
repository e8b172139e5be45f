"""Models from the Hugging Face hub, or else from a second place: fetched whole, once, and then read from the cache."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from helpers.downloads.attempts import PAUSES, AttemptError, attempt, in_a_line
from helpers.downloads.cache import DownloadError, cache_dir, is_about_disk, make_once, offline
from helpers.downloads.url import url_download

# What a model needs, from the top of its repository. Of weights, safetensors only: a pickle can run code.
_SMALL_FILES = ["*.json", "*.txt", "*.model"]
_WEIGHTS = ["model.safetensors", "model-*.safetensors"]

# The two models that the lessons name, with the SHA-256 of each file that they need, as published on the hub: from
# anywhere else, they are believed only with these. (Their tokenizers are made from `vocab.txt`.)
_MIRROR = "https://hf-mirror.com"
_COPIES = {
    "google-bert/bert-base-uncased": (
        "86b5e0934494bd15c9632b12f734a8a67f723594",
        {
            "config.json": "7160e1553ad2ca51d8c1cb066be533db31826e12d173824c1bb0cb1a4f187d20",
            "tokenizer_config.json": "a025160ef0431f1a392f6f050c1310f4c5d9fb6f275932dbccba73c4d214bf10",
            "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
            "model.safetensors": "68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3",
        },
    ),
    "google-bert/bert-base-cased": (
        "cd5ef92a9fb2f889e972770a36d4ed042daf221e",
        {
            "config.json": "8b73abed2d67075fd3ec0f840aa53d9cccdc9169c04a7da135c07e721910ed74",
            "tokenizer_config.json": "0f6d13e6f4da6f9e24f22ada6bc3be571123d858d7c0c05a8a7cd55a9c23c2e8",
            "vocab.txt": "eeaa9875b23b04b4c54ef759d03db9d1ba1554838f8fb26c5d96fa551df93d02",
            "model.safetensors": "1d8bdcee6021e2c25f0325e84889b61c2eb26b843eef5659c247af138d64f050",
        },
    ),
}


def fetch_model(name: str, *, weights: bool = True) -> Path:
    """Return the directory in the cache that holds a model of the hub, downloaded at the first call.

    Parameters
    ----------
    name
        Its name there, such as `google-bert/bert-base-uncased`; this one and its cased sister may come without
        `google-bert/`, and have a second source.
    weights
        False for a tokenizer, which is a thousandth of a model.

    Raises
    ------
    DownloadError
        When it cannot be had, with what each source said.
    """
    name = f"google-bert/{name}" if f"google-bert/{name}" in _COPIES else name
    whole = cache_dir() / "models" / name.replace("/", "--")
    small = whole.with_name(f"{whole.name}--tokenizer")
    target = whole if weights or (whole.is_dir() and not small.is_dir()) else small
    if not target.is_dir() and offline():
        raise DownloadError(f"it is not in the cache ({cache_dir()}), and COURSE_OFFLINE=1 forbids the network.")
    return make_once(target, lambda folder: _first_that_works(name, weights, folder))


def ask_hub(repository: str) -> None:
    """Ask the hub for a repository, so that a hub that is not there is found out within ten seconds.

    Its own library would go on trying for about forty, and that for data would for some minutes.

    Parameters
    ----------
    repository
        `models/` or `datasets/`, and a name.

    Raises
    ------
    helpers.downloads.attempts.AttemptError
        When the hub is not there, or has trouble. A repository that it does not have is left for its library.
    """
    import requests
    from huggingface_hub import constants

    address = f"{constants.ENDPOINT}/api/{repository}"
    for pause in (0, *PAUSES):
        time.sleep(pause)
        try:
            with attempt(address) as timeout, requests.get(address, timeout=timeout, stream=True) as answer:
                if answer.status_code == 429 or answer.status_code >= 500:
                    answer.raise_for_status()
            return
        except AttemptError as error:
            failed = error
            if not error.may_pass:
                break
    raise AttemptError(f"{urlsplit(constants.ENDPOINT).hostname} {failed}", reached=failed.reached) from failed


def _first_that_works(name: str, weights: bool, folder: Path) -> None:
    reasons = []
    sources: list[Callable[[str, bool, Path], None]] = [_from_hub, *([_from_mirror] if name in _COPIES else [])]
    for fetch in sources:
        try:
            return fetch(name, weights, folder)
        except Exception as error:  # whatever a far server does: the next one may do better
            if is_about_disk(error):  # on which the next source would fail too
                raise
            reasons.append(in_a_line(error))
    raise DownloadError("; then ".join(reasons))


def _from_hub(name: str, weights: bool, folder: Path) -> None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    ask_hub(f"models/{name}")
    wanted = _SMALL_FILES + (_WEIGHTS if weights else [])
    # Not right into `folder`: when one file fails, the library's threads go on with the others for a while.
    scratch = folder.parent / "hub"
    try:
        snapshot_download(name, local_dir=scratch, allow_patterns=wanted, ignore_patterns=["*/*"])
    except GatedRepoError as error:
        raise DownloadError(f"the hub gives {name!r} only to people who have asked for it") from error
    except RepositoryNotFoundError as error:
        raise DownloadError(f"the hub has no public model {name!r}: look it up on huggingface.co/models") from error
    if weights and not any(scratch.glob("*.safetensors")):
        raise DownloadError(f"{name!r} has no weights as safetensors, and pickles are not read: choose another model")
    for file in scratch.iterdir():
        if file.is_file():  # and not the library's own notes
            file.rename(folder / file.name)


def _from_mirror(name: str, weights: bool, folder: Path) -> None:
    revision, files = _COPIES[name]
    for file, sha256 in files.items():
        if weights or not file.endswith(".safetensors"):
            address = f"{_MIRROR}/{name}/resolve/{revision}/{file}"
            url_download(f"{name} ({file})", [address], sha256, folder / file)
