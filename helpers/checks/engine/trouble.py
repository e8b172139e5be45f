"""What an answer does instead of giving something to compare, told in a student's terms."""

from __future__ import annotations

import ast
import dis
import linecache
import re
import textwrap
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from helpers.checks.answer.time_limit import Place

_RAISE = dis.opmap["RAISE_VARARGS"]  # what `raise` and `assert` are compiled to


class Trouble(Exception):  # noqa: N818
    """An answer gave nothing that can be compared.

    Parameters
    ----------
    sentence : str
        What a student reads.
    key : tuple
        Equal for two answers that are in the same trouble.
    """

    def __init__(self, sentence: str, *key: Hashable) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.key = key


@contextmanager
def told_first(sentence: str, *key: Hashable, where: str = "") -> Iterator[None]:
    """Say this before the message of an answer that stops with an error; only where that holds the words `where`."""
    try:
        yield
    except Trouble as trouble:
        if trouble.key[0] != "raised" or where not in trouble.sentence:
            raise
        raise Trouble(f"{sentence} {trouble.sentence}", *(key or trouble.key)) from None


def raised(error: BaseException, name: str, module: str) -> Trouble:
    """Explain an exception that came out of an answer.

    Parameters
    ----------
    error : BaseException
        What was raised.
    name : str
        What was called, for instance `forward`.
    module : str
        Name of the module that the answer was written in: `__main__` in a notebook.
    """
    kind, text = type(error).__name__, _first_line(error)
    key = ("raised", kind, text)
    frame, line = _last_own_frame(error.__traceback__, module)
    if frame is None:
        return Trouble(f"`{name}` stops with {kind}: {text.rstrip('.')}{_hint(error)}.", *key)
    code = linecache.getline(frame.f_code.co_filename, line).strip()
    place = f"ine {line} of the cell, in `{frame.f_code.co_name}`" + (f", `{_shortened(code)}`" if code else "")
    if isinstance(error, NotImplementedError) and raised_in(error) is frame:  # torch says so of what it cannot do
        return Trouble(f"A blank is still open: l{place}, says that it is not written yet. {text}".strip(), *key)
    if isinstance(error, RecursionError):
        return Trouble(f"`{name}` calls itself without end, in l{place}.", "raised", kind)
    return Trouble(f"L{place}, stops with {kind}: {text.rstrip('.')}{_hint(error)}.{_shapes(code, frame)}", *key)


def too_long(seconds: float, stack: list[Place], name: str, module: str) -> Trouble:
    """Explain that an answer was ended; `stack` is what was running then, innermost first."""
    own = [(file, line) for file, line, place in stack if place == module]
    where = ""
    if own:
        code = linecache.getline(*own[0]).strip()
        where = f" It was in line {own[0][1]} of the cell" + (f", `{_shortened(code)}`." if code else ".")
    sentence = f"`{name}` was still running after {seconds:g} seconds, so it was ended.{where}"
    return Trouble(f"{sentence} Is there a loop that never ends?", "too long")


def wrong_kind(value: Any, name: str, wanted: str = "a tensor") -> Trouble:
    """Explain that a call returned something else than a tensor."""
    kind = type(value).__name__
    if value is None:
        advice = f"`{name}` returns None where {wanted} is wanted. Does it end with a `return`?"
    elif kind in ("Tensor", "Parameter"):
        advice = f"`{name}` returns one tensor where {wanted} is wanted."
    elif value is ...:
        advice = f"`{name}` returns `...`: a blank is still open."
    elif kind == "ndarray":
        advice = f"`{name}` returns a NumPy array. Stay with torch: gradients end where NumPy begins."
    elif isinstance(value, tuple) and len(value) == 1:
        inside = type(value[0]).__name__
        advice = f"`{name}` returns a tuple of one ({inside}) where {wanted} is wanted. "
        advice += "Is there a comma behind what is returned?"
    elif isinstance(value, tuple):
        inside = ", ".join(type(part).__name__ for part in value)
        advice = f"`{name}` returns {len(value)} things ({inside}) where {wanted} is wanted."
    elif isinstance(value, list):
        makes = " `torch.stack` makes one of a list." if wanted == "a tensor" else ""
        advice = f"`{name}` returns a Python list where {wanted} is wanted.{makes}"
    elif isinstance(value, (bool, int, float)) or hasattr(value, "item"):  # NumPy's numbers have that
        is_numpys = type(value).__module__ == "numpy"
        shown = f"{value:.4g}" if isinstance(value, float) or kind.startswith("float") else f"{value}"
        number = f"a {'NumPy' if is_numpys else 'plain Python'} number, {shown},"
        advice = f"`{name}` returns {number} where {wanted} is wanted: no gradient reaches it."
    else:
        advice = f"`{name}` returns {kind} where {wanted} is wanted."
    return Trouble(advice, "kind", kind)


def insist_on_numbers(value: Any, name: str) -> None:
    """Refuse a tensor that holds no numbers to look at, or not all of them.

    Raises
    ------
    Trouble
        The tensor is on the meta device, or it is sparse.
    """
    import torch

    if value.device.type == "meta":
        sentence = f"`{name}` returns a tensor on the device `meta`, which has a shape and no numbers."
        raise Trouble(sentence, "no numbers", "meta")
    if value.layout != torch.strided:
        sentence = f"`{name}` returns a tensor of layout {value.layout}. `.to_dense()` makes an ordinary one."
        raise Trouble(sentence, "no numbers", str(value.layout))


def raised_in(error: BaseException) -> FrameType | None:
    """Return where a `raise` or an `assert` raised an error; None where it comes out of code that is not Python."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    # Where C code stops, the last line of Python is a call or an operation, and no `raise`.
    if place is None or place.tb_frame.f_code.co_code[place.tb_lasti] != _RAISE:
        return None
    return place.tb_frame


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return textwrap.shorten(lines[0], 200, placeholder=" …") if lines else ""


def _shortened(code: str) -> str:
    return code.split("  #")[0] if len(code) <= 100 else code[:97] + "…"


def _hint(error: BaseException) -> str:
    text = str(error)
    if "is not a Module subclass" in text:
        return ". That is a class, not a layer: brackets after it make one, as in `nn.ReLU()`"
    if "Boolean value of Tensor" in text:
        return ". `and`, `or`, `not` and `if` want one truth value; `&`, `|` and `~` go place by place"
    if "'ellipsis'" in text:  # so Python calls `...`; torch's einsum speaks of an ellipsis, too
        return ". A blank `...` is still open there"
    if "before Module.__init__" in text or "super().__init__()" in text:
        return ". Begin `__init__` with `super().__init__()`"
    if "leaf Variable" in text and "in-place" in text:
        return ". `*=`, `x[0] = ...` and what ends in `_` change a tensor in place: make a new one instead"
    return ""


def _last_own_frame(traceback: TracebackType | None, module: str) -> tuple[FrameType | None, int]:
    """Return the innermost frame of the student's own code, and the line that it had reached."""
    found: tuple[FrameType | None, int] = (None, 0)
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__name__") == module:
            found = (traceback.tb_frame, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def _shapes(code: str, frame: FrameType) -> str:
    """Name the shapes of the tensors that a line of code mentions."""
    import torch

    shapes: dict[str, str] = {}
    for name, value in _mentioned(code, frame.f_locals).items():
        if isinstance(value, torch.Tensor):
            shapes[name] = str(tuple(value.shape))
    if not shapes:
        return ""
    return " Shapes there: " + ", ".join(f"`{name}` {shape}" for name, shape in shapes.items()) + "."


def _mentioned(code: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables that a line reads. A name that it assigns has no value yet, or still its old one."""
    for complete in (code, f"{code} pass"):  # the first line of a loop, for instance, wants a body
        try:
            nodes = list(ast.walk(ast.parse(complete)))
        except SyntaxError:
            continue
        read = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
        break
    else:  # one line of a statement that goes over several
        read = re.findall(r"[A-Za-z_]\w*", code)
    return {name: variables[name] for name in dict.fromkeys(read) if name in variables}
