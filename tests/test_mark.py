"""Marking a class: what is found in a folder, what is run of a notebook, what an answer cannot do, what comes out."""

from __future__ import annotations

import csv
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from helpers.checks import EXERCISES
from helpers.course.__main__ import main
from helpers.course.bench.marking import as_cell
from helpers.course.build.coverage import right_answers
from helpers.course.mark import command, report
from helpers.course.mark.alone import Limits, run_alone
from helpers.course.mark.answer import cells_to_run, find_answer
from helpers.course.mark.collect import Submission, Unread, collect
from helpers.course.mark.store import Mark, Store
from helpers.course.project import Project

ROOT = Path(__file__).parents[1]
LESSONS = {number: listed.lesson for number, listed in EXERCISES.items()}
QUICK = Limits(wall_seconds=10, cpu_seconds=8)


def notebook(lesson: str, folder: str = "notebooks") -> dict[str, Any]:
    (path,) = (ROOT / folder).glob(f"{lesson}_*.ipynb")
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def cell_of(book: dict[str, Any], grade_id: str) -> dict[str, Any]:
    return next(cell for cell in book["cells"] if cell["metadata"].get("nbgrader", {}).get("grade_id") == grade_id)


def answered(lesson: str, **sources: str) -> dict[str, Any]:
    """An exercise notebook with these answers: `_6a="def causal_mask..."`; the others are the solution's."""
    book, solution = notebook(lesson), notebook(lesson, "solutions")
    for number in (n for n, of in LESSONS.items() if of == lesson):
        given = "".join(cell_of(solution, f"exercise-{number}")["source"])
        cell_of(book, f"exercise-{number}")["source"] = sources.get(f"_{number}", given)
    return book


def hand_in(folder: Path, name: str, book: dict[str, Any], age: float = 0.0) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(book), "utf-8")
    when = time.time() - age
    os.utime(path, (when, when))
    return path


def found(folder: Path) -> tuple[list[Submission], list[Unread]]:
    items = list(collect(folder, LESSONS))
    return [i for i in items if isinstance(i, Submission)], [i for i in items if isinstance(i, Unread)]


# What is handed in


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("submitted/ada/02_queries/02_queries.ipynb", "ada"),
        ("ada/anything.ipynb", "ada"),
        ("Ada Lovelace_12345_assignsubmission_file_02.ipynb", "Ada Lovelace"),
        ("Ada Lovelace_12345_assignsubmission_file/02.ipynb", "Ada Lovelace"),
        ("lovelaceada_LATE_4711_891011_02.ipynb", "lovelaceada"),
        ("ada.ipynb", "ada"),
    ],
)
def test_a_student_is_known_by_where_a_file_lies_and_a_lesson_by_its_cells(
    tmp_path: Path, name: str, student: str
) -> None:
    hand_in(tmp_path, name, notebook("02"))
    (submission,), unread = found(tmp_path)
    assert (submission.student, submission.lesson, unread) == (student, "02", [])


def test_zip_files_are_looked_into(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "ada.zip", "w") as archive:
        archive.writestr("deep/x.ipynb", json.dumps(notebook("06")))
        archive.writestr("__MACOSX/._x.ipynb", "rubbish")
        archive.writestr("../../notes.txt", "hello")
    (submission,), (note,) = found(tmp_path)
    assert (submission.student, submission.lesson) == ("ada", "06")
    assert note.reason == "not a notebook"


@pytest.mark.parametrize("is_named", [False, True])
def test_an_export_of_many_students_may_be_one_zip_file_with_zip_files_in_it(tmp_path: Path, is_named: bool) -> None:
    for student, number in (("Ada Lovelace", 11), ("Grace Hopper", 12)):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as archive:
            archive.writestr("work/x.ipynb", json.dumps(notebook("06")))
        with zipfile.ZipFile(tmp_path / "all.zip", "a") as archive:
            archive.write(tmp_path / f"{number}.zip", f"{student}_{number}_assignsubmission_file_/work.zip")
    export = tmp_path / "all.zip" if is_named else tmp_path
    for number in (11, 12):
        (tmp_path / f"{number}.zip").unlink()
    submissions, unread = found(export)
    assert [(one.student, one.lesson) for one in submissions] == [("Ada Lovelace", "06"), ("Grace Hopper", "06")]
    assert unread == []


def test_students_of_one_name_are_told_apart_by_their_numbers(tmp_path: Path) -> None:
    for number, name in ((7, "Anna Smith"), (8, "Anna Smith"), (9, "Ada Lovelace")):
        hand_in(tmp_path, f"{name}_{number}_assignsubmission_file_02.ipynb", notebook("02"))
    submissions, unread = found(tmp_path)
    assert [one.student for one in submissions] == ["Ada Lovelace", "Anna Smith (7)", "Anna Smith (8)"]
    assert unread == []


def test_what_cannot_be_read_is_listed_with_its_reason(tmp_path: Path) -> None:
    other = notebook("02")
    for cell in other["cells"]:
        cell["metadata"].pop("nbgrader", None)
    hand_in(tmp_path, "ada/other.ipynb", other)
    (tmp_path / "ada" / "broken.ipynb").write_text("{", "utf-8")
    (tmp_path / "ada" / "list.ipynb").write_text("[]", "utf-8")
    (tmp_path / "ada" / "essay.pdf").write_bytes(b"%PDF")
    (tmp_path / "ada" / "bad.zip").write_bytes(b"PK")
    (tmp_path / "bob").mkdir()
    submissions, unread = found(tmp_path)
    reasons = {Path(one.source).name: one.reason for one in unread}
    assert submissions == []
    assert set(reasons) == {"other.ipynb", "broken.ipynb", "list.ipynb", "essay.pdf", "bad.zip", "bob"}
    assert "broken JSON" in reasons["broken.ipynb"]
    assert "no exercise of this course" in reasons["other.ipynb"]


def test_of_two_versions_of_a_lesson_the_later_counts_and_the_other_is_named(tmp_path: Path) -> None:
    hand_in(tmp_path, "ada/b.ipynb", answered("02"), age=100)
    hand_in(tmp_path, "ada/a.ipynb", notebook("02"), age=5)
    (submission,), (other,) = found(tmp_path)
    assert submission.source == "ada/a.ipynb"
    assert other.source == "ada/b.ipynb"
    assert "earlier version" in other.reason


def test_of_two_versions_of_one_time_the_higher_number_counts(tmp_path: Path) -> None:
    for name in ("02 (10).ipynb", "02.ipynb", "02 (2).ipynb"):
        path = hand_in(tmp_path, f"ada/{name}", notebook("02"))
        os.utime(path, (1e9, 1e9))
    (submission,), others = found(tmp_path)
    assert submission.source == "ada/02 (10).ipynb"
    assert len(others) == 2


# What is run


def test_an_answer_is_its_cell_and_what_it_needs_by_name() -> None:
    book = answered("02")
    own = cell_of(book, "exercise-2")
    place = book["cells"].index(own)
    helper = {"cell_type": "code", "metadata": {}, "source": "FACTOR = 2 / 2\ndef scaled(x):\n    return x * FACTOR"}
    waste = {"cell_type": "code", "metadata": {}, "source": "weights = train_for_hours()\nmask = 3"}
    book["cells"][place:place] = [helper, waste]
    own["source"] = own["source"].replace("scores = self.calculate_score(", "scores = scaled(self.calculate_score(", 1)
    own["source"] = own["source"].replace(
        "(queries, keys)  # (b * h, tq, tk)", "(queries, keys))  # (b * h, tq, tk)", 1
    )
    answer = find_answer(book, "2", "DotProductAttention")
    assert answer.problem == ""
    run = "\n".join(answer.cells)
    assert "def scaled" in run
    assert "FACTOR" in run
    assert "train_for_hours" not in run


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("class DotProductAttention(nn.Module:\n    pass", "Python cannot read the cell (line 1"),
        ("class Attention(nn.Module):\n    pass", "`DotProductAttention` is not defined"),
    ],
)
def test_what_cannot_be_run_is_told_why(source: str, problem: str) -> None:
    assert problem in find_answer(answered("02", _2=source), "2", "DotProductAttention").problem


def test_a_cell_that_was_deleted_is_missing() -> None:
    book = answered("06")
    book["cells"].remove(cell_of(book, "exercise-6a"))
    assert find_answer(book, "6a", "causal_mask").problem == "The notebook has no cell for exercise 6a."
    assert find_answer(book, "6b", "DecoderBlock").problem == ""


def test_no_cell_that_trains_is_run_for_the_checks() -> None:
    book = answered("07")
    needed = cells_to_run(book)
    run = "\n".join("".join(cell["source"]) for place, cell in enumerate(book["cells"]) if place in needed)
    assert "class Transformer(" in run
    assert "checks.transformer(" in run
    assert "train(" not in run.replace("torch.train(", "")
    assert len(needed) < 6


# What an answer cannot do


def stop(kind: str) -> Any:
    """What students' cells have done, one way or another."""
    folder = os.getcwd()
    if kind == "loop":
        while True:
            pass
    if kind == "exit":
        raise SystemExit(3)
    if kind == "os exit":
        os._exit(0)
    if kind == "segmentation fault":
        import ctypes

        ctypes.string_at(0)
    if kind == "memory":
        return len(bytearray(100 * 10**9))
    if kind == "prints":
        for _ in range(10**6):
            print("x" * 100)
    if kind == "closes":
        sys.stdout.close()
        os.close(1)
    if kind == "deletes":
        import shutil

        shutil.rmtree(os.path.expanduser("~"), ignore_errors=True)
    if kind == "input":
        return input("?")
    if kind == "network":
        import urllib.request

        urllib.request.urlopen("http://127.0.0.1:9", timeout=2)
    if kind == "child":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    return folder


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("loop", "too long"),
        ("exit", "ended by itself"),
        ("os exit", "ended by itself"),
        ("segmentation fault", "killed by SIGSEGV"),
        ("memory", "memory"),
        ("prints", ""),
        ("closes", ""),
        ("deletes", ""),
        ("input", "ended by itself"),
        ("network", "ended by itself"),
        ("child", ""),
    ],
)
def test_whatever_an_answer_does_ends_with_a_reason_and_reaches_nobody_else(kind: str, reason: str) -> None:
    before = set(children())
    ended = run_alone(stop, kind, limits=Limits(wall_seconds=3) if kind == "loop" else QUICK)
    assert ended.reason == reason
    assert (ended.report is None) == bool(reason)
    if not reason:
        assert not os.path.exists(ended.report)  # its folder is gone
    assert set(children()) <= before | forkservers()
    assert Path.home().exists()


def children() -> list[int]:
    import psutil

    return [process.pid for process in psutil.process_iter(["cmdline"]) if "sleep(600)" in str(process.info["cmdline"])]


def forkservers() -> set[int]:
    return set()


# The whole


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small class, marked: the folder with what came out."""
    top = tmp_path_factory.mktemp("class")
    skeleton = "".join(cell_of(notebook("02"), "exercise-2")["source"])
    right = "".join(cell_of(notebook("02", "solutions"), "exercise-2")["source"])
    imported = "from helpers.layers import DotProductAttention"
    hand_in(top / "in", "right/02.ipynb", answered("02"))
    hand_in(top / "in", "blank/02.ipynb", answered("02", _2=skeleton))
    hand_in(top / "in", "unscaled/02.ipynb", answered("02", _2=right.replace(" / math.sqrt(queries.shape[-1])", "")))
    hand_in(
        top / "in", "unscaled too/02.ipynb", answered("02", _2=right.replace(" / math.sqrt(queries.shape[-1])", ""))
    )
    hand_in(top / "in", "imported/02.ipynb", answered("02", _2=imported))
    hand_in(top / "in", "cheats/02.ipynb", answered("02", _2=f"import os\n{right}\nos._exit(0)"))
    hand_in(top / "in", "two/06.ipynb", answered("06", _6a="def causal_mask(t):\n    return torch.ones(t, t).bool()"))
    hand_in(top / "in", "unreadable/06.ipynb", answered("06", _6a="def causal_mask(t)\n    return t"))
    loops = right.replace("        scores = ", "        while True:\n            pass\n        scores = ", 1)
    hand_in(top / "in", "loops/02.ipynb", answered("02", _2=loops))
    (top / "in" / "two" / "essay.pdf").write_bytes(b"%PDF")
    assert main(["mark", str(top / "in"), "--out", str(top / "out"), "--workers", "2"]) == 0
    return top


def rows(top: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (top / "out" / "marks.csv").open(encoding="utf-8-sig", newline="") as file:
        return {(row["student"], row["exercise"]): row for row in csv.DictReader(file)}


def test_marks_say_what_happened_and_why(marked: Path) -> None:
    outcomes = {key: (row["outcome"], row["points"], row["misconception"]) for key, row in rows(marked).items()}
    assert outcomes == {
        ("right", "2"): ("passed", "1.0", ""),
        ("blank", "2"): ("blank", "0.0", ""),
        ("unscaled", "2"): ("wrong", "0.0", "no scaling"),
        ("unscaled too", "2"): ("wrong", "0.0", "no scaling"),
        ("imported", "2"): ("reference", "0.0", ""),
        ("cheats", "2"): ("passed", "1.0", ""),  # a statement beside the answer is not run
        ("two", "6a"): ("wrong", "0.0", "nothing is hidden"),
        ("two", "6b"): ("passed", "1.0", ""),  # each exercise has a mark of its own
        ("unreadable", "6a"): ("broken", "0.0", ""),
        ("unreadable", "6b"): ("passed", "1.0", ""),
        ("loops", "2"): ("too long", "0.0", ""),
    }


def test_a_mark_is_what_the_check_says_with_the_seed_that_is_named(marked: Path) -> None:
    from helpers import checks
    from helpers.course.mark.examine import _defined

    row = rows(marked)["unscaled", "2"]
    book = json.loads((marked / "in" / "unscaled" / "02.ipynb").read_text("utf-8"))
    answer = _defined(find_answer(book, "2", "DotProductAttention"))["DotProductAttention"]
    with pytest.raises(checks.CheckFailed) as failed:
        checks.dot_product_attention(answer, seed=int(row["seed"]), record=False)
    assert row["sentence"] == str(failed.value)


def test_the_report_counts_misconceptions_names_nobody_beside_them_and_needs_no_network(marked: Path) -> None:
    page = (marked / "out" / "report.html").read_text("utf-8")
    assert "<strong>no scaling.</strong>" in page
    assert '<td class="number">2</td><td><strong>no scaling.' in page
    example = page.split("An answer like this")[1].split("</pre>")[0]
    assert "class DotProductAttention" in example
    assert "unscaled" not in example
    assert "http" not in page.replace("http-equiv", "")
    assert "two/essay.pdf" in page
    assert "imported (exercise 2)" in page
    assert '<a href="students/unscaled%20too.html">unscaled too</a>: 0 of 1' in page


def test_each_student_gets_a_page_in_the_checks_words(marked: Path) -> None:
    page = (marked / "out" / "students" / "unscaled.html").read_text("utf-8")
    assert "0 of 1 points" in page
    assert "The scores are not scaled" in page
    assert len(list((marked / "out" / "students").iterdir())) == 9


def test_the_same_command_marks_only_what_has_changed(marked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows(marked)
    hand_in(marked / "in", "blank/02.ipynb", answered("02"))
    sent: list[str] = []
    real = command.mark_all

    def noting(jobs: Any, rules: Any, client: Any, store: Store, done: Callable[[Any], None]) -> None:
        keep = store.keep
        monkeypatch.setattr(store, "keep", lambda mark: (sent.append(mark.student), keep(mark)))
        real(jobs, rules, client, store, done)

    monkeypatch.setattr(command, "mark_all", noting)
    assert main(["mark", str(marked / "in"), "--out", str(marked / "out"), "--workers", "1"]) == 0
    assert sent == ["blank"]
    after = rows(marked)
    assert after.pop(("blank", "2"))["outcome"] == "passed"
    before.pop(("blank", "2"))
    assert after == before


def test_nbgraders_gradebook_holds_the_same_points(marked: Path) -> None:
    api = pytest.importorskip("nbgrader.api")
    with api.Gradebook(f"sqlite:///{marked / 'out' / 'gradebook.db'}") as book:
        scores = {s.student.id: s.score for s in book.assignment_submissions("02_queries_keys_values")}
    assert scores["right"] == 1.0
    assert scores["unscaled"] == 0.0
    assert scores["imported"] == 0.0


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mark", str(tmp_path / "nothing"), "--out", str(tmp_path / "out")]) == 1
    assert "is no folder" in capsys.readouterr().err


def test_reports_may_not_lie_among_the_submissions_and_a_folder_without_any_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mark", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "lies among the submissions" in capsys.readouterr().err
    (tmp_path / "in").mkdir()
    assert main(["mark", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--workers", "1"]) == 1
    assert "no notebook of this course" in capsys.readouterr().err


def test_a_worker_that_dies_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    """On a scheduler by address, with two workers on this computer; one is killed as soon as it has work."""
    dask = pytest.importorskip("distributed")
    for student in range(6):
        hand_in(tmp_path / "in", f"s{student}/02.ipynb", answered("02"))
    environment = {**os.environ, "DASK_DISTRIBUTED__WORKER__DAEMON": "False", "OMP_NUM_THREADS": "1"}
    code = "from distributed import Scheduler; import asyncio\nasync def main():\n"
    code += "    async with Scheduler(host='127.0.0.1', port=0, dashboard_address=None) as s:\n"
    code += "        print(s.address, flush=True)\n        await s.finished()\nasyncio.run(main())"
    scheduler = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    assert scheduler.stdout is not None
    address = scheduler.stdout.readline().strip()
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
    worker += ["--no-nanny", "--local-directory", str(tmp_path)]
    workers = [subprocess.Popen(worker, env=environment, stderr=subprocess.DEVNULL) for _ in range(2)]
    try:
        with dask.Client(address, timeout="30s") as client:
            client.wait_for_workers(2, timeout=60)
        run = [sys.executable, "-m", "helpers.course", "mark", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
        marking = subprocess.Popen([*run, "--scheduler", address], env=environment, stderr=subprocess.DEVNULL)
        with Store(tmp_path / "out" / "results.db") as store:
            while marking.poll() is None and not list(store.marks()):
                time.sleep(0.05)
        workers[0].kill()
        assert marking.wait(180) == 0
    finally:
        for process in [*workers, scheduler]:
            process.kill()
    assert {key: row["outcome"] for key, row in rows(tmp_path).items()} == {
        (f"s{student}", "2"): "passed" for student in range(6)
    }


# What the checks say in a notebook


@pytest.mark.parametrize("number", EXERCISES)
def test_marks_agree_with_the_check_for_every_tested_answer(number: str) -> None:
    from helpers import checks
    from helpers.checks.engine.run import is_reference
    from helpers.course.mark.examine import examine

    lesson, name = EXERCISES[number].lesson, command.names(Project(ROOT))[number]
    check = getattr(checks, EXERCISES[number].check)
    differ = []
    for answer, source in answers_in_cells(number):
        try:
            check(answer, seed=1409, record=False)
            expected = ("reference" if is_reference(answer) else "passed", None)
        except checks.CheckFailed as failed:
            expected = ("wrong", failed.misconception)
        book = answered(lesson, **{f"_{number}": source})
        report = examine(find_answer(book, number, name), number, (1409,))
        if (report["outcome"], report["misconception"]) != expected:
            differ.append((answer.__name__, expected, report))
    assert differ == []


RIGHT = "def weighted_average(values, weights):\n    return (values * weights).sum()\n"
WRONG_AT_FIRST = "calls = []\n\n" + RIGHT.replace(
    "    return", "    calls.append(1)\n    return (0 if len(calls) == 1 else 1) *"
)


@pytest.mark.parametrize(
    ("source", "outcome", "times"),
    [(RIGHT, "passed", 0), (WRONG_AT_FIRST, "passed", 1), (RIGHT.replace("sum()", "mean()"), "wrong", 1)],
    ids=["right", "wrong at first", "wrong"],
)
def test_a_second_seed_may_excuse_an_answer_and_explains_nothing_again(
    source: str, outcome: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helpers.checks.engine import run
    from helpers.course.mark.examine import examine

    explained = []
    diagnose = run.diagnose
    monkeypatch.setattr(run, "diagnose", lambda *given: explained.append(1) or diagnose(*given))
    answer = find_answer(answered("00", _0=source), "0", "weighted_average")
    assert examine(answer, "0", command.SEEDS)["outcome"] == outcome
    assert len(explained) == times


def answers_in_cells(number: str) -> list[tuple[Any, str]]:
    """Right and wrong answers of tests/answers, and their cells, under the name that is checked."""
    answers = right_answers(ROOT / "tests", number)
    if (ROOT / "tests" / "answers" / f"wrong_{number}.py").exists():
        answers += [wrong for _, wrong, *_ in importlib.import_module(f"answers.wrong_{number}").WRONG]
    name, module = command.names(Project(ROOT))[number], sys.modules[f"answers.right_{number}"]
    # The reference itself is refused where it is imported; a lambda has no name that a cell could give it; what is
    # made of the reference would be made of itself.
    can = [
        answer
        for answer in answers
        if answer.__module__ == "student"
        or (
            (answer.__module__ == module.__name__ and answer.__qualname__.isidentifier())
            and (answer.__name__ == name or not re.search(rf"\b{name}\b", inspect.getsource(answer)))
        )
    ]
    return [(answer, as_cell(answer, name, module)) for answer in can]


# nbgrader itself


def test_nbgrader_marks_with_the_configuration_that_the_course_writes(tmp_path: Path) -> None:
    api = pytest.importorskip("nbgrader.api")
    assert main(["nbgrader", str(tmp_path)]) == 0
    hand_in(tmp_path, "source/queries/lesson.ipynb", notebook("02"))
    run_nbgrader(tmp_path, "generate_assignment", "queries")
    released = json.loads((tmp_path / "release" / "queries" / "lesson.ipynb").read_text("utf-8"))
    skeleton = "".join(cell_of(notebook("02"), "exercise-2")["source"])
    assert "".join(cell_of(released, "exercise-2")["source"]) == skeleton

    right = "".join(cell_of(notebook("02", "solutions"), "exercise-2")["source"])
    answers = {
        "right": right,
        "wrong": right.replace(" / math.sqrt(queries.shape[-1])", ""),
        "imported": "from helpers.layers import DotProductAttention",
        "loops": right.replace("        scores = ", "        while True:\n            pass\n        scores = "),
        "loops at once": f"while True:\n    pass\n{right}",
    }
    for student, source in answers.items():
        hand_in(tmp_path, f"submitted/{student}/queries/lesson.ipynb", answered("02", _2=source))
    run_nbgrader(tmp_path, "autograde", "queries", "--Execute.timeout=15")
    with api.Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as book:
        scores = {s.student.id: s.score for s in book.assignment_submissions("queries")}
    assert scores == {"right": 1.0, "wrong": 0.0, "imported": 0.0, "loops": 0.0, "loops at once": 0.0}


def run_nbgrader(course: Path, *arguments: str) -> None:
    # It starts a program that pip put beside this Python.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command_line = [sys.executable, "-m", "nbgrader", *arguments]
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(command_line, cwd=course, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


# Pieces of the report


def test_students_alike_are_one_rectangle_however_many_they_are() -> None:
    drawn = report.picture([{"2": "passed"}] * 5000 + [{"2": "wrong"}] * 5000, ["2"])
    assert drawn.count("<rect") == 2
    assert "5000 in a row" in drawn


def test_a_students_name_makes_a_file_name_everywhere() -> None:
    assert report.file_name("Zoë O'Neil / 3:1") == "Zoë O_Neil _ 3_1"
    assert report.file_name("..") == "_"


def test_results_are_on_the_disk_at_once(tmp_path: Path) -> None:
    mark = Mark("ada", "02", "2", 1.0, "passed", None, "fine", 0.1, 7, "ada/02.ipynb", "code", "digest")
    store = Store(tmp_path / "results.db")
    store.keep(mark)
    with Store(tmp_path / "results.db") as other:
        assert list(other.marks()) == [mark]
        assert other.digest("ada", "2") == "digest"


def test_every_check_is_handed_the_name_that_its_lesson_gives() -> None:
    names = command.names(Project(ROOT))
    assert set(names) == set(EXERCISES)
    assert names["6b"] == "DecoderBlock"


def test_the_exercise_notebooks_are_not_changed_by_taking_answers_out() -> None:
    book = notebook("02")
    before = deepcopy(book)
    find_answer(book, "2", "DotProductAttention")
    cells_to_run(book)
    assert book == before
