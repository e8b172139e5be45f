"""The benchmark: what it measures is what there was, and what is above its budget is said."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import torch

from helpers.batches import Batch, pad
from helpers.checks import EXERCISES, exercise_of
from helpers.course.__main__ import main
from helpers.course.bench import bench, marking
from helpers.course.bench import parts as bench_parts
from helpers.course.bench.measure import Cost, FailedError, measure
from helpers.course.build.coverage import right_answers
from helpers.course.mark.answer import find_answer
from helpers.course.mark.examine import examine
from helpers.seeding import set_seed

ROOT = Path(__file__).resolve().parents[1]


def lesson(path: Path, *sources: str) -> Path:
    """A lesson of a few cells."""
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in sources]), path)
    return path


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package in a folder where pip looks instead of on PyPI."""
    path = tmp_path / "wheels" / "tiny_model-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("tiny_model/data", os.urandom(12_345))
        information = "tiny_model-1.0.dist-info"
        zipped.writestr(f"{information}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        zipped.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        zipped.writestr(f"{information}/RECORD", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    return path


def test_a_lessons_time_memory_and_downloads_are_those_of_its_kernel(tmp_path: Path, wheel: Path) -> None:
    path = lesson(
        tmp_path / "01_first.ipynb",
        "import hashlib, os, time\nfrom pathlib import Path\nfrom helpers.downloads import fetch_package",
        f"digest = hashlib.sha256(Path({str(wheel)!r}).read_bytes()).hexdigest()\n"
        "fetch_package('tiny-model==1.0', digest, binary=True)",
        "assert os.environ['OMP_NUM_THREADS'] == '3' and os.listdir() == []",
        "held = bytearray(os.urandom(1 << 20) * 300)\ntime.sleep(0.5)",
        "begin = time.process_time()\nwhile time.process_time() < begin + 0.5: pass",
    )
    cost = measure(["lesson", str(path), str(tmp_path / "cache")], {"OMP_NUM_THREADS": "3"})
    assert cost.found["downloaded"] == wheel.stat().st_size
    assert cost.found["waited"] > 0
    assert cost.peak_bytes > 300 * 2**20
    assert cost.seconds > 1  # it sleeps for half a second, and works for another
    assert cost.cpu_seconds > 0.5


def test_a_lesson_that_fails_is_named_with_its_error(tmp_path: Path) -> None:
    path = lesson(tmp_path / "01_first.ipynb", "1 / 0")
    with pytest.raises(FailedError, match="ZeroDivisionError"):
        measure(["lesson", str(path), ""], {"OMP_NUM_THREADS": "1"})


def test_what_is_above_its_budget_is_bold_and_said() -> None:
    trouble: list[str] = []
    assert bench.lesson_cells("06_x", 90, Cost(89, 100, 2**30), 2, trouble) == ["89", "100", "1.00"]
    assert bench.lesson_cells("06_x", 90, Cost(91, 90, 2**30), 1, trouble) == ["91", "90", "1.00"]
    assert trouble == []
    assert bench.lesson_cells("06_x", 90, Cost(91, 100, 2 * 2**30), 2, trouble) == ["**91**", "100", "**2.00**"]
    assert trouble == [
        "06_x took 91 s with 2 threads; 90 are allowed",
        "06_x held 2.00 GiB with 2 threads; 1.5 are allowed",
    ]
    assert [bench.budget(name) for name in ("02_x", "06_x", "08_x", "13_x", "14_x")] == [60, 90, 90, 90, 120]


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[list[str], str]]]:
    """What is asked to be measured, and with how many threads; the numbers are made up."""
    asked: list[tuple[list[str], str]] = []

    def pretend(arguments: list[str], environment: dict[str, str]) -> Cost:
        asked.append((arguments, environment["OMP_NUM_THREADS"]))
        downloaded = 2_000_000 if len(asked) == 1 else 0
        found = {"texts": 100, "accuracy": 0.5, "parameters": 7, "threads": 2, "downloaded": downloaded}
        found |= {"first": 0.2, "failing": [0.04, 0.16 if arguments[1] == "3" else 0.05, 0.06], "peak_bytes": 2**31}
        found["passing"] = [0.1, 0.06, 0.3 if arguments[1] == "6b" else 0.11]
        return Cost(10, 20, 2**30, found)

    monkeypatch.setattr(bench, "measure", pretend)
    return asked


def run(*arguments: str) -> int:
    """The command, as it is typed."""
    return main(["bench", *arguments])


def test_lessons_and_tables_can_be_chosen(
    costs: list[tuple[list[str], str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("02", "--only", "lessons") == 0
    assert [threads for _, threads in costs] == ["1", "2"]
    first, second = (arguments for arguments, _ in costs)
    assert first[:2] == ["lesson", str(ROOT / "solutions" / "02_queries_keys_values.ipynb")]
    assert first[2] == second[2] != "", "the second run finds what the first has downloaded"
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 3
    assert {line.count("|") for line in table} == {10}
    assert table[2] == "| 02_queries_keys_values | 60 | 2.0 | 10 | 20 | 1.00 | 10 | 20 | 1.00 |"

    costs.clear()
    assert run("--only", "training", "--texts", "64", "--threads", "2") == 0
    assert [arguments for arguments, _ in costs][:2] == [["train", "course", "0", "2"], ["train", "torch", "0", "2"]]
    assert [arguments for arguments, _ in costs][2:] == [["train", "course", "64", "2"], ["train", "padded", "64", "2"]]
    table = capsys.readouterr().out.strip().splitlines()
    assert len({line.count("|") for line in table}) == 1

    costs.clear()
    assert run("--only", "asking", "--threads", "1") == 0
    assert [arguments for arguments, _ in costs] == [["ask", "once", "10"], ["ask", "each", "10"]]
    table = capsys.readouterr().out.strip().splitlines()
    assert len({line.count("|") for line in table}) == 1
    assert run("99") == 1


def test_a_check_that_takes_too_long_is_said(
    costs: list[tuple[list[str], str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--only", "checks") == 1
    assert costs == [(["check", number, str(ROOT / "tests")], "1") for number in EXERCISES]
    printed = capsys.readouterr()
    assert "| 6a | 3 | 0.20 | 0.05 | 0.06 | 3 | 0.10 | 0.11 |" in printed.out
    assert "| 3 | 3 | 0.20 | 0.06 | **0.16** | 3 | 0.10 | 0.11 |" in printed.out
    assert "| 6b | 3 | 0.20 | 0.05 | 0.06 | 3 | 0.10 | **0.30** |" in printed.out
    assert "exercise 3: 0.16 s for a wrong answer; 0.15 are allowed" in printed.err
    assert "exercise 6b: 0.30 s for a right answer; 0.2 are allowed" in printed.err


def test_every_answer_is_measured() -> None:
    found = bench_parts.checking("0", str(ROOT / "tests"))
    assert len(found["passing"]) == len(right_answers(ROOT / "tests", "0"))
    assert len(found["failing"]) == len(exercise_of("0").misconceptions)
    assert min(found["first"], *found["passing"], *found["failing"]) > 0


def test_a_class_and_three_notebooks_beside_nbgrader_are_marked(
    costs: list[tuple[list[str], str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--only", "marking", "--notebooks", "50") == 0
    assert [arguments[:4] for arguments, _ in costs[:3]] == [
        ["mark", "course", "07", "50"],
        ["mark", "course", "07", "50"],
        ["mark", "course", "02", "3"],
    ]
    printed = capsys.readouterr().out
    assert "| 50 | 07 | course | 1 | 10 | 300 | 2.00 |" in printed
    assert "| 3 | 07 | nbgrader | 1 | 10 | 18 | 2.00 |" in printed


def test_half_of_the_notebooks_that_are_marked_are_wrong() -> None:
    outcomes = []
    for book in marking.submissions("06", 4, ROOT / "tests"):
        for number, name in (("6a", "causal_mask"), ("6b", "DecoderBlock")):
            outcomes.append((number, examine(find_answer(book, number, name), number, (1,))["outcome"]))
    assert outcomes == [("6a", "passed"), ("6b", "passed"), ("6a", "wrong"), ("6b", "wrong")] * 2


def test_the_course_marks_what_the_benchmark_makes() -> None:
    found = marking.mark_class("course", "02", "2", "1", str(ROOT / "tests"))
    assert found["seconds"] > 0
    assert found["peak_bytes"] > 50 * 2**20  # how much it sees of a run as short as this one differs


def test_padding_to_512_changes_no_prediction_of_the_model_that_is_compared() -> None:
    class Sizes:
        vocab_size, num_classes = 50, 5

    token_ids, mask = pad([[3, 4, 5], [6, 7, 8, 9, 10]], 0)
    batch = Batch(token_ids, mask, torch.tensor([0, 1]), torch.arange(2))
    padded = bench_parts._padded(batch, 0)
    assert padded.token_ids.shape == padded.mask.shape == (2, 512)
    for make in (bench_parts._course_model, bench_parts._torch_model):
        set_seed(0)
        model = make(Sizes())  # type: ignore[arg-type]
        with torch.no_grad():
            short, long = model(batch.token_ids, batch.mask), model(padded.token_ids, padded.mask)
        torch.testing.assert_close(short, long, atol=1e-5, rtol=0)  # sums of 512 numbers in another order


def test_torchs_model_is_of_the_same_size_but_for_biases() -> None:
    class Sizes:
        vocab_size, num_classes = 50, 5

    course, theirs = bench_parts._course_model(Sizes()), bench_parts._torch_model(Sizes())  # type: ignore[arg-type]
    count = [sum(parameter.numel() for parameter in model.parameters()) for model in (course, theirs)]
    assert count[1] - count[0] == 3 * 3 * 128  # a bias for queries, keys and values in each of three blocks
