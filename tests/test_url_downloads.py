"""Files from the web: whole, verified and fetched once, whatever the servers, the disk and the power do."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_server import FaultServer, refusing_address, running

from helpers.downloads import attempts as web_attempts
from helpers.downloads import fetch_file
from helpers.downloads import url as url_download
from helpers.downloads.cache import DownloadError, cache_dir, make_once
from helpers.texts import crows_pairs_file
from helpers.texts.crows_pairs_file import fetch_crows_pairs

CONTENT = bytes(range(256)) * 1200  # several of the pieces that a download comes in
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,example.org,nowhere.invalid")
    monkeypatch.delenv("COURSE_OFFLINE", raising=False)
    monkeypatch.setattr(url_download, "PAUSES", (0.01, 0.01))
    server = FaultServer(CONTENT)
    with running(server):
        yield server


def fetch(*addresses: str, sha256: str = SHA256) -> Path:
    return fetch_file(
        "The file", addresses, sha256, folder="thing", name="thing.bin", instead="Use the sample until then."
    )


def kept() -> list[str]:
    """Every file in the cache, but for the empty ones that only serve as locks."""
    return sorted(path.name for path in cache_dir().rglob("*") if path.is_file() and path.suffix != ".lock")


def fails_and_is_mended(server: FaultServer, match: str, *addresses: str, sha256: str = SHA256) -> str:
    """The error says what it must, nothing is kept, and the next try, with a good server, works."""
    with pytest.raises(DownloadError, match=match) as failed:
        fetch(*addresses, sha256=sha256)
    assert str(failed.value).startswith("The file could not be downloaded: 127.0.0.1 ")
    assert str(failed.value).endswith(" Use the sample until then.")
    assert kept() == []
    assert fetch(server.plan("/good", "ok")).read_bytes() == CONTENT
    assert kept() == ["thing.bin"]
    return str(failed.value)


def test_a_file_is_downloaded_once_and_then_read_from_the_cache(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    address = server.plan("/file", "ok")
    path = fetch(address)
    assert path.read_bytes() == CONTENT
    assert path.name == "thing.bin"
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    assert fetch(address) == path
    assert server.requests == ["/file"]
    assert capfd.readouterr() == ("", "")  # a short download needs no bar


def test_offline_asks_nobody(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    with pytest.raises(DownloadError, match=r"The file is not in the cache .*COURSE_OFFLINE=1.* Use the sample"):
        fetch(server.plan("/file", "ok"))
    assert server.requests == []
    assert not cache_dir().exists()


def test_a_refused_connection_is_called_offline(server: FaultServer) -> None:
    taken, address = refusing_address()
    with taken:
        fails_and_is_mended(server, r"refused the connection\. This computer seems to be offline\. When", address)


def test_a_name_that_nobody_knows_is_called_offline(server: FaultServer) -> None:
    with pytest.raises(DownloadError, match=r"nowhere\.invalid could not be found .*seems to be offline"):
        fetch("http://nowhere.invalid/file")


def test_a_missing_page_is_not_asked_for_again(server: FaultServer) -> None:
    fails_and_is_mended(server, r"answered 404 \(Not Found\)\. Nothing was kept", server.plan("/gone", 404))
    assert server.requests == ["/gone", "/good"]


def test_a_busy_server_is_asked_again(server: FaultServer) -> None:
    assert fetch(server.plan("/busy", 503, "ok")).read_bytes() == CONTENT
    assert server.requests == ["/busy", "/busy"]


def test_a_server_that_stays_busy_is_given_up(server: FaultServer) -> None:
    fails_and_is_mended(server, r"answered 503 \(Service Unavailable\)", server.plan("/busy", 503))
    assert server.requests == ["/busy"] * 3 + ["/good"]


@pytest.mark.parametrize("fault", ["cut short", "reset"])
def test_a_connection_that_breaks_is_tried_again(server: FaultServer, fault: str) -> None:
    assert fetch(server.plan("/weak", fault, "ok")).read_bytes() == CONTENT
    assert kept() == ["thing.bin"]


@pytest.mark.parametrize(
    ("fault", "said"), [("cut short", "broke off before the end"), ("reset", "closed the connection without an answer")]
)
def test_a_connection_that_always_breaks_leaves_nothing(server: FaultServer, fault: str, said: str) -> None:
    fails_and_is_mended(server, said, server.plan("/weak", fault))


def test_a_wrong_hash_names_both_and_is_not_kept(server: FaultServer) -> None:
    wrong = "0" * 64
    said = fails_and_is_mended(
        server, f"SHA-256 {SHA256}, but it must have {wrong}", server.plan("/file", "ok"), sha256=wrong
    )
    assert "web page" not in said


def test_a_login_page_is_recognised(server: FaultServer) -> None:
    server.content = b"<!DOCTYPE html><title>Hotel</title>"
    with pytest.raises(DownloadError, match="does this network want you to log in"):
        fetch(server.plan("/file", "ok"))
    assert kept() == []


def test_the_next_address_is_asked_when_one_fails(server: FaultServer) -> None:
    taken, refused = refusing_address()
    with taken:
        bad = [refused, server.plan("/gone", 404), server.plan("/busy", 503)]
        assert fetch(*bad, server.plan("/good", "ok")).read_bytes() == CONTENT
    assert server.requests == ["/gone", "/busy", "/good"]  # in order, and a busy one makes nobody wait


def test_an_error_names_what_each_address_said(server: FaultServer) -> None:
    taken, refused = refusing_address()
    with taken:
        match = r"127\.0\.0\.1 refused the connection; 127\.0\.0\.1 answered 404 .*Nothing was kept"
        fails_and_is_mended(server, match, refused, server.plan("/gone", 404))


def test_the_first_byte_is_waited_for_ten_seconds_at_most() -> None:
    assert sum(web_attempts.TIMEOUT) <= 10


def test_a_network_that_looks_no_name_up_is_not_waited_for(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_attempts, "TIMEOUT", (0.1, 0.3))
    swallowed = threading.Event()
    monkeypatch.setattr(web_attempts.socket, "getaddrinfo", lambda *_: swallowed.wait(60))
    with pytest.raises(DownloadError, match=r"example\.org could not be looked up.*seems to be offline"):
        fetch("https://example.org/file")
    swallowed.set()


@pytest.mark.parametrize("fault", ["stall", "stall halfway"])
def test_a_server_that_goes_silent_is_left_for_the_next(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(web_attempts, "TIMEOUT", (0.2, 0.3))
    assert fetch(server.plan("/silent", fault), server.plan("/good", "ok")).read_bytes() == CONTENT
    assert server.requests == ["/silent", "/good"]


@pytest.mark.parametrize(
    ("fault", "said"), [("stall", "gave no answer within"), ("stall halfway", "sent nothing more")]
)
def test_a_server_that_goes_silent_is_named(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch, fault: str, said: str
) -> None:
    monkeypatch.setattr(web_attempts, "TIMEOUT", (0.2, 0.3))
    fails_and_is_mended(server, said, server.plan("/silent", fault))


def test_twenty_processes_make_one_download(server: FaultServer) -> None:
    address = server.plan("/file", "ok")
    fork = multiprocessing.get_context("fork")
    gate = fork.Event()

    def work() -> None:
        gate.wait(20)
        assert fetch(address).read_bytes() == CONTENT

    children = [fork.Process(target=work) for _ in range(20)]
    for child in children:
        child.start()
    gate.set()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 20
    assert server.requests == ["/file"]
    assert kept() == ["thing.bin"]


FETCH = """
import sys
from helpers.downloads import fetch_file
print(fetch_file("The file", [sys.argv[1]], sys.argv[2], folder="thing", name="thing.bin"))
"""


def test_what_a_killed_process_left_is_not_believed(server: FaultServer) -> None:
    command = [sys.executable, "-c", FETCH, server.plan("/file", "stall halfway", "ok"), SHA256]
    child = subprocess.Popen(command)
    assert server.halfway.wait(20)
    while not any(path.stat().st_size for path in cache_dir().rglob("thing.bin")):
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait(20) == -signal.SIGKILL
    (half,) = cache_dir().rglob("thing.bin")
    assert 0 < half.stat().st_size < len(CONTENT)
    assert fetch(server.address + "/file").read_bytes() == CONTENT
    assert kept() == ["thing.bin"]


def private_mounts() -> list[str]:
    """How to run a command that may mount file systems which nobody else sees; empty where that is not allowed."""
    command = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
        return command
    return []


@pytest.mark.skipif(not private_mounts(), reason="no file system can be mounted here")
def test_a_full_disk_is_said_and_is_mended_by_room(server: FaultServer) -> None:
    """On a real file system of 128 KiB, which holds less than half of the file."""
    cache = cache_dir()
    cache.mkdir()
    script = f"mount -t tmpfs -o size=128k tmpfs {cache} && {{ \"$@\"; find {cache} -type f ! -name '*.lock'; }}"
    command = [sys.executable, "-c", FETCH, server.plan("/file", "ok"), SHA256]
    done = subprocess.run(
        [*private_mounts(), "sh", "-c", script, "sh", *command], capture_output=True, text=True, timeout=60
    )
    assert "DownloadError: No space is left for" in done.stderr
    assert "set COURSE_CACHE to a folder on a disk that has room" in done.stderr
    assert done.stdout == ""  # no path, and nothing left on that disk
    assert fetch(server.address + "/file").read_bytes() == CONTENT


def test_a_file_in_the_way_is_named(server: FaultServer) -> None:
    blocking = cache_dir()
    blocking.write_text("a file, where the cache should be")
    with pytest.raises(DownloadError, match=rf"{blocking} is a file, where a folder should be.* COURSE_CACHE"):
        fetch(server.plan("/file", "ok"))
    blocking.unlink()
    fetch(server.address + "/file")


@pytest.mark.parametrize("name", [".unfinished", "thing"])
def test_a_file_in_a_folders_place_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("in the way")
    with pytest.raises(DownloadError, match=rf"{name} is a file, where a folder should be"):
        make_once(tmp_path / "thing", lambda folder: (folder / "file").write_text("x") and None)


def test_a_directory_with_directories_in_it_is_made_whole_and_reaches_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_ino))

    def make(folder: Path) -> None:
        (folder / "inner").mkdir()
        (folder / "inner" / "file").write_text("deep")
        (folder / "link").symlink_to("inner")

    made = make_once(tmp_path / "thing", make)
    assert (made / "inner" / "file").read_text() == (made / "link" / "file").read_text() == "deep"
    assert flushed == [(made / "inner" / "file").stat().st_ino]


# ---- CrowS-Pairs


def test_crows_pairs_come_from_the_second_place_when_the_first_is_gone(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crows_pairs_file, "_ADDRESSES", (server.plan("/home", 404), server.plan("/copy", "ok")))
    monkeypatch.setattr(crows_pairs_file, "_SHA256", SHA256)
    path = fetch_crows_pairs()
    assert (path.name, path.read_bytes()) == ("crows_pairs_anonymized.csv", CONTENT)
    assert server.requests == ["/home", "/copy"]


def test_crows_pairs_that_cannot_be_had_lead_to_the_sample(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crows_pairs_file, "_ADDRESSES", (server.plan("/home", 404),))
    with pytest.raises(DownloadError, match=r'CrowS-Pairs could not be downloaded: .*404.* DATA = "sample"'):
        fetch_crows_pairs()


def test_crows_pairs_have_the_hash_of_the_published_file() -> None:
    """The file is no part of the course; where somebody has put it beside the repository, it is looked at."""
    published = Path(__file__).parents[2] / "shared" / "crows_pairs" / "crows_pairs_anonymized.csv"
    if not published.is_file():
        pytest.skip("the published file is not here")
    assert hashlib.sha256(published.read_bytes()).hexdigest() == crows_pairs_file._SHA256
