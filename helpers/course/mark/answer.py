"""Take an answer out of a notebook: the cell of an exercise and what it needs by name, and nothing that trains."""

from __future__ import annotations

import ast
import builtins
import functools
import symtable
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from helpers.course.mark.collect import exercise_of

# What an assignment may call without being left out: makes a constant, and takes no time.
_HARMLESS = {"torch", "math", "np", "numpy", "nn", "F", "set_device", "re", "string", "functools", "partial"}
_HARMLESS |= {"dict", "list", "tuple", "set", "frozenset", "range", "len", "min", "max", "float", "int", "str", "sum"}
# Most cells are the same in every notebook of a class: what has been found out about one need not be found again.
_remembered = functools.lru_cache(maxsize=10_000)


@dataclass(frozen=True)
class Answer:
    """What is run for one exercise.

    Attributes
    ----------
    name
        Of the class or function that is checked.
    cells
        Source of each cell that something is taken from, whole, so that a message can name its lines.
    taken
        For each of these cells the places of the statements to run, counted from 0.
    own
        Which of these cells is the exercise's.
    problem
        Why there is nothing to run, in a sentence; "" where there is.
    others
        Names of the lesson's other exercises. What they get wrong should not cost this one its mark.
    """

    name: str
    cells: tuple[str, ...] = ()
    taken: tuple[tuple[int, ...], ...] = ()
    own: int = 0
    problem: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Statement:
    cell: int
    place: int
    node: ast.stmt


def find_answer(notebook: dict[str, Any], exercise: str, name: str) -> Answer:
    """Find what has to be run for an exercise.

    Cells count up to the exercise's check: what stands below it is written for later. The last definition of a name
    is taken, as in a notebook that was run from top to bottom.

    Parameters
    ----------
    notebook
        As JSON.
    exercise
        Id, such as "6b".
    name
        What its check is handed: "DecoderBlock".
    """
    cells = _code(notebook, exercise)
    owns = [number for number, (place, _) in enumerate(cells) if _is_solution(notebook["cells"][place], exercise)]
    if not owns:
        return Answer(name, problem=f"The notebook has no cell for exercise {exercise}.")
    sources, own = [source for _, source in cells], owns[0]
    try:
        _parsed(sources[own])
    except _UNREADABLE as error:
        line = getattr(error, "lineno", None)
        where = f"line {line} of the cell: " if line else ""
        said = getattr(error, "msg", None) or str(error)
        return Answer(name, (sources[own],), problem=f"Python cannot read the cell ({where}{said}).")
    bound = _bound(sources)
    if name not in bound:
        return Answer(name, (sources[own],), problem=f"`{name}` is not defined: its name has to stay as it is given.")
    chosen = sorted({(one.cell, one.place) for one in _needed({name}, bound, own)})
    numbers = sorted({cell for cell, _ in chosen})
    taken = tuple(tuple(place for cell, place in chosen if cell == number) for number in numbers)
    its = numbers.index(own) if own in numbers else len(numbers) - 1
    return Answer(name, tuple(sources[number] for number in numbers), taken, its)


def cells_to_run(notebook: dict[str, Any]) -> set[int]:
    """Return the places of the cells that the checks need: these, the exercises, and what both use by name."""
    found: set[int] = set()
    for place, cell in enumerate(notebook["cells"]):
        exercise = exercise_of(cell)
        if not exercise or cell.get("cell_type") != "code":
            continue
        found.add(place)
        if not cell["metadata"]["nbgrader"].get("grade"):
            continue
        cells = _code(notebook, exercise)
        sources = [source for _, source in cells]
        used = set().union(*(_uses(node) for node in _statements(_as_python(_source(cell)))))
        found |= {cells[one.cell][0] for one in _needed(used, _bound(sources), None)}
    return found


_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


def _parsed(source: str) -> list[ast.stmt]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source).body


@_remembered
def _statements(source: str) -> list[ast.stmt]:
    """Statements of a cell; none where Python cannot read it: then nothing can need it."""
    try:
        return _parsed(source)
    except _UNREADABLE:
        return []


def _bound(sources: list[str]) -> dict[str, list[_Statement]]:
    """Return the statements that define each name, from top to bottom."""
    bound: dict[str, list[_Statement]] = {}
    for number, source in enumerate(sources):
        for place, node in enumerate(_statements(source)):
            for name in _binds(node):
                bound.setdefault(name, []).append(_Statement(number, place, node))
    return bound


def _needed(names: set[str], bound: dict[str, list[_Statement]], own: int | None) -> list[_Statement]:
    """Collect the statements that define some names and, again and again, the names that these use."""
    found: list[_Statement] = []
    waiting, seen = sorted(names), set(names)
    while waiting:
        for statement in bound.get(waiting.pop(), [])[-1:]:
            if statement in found:
                continue
            found.append(statement)
            for used in sorted(_uses(statement.node)):
                if used not in seen and not hasattr(builtins, used):
                    seen.add(used)
                    waiting.append(used)
    # What the exercise's own cell does beside, to a name that is needed: `Answer.forward = forward`, `@register`.
    defined = {each for statement in found for each in _binds(statement.node)}
    for statements in list(bound.values()):
        found += [one for one in statements if one.cell == own and one not in found and _binds(one.node) & defined]
    return found


def _code(notebook: dict[str, Any], exercise: str) -> list[tuple[int, str]]:
    """Return place and source of the code cells above an exercise's check."""
    found: list[tuple[int, str]] = []
    for place, cell in enumerate(notebook["cells"]):
        if cell.get("cell_type") != "code":
            continue
        if exercise_of(cell) == exercise and cell["metadata"]["nbgrader"].get("grade"):
            break
        found.append((place, _as_python(_source(cell))))
    return found


def _is_solution(cell: dict[str, Any], exercise: str) -> bool:
    return exercise_of(cell) == exercise and bool(cell["metadata"]["nbgrader"].get("solution"))


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _as_python(source: str) -> str:
    """Turn `%magic` and `!command` lines into Python, a line for a line, as IPython does."""
    from IPython.core.inputtransformer2 import TransformerManager

    if not any(line.lstrip().startswith(("%", "!", "?")) or line.rstrip().endswith("?") for line in source.split("\n")):
        return source
    try:
        return TransformerManager().transform_cell(source)
    except SyntaxError:
        return source


@_remembered
def _binds(node: ast.stmt) -> set[str]:
    """Names that a statement at the top of a cell defines, where running it is harmless; else nothing."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Import() | ast.ImportFrom():
            return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        case ast.Assign() if _is_harmless(node.value):
            return {each for target in node.targets for each in _targets(target)}
        case ast.AnnAssign() if node.value is not None and _is_harmless(node.value):
            return set(_targets(node.target))
        case ast.If() | ast.Try():
            # `try: import x` and the like: harmless if all that is in it is.
            inner = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.stmt)]
            inner += [part for handler in getattr(node, "handlers", []) for part in handler.body]
            names = [_binds(part) for part in inner if not isinstance(part, ast.Pass)]
            return set().union(*names) if names and all(names) else set()
    return set()


def _targets(target: ast.expr) -> Iterator[str]:
    match target:
        case ast.Name():
            yield target.id
        case ast.Attribute() | ast.Subscript():  # `DotProductAttention.forward = forward`
            yield from _targets(target.value)
        case ast.Tuple() | ast.List():
            for element in target.elts:
                yield from _targets(element)
        case ast.Starred():
            yield from _targets(target.value)


def _is_harmless(value: ast.expr) -> bool:
    """Whether an expression makes a constant: a call of anything that a notebook defines may train for an hour."""
    return all(_root(call.func) in _HARMLESS for call in ast.walk(value) if isinstance(call, ast.Call))


def _root(function: ast.expr) -> str:
    while isinstance(function, ast.Attribute):
        function = function.value
    return function.id if isinstance(function, ast.Name) else ""


@_remembered
def _uses(node: ast.stmt) -> set[str]:
    """Names of the notebook that a statement reads: not those that are local to one of its functions."""
    tables = [symtable.symtable(ast.unparse(node), "<statement>", "exec")]
    found: set[str] = set()
    while tables:
        table = tables.pop()
        is_top = table.get_type() == "module"
        found |= {
            each.get_name() for each in table.get_symbols() if each.is_referenced() and (is_top or each.is_global())
        }
        tables += table.get_children()
    return found
