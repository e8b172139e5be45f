"""The report of fine-tuning: lines when they are due, the time that is left, numbers and no tensors."""

from __future__ import annotations

import pytest
import torch

from helpers.reports import steps as step_report
from helpers.reports.steps import StepReport, draw_losses


@pytest.fixture(autouse=True)
def bar_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)


def run(report: StepReport, losses: list[float]) -> StepReport:
    with report:
        for loss in losses:
            report.step(loss)
    return report


def test_a_line_every_fifty_steps_has_the_mean_of_these(capsys: pytest.CaptureFixture[str]) -> None:
    report = run(StepReport(120), [1.0] * 50 + [0.5] * 50 + [0.25] * 20)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step")]
    assert lines == [
        "step 50: loss 1.000, the mean of the last 50",
        "step 100: loss 0.500, the mean of the last 50",
        "step 120: loss 0.250, the mean of the last 20",
    ]
    assert len(report.losses) == 120


def test_after_five_steps_it_says_how_long_the_others_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([100.0, 102.0])  # when it began, and after five steps
    monkeypatch.setattr(step_report.time, "perf_counter", lambda: next(clock))
    run(StepReport(500), [1.0] * 6)
    assert "After 5 steps: the other 495 will take about 3 minutes." in capsys.readouterr().out


def test_it_tells_no_time_where_nobody_watches(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TQDM_DISABLE", "1")
    run(StepReport(100), [1.0] * 60)
    assert capsys.readouterr().out == "step 50: loss 1.000, the mean of the last 50\n"


def test_a_quiet_report_only_keeps_the_losses(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(StepReport(60, quiet=True), [2.0] * 60).losses == [2.0] * 60
    assert capfd.readouterr() == ("", "")


def test_a_tensor_is_refused_because_it_would_keep_its_computation() -> None:
    with pytest.raises(TypeError, match=r"loss\.item\(\)"):
        run(StepReport(5), [torch.ones((), requires_grad=True)])


def test_losses_are_drawn_as_means() -> None:
    figure = draw_losses({"one": [1.0] * 20 + [3.0] * 20, "other": [2.0] * 50})
    one, other = figure.axes[0].lines[:2]
    assert one.get_ydata().tolist() == [1.0, 3.0]
    assert other.get_ydata().tolist() == [2.0, 2.0]
    with pytest.raises(ValueError, match="too few"):
        draw_losses({"one": [1.0] * 19})
