"""Feedback: kept here, sent only where the instructor asked, and never in the student's way."""

import http.server
import json
import queue
import re
import socket
import threading
import time
from datetime import datetime, timedelta

import ipywidgets as widgets
import pytest

from helpers.feedback import RATINGS, feedback_box, save_feedback


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "the record"
    monkeypatch.setenv("COURSE_RECORD", str(folder))
    for name in ("COURSE_FEEDBACK_URL", "COURSE_OFFLINE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def server(monkeypatch):
    """An instructor's server; what it was sent lies in the queue."""
    received = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.put((self.path, self.headers["Content-Type"], json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        monkeypatch.setenv("COURSE_FEEDBACK_URL", f"http://127.0.0.1:{listening.server_port}/course?key=1")
        yield received
        listening.shutdown()


def kept(folder):
    return [json.loads(line) for line in (folder / "feedback.jsonl").read_text(encoding="utf-8").splitlines()]


def parts(box):
    (rating,) = (part for part in box.children if isinstance(part, widgets.ToggleButtons))
    (comment,) = (part for part in box.children if isinstance(part, widgets.Textarea))
    (send,) = (part for part in box.children if isinstance(part, widgets.Button))
    return rating, comment, send, box.children[-1]


def words(status):
    return re.sub("<[^>]+>", "", status.value)


def test_feedback_is_appended_as_one_line_of_json_each(folder):
    comment = 'Two\nlines, "quotes", 注意 and é'
    assert save_feedback("02 bank", 4, comment) == folder / "feedback.jsonl"
    save_feedback("02 bank", None, " only words ")
    save_feedback("03 heads", 1, "")
    first, second, third = kept(folder)
    moment = datetime.fromisoformat(first.pop("time"))
    assert moment.utcoffset() == timedelta(0)
    assert first == {"section": "02 bank", "rating": 4, "comment": comment}
    assert (second["rating"], second["comment"]) == (None, "only words")
    assert (third["section"], third["rating"], third["comment"]) == ("03 heads", 1, "")
    assert "注意" in (folder / "feedback.jsonl").read_text(encoding="utf-8")


def test_half_an_emoji_is_kept_too(folder):
    save_feedback("02", 3, "\ud83d")
    assert kept(folder)[0]["comment"] == "\ud83d"


@pytest.mark.parametrize("rating", [0, 6, 2.5])
def test_a_rating_out_of_range_is_named_and_nothing_is_kept(folder, rating):
    with pytest.raises(ValueError, match=f"from 1 to 5, not {rating}"):
        save_feedback("02", rating, "")
    assert not folder.exists()


def test_nothing_is_sent_where_no_address_is_set(monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("a thread was started")

    monkeypatch.setattr(threading.Thread, "start", forbidden)
    save_feedback("02", 5, "")


def test_the_instructors_address_receives_what_is_kept(server, folder):
    save_feedback("02 bank", 5, "clear, 注意")
    path, content_type, entry = server.get(timeout=5)
    assert path == "/course?key=1"
    assert content_type == "application/json; charset=utf-8"
    assert [entry] == kept(folder)


def test_offline_nothing_is_sent(server, folder, monkeypatch):
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    save_feedback("02", 5, "")
    with pytest.raises(queue.Empty):
        server.get(timeout=0.3)
    assert len(kept(folder)) == 1


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{closed}/",
        "http://127.0.0.1:{silent}/",
        "http://no-such-host.invalid/",
        "http://[",
        "http://x:y/",
    ],
)
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_address_costs_neither_a_second_nor_an_error(folder, monkeypatch, capfd, address):
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", 0)) as closed:
        ports = {"silent": silent.getsockname()[1], "closed": closed.getsockname()[1]}
        closed.close()
        monkeypatch.setenv("COURSE_FEEDBACK_URL", address.format(**ports))
        started = time.perf_counter()
        save_feedback("02", 5, "")
        assert time.perf_counter() - started < 0.5  # it takes milliseconds; a connection would take its 5 s limit
        time.sleep(0.1)
    assert len(kept(folder)) == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("address", ["file:///etc/hostname", "ftp://127.0.0.1/", "example.org/form", "javascript:x"])
def test_an_address_that_is_not_http_is_refused_and_said(monkeypatch, address):
    monkeypatch.setenv("COURSE_FEEDBACK_URL", address)

    def forbidden(*_, **__):
        raise AssertionError("a thread was started")

    monkeypatch.setattr(threading.Thread, "start", forbidden)
    save_feedback("02", 5, "")
    status = words(parts(feedback_box("02"))[3])
    assert "nothing is sent" in status
    assert address in status


def test_the_box_says_where_the_words_go(folder, monkeypatch):
    assert words(parts(feedback_box("02"))[3]) == f"Your words stay on this computer, in {folder / 'feedback.jsonl'}."
    monkeypatch.setenv("COURSE_FEEDBACK_URL", "https://me:secret@forms.example.org/x?key=1")
    status = words(parts(feedback_box("02"))[3])
    assert "also sent to forms.example.org" in status
    assert "secret" not in status


def test_the_box_keeps_what_was_chosen_and_clears_itself(folder):
    rating, comment, send, status = parts(feedback_box("02 bank"))
    rating.value, comment.value = 4, "good"
    send.click()
    assert [(entry["section"], entry["rating"], entry["comment"]) for entry in kept(folder)] == [("02 bank", 4, "good")]
    assert words(status).startswith("Thank you.")
    assert (rating.value, comment.value) == (None, "")


def test_an_empty_box_is_not_sent(folder):
    _, _, send, status = parts(feedback_box("02"))
    send.click()
    assert words(status) == "Choose a rating or write a comment first."
    assert not folder.exists()


def test_every_rating_says_what_it_means():
    rating = parts(feedback_box("02"))[0]
    assert [number for _, number in rating.options] == list(RATINGS) == [1, 2, 3, 4, 5]
    assert all(re.fullmatch(r"\d: .+", label) for label, _ in rating.options)
    assert rating.value is None


def test_a_folder_that_cannot_be_written_is_said_in_the_box_and_the_words_stay(server, folder):
    folder.write_text("a file, where the folder should be")
    rating, comment, send, status = parts(feedback_box("02"))
    rating.value, comment.value = 2, "still here"
    send.click()
    assert "could not be kept" in words(status)
    assert "Set COURSE_RECORD" in words(status)
    assert "on its way to 127.0.0.1" in words(status)
    assert comment.value == "still here"
    assert server.get(timeout=5)[2]["comment"] == "still here"


def test_markup_in_names_is_shown_and_not_run():
    box = feedback_box("<script>alert(1)</script>")
    assert "<script>" not in box.children[0].value


def test_a_static_page_learns_nothing_of_this_computer(folder):
    box = feedback_box("02 bank")
    assert str(folder) in words(box.children[-1])
    # What ipywidgets writes into the notebook beside the live box.
    assert repr(box) == "[Feedback on 02 bank. Run the cell to write some.]"
