"""Training and testing a classifier: the loop that lesson 07 explains, with the report around it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from helpers.batches import Batch
from helpers.reports.training import History, TrainingReport

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class Evaluation(NamedTuple):
    """What `evaluate` finds: unpack it as ``loss, accuracy, predictions``."""

    loss: float  # mean over the texts
    accuracy: float  # from 0 to 1
    predictions: torch.Tensor  # (n,), on the CPU: the likeliest class of each text, in the order of the data


def train(
    model: nn.Module,
    train_loader: DataLoader,
    test_loader: DataLoader | None = None,
    *,
    epochs: int,
    learning_rate: float = 1e-4,
    weight_decay: float = 0.0,
    l1_penalty: float = 0.0,
    device: str | torch.device,
    writer: SummaryWriter | None = None,
) -> History:
    """Train a classifier with cross-entropy and AdamW, and report on it.

    Parameters
    ----------
    model
        Called as ``model(token_ids, mask)`` on each `Batch`, or as ``model(*inputs)`` where a batch is a tuple
        ``(*inputs, labels)``; returns logits (b, c). It is moved to `device`, and stays there. Each of its parts is
        left in the mode (training or evaluation) that it was found in.
    train_loader
        Batches to learn from, shuffled by the loader.
    test_loader
        Batches to test on after each epoch, without gradients and in evaluation mode.
    epochs
        How often to go through `train_loader`.
    learning_rate
        AdamW's.
    weight_decay
        L2: each step also shrinks every parameter by this share times the learning rate, apart from Adam's own
        step (Loshchilov & Hutter, "Decoupled Weight Decay Regularization", 1711.05101).
    l1_penalty
        L1: this times the sum of the parameters' sizes is added to the loss that is minimised, not to the one that is
        reported, so that the losses of training and testing can be compared.
    device
        Such as ``"cpu"`` or ``"cuda"``.
    writer
        Gets the same numbers for TensorBoard: ``loss/batch`` by step; by epoch ``loss/train``, ``loss/test`` and
        ``accuracy/test``.

    Returns
    -------
    History
        The same kind with and without test data. When you interrupt, the epochs finished so far; the model keeps what
        it has learned.

    Raises
    ------
    ValueError
        When there is nothing to train on, or a label that the model has no logit for.
    FloatingPointError
        When the loss is no longer a number. The step that it would lead to is not made.
    """
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}: train for at least one.")
    if len(train_loader) == 0:
        raise ValueError("train_loader has no batch: there is nothing to train on.")
    model.to(device)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    # One pass over the parameters instead of several: with a large vocabulary that is a fifth of a step on a CPU.
    fused = torch.device(device).type in {"cpu", "cuda"}
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay, fused=fused)
    history = History(batches_per_epoch=len(train_loader))
    with _modes_kept(model), TrainingReport(history, epochs, writer) as report:
        try:
            for epoch in range(1, epochs + 1):
                start = time.perf_counter()
                model.train()
                total, count = 0.0, 0
                for number, batch in enumerate(train_loader, start=1):
                    logits, labels = _forward(model, batch, device)
                    loss = F.cross_entropy(logits, labels)
                    value = loss.item()
                    if not math.isfinite(value):
                        raise FloatingPointError(_not_a_number(value, epoch, number, learning_rate))
                    if l1_penalty:
                        loss = loss + l1_penalty * sum(parameter.abs().sum() for parameter in parameters)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    total, count = total + value * len(labels), count + len(labels)
                    history.batch_loss.append(value)
                    report.batch(epoch, number, total / count)
                tested = None if test_loader is None else evaluate(model, test_loader, device)
                history.train_loss.append(total / count)
                history.test_loss.append(None if tested is None else tested.loss)
                history.test_accuracy.append(None if tested is None else tested.accuracy)
                history.seconds.append(time.perf_counter() - start)
                report.epoch(epoch)
        except KeyboardInterrupt:
            history.interrupted = True
            report.interrupted()
    return history


@torch.no_grad()
def evaluate(model: nn.Module, loader: DataLoader, device: str | torch.device) -> Evaluation:
    """Test a classifier: in evaluation mode, without gradients, on everything that the loader has.

    Parameters
    ----------
    model
        As in `train`. Its mode is left as it was found.
    loader
        `Batch`es in any order, or tuples ``(*inputs, labels)`` in the order of the data.
    device
        Where to compute. The model is moved there.

    Returns
    -------
    Evaluation
        ``loss, accuracy, predictions``; the predictions match the data text by text, however the loader orders it.

    Raises
    ------
    ValueError
        When there is nothing to test on, or a label that the model has no logit for.
    """
    model.to(device)
    total, correct, count = 0.0, 0, 0
    predictions, places = [], []
    with _modes_kept(model):
        model.eval()
        for batch in loader:
            logits, labels = _forward(model, batch, device)
            chosen = logits.argmax(-1)
            total += F.cross_entropy(logits, labels, reduction="sum").item()
            correct += int((chosen == labels).sum())
            places.append(batch.places if isinstance(batch, Batch) else torch.arange(count, count + len(labels)))
            predictions.append(chosen.cpu())
            count += len(labels)
    if not count:
        raise ValueError("The loader has no batch: there is nothing to test on.")
    in_order = torch.cat(predictions)[torch.cat(places).argsort()]
    return Evaluation(total / count, correct / count, in_order)


def _forward(
    model: nn.Module, batch: Batch | Sequence[torch.Tensor], device: str | torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits (b, c) and labels (b,), both on the device."""
    inputs: Sequence[torch.Tensor]
    if isinstance(batch, Batch):
        inputs, labels = (batch.token_ids, batch.mask), batch.labels
    else:
        *inputs, labels = batch
    logits = model(*(tensor.to(device) for tensor in inputs))
    if logits.ndim != 2 or len(logits) != len(labels):
        raise ValueError(
            f"The model returned {tuple(logits.shape)} for {len(labels)} labels: logits must have shape "
            "(texts, classes)."
        )
    # Checked before they are copied: a GPU only says "device-side assert triggered", and then does nothing more.
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= logits.shape[-1]:
        raise ValueError(
            f"There is a label {lowest if lowest < 0 else highest}, but the model's {logits.shape[-1]} classes have "
            f"the labels 0 to {logits.shape[-1] - 1}."
        )
    return logits, labels.to(device)


@contextmanager
def _modes_kept(model: nn.Module) -> Iterator[None]:
    """Put each part of the model back into its own mode: some may have been frozen in evaluation mode on purpose."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _not_a_number(value: float, epoch: int, number: int, learning_rate: float) -> str:
    return (
        f"The loss is {value} in epoch {epoch}, batch {number}. Usually the learning rate ({learning_rate:g}) is too "
        "large: make the model anew and try a tenth of it. Or the data or the model's own output holds no numbers."
    )
