"""Feedback on a section: kept on the student's computer, sent on only where the instructor asked for it."""

from __future__ import annotations

import contextlib
import html
import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from helpers.progress import record_dir

if TYPE_CHECKING:
    from ipywidgets import VBox

RATINGS = {1: "I was lost", 2: "hard to follow", 3: "all right", 4: "clear", 5: "very clear"}
_SEND_SECONDS = 5.0


def feedback_box(section: str) -> VBox:
    """A rating, a comment and a button that keeps both; the box says where the words go.

    Parameters
    ----------
    section
        What the feedback is about, such as ``"02 Queries, keys, values: word vectors"``.

    Returns
    -------
    ipywidgets.VBox
        Its text form, which a static page shows, names the section and nothing of this computer.
    """
    import ipywidgets as widgets

    class FeedbackBox(widgets.VBox):
        def __repr__(self) -> str:
            return f"[Feedback on {section}. Run the cell to write some.]"

    # Buttons, because the keyboard reaches each; `None`, so that nobody sends a rating they did not choose.
    rating = widgets.ToggleButtons(
        options=[(f"{number}: {words}", number) for number, words in RATINGS.items()],
        value=None,
        description="Rating",
        style={"button_width": "auto"},
    )
    comment = widgets.Textarea(
        description="Comment",
        placeholder="What helped? What did not?",
        layout=widgets.Layout(width="auto", max_width="44em"),
    )
    send = widgets.Button(description="Send feedback", icon="paper-plane")
    status = widgets.HTML(_paragraph(_where_it_goes()))

    def on_send(_: widgets.Button) -> None:
        try:
            path = save_feedback(section, rating.value, comment.value)
        except ValueError as error:
            status.value = _paragraph(str(error))
        except OSError as error:
            status.value = _paragraph(f"{error} {_on_its_way()}")
        else:
            status.value = _paragraph(f"Thank you. Kept in {path}. {_on_its_way()}")
            rating.value, comment.value = None, ""

    send.on_click(on_send)
    heading = widgets.HTML(f"<b>How was this section?</b> {html.escape(section)}")
    return FeedbackBox([heading, rating, comment, send, status])


def save_feedback(section: str, rating: int | None, comment: str) -> Path:
    """Append one line of JSON to ``feedback.jsonl``, and post it to ``COURSE_FEEDBACK_URL`` where that is set.

    The post runs beside the notebook, and its fate changes nothing here.

    Parameters
    ----------
    section
        What the feedback is about.
    rating
        1 (lost) to 5 (very clear), or ``None`` with a comment alone.
    comment
        Free text, may be empty.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    ValueError
        There is neither a rating nor a comment, or the rating is not 1 to 5.
    OSError
        The file cannot be written; the message says what to do.
    """
    if rating is None and not comment.strip():
        raise ValueError("Choose a rating or write a comment first.")
    if rating is not None and rating not in RATINGS:
        raise ValueError(f"A rating is a whole number from 1 to 5, not {rating!r}.")
    entry = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "section": section,
        "rating": rating,
        "comment": comment.strip(),
    }
    # Half an emoji has no UTF-8 form: as an escape it is still JSON.
    line = json.dumps(entry, ensure_ascii=False).encode("utf-8", errors="backslashreplace") + b"\n"
    if address := _address():  # before writing: words that cannot be kept here may still arrive there
        threading.Thread(target=_post, args=(address, line), daemon=True).start()
    path = record_dir() / "feedback.jsonl"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:  # one write, so that two kernels' lines do not mix
            file.write(line)
    except OSError as error:
        raise OSError(
            f"Your feedback could not be kept in {path} ({error.strerror or error}). "
            "Set COURSE_RECORD to a folder that you can write to."
        ) from error
    return path


def _address() -> str | None:
    """The instructor's address, where one is set and may be used."""
    url = os.environ.get("COURSE_FEEDBACK_URL", "").strip()
    if os.environ.get("COURSE_OFFLINE") == "1" or not _host(url):
        return None
    return url


def _host(url: str | None) -> str | None:
    """The host of an http or https address; ``None`` for anything else, so that no other protocol is used."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return None
    return parts.hostname if parts.scheme in ("http", "https") else None


def _where_it_goes() -> str:
    path = record_dir() / "feedback.jsonl"
    if host := _host(_address()):
        return f"Your words are kept on this computer, in {path}, and also sent to {host}, as your instructor set."
    here = f"Your words stay on this computer, in {path}"
    url = os.environ.get("COURSE_FEEDBACK_URL", "").strip()
    if url and not _host(url):
        return f"{here}. COURSE_FEEDBACK_URL is not an http or https address, so nothing is sent: {url}"
    return f"{here}."


def _on_its_way() -> str:
    host = _host(_address())
    return f"It is on its way to {host}." if host else ""


def _post(address: str, line: bytes) -> None:
    import urllib.request

    headers = {"Content-Type": "application/json; charset=utf-8"}
    # Whatever happens to the instructor's server is no concern of the student's.
    with contextlib.suppress(Exception):
        request = urllib.request.Request(address, data=line, headers=headers, method="POST")
        urllib.request.urlopen(request, timeout=_SEND_SECONDS).close()


def _paragraph(text: str) -> str:
    return f"<p role='status'>{html.escape(text)}</p>"
