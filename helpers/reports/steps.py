"""What is seen while a model is fine-tuned for a number of steps: a bar, the time that is left, a line now and then."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STEPS_TO_TELL = 5  # the first step also warms up, so it says little about the others


class StepReport:
    """Counts steps, and tells how it goes. Use it in a ``with`` statement, so that the bar ends with the training.

    Parameters
    ----------
    steps
        How many there will be.
    every
        How many steps a line sums up.
    quiet
        Say nothing, only keep `losses`: for all but one of several processes.
    """

    def __init__(self, steps: int, every: int = 50, quiet: bool = False) -> None:
        self.steps = steps
        self.every = every
        self.quiet = quiet
        self.losses: list[float] = []  # of each step

    def __enter__(self) -> StepReport:
        from tqdm.auto import tqdm

        self.bar = tqdm(total=self.steps, unit="step", **({"disable": True} if self.quiet else {}))
        self.started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()

    def step(self, loss: float) -> None:
        """Note the loss of one step: a number, not a tensor, which would keep the whole computation alive."""
        if not isinstance(loss, float):
            raise TypeError(f"The loss is a {type(loss).__name__}: hand over the number alone, loss.item().")
        self.losses.append(loss)
        done = len(self.losses)
        if self.quiet:
            return
        if done == _STEPS_TO_TELL and done < self.steps and _watched():
            left = (time.perf_counter() - self.started) / done * (self.steps - done)
            self.bar.write(f"After {done} steps: the other {self.steps - done} will take about {_told(left)}.")
        if done % self.every == 0 or done == self.steps:
            recent = self.losses[-((done - 1) % self.every + 1) :]
            self.bar.write(f"step {done}: loss {sum(recent) / len(recent):.3f}, the mean of the last {len(recent)}")
        self.bar.update()


def draw_losses(losses: dict[str, list[float]], together: int = 20) -> Figure:
    """Draw the loss over the steps, as means of `together` of them, one line for each training."""
    from helpers.plots import curves

    shortest = min(len(values) for values in losses.values())
    starts = range(0, shortest - together + 1, together)
    if not starts:
        raise ValueError(f"There are {shortest} steps: too few for means of {together}.")
    means = {
        name: [sum(values[start : start + together]) / together for start in starts] for name, values in losses.items()
    }
    return curves(
        [start + together / 2 for start in starts],
        means,
        title="The loss falls fast, then slowly",
        xlabel="step",
        ylabel=f"cross-entropy (nats), mean of {together}",
    )


def _watched() -> bool:
    """Whether somebody waits: where bars are switched off, as while the notebooks are built, no time is written."""
    return os.environ.get("TQDM_DISABLE", "0") in {"", "0"}


def _told(seconds: float) -> str:
    """Time in the unit in which one thinks of it."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"
