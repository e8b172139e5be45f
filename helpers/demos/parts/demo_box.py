"""The box that a demo stands in: every control can be worked by keyboard, and a screen reader can say its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipywidgets import VBox, Widget

# What cannot be set from Python. ipywidgets writes a label beside a slider, but the handle, which has the focus, does
# not refer to it; the player's buttons are bare icons; which of several toggle buttons is pressed is said by a colour
# alone. And JupyterLab takes arrow keys for its own, to go to the next cell, unless an element asks it not to: without
# that, no menu could be worked by keyboard. Attributes are not observed, so what is set here does not call it again.
_SCRIPT = """
(() => {
  const icons = {"fa-play": "Play", "fa-pause": "Pause", "fa-stop": "Stop", "fa-retweet": "Repeat"};
  const textOf = (widget, part) => widget.querySelector(part)?.textContent ?? "";
  const name = () => {
    for (const control of document.querySelectorAll(".jupyter-widgets select, .widget-slider [role=slider]"))
      control.setAttribute("data-lm-suppress-shortcuts", "true");
    for (const handle of document.querySelectorAll(".widget-slider [role=slider]")) {
      const slider = handle.closest(".widget-slider"), label = textOf(slider, ".widget-label");
      handle.setAttribute("aria-label", label);
      handle.setAttribute("aria-valuetext", textOf(slider, ".widget-readout"));
      slider.querySelector(".widget-readout")?.setAttribute("aria-label", label);
    }
    for (const icon of document.querySelectorAll(".widget-play button i")) {
      const known = Object.keys(icons).find((one) => icon.classList.contains(one));
      if (known) icon.parentElement.setAttribute("aria-label", icons[known]);
    }
    for (const group of document.querySelectorAll(".widget-toggle-buttons")) {
      group.setAttribute("role", "group");
      group.setAttribute("aria-label", textOf(group, ".widget-label"));
      for (const button of group.querySelectorAll("button"))
        button.setAttribute("aria-pressed", button.classList.contains("mod-active"));
    }
  };
  window.courseNamesControls?.disconnect();
  window.courseNamesControls = new MutationObserver(name);
  window.courseNamesControls.observe(document.body, {childList: true, subtree: true, characterData: true});
  name();
})();
"""


def demo_box(children: Sequence[Widget], text: str) -> VBox:
    """Put a demo's controls and pictures below each other.

    Parameters
    ----------
    children
        The controls and what they change.
    text
        What stands in a page that shows no widgets: what the demo is about, in a few words.
    """
    import ipywidgets as widgets

    class DemoBox(widgets.VBox):
        def __repr__(self) -> str:
            return f"[Demo: {text}. Run the cell to try it.]"

    for row in children:
        if isinstance(row, widgets.HBox):  # in a narrow page its controls go below each other, as wide as they were
            row.layout.flex_flow = "row wrap"
            for control in row.children:
                control.layout.flex = "0 0 auto"
    script = {"output_type": "display_data", "metadata": {}, "data": {"application/javascript": _SCRIPT}}
    return DemoBox([*children, widgets.Output(outputs=(script,), layout={"display": "none"})])
