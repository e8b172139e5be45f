"""The header that pairs a lesson's percent file with its notebook, in JupyterLab and on the command line."""

from __future__ import annotations

import re

# What tools keep in a cell and no percent file should hold. jupytext itself leaves out a few more (collapsed,
# scrolled, trusted, execution). It is a list of names because jupytext drops a tool's empty `tags: []` only where a
# filter has no `-all`; with one, a notebook that papermill has run is "not what its percent file says" and stays shut.
_NOT_IN_TEXT = (
    *("nbgrader", "cellView", "jupyter"),  # the build's own, and whether a cell is folded
    "papermill",
    *("deletable", "editable", "slideshow", "jp-MarkdownHeadingCollapsed"),  # JupyterLab
    *("heading_collapsed", "hidden", "hide_input", "init_cell", "run_control"),  # older Jupyter
    *("vscode", "notebookRunGroups", "pycharm"),
    *("colab", "colab_type", "executionInfo", "id", "outputId"),  # Colab
)
# Each tool has its own name for the kernel: the notebook keeps it, the source says nothing of it.
_NOT_IN_HEADER = ("jupytext.text_representation.jupytext_version", "kernel_info", "kernelspec")

HEADER = f"""\
# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,{",".join(f"-{name}" for name in _NOT_IN_TEXT)}
#     formats: ipynb,py:percent
#     notebook_metadata_filter: {",".join(f"-{name}" for name in _NOT_IN_HEADER)}
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
# ---
"""

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}

_ANY_HEADER = re.compile(r"\A# ---\n(?:#.*\n)*?# ---\n")


def with_header(text: str) -> str:
    """`text`, a percent file, with the header that every lesson has."""
    return HEADER + _ANY_HEADER.sub("", text)
