"""Norm first against norm last: gradients in a deep stack of blocks, and how well a stack learns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.demos.depth import size_of_gradient

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure
    from torch import nn

    MakeBlocks = Callable[[int, bool], nn.ModuleList]

VOCABULARY = 8
LENGTH = 12
_BATCH = 32
_SEED = 2021
_SMOOTHING = 10
_DEPTHS = (1, 2, 4, 8, 16, 24)
_DRAWS = 3


def make_texts(number: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Random texts, and for each word how many others of its text are the same word.

    Returns
    -------
    tuple
        Word ids (number, LENGTH), each below `VOCABULARY`, and counts (number, LENGTH), from 0 to LENGTH - 1.
    """
    import torch

    texts = torch.randint(0, VOCABULARY, (number, LENGTH), generator=generator)
    same = texts[:, :, None] == texts[:, None, :]  # (number, LENGTH, LENGTH)
    return texts, same.sum(dim=2) - 1


def gradient_by_block(blocks: nn.ModuleList) -> np.ndarray:
    """The size of the gradient that each block gets before any learning, (depth,), block 1 first."""
    import torch

    model = _counter(blocks)
    texts, counts = make_texts(_BATCH, torch.Generator().manual_seed(_SEED))
    model.zero_grad()
    torch.nn.functional.cross_entropy(model(texts).flatten(0, 1), counts.flatten()).backward()
    return np.array([size_of_gradient(block) for block in blocks])


def draw_last_block(make_blocks: MakeBlocks) -> Figure:
    """The size of the last block's gradient against the number of blocks, the mean of three draws.

    Parameters
    ----------
    make_blocks
        `make_blocks(depth, norm_first)` gives so many fresh blocks.
    """
    import torch

    from helpers import plots

    lines = {}
    for name, norm_first in (("norm last", False), ("norm first", True)):
        means = []
        for depth in _DEPTHS:
            sizes = []
            for draw in range(_DRAWS):
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(_SEED + draw)
                    sizes.append(gradient_by_block(make_blocks(depth, norm_first))[-1])
            means.append(np.mean(sizes))
        lines[name] = means
    return plots.curves(
        _DEPTHS,
        lines,
        title="Before any learning: the last block of a deep stack",
        xlabel="blocks in the stack",
        ylabel="size of the last block's gradient",
    )


def loss_while_learning(blocks: nn.ModuleList, learning_rate: float, steps: int, warm_up: int = 0) -> np.ndarray:
    """Teach blocks to count equal words, and return the loss at each step, (steps,), averaged over the last ten.

    Parameters
    ----------
    blocks
        Transformer blocks, each with `norm_first` and `norm_1`; they learn in place.
    learning_rate
        Of Adam.
    steps
        Batches of 32 fresh texts.
    warm_up
        Steps during which the learning rate rises in a straight line to its full size; 0 for none.
    """
    import torch
    from tqdm.auto import tqdm

    generator = torch.Generator().manual_seed(_SEED)
    model = _counter(blocks)
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    losses = []
    bar = tqdm(range(1, steps + 1), desc="training")
    for step in bar:
        optimiser.param_groups[0]["lr"] = learning_rate * min(1.0, step / max(warm_up, 1))
        texts, counts = make_texts(_BATCH, generator)
        loss = torch.nn.functional.cross_entropy(model(texts).flatten(0, 1), counts.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        bar.set_postfix_str(f"loss {losses[-1]:.2f}", refresh=False)
    return running_mean(losses, _SMOOTHING)


def loss_of_frequencies() -> float:
    """The loss (nats) of whoever knows how often each count is right, and does not look at the text.

    A word's count is binomial: each of the others is the same word with probability 1 / `VOCABULARY`. The loss is the
    entropy of that.
    """
    others, same = LENGTH - 1, 1 / VOCABULARY
    chances = [math.comb(others, n) * same**n * (1 - same) ** (others - n) for n in range(LENGTH)]
    return -sum(chance * math.log(chance) for chance in chances)


def draw_learning(losses: Mapping[str, Sequence[float]]) -> Figure:
    """The loss of each run over its steps, above a line for whoever does not look at the text."""
    from helpers import plots

    steps = len(next(iter(losses.values())))
    figure = plots.curves(
        range(1, steps + 1),
        losses,
        title="Norm first learns to count without help",
        xlabel="step",
        ylabel="loss (mean of the last ten steps)",
    )
    axis, floor = figure.axes[0], loss_of_frequencies()
    axis.set_ylim(bottom=0)
    axis.axhline(floor, color=plots.BLACK, linestyle="--", linewidth=1)
    axis.annotate(
        f"without looking at the text: {floor:.2f}",
        (steps, floor),
        xytext=(0, 14),
        textcoords="offset points",
        ha="right",
    )
    return figure


def running_mean(numbers: Sequence[float], last: int) -> np.ndarray:
    """For each number, the mean of itself and those before it, `last` in all or as many as there are."""
    return np.array([np.mean(numbers[max(0, i - last) : i]) for i in range(1, len(numbers) + 1)])


def _counter(blocks: nn.ModuleList) -> nn.Module:
    """The blocks between an embedding and a linear layer; blocks with the norm first end in one more norm.

    That last norm is part of the norm-first design: without it the sum of all the blocks would come out as it is.
    """
    import torch
    from torch import nn

    first: Any = blocks[0]
    width = first.norm_1.weight.shape[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        last = nn.LayerNorm(width) if first.norm_first else nn.Identity()
        return nn.Sequential(nn.Embedding(VOCABULARY, width), *blocks, last, nn.Linear(width, LENGTH))
