"""Checks of the exercises: each says in one line that an answer is right, or what is not right yet, and why.

`checks.dot_product_attention(DotProductAttention)` and so on. Nothing is imported for a check before it is called.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

from helpers.checks.engine.failure import CheckFailed

__all__ = [
    "EXERCISES",
    "CheckFailed",
    "additive_attention",
    "causal_mask",
    "decoder_block",
    "dot_product_attention",
    "option_probabilities",
    "pad_batch",
    "patchify",
    "positional_encoding",
    "self_attention",
    "transformer",
    "transformer_block",
    "weighted_average",
]


class Listed(NamedTuple):
    """What a table of exercises shows: title, number of the lesson, and the function here that checks it."""

    title: str
    lesson: str
    check: str


EXERCISES: dict[str, Listed] = {
    "0": Listed("a weighted average", "00", "weighted_average"),
    "1": Listed("additive attention", "01", "additive_attention"),
    "2": Listed("scaled dot-product attention", "02", "dot_product_attention"),
    "3": Listed("self-attention with several heads", "03", "self_attention"),
    "4": Listed("the Transformer block", "04", "transformer_block"),
    "5": Listed("positional encoding", "05", "positional_encoding"),
    "6a": Listed("the causal mask", "06", "causal_mask"),
    "6b": Listed("the decoder block", "06", "decoder_block"),
    "7": Listed("a Transformer that classifies texts", "07", "transformer"),
    "8": Listed("texts into a batch", "08", "pad_batch"),
    "9": Listed("how probable each option is", "09", "option_probabilities"),
    "10": Listed("a picture as a row of patches", "10", "patchify"),
}


def weighted_average(answer: Any, seed: int | None = None, record: bool = True) -> None:
    """Check exercise 0, `weighted_average(values, weights)`.

    Parameters
    ----------
    answer : function
        The student's.
    seed : int, optional
        Repeats a check with the sizes and numbers of a failure, which names its seed. Fresh ones if None.
    record : bool
        Whether this counts in the progress record.

    Raises
    ------
    CheckFailed
        The answer is not right yet; the message says why.
    """
    _check("0", answer, seed, record)


def additive_attention(answer: Any, seed: int | None = None, record: bool = True) -> None:
    """Check exercise 1, `AdditiveAttention(query_dim, key_dim, hidden_dim)`, against the formula.

    Parameters
    ----------
    answer : class
        The student's class itself.
    seed : int, optional
        Repeats a check with the sizes and numbers of a failure, which names its seed. Fresh ones if None.
    record : bool
        Whether this counts in the progress record.

    Raises
    ------
    CheckFailed
        The answer is not right yet; the message says why.
    """
    _check("1", answer, seed, record)


def dot_product_attention(answer: Any, seed: int | None = None, record: bool = True) -> None:
    """Check exercise 2, `DotProductAttention(dropout)`, against torch's scaled_dot_product_attention.

    Parameters
    ----------
    answer : class
        The student's class itself.
    seed : int, optional
        Repeats a check with the sizes and numbers of a failure, which names its seed. Fresh ones if None.
    record : bool
        Whether this counts in the progress record.

    Raises
    ------
    CheckFailed
        The answer is not right yet; the message says why.
    """
    _check("2", answer, seed, record)


def self_attention(answer: Any, seed: int | None = None, record: bool = True) -> None:
    """Check exercise 3, `SelfAttention(embed_dim, num_heads, head_dim, dropout, bias)`, against torch's functions.

    Parameters
    ----------
    answer : class
        The student's class itself.
    seed : int, optional
        Repeats a check with the sizes and numbers of a failure, which names its seed. Fresh ones if None.
    record : bool
        Whether this counts in the progress record.

    Raises
    ------
    CheckFailed
        The answer is not right yet; the message says why.
    """
    _check("3", answer, seed, record)


def transformer_block(answer: Any, seed: int | None = None, record: bool = True) -> None:
    """Check exercise 4, `TransformerBlock(embed_dim, num_heads, ...)`, against torch's functions.

    Parameters
    ----------
    answer : class
        The student's class itself.
    seed : int, optional
        Repeats a check with the sizes and numbers of a failure, which names its seed. Fresh ones if None.
    record : bool
        Whether this counts in the progress record.

    Raises
    ------
    CheckFailed
        The answer is not right yet; the message says why.
    """
    _check("4", answer, seed, record)


def positional_encoding(answer: Any, seed: int | None = None, record: bool = True) -> None:
    """Check exercise 5, `PositionalEncoding(embed_dim, dropout, max_len)`, against the formula in plain Python.

    Parameters
    ----------
    answer : class
        The student's class itself.
    seed : int, optional
        Repeats a check with the sizes and numbers of a failure, which names its seed. Fresh ones if None.
    record : bool
        Whether this counts in the progress record.

    Raises
    ------
    CheckFailed
        The answer is not right yet; the message says why.
    """
    _check("5", answer, seed, record)


def causal_mask(answer: Any, seed: int | None = None, record: bool = True) -> None:
    """Check exercise 6a, `causal_mask(t)`, against the definition, a place at a time.

    Parameters
    ----------
    answer : function
        The student's function itself.
    seed : int, optional
        Repeats a check with the sizes and numbers of a failure, which names its seed. Fresh ones if None.
    record : bool
        Whether this counts in the progress record.

    Raises
    ------
    CheckFailed
        The answer is not right yet; the message says why.
    """
    _check("6a", answer, seed, record)


def decoder_block(answer: Any, seed: int | None = None, record: bool = True) -> None:
    """Check exercise 6b, `DecoderBlock(embed_dim, num_heads, hidden_dim, dropout)`, against torch's functions.

    Parameters
    ----------
    answer : class
        The student's class itself.
    seed : int, optional
        Repeats a check with the sizes and numbers of a failure, which names its seed. Fresh ones if None.
    record : bool
        Whether this counts in the progress record.

    Raises
    ------
    CheckFailed
        The answer is not right yet; the message says why.
    """
    _check("6b", answer, seed, record)


def transformer(answer: Any, seed: int | None = None, record: bool = True) -> None:
    """Check exercise 7, `Transformer(embed_dim, num_heads, depth, max_len, vocab_size, num_classes)`.

    Parameters
    ----------
    answer : class
        The student's class itself.
    seed : int, optional
        Repeats a check with the sizes and numbers of a failure, which names its seed. Fresh ones if None.
    record : bool
        Whether this counts in the progress record.

    Raises
    ------
    CheckFailed
        The answer is not right yet; the message says why.
    """
    _check("7", answer, seed, record)


def pad_batch(answer: Any, seed: int | None = None, record: bool = True) -> None:
    """Check exercise 8, `pad_batch(batch, tokenizer, max_len)`, against batches put together piece by piece.

    Parameters
    ----------
    answer : function
        The student's.
    seed : int, optional
        Repeats a check with the sizes and numbers of a failure, which names its seed. Fresh ones if None.
    record : bool
        Whether this counts in the progress record.

    Raises
    ------
    CheckFailed
        The answer is not right yet; the message says why.
    """
    _check("8", answer, seed, record)


def option_probabilities(answer: Any, seed: int | None = None, record: bool = True) -> None:
    """Check exercise 9, `option_probabilities(text, model, tokenizer)`, on tiny masked language models.

    Parameters
    ----------
    answer : function
        The student's.
    seed : int, optional
        Repeats a check with the sizes and numbers of a failure, which names its seed. Fresh ones if None.
    record : bool
        Whether this counts in the progress record.

    Raises
    ------
    CheckFailed
        The answer is not right yet; the message says why.
    """
    _check("9", answer, seed, record)


def patchify(answer: Any, seed: int | None = None, record: bool = True) -> None:
    """Check exercise 10, `patchify(images, patch)`, against patches that are cut out one at a time.

    Parameters
    ----------
    answer : function
        The student's.
    seed : int, optional
        Repeats a check with the sizes and numbers of a failure, which names its seed. Fresh ones if None.
    record : bool
        Whether this counts in the progress record.

    Raises
    ------
    CheckFailed
        The answer is not right yet; the message says why.
    """
    _check("10", answer, seed, record)


def _check(exercise: str, answer: Any, seed: int | None, record: bool) -> None:
    engine = import_module("helpers.checks.engine.run")
    chosen = import_module(f"helpers.checks.exercises.exercise_{exercise}").EXERCISE
    engine.run_check(chosen, answer, seed, record)
