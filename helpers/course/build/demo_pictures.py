"""The pictures that a demo opens with, taken out of its widgets: what a page without a kernel can show of it."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

_MODEL = "IPY_MODEL_"
_PNG = "data:image/png;base64,"


def pictures_of(model_id: str, widgets: dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Each picture below a widget, in the order in which a reader meets them.

    Parameters
    ----------
    model_id
        The outermost widget's.
    widgets
        The state of every widget of the session, by its model's id.

    Returns
    -------
    list of tuples
        A PNG in base64, and what Jupyter keeps beside it: its text alternative, and its width in points of the page.
    """
    parser = _Pictures()
    for text in _texts(model_id, widgets):
        parser.feed(text)
    return parser.found


def _texts(model_id: str, widgets: dict[str, dict[str, Any]]) -> Iterator[str]:
    state = widgets.get(model_id, {})
    if state.get("_model_name") == "HTMLModel":
        yield str(state.get("value", ""))
    for child in state.get("children", []):
        yield from _texts(str(child).removeprefix(_MODEL), widgets)


class _Pictures(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, Any]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag != "img" or not given.get("src", "").startswith(_PNG):
            return
        beside: dict[str, Any] = {"alt": given.get("alt", "")}
        styles = dict(style.split(":", 1) for style in given.get("style", "").split(";") if ":" in style)
        width = styles.get("width", "").strip().removesuffix("px")
        if width.isdecimal():
            beside["width"] = int(width)
        self.found.append((given["src"].removeprefix(_PNG), beside))
