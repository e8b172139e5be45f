"""For demos that lay their pictures out themselves, in inches that they know beforehand."""

from __future__ import annotations

from matplotlib.figure import Figure


def parts_outside(figure: Figure) -> list[str]:
    """On which sides something is drawn outside the figure, where it would be cut off, and by how many inches."""
    figure.draw_without_rendering()
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    outside = {"left": -drawn.x0, "below": -drawn.y0, "right": drawn.x1 - width, "above": drawn.y1 - height}
    return [f"{side}: {inches:.2f}" for side, inches in outside.items() if inches > 0]
