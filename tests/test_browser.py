"""The course in a real browser: JupyterLab as `make lab` starts it, worked as a person works it."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from lab_page import Lab, cut_to_demos
from lab_server import ROOT, Server, working_tree

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SCREENSHOTS = Path(__file__).parent / "screenshots"

if CHROMIUM is None:
    pytest.skip("no Chromium here: apt-get install chromium (or set it up as Google Chrome)", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install -e '.[browser]'")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab on a copy of the course, started by the command behind `make lab`."""
    folder = tmp_path_factory.mktemp("lab")
    course = working_tree(folder / "course")
    command = [sys.executable, "-m", "helpers.course", "lab", "--no-browser", "--", "--port=0"]
    environment = {
        "PYTHONPATH": str(course),
        "COURSE_RECORD": str(folder / "record"),
        "OMP_NUM_THREADS": "1",
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
    }
    server = Server(command, course, folder / "log", **environment)
    server.work = course / "work"
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def lab(server: Server, browser: playwright.Browser, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A page of its own; afterwards its console must have been silent, and its kernels go."""
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    lab = Lab(page, server)
    yield lab
    lab.close()
    assert not lab.complaints, "in the browser's console:\n" + "\n".join(lab.complaints)


# What a person does with each demo: the control's role and name, and the keys that are pressed on it or typed.
DEMOS = {
    "01": {
        "three_numbers.three_numbers_demo(": [("slider", "score of Ada", "ArrowRight")],
        "decoding_player.decoding_player(": [
            ("combobox", "Choose a line", "ArrowDown"),
            ("textbox", "or type one", "ruth left oslo on 3 apr 1997"),
            ("slider", "step", "ArrowRight"),
            ("button", "Play", "Enter"),
        ],
    },
    "02": {
        "bank.bank_demo(": [
            ("button", "bank in the town", "Enter"),
            ("button", "bank by the river", "Enter"),
            ("textbox", "Query", "river"),
            ("textbox", "Keys", "  boat   money xyzzq"),
        ],
        "scale.saturation_demo(": [("slider", "width d", "ArrowRight")],
    },
    "03": {
        "heads.head_demo(": [
            ("textbox", "sentence", "The dog saw the cat."),
            ("slider", "layer", "ArrowRight"),
            ("slider", "head", "ArrowRight"),
            ("checkbox", "leave [CLS] and [SEP] out", " "),
            ("button", "all heads of the layer", "Enter"),
            ("button", "one head", "Enter"),
        ],
        "occlusion.occlusion_demo(": [
            ("textbox", "sentence", "The dog saw the cat."),
            ("button", "put [MASK] in its place", "Enter"),
        ],
    },
    "04": {
        "depth.depth_demo(": [("slider", "layers", "ArrowLeft"), ("slider", "starting weights ×", "ArrowRight")],
    },
    "05": {
        "positions.position_picker(": [("slider", "position", "ArrowRight"), ("slider", "steps on", "ArrowRight")],
    },
    "06": {
        "generation.temperature_demo(": [
            ("slider", "temperature", "ArrowRight"),
            ("textbox", "begins with", "a story"),
        ],
        "cost.cost_demo(": [
            ("slider", "words read, n", "ArrowRight"),
            ("slider", "words written, m", "ArrowRight"),
            ("slider", "width, k", "ArrowLeft"),
        ],
    },
    "07": {
        "predict_rating.rating_demo(": [("textbox", "your review", "Not bad at all.")],
    },
    "09": {
        "option_menu.option_menu_demo(": [
            ("combobox", "topic", "ArrowDown"),
            ("combobox", "sentence", "ArrowDown"),
            ("textbox", "or your own", "The nurse said that he/she was tired."),
        ],
    },
    "10": {
        "digit_attention.attention_demo(": [
            ("combobox", "digit", "ArrowDown"),
            ("slider", "picture", "ArrowRight"),
            ("combobox", "layer", "ArrowUp"),
            ("combobox", "head", "ArrowDown"),
        ],
    },
    "11": {
        "text_pieces.pieces_demo(": [("textbox", "text", "for i in range(10):"), ("slider", "merges", "ArrowRight")],
    },
    "13": {
        "inside.inside_demo(": [
            ("textbox", "line", "The old man and the old man"),
            ("button", "one head", "Enter"),
            ("slider", "block", "ArrowRight"),
            ("slider", "head", "ArrowRight"),
        ],
    },
    "14": {
        "low_rank.low_rank_demo(": [("slider", "rank", "ArrowRight")],
    },
    "12": {
        "sampling.sampling_demo(": [
            ("textbox", "begins with", "The old king"),
            ("slider", "temperature", "ArrowLeft"),
            ("slider", "top-k", "ArrowLeft"),
            ("slider", "top-p", "ArrowLeft"),
        ],
    },
}


def lesson(number: str, folder: str = "solutions") -> Path:
    (path,) = (ROOT / folder).glob(f"{number}_*.ipynb")
    return path


@pytest.mark.parametrize("number", DEMOS)
def test_each_demo_is_worked_by_keyboard_and_its_picture_changes(number: str, lab: Lab) -> None:
    demos = DEMOS[number]
    name = f"demos_{number}.ipynb"
    nbformat.write(cut_to_demos(lesson(number), demos), lab.server.work / name)
    lab.open(name)
    lab.run_all()
    assert lab.errors() == []
    for demo, moves in demos.items():
        shown = lab.cell(demo).locator(".jp-OutputArea").first
        picture = shown.locator("img")
        picture.wait_for()
        assert every_control_has_a_name(shown)
        assert lab.tab_reaches_every_control(shown)
        for role, label, keys in moves:
            pixels, text = picture.get_attribute("src"), picture.get_attribute("alt")
            shown.get_by_role(role, name=label, exact=True).focus()
            lab.press(role, keys)
            lab.wait_for_change(picture, "src", pixels)
            assert picture.get_attribute("alt") != text, f"{label}: the text says what the old picture showed"
        lab.finished()
        shown.screenshot(path=SCREENSHOTS / f"{demo.partition('.')[0]}.png")


def every_control_has_a_name(shown: playwright.Locator) -> bool:
    """Whether a screen reader can say what each control and picture is."""
    tree = shown.aria_snapshot()
    listed = re.findall(r"- (button|checkbox|combobox|img|radio|slider|textbox)\b(?: \"([^\"]*)\")?", tree)
    nameless = [kind for kind, name in listed if not re.search(r"\w", name)]
    assert not nameless, f"{nameless} in\n{tree}"
    return bool(listed)


@pytest.mark.parametrize("size", [(1366, 768), (800, 600)], ids=["laptop", "small"])
@pytest.mark.parametrize("number", DEMOS)
def test_a_demo_can_be_used_in_a_small_window_beside_the_file_browser(
    number: str, size: tuple[int, int], lab: Lab
) -> None:
    name = f"demos_{number}.ipynb"
    nbformat.write(cut_to_demos(lesson(number), DEMOS[number]), lab.server.work / name)
    lab.open(name)
    assert lab.page.locator(".jp-FileBrowser").is_visible()
    lab.run_all()
    lab.page.set_viewport_size({"width": size[0], "height": size[1]})  # now: a narrow page shows less of the kernel
    for demo in DEMOS[number]:
        shown = lab.cell(demo).locator(".jp-OutputArea").first
        shown.locator("img").wait_for()
        shown.screenshot(path=SCREENSHOTS / f"{demo.partition('.')[0]}_{size[0]}.png")
        lab.page.screenshot(path=SCREENSHOTS / f"{demo.partition('.')[0]}_{size[0]}_page.png")
        edge = right_edge(shown)
        for button in shown.locator("button:visible").all():
            assert right_edge(button) <= edge, f"{button.inner_text()!r} is cut off"
        for track in shown.locator(".widget-slider .slider-container:visible").all():
            assert width(track) >= 100
            assert right_edge(track) <= edge
        drawn, whole = shown.locator("img").evaluate("it => [it.width, parseFloat(it.style.width)]")
        assert drawn >= 0.69 * whole, f"{drawn} of {whole} points: too small to read"


def width(element: playwright.Locator) -> float:
    box = element.bounding_box()
    assert box is not None
    return box["width"]


def right_edge(element: playwright.Locator) -> float:
    box = element.bounding_box()
    assert box is not None
    return box["x"] + box["width"]


def test_a_blank_a_wrong_answer_a_right_one_and_the_progress_table(lab: Lab) -> None:
    right = next(
        cell.source
        for cell in nbformat.read(lesson("02"), 4).cells
        if "exercise" in cell.metadata.get("tags", []) and cell.source.startswith("# Exercise 2")
    )
    wrong = right.replace(" / math.sqrt(queries.shape[-1])", "")
    assert wrong != right
    check = "checks.dot_product_attention("

    lab.open(lesson("00", "notebooks").name)
    lab.run_all()  # up to the first blank, which leaves the set-up done
    assert row_of("2", lab.run("progress_table(")) == "not yet"
    lab.follow_link("2. Queries, keys, values")

    lab.run_all()
    assert "still open" in lab.output(check)
    assert len(lab.errors()) == 1  # no other cell has failed
    lab.write("# Exercise 2", wrong)
    lab.run(check)
    assert "The scores are not scaled" in lab.output(check)
    lab.write("# Exercise 2", right)
    lab.run(check)
    assert "✓ Exercise 2" in lab.output(check)

    lab.restart_and_run_all()
    assert "✓ Exercise 2" in lab.output(check)
    assert "Slides of the day" in lab.output("media.slides()")  # the last cell
    assert lab.errors() == []
    lab.cell("bank.bank_demo(").screenshot(path=SCREENSHOTS / "lesson_02.png")

    lab.bring_to_front(lesson("00", "notebooks").name)
    assert row_of("2", lab.run("progress_table(")) == "✓ passed"


def row_of(exercise: str, shown: playwright.Locator) -> str:
    """What the progress table says of an exercise."""
    row = shown.get_by_role("row").filter(has=shown.page.get_by_role("rowheader", name=exercise, exact=True))
    return row.get_by_role("cell").nth(1).inner_text()


def test_a_student_meets_no_menus_for_instructors(lab: Lab) -> None:
    lab.open(lesson("00", "notebooks").name)
    bar = lab.page.locator("#jp-MainMenu")
    assert "Help" in bar.inner_text()
    assert "Nbgrader" not in bar.inner_text()
    assert lab.page.get_by_text("Create Assignment").count() == 0
    assert "Open" not in lab.page.locator(".jp-NotebookPanel-toolbar:visible").inner_text()  # in Jupyter Notebook
