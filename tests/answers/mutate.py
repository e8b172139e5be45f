"""Make a wrong answer out of a right one by changing its source."""

from __future__ import annotations

import inspect
import itertools
import linecache
import sys
import textwrap
from typing import Any

_count = itertools.count()


def mutated(answer: type, *changes: tuple[str, str]) -> Any:
    """Return the class that results when, in `answer`'s source, each first text is replaced by the second.

    The first text must be there, so that a mutation cannot silently become a right answer.
    """
    source = inspect.getsource(answer)
    for old, new in changes:
        assert old in source, f"{old!r} is not in {answer.__name__}"
        source = source.replace(old, new)
    return defined(source, answer.__name__, vars(sys.modules[answer.__module__]))


def defined(source: str, name: str, namespace: dict[str, Any]) -> Any:
    """Run source as a notebook runs a cell, and return what it defines as `name`."""
    source = textwrap.dedent(source)
    file = f"<answer {next(_count)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    scope = {**namespace, "__name__": "student"}
    exec(compile(source, file, "exec"), scope)
    return scope[name]
