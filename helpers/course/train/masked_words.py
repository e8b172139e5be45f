"""Make the masked language model that ships with the course, and its card: train the embedded encoder and a head on."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from helpers.course.train.word_vectors import digest
from helpers.downloads import DownloadError, cache_dir
from helpers.models.masked_word_weights import SHIPPED
from helpers.texts.corpora import read_sentences

HELP = "train the masked language model that ships with the course, on texts that NLTK distributes (two hours)"

# How often a corpus comes by while the others come by once: Brown holds the widest choice of written English.
CORPORA = {"brown": 3, "movie_reviews": 1, "abc": 1, "webtext": 1, "state_union": 1, "inaugural": 1}
# Every twentieth of Brown's 500 texts, which stand there by kind of text, is kept out.
HELD_OUT_EVERY = 20

CARD = """\
# Masked words

`masked_words.safetensors` is what training changed in the embedded encoder (all-MiniLM-L6-v2, Apache 2.0), and a
head that scores words: half-precision differences, which `helpers.pretrained.load_masked_language_model()` adds to the
encoder's weights. The result is an ordinary `BertForMaskedLM`. The file's SHA-256 is
`{sha256}`.

## How good it is

Of the texts that it was not trained on ({held_out_texts} of Brown's {brown_texts}), 15% of the tokens were hidden
(80% of those masked, 10% replaced by a random one, 10% left as they were). The cross-entropy of the hidden tokens is
**{loss:.2f} nats**. Before training, it was {loss_before:.2f}.

## Trained on what

{corpora}

Brown's texts come by {brown_times} times for each time that the others do.

## How

{steps:,} steps of about {tokens:,} tokens, in pieces of at most {piece} tokens, {masked:.0%} of the tokens hidden.
AdamW, learning rate {learning_rate:g} at its highest, falling to 0; no dropout; seed {seed}. All six layers and the
head were trained, the embeddings were not.

## Make it again

    python -m helpers.course train-masked-words

A run that was stopped goes on where it was. Another computer rounds differently, so its numbers differ slightly.

## Licence

The Brown corpus and NLTK's film reviews are for non-commercial use, and so is what is made from them: this file too.

## What it does badly

BERT-base's layers have eight times as many weights, and learned to guess words from far more text. This one has a
fair grasp of which kind of word fits (a verb, a name, a number), and a weak one of facts: it does not know capitals
or dates. It follows a few words around the gap and loses a thread that goes back further, and it prefers frequent
words. Half of its texts are from 1961 or are film reviews: expect what was printed there about men, women and
peoples. It is here to be questioned about that, and for nothing else.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, default=SHIPPED.parent, help="folder to write to (default: helpers/assets)"
    )
    parser.add_argument("--steps", type=int, default=8600, help="of about 1,000 tokens each (default: 8600)")
    parser.add_argument("--learning-rate", type=float, default=5e-4, help="at its highest (default: 5e-4)")
    parser.add_argument("--seed", type=int, default=2021, help="another one gives another model (default: 2021)")
    parser.add_argument("--from-start", action="store_true", help="do not go on from a run that was stopped")


def run(args: argparse.Namespace) -> int:
    from tqdm.auto import tqdm

    from helpers.course.train.masked_word_training import (
        MASKED_IN_TRAINING,
        PIECE,
        STEPS_PER_CHECKPOINT,
        TOKENS_PER_STEP,
        Trainer,
        cut,
    )
    from helpers.device import set_device
    from helpers.models.files import encoder_files
    from helpers.models.masked_word_weights import save_difference
    from helpers.pretrained import load_tokenizer

    started = time.perf_counter()
    try:
        train, test = read_corpora()
        encoder = encoder_files()
    except DownloadError as error:
        print(error, file=sys.stderr)
        return 1
    tokenizer = load_tokenizer()
    pieces = {name: cut(texts, tokenizer) for name, texts in train.items()}
    test_pieces = cut(test, tokenizer)
    trainer = Trainer(
        [piece for name, own in pieces.items() for piece in own * CORPORA.get(name, 1)],
        tokenizer,
        encoder,
        steps=args.steps,
        learning_rate=args.learning_rate,
        seed=args.seed,
        device=set_device(),
    )
    loss_before = trainer.test_loss(test_pieces)
    print(f"held-out loss before training: {loss_before:.2f} nats", flush=True)
    checkpoint = cache_dir() / "masked_words" / "checkpoint.pt"
    if not args.from_start and trainer.resume(checkpoint):
        print(f"Going on from step {trainer.step} of a run that was stopped (--from-start begins anew).", flush=True)
    print(f"Ctrl-C stops: the state is kept every {STEPS_PER_CHECKPOINT} steps, and the same command goes on.")
    mean = None
    with tqdm(total=args.steps, initial=trainer.step, desc="Training", unit=" steps", smoothing=0.02) as bar:
        for loss in trainer.train(checkpoint):
            mean = loss if mean is None else 0.99 * mean + 0.01 * loss
            bar.set_postfix(loss=f"{mean:.3f}", refresh=False)
            bar.update()

    file, card = args.output / SHIPPED.name, args.output / SHIPPED.with_suffix(".md").name
    save_difference(trainer.model, encoder, file)
    trainer.set_weights(file)  # what is measured is what a student will load
    loss = trainer.test_loss(test_pieces)
    texts = len(train["brown"]) + len(test)
    card_text = CARD.format(
        sha256=digest(file),
        held_out_texts=len(test),
        brown_texts=texts,
        loss=loss,
        loss_before=loss_before,
        corpora="\n".join(
            f"- {NAMES[name]}: {sum(map(len, own)) - 2 * len(own):,} tokens" for name, own in pieces.items()
        ),
        brown_times=CORPORA["brown"],
        steps=args.steps,
        tokens=TOKENS_PER_STEP,
        piece=PIECE,
        masked=MASKED_IN_TRAINING,
        learning_rate=args.learning_rate,
        seed=args.seed,
    )
    card.write_text(card_text, "utf-8")
    print(f"held-out loss {loss:.2f} nats. Written: {file}, {card}. {time.perf_counter() - started:.0f} s")
    return 0


NAMES = {
    "brown": "Brown corpus (Francis & Kučera 1964, American English printed in 1961), without the held-out texts",
    "movie_reviews": "film reviews (Pang & Lee 2004)",
    "abc": "Australian Broadcasting Commission, rural and science news of 2006",
    "webtext": "web text: forums, overheard conversations, advertisements, wine reviews",
    "state_union": "State of the Union addresses, 1945 to 2006",
    "inaugural": "inaugural addresses of US presidents",
    "rated_sentences": "the training part of the course's rated sentences (Hutto & Gilbert 2014)",
}


def read_corpora() -> tuple[dict[str, list[list[str]]], list[list[str]]]:
    """Read every corpus as texts, each a list of sentences: those to train on by corpus, and the held-out ones.

    Raises
    ------
    DownloadError
        One is neither on this computer nor to be had.
    """
    from helpers.texts.rated_sentences import load_rated_sentences

    train = {name: read_sentences(name) for name in CORPORA}
    brown = train["brown"]
    test = brown[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]
    train["brown"] = [text for place, text in enumerate(brown, start=1) if place % HELD_OUT_EVERY]
    train["rated_sentences"] = [[sentence] for sentence in load_rated_sentences()["train"]["text"]]
    return train, test
