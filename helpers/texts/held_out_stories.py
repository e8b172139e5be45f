"""Stories that the storyteller has not read: excerpts of the three books that were kept out of its training."""

from __future__ import annotations

import re
from pathlib import Path

_FILE = Path(__file__).parents[1] / "assets" / "held_out_stories.txt"


def held_out_stories() -> dict[str, str]:
    """Read the excerpts; the card beside them, `helpers/assets/held_out_stories.md`, says where they come from.

    Returns
    -------
    dict[str, str]
        Title -> text, a paragraph a line, cleaned as the books were that the storyteller learned from.
    """
    _, *parts = re.split(r"^== (.+) ==\n", _FILE.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))
