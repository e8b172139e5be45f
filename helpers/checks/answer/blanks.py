"""Find the blanks, written `...`, that are still open in an answer: on the syntax tree of its functions.

In a notebook, Python 3.11 cannot give the source of a class, only that of its methods: so the methods are read.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any


@dataclass(frozen=True)
class Blank:
    """One open `...`: the function it is in, its line in the cell or file, the line's code.

    `needed` is False where `...` stands alone as a statement, which Python also accepts as "do nothing".
    """

    function: str
    line: int
    code: str
    needed: bool


def open_blanks(answer: Any) -> list[Blank]:
    """Return the blanks in a function, or in the methods of a class and of its bases from the same module.

    A function whose source cannot be found counts as having none: running it will tell.
    """
    blanks: dict[tuple[str, int, int], Blank] = {}
    for function in functions_of(answer):
        try:
            lines, first = inspect.getsourcelines(function)
        except (OSError, TypeError):
            continue
        source = "".join(lines)
        indented = source[:1].isspace()
        try:
            tree = ast.parse("if True:\n" + source if indented else source)
        except SyntaxError:  # a lambda in the middle of a longer expression, for instance
            continue
        offset = first - 1 - indented
        for node, name, statement in _Finder(function.__name__).find(tree):
            place = (function.__code__.co_filename, node.lineno + offset, node.col_offset)
            needed = not (isinstance(statement, ast.Expr) and statement.value is node)
            code = ast.unparse(statement).splitlines()[0]
            blanks.setdefault(place, Blank(name, node.lineno + offset, code, needed))
    return [blanks[place] for place in sorted(blanks)]


def functions_of(answer: Any) -> Iterator[FunctionType]:
    """Yield the functions that were written for an answer: itself, or the methods of a class."""
    if not inspect.isclass(answer):
        members = [answer]
    else:
        classes = [c for c in answer.__mro__ if c.__module__ == answer.__module__]
        members = [member for c in classes for member in vars(c).values()]
    for member in members:
        parts = [member.fget, member.fset] if isinstance(member, property) else [member]
        for part in parts:
            part = getattr(part, "__func__", getattr(part, "func", part))  # static and class methods, caches
            part = inspect.unwrap(part) if callable(part) else part
            if isinstance(part, FunctionType):
                yield part


def describe_blanks(blanks: list[Blank]) -> str:
    """Count and name blanks: "2 blanks are still open: `weights = ...` in `forward` (line 12 of the cell), ..."."""
    places: dict[tuple[str, str, int], int] = {}
    for blank in blanks:
        key = (blank.function, blank.code, blank.line)
        places[key] = places.get(key, 0) + 1
    named = [f"`{code}` in `{function}` (line {line} of the cell)" for function, code, line in places]
    counted = "1 blank is" if len(blanks) == 1 else f"{len(blanks)} blanks are"
    return f"{counted} still open: {', '.join(named)}."


class _Finder(ast.NodeVisitor):
    """Collects each `...` that stands for code to be written, with its function and its statement."""

    def __init__(self, name: str) -> None:
        self._functions = [name]
        self._statements: list[ast.stmt] = []
        self._found: list[tuple[ast.Constant, str, ast.stmt]] = []

    def find(self, tree: ast.AST) -> list[tuple[ast.Constant, str, ast.stmt]]:
        self.visit(tree)
        return self._found

    def visit(self, node: ast.AST) -> None:
        if not isinstance(node, ast.stmt):
            super().visit(node)
            return
        self._statements.append(node)
        super().visit(node)
        self._statements.pop()

    def visit_Constant(self, node: ast.Constant) -> None:
        if node.value is ...:
            self._found.append((node, self._functions[-1], self._statements[-1]))

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """`x[..., 0]` and `Callable[..., int]` are no blanks; `x[f(...)]` holds one."""
        self.visit(node.value)
        for part in node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]:
            if not _is_ellipsis(part):
                self.visit(part)

    def visit_Tuple(self, node: ast.Tuple | ast.List) -> None:
        """An index kept in a variable, as in `(..., 0)`, or einsum's list of axes, as in `[..., 0, 1]`."""
        rest = [part for part in node.elts if not _is_ellipsis(part)]
        if not rest or not all(_is_index(part) for part in rest):
            self.generic_visit(node)

    visit_List = visit_Tuple  # noqa: N815

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Defaults and annotations hold no blanks."""
        self._functions.append(node.name)
        for statement in node.body:
            self.visit(statement)
        self._functions.pop()


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _is_index(node: ast.expr) -> bool:
    """An integer, None, or a slice: what stands beside `...` in an index."""
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "slice"
    return isinstance(node, ast.Constant) and (node.value is None or type(node.value) is int)
