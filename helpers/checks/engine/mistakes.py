"""Misconceptions as changes to the source of a reference layer: compiled when a check has failed, not before."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ENTRY = re.compile(r"((?:^\S.*\n)+)((?:^ .*\n)+)", re.M)
Change = tuple[str, str]  # what stands in the source, wherever it does, and what a student wrote in its place


@dataclass(frozen=True)
class Mistake:
    """A wrong implementation, and the sentence for a student whose answer does the same.

    Attributes
    ----------
    name, sentence : str
        The sentence says what is done, and what should be.
    changes : sequence of (str, str)
        Made one after the other to the source of the references; all of it must be there.
    references : sequence of classes or functions
        Right as they stand. The last one is the answer; those before it are what it is made of.
    names : mapping
        What the changed source may use besides that module's own names.
    hint : int
        Number of the lesson's folded hint that is about it; 0 where the failing step says that.
    """

    name: str
    sentence: str
    changes: tuple[Change, ...]
    references: tuple[Any, ...]
    names: Mapping[str, Any]
    hint: int = 0

    @functools.cached_property
    def problem(self) -> str:
        """Why the changes cannot be made to the references; "" where they can, to which the build sees."""
        try:
            self.answer  # noqa: B018
        except (ValueError, SyntaxError) as error:
            return str(error)
        return ""

    @property
    def source(self) -> str:
        """The changed source; a ValueError where a change cannot be made."""
        source = "\n".join(map(_source, self.references))
        for old, new in self.changes:
            if old not in source:
                raise ValueError(f"{self.name!r} changes {old!r}, which is not in {self.references[-1].__name__}.")
            source = source.replace(old, new)
        return source

    @functools.cached_property
    def answer(self) -> Any:
        """The class or function that the changed source defines."""
        right = self.references[-1]
        scope = {**vars(sys.modules[right.__module__]), **self.names}
        exec(compile(self.source, f"<{self.name}>", "exec"), scope)
        return scope[right.__name__]


class Mistakes(list[Mistake]):
    """The misconceptions of an exercise. Where two explain an answer equally well, the one that stands first is taken.

    Parameters
    ----------
    *references, **names
        As in `Mistake`.
    always
        Changes that leave the reference right, and that every mistake is made on top of.
    """

    def __init__(self, *references: Any, always: tuple[Change, ...] = (), **names: Any) -> None:
        super().__init__()
        self._references, self._always, self._names = references, always, names

    def add(self, name: str, sentence: str, *changes: Change) -> None:
        """Add a misconception: its name, its sentence, and what it changes."""
        name, _, hint = name.removesuffix(")").partition(" (hint ")
        all_changes = (*self._always, *changes)
        self.append(Mistake(name, sentence, all_changes, self._references, self._names, int(hint or 0)))

    def read(self, text: str) -> Mistakes:
        r"""Add misconceptions from a table: "name: sentence", and indented below it "old => new" for each change.

        In a change, "\n" begins a new line, and "=> new" may stand in a line of its own. At a line that begins with
        "or", another way of making the mistake begins. "name (hint 2): sentence" says which hint is about it.
        """
        table = textwrap.dedent(text).strip("\n") + "\n"
        if _ENTRY.sub("", table).strip():
            raise ValueError(f"This is no table of mistakes: {_ENTRY.sub('', table).strip()!r}")
        for told, ways in _ENTRY.findall(table):
            name, sentence = " ".join(told.splitlines()).split(": ", 1)
            for way in re.split(r"^ +or ", re.sub(r"\n +=>", " =>", ways), flags=re.M):
                pairs = (line.replace(r"\n", "\n").partition("=>") for line in way.splitlines())
                self.add(name, sentence, *((old.strip(" "), new.strip(" ")) for old, _, new in pairs))
        return self


@functools.cache
def _source(reference: Any) -> str:
    return inspect.getsource(reference)
