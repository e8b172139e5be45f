"""What a figure shows, in words: the text alternative that goes with it into a notebook."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_NAMES = 12  # of places along an axis, or in a legend: a longer list is no help to a listener


def alt_text(figure: Figure) -> str:
    """A figure's title, then each panel's title, axes and legend, as sentences; nothing where there are no words.

    Numbers along an axis are left out; words, such as the names of bars, are read.
    """
    title = _plain(figure.get_suptitle())
    inside = [cast("Axes", axes) for outer in figure.axes for axes in outer.child_axes]
    panels = [axes for axes in [*figure.axes, *inside] if axes.get_visible()]
    colours = [_plain(axes.get_ylabel() or axes.get_xlabel()) for axes in panels if _is_colour_bar(axes)]
    told = [_panel(axes) for axes in panels if not _is_colour_bar(axes)]
    if 1 < len(told) <= _MOST_NAMES:
        told = [f"Panel {number}: {text}" for number, text in enumerate(told, 1) if text]
    told += [f"Colour: {label}" for label in dict.fromkeys(colours) if label]
    loose = [_plain(text.get_text()) for text in figure.texts if text is not figure._suptitle]  # type: ignore[attr-defined]
    return _sentences([title, *told, *loose])


def _panel(axes: Axes) -> str:
    titles = [_plain(axes.get_title(loc=place)) for place in ("left", "center", "right")]
    parts = [*titles]
    for name, axis in (("Across", axes.xaxis), ("Up", axes.yaxis)):
        if not (axis.get_visible() and axes.axison):
            continue
        label = _plain(axis.get_label_text())
        names = [_plain(text.get_text()) for text in axis.get_ticklabels()]
        words = _listed(name for name in names if re.search(r"[^\W\d_]", name))
        if label or words:
            parts.append(f"{name}: {label}{' – ' if label and words else ''}{words}")
    if legend := axes.get_legend():
        parts.append("Shown: " + _listed(_plain(text.get_text()) for text in legend.get_texts()))
    if not any(titles) and not axes.axison:  # a drawing: what is written into it is all that there is to read
        parts.append(_listed(_plain(text.get_text()) for text in axes.texts))
    return _sentences(parts)


def _listed(words: Iterable[str]) -> str:
    each = list(dict.fromkeys(word for word in words if word))
    more = f" and {len(each) - _MOST_NAMES} more" if len(each) > _MOST_NAMES else ""
    return ", ".join(each[:_MOST_NAMES]) + more


def _sentences(parts: Iterable[str]) -> str:
    """Parts that say something, each once, each with a stop after it."""
    each = dict.fromkeys(part.strip() for part in parts if part.strip())
    return " ".join(part if part[-1] in ".!?" else f"{part}." for part in each)


def _plain(text: str) -> str:
    r"""Words without line breaks and without a formula's marks: ``$\sqrt{d}$`` becomes ``sqrt(d)``."""

    def formula(found: re.Match[str]) -> str:
        inside = re.sub(r"\\(?:mathdefault|mathrm|mathbf|mathit|text|operatorname)\b", "", found[1])
        return re.sub(r"\\([A-Za-z]+) ?", r"\1", inside.replace("{", "(").replace("}", ")")).replace("\\", "")

    return " ".join(re.sub(r"(?<!\\)\$([^$]+)\$", formula, text).replace("\\$", "$").split())


def _is_colour_bar(axes: Axes) -> bool:
    return hasattr(axes, "_colorbar")
