"""Blanks are counted on the syntax tree: open ones are named, and `...` in an index is none."""

from __future__ import annotations

import pytest
from answers.mutate import defined, mutated
from answers.right_2 import WithBmm
from checks_support import failure
from torch import nn

from helpers import checks
from helpers.checks.answer.blanks import describe_blanks, open_blanks

SKELETON = '''
class Answer(nn.Module):
    """A skeleton, with ... in its docstring."""

    def calculate_score(self, queries, keys):
        # ... in a comment
        return ...

    def forward(self, queries, keys, values, mask=None):
        scores = self.calculate_score(queries, keys)
        weights = ...  # (b * h, tq, tk)
        if mask is not None:
            weights = weights.view(..., -1)
        output = torch.cat([..., ...])
        return output[..., 0]
'''


def blanks(source: str, name: str = "Answer") -> list[str]:
    return [blank.code for blank in open_blanks(defined(source, name, {"nn": nn}))]


def test_open_blanks_are_counted_and_named() -> None:
    answer = defined(SKELETON, "Answer", {"nn": nn})
    assert describe_blanks(open_blanks(answer)) == (
        "5 blanks are still open: `return ...` in `calculate_score` (line 7 of the cell), `weights = ...` in `forward` "
        "(line 11 of the cell), `weights = weights.view(..., -1)` in `forward` (line 13 of the cell), "
        "`output = torch.cat([..., ...])` in `forward` (line 14 of the cell)."
    )
    assert "5 blanks are still open" in str(failure(checks.dot_product_attention, answer))


def test_one_blank_is_one_blank() -> None:
    answer = mutated(WithBmm, ("weights = F.softmax(scores, dim=2)", "weights = ..."))
    assert "1 blank is still open: `weights = ...` in `forward`" in str(failure(checks.dot_product_attention, answer))


NONE = {
    "index": "return x[..., 0] + x[...] + x[:, ..., None]",
    "index in a variable": "place = (..., 0)\n    return x[place]",
    "einsum with lists": "return torch.einsum(x, [..., 0, 1], x, [..., 1, 2], [..., 0, 2])",
    "annotation": "y: tuple[int, ...] = x\n    f: Callable[..., int] = len\n    return y",
    "default": "def inner(y=...):\n        return y\n    return inner(x)",
    "text": "return '...' + f'{x}...'",
}


@pytest.mark.parametrize("body", NONE.values(), ids=NONE)
def test_these_are_no_blanks(body: str) -> None:
    assert blanks(f"def answer(x):\n    {body}\n", "answer") == []


SOME = {
    "call": ("return f(...)", 1),
    "call inside an index": ("return x[f(...)]", 1),
    "two at once": ("a, b = ..., ...\n    return a", 2),
    "sum": ("return x + ...", 1),
    "keyword": ("return x.sum(dim=...)", 1),
    "nested function": ("def inner(y):\n        return ...\n    return inner(x)", 1),
    "lambda": ("return (lambda y: ...)(x)", 1),
    "list": ("return torch.stack([x, ...])", 1),
    "error": ("raise ValueError(...)", 1),
}


@pytest.mark.parametrize(("body", "count"), SOME.values(), ids=SOME)
def test_these_are_blanks(body: str, count: int) -> None:
    assert len(blanks(f"def answer(x):\n    {body}\n", "answer")) == count


def test_methods_of_every_kind_are_read() -> None:
    source = """
    class Base:
        def inherited(self): return ...

    class Answer(Base):
        @staticmethod
        def static(): return ...
        @classmethod
        def of_class(cls): return ...
        @property
        def value(self): return ...
        @functools.cache
        def cached(self): return ...
        short = lambda self: ...
    """
    answer = defined(source, "Answer", {"functools": __import__("functools")})
    assert {blank.function for blank in open_blanks(answer)} == {
        "inherited", "static", "of_class", "value", "cached", "<lambda>",
    }  # fmt: skip


def test_a_lonely_ellipsis_does_no_harm_to_a_right_answer_but_explains_a_wrong_one() -> None:
    harmless = mutated(
        WithBmm,
        (
            "if mask is not None:\n            mask = mask",
            "if mask is None: ...\n        else:\n            mask = mask",
        ),
    )
    checks.dot_product_attention(harmless, record=False)
    missing = mutated(WithBmm, ('scores = scores.masked_fill(~mask, float("-inf"))', "..."))
    assert "1 blank is still open: `...` in `forward`" in str(failure(checks.dot_product_attention, missing))


def test_a_function_without_source_has_no_blanks_that_can_be_seen() -> None:
    scope: dict[str, object] = {}
    exec("def answer(values, weights): return ...", scope)
    assert open_blanks(scope["answer"]) == []
    assert "a blank is still open" in str(failure(checks.weighted_average, scope["answer"]))


def test_a_text_that_begins_at_the_margin_does_not_hide_a_blank() -> None:
    source = 'class Answer:\n    def f(self):\n        text = """\nat the margin\n"""\n        return ...\n'
    assert blanks(source) == ["return ..."]
