"""Story books as plain text, as Project Gutenberg has them: a folder of files, cleaned the same way each time."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

# Old books are typed in many ways; one way leaves more of a small vocabulary for words.
_MARKS = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "—": "--", "_": ""})
_END_OF_PARAGRAPH = re.compile(r"\n\s*\n")
# What ends otherwise is a heading, a line of a table of contents, or a name below a picture.
_ENDS_AS_SENTENCES_DO = re.compile(r"""[.!?,:;]['")\]]*$|--['"]?$""")


def read_books(folder: Path, held_out: Collection[str] = ()) -> tuple[dict[str, str], dict[str, str]]:
    """Read every `.txt` file of a folder: its title is the file's name.

    Parameters
    ----------
    folder
        Plain text in UTF-8, licence header and footer taken off.
    held_out
        Titles of the books to measure on.

    Returns
    -------
    tuple[dict[str, str], dict[str, str]]
        The books to train on and the held-out ones, cleaned: title -> text, a paragraph a line.

    Raises
    ------
    FileNotFoundError
        There is no `.txt` file, or a held-out book is missing.
    """
    books = {path.stem: clean(path.read_text("utf-8")) for path in sorted(folder.glob("*.txt"))}
    missing = sorted(set(held_out) - set(books))
    if not books or missing:
        wanted = f"the held-out {', '.join(missing)}" if books else "books, one .txt file each"
        raise FileNotFoundError(f"{folder} should hold {wanted}, and does not.")
    return {t: b for t, b in books.items() if t not in held_out}, {t: b for t, b in books.items() if t in held_out}


def clean(text: str) -> str:
    """Put each paragraph on a line of its own, with straight quotation marks; leave out headings and contents."""
    paragraphs = (" ".join(part.split()) for part in _END_OF_PARAGRAPH.split(text.translate(_MARKS)))
    return "".join(f"{paragraph}\n" for paragraph in paragraphs if _ENDS_AS_SENTENCES_DO.search(paragraph))
