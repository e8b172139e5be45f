"""A recurrent layer against a Transformer block: multiplications counted, seconds measured."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure
    from torch import nn

_SEED = 2021


def multiplications(length: int, width: int) -> dict[str, int]:
    """How many multiplications it takes to encode one text, forward only, with matrix products alone counted.

    GRU: three matrices for the word and three for the state, at each word. Block: four matrices in attention and
    an MLP of hidden width `2 * width` at each word, and two products (scores, averages) for each pair of words.

    Parameters
    ----------
    length
        Words in the text.
    width
        Numbers in a word's vector, and in the GRU's state.

    Returns
    -------
    dict
        `{"GRU": ..., "block": ...}`.
    """
    return {
        "GRU": length * 6 * width**2,
        "block": length * 8 * width**2 + 2 * length**2 * width,
    }


def seconds_to_encode(
    models: Mapping[str, nn.Module],
    lengths: Sequence[int],
    *,
    width: int,
    batch_size: int,
    device: str = "cpu",
    repeats: int = 5,
) -> dict[str, list[float]]:
    """Seconds for a batch of random texts, forward and backward: the fastest of several runs for each length.

    The fastest run is the one that other programs disturbed least. The models take turns, so that a busy moment
    of the machine hits all of them.

    Parameters
    ----------
    models
        By name; each takes (b, t, width) and gives (b, t, width), or a tuple that starts with it, as `nn.GRU` does.
    lengths
        Words in a text, one measurement each.
    width
        Numbers in a word's vector.
    batch_size
        Texts in a batch.
    device
        Where to run.
    repeats
        Runs of each model at each length.

    Returns
    -------
    dict
        Name -> seconds, one for each length.
    """
    import torch
    from tqdm.auto import tqdm

    generator = torch.Generator().manual_seed(_SEED)
    for model in models.values():
        model.to(device)
        _one_run(model, torch.randn(batch_size, lengths[0], width, generator=generator).to(device))  # warm up
    fastest: dict[str, list[float]] = {name: [] for name in models}
    for length in tqdm(lengths, desc="measuring", unit="length"):
        x = torch.randn(batch_size, length, width, generator=generator).to(device)
        runs: dict[str, list[float]] = {name: [] for name in models}
        for _ in range(repeats):
            for name, model in models.items():
                runs[name].append(_one_run(model, x))
        for name in models:
            fastest[name].append(min(runs[name]))
    return fastest


def draw_race(
    lengths: Sequence[int], counted: Mapping[str, Sequence[int]], seconds: Mapping[str, Sequence[float]]
) -> Figure:
    """Multiplications on the left, measured seconds on the right, both against the words in a text."""
    from helpers import plots

    figure, axes = plots.panels(1, 2, width=11.0, height=4.0)
    plots.curves(
        lengths,
        counted,
        title="Counted: the arithmetic",
        xlabel="words in the text",
        ylabel="multiplications, one text forward",
        log_x=True,
        log_y=True,
        ax=axes[0, 0],
    )
    plots.curves(
        lengths,
        seconds,
        title="Measured here: the time",
        xlabel="words in the text",
        ylabel="seconds per batch, forward and backward",
        log_x=True,
        log_y=True,
        ax=axes[0, 1],
    )
    return figure


def _one_run(model: nn.Module, x: torch.Tensor) -> float:
    model.zero_grad()
    _wait(x)
    start = time.perf_counter()
    encoded = model(x)
    if isinstance(encoded, tuple):
        encoded = encoded[0]
    encoded.square().mean().backward()
    _wait(x)
    return time.perf_counter() - start


def _wait(x: torch.Tensor) -> None:
    """Let a GPU finish what it was asked to do: it works on while Python goes on."""
    import torch

    if x.device.type == "cuda":
        torch.cuda.synchronize()
    elif x.device.type == "mps":
        torch.mps.synchronize()
