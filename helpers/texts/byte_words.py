"""Text as words of bytes, where byte-pair encoding begins: every byte as a character that can be seen, and back.

The characters are those of GPT-2's tokenizer (Radford et al. 2019), which Hugging Face `tokenizers` calls `ByteLevel`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers.pre_tokenizers import ByteLevel

Word = tuple[str, ...]  # the pieces of a word; at first, a character for each byte


def _characters() -> dict[int, str]:
    """A character for each byte: its own in Latin-1 where that can be seen, else the next one from U+0100 on."""
    unseen = itertools.count(0x100)
    hidden = {*range(0x21), *range(0x7F, 0xA1), 0xAD}  # control signs, both spaces, the soft hyphen
    return {byte: chr(next(unseen)) if byte in hidden else chr(byte) for byte in range(256)}


CHARACTERS = _characters()
ALPHABET = sorted(CHARACTERS.values())  # by number of Unicode: the order in which a vocabulary numbers them
_BYTES = {character: byte for byte, character in CHARACTERS.items()}


def split_words(text: str) -> list[Word]:
    """Cut a text into words, each a tuple with a character for each of its bytes. No byte is lost.

    A space goes to the word that follows it, and is written `Ġ`. Letters, digits and other signs are never in one word.

    Raises
    ------
    ValueError
        The text holds half of a character, which has no bytes.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X}"
        raise ValueError(f"Character {error.start} of the text is {half}, half of a character: leave it out.") from None
    return [tuple(word) for word, _ in _splitter().pre_tokenize_str(text)]


def count_words(texts: Iterable[str]) -> dict[Word, int]:
    """Return each different word of the texts, as `split_words` cuts them, and how often it comes."""
    return dict(Counter(word for text in texts for word in split_words(text)))


def to_bytes(pieces: Iterable[str]) -> bytes:
    """Return the bytes that pieces stand for."""
    return bytes(_BYTES[character] for piece in pieces for character in piece)


def join_pieces(pieces: Iterable[str]) -> str:
    """Put pieces together, and return their bytes as text: `�` stands where they are no whole character."""
    return to_bytes(pieces).decode("utf-8", errors="replace")


@cache
def _splitter() -> ByteLevel:
    from tokenizers.pre_tokenizers import ByteLevel

    return ByteLevel(add_prefix_space=False)
