"""The folders of `helpers`: each imports from the floors below it alone, and never in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the ground up: a folder may import from itself and from every floor below its own. `helpers` stands for the
# modules at the top of the package, which lessons import.
FLOORS = (
    ("helpers.downloads", "helpers.plots"),
    ("helpers.texts", "helpers.models"),
    ("helpers", "helpers.reports"),
    ("helpers.demos.parts",),
    ("helpers.demos",),
    ("helpers.checks",),
    ("helpers.course",),
)
MOST_AT_THE_TOP = 22


def modules(root: Path) -> dict[str, Path]:
    """Every module of the package by its dotted name; a package stands for its `__init__`."""
    found = {}
    for path in sorted(root.glob("helpers/**/*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(name: str, known: dict[str, Path]) -> Iterator[str]:
    """Modules of the package that a module imports, for its types or inside a function too."""
    for node in ast.walk(ast.parse(known[name].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{name} has a relative import"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            wanted = [module if module in known else node.module for module in inside]
        else:
            continue
        yield from (module for module in wanted if module in known and module != name)


def floor(name: str, known: dict[str, Path]) -> int:
    """The floor of a module's folder: the longest name in `FLOORS` that holds it."""
    folder = name if known[name].name == "__init__.py" else name.rpartition(".")[0]
    places = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    while folder not in places:
        folder = folder.rpartition(".")[0]
    return places[folder]


def upward(root: Path) -> list[str]:
    known = modules(root)
    return [
        f"{name} imports {other}"
        for name in known
        for other in imported(name, known)
        if floor(other, known) > floor(name, known)
    ]


def circle(root: Path) -> list[str]:
    known = modules(root)
    try:
        TopologicalSorter({name: set(imported(name, known)) for name in known}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_imports_run_downward_only() -> None:
    assert not upward(ROOT)


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert not circle(ROOT)


def test_lessons_import_nothing_of_the_instructors() -> None:
    lessons = {path: path.read_text("utf-8") for path in (ROOT / "solutions").glob("*.py")}
    assert lessons
    assert not [path.name for path, text in lessons.items() if "helpers.course" in text]


def test_the_top_of_helpers_can_be_taken_in_at_a_glance() -> None:
    assert len([path for path in (ROOT / "helpers").glob("*.py") if path.name != "__init__.py"]) <= MOST_AT_THE_TOP


@pytest.mark.parametrize(
    ("lines", "up", "round_"),
    [
        ({"texts/a.py": "def f():\n    from helpers.demos import b"}, ["helpers.texts.a imports helpers.demos.b"], []),
        ({"a.py": "import helpers.c", "c.py": "from helpers import a"}, [], ["helpers.a", "helpers.c"]),
        ({"demos/b.py": "from helpers.texts.a import f", "texts/a.py": "f = 1"}, [], []),
    ],
    ids=["up", "circle", "down"],
)
def test_an_import_that_runs_up_or_in_a_circle_is_seen(
    tmp_path: Path, lines: dict[str, str], up: list[str], round_: list[str]
) -> None:
    for file in ("__init__.py", "texts/__init__.py", "demos/__init__.py", "demos/b.py", *lines):
        path = tmp_path / "helpers" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines.get(file, ""), "utf-8")
    assert upward(tmp_path) == up
    assert sorted(set(circle(tmp_path))) == round_
