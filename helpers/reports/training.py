"""What is seen while a model trains: a bar, lines, a picture that grows in a live notebook, TensorBoard."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any

from helpers.downloads import offline

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch.utils.tensorboard import SummaryWriter


_LINE_EVERY = 50  # batches
_SECONDS_BETWEEN_PICTURES = 3.0  # one takes about a tenth of a second to draw
_MOST_POINTS = 100


@dataclass
class History:
    """How training went. There is one entry for each epoch that was finished, whether there was test data or not."""

    train_loss: list[float] = field(default_factory=list)  # mean over the epoch's texts, while they were learned
    test_loss: list[float | None] = field(default_factory=list)  # None without test data
    test_accuracy: list[float | None] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list, repr=False)
    batch_loss: list[float] = field(default_factory=list, repr=False)  # of each batch, of unfinished epochs too
    batches_per_epoch: int = field(default=0, repr=False)
    interrupted: bool = False


class TrainingReport:
    """Tells whoever trains how it goes. Use it in a ``with`` statement, so that the bar ends with the training."""

    def __init__(self, history: History, epochs: int, writer: SummaryWriter | None) -> None:
        self.history = history
        self.epochs = epochs
        self.writer = writer
        self.picture: Any = None  # a handle on the one in the notebook
        self.drawn = time.perf_counter()

    def __enter__(self) -> TrainingReport:
        from tqdm.auto import tqdm

        self.bar = tqdm(total=self.epochs * self.history.batches_per_epoch, unit="batch")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()

    def batch(self, epoch: int, number: int, running_loss: float) -> None:
        """Report one batch, the last in `history`; `running_loss` is the epoch's mean so far."""
        losses = self.history.batch_loss
        self.bar.set_description_str(f"epoch {epoch} of {self.epochs}, loss {running_loss:.3f}", refresh=False)
        self.bar.update()
        if number % _LINE_EVERY == 0:
            recent = sum(losses[-_LINE_EVERY:]) / _LINE_EVERY
            self.bar.write(
                f"epoch {epoch}, batch {number} of {self.history.batches_per_epoch}: "
                f"loss {recent:.3f} (mean of the last {_LINE_EVERY} batches)"
            )
        if self.writer is not None:
            self.writer.add_scalar("loss/batch", losses[-1], len(losses))
        if time.perf_counter() - self.drawn > _SECONDS_BETWEEN_PICTURES:
            self._draw()

    def epoch(self, epoch: int) -> None:
        """Report one epoch, the last in `history`."""
        numbers = {
            "mean training loss": ("loss/train", self.history.train_loss[-1]),
            "test loss": ("loss/test", self.history.test_loss[-1]),
            "test accuracy": ("accuracy/test", self.history.test_accuracy[-1]),
        }
        found = {name: entry for name, entry in numbers.items() if entry[1] is not None}
        words = ", ".join(f"{name} {number:.3f}" for name, (_, number) in found.items())
        self.bar.write(f"epoch {epoch} of {self.epochs}: {words}")
        if self.writer is not None:
            for tag, number in found.values():
                self.writer.add_scalar(tag, number, epoch)
        self._draw()

    def interrupted(self) -> None:
        """Report that the training was stopped by hand."""
        self.bar.write(
            f"Stopped after {len(self.history.batch_loss)} batches. The model keeps what it has learned so far."
        )

    def _draw(self) -> None:
        if not _live_notebook():
            return
        from IPython.display import display

        figure = plot_history(self.history, self.epochs)
        if self.picture is None:
            self.picture = display(figure, display_id=True)
        else:
            self.picture.update(figure)
        self.drawn = time.perf_counter()


def plot_history(history: History, epochs: int | None = None) -> Figure:
    """Draw the losses of a training, finished or not.

    Parameters
    ----------
    history
        From `helpers.training.train`.
    epochs
        Where the axis ends; by default after the last epoch that was begun.

    Returns
    -------
    matplotlib.figure.Figure
        The training loss, as means of some batches; where there was test data, the test loss after each epoch.

    Raises
    ------
    ValueError
        When not a single batch was trained on.
    """
    from helpers.plots.style import BLUE, VERMILION, panels

    losses, per_epoch = history.batch_loss, history.batches_per_epoch
    if not losses:
        raise ValueError("There is no loss to draw: not a single batch was trained on.")
    together = -(-len(losses) // _MOST_POINTS)
    starts = range(0, len(losses), together)
    means = [sum(losses[start : start + together]) / len(losses[start : start + together]) for start in starts]
    middles = [(start + min(start + together, len(losses))) / 2 / per_epoch for start in starts]
    figure, axes = panels(height=3.2)
    ax = axes[0, 0]
    ax.plot(middles, means, color=BLUE, label="training")
    tested = [(place, loss) for place, loss in enumerate(history.test_loss, start=1) if loss is not None]
    if tested:
        ax.plot(*zip(*tested, strict=True), color=VERMILION, marker="o", label="test", clip_on=False)
    ax.set(title="Loss while training", xlabel="epoch", ylabel="cross-entropy (nats)")
    ax.set_xlim(0, epochs or -(-len(losses) // per_epoch))
    ax.margins(y=0.1)
    ax.grid(axis="y")
    ax.legend()
    return figure


def _live_notebook() -> bool:
    """Whether somebody watches: not in a terminal, and not while the course's own notebooks are built."""
    if "IPython" not in sys.modules or offline() or os.environ.get("TQDM_DISABLE", "0") not in {"", "0"}:
        return False
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None
