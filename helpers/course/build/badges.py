"""The repository's address inside badges, install lines and hand-out links, written there from `pyproject.toml`."""

from __future__ import annotations

import re
from urllib.parse import urlencode

_SLUG = r"[\w.-]+/[\w.-]+"
# What leads to the repository from a lesson or the README: group 1, the slug, group 2, the branch.
_ADDRESSES = [
    re.compile(rf"(colab\.research\.google\.com/github/){_SLUG}(/blob/)([\w.-]+)"),
    re.compile(rf"(mybinder\.org/v2/gh/){_SLUG}(/)([\w.-]+)"),
]
_INSTALL = re.compile(rf"(git\+https://github\.com/){_SLUG}")
_REPOSITORY = re.compile(rf"(^repository-code: \"?https://github\.com/){_SLUG}", re.MULTILINE)  # in CITATION.cff
_SITE = re.compile(r"(\[Read the course on the web\]\()[^)]*")  # in the README
# Between these two lines of a page, the build writes a link to hand out for each lesson.
_BEGIN, _END = "<!-- links for a hub, written by `make notebooks` -->", "<!-- end of the links -->"
_NOTEBOOK = re.compile(r"((?:/notebooks/|notebooks%2F))[\w-]+(\.ipynb)")


def with_slug(text: str, slug: str, branch: str) -> str:
    """`text` with every badge and install line leading to `slug`."""
    for address in _ADDRESSES:
        text = address.sub(rf"\g<1>{slug}\g<2>{branch}", text)
    text = _REPOSITORY.sub(rf"\g<1>{slug}", text)
    text = _SITE.sub(rf"\g<1>{site_address(slug)}", text)
    return _INSTALL.sub(rf"\g<1>{slug}", text)


def site_address(slug: str) -> str:
    """Where GitHub Pages shows the course's site."""
    account, _, repository = slug.partition("/")
    return f"https://{account}.github.io/{repository}/"


def with_own_notebook(text: str, name: str) -> str:
    """`text`, a lesson's source, with its badges opening the lesson `name` and no other."""
    lines = []
    for line in text.splitlines(keepends=True):
        is_badge = any(address.search(line) for address in _ADDRESSES)
        lines.append(_NOTEBOOK.sub(rf"\g<1>{name}\g<2>", line) if is_badge else line)
    return "".join(lines)


def pull_link(hub: str, slug: str, branch: str, name: str) -> str:
    """The nbgitpuller link that opens the lesson `name` on a JupyterHub, in each student's own copy of the course."""
    folder = slug.partition("/")[2]
    query = {
        "repo": f"https://github.com/{slug}",
        "branch": branch,
        "urlpath": f"lab/tree/{folder}/notebooks/{name}.ipynb",
    }
    return f"{hub}/hub/user-redirect/git-pull?{urlencode(query)}"


def with_pull_links(text: str, lessons: dict[str, str], hub: str, slug: str, branch: str) -> str:
    """`text` with a table of nbgitpuller links where it marks a place for one.

    Parameters
    ----------
    lessons
        Each lesson's title, by its name.
    """
    begin, end = text.find(_BEGIN), text.find(_END)
    if not 0 <= begin < end:
        return text
    rows = [f"| {title} | [open]({pull_link(hub, slug, branch, name)}) |" for name, title in lessons.items()]
    table = "\n".join(["| lesson | on the hub |", "|---|---|", *rows])
    return f"{text[: begin + len(_BEGIN)]}\n\n{table}\n\n{text[end:]}"
