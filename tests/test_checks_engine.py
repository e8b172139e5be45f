"""What a check does around an answer: catch what goes wrong, keep the record, leave everything as it was."""

from __future__ import annotations

import gc
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
import torch
from answers.mutate import defined, mutated
from answers.right_2 import Talkative, WithBmm
from answers.right_3 import WithOurAttention
from answers.right_4 import AsInTheLesson
from checks_support import failure

from helpers import checks
from helpers.checks.answer.subject import Subject
from helpers.checks.engine import run as engine
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.exercise import Exercise, Step
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen
from helpers.layers import DotProductAttention
from helpers.progress import read_progress

check = checks.dot_product_attention


def ending(code: str) -> type:
    return mutated(WithBmm, ("return out.transpose(1, 2).contiguous().view(b, tq, h * d)", code))


_SIZES = "b, tq, h, d = queries.size()"
NASTY = {
    "None": (ending("out.transpose(1, 2)"), "returns None where a tensor is wanted. Does it end with a `return`?"),
    "list": (ending("return [out]"), "returns a Python list"),
    "tuple": (ending("return out, weights"), "returns 2 things (Tensor, Tensor)"),
    "NumPy": (ending("return out.detach().numpy()"), "returns a NumPy array"),
    "number": (ending("return float(out.sum())"), "returns a plain Python number"),
    "blank": (ending("x = Ellipsis; return x"), "a blank is still open"),
    "integers": (ending("return out.long()"), "real numbers are wanted"),
    "raises": (ending("raise ValueError('so what')"), "stops with ValueError: so what."),
    "exits": (ending("import sys; sys.exit(3)"), "stops with SystemExit"),
    "not implemented": (ending("raise NotImplementedError('Exercise 2: your turn')"), "A blank is still open"),
    "inside torch": (ending("return nn.Unfold(1)(out.byte())"), "stops with NotImplementedError: \"im2col"),
    "no forward": (ending("return nn.Module()(out)"), "stops with NotImplementedError: Module [Module] is missing"),
    "recursion": (mutated(WithBmm, (_SIZES, "return self.forward(queries, keys, values)")), "calls itself without end"),
    "edits": (ending("values.zero_(); return out"), "changes its input `values` in place"),
    "edits data": (ending("values.data.zero_(); return out"), "changes its input `values` in place"),
    "resizes": (mutated(WithBmm, (_SIZES, _SIZES + "; mask is None or mask.resize_(1)")), "its input `mask` in place"),
    "no module": (mutated(WithBmm, ("(nn.Module)", ""), ("super().__init__()", "pass")), "is no `nn.Module`"),
    "no super": (mutated(WithBmm, ("super().__init__()", "pass")), "Begin `__init__` with `super().__init__()`"),
    "no dropout": (mutated(WithBmm, ("self, dropout", "self")), "takes 1 positional argument"),
    "instance": (WithBmm(0.1), "Hand over the class itself, `WithBmm`"),
    "nothing": (None, "Hand over your class or function"),
    "a number": (3, "Hand over your class or function"),
    "no class": (lambda dropout: 3, "is no `nn.Module`"),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "words"), NASTY.values(), ids=NASTY)
def test_whatever_an_answer_does_gets_a_clear_sentence(answer: object, words: str) -> None:
    assert words in str(failure(check, answer))


def test_an_error_names_the_line_and_the_shapes_there() -> None:
    text = str(failure(check, ending("return torch.bmm(scores, queries)")))
    assert "of the cell, in `forward`, `return torch.bmm(scores, queries)`, stops with RuntimeError" in text
    assert "Shapes there: `scores` (" in text


@pytest.mark.parametrize("swallowing", [False, True])
def test_an_endless_loop_is_ended_and_named(monkeypatch: pytest.MonkeyPatch, swallowing: bool) -> None:
    monkeypatch.setattr(engine, "SECONDS", 0.3)
    code = "while True:\n            values = values + 1"
    if swallowing:
        code = (
            "import time\n        while True:\n            try:\n                time.sleep(0.1)\n"
            "            except BaseException:\n                pass"
        )
    started = time.monotonic()
    text = str(failure(check, ending(code)))
    assert time.monotonic() - started < 5
    assert "was still running after 0.3 seconds" in text
    assert "It was in line" in text


def test_printing_is_hidden_and_mentioned(capsys: pytest.CaptureFixture[str]) -> None:
    check(Talkative, record=False)
    shown = capsys.readouterr().out
    assert shown.count("\n") == 2
    assert "it prints" in shown
    assert "queries" not in shown
    text = str(
        failure(check, mutated(WithBmm, ("dim=2", "dim=1"), ("tk = keys.size(1)", "tk = keys.size(1); print(tk)")))
    )
    assert "It printed 1 line, not shown." in text


def test_a_right_answer_may_earn_a_remark(capsys: pytest.CaptureFixture[str]) -> None:
    additive = mutated(
        WithBmm,
        (
            'scores = scores.masked_fill(~mask, float("-inf"))',
            'scores = scores + torch.where(mask, 0.0, float("-inf"))',
        ),
    )
    check(additive, record=False)
    assert "its gradient is NaN" in capsys.readouterr().out


def test_a_pass_prints_one_line_and_is_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    check(WithBmm)
    assert capsys.readouterr().out.startswith("✓ Exercise 2: scaled dot-product attention.")
    assert read_progress()["2"]["passed"]


def told(answer: object, record: bool = True) -> str:
    with pytest.raises(checks.CheckFailed) as raised:
        check(answer, record=record)
    return str(raised.value)


def test_a_hint_is_about_the_step_that_fails_again_and_goes_with_a_pass() -> None:
    softmax, scores = mutated(WithBmm, ("dim=2", "dim=1")), mutated(WithBmm, ("/ math.sqrt(", "* math.sqrt("))
    assert "Hint" not in told(softmax)
    assert "Hint 2, folded above the exercise" in told(softmax)
    assert "Hint" not in told(scores)
    assert "Hint 1" in told(scores)
    check(WithBmm)
    assert "Hint" not in told(softmax)


def test_blanks_use_no_hints_up_and_marking_shows_none() -> None:
    blank = mutated(WithBmm, ("F.softmax(scores, dim=2)", "..."))
    softmax = mutated(WithBmm, ("dim=2", "dim=1"))
    for _ in range(3):
        with pytest.raises(checks.CheckFailed) as raised:
            check(blank)
        assert raised.value.blank
        assert "Hint" not in told(softmax, record=False)
    assert "Hint" not in told(softmax)
    assert read_progress()["2"]["failures"] == 1


def test_the_courses_own_answer_passes_with_a_remark_and_not_where_it_is_marked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Renamed(DotProductAttention):
        """Adds nothing."""

    for answer in (DotProductAttention, Renamed):
        check(answer, record=False)
        assert "the course's own answer" in capsys.readouterr().out
    check(WithBmm, record=False)
    assert "course's own" not in capsys.readouterr().out
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert "earns no point" in told(DotProductAttention, record=False)
    check(WithBmm, record=False)


@pytest.fixture(autouse=True)
def no_failures_yet() -> None:
    engine._failed_at().clear()


def test_unrecorded_checks_leave_no_trace() -> None:
    failure(check, None)
    check(WithBmm, record=False)
    assert read_progress() == {}


def test_a_hint_follows_the_mistake_and_else_the_step() -> None:
    """12c: hint 1 is about what stays, hint 2 about the way back to each token's own place."""
    mistakes = {mistake.name: mistake for mistake in checks.exercise_of("12c").misconceptions}
    for name, number in (("left in their order", 2), ("the tail kept", 1)):
        for failed_before in (False, True):
            with pytest.raises(checks.CheckFailed) as failed:
                engine.run_check(checks.exercise_of("12c"), mistakes[name].answer, seed=1)
            assert (f"Hint {number}, folded" in str(failed.value)) == failed_before
        engine._failed_at().clear()


def test_every_exercise_has_two_hints_and_eight_misconceptions() -> None:
    for number, listed in checks.EXERCISES.items():
        exercise = checks.exercise_of(number)
        assert (exercise.id, exercise.title) == (number, listed.title)
        assert set(exercise.hints) == {1, 2}
        rights = {step.right for step in exercise.steps}
        assert {right for about in exercise.hints.values() for right in about} <= rights
        assert {mistake.hint for mistake in exercise.misconceptions} <= {0, 1, 2}
        assert len(exercise.misconceptions) >= 8
        assert not [m.problem for m in exercise.misconceptions if m.problem]
        assert exercise.telling in {step.right for step in exercise.steps}
        assert getattr(checks, listed.check)


VANDAL = """
class Vandal(WithBmm):
    def __init__(self, dropout):
        super().__init__(dropout)
        torch.manual_seed(3), random.seed(3), np.random.seed(3)
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.set_num_threads(2)
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.deterministic = True
        warnings.simplefilter("error")
        sys.setrecursionlimit(5000)
        sys.stdout = sys.stderr
"""


def _state() -> list[object]:
    return [
        torch.get_rng_state().tolist(),
        random.getstate(),
        str(np.random.get_state()),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.deterministic,
        list(warnings.filters),
        sys.getrecursionlimit(),
        sys.stdout,
        sys.stderr,
        signal.getsignal(signal.SIGALRM),
        sys.gettrace(),
        gc.isenabled(),
        gc.get_freeze_count(),
    ]


@pytest.mark.parametrize("kind", ["right", "wrong", "vandal"])
def test_the_session_is_left_as_it_was(kind: str) -> None:
    names = {"WithBmm": WithBmm, "torch": torch, "random": random, "np": np, "warnings": warnings, "sys": sys}
    answer = {
        "right": WithBmm,
        "wrong": mutated(WithBmm, ("F.softmax(scores, dim=2)", "F.dropout(scores)")),
        "vandal": defined(VANDAL, "Vandal", names),
    }[kind]
    torch.rand(3), random.random(), np.random.rand()
    before = _state()
    try:
        check(answer, record=False)
    except checks.CheckFailed:
        assert kind != "right"
    assert _state() == before


@pytest.mark.parametrize("setting", ["float64", "no gradients", "inference", "meta"])
def test_the_students_own_settings_do_not_count(setting: str) -> None:
    def run() -> None:
        check(WithBmm, record=False)
        checks.transformer_block(AsInTheLesson, record=False)

    if setting == "float64":
        torch.set_default_dtype(torch.float64)
        try:
            run()
            assert torch.get_default_dtype() == torch.float64
        finally:
            torch.set_default_dtype(torch.float32)
    elif setting == "meta":
        with torch.device("meta"):
            run()
            assert torch.zeros(1).device.type == "meta"
    else:
        with torch.no_grad() if setting == "no gradients" else torch.inference_mode():
            run()
            assert not torch.is_grad_enabled()


def test_a_students_own_layer_is_not_touched() -> None:
    mine = WithOurAttention(12, 3, dropout=0.3).train()
    before = {name: value.clone() for name, value in mine.state_dict().items()}
    checks_of_mine = failure(checks.self_attention, lambda *args, **named: mine)
    assert "12" in str(checks_of_mine)
    assert mine.training
    for name, value in mine.state_dict().items():
        torch.testing.assert_close(value, before[name])


def test_a_function_that_makes_the_layer_will_do() -> None:
    check(partial(WithBmm), record=False)
    check(lambda dropout: WithBmm(dropout), record=False)


def test_checks_work_in_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SECONDS", 1.0)
    found: list[str] = []

    def run() -> None:
        check(WithBmm, seed=1, record=False)
        found.append(str(failure(check, ending("while True: pass"))))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert "was still running after 1 seconds" in found[0]


def test_importing_the_checks_imports_no_torch() -> None:
    code = "import sys, helpers.checks; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_failure_is_readable_without_ipython() -> None:
    failed = failure(check, ending("return [out]"))
    assert isinstance(failed, AssertionError)
    assert failed._render_traceback_() == str(failed).splitlines()
    assert len(str(failed).splitlines()) <= 3


def make(subject: Subject, draw: Draw) -> torch.nn.Module:
    return subject.make()


def look_at_shared(subject: Subject, draw: Draw, places: int) -> Iterator[Seen]:
    """One number out of an instance that all steps share."""
    layer = subject.shared(make, draw)
    output = subject.tensor(layer, torch.ones(places))
    yield Seen("The output", output, lambda: torch.ones(places).double(), ("t",), {"t": places})


def look_twice(subject: Subject, draw: Draw) -> Iterator[Seen]:
    layer = subject.make()
    subject.tensor(layer, torch.ones(2))
    yield Seen("The output of a used layer", subject.tensor(layer, torch.ones(2)), lambda: torch.ones(2).double())


def sharing(*more: Step) -> engine.Exercise:
    steps = [Step(f"{n} words", look_at_shared, {"places": n}, draws="all") for n in (2, 3)]
    return Exercise("0", "sharing", "Right.", {}, (*steps, *more), "2 words", Mistakes())


class Counting(torch.nn.Module):
    """Right when it is called for the first time."""

    calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x * self.calls


class WrongForThree(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (2 if len(x) == 3 else 1)


def test_what_only_a_used_instance_gets_wrong_is_left_to_the_step_that_is_about_it() -> None:
    exercise = sharing(Step("using a layer twice", look_twice))
    failed = failure(partial(engine.run_check, exercise), Counting)
    assert "the output of a used layer" in str(failed).lower()
    assert "Right so far: 2 words, 3 words." in str(failed)


def test_what_only_a_used_instance_gets_wrong_never_passes() -> None:
    failed = failure(partial(engine.run_check, sharing()), Counting)
    assert "something is kept from one time to the next" in str(failed)
    assert "Right so far: 2 words." in str(failed)


def test_what_a_new_instance_gets_wrong_too_is_not_put_down_to_its_use() -> None:
    failed = failure(partial(engine.run_check, sharing()), WrongForThree)
    assert "kept" not in str(failed)
    assert "expected 1, got 2" in str(failed).lower()


def test_steps_that_share_make_one_instance() -> None:
    made = []

    class Noted(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            made.append(1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 1

    engine.run_check(sharing(), Noted, seed=1, record=False)
    assert len(made) == 1
