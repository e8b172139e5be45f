"""How every figure looks, and that a notebook shows it once: where it is returned."""

from __future__ import annotations

import sys
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's colours, in the order of the style file's cycle.
BLUE = "#0072B2"
VERMILION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
SKY = "#56B4E9"
ORANGE = "#E69F00"
BLACK = "#000000"
GREY = "#D9D9D9"  # for what carries no number: a gap, a grid


def use_course_style() -> None:
    """Apply the course's matplotlib style to all figures from here on, in this notebook or program."""
    import matplotlib.style

    with resources.as_file(resources.files("helpers") / "assets" / "course.mplstyle") as path:
        matplotlib.style.use(path)
    _show_figures_as_pictures()


def single_axes(width: float, height: float) -> Axes:
    """Make a figure whose only axes measure so many inches, and that shows only where it is returned.

    What stands around the axes lies outside the figure; a notebook's pictures and the course's saved ones are cut
    to what was drawn, so it shows all the same. Finding room for it first would double the time to draw.
    """
    figure = _figure(width, height, "none")
    return figure.add_axes((0, 0, 1, 1))


def panels(
    rows: int = 1, columns: int = 1, *, width: float = 6.4, height: float = 4.0, **options: Any
) -> tuple[Figure, np.ndarray]:
    """Make a figure with a grid of axes, as ``pyplot.subplots`` does, that shows only where it is returned.

    Parameters
    ----------
    rows, columns
        The grid.
    width, height
        Size of the whole figure in inches.
    **options
        More for ``Figure.subplots``, such as ``sharey=True``.

    Returns
    -------
    tuple[Figure, numpy.ndarray]
        The figure, and its axes, always of shape (rows, columns).
    """
    figure = _figure(width, height, "constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def _figure(width: float, height: float, layout: Literal["none", "constrained"]) -> Figure:
    """Make a figure that pyplot does not know of: the notebook shows pyplot's at the end of their cell, once more."""
    from matplotlib.figure import Figure

    _show_figures_as_pictures()
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine(layout)
    return figure


def _show_figures_as_pictures() -> None:
    """Have a notebook show a figure as a picture, in words too: pyplot sees to pictures only when it is imported."""
    if "IPython" not in sys.modules:
        return
    from IPython import get_ipython

    shell = get_ipython()
    if getattr(shell, "kernel", None) is None:
        return
    from IPython.core.pylabtools import select_figure_formats
    from matplotlib.figure import Figure

    from helpers.plots.alt_text import alt_text

    def in_words(figure: Figure, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        """No form of its own, but what the picture's text alternative is."""
        text = alt_text(figure)
        return {}, {"image/png": {"alt": text}} if text else {}

    shell.display_formatter.mimebundle_formatter.for_type(Figure, in_words)
    if not any(Figure in formatter for formatter in shell.display_formatter.formatters.values()):
        select_figure_formats(shell, {"png"}, bbox_inches="tight")
