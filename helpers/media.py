"""Videos, slides and expected pictures, in a form that also works offline and in a static page."""

from __future__ import annotations

import base64
import functools
import html
import io
import os
import queue
import re
import socket
import threading
import time
from dataclasses import dataclass
from importlib import resources

_PROBED = ("www.youtube.com", "www.bilibili.com")  # either will do: some networks block one of them
_PROBE_SECONDS = 0.8
_CREDIT = (
    "Neuromatch Academy",
    "https://neuromatch.io/",
    "CC BY 4.0",
    "https://creativecommons.org/licenses/by/4.0/",
)

SLIDES = "https://osf.io/sfmpe/"


def video_addresses(youtube: str, bilibili: str) -> dict[str, str]:
    """Where a video can be watched, by place."""
    return {
        "YouTube": f"https://www.youtube.com/watch?v={youtube}",
        "Bilibili": f"https://www.bilibili.com/video/{bilibili}",
    }


def video(youtube: str, bilibili: str, title: str = "Video") -> None:
    """Show links to a video; in a live notebook with a network, also tabs with both players.

    A player is asked for only when its button is pressed, so opening a notebook contacts nobody.

    Parameters
    ----------
    youtube, bilibili
        The video's ids, such as ``"UnuSQeT8GqQ"`` and ``"BV1hf4y1j7XE"``.
    title
        What the video is about.

    Raises
    ------
    ValueError
        An id has the wrong form.
    """
    if not re.fullmatch(r"[\w-]{11}", youtube, re.ASCII):
        raise ValueError(f"{youtube!r} is no YouTube id: 11 letters, digits, - or _, as in 'UnuSQeT8GqQ'.")
    if not re.fullmatch(r"BV[0-9A-Za-z]{10}", bilibili):
        raise ValueError(f"{bilibili!r} is no Bilibili id: BV and 10 letters or digits, as in 'BV1hf4y1j7XE'.")
    watch = video_addresses(youtube, bilibili)
    links = " · ".join(_link(url, place) for place, url in watch.items())
    addresses = " ".join(watch.values())
    _display(
        f"<p><b>{html.escape(title)}</b>: {links}<br><small>Video: {_credit_html()}</small></p>",
        f"{title}: {addresses} (video: {_CREDIT[0]}, {_CREDIT[2]})",
    )
    if _in_kernel() and online():
        players = {
            "YouTube": f"https://www.youtube-nocookie.com/embed/{youtube}?autoplay=1",
            "Bilibili": f"https://player.bilibili.com/player.html?bvid={bilibili}&page=1&autoplay=1",
        }
        _display_tabs({place: _player(url, place, title) for place, url in players.items()})


def slides() -> None:
    """Show a link to the day's slides."""
    _display(
        f"<p>Slides of the day: {_link(SLIDES, 'osf.io/sfmpe')}<br><small>{_credit_html()}</small></p>",
        f"Slides of the day: {SLIDES} ({_CREDIT[0]}, {_CREDIT[2]})",
    )


def what_you_should_see(name: str, alt: str | None = None) -> None:
    """Show, folded, the picture that the solution draws.

    Parameters
    ----------
    name
        The picture's name, without ``.png``.
    alt
        What the picture shows, for those who do not see it; by default what the build wrote into the picture's file.

    Raises
    ------
    FileNotFoundError
        The course has no picture of that name.
    """
    folder = resources.files("helpers") / "assets" / "expected"
    # Looking the name up in the list, not in a path: "../x" then leads nowhere.
    pictures = {file.name: file for file in folder.iterdir()} if folder.is_dir() else {}
    if f"{name}.png" not in pictures:
        raise FileNotFoundError(
            f"No expected picture {name!r}: helpers/assets/expected/{name}.png is missing. "
            "`make notebooks` draws the pictures again from the solutions."
        )
    png = pictures[f"{name}.png"].read_bytes()
    alt = alt or _description(png) or "The picture that the solution draws here."
    data = base64.b64encode(png).decode("ascii")
    _display(
        "<details><summary>What you should see</summary>"
        f'<img alt="{html.escape(alt)}" style="max-width:100%" src="data:image/png;base64,{data}"></details>',
        f"What you should see: {alt}",
    )


def online() -> bool:
    """Whether there is a network: tried once a session, in under a second; ``COURSE_OFFLINE=1`` means no."""
    return os.environ.get("COURSE_OFFLINE") != "1" and _probe()


@functools.cache
def _probe() -> bool:
    answers: queue.Queue[bool] = queue.Queue()

    def knock(host: str) -> None:
        try:
            socket.create_connection((host, 443), timeout=_PROBE_SECONDS).close()
        except OSError:
            answers.put(False)
        else:
            answers.put(True)

    # In threads: looking a name up knows no time limit, and on a broken network takes many seconds.
    for host in _PROBED:
        threading.Thread(target=knock, args=(host,), daemon=True).start()
    deadline = time.monotonic() + _PROBE_SECONDS
    for _ in _PROBED:
        try:
            if answers.get(timeout=max(0.0, deadline - time.monotonic())):
                return True
        except queue.Empty:
            return False
    return False


def _description(png: bytes) -> str:
    """The words that a picture carries about itself."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        return str(image.info.get("Description", ""))


@dataclass(frozen=True, repr=False)
class _Page:
    """Something with a form for a notebook and a form for a terminal."""

    html: str
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def _display(page: str, text: str) -> None:
    from IPython.display import display

    display(_Page(page, text))


def _display_tabs(pages: dict[str, str]) -> None:
    import ipywidgets as widgets
    from IPython.display import display

    tabs = widgets.Tab([widgets.HTML(page) for page in pages.values()])
    for index, name in enumerate(pages):
        tabs.set_title(index, name)
    display(tabs)


def _in_kernel() -> bool:
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


def _link(address: str, text: str) -> str:
    return f'<a href="{html.escape(address)}" target="_blank" rel="noopener">{html.escape(text)}</a>'


def _credit_html() -> str:
    name, home, licence, terms = _CREDIT
    return f"{_link(home, name)}, {_link(terms, licence)}"


def _player(address: str, place: str, title: str) -> str:
    """A frame that holds only a button; pressing it loads the player into the frame.

    YouTube's player refuses to start without a referrer, so the frame says which policy holds.
    """
    button = (
        "<style>html,body{margin:0;height:100%}a{display:grid;place-items:center;height:100%;background:#222;"
        "color:#fff;font:1.2em sans-serif;text-decoration:none}</style>"
        f'<a href="{html.escape(address)}">▶ Play on {html.escape(place)}: {html.escape(title)}</a>'
    )
    return (
        f'<iframe title="{html.escape(f"{title}, on {place}")}" width="640" height="360" '
        'style="max-width:100%;border:0" loading="lazy" allow="autoplay; fullscreen; encrypted-media" '
        f'referrerpolicy="strict-origin-when-cross-origin" srcdoc="{html.escape(button)}"></iframe>'
    )
