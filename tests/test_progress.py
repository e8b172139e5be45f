"""The record of checks: counted right, never lost to a second kernel, never in a check's way."""

import json
import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from helpers import progress
from helpers.progress import forget_progress, progress_table, read_progress, record_check, record_dir

TITLES = {"2": "Dot-product attention", "3": "Self-attention <heads>", "6a": "Causal mask"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Keep the record in a folder that does not exist yet."""
    folder = tmp_path / "the record"
    monkeypatch.setenv("COURSE_RECORD", str(folder))
    progress._kept_in_memory.cache_clear()
    progress._warn_once.cache_clear()
    return folder


@pytest.fixture
def unwritable(tmp_path, monkeypatch):
    """Point the record below a file: no folder can be made there, not even by root."""
    (tmp_path / "a file").write_text("not a folder")
    monkeypatch.setenv("COURSE_RECORD", str(tmp_path / "a file" / "record"))


def test_failures_in_a_row_are_counted_and_a_pass_ends_the_row():
    assert [record_check("2", passed) for passed in (False, False, True, False)] == [1, 2, 0, 1]


def test_exercises_are_counted_apart():
    record_check("2", False)
    assert record_check("6a", False) == 1
    assert record_check("2", False) == 2


def test_a_check_that_passed_once_stays_passed_and_its_tries_end_there():
    for passed in (False, True, False, True):
        record_check("2", passed)
    record = read_progress()["2"]
    assert record["tries"] == 2
    moment = datetime.fromisoformat(record["passed"])
    assert moment.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)


def test_nothing_is_recorded_before_the_first_check_and_reading_makes_no_folder(folder):
    assert read_progress() == {}
    assert not folder.exists()


def test_the_default_folder_is_the_users_own(monkeypatch):
    import platformdirs

    monkeypatch.delenv("COURSE_RECORD")
    assert record_dir() == Path(platformdirs.user_data_dir("attention-course"))
    monkeypatch.setenv("COURSE_RECORD", "")
    assert record_dir() == Path(platformdirs.user_data_dir("attention-course"))


def test_a_tilde_in_the_folder_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COURSE_RECORD", "~/course")
    assert record_dir() == tmp_path / "course"


def test_only_the_record_and_its_lock_are_left_in_the_folder(folder):
    record_check("2", True)
    record_check("3", False)
    assert {file.name for file in folder.iterdir()} <= {"progress.json", "progress.json.lock"}
    assert json.loads((folder / "progress.json").read_text()).keys() == {"2", "3"}


def test_two_kernels_at_once_lose_no_count():
    code = "from helpers.progress import record_check\nfor _ in range(20): record_check('2', False)"
    kernels = [subprocess.Popen([sys.executable, "-W", "error", "-c", code]) for _ in range(2)]
    assert [kernel.wait() for kernel in kernels] == [0, 0]
    assert read_progress()["2"]["failures"] == 40


def test_a_write_that_breaks_off_leaves_the_old_record_whole(folder, monkeypatch):
    record_check("2", True)
    before = (folder / "progress.json").read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(progress.os, "replace", full_disk)
    with pytest.warns(UserWarning, match="No space left on device"):
        assert record_check("3", False) == 1
    assert (folder / "progress.json").read_bytes() == before
    assert not list(folder.glob("*.tmp"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'{"2": 3}',
        b'{"2": {"tries": 1}}',
        b'{"2": {"tries": "1", "failures": 0, "passed": null}}',
        b'{"2": {"tries": 1, "failures": 0, "passed": "yesterday"}}',
        b'{"2": {"tries": 1, "failures": 0, "passed": 5}}',
    ],
)
@pytest.mark.parametrize("first", [lambda: record_check("2", False), lambda: read_progress() or 1])
def test_a_damaged_record_is_set_aside_with_a_message(folder, content, first):
    folder.mkdir()
    (folder / "progress.json").write_bytes(content)
    with pytest.warns(UserWarning, match="progress-damaged-"):
        assert first() == 1
    (aside,) = folder.glob("progress-damaged-*.json")
    assert aside.read_bytes() == content
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        record_check("3", True)
        assert read_progress()["3"]["passed"]


@pytest.mark.usefixtures("unwritable")
def test_a_folder_that_cannot_be_written_is_said_once_and_counts_go_on_in_memory():
    with pytest.warns(UserWarning, match="set COURSE_RECORD") as said:
        counts = [record_check(*run) for run in (("2", False), ("2", False), ("3", True))]
    assert counts == [1, 2, 0]
    assert len(said) == 1
    assert read_progress()["2"]["failures"] == 2
    assert progress_table(TITLES).summary == "1 of 3 checks passed"
    forget_progress()
    assert read_progress() == {}


def test_what_was_counted_in_memory_is_written_once_the_folder_can_be(folder):
    folder.write_text("in the way")
    with pytest.warns(UserWarning, match="cannot be kept"):
        record_check("2", False)
    folder.unlink()
    assert [record_check("2", False), record_check("2", False)] == [2, 3]
    assert json.loads((folder / "progress.json").read_text())["2"]["failures"] == 3


def test_a_lock_that_is_never_given_back_stops_no_check(folder, monkeypatch):
    from filelock import FileLock

    monkeypatch.setattr(progress, "_LOCK_SECONDS", 0.05)
    record_check("2", False)
    with FileLock(folder / "progress.json.lock"), pytest.warns(UserWarning, match="cannot be kept"):
        assert record_check("2", False) == 2


def test_forgetting_leaves_feedback_alone(folder):
    record_check("2", True)
    (folder / "feedback.jsonl").write_text("{}\n")
    forget_progress()
    assert read_progress() == {}
    assert (folder / "feedback.jsonl").exists()
    forget_progress()  # nothing to forget is no error


def test_the_table_tells_passed_tried_and_not_yet_apart():
    record_check("2", False)
    record_check("2", True)
    record_check("3", False)
    table = progress_table(TITLES)
    assert [(row.exercise, row.state, row.tries) for row in table.rows] == [
        ("2", "passed", 2),
        ("3", "tried", 1),
        ("6a", "not yet", 0),
    ]
    assert table.summary == "1 of 3 checks passed"
    assert abs(datetime.now() - datetime.strptime(table.rows[0].when, "%Y-%m-%d %H:%M")) < timedelta(minutes=2)
    assert table.rows[1].when == ""


def test_the_table_is_html_in_a_notebook_and_lines_in_a_terminal():
    record_check("2", True)
    table = progress_table(TITLES)
    page = table._repr_html_()
    assert page.count("<tr>") == 1 + len(TITLES)
    assert "Self-attention &lt;heads&gt;" in page
    lines = repr(table).splitlines()
    assert lines[0] == "1 of 3 checks passed"
    assert [line.split()[0] for line in lines[1:]] == list(TITLES)
    assert "Self-attention <heads>" in lines[2]


def test_a_table_of_no_exercises_is_still_a_table():
    assert repr(progress_table({})) == "0 of 0 checks passed"
