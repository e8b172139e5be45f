"""An answer that works on plain Python values: called on copies, and told where it changes what it was handed."""

from __future__ import annotations

import copy
from typing import Any

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.trouble import Trouble, wrong_kind


def call_on_copy(subject: Subject, *given: Any, names: tuple[str, ...]) -> Any:
    """Call the answer and return what it returns.

    Raises
    ------
    Trouble
        It stops, or it changes what it was handed.
    """
    handed = copy.deepcopy(given)
    value = subject.call(subject.answer, *handed, name=subject.name)
    for name, before, after in zip(names, given, handed, strict=True):
        if before != after:
            sentence = f"`{subject.name}` changes its input `{name}`, which belongs to the caller. Leave it as it was."
            raise Trouble(sentence, "edited", name)
    return value


def insist_on_kind(value: Any, kind: type, name: str, wanted: str) -> None:
    """Refuse what is not of this kind.

    Raises
    ------
    Trouble
        It is something else.
    """
    if isinstance(value, kind):
        return
    if value is None or value is ...:
        raise wrong_kind(value, name, wanted)
    told = {"list": "a list", "set": "a set", "str": "a single string", "dict": "a dict", "int": "a number"}
    other = told.get(type(value).__name__, type(value).__name__)
    raise Trouble(f"`{name}` returns {other} where {wanted} is wanted.", "kind", type(value).__name__)


def shown(value: Any, most: int = 120) -> str:
    """Return a value as Python writes it, shortened."""
    text = repr(value)
    return text if len(text) <= most else text[: most - 1] + "…"
