"""Videos, slides and pictures: right in a static page, offline, and live."""

import base64
import html
import socket
import struct
import time
import zlib
from pathlib import Path

import pytest

from helpers import media

YOUTUBE, BILIBILI = "UnuSQeT8GqQ", "BV1hf4y1j7XE"


@pytest.fixture(autouse=True)
def _fresh_probe(monkeypatch):
    monkeypatch.delenv("COURSE_OFFLINE", raising=False)
    probe = media._probe
    probe.cache_clear()
    yield
    probe.cache_clear()


@pytest.fixture
def shown(monkeypatch):
    """Collect what is displayed."""
    things = []
    monkeypatch.setattr("IPython.display.display", things.append)
    return things


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A package whose expected pictures lie in a temporary folder."""
    folder = tmp_path / "assets" / "expected"
    folder.mkdir(parents=True)
    monkeypatch.setattr(media.resources, "files", lambda _: tmp_path)
    return folder


def live(monkeypatch, network=True):
    monkeypatch.setattr(media, "_in_kernel", lambda: True)
    monkeypatch.setattr(media, "_probe", lambda: network)


def test_a_video_is_two_plain_links_with_credit(shown):
    assert media.video(YOUTUBE, BILIBILI, "Why attention?") is None
    (page,) = shown
    assert f'href="https://www.youtube.com/watch?v={YOUTUBE}"' in page._repr_html_()
    assert f'href="https://www.bilibili.com/video/{BILIBILI}"' in page._repr_html_()
    assert "Neuromatch Academy</a>" in page._repr_html_()
    assert "CC BY 4.0</a>" in page._repr_html_()
    assert "<iframe" not in page._repr_html_()
    for piece in ("Why attention?", YOUTUBE, BILIBILI, "CC BY 4.0"):
        assert piece in repr(page)


def test_a_live_notebook_with_a_network_gets_tabs_under_the_links(shown, monkeypatch):
    live(monkeypatch)
    media.video(YOUTUBE, BILIBILI, "Why?")
    page, tabs = shown
    assert "https://www.youtube.com" in page._repr_html_()
    assert [tabs.get_title(index) for index in range(2)] == ["YouTube", "Bilibili"]
    first, second = (html.unescape(html.unescape(tab.value)) for tab in tabs.children)
    assert f"https://www.youtube-nocookie.com/embed/{YOUTUBE}?" in first
    assert f"https://player.bilibili.com/player.html?bvid={BILIBILI}&" in second


def test_no_player_is_loaded_before_it_is_asked_for(shown, monkeypatch):
    live(monkeypatch)
    media.video(YOUTUBE, BILIBILI)
    for tab in shown[1].children:
        frame = tab.value
        assert frame.startswith("<iframe ")
        assert " src=" not in frame  # the address stands only in a link inside the frame's own page
        assert "http" not in frame.split("srcdoc=")[0]


def test_offline_by_order_there_are_only_links_and_nothing_is_tried(shown, monkeypatch):
    tried = []

    def connect(address, timeout):
        tried.append(address)
        raise OSError("no network")

    monkeypatch.setattr(media, "_in_kernel", lambda: True)
    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    media.video(YOUTUBE, BILIBILI)
    assert len(shown) == 1
    assert not media.online()
    assert not tried


def test_without_a_network_there_are_only_links(shown, monkeypatch):
    live(monkeypatch, network=False)
    media.video(YOUTUBE, BILIBILI)
    assert len(shown) == 1


def test_outside_a_notebook_there_are_only_links(shown, monkeypatch):
    monkeypatch.setattr(media, "_probe", lambda: True)
    media.video(YOUTUBE, BILIBILI)
    assert len(shown) == 1


@pytest.mark.parametrize(
    ("youtube", "bilibili", "wrong"),
    [("short", BILIBILI, "'short'"), (YOUTUBE + "\n", BILIBILI, "Q.n"), (YOUTUBE, '"><script>x', "script")],
)
def test_a_wrong_video_id_is_named(youtube, bilibili, wrong):
    with pytest.raises(ValueError, match=wrong):
        media.video(youtube, bilibili)


def test_a_title_is_text_and_never_markup(shown, monkeypatch):
    live(monkeypatch)
    media.video(YOUTUBE, BILIBILI, '<b>"x"</b>')
    page, tabs = shown
    assert "&lt;b&gt;" in page._repr_html_()
    for tab in tabs.children:
        assert "<b>" not in tab.value
        inside = html.unescape(tab.value.split('srcdoc="')[1].split('"')[0])
        assert "<b>" not in inside
        assert "&lt;b&gt;&quot;x&quot;" in inside


def test_slides_are_a_link_with_credit(shown):
    assert media.slides() is None
    (page,) = shown
    assert 'href="https://osf.io/sfmpe/"' in page._repr_html_()
    assert "Neuromatch Academy" in page._repr_html_()
    assert "https://osf.io/sfmpe/" in repr(page)


def test_an_expected_picture_is_shown_folded_with_its_words(shown, pictures):
    pixels = zlib.compress(b"\0\0")
    content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(pixels)) + b"IDAT" + pixels
    (pictures / "02_bank.png").write_bytes(content)
    assert media.what_you_should_see("02_bank", alt='Bars: "river" is longest') is None
    (page,) = shown
    markup = page._repr_html_()
    assert markup.startswith("<details><summary>What you should see</summary><img ")
    assert markup.endswith("</details>")
    assert 'alt="Bars: &quot;river&quot; is longest"' in markup
    assert base64.b64decode(markup.split("base64,")[1].split('"')[0]) == content
    assert repr(page) == 'What you should see: Bars: "river" is longest'


@pytest.mark.usefixtures("shown")
@pytest.mark.parametrize("name", ["02_bunk", "../secret", ""])
def test_a_missing_picture_is_named(pictures, name):
    (pictures.parent / "secret.png").write_bytes(b"x")
    with pytest.raises(FileNotFoundError, match="is missing") as error:
        media.what_you_should_see(name)
    assert repr(name) in str(error.value)


def test_a_course_without_pictures_says_so_too(tmp_path, monkeypatch):
    monkeypatch.setattr(media.resources, "files", lambda _: tmp_path)
    with pytest.raises(FileNotFoundError, match="'02_bank'"):
        media.what_you_should_see("02_bank")


def test_pictures_are_looked_for_in_the_package(monkeypatch):
    asked = []
    files = media.resources.files
    monkeypatch.setattr(media.resources, "files", lambda package: asked.append(package) or files(package))
    with pytest.raises(FileNotFoundError):
        media.what_you_should_see("no such picture")
    assert asked == ["helpers"]
    assert (Path(str(files("helpers"))) / "media.py").samefile(media.__file__)


def test_one_reachable_site_is_a_network(monkeypatch):
    class Connection:
        def close(self):
            pass

    def connect(address, timeout):
        if "youtube" in address[0]:
            raise OSError("blocked here")
        return Connection()

    monkeypatch.setattr(socket, "create_connection", connect)
    assert media.online()


def test_the_network_is_tried_once_a_session(monkeypatch):
    tried = []

    def connect(address, timeout):
        tried.append(address)
        raise socket.gaierror("no network")

    monkeypatch.setattr(socket, "create_connection", connect)
    assert not media.online()
    assert not media.online()
    assert len(tried) == len(media._PROBED)


def test_a_network_that_never_answers_costs_less_than_a_second(monkeypatch):
    def connect(address, timeout):
        time.sleep(3)
        raise OSError("too late")

    monkeypatch.setattr(socket, "create_connection", connect)
    started = time.perf_counter()
    assert not media.online()
    assert time.perf_counter() - started < 1.0


def test_a_network_that_is_down_is_found_at_once(monkeypatch):
    def connect(address, timeout):
        raise OSError("down")

    monkeypatch.setattr(socket, "create_connection", connect)
    started = time.perf_counter()
    assert not media.online()
    assert time.perf_counter() - started < media._PROBE_SECONDS / 2
