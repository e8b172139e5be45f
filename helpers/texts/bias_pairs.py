"""Pairs of sentences of which one says more of a stereotype: the course's own, or CrowS-Pairs' 1,508."""

from __future__ import annotations

import csv
import logging
import os
from pathlib import Path
from typing import NamedTuple

from helpers.downloads import DownloadError

_COLUMNS = ("sent_more", "sent_less", "stereo_antistereo", "bias_type")
_OWN = Path(__file__).parents[1] / "assets" / "bias_pairs.csv"

_log = logging.getLogger(__name__)


class Pair(NamedTuple):
    """Two sentences that differ in little but the group that they name.

    Attributes
    ----------
    more
        The sentence that says more of a stereotype.
    less
        The sentence that says less of it.
    direction
        "stereo" where `more` states a stereotype of a disadvantaged group, "antistereo" where `less` goes against it.
    category
        Such as "gender" or "race-color", as CrowS-Pairs names them.
    """

    more: str
    less: str
    direction: str
    category: str


def load_pairs(data: str | None = None) -> list[Pair]:
    """Load pairs to measure a masked language model with.

    Parameters
    ----------
    data
        ``"sample"``: 90 pairs that were written for this course (helpers/assets/bias_pairs.md says how). ``"full"``:
        CrowS-Pairs; where it cannot be had, the sample, and a line that says so. ``None``: what `COURSE_DATA` says,
        else the sample.

    Raises
    ------
    ValueError
        `data` is something else.
    """
    chosen = data or os.environ.get("COURSE_DATA") or "sample"
    if chosen not in {"sample", "full"}:
        raise ValueError(f"{'data' if data else 'COURSE_DATA'} is {chosen!r}: choose 'sample' or 'full'.")
    if chosen == "full":
        try:
            return load_crows_pairs()
        except DownloadError as error:
            _log.warning("%s Using the course's own pairs.", error)
    return read_pairs(_OWN)


def load_crows_pairs() -> list[Pair]:
    """Load CrowS-Pairs, 1,508 pairs in nine categories (Nangia et al. 2020, CC BY-SA 4.0), downloaded once.

    Raises
    ------
    helpers.downloads.DownloadError
        When it is not in the cache and cannot be had.
    """
    from helpers.texts.crows_pairs_file import fetch_crows_pairs

    return read_pairs(fetch_crows_pairs())


def read_pairs(path: Path) -> list[Pair]:
    """Read a CSV file with CrowS-Pairs' columns.

    Raises
    ------
    ValueError
        A column is missing.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if missing := [column for column in _COLUMNS if column not in (rows.fieldnames or ())]:
            raise ValueError(f"{path} has no column {missing[0]!r}: it should have {', '.join(_COLUMNS)}.")
        return [Pair(*(row[column] for column in _COLUMNS)) for row in rows]
