"""Which files a lesson's outputs depend on, found by reading its imports."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from helpers.course.build.lesson import Lesson
from helpers.course.project import Project


def digest(project: Project, lesson: Lesson) -> str:
    """A fingerprint of the lesson's source, the helpers that it imports and the assets that they name.

    File times say nothing after a fresh clone, so the build compares this instead.
    """
    total = hashlib.sha256(lesson.text.encode())
    for path in sorted(dependencies(project, lesson)):
        total.update(f"\0{project.relative(path).as_posix()}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()[:32]


def dependencies(project: Project, lesson: Lesson) -> set[Path]:
    """The modules under `helpers/` that a lesson imports, directly or not, and the assets that they name."""
    found: set[Path] = set()
    source = "\n".join(cell.source for cell in lesson.cells if cell.kind == "code")
    waiting = [ast.parse(source)]
    assets = [path for path in (project.helpers / "assets").glob("*") if path.is_file() and path.suffix != ".md"]
    while waiting:
        tree = waiting.pop()
        strings = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        found |= {path for path in assets if any(path.name in string for string in strings)}
        for path in _imported(project, tree):
            if path not in found:
                found.add(path)
                waiting.append(ast.parse(path.read_text("utf-8")))
    return found


def _imported(project: Project, tree: ast.Module) -> Iterator[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from helpers import checks` names a module in its second half
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "helpers":
                yield from _files(project.root.joinpath(*name.split(".")))


def _files(module: Path) -> Iterator[Path]:
    if module.with_suffix(".py").is_file():
        yield module.with_suffix(".py")
    elif module.name == "checks":
        yield from module.rglob("*.py")  # each exercise is imported by its number, at run time
    elif (module / "__init__.py").is_file():
        yield module / "__init__.py"
