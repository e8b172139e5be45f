"""The glossary: each term that a lesson prints in bold, in a sentence, with the lesson that it comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from helpers.course.build.lesson import Lesson
from helpers.course.project import Project

_BOLD = re.compile(r"(?<!\*)\*\*(?!\s)([^*\n]+?)(?<!\s)\*\*(?!\*)")
# Sentences, labels before sentences, numbers, quotations and keys of the keyboard are no terms.
_NO_TERM = re.compile(r"[.:?!]$|^(?:\S+\s+){5}|^“|^\d+$|^Think! |^Shift\+Enter$|^After this lesson you can$")


@dataclass(frozen=True)
class Words:
    """What `docs/glossary.yml` says: a sentence for each term, and what is bold without being one."""

    terms: dict[str, str]
    emphasis: frozenset[str]

    @classmethod
    def read(cls, path: Path) -> Words:
        known = yaml.safe_load(path.read_text("utf-8"))
        return cls(known["terms"], frozenset(word.lower() for word in known["emphasis"]))


def glossary_page(project: Project, lessons: list[Lesson]) -> str:
    """The page: a term in it is one that some lesson prints in bold."""
    words = Words.read(project.root / "docs" / "glossary.yml")
    first = first_places(lessons)
    entries = [
        f"{term}\n  {sentence} ([{first[key].title}](lessons/{first[key].name}.ipynb))\n"
        for term, sentence in sorted(words.terms.items(), key=lambda item: item[0].lower())
        if (key := _key(term)) in first
    ]
    intro = "The words that the lessons print in bold, and the lesson in which each comes first."
    return f"# Glossary\n\n{intro}\n\n::::{{glossary}}\n" + "\n".join(entries) + "::::\n"


def first_places(lessons: list[Lesson]) -> dict[str, Lesson]:
    """The first lesson in which each term is bold, by the term in small letters and the singular."""
    found: dict[str, Lesson] = {}
    for lesson in lessons:
        for cell in lesson.cells:
            if cell.kind == "markdown":
                for bold in _BOLD.findall(cell.source):
                    if not _NO_TERM.search(bold):
                        found.setdefault(_key(bold), lesson)
    return found


def unsorted(words: Words, lessons: list[Lesson]) -> list[str]:
    """Where the lessons and the list part, a line each: a bold word that is neither, or a term that no lesson has."""
    first = first_places(lessons)
    terms, emphasis = {_key(term) for term in words.terms}, {_key(word) for word in words.emphasis}
    lines = [
        f"{first[key].path.name}: **{key}** is not in docs/glossary.yml" for key in first.keys() - terms - emphasis
    ]
    return sorted(lines + [f"docs/glossary.yml: no lesson prints **{key}** in bold" for key in terms - first.keys()])


def _key(term: str) -> str:
    """Small letters and the singular: `Heads` and `head` are one term."""
    small = term.lower()
    return small.removesuffix("s") if small.endswith("s") and not small.endswith(("ss", "us", "is")) else small
