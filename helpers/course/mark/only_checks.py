"""A step for nbgrader: of a notebook that is marked, execute only what its checks need."""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from helpers.course.mark.answer import cells_to_run


class OnlyChecks(NbGraderPreprocessor):
    """Tags every other cell for nbclient to skip: nothing trains, and an endless loop costs one cell's time."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        needed = cells_to_run(nb)
        for place, cell in enumerate(nb.cells):
            if cell.cell_type == "code" and place not in needed:
                cell.metadata["tags"] = [*cell.metadata.get("tags", []), "skip-execution"]
        return nb, resources
