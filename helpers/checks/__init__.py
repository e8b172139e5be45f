"""Checks of the exercises: each says in one line that an answer is right, or what is not right yet, and why.

`checks.dot_product_attention(DotProductAttention)` and so on. Nothing is imported for a check before it is called.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from helpers.checks.engine.failure import CheckFailed

if TYPE_CHECKING:
    from helpers.checks.engine.exercise import Exercise

__all__ = [
    "EXERCISES",
    "CheckFailed",
    "additive_attention",
    "causal_mask",
    "count_pairs",
    "decoder_block",
    "dot_product_attention",
    "exercise_of",
    "grouped_query_attention",
    "induction_scores",
    "lora_linear",
    "merge_pair",
    "option_probabilities",
    "pad_batch",
    "patchify",
    "positional_encoding",
    "quantize_rows",
    "rotate",
    "self_attention",
    "top_p",
    "transformer",
    "transformer_block",
    "weighted_average",
    "without_heads",
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
    "3": Listed("self-attention with many heads", "03", "self_attention"),
    "4": Listed("the Transformer block", "04", "transformer_block"),
    "5": Listed("positional encoding", "05", "positional_encoding"),
    "6a": Listed("the causal mask", "06", "causal_mask"),
    "6b": Listed("the decoder block", "06", "decoder_block"),
    "7": Listed("a Transformer that classifies texts", "07", "transformer"),
    "8": Listed("texts into a batch", "08", "pad_batch"),
    "9": Listed("how probable each option is", "09", "option_probabilities"),
    "10": Listed("a picture as a row of patches", "10", "patchify"),
    "11a": Listed("the pairs of neighbouring pieces", "11", "count_pairs"),
    "11b": Listed("a pair merged", "11", "merge_pair"),
    "12a": Listed("rotary positions", "12", "rotate"),
    "12b": Listed("grouped-query attention with a cache", "12", "grouped_query_attention"),
    "12c": Listed("top-p", "12", "top_p"),
    "13a": Listed("the score of an induction head", "13", "induction_scores"),
    "13b": Listed("without these heads", "13", "without_heads"),
    "14a": Listed("a low-rank adapter", "14", "lora_linear"),
    "14b": Listed("weights in few bits", "14", "quantize_rows"),
}


def exercise_of(number: str) -> Exercise:
    """Return what the check of an exercise knows, by its id: "6b" stands in `exercises/ex_06b.py`."""
    digits = number.rstrip("abc")
    module = import_module(f"helpers.checks.exercises.ex_{digits:0>2}{number[len(digits) :]}")
    exercise: Exercise = module.EXERCISE
    return exercise


class _Check:
    """The check of one exercise: hand it your class or your function itself."""

    def __init__(self, number: str) -> None:
        self._number = number

    def __call__(self, answer: Any, seed: int | None = None, record: bool = True) -> None:
        """Check an answer: one line if it is right.

        Parameters
        ----------
        answer : class or function
            The student's own, not called.
        seed : int, optional
            Repeats a check with the sizes and numbers of a failure, which has it as `seed`. Fresh ones if None.
        record : bool
            Whether this counts in the progress record, and hints may be offered.

        Raises
        ------
        CheckFailed
            The answer is not right yet; the message says why.
        """
        run = import_module("helpers.checks.engine.run")
        run.run_check(exercise_of(self._number), answer, seed, record)


weighted_average = _Check("0")
additive_attention = _Check("1")
dot_product_attention = _Check("2")
self_attention = _Check("3")
transformer_block = _Check("4")
positional_encoding = _Check("5")
causal_mask = _Check("6a")
decoder_block = _Check("6b")
transformer = _Check("7")
pad_batch = _Check("8")
option_probabilities = _Check("9")
patchify = _Check("10")
count_pairs = _Check("11a")
merge_pair = _Check("11b")
rotate = _Check("12a")
grouped_query_attention = _Check("12b")
top_p = _Check("12c")
induction_scores = _Check("13a")
without_heads = _Check("13b")
lora_linear = _Check("14a")
quantize_rows = _Check("14b")
