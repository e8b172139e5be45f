"""The repository's address inside badges and install lines, written there from `pyproject.toml`."""

from __future__ import annotations

import re

_SLUG = r"[\w.-]+/[\w.-]+"
# What leads to the repository from a lesson or the README: group 1, the slug, group 2, the branch.
_ADDRESSES = [
    re.compile(rf"(colab\.research\.google\.com/github/){_SLUG}(/blob/)([\w.-]+)"),
    re.compile(rf"(mybinder\.org/v2/gh/){_SLUG}(/)([\w.-]+)"),
]
_INSTALL = re.compile(rf"(git\+https://github\.com/){_SLUG}")
_NOTEBOOK = re.compile(r"((?:/notebooks/|notebooks%2F))[\w-]+(\.ipynb)")


def with_slug(text: str, slug: str, branch: str) -> str:
    """`text` with every badge and install line leading to `slug`."""
    for address in _ADDRESSES:
        text = address.sub(rf"\g<1>{slug}\g<2>{branch}", text)
    return _INSTALL.sub(rf"\g<1>{slug}", text)


def with_own_notebook(text: str, name: str) -> str:
    """`text`, a lesson's source, with its badges opening the lesson `name` and no other."""
    lines = []
    for line in text.splitlines(keepends=True):
        is_badge = any(address.search(line) for address in _ADDRESSES)
        lines.append(_NOTEBOOK.sub(rf"\g<1>{name}\g<2>", line) if is_badge else line)
    return "".join(lines)
