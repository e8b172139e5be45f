"""How Sphinx is set up: what stands in a `conf.py` elsewhere, with every address made from the slug."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from helpers.course.build.badges import site_address
from helpers.course.project import Project

TITLE = "Attention and Transformers, by hand"


def sphinx_settings(project: Project, static: Path, extra: Path) -> dict[str, Any]:
    """Sphinx's configuration.

    Parameters
    ----------
    static
        A folder whose content goes into `_static`, beside the course's own style: MathJax.
    extra
        A folder whose content goes to the site's root as it is: the exercise notebooks.
    """
    return {
        "project": TITLE,
        "author": "the course's authors",
        "copyright": "the course's authors; text and pictures CC BY 4.0, code MIT",
        "extensions": ["myst_nb", "sphinx.ext.mathjax", "sphinx_copybutton", "sphinx_design"],
        "language": "en",
        "nitpicky": True,
        "nb_execution_mode": "off",
        "nb_render_markdown_format": "myst",
        "myst_enable_extensions": ["attrs_inline", "colon_fence", "dollarmath"],
        "myst_heading_anchors": 3,
        "html_theme": "sphinx_book_theme",
        "html_title": TITLE,
        "html_baseurl": site_address(project.slug),
        "html_static_path": [str(Path(__file__).with_name("static")), str(static)],
        "html_extra_path": [str(extra)],
        "html_favicon": str(Path(__file__).with_name("static") / "favicon.svg"),
        "html_css_files": ["course.css"],
        "html_js_files": ["course.js"],
        "html_copy_source": False,
        "html_show_sourcelink": False,
        "html_context": {"default_mode": "auto"},  # dark or light, as the reader's computer is set
        "html_theme_options": {
            "repository_url": f"https://github.com/{project.slug}",
            "repository_branch": project.branch,
            "use_repository_button": True,
            "use_download_button": False,
            "use_fullscreen_button": False,
            "navbar_persistent": [],  # a second box to search in
            "home_page_in_toc": True,
            "show_navbar_depth": 1,
            "show_toc_level": 2,
            "toc_title": "On this page",
            "search_bar_text": "Search the course",
        },
        # Shipped with the site. Its menu would make each formula a stop of the Tab key.
        "mathjax_path": "mathjax/tex-chtml.js",
        "mathjax3_config": {"options": {"enableMenu": False}},
    }


def mathjax_files() -> dict[str, bytes]:
    """What a page with formulas loads of MathJax, by its place under `_static`.

    The package `django-static-mathjax` is MathJax as it is published, and nothing of Django.
    """
    es5 = resources.files("mathjax") / "static" / "mathjax" / "es5"
    fonts = es5 / "output" / "chtml" / "fonts" / "woff-v2"
    found = {"mathjax/tex-chtml.js": (es5 / "tex-chtml.js").read_bytes()}
    for font in fonts.iterdir():
        found[f"mathjax/output/chtml/fonts/woff-v2/{font.name}"] = font.read_bytes()
    return found
