"""CrowS-Pairs, the file: 1,508 pairs of sentences, of which one says more of a stereotype than the other.

Nangia, Vania, Bhalerao & Bowman, "CrowS-Pairs: A Challenge Dataset for Measuring Social Biases in Masked Language
Models", EMNLP 2020, CC BY-SA 4.0. The authors ask that no language model be trained on it.
"""

from __future__ import annotations

from pathlib import Path

from helpers.downloads import fetch_file

_NAME = "crows_pairs_anonymized.csv"
_SHA256 = "dfb36986ce0502abbaf7055b9176da3d08d48e07df1251991b5dfbcbceab9d0c"
# Its home; and a copy of it in another repository, at a fixed commit and from another host. The hash holds for both.
_ADDRESSES = (
    f"https://raw.githubusercontent.com/nyu-mll/crows-pairs/master/data/{_NAME}",
    f"https://cdn.jsdelivr.net/gh/McGill-NLP/bias-bench@aba440322fb38600f7790e457a17941f0b12bf20/data/crows/{_NAME}",
)


def fetch_crows_pairs() -> Path:
    """Return the place in the cache of the CSV file as it was published, downloaded at the first call.

    Raises
    ------
    helpers.downloads.DownloadError
        When it cannot be had. The message says why, and what to do.
    """
    return fetch_file(
        "CrowS-Pairs",
        _ADDRESSES,
        _SHA256,
        folder="crows-pairs",
        name=_NAME,
        instead='Until then, DATA = "sample" measures with the course\'s own pairs.',
    )
