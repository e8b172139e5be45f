"""Training of the course's masked language model: one step at a time, so that a run that was stopped can go on."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from helpers.course.train.checkpoint import read_state, save_state
from helpers.models.masked_word_weights import add_difference, embedded_masked_model
from helpers.precision import autocast

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PIECE = 64  # tokens, [CLS] and [SEP] counted
SHORTEST_PIECE = 8
TOKENS_PER_STEP = 1024
# More hidden words than in the test: each step teaches twice as much for the same work.
MASKED_IN_TRAINING, MASKED_IN_TEST = 0.3, 0.15
WARM_UP = 0.03
STEPS_PER_CHECKPOINT = 100


def cut(texts: Sequence[Sequence[str]], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """Lay the sentences of each text one behind the other, into pieces of at most PIECE tokens.

    A piece ends where the next sentence has no room; a sentence longer than a piece is cut. What is shorter than
    SHORTEST_PIECE is left out.
    """
    room = PIECE - 2
    pieces = []
    for text in texts:
        piece: list[int] = []
        for ids in tokenizer(list(text), add_special_tokens=False, verbose=False)["input_ids"]:
            if piece and len(piece) + len(ids) > room:
                pieces.append(piece)
                piece = []
            while len(ids) > room:
                pieces.append(ids[:room])
                ids = ids[room:]
            piece = piece + ids
        pieces.append(piece)
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    return [[first, *piece, last] for piece in pieces if len(piece) + 2 >= SHORTEST_PIECE]


class Trainer:
    """One run of training. What a step does depends on its number and the seed, not on when the run was stopped.

    Parameters
    ----------
    pieces
        Token ids to learn from, as `cut` returns them; a piece that stands there twice counts twice.
    tokenizer
        That of the encoder.
    encoder
        Directory of the embedded encoder, as `helpers.models.files.encoder_files` returns it.
    steps
        Of about TOKENS_PER_STEP tokens each. The learning rate rises to its highest within WARM_UP of them, and falls
        to 0 at the last.
    """

    def __init__(
        self,
        pieces: Sequence[list[int]],
        tokenizer: PreTrainedTokenizerBase,
        encoder: Path,
        *,
        steps: int,
        learning_rate: float,
        seed: int,
        device: str,
    ) -> None:
        from transformers import DataCollatorForLanguageModeling, get_linear_schedule_with_warmup

        self.pieces, self._encoder, self.device = pieces, encoder, device
        self.step, self.steps, self.seed = 0, steps, seed
        self._hide = {
            share: DataCollatorForLanguageModeling(tokenizer, mlm_probability=share)
            for share in (MASKED_IN_TRAINING, MASKED_IN_TEST)
        }
        self.model = embedded_masked_model(encoder)
        self.model.to(device)  # type: ignore[arg-type]  # transformers' decorator hides the signature
        self._begin_with_frequencies(len(tokenizer))
        # The words' vectors stay: there are too few texts here to teach rare words anything but chance.
        self.model.bert.embeddings.requires_grad_(False)
        for module in self.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0  # a text comes by a few times at most, so there is nothing to unlearn
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        self._optimizer = torch.optim.AdamW(weights, learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
        self._schedule = get_linear_schedule_with_warmup(self._optimizer, int(WARM_UP * steps), steps)
        # A run goes on only from one that had the same pieces and settings.
        texts = zlib.crc32(repr(pieces).encode())
        self._settings = f"{texts} {steps} {learning_rate} {seed} {PIECE} {TOKENS_PER_STEP} {MASKED_IN_TRAINING}"

    def _begin_with_frequencies(self, vocabulary: int) -> None:
        """Begin near each word's frequency, and with a head that hands on what the encoder says: both save steps."""
        tokens = torch.tensor([token for piece in self.pieces for token in piece[1:-1]])
        counts = torch.bincount(tokens, minlength=vocabulary)
        head = self.model.cls.predictions
        with torch.no_grad():
            head.bias.copy_(((counts + 0.1) / counts.sum()).log())
            torch.nn.init.eye_(head.transform.dense.weight)
            head.transform.dense.bias.zero_()
            head.transform.LayerNorm.weight.fill_(0.5)

    def set_weights(self, file: Path) -> None:
        """Take the model that `save_difference` wrote, in place of the one that was trained."""
        model = embedded_masked_model(self._encoder)
        add_difference(model, file)
        self.model.load_state_dict(model.state_dict())

    def train(self, checkpoint: Path) -> Iterator[float]:
        """Go on to the last step, and yield each step's loss in nats; keep the state in `checkpoint` every so often."""
        batches = self._batches()
        for _ in range(self.step):
            next(batches)
        while self.step < self.steps:
            torch.manual_seed(self.seed * 1_000_003 + self.step)
            self.model.train()
            loss, _ = self._loss(next(batches), MASKED_IN_TRAINING)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self._optimizer.step()
            self._schedule.step()
            self._optimizer.zero_grad()
            self.step += 1
            if self.step % STEPS_PER_CHECKPOINT == 0 or self.step == self.steps:
                self.save(checkpoint)
            yield loss.item()

    def _batches(self) -> Iterator[list[list[int]]]:
        """Batches of pieces of about one length, without end, in another order at each pass."""
        passes = 0
        while True:
            order = random.Random(f"{self.seed} {passes}")
            pieces = list(self.pieces)
            order.shuffle(pieces)
            batches = []
            for start in range(0, len(pieces), 2048):
                rest = sorted(pieces[start : start + 2048], key=len)
                while rest:
                    size = max(1, TOKENS_PER_STEP // len(rest[-1]))
                    batches.append(rest[-size:])
                    del rest[-size:]
            order.shuffle(batches)
            yield from batches
            passes += 1

    def _loss(self, pieces: Sequence[list[int]], share: float, exact: bool = False) -> tuple[torch.Tensor, int]:
        """Hide a share of the tokens: the mean cross-entropy of the hidden ones in nats, and how many they are."""
        batch = self._hide[share]([{"input_ids": piece} for piece in pieces])
        batch = {name: values.to(self.device) for name, values in batch.items()}
        hidden = batch["labels"] != -100
        with nullcontext() if exact else autocast(self.device):
            states = self.model.bert(batch["input_ids"], batch["attention_mask"]).last_hidden_state
            scores = self.model.cls(states[hidden])  # 30,522 for a word: those of the others are not needed
        return F.cross_entropy(scores.float(), batch["labels"][hidden]), int(hidden.sum())

    @torch.inference_mode()
    def test_loss(self, pieces: Sequence[list[int]]) -> float:
        """Cross-entropy of hidden words in nats: 15% of the tokens, of which 80% are masked, 10% changed, 10% kept.

        In float32, whatever training used.
        """
        torch.manual_seed(self.seed)
        self.model.eval()
        by_length = sorted(pieces, key=len)
        total, count = 0.0, 0
        for start in range(0, len(by_length), 32):
            loss, hidden = self._loss(by_length[start : start + 32], MASKED_IN_TEST, exact=True)
            if hidden:
                total, count = total + float(loss) * hidden, count + hidden
        return total / count

    def save(self, file: Path) -> None:
        """Keep where the run stands."""
        state = {
            "settings": self._settings,
            "step": self.step,
            "model": {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad},
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
        }
        save_state(state, file)

    def resume(self, file: Path) -> bool:
        """Go on from where a run with the same settings was stopped; return whether there was one."""
        state = read_state(file, self._settings, self.device)
        if state is None:
            return False
        self.model.load_state_dict(state["model"], strict=False)
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self.step = state["step"]
        return True
