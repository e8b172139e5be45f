"""The course as a site: made from what lies in the repository, and read in a browser as a person reads it."""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin

import nbformat
import pytest
import yaml

from helpers.course.build import badges
from helpers.course.build.exercise import blanked, reference
from helpers.course.build.lesson import Lesson
from helpers.course.errors import CourseError
from helpers.course.project import Project
from helpers.course.site.build import build_site, source_files
from helpers.course.site.glossary import Words, unsorted
from helpers.course.site.lesson_page import addresses, lesson_page
from helpers.course.site.pages import PAGES, front_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]
PROJECT = Project(ROOT)
WORKFLOW = ROOT / ".github" / "workflows" / "site.yml"
SCREENSHOTS = Path(__file__).parent / "screenshots" / "site"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

LESSONS = [path.stem for path in sorted((ROOT / "solutions").glob("*.py"))]
NAMES = ["index", *(f"lessons/{name}" for name in LESSONS), *PAGES.values(), "glossary", "genindex", "search"]
FOLDER = "attention-course"  # as on GitHub Pages, the site does not lie at the address's root
SECONDS = 90.0  # what making it may take, on one core
PIECE = 4000  # points of a page in one screenshot


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The site, made once, with what Sphinx said and how long it took."""
    out = tmp_path_factory.mktemp("site") / FOLDER
    begin = time.process_time()
    warnings = build_site(PROJECT, out)
    return SimpleNamespace(out=out, warnings=warnings, seconds=time.process_time() - begin)


@pytest.fixture(scope="module")
def host(made: SimpleNamespace) -> Iterator[str]:
    """The address that shows the site."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *said: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(made.out.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{FOLDER}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium (or set it up as Google Chrome)")
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install -e '.[browser]'")
    with playwright.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


class Reading:
    """A page of the site in a browser window, with all that it asked for and complained of."""

    def __init__(self, browser: Browser, host: str, width: int, scheme: str = "light") -> None:
        self.host = host
        self.page: Page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page.set_default_timeout(300_000)  # a busy machine may need it, and nothing waits longer than it has to
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(error.message))
        self.page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))

    def open(self, name: str) -> None:
        self.page.goto(f"{self.host}{name}.html", wait_until="networkidle")
        self.page.evaluate("async () => { await window.MathJax?.startup?.promise; await document.fonts.ready; }")

    def unfold(self) -> None:
        """Open every hint and answer, and bring every picture in."""
        self.page.evaluate("document.querySelectorAll('details').forEach(it => { it.open = true; })")
        self.page.evaluate("document.querySelectorAll('img').forEach(it => { it.loading = 'eager'; })")
        self.page.wait_for_function("[...document.images].every(it => it.complete)")

    def elsewhere(self) -> list[str]:
        """Requests that left the site's own address."""
        return [url for url in self.asked if not url.startswith((self.host, "data:", "blob:"))]

    def screenshots(self, name: str) -> None:
        """Keep pictures of the whole page, so many points each."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        width, height = self.page.evaluate("[innerWidth, document.documentElement.scrollHeight]")
        for number, top in enumerate(range(0, height, PIECE), 1):
            clip = {"x": 0, "y": top, "width": width, "height": min(PIECE, height - top)}
            path = SCREENSHOTS / f"{name.replace('/', '_')}_{number}.png"
            self.page.screenshot(path=path, full_page=True, clip=clip)


@pytest.mark.browser
def test_the_site_is_made_without_a_warning_and_in_time(made: SimpleNamespace) -> None:
    assert made.warnings == []
    assert made.seconds < SECONDS


# What of a page a reader cannot get at: its right edge is past the window, and nothing around it scrolls.
_CUT = """() => [...document.querySelectorAll("main img, main table, main pre, main mjx-container, main h1, main p")]
  .filter(it => it.getClientRects().length && it.getBoundingClientRect().right > innerWidth + 1)
  .filter(it => {
    for (let up = it; up && up !== document.body; up = up.parentElement)
      if (["auto", "scroll"].includes(getComputedStyle(up).overflowX)
          && up.getBoundingClientRect().right <= innerWidth + 1) return false;
    return true;
  }).map(it => it.outerHTML.slice(0, 120))"""


# What axe looks at. Colours do not depend on the width, and nothing else on the colours; looking at them is slow.
_AXE: dict[tuple[int, str], dict[str, Any]] = {
    (1366, "light"): {"rules": {}},
    (1366, "dark"): {"runOnly": ["color-contrast"]},
    (390, "light"): {"rules": {"color-contrast": {"enabled": False}}},
}


@pytest.mark.browser
@pytest.mark.parametrize("width", [1366, 390], ids=["laptop", "telephone"])
@pytest.mark.parametrize("name", NAMES)
def test_a_page_fits_its_window_asks_nobody_else_and_can_be_read_by_all(
    name: str, width: int, browser: Browser, host: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for scheme in ("light", "dark"):
        reading = Reading(browser, host, width, scheme)
        page = reading.page
        reading.open(name)
        page.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
        if scheme == "light":
            reading.screenshots(f"{name}_{width}_{scheme}")
        reading.unfold()
        if scheme == "dark":
            reading.screenshots(f"{name}_{width}_{scheme}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
        assert page.evaluate(_CUT) == []
        assert page.evaluate("[...document.images].filter(it => !it.naturalWidth).map(it => it.src)") == []
        assert page.evaluate("[...document.images].filter(it => !it.alt.trim()).map(it => it.src)") == []
        if what := _AXE.get((width, scheme)):
            found = axe.run(page, options={"preload": False, "resultTypes": ["violations"], **what})
            serious = [one for one in found.response["violations"] if one["impact"] in ("serious", "critical")]
            assert not serious, "\n".join(f"{one['id']}: {node['html']}" for one in serious for node in one["nodes"])
        assert reading.elsewhere() == []
        assert reading.complaints == []
        page.close()


@pytest.mark.browser
@pytest.mark.parametrize("width", [1366, 390], ids=["laptop", "telephone"])
@pytest.mark.parametrize("name", ["index", f"lessons/{LESSONS[2]}", "glossary"])
def test_the_keyboard_alone_reaches_everything(name: str, width: int, browser: Browser, host: str) -> None:
    reading = Reading(browser, host, width)
    reading.open(name)
    page = reading.page
    can_be_reached = (
        "all => all.filter(it => it.checkVisibility({visibilityProperty: true}) && it.tabIndex >= 0 && !it.disabled)"
    )
    stops = page.locator("a[href], button, summary, input, [tabindex='0']")
    wanted = page.evaluate_handle(f"({can_be_reached})([...document.querySelectorAll('{_STOPS}')])")
    assert stops.count() > 10
    reached = page.evaluate_handle("new Set()")
    for _ in range(2 * page.evaluate("all => all.length", wanted) + 10):
        page.keyboard.press("Tab")
        page.evaluate("seen => { seen.add(document.activeElement); }", reached)
    missed = page.evaluate(
        "([all, seen]) => all.filter(it => !seen.has(it)).map(it => it.outerHTML)", [wanted, reached]
    )
    assert missed == []
    page.close()


_STOPS = "a[href], button, summary, input, [tabindex]"


@pytest.mark.browser
def test_a_search_for_the_padding_mask_finds_a_lesson_about_it(browser: Browser, host: str) -> None:
    reading = Reading(browser, host, 1366)
    reading.open("search")
    reading.page.goto(f"{host}search.html?q=padding+mask")
    places = ["/02_", "/03_"]  # the results come one after the other: this waits until one of these has come
    reading.page.locator(",".join(f"#search-results li a[href*='{place}']" for place in places)).first.wait_for()
    assert reading.elsewhere() == []
    reading.page.close()


@pytest.mark.browser
def test_a_search_can_be_begun_on_any_page(browser: Browser, host: str) -> None:
    reading = Reading(browser, host, 1366)
    reading.open(f"lessons/{LESSONS[0]}")
    reading.page.keyboard.press("Control+K")
    reading.page.keyboard.type("padding mask")
    reading.page.keyboard.press("Enter")
    reading.page.locator("#search-results li a").first.wait_for()
    assert "search.html" in reading.page.url
    reading.page.close()


@pytest.mark.browser
def test_formulas_are_set_by_what_the_site_ships(browser: Browser, host: str) -> None:
    reading = Reading(browser, host, 1366)
    reading.open(f"lessons/{LESSONS[2]}")
    assert reading.page.locator("mjx-container").count() > 5
    assert reading.page.locator("mjx-merror").count() == 0
    assert any("/_static/mathjax/" in url for url in reading.asked)
    reading.page.close()


class Links(HTMLParser):
    """A page's links, what it loads, its anchors, and its text outside and inside folds."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.open_text, self.folded_text = "", ""
        self._folds = 0
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        self._folds += tag == "details"
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and {"stylesheet", "icon", "preload"} & set(given.get("rel", "").split()):
            self.loads.append(given["href"])
        elif "src" in given:
            self.loads.append(given["src"])

    def handle_endtag(self, tag: str) -> None:
        self._folds -= tag == "details"

    def handle_data(self, data: str) -> None:
        if self._folds:
            self.folded_text += data
        else:
            self.open_text += data


@pytest.fixture(scope="module")
def read(made: SimpleNamespace) -> dict[str, Links]:
    """Every page's source, by its address from the site's root."""
    pages = {path.relative_to(made.out).as_posix(): path for path in sorted(made.out.rglob("*.html"))}
    return {name: Links(path) for name, path in pages.items() if not name.startswith("_static/")}


@pytest.mark.browser
def test_every_page_is_there(read: dict[str, Links]) -> None:
    assert {f"{name}.html" for name in NAMES} <= read.keys()


@pytest.mark.browser
def test_all_internal_links_lead_somewhere(read: dict[str, Links], made: SimpleNamespace) -> None:
    lost = []
    for page, found in read.items():
        for link in [*found.links, *found.loads]:
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = urljoin(page, link).partition("#")
            path = unquote(path.partition("?")[0])
            there = (made.out / path).is_file() and ".." not in path and not link.startswith("/")
            if not there or (anchor and path.endswith(".html") and unquote(anchor) not in {*read[path].anchors, ""}):
                lost.append(f"{page}: {link}")
    assert lost == []


@pytest.mark.browser
def test_no_page_loads_anything_from_elsewhere(read: dict[str, Links]) -> None:
    assert not [
        f"{page}: {one}" for page, found in read.items() for one in found.loads if re.match(r"(https?:)?//", one)
    ]


@pytest.mark.browser
@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_gives_no_answer_away_before_a_click(name: str, read: dict[str, Links]) -> None:
    lesson = Lesson.read(ROOT / "solutions" / f"{name}.py")
    page = read[f"lessons/{name}.html"]
    told = "\n".join(cell.source for cell in lesson.cells if "exercise" not in cell.tags)
    for cell in lesson.cells:
        if "exercise" in cell.tags:
            skeleton, answer = blanked(cell).split("\n"), reference(cell).split("\n")
            lines = {line.strip() for line in set(answer) - set(skeleton)}
            given_away = {line for line in lines if len(line) > 12 and line not in told + blanked(cell)}
            assert given_away
            assert not [line for line in given_away if line in page.open_text]
            assert all(line in page.folded_text for line in given_away)
            assert skeleton[0] in page.open_text
        elif "answer" in cell.tags:
            summary, _ = cell.answer
            assert f"{summary}." not in page.open_text
            assert summary in page.folded_text
    assert "feedback_box(" not in page.open_text


@pytest.mark.browser
@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_can_be_opened_and_fetched_from_its_page(
    name: str, read: dict[str, Links], made: SimpleNamespace
) -> None:
    page = read[f"lessons/{name}.html"]
    assert set(addresses(PROJECT, Lesson.read(ROOT / "solutions" / f"{name}.py")).values()) <= set(page.links)
    assert f"../notebooks/{name}.ipynb" in page.links
    fetched = nbformat.read(made.out / "notebooks" / f"{name}.ipynb", 4)
    assert fetched.cells == nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4).cells
    assert "minutes" in page.open_text


def test_a_demo_is_its_picture_and_a_line_that_says_where_it_moves() -> None:
    demos = 0
    for name in LESSONS:
        executed = nbformat.read(ROOT / "solutions" / f"{name}.ipynb", 4)
        lesson = Lesson.read(ROOT / "solutions" / f"{name}.py")
        page = lesson_page(PROJECT, lesson, executed).notebook
        for node in executed.cells:
            if "[Demo: " not in str(node.get("outputs", "")):
                continue
            (place,) = (i for i, cell in enumerate(page.cells) if cell.source == node.source)
            assert any("![" in output.data.get("text/markdown", "") for output in page.cells[place].outputs), name
            assert "[Demo: " not in str(page.cells[place].outputs)
            assert all(address in page.cells[place + 1].source for address in addresses(PROJECT, lesson).values())
            demos += 1
    assert demos > 5


def test_a_picture_without_words_for_it_is_an_error() -> None:
    name = LESSONS[2]
    executed = nbformat.read(ROOT / "solutions" / f"{name}.ipynb", 4)
    drawn = [
        output
        for cell in executed.cells
        for output in cell.get("outputs", [])
        if output.get("data", {}).get("image/png")
    ]
    drawn[1].metadata = {}
    with pytest.raises(CourseError, match="alternative text"):
        lesson_page(PROJECT, Lesson.read(ROOT / "solutions" / f"{name}.py"), executed)


def test_the_slug_decides_every_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Project, "slug", "me/fork")
    lesson = Lesson.read(ROOT / "solutions" / f"{LESSONS[2]}.py")
    assert all("/me/fork/" in address for address in addresses(PROJECT, lesson).values())
    front = front_page(PROJECT, [Lesson.read(ROOT / "solutions" / f"{name}.py") for name in LESSONS])
    assert "git clone https://github.com/me/fork\n$ cd fork\n" in front
    assert "your_account" not in front
    readme = (ROOT / "README.md").read_text("utf-8")
    assert f"]({badges.site_address('your_account/attention-course')})" in readme
    assert "](https://me.github.io/fork/)" in badges.with_slug(readme, "me/fork", "main")


def test_a_lesson_that_was_not_executed_again_is_named(tmp_path: Path) -> None:
    for name in ("solutions", "notebooks", "docs", "helpers"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.glob("*.md"):
        shutil.copy(path, tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    source = tmp_path / "solutions" / f"{LESSONS[0]}.py"
    source.write_text(source.read_text("utf-8").replace("# 0. Start here", "# 0. Begin here"), "utf-8")
    with pytest.raises(CourseError, match=rf"{LESSONS[0]}.*make notebooks"):
        source_files(Project(tmp_path))


def test_the_glossary_has_what_the_lessons_print_in_bold() -> None:
    words = Words.read(ROOT / "docs" / "glossary.yml")
    lessons = [Lesson.read(ROOT / "solutions" / f"{name}.py") for name in LESSONS]
    assert unsorted(words, lessons) == []
    assert not [term for term, sentence in words.terms.items() if not re.fullmatch(r"[A-Z][^.]*\.", sentence)]
    more = Words({**words.terms, "flux": "A word."}, words.emphasis - {"moves"})
    assert unsorted(more, lessons) == [
        "04_transformer_block.py: **move** is not in docs/glossary.yml",
        "docs/glossary.yml: no lesson prints **flux** in bold",
    ]


@pytest.mark.browser
def test_the_command_shows_the_site(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "helpers.course",
        "site",
        "--serve",
        "--port",
        "0",
        "--out",
        str(tmp_path / "site"),
    ]
    shown = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert shown.stdout is not None
    try:
        lines = iter(shown.stdout.readline, "")
        address = next(found[0] for line in lines if (found := re.search(r"http://127\.0\.0\.1:\d+/", line)))
        with urllib.request.urlopen(address, timeout=30) as answer:
            assert "Attention and Transformers, by hand" in answer.read().decode()
    finally:
        os.kill(shown.pid, signal.SIGINT)
    assert shown.wait(30) == 130  # as the course's commands end when they are stopped


def test_the_workflow_makes_the_site_and_publishes_it_on_a_push_to_main() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    assert workflow[True]["push"] == {"branches": ["main"]}  # YAML reads `on` as a truth value
    assert "pull_request" not in workflow[True]
    assert workflow["jobs"]["build"]["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["publish"]["permissions"] == {"pages": "write", "id-token": "write"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert "make site" in [step.get("run") for step in steps]
    (upload,) = (step["with"] for step in steps if "upload-pages-artifact" in step.get("uses", ""))
    assert upload["path"] == "site"
    for step in steps:
        assert "run" in step or re.search(r"@v\d+\.\d+\.\d+$", step["uses"]), step


def test_the_site_is_no_part_of_the_repository() -> None:
    done = subprocess.run(["git", "check-ignore", "site/index.html"], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0
