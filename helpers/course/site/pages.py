"""The pages beside the lessons: the repository's own, with links that fit the site, and the front page."""

from __future__ import annotations

import re

from helpers.course.build.lesson import Lesson
from helpers.course.errors import CourseError
from helpers.course.project import Project

# The repository's pages that the site shows, and their names there.
PAGES = {
    "HANDOUTS.md": "handouts",
    "MARKING.md": "marking",
    "TROUBLESHOOTING.md": "troubleshooting",
    "docs/measured.md": "measured",
    "CONTRIBUTING.md": "contributing",
}
_LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")
_MAP = re.compile(r"^\| lesson \|.*(?:\n\|.*)+", re.MULTILINE)


def page_source(project: Project, name: str) -> str:
    """One of the repository's pages; a link to a file that the site does not show leads to the repository."""

    def moved(link: re.Match[str]) -> str:
        words, path, anchor = link[1], link[2].removeprefix("../"), link[3] or ""  # as seen from docs/
        if path in PAGES:  # a page that is called by its file's name is called by its title here
            return f"[{'' if words == path else words}]({PAGES[path]}.md{anchor})"
        if path == "README.md":
            return f"[{words}](index.md)"
        return f"[{words}](https://github.com/{project.slug}/blob/{project.branch}/{path}{anchor})"

    text = (project.root / name).read_text("utf-8")
    return _LINK.sub(moved, text)


def front_page(project: Project, lessons: list[Lesson]) -> str:
    """`docs/index.md`, with what it leaves to the build filled in: addresses, the map, the table of contents."""
    path = project.root / "docs" / "index.md"
    text = path.read_text("utf-8")
    words = {
        "SLUG": project.slug,
        "FOLDER": project.slug.partition("/")[2],
        "MAP": lesson_map(lessons),
        "LESSONS": "\n".join(f"lessons/{lesson.name}" for lesson in lessons),
    }
    for word, value in words.items():
        if f"%{word}%" not in text:
            raise CourseError(path, None, f"%{word}% is missing: the build puts something there")
        text = text.replace(f"%{word}%", value)
    return text.replace("](../helpers/assets/expected/", "](/pictures/")


def lesson_map(lessons: list[Lesson]) -> str:
    """The table of lessons, as lesson 0 has it, with links that fit the front page."""
    first = lessons[0]
    for cell in first.cells:
        if cell.kind == "markdown" and (found := _MAP.search(cell.source)):
            table = found[0].replace(f"| {first.title} |", f"| [{first.title}]({first.name}.ipynb) |")
            return re.sub(r"\]\((\d\d_\w+\.ipynb)\)", r"](lessons/\1)", table)
    raise CourseError(first.path, None, "no map: a table whose first column is called `lesson`")
