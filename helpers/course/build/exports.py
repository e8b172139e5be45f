"""`helpers/layers.py`: the reference layers, collected from the solutions' cells tagged `export`."""

from __future__ import annotations

import ast
import sys

from helpers.course.build.exercise import reference
from helpers.course.build.lesson import EXERCISE, Cell, Lesson
from helpers.course.errors import CourseError

_HEADER = '''"""The course's reference layers, collected from the solutions by `make notebooks`.

Lessons import from here what earlier lessons built; a student who is stuck imports the answer and goes on.
To change something, edit the cell tagged `export` in the lesson named above it.
"""
'''


def layers_source(lessons: list[Lesson]) -> str:
    """The text of `helpers/layers.py`.

    Raises
    ------
    CourseError
        When two exported cells define one name.
    """
    imports: set[str] = set()
    blocks: list[str] = []
    owners: dict[str, Cell] = {}
    for lesson in lessons:
        available = _imports(lesson)
        for cell in lesson.cells:
            if "export" not in cell.tags:
                continue
            source = _without_title(reference(cell))
            tree = ast.parse(source)
            for name in _defined(tree):
                if name in owners:
                    first = owners[name]
                    place = f"{first.path.name}:{first.line}"
                    raise CourseError(cell.path, cell.line, f"{name!r} is exported twice; first in {place}")
                owners[name] = cell
            used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            imports |= {statement for name, statement in available.items() if name in used}
            blocks.append(f"# From lesson {lesson.name}\n{source}")
    return "\n".join([_HEADER, _sorted_imports(imports), ""]) + "\n\n" + "\n\n\n".join(blocks) + "\n"


def _imports(lesson: Lesson) -> dict[str, str]:
    """Name -> the statement that imports it, for what a lesson imports from outside the course's layers."""
    found: dict[str, str] = {}
    for cell in lesson.cells:
        if cell.kind != "code":
            continue
        try:
            tree = ast.parse(cell.source)
        except SyntaxError as error:
            raise cell.error((error.lineno or 1) - 1, f"this cell is not Python: {error.msg}") from error
        for node in tree.body:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name.split(".")[0]
                    found[name] = ast.unparse(ast.Import([alias]))
            elif isinstance(node, ast.ImportFrom) and node.module != "helpers.layers":
                for alias in node.names:
                    found[alias.asname or alias.name] = ast.unparse(ast.ImportFrom(node.module, [alias], 0))
    return found


def _defined(tree: ast.Module) -> list[str]:
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return names


def _without_title(source: str) -> str:
    first, _, rest = source.partition("\n")
    return rest.strip("\n") if EXERCISE.match(first) else source.strip("\n")


def _sorted_imports(statements: set[str]) -> str:
    """Import lines in ruff's order: the standard library, others, our own; `import` before `from`."""
    plain = {statement for statement in statements if statement.startswith("import")}
    members: dict[str, set[str]] = {}
    for statement in statements - plain:
        module, names = statement.removeprefix("from ").split(" import ")
        members.setdefault(module, set()).add(names)
    lines = sorted(plain) + [
        f"from {module} import {', '.join(sorted(names, key=lambda name: (not name[0].isupper(), name)))}"
        for module, names in sorted(members.items())
    ]
    groups: dict[int, list[str]] = {}
    for line in lines:
        package = line.split()[1].split(".")[0]
        section = 0 if package in sys.stdlib_module_names else 2 if package == "helpers" else 1
        groups.setdefault(section, []).append(line)
    return "\n\n".join("\n".join(group) for _, group in sorted(groups.items()))
