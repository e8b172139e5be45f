"""Make the masked language model that ships with the course: train the embedded encoder on, and a head for it."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.course.corpora import read_sentences
from helpers.downloads import DownloadError, cache_dir

if TYPE_CHECKING:
    import torch
    from transformers import BertForMaskedLM, PreTrainedTokenizerBase

HELP = "train the masked language model that ships with the course, on texts that NLTK distributes"

# How often the pieces of a corpus come by while all others come by once: Brown's English is the most varied.
CORPORA = {"brown": 3, "movie_reviews": 1, "abc": 1, "webtext": 1, "state_union": 1, "inaugural": 1}
# Of Brown's 500 texts, in its own order by kind of text, every twentieth is kept out of training.
HELD_OUT_EVERY = 20
PIECE = 64  # tokens, [CLS] and [SEP] counted
TOKENS_A_STEP = 1024
MASKED_IN_TRAINING, MASKED_IN_TEST = 0.3, 0.15
WARM_UP = 0.03


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, default=None, help="folder to write to (default: helpers/assets)")
    parser.add_argument("--steps", type=int, default=7000, help="of about 1,000 tokens each (default: 7000)")
    parser.add_argument("--learning-rate", type=float, default=6e-4, help="at its highest (default: 6e-4)")
    parser.add_argument("--seed", type=int, default=2021, help="another one gives another model (default: 2021)")
    parser.add_argument("--from-start", action="store_true", help="do not go on from where a stopped run was")


def run(args: argparse.Namespace) -> int:
    started = time.perf_counter()
    try:
        corpus = read_corpora()
    except DownloadError as error:
        print(error, file=sys.stderr)
        return 1
    trainer = Trainer(corpus, args.steps, args.learning_rate, args.seed)
    if not args.from_start:
        trainer.resume()
    trainer.train()
    print(f"held-out loss {trainer.held_out_loss():.3f} nats; {time.perf_counter() - started:.0f} s")
    return 0


@dataclass(frozen=True)
class Corpus:
    """Texts as lists of sentences: `train` by corpus, `test` from Brown only."""

    train: dict[str, list[list[str]]]
    test: list[list[str]]


def read_corpora() -> Corpus:
    """Read every corpus, and put the held-out texts of Brown apart."""
    from helpers.rated_sentences import load_rated_sentences

    train = {name: read_sentences(name) for name in CORPORA}
    test = train["brown"][HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]
    train["brown"] = [text for place, text in enumerate(train["brown"]) if (place + 1) % HELD_OUT_EVERY]
    train["rated_sentences"] = [[text] for text in load_rated_sentences()["train"]["text"]]
    return Corpus(train, test)


def cut(texts: Sequence[Sequence[str]], tokenizer: PreTrainedTokenizerBase, piece: int = PIECE) -> list[list[int]]:
    """Lay the sentences of each text one behind the other into pieces of at most `piece` tokens.

    A sentence that is longer than a piece is cut. Pieces shorter than 8 tokens are left out.
    """
    pieces = []
    room = piece - 2
    for text in texts:
        filled: list[int] = []
        for ids in tokenizer(list(text), add_special_tokens=False)["input_ids"]:
            if len(filled) + len(ids) > room and filled:
                pieces.append(filled)
                filled = []
            while len(ids) > room:
                pieces.append(ids[:room])
                ids = ids[room:]
            filled = filled + ids
        pieces.append(filled)
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    return [[first, *ids, last] for ids in pieces if len(ids) >= 6]


class Trainer:
    """One run: the model, the order of its batches, and where it stands. A step depends on its number and the seed."""

    def __init__(self, corpus: Corpus, steps: int, learning_rate: float, seed: int) -> None:
        import torch
        from transformers import BertForMaskedLM, DataCollatorForLanguageModeling, get_linear_schedule_with_warmup

        from helpers.device import set_device
        from helpers.pretrained import encoder_files, load_tokenizer

        self.steps, self.seed, self.step = steps, seed, 0
        self.device = torch.device(set_device())
        self.tokenizer = load_tokenizer()
        pieces = {name: cut(texts, self.tokenizer) for name, texts in corpus.train.items()}
        self.pieces = [piece for name, own in pieces.items() for piece in own * CORPORA.get(name, 1)]
        self.test_pieces = cut(corpus.test, self.tokenizer)
        self.hide_in_training, self.hide_in_test = (
            DataCollatorForLanguageModeling(self.tokenizer, mlm_probability=share)
            for share in (MASKED_IN_TRAINING, MASKED_IN_TEST)
        )
        torch.manual_seed(seed)
        # Texts come by a few times at most, so there is nothing that dropout could help against.
        self.model: BertForMaskedLM = BertForMaskedLM.from_pretrained(
            encoder_files(), hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
        ).to(self.device)
        self.start_head()
        self.model.bert.embeddings.requires_grad_(False)
        self.model.cls.predictions.decoder.weight.requires_grad_(False)
        trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
        self.schedule = get_linear_schedule_with_warmup(self.optimizer, int(WARM_UP * steps), steps)
        self.checkpoint = cache_dir() / "masked_words" / "checkpoint.pt"

    def start_head(self) -> None:
        """Start where a word's score is the logarithm of how often it comes, so that no step is spent on that."""
        import torch

        counts = torch.bincount(
            torch.tensor([token for piece in self.pieces for token in piece[1:-1]]), minlength=len(self.tokenizer)
        )
        head = self.model.cls.predictions
        with torch.no_grad():
            head.decoder.bias.copy_(((counts + 0.1) / counts.sum()).log())
            torch.nn.init.eye_(head.transform.dense.weight)
            head.transform.LayerNorm.weight.fill_(0.1)

    def order(self) -> Iterator[list[list[int]]]:
        """Batches without end, of pieces of about one length, about TOKENS_A_STEP tokens each."""
        passes = 0
        while True:
            generator = random.Random(f"{self.seed} {passes}")
            pieces = self.pieces.copy()
            generator.shuffle(pieces)
            batches = []
            for start in range(0, len(pieces), 2048):
                near = sorted(pieces[start : start + 2048], key=len)
                while near:
                    size = max(1, TOKENS_A_STEP // len(near[-1]))
                    batches.append(near[-size:])
                    del near[-size:]
            generator.shuffle(batches)
            yield from batches
            passes += 1

    def train(self) -> None:
        import torch
        from tqdm.auto import tqdm

        batches = self.order()
        for _ in range(self.step):
            next(batches)
        self.model.train()
        started, mean = time.perf_counter(), 0.0
        with tqdm(total=self.steps, initial=self.step, desc="Training", unit=" steps", smoothing=0.02) as bar:
            while self.step < self.steps:
                torch.manual_seed(self.seed * 1_000_003 + self.step)
                loss = self.loss(self.hide_in_training([{"input_ids": piece} for piece in next(batches)]))
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                self.optimizer.step()
                self.schedule.step()
                self.optimizer.zero_grad()
                self.step += 1
                mean += 0.01 * (loss.item() - mean) if mean else loss.item()
                bar.update()
                bar.set_postfix(loss=f"{mean:.3f}", refresh=False)
                if self.step % 250 == 0 or self.step == self.steps:
                    self.save()
                    print(self.step, f"{mean:.3f}", f"{time.perf_counter() - started:.0f}", flush=True)
                if self.step % 1000 == 0:
                    print("held out", f"{self.held_out_loss():.3f}", flush=True)
                    self.model.train()

    def loss(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Mean cross-entropy of the hidden tokens, in nats. Only their scores are computed: 30,522 for each."""
        import torch

        batch = {name: values.to(self.device) for name, values in batch.items()}
        hidden = batch["labels"] != -100
        with self.precision():
            states = self.model.bert(batch["input_ids"], batch["attention_mask"]).last_hidden_state[hidden]
            scores = self.model.cls(states)
        return torch.nn.functional.cross_entropy(scores.float(), batch["labels"][hidden])

    def precision(self) -> contextlib.AbstractContextManager[object]:
        """bfloat16 where the processor computes with it; elsewhere it would be slower."""
        import torch

        if self.device.type == "cuda" or (torch.backends.mkldnn.is_available() and torch.cpu._is_amx_tile_supported()):
            return torch.autocast(self.device.type, torch.bfloat16)
        return contextlib.nullcontext()

    def held_out_loss(self) -> float:
        import torch

        torch.manual_seed(self.seed)
        self.model.eval()
        total, count = 0.0, 0
        pieces = sorted(self.test_pieces, key=len)
        with torch.inference_mode():
            for start in range(0, len(pieces), 32):
                batch = self.hide_in_test([{"input_ids": piece} for piece in pieces[start : start + 32]])
                hidden = int((batch["labels"] != -100).sum())
                if hidden:
                    total += float(self.loss(batch)) * hidden
                    count += hidden
        return total / count

    def trained(self) -> dict[str, torch.Tensor]:
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}

    def save(self) -> None:
        import torch

        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        part = self.checkpoint.with_suffix(".part")
        torch.save(
            {
                "steps": (self.steps, self.seed),
                "step": self.step,
                "weights": self.trained(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
            },
            part,
        )
        os.replace(part, self.checkpoint)

    def resume(self) -> None:
        import torch

        if not self.checkpoint.is_file():
            return
        state = torch.load(self.checkpoint, weights_only=True)
        if state["steps"] != (self.steps, self.seed):
            return
        self.model.load_state_dict(state["weights"], strict=False)
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.step = state["step"]
        print(f"Going on from step {self.step}.")


if __name__ == "__main__":
    command_line = argparse.ArgumentParser(description=HELP)
    add_arguments(command_line)
    sys.exit(run(command_line.parse_args()))
