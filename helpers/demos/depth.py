"""What reaches the first of many layers: gradients in deep stacks, with and without a residual path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from ipywidgets import Widget
    from matplotlib.figure import Figure
    from torch import nn

    Step = Callable[[nn.Module, torch.Tensor], torch.Tensor]

DEPTHS = tuple(range(1, 25))
SCALES = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
WIDTH = 64
_WORDS = 32
_SEED = 2021
DEMO_LIMITS = (1e-20, 1e10)  # one scale for all settings of the demo, so that lines are seen to move


def make_layers(depth: int, weight_scale: float = 1.0) -> list[nn.Module]:
    """A stack of small MLPs, (n, WIDTH) to (n, WIDTH), in torch's own starting weights times `weight_scale`.

    They are in double precision: the smallest gradients measured here would be 0 in single precision.
    """
    import torch
    from torch import nn

    layers: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        for _ in range(depth):
            layers.append(nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.ReLU(), nn.Linear(2 * WIDTH, WIDTH)).double())
    with torch.no_grad():
        for layer in layers:
            for parameter in layer.parameters():
                parameter.mul_(weight_scale)
    return layers


def gradient_by_layer(step: Step, layers: list[nn.Module]) -> np.ndarray:
    """The size of the gradient that each layer's weights get, (depth,), layer 1 first.

    Random words go up the stack, and the loss is how little the result points in random directions: what comes down
    from the loss is then equally strong however large the result is.

    Parameters
    ----------
    step
        How one layer changes its input: `step(layer, x)` gives the next x.
    layers
        The stack, from `make_layers`.
    """
    import torch

    generator = torch.Generator().manual_seed(_SEED)
    x, directions = torch.randn(2, _WORDS, WIDTH, generator=generator, dtype=torch.float64)
    for layer in layers:
        layer.zero_grad()
        x = step(layer, x)
    (-(x * directions).mean()).backward()
    return np.array([size_of_gradient(layer) for layer in layers])


def size_of_gradient(module: nn.Module) -> float:
    """The Euclidean norm of a module's gradient, all its parameters together."""
    return float(sum(p.grad.square().sum() for p in module.parameters() if p.grad is not None) ** 0.5)


def draw_first_layer(steps: Mapping[str, Step]) -> Figure:
    """The size of the first layer's gradient in stacks of 1 to 24 layers, a line for each kind of step."""
    from helpers import plots

    sizes = {name: [gradient_by_layer(step, make_layers(depth))[0] for depth in DEPTHS] for name, step in steps.items()}
    return plots.curves(
        DEPTHS,
        sizes,
        title="What is left of the gradient at the first layer",
        xlabel="layers in the stack",
        ylabel="size of layer 1's gradient",
        log_y=True,
    )


def draw_by_layer(
    steps: Mapping[str, Step], depth: int, weight_scale: float, ylim: tuple[float, float] | None = None
) -> Figure:
    """The size of every layer's gradient in one stack, a line for each kind of step.

    `ylim` holds the ends of the axis, powers of ten; by default close to the data.
    """
    return _draw(_sizes(steps, depth, weight_scale), weight_scale, ylim)


def depth_demo(steps: Mapping[str, Step]) -> Widget:
    """Sliders for the depth and for the size of the starting weights, around `draw_by_layer`."""
    import ipywidgets as widgets

    from helpers.demos.parts.demo_box import demo_box
    from helpers.demos.parts.picture import picture

    alike = {"style": {"description_width": "10em"}, "layout": {"width": "26em"}}  # or each would have its own length
    depth = widgets.IntSlider(
        value=DEPTHS[-1], min=1, max=DEPTHS[-1], description="layers", continuous_update=False, **alike
    )
    scale = widgets.SelectionSlider(
        options=SCALES, value=1.0, description="starting weights ×", continuous_update=False, **alike
    )
    shown = widgets.HTML()

    def redraw(_: object = None) -> None:
        sizes = _sizes(steps, depth.value, scale.value)
        figure = _draw(sizes, scale.value, DEMO_LIMITS)
        shown.value = picture(figure, _describe(sizes, scale.value), tight=False)

    depth.observe(redraw, names="value")
    scale.observe(redraw, names="value")
    redraw()
    return demo_box([depth, scale, shown], "gradients in a deep stack")


def _sizes(steps: Mapping[str, Step], depth: int, weight_scale: float) -> dict[str, np.ndarray]:
    layers = make_layers(depth, weight_scale)
    return {name: gradient_by_layer(step, layers) for name, step in steps.items()}


def _draw(sizes: Mapping[str, np.ndarray], weight_scale: float, ylim: tuple[float, float] | None) -> Figure:
    from helpers import plots
    from helpers.demos.parts.typed_text import inches_wide

    depth = len(next(iter(sizes.values())))
    if ylim is None:
        powers = np.log10(np.concatenate(list(sizes.values())))
        lowest, highest = np.floor(powers.min()), np.ceil(powers.max())
        ylim = (10.0**lowest, 10.0 ** (highest + np.ceil((highest - lowest) / 10)))  # names of equal lines pile up
    # Inches that are known beforehand: to find room for what is known to fit would double the time to draw.
    width = 5.75 + max(inches_wide(name, 10, bold=True) for name in sizes)
    figure, axes = plots.panels(width=width, height=4.1)
    figure.set_layout_engine("none")
    axis = axes[0, 0]
    axis.set_position((0.8 / width, 0.55 / 4.1, 4.8 / width, 3.2 / 4.1))
    axis.set_ylim(*ylim)
    axis.set_xlim(0.5, depth + 0.5)
    plots.curves(
        np.arange(1, depth + 1),
        {name: np.where((size > ylim[0]) & (size < ylim[1]), size, np.nan) for name, size in sizes.items()},
        title=f"Gradients in {depth} layers, starting weights × {weight_scale:g}",
        xlabel="layer (1 is next to the input)",
        ylabel="size of the layer's gradient",
        log_y=True,
        ax=axis,
    )
    first, last = (round(np.log10(end)) for end in ylim)
    axis.set_yticks([10.0**power for power in range(first, last + 1, 5 if last - first > 15 else 2)])
    axis.minorticks_off()
    return figure


def _describe(sizes: Mapping[str, np.ndarray], weight_scale: float) -> str:
    """The picture in a sentence, for readers who cannot see it."""
    depth = len(next(iter(sizes.values())))
    ends = "; ".join(f"{name}: {size[0]:.0e} at layer 1, {size[-1]:.0e} at the last" for name, size in sizes.items())
    return f"Size of the gradient in {depth} layers with starting weights times {weight_scale:g}. {ends}."
