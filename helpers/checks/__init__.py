"""Checks of the exercises: each says in one line that an answer is right, or what is not right yet, and why.

`checks.dot_product_attention(DotProductAttention)` and so on. Nothing is imported for a check before it is called.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

from helpers.checks.failure import CheckFailed

__all__ = [
    "EXERCISES",
    "CheckFailed",
    "dot_product_attention",
    "positional_encoding",
    "self_attention",
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
    "2": Listed("scaled dot-product attention", "02", "dot_product_attention"),
    "3": Listed("self-attention with several heads", "03", "self_attention"),
    "4": Listed("the Transformer block", "04", "transformer_block"),
    "5": Listed("positional encoding", "05", "positional_encoding"),
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


def _check(exercise: str, answer: Any, seed: int | None, record: bool) -> None:
    engine = import_module("helpers.checks.engine")
    chosen = import_module(f"helpers.checks.exercise_{exercise}").EXERCISE
    engine.run_check(chosen, answer, seed, record)
