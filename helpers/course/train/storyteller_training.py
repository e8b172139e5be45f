"""Training of the storyteller: a vocabulary, then one step after the other, so that a run that was stopped goes on."""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from helpers.course.train.checkpoint import read_state, save_state
from helpers.models.storyteller import END, new_storyteller
from helpers.precision import autocast

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

VOCABULARY = 4096
WINDOW = 256  # tokens that are predicted, each from those before it in the window
WINDOWS_PER_STEP = 16
WARM_UP = 0.02
WEIGHT_DECAY = 0.1
STEPS_PER_CHECKPOINT = 100


def learn_vocabulary(books: Iterable[str]) -> str:
    """Learn byte-pair encoding on bytes, and return it as the JSON of Hugging Face `tokenizers`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((line for book in books for line in book.splitlines(keepends=True)), trainer)
    return tokenizer.to_str()


def encode(vocabulary: str, books: Iterable[str]) -> torch.Tensor:
    """Return the token ids of all books, (n,), with END before each and after the last."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(vocabulary)
    end = tokenizer.token_to_id(END)
    ids = [end]
    for book in tokenizer.encode_batch(list(books)):
        ids += [*book.ids, end]
    return torch.tensor(ids)


def size_of(vocabulary: str) -> int:
    """How many tokens a vocabulary has."""
    from tokenizers import Tokenizer

    return int(Tokenizer.from_str(vocabulary).get_vocab_size())


def windows(ids: torch.Tensor, start: int = 0) -> torch.Tensor:
    """Cut token ids (n,) into windows (count, WINDOW + 1) that share a token: the last of one begins the next."""
    count = (len(ids) - start - 1) // WINDOW
    return ids[start : start + count * WINDOW + 1].unfold(0, WINDOW + 1, WINDOW)


class Trainer:
    """One run of training. What a step does depends on its number and the seed, not on when the run was stopped.

    Matrices inside the blocks learn by Muon (Jordan et al. 2024; as torch has it), which needs fewer steps than AdamW;
    embeddings and norms by AdamW. The learning rate rises within WARM_UP of the steps and falls to 0 as a cosine does.

    Parameters
    ----------
    ids
        Token ids of all books, (n,).
    vocab_size, end_id
        As in `new_storyteller`.
    steps
        Of WINDOWS_PER_STEP windows each. A run that goes on may have another number: the rate follows it.
    """

    def __init__(
        self,
        ids: torch.Tensor,
        vocab_size: int,
        end_id: int,
        *,
        steps: int,
        learning_rate: float,
        seed: int,
        device: str,
        **changes: Any,
    ) -> None:
        self.ids, self.device, self.seed = ids, device, seed
        self.step, self.steps = 0, steps
        torch.manual_seed(seed)
        self.model = new_storyteller(vocab_size, end_id, **changes)
        self.model.to(device)  # type: ignore[arg-type]  # transformers' decorator hides the signature
        named = dict(self.model.named_parameters())
        norms = [weight for weight in named.values() if weight.dim() == 1]
        embeddings = [weight for name, weight in named.items() if "embed" in name]
        matrices = [weight for name, weight in named.items() if weight.dim() == 2 and "embed" not in name]
        self._optimizers = [
            torch.optim.Muon(matrices, learning_rate, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(
                [{"params": embeddings, "weight_decay": WEIGHT_DECAY}, {"params": norms, "weight_decay": 0.0}],
                learning_rate,
                betas=(0.9, 0.95),
                fused=True,
            ),
        ]
        self._schedules = [LambdaLR(optimizer, self.rate) for optimizer in self._optimizers]
        self._settings = f"{zlib.crc32(ids.numpy().tobytes())} {learning_rate} {seed} {WINDOW} {WINDOWS_PER_STEP}"

    def rate(self, step: int) -> float:
        """Share of the highest learning rate at a step."""
        done = min(1.0, step / self.steps)
        return done / WARM_UP if done < WARM_UP else 0.5 + 0.5 * math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))

    def train(self, checkpoint: Path) -> Iterator[float]:
        """Go on to the last step, and yield each step's loss in nats a token; keep the state every so often."""
        batches = self._batches()
        for _ in range(self.step):
            next(batches)
        self.model.train()
        while self.step < self.steps:
            loss = self._loss(next(batches))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            for optimizer, schedule in zip(self._optimizers, self._schedules, strict=True):
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
            self.step += 1
            if self.step % STEPS_PER_CHECKPOINT == 0 or self.step == self.steps:
                self.save(checkpoint)
            yield loss.item()

    def _batches(self) -> Iterator[torch.Tensor]:
        """Windows in random order, without end; at each pass the text is cut at other places."""
        passes = 0
        while True:
            chance = random.Random(f"{self.seed} {passes}")
            cut = windows(self.ids, chance.randrange(WINDOW))
            order = list(range(len(cut)))
            chance.shuffle(order)
            for start in range(0, len(order) - WINDOWS_PER_STEP + 1, WINDOWS_PER_STEP):
                yield cut[order[start : start + WINDOWS_PER_STEP]]
            passes += 1

    def set_weights(self, model: LlamaForCausalLM) -> None:
        """Take another model's weights in place of those that were trained."""
        self.model.load_state_dict(model.state_dict())

    def _loss(self, batch: torch.Tensor, exact: bool = False) -> torch.Tensor:
        batch = batch.to(self.device)
        with nullcontext() if exact else autocast(self.device):
            states = self.model.model(batch[:, :-1]).last_hidden_state
            scores = self.model.lm_head(states)
        return F.cross_entropy(scores.float().flatten(0, 1), batch[:, 1:].flatten())

    @torch.inference_mode()
    def test_loss(self, ids: torch.Tensor) -> float:
        """Mean loss in nats a token over windows of WINDOW tokens, in float32."""
        cut = windows(ids)
        self.model.eval()
        losses: Sequence[float] = [float(self._loss(one, exact=True)) * len(one) for one in cut.split(WINDOWS_PER_STEP)]
        self.model.train()
        return sum(losses) / len(cut)

    def save(self, file: Path) -> None:
        """Keep where the run stands."""
        state = {
            "settings": self._settings,
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
        }
        save_state(state, file)

    def resume(self, file: Path) -> bool:
        """Go on from where a run on the same books was stopped; return whether there was one."""
        state = read_state(file, self._settings, self.device)
        if state is None or state["step"] > self.steps:
            return False
        self.model.load_state_dict(state["model"])
        for optimizer, kept in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.step = state["step"]
        # Built anew: `steps` may be another number now.
        self._schedules = [LambdaLR(optimizer, self.rate, self.step - 1) for optimizer in self._optimizers]
        return True
