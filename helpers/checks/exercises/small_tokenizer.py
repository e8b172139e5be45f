"""A real tokenizer, but a tiny one, whose padding is not 0: made in a moment, and known piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers.checks.engine.draw import Draw

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# How each word is cut: the longest piece first that the vocabulary has, as BERT's tokenizer does it. Capitals count.
WORDS = {
    "a": ("a",),
    "the": ("the",),
    "and": ("and",),
    "but": ("but",),
    "good": ("good",),
    "slow": ("slow",),
    "story": ("story",),
    "film": ("film",),
    "films": ("film", "##s"),
    "plots": ("plot", "##s"),
    "actors": ("actor", "##s"),
    "slowly": ("slow", "##ly"),
    "unfilmable": ("un", "##film", "##able"),
    "unslowly": ("un", "##slow", "##ly"),
    "The": ("The",),
    "Film": ("Film",),
    "Slowly": ("Slow", "##ly"),
    "story.": ("story", "."),
    "films.": ("film", "##s", "."),
}
MARKS = ("[UNK]", "[CLS]", "[SEP]", "[MASK]", "[PAD]")


def draw_vocabulary(draw: Draw) -> dict[str, int]:
    """Number the pieces in a random order, in which 0 is a word."""
    pieces = sorted({piece for pieces in WORDS.values() for piece in pieces})
    rest = [piece for piece in pieces if piece != "film"] + list(MARKS)
    draw.random.shuffle(rest)
    return {piece: number for number, piece in enumerate(["film", *rest])}


def make_tokenizer(vocabulary: dict[str, int]) -> PreTrainedTokenizerBase:
    """Make a tokenizer of BERT's kind: pieces of words, between [CLS] and [SEP]."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(mark, vocabulary[mark]) for mark in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        pad_token="[PAD]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
