"""Pictures in the course's style. Each function returns its figure: a notebook shows the one on a cell's last line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    panels,
    single_axes,
    use_course_style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

__all__ = [
    "BLACK",
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "PURPLE",
    "SKY",
    "VERMILION",
    "bars",
    "curves",
    "heatmap",
    "panels",
    "use_course_style",
]

_MARKERS = "osD^vXP"  # beside the colours, for whoever cannot tell them apart
_MOST_DIRECT_LABELS = 4
_MOST_MARKED_POINTS = 25
_MOST_NUMBERED_CELLS = 64
_MOST_INCHES = 6.3
_POINTS_A_LABEL = 10  # where labels would stand closer, only every second one is written, or every third ...


def heatmap(
    matrix: Any,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    ax: Axes | None = None,
    colour_label: str | None = None,
    annotate: bool | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
) -> Figure:
    """Draw a matrix as colours, such as attention weights (tq, tk): a row for each query, a column for each key.

    Parameters
    ----------
    matrix
        Numbers of shape (rows, columns): a tensor, an array or lists. What is not finite is left grey.
    row_labels, column_labels
        A name for each row and column, taken literally (a ``$`` starts no formula).
    title, xlabel, ylabel
        The words around the picture.
    ax
        Where to draw (from ``panels``); by default in a new figure, as large as the labels need.
    colour_label
        What the colours measure, beside the colour bar, which stands where the numbers do not.
    annotate
        Whether to write each number into its cell; by default where there are at most 64 cells.
    vmin, vmax
        Ends of the colour scale; by default those of the data. Set them where pictures are compared.

    Raises
    ------
    ValueError
        The matrix has no cell or not two axes, or the labels do not fit it.
    """
    numbers = _as_array(matrix)
    if numbers.ndim != 2 or numbers.size == 0:
        raise ValueError(f"A heat map needs a matrix, (rows, columns), not an array of shape {numbers.shape}.")
    rows, columns = numbers.shape
    _check_length("row_labels", row_labels, rows)
    _check_length("column_labels", column_labels, columns)
    if annotate is None:
        annotate = numbers.size <= _MOST_NUMBERED_CELLS
    square = max(rows, columns) <= 5 * min(rows, columns)
    if ax is None:
        if square:
            cell = min(0.55, _MOST_INCHES / max(rows, columns))
            ax = single_axes(cell * columns, cell * rows)
        else:
            ax = single_axes(*(float(np.clip(0.2 * count, 1.0, _MOST_INCHES)) for count in (columns, rows)))
    image = ax.imshow(
        numbers,
        aspect="equal" if square else "auto",
        interpolation="none",
        vmin=vmin,
        vmax=vmax,
    )
    image.set_cmap(image.get_cmap().with_extremes(bad=GREY))
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    ax.spines[:].set_visible(False)
    across, up = _inches(ax)
    _name_places(ax.yaxis, row_labels, up)
    _name_places(ax.xaxis, column_labels, across)
    figure = _figure_of(ax)
    if annotate:
        _write_numbers(ax, numbers, image)
    else:
        # Inside the axes' own frame, so that it is as high as the picture is drawn.
        bar = ax.inset_axes((1 + 0.12 / across, 0, 0.16 / across, 1))
        figure.colorbar(image, cax=bar, label=colour_label or "")
    return figure


def bars(
    labels: Sequence[str],
    values: Any,
    *,
    title: str,
    xlabel: str,
    ylabel: str = "",
    ax: Axes | None = None,
    colour: str | Sequence[str] = BLUE,
    xlim: tuple[float, float] | None = None,
    value_format: str = ".2f",
) -> Figure:
    """Draw horizontal bars, the first one on top, each with its number.

    Parameters
    ----------
    labels
        A name for each bar, taken literally.
    values
        A length for each bar, (n,): a tensor, an array or a list.
    title, xlabel, ylabel
        The words around the picture.
    ax
        Where to draw (from ``panels``); by default in a new figure.
    colour
        The bars' colour, or one for each bar.
    xlim
        Ends of the axis; by default those that the bars need. Set them where pictures are compared.
    value_format
        How to write the numbers, as in ``format(value, ".2f")``.

    Raises
    ------
    ValueError
        There is no bar, or not a label for each.
    """
    lengths = _as_array(values)
    if lengths.ndim != 1 or lengths.size == 0:
        raise ValueError(f"Bars need a row of values, (n,), not an array of shape {lengths.shape}.")
    _check_length("labels", labels, len(lengths))
    if ax is None:
        ax = single_axes(5.2, 0.3 + 0.3 * len(lengths))
    places = np.arange(len(lengths))  # not the labels: two bars may have one name
    drawn = ax.barh(places, lengths, height=0.7, color=colour)
    ax.bar_label(drawn, labels=[format(value, value_format) for value in lengths], padding=3, fontsize=10)
    ax.set_yticks(places, [str(label) for label in labels], parse_math=False)
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.axvline(0, color=BLACK, linewidth=0.8)
    ax.margins(x=0.12)  # room for the numbers
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    if xlim is not None:
        ax.set_xlim(xlim)
    return _figure_of(ax)


def curves(
    x: Any,
    lines: Mapping[str, Any],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    log_x: bool = False,
    log_y: bool = False,
    ax: Axes | None = None,
) -> Figure:
    """Draw one line for each entry; up to four are named at their right end, more in a legend.

    Parameters
    ----------
    x
        Where the points lie, (n,).
    lines
        The values of each line, (n,), by its name; a value that is not finite leaves a gap.
    title, xlabel, ylabel
        The words around the picture.
    log_x, log_y
        Whether an axis is logarithmic.
    ax
        Where to draw (from ``panels``); by default in a new figure.

    Raises
    ------
    ValueError
        There is no line or no point, or a line has not one value for each x.
    """
    across = _as_array(x)
    if across.ndim != 1 or across.size == 0 or not lines:
        raise ValueError(f"Curves need points, (n,), and lines; x has shape {across.shape}, lines: {list(lines)}.")
    heights = {name: _as_array(values) for name, values in lines.items()}
    for name, up in heights.items():
        if up.shape != across.shape:
            raise ValueError(f"Line {name!r} has shape {up.shape} and x {across.shape}: they must be equal.")
    if ax is None:
        ax = single_axes(5.2, 3.2)
    for index, (name, up) in enumerate(heights.items()):
        marker = _MARKERS[index % len(_MARKERS)] if across.size <= _MOST_MARKED_POINTS else None
        ax.plot(across, up, marker=marker, label=name)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    ax.grid(axis="y")
    if not log_x and (across == across.round()).all():
        ax.locator_params(axis="x", integer=True)  # there is no token 2.5
    if log_x:
        ax.set_xscale("log")
        if across.size <= 10:  # the sizes that were measured, rather than powers of ten
            ax.set_xticks(across, [f"{value:g}" for value in across])
            ax.minorticks_off()
    if log_y:
        ax.set_yscale("log")
    if len(lines) <= _MOST_DIRECT_LABELS:
        _name_at_the_end(ax)
    else:
        for text in ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0)).get_texts():
            text.set_parse_math(False)
    return _figure_of(ax)


def _as_array(values: Any) -> np.ndarray:
    """Take numbers from a tensor on any device, with or without gradient, an array, or lists of these."""
    if hasattr(values, "detach"):
        return values.detach().cpu().double().numpy()
    if isinstance(values, (list, tuple)):
        return np.array([_as_array(value) for value in values], dtype=float)
    return np.asarray(values, dtype=float)


def _check_length(name: str, labels: Sequence[str] | None, length: int) -> None:
    if labels is not None and len(labels) != length:
        raise ValueError(f"{name} has {len(labels)} entries and the data {length}: they must be equal.")


def _figure_of(ax: Axes) -> Figure:
    from matplotlib.figure import Figure

    figure = ax.get_figure()
    if not isinstance(figure, Figure):
        raise ValueError(f"These axes belong to {figure!r} and not to a figure: make new ones with panels().")
    return figure


def _inches(ax: Axes) -> tuple[float, float]:
    """About how wide and high the axes are: a layout that is found while drawing may still change it."""
    place, (width, height) = ax.get_position(), _figure_of(ax).get_size_inches()
    return float(place.width * width), float(place.height * height)


def _name_places(axis: Axis, labels: Sequence[str] | None, inches: float) -> None:
    """Name the rows or columns of a matrix, in letters that fit; without names, number them."""
    from matplotlib.axis import XAxis
    from matplotlib.ticker import MaxNLocator

    if labels is None:
        axis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
        return
    step = math.ceil(len(labels) * _POINTS_A_LABEL / (72 * inches))
    names = [str(label) for label in labels[::step]]
    points_each = 72 * inches * step / len(labels)
    size = min(10.0, 0.7 * points_each)
    letters_that_fit = points_each / (0.65 * size)  # a letter is about so wide
    upright = isinstance(axis, XAxis) and max(map(len, names)) > letters_that_fit
    axis.set_ticks(range(0, len(labels), step), names, parse_math=False, fontsize=size, rotation=90 if upright else 0)


def _write_numbers(ax: Axes, numbers: np.ndarray, image: AxesImage) -> None:
    whole = bool(np.all(numbers == np.round(numbers)))
    across, up = _inches(ax)
    size = min(9.0, 72 * across / numbers.shape[1] / 3, 72 * up / numbers.shape[0] / 1.5)
    for (row, column), value in np.ndenumerate(numbers):
        if not np.isfinite(value):
            continue
        red, green, blue, _ = image.cmap(image.norm(value))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5  # luma as in ITU-R BT.601
        decimals = 0 if whole or abs(value) >= 100 else 2
        text = f"{round(value, decimals) + 0.0:.{decimals}f}"  # adding zero: no "-0.00"
        ax.text(column, row, text, ha="center", va="center", fontsize=size, color="white" if dark else BLACK)


def _name_at_the_end(ax: Axes) -> None:
    """Write each line's name beside its last point, and push names apart that would overlap."""
    ax.autoscale_view()
    to_fraction = (ax.transScale + ax.transLimits).transform  # from data to fractions of the axes
    points_high = 72 * _inches(ax)[1]
    ends = []
    for line in ax.get_lines():
        x, y = (np.asarray(data, dtype=float) for data in line.get_data())
        drawn = np.flatnonzero(np.isfinite(y) & ((y > 0) | (ax.get_yscale() == "linear")))
        if drawn.size and not str(line.get_label()).startswith("_"):
            end = (x[drawn[-1]], y[drawn[-1]])
            ends.append((float(to_fraction(end)[1]) * points_high, end, line))
    above = -np.inf
    for height, end, line in sorted(ends, key=lambda entry: entry[0]):
        above = max(height, above + 14)
        ax.annotate(
            str(line.get_label()),
            end,
            xytext=(8, above - height),
            textcoords="offset points",
            annotation_clip=False,
            va="center",
            fontsize=10,
            fontweight="bold",
            color=line.get_color(),
            parse_math=False,
        )
