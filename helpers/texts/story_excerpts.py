"""The beginnings of three old books that the storyteller has not read, to measure a model of language on."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "assets" / "story_excerpts"


def read_excerpts() -> dict[str, str]:
    """Return about 12,000 characters of each book by its title, such as "Peter Pan": a paragraph a line.

    They are in the public domain in the USA; `helpers/assets/story_excerpts/README.md` says where they come from.
    """
    return {_title(path.stem): path.read_text("utf-8") for path in sorted(_FOLDER.glob("*.txt"))}


def _title(stem: str) -> str:
    return " ".join(word if word == "of" else word.capitalize() for word in stem.split("-"))
