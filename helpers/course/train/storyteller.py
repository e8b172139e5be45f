"""Make the storyteller that ships with the course, and its card, from a folder of story books."""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

from helpers.downloads import cache_dir
from helpers.models.storyteller import ASSETS, VOCABULARY, WEIGHTS
from helpers.texts.storybooks import read_books

HELP = "train the storyteller that ships with the course, on a folder of plain text books (two hours)"

HELD_OUT = ("the-wonderful-wizard-of-oz", "peter-pan", "the-orange-fairy-book")

CARD = """\
# The storyteller

A decoder of Llama's kind with {weights:,} weights (8 blocks, width 256, 8 query heads and 4 key heads, SwiGLU 688,
tied embeddings), trained from nothing by this course to continue stories. `helpers.pretrained.load_storyteller()` gives
an ordinary `transformers.LlamaForCausalLM` and its tokenizer: byte-pair encoding on bytes, {vocabulary:,} tokens.

| file | holds | SHA-256 |
|---|---|---|
| `{weights_file}` | weights in float16 | `{weights_sha256}` |
| `{vocabulary_file}` | vocabulary, as Hugging Face `tokenizers` saves it | `{vocabulary_sha256}` |

## How good it is

On {test_titles}, which it was not trained on ({test_tokens:,} tokens, in windows of {window}): **{loss:.2f} nats a
token**, perplexity {perplexity:.1f}, **{bits:.2f} bits a byte**.

## Trained on what

{books} books from Project Gutenberg, in the public domain in the USA, licence header and footer taken off, headings
and contents left out, quotation marks made straight: {bytes:,} bytes, {words:,} words, {tokens:,} tokens.

{titles}

## How

{steps:,} steps of {per_step:,} tokens in windows of {window}, {passes:.1f} times through the books. Matrices
inside the blocks by Muon, embeddings and norms by AdamW; the learning rate rises to {learning_rate:g} within
{warm_up:.0%} of the steps and falls to 0 as a cosine does; weight decay {decay:g}, gradients clipped at norm 1, no
dropout; seed {seed}.

## Make it again

    python -m helpers.course train-storyteller FOLDER

on a folder with these books as `.txt` files. A run that was stopped goes on where it was. Another computer rounds
differently, so its numbers differ slightly.

## What it does badly

It has read only old stories: it knows princesses, woods and tin woodmen, and nothing of today. It keeps up the tone of
a tale and often a sentence's grammar, but loses the plot within a paragraph: people change names, come back from the
dead, and answer questions that nobody asked. It has no facts, follows no instructions and cannot count. The books are
from before 1930, and speak of women, of other peoples and of punishment as was usual then; so does it.

## Licence

The books are in the public domain in the USA; the weights are released under the course's licence for code (MIT).
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="books as .txt files, a file each")
    parser.add_argument("--output", type=Path, default=ASSETS, help="folder to write to (default: helpers/assets)")
    parser.add_argument("--steps", type=int, default=3000, help="of about 4,100 tokens each (default: 3000)")
    parser.add_argument("--learning-rate", type=float, default=6e-3, help="at its highest (default: 6e-3)")
    parser.add_argument("--seed", type=int, default=2021, help="another one gives another model (default: 2021)")
    parser.add_argument("--from-start", action="store_true", help="do not go on from a run that was stopped")
    parser.add_argument("--checkpoint", type=Path, help="where a run's state is kept (default: in the course's cache)")


def run(args: argparse.Namespace) -> int:
    from tqdm.auto import tqdm

    from helpers.course.train import storyteller_training as training
    from helpers.device import set_device
    from helpers.models.storyteller import read_storyteller, save_storyteller

    started = time.perf_counter()
    try:
        books, test = read_books(args.folder, HELD_OUT)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    vocabulary = training.learn_vocabulary(books.values())
    ids, test_ids = (training.encode(vocabulary, some.values()) for some in (books, test))
    trainer = training.Trainer(
        ids,
        training.size_of(vocabulary),
        int(ids[0]),
        steps=args.steps,
        learning_rate=args.learning_rate,
        seed=args.seed,
        device=set_device(),
    )
    checkpoint = args.checkpoint or cache_dir() / "storyteller" / "checkpoint.pt"
    if not args.from_start and trainer.resume(checkpoint):
        print(f"Going on from step {trainer.step} of a run that was stopped (--from-start begins anew).", flush=True)
    print(f"Ctrl-C stops: the state is kept every {training.STEPS_PER_CHECKPOINT} steps, and the same command goes on.")
    mean = None
    with tqdm(total=args.steps, initial=trainer.step, desc="Training", unit=" steps", smoothing=0.02) as bar:
        for loss in trainer.train(checkpoint):
            mean = loss if mean is None else 0.99 * mean + 0.01 * loss
            bar.set_postfix(loss=f"{mean:.3f}", refresh=False)
            bar.update()

    hashes = save_storyteller(trainer.model, vocabulary, args.output)
    trainer.set_weights(read_storyteller(args.output)[0])  # what is measured is what a student will load
    loss = trainer.test_loss(test_ids)
    test_bytes = sum(len(book.encode()) for book in test.values())
    card = args.output / "storyteller.md"
    card_text = CARD.format(
        weights=trainer.model.num_parameters(),
        vocabulary=training.size_of(vocabulary),
        weights_file=WEIGHTS,
        weights_sha256=hashes[WEIGHTS],
        vocabulary_file=VOCABULARY,
        vocabulary_sha256=hashes[VOCABULARY],
        test_titles=", ".join(f"*{title.replace('-', ' ')}*" for title in test),
        test_tokens=len(test_ids),
        window=training.WINDOW,
        loss=loss,
        perplexity=math.exp(loss),
        bits=loss * len(test_ids) / test_bytes / math.log(2),
        books=len(books),
        bytes=sum(len(book.encode()) for book in books.values()),
        words=sum(len(book.split()) for book in books.values()),
        tokens=len(ids),
        titles="\n".join(f"- {title.replace('-', ' ')}: {len(book.split()):,} words" for title, book in books.items()),
        steps=args.steps,
        per_step=training.WINDOW * training.WINDOWS_PER_STEP,
        passes=args.steps * training.WINDOW * training.WINDOWS_PER_STEP / len(ids),
        learning_rate=args.learning_rate,
        warm_up=training.WARM_UP,
        decay=training.WEIGHT_DECAY,
        seed=args.seed,
    )
    card.write_text(card_text, "utf-8")
    print(f"held-out loss {loss:.2f} nats. Written: {args.output}. {time.perf_counter() - started:.0f} s")
    return 0
