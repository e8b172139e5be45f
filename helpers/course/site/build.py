"""Write what Sphinx reads, and let it make the site."""

from __future__ import annotations

import io
import re
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat

from helpers.course.build.build import stale
from helpers.course.build.lesson import Lesson
from helpers.course.errors import CourseError
from helpers.course.project import Project
from helpers.course.room.lab import unpaired
from helpers.course.site.glossary import glossary_page
from helpers.course.site.lesson_page import lesson_page
from helpers.course.site.pages import PAGES, front_page, page_source
from helpers.course.site.settings import mathjax_files, sphinx_settings


def build_site(project: Project, out: Path) -> list[str]:
    """Make the site of a repository from what lies there; nothing is executed.

    Parameters
    ----------
    out
        The folder that the site goes into; what it held before is replaced when all has gone well.

    Returns
    -------
    list of str
        Sphinx's warnings. The site is written only when there is none.

    Raises
    ------
    CourseError
        A lesson has not been executed since it was changed, or shows what a page cannot.
    """
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        files = source_files(project)
        for name, content in files.items():
            path = work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        warnings = _sphinx(project, work)
        if not warnings:
            shutil.rmtree(out, ignore_errors=True)
            shutil.copytree(work / "html", out)
        return warnings


def source_files(project: Project) -> dict[str, bytes]:
    """What Sphinx reads, by its place: pages under `source`, and beside it what is copied as it is."""
    lessons = [Lesson.read(path) for path in sorted(project.solutions.glob("*.py"))]
    texts = {f"{name}.md": page_source(project, page) for page, name in PAGES.items()}
    texts["index.md"] = front_page(project, lessons)
    texts["glossary.md"] = glossary_page(project, lessons)
    files = {f"source/{name}": text.encode() for name, text in texts.items()}
    for picture in project.expected.glob("*.png"):
        files[f"source/pictures/{picture.name}"] = picture.read_bytes()
    for lesson in lessons:
        executed = project.solutions / f"{lesson.name}.ipynb"
        if reason := stale(project, lesson):
            raise CourseError(executed, None, f"{reason}; run `make notebooks` first")
        page = lesson_page(project, lesson, nbformat.read(executed, 4))
        files[f"source/lessons/{lesson.name}.ipynb"] = nbformat.writes(page.notebook).encode()
        files |= {f"source/pictures/{name}": png for name, png in page.pictures.items()}
        exercise = f"notebooks/{lesson.name}.ipynb"
        files[f"extra/{exercise}"] = unpaired((project.root / exercise).read_bytes())
    return files | {f"static/{name}": content for name, content in mathjax_files().items()}


def _sphinx(project: Project, work: Path) -> list[str]:
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    said = io.StringIO()
    with patch_docutils(), docutils_namespace():
        app = Sphinx(
            srcdir=work / "source",
            confdir=None,
            outdir=work / "html",
            doctreedir=work / "doctrees",
            buildername="html",
            confoverrides=sphinx_settings(project, work / "static", work / "extra"),
            status=sys.stdout if sys.stdout.isatty() else None,
            warning=said,
        )
        app.build()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said.getvalue()).replace(f"{work / 'source'}/", "")
    return [line for line in plain.splitlines() if line.strip()]
