"""JupyterLab as a person meets it: what the browser tests do with menus, cells, keys and pictures."""

from __future__ import annotations

import ast
import symtable
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat

if TYPE_CHECKING:
    from lab_server import Server
    from playwright.sync_api import Locator, Page

_CONTROLS = "input, select, textarea, button, [role=slider]"
_SLOW = 300.0  # seconds: a busy machine may need them, and nothing waits longer than it has to


def cut_to_demos(path: Path, demos: Collection[str]) -> nbformat.NotebookNode:
    """A lesson cut down to some demos: its set-up, the statements that make what the demos name, and their cells.

    A statement that trains changes a model and binds nothing that a demo names, so it goes. The demo then works
    with a model that has learned nothing: its pictures are real all the same, and there in seconds.
    """
    notebook = nbformat.read(path, 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    places = [place for place, cell in enumerate(code) if cell.source.startswith(tuple(demos))]
    assert len(places) == len(demos), f"{path.name} has {len(places)} of these: {', '.join(demos)}"
    wanted = set[str]().union(*(_names(code[place].source)[1] for place in places))
    made: list[str] = []
    for cell in reversed(code[1 : places[-1]]):
        for statement in reversed(ast.parse(cell.source).body):
            bound, used = _names(ast.unparse(statement))
            if bound & wanted:
                made.insert(0, ast.unparse(statement))
                wanted = (wanted - bound) | used
    notebook.metadata.pop("jupytext", None)  # as in a student's copy: nothing is paired with it
    notebook.cells = [code[0], nbformat.v4.new_code_cell("\n".join(made)), *(code[place] for place in places)]
    for cell in notebook.cells:
        cell.update(outputs=[], execution_count=None)
    return notebook


def _names(source: str) -> tuple[set[str], set[str]]:
    """The names that some code binds outside functions, and the outer names that it uses anywhere."""
    outside = symtable.symtable(source, "cell", "exec")
    symbols = outside.get_symbols()
    bound = {one.get_name() for one in symbols if one.is_assigned() or one.is_imported() or one.is_namespace()}
    used = {one.get_name() for one in symbols if one.is_referenced()}
    inside = outside.get_children()
    while inside:
        table = inside.pop()
        used |= {one.get_name() for one in table.get_symbols() if one.is_global()}
        inside += table.get_children()
    return bound, used


class Lab:
    """A page with JupyterLab in it, and all that its console complained of."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page, self.server = page, server
        self.complaints: list[str] = []
        page.set_default_timeout(1000 * _SLOW)
        page.on("pageerror", lambda error: self.complaints.append(f"{error.name}: {error.message}\n{error.stack}"))
        page.on("console", lambda said: self._note(said.type, said.text, said.location["url"]))

    def _note(self, kind: str, text: str, url: str) -> None:
        elsewhere = url.startswith("http") and not url.startswith(self.server.host)  # a badge, without a network
        if kind == "error" and not elsewhere:
            self.complaints.append(f"{text} ({url})")

    def open(self, name: str) -> None:
        """Load JupyterLab with one notebook in it, and wait until its kernel is there."""
        address = f"{self.server.host}/lab/tree/{name}?token={self.server.token}&reset"
        self.page.goto(address, wait_until="domcontentloaded")
        self.ready()

    def ready(self) -> None:
        """Wait until the notebook in front is shown and its kernel idles."""
        self.page.locator(".jp-Notebook:visible").wait_for()
        self.page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()

    def menu(self, *names: str) -> None:
        """Choose from the menu bar."""
        for name in names:
            self.page.get_by_role("menuitem", name=name, exact=True).click()

    def run_all(self) -> None:
        self.menu("Run", "Run All Cells")
        self.finished()

    def restart_and_run_all(self) -> None:
        self.menu("Kernel", "Restart Kernel and Run All Cells…")
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.finished()

    def finished(self) -> None:
        """Wait until no cell is running or waiting."""
        indicator = self.page.locator(".jp-NotebookPanel:visible .jp-Notebook-ExecutionIndicator")
        waiting = self.page.locator(".jp-Notebook:visible .jp-InputPrompt", has_text="*")
        calm = 0
        self.page.wait_for_timeout(300)

        def calm_for_a_while() -> bool:
            nonlocal calm
            calm = calm + 1 if indicator.get_attribute("data-status") == "idle" and not waiting.count() else 0
            return calm > 5

        self.until(calm_for_a_while)

    def errors(self) -> list[str]:
        """What cells that failed say, and what was written to stderr: JupyterLab shows both in one way."""
        return self.page.locator(
            ".jp-Notebook:visible [data-mime-type='application/vnd.jupyter.stderr']"
        ).all_inner_texts()

    def cell(self, code: str) -> Locator:
        """The code cell that holds some code, brought into view."""
        cells = self.page.locator(".jp-Notebook:visible .jp-CodeCell")
        cell = cells.filter(has=self.page.locator(".jp-InputArea", has_text=code)).first
        cell.evaluate("it => it.scrollIntoView({block: 'start'})")
        self.page.wait_for_timeout(300)  # what comes into view is drawn now
        return cell

    def run(self, code: str) -> Locator:
        """Run one cell with the keyboard, and give back what it shows."""
        cell = self.cell(code)
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        self.finished()
        return cell.locator(".jp-OutputArea").first

    def write(self, code: str, answer: str) -> None:
        """Replace the code of a cell by an answer, and run it."""
        cell = self.cell(code)
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(answer)
        self.page.keyboard.press("Control+Enter")
        self.finished()

    def output(self, code: str) -> str:
        """What the cell that holds some code has printed."""
        return self.cell(code).locator(".jp-OutputArea").first.inner_text()

    def press(self, role: str, keys: str) -> None:
        """Press a key where the focus is; or, in a text box, type instead of what stands there."""
        if role == "textbox":
            self.page.keyboard.press("Control+A")
            self.page.keyboard.type(keys)
            self.page.keyboard.press("Enter")
        else:
            self.page.keyboard.press(keys)

    def wait_for_change(self, element: Locator, attribute: str, before: str | None) -> None:
        """Wait until an attribute is no longer what it was."""
        self.until(lambda: element.get_attribute(attribute) != before, f"{attribute} changes")

    def tab_reaches_every_control(self, shown: Locator) -> bool:
        """Whether the Tab key alone leads from the first control to each of the others."""
        controls = shown.locator(f":is({_CONTROLS}):visible:not(:disabled)")
        controls.first.focus()
        reached = {0}
        for _ in range(3 * controls.count()):  # numbers beside sliders can be typed into, and so are stops as well
            self.page.keyboard.press("Tab")
            reached.add(controls.evaluate_all("all => all.indexOf(document.activeElement)"))
        return reached >= set(range(controls.count()))

    def follow_link(self, text: str) -> None:
        """Click on a link in a markdown cell, and wait for the notebook that it opens."""
        link = self.page.locator(".jp-Notebook:visible .jp-RenderedMarkdown a", has_text=text)
        link.click()
        self.page.locator(".jp-NotebookPanel:visible", has_not=link).wait_for()
        self.ready()

    def bring_to_front(self, name: str) -> None:
        """Choose a notebook's tab."""
        self.page.get_by_role("tab", name=name).click()
        self.ready()

    def until(self, true: Callable[[], bool], what: str = "JupyterLab comes to rest") -> None:
        """Wait until something is true."""
        deadline = time.monotonic() + _SLOW
        while not true():
            assert time.monotonic() < deadline, f"after {_SLOW:.0f} seconds still not true: {what}"
            self.page.wait_for_timeout(100)

    def close(self) -> None:
        """Close the page, and end every kernel that it has started."""
        headers = {"Authorization": f"token {self.server.token}"}
        sessions = f"{self.server.host}/api/sessions"
        for session in self.page.request.get(sessions, headers=headers).json():
            self.page.request.delete(f"{sessions}/{session['id']}", headers=headers)
        self.page.close()
