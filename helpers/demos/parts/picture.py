"""A figure as an HTML image with a text alternative: what a demo's widget shows."""

from __future__ import annotations

import base64
import html
import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHARPNESS = 1.5  # picture points for each point of the page: crisp on small print, and still quick to draw
_LEAST_SHARE = 0.7  # of a picture's width: in a narrower page it scrolls, for smaller letters cannot be read


def picture(figure: Figure, alt: str, *, tight: bool = True) -> str:
    """Turn a figure into HTML that shows it as a PNG and scrolls in a narrow page, and close the figure.

    `ipywidgets.HTML` shows it in JupyterLab, Colab and Binder alike. `ipywidgets.Image` would not do: before
    version 8 it has no text alternative.

    Parameters
    ----------
    figure
        Any matplotlib figure.
    alt
        What the picture shows, in a sentence or two, for readers who cannot see it.
    tight
        Whether to cut the picture to what was drawn. False takes the figure as it is laid out, which is faster.

    Returns
    -------
    str
        HTML. The same figure gives the same HTML.

    Raises
    ------
    ValueError
        `alt` is empty.
    """
    if not alt.strip():
        raise ValueError("A picture needs a text alternative: say in `alt` what it shows.")
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    file = io.BytesIO()
    dpi = _SHARPNESS * figure.dpi
    # Most of the time to draw goes into letters, a quarter of that into fitting them to the picture's points: at this
    # sharpness they are as legible without.
    with matplotlib.rc_context({"text.hinting": "no_hinting"}):
        if tight:
            figure.savefig(file, format="png", dpi=dpi, bbox_inches="tight", metadata={"Software": None})
        else:  # past savefig, which would draw it twice
            figure.set_dpi(dpi)
            FigureCanvasAgg(figure).print_png(file, metadata={"Software": None}, pil_kwargs={"compress_level": 3})
    if "matplotlib.pyplot" in sys.modules:  # else pyplot cannot hold this figure
        sys.modules["matplotlib.pyplot"].close(figure)
    png = file.getvalue()
    # A PNG opens with signature and header: its width stands here.
    shown = int.from_bytes(png[16:20], "big") / _SHARPNESS
    return (
        f'<div style="overflow-x: auto"><img alt="{html.escape(alt)}"'
        f' style="width: {shown:.0f}px; max-width: max(100%, {_LEAST_SHARE * shown:.0f}px)"'
        f' src="data:image/png;base64,{base64.b64encode(png).decode("ascii")}"></div>'
    )
