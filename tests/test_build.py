"""The build: marks, errors, and bytes that stay as they were. On small lessons made here."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import jupytext
import nbformat
import pytest

from helpers.course.build import build as build_module
from helpers.course.build.build import build, check
from helpers.course.build.lesson import Lesson
from helpers.course.build.pairing import HEADER
from helpers.course.errors import CourseError
from helpers.course.project import Project

ROOT = Path(__file__).resolve().parents[1]

LESSON = (
    HEADER
    + """
# %% [markdown]
# [badge](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/01_first.ipynb)

# %% tags=["form"]
import math


# %% tags=["exercise", "export"]
# Exercise 1: the area of a circle
def area(radius):
    # BEGIN SOLUTION
    # STUB: square = ...
    # STUB: if square:
    # STUB:     return ...
    return math.pi * radius**2
    # END SOLUTION


def circumference(radius):
    # BEGIN SOLUTION
    return 2 * math.pi * radius
    # END SOLUTION


# %% tags=["check"]
assert area(1) == math.pi

# %% tags=["expected-output"]
from IPython.display import Image, display

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
display(Image(data=PNG_BYTES))

# %% [markdown] tags=["solution"]
# The answer to a question.
""".replace("PNG_BYTES", "__import__('base64').b64decode(PNG)")
)

ANSWER = """
# %% [markdown] tags=["answer"]
# **One answer.** Because $1 + 1 = 2$.
#
# - and
# - so on
"""

SECOND_EXERCISE_1 = """
# %% tags=["exercise"]
# Exercise 1: again
# BEGIN SOLUTION
x = 1
# END SOLUTION

# %% tags=["check"]
"""

SECOND = (
    HEADER
    + """
# %%
from helpers.layers import area

round(area(2), 3)
"""
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "pyproject.toml").write_text('[tool.course]\nslug = "your_account/attention-course"\nbranch = "main"\n')
    (tmp_path / "solutions").mkdir()
    (tmp_path / "helpers").mkdir()
    (tmp_path / "helpers" / "__init__.py").write_text("")
    (tmp_path / "solutions" / "01_first.py").write_text(LESSON)
    return Project(tmp_path)


@pytest.fixture
def executions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of executed lessons; executing itself is replaced by a picture in each expected-output cell."""
    names: list[str] = []

    def execute(lesson: Lesson, notebook: nbformat.NotebookNode) -> None:
        names.append(lesson.name)
        for node in notebook.cells:
            if "expected-output" in node.metadata.get("tags", []):
                picture = base64.b64encode(lesson.name.encode()).decode()
                node.outputs = [nbformat.v4.new_output("display_data", {"image/png": picture})]

    monkeypatch.setattr(build_module, "execute", execute)
    return names


def snapshot(project: Project) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(project.root.rglob("*")) if path.is_file()}


def sources(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, 4).cells]


def test_exercise_notebook_has_stubs_and_no_answers(project: Project, executions: list[str]) -> None:
    build(project)
    text = (project.notebooks / "01_first.py").read_text()
    assert "math.pi * radius" not in text
    assert "BEGIN SOLUTION" not in text
    assert "    square = ...\n    if square:\n        return ...\n" in text
    assert '    raise NotImplementedError("Exercise 1: the area of a circle")' in text
    assert "The answer to a question" not in text
    exercise = nbformat.read(project.notebooks / "01_first.ipynb", 4)
    assert all(not cell.get("outputs") for cell in exercise.cells)


def test_an_answer_to_a_question_is_folded_under_its_first_words(project: Project, executions: list[str]) -> None:
    _append(project.solutions / "01_first.py", ANSWER)
    build(project)
    assert sources(project.notebooks / "01_first.ipynb")[-1] == (
        "<details><summary>One answer</summary>\n\nBecause $1 + 1 = 2$.\n\n- and\n- so on\n\n</details>"
    )
    assert sources(project.solutions / "01_first.ipynb")[-1].startswith("**One answer.** Because $1")
    assert check(project) == []


def test_an_instructor_switches_answers_off_and_executes_nothing(project: Project, executions: list[str]) -> None:
    _append(project.solutions / "01_first.py", ANSWER)
    build(project)
    with_answers = sources(project.notebooks / "01_first.ipynb")
    executions.clear()
    _append(project.root / "pyproject.toml", "think_answers = false\n")
    off = Project(project.root)
    assert any("notebooks/01_first.ipynb" in problem for problem in check(off))
    build(off)
    assert sources(project.notebooks / "01_first.ipynb") == with_answers[:-1]
    assert "Because" in sources(project.solutions / "01_first.ipynb")[-1]
    assert executions == []
    assert check(off) == []


def test_a_switch_that_is_neither_true_nor_false_is_an_error(project: Project, executions: list[str]) -> None:
    _append(project.root / "pyproject.toml", 'think_answers = "no"\n')
    with pytest.raises(CourseError, match="think_answers is 'no'"):
        build(project)
    assert executions == [], "found before anything is executed"


def test_twins_are_paired_the_jupytext_way(project: Project, executions: list[str]) -> None:
    build(project)
    for folder in (project.solutions, project.notebooks):
        from_percent = jupytext.read(folder / "01_first.py")
        from_ipynb = nbformat.read(folder / "01_first.ipynb", 4)
        assert from_ipynb.metadata["jupytext"]["formats"] == "ipynb,py:percent"
        assert [c.source for c in from_percent.cells] == [c.source for c in from_ipynb.cells]
        assert [c.metadata.get("tags") for c in from_percent.cells] == [
            c.metadata.get("tags") for c in from_ipynb.cells
        ]


def test_saving_a_solution_notebook_gives_back_the_percent_file(project: Project, executions: list[str]) -> None:
    build(project)
    executed = jupytext.read(project.solutions / "01_first.ipynb")
    assert jupytext.writes(executed, fmt="py:percent") == LESSON


def test_expected_picture_is_saved_and_called_for(project: Project, executions: list[str]) -> None:
    build(project)
    assert (project.expected / "01_first_1.png").read_bytes() == b"01_first"
    cells = sources(project.notebooks / "01_first.ipynb")
    place = next(i for i, source in enumerate(cells) if "PNG" in source)
    assert cells[place + 1] == 'media.what_you_should_see("01_first_1")'
    assert 'media.what_you_should_see("01_first_1")' not in sources(project.solutions / "01_first.ipynb")


def test_form_cells_fold_in_colab_and_jupyterlab(project: Project, executions: list[str]) -> None:
    build(project)
    form = nbformat.read(project.notebooks / "01_first.ipynb", 4).cells[1]
    assert form.metadata["cellView"] == "form"
    assert form.metadata["jupyter"]["source_hidden"] is True


def test_layers_hold_the_answers_and_their_imports_only(project: Project, executions: list[str]) -> None:
    build(project)
    namespace: dict[str, object] = {}
    text = project.layers.read_text()
    exec(text, namespace)
    assert namespace["area"](1) == pytest.approx(3.14159, abs=1e-5)  # type: ignore[operator]
    assert "STUB" not in text
    assert "SOLUTION" not in text
    assert "IPython" not in text


def test_grading_metadata_satisfies_nbgrader(project: Project, executions: list[str]) -> None:
    validator = pytest.importorskip("nbgrader.nbgraderformat").MetadataValidator()
    build(project)
    for folder in (project.notebooks, project.solutions):
        notebook = nbformat.read(folder / "01_first.ipynb", 4)
        validator.validate_nb(notebook)
        marked = {
            c.metadata["nbgrader"]["grade_id"]: c.metadata["nbgrader"]
            for c in notebook.cells
            if "nbgrader" in c.metadata
        }
        assert set(marked) == {"exercise-1", "check-1"}
        assert marked["exercise-1"]["solution"]
        assert marked["check-1"]["grade"]
        assert marked["check-1"]["locked"]
        assert marked["check-1"]["points"] == 1


def test_second_build_changes_no_byte_and_executes_nothing(project: Project, executions: list[str]) -> None:
    build(project)
    before = snapshot(project)
    assert build(project) == []
    assert snapshot(project) == before
    assert check(project) == []
    assert executions == ["01_first"]


def test_rebuilding_from_nothing_gives_the_same_bytes(project: Project, executions: list[str]) -> None:
    build(project)
    before = snapshot(project)
    shutil.rmtree(project.notebooks)
    (project.solutions / "01_first.ipynb").unlink()
    build(project)
    assert snapshot(project) == before


def test_cell_ids_survive_an_insertion(project: Project, executions: list[str]) -> None:
    build(project)
    before = [cell.id for cell in nbformat.read(project.notebooks / "01_first.ipynb", 4).cells]
    path = project.solutions / "01_first.py"
    path.write_text(LESSON.replace('# %% tags=["form"]', '# %% [markdown]\n# New.\n\n# %% tags=["form"]'))
    build(project)
    after = [cell.id for cell in nbformat.read(project.notebooks / "01_first.ipynb", 4).cells]
    assert [x for x in after if x in before] == before
    assert len(after) == len(before) + 1


def test_editing_an_exported_cell_executes_the_lessons_that_import_it(project: Project, executions: list[str]) -> None:
    (project.solutions / "02_second.py").write_text(SECOND)
    (project.solutions / "03_third.py").write_text(HEADER + "# %%\n1 + 1\n")
    build(project)
    executions.clear()
    path = project.solutions / "01_first.py"
    path.write_text(LESSON.replace("math.pi * radius**2", "radius**2 * math.pi"))
    build(project)
    assert sorted(executions) == ["01_first", "02_second"]


def test_editing_an_imported_helper_executes_the_lesson(project: Project, executions: list[str]) -> None:
    (project.helpers / "inner.py").write_text("x = 1\n")
    (project.helpers / "outer.py").write_text("from helpers.inner import x\n")
    (project.solutions / "02_second.py").write_text(HEADER + "# %%\nfrom helpers import outer\n")
    build(project)
    executions.clear()
    (project.helpers / "inner.py").write_text("x = 2\n")
    assert any("02_second" in problem for problem in check(project))
    build(project)
    assert executions == ["02_second"]


@pytest.mark.parametrize(
    ("name", "edit", "named"),
    [
        (
            "an edited solution",
            lambda p: _append(p.solutions / "01_first.py", "\n# %%\n2\n"),
            "solutions/01_first.ipynb",
        ),
        (
            "a hand-edited exercise",
            lambda p: _append(p.notebooks / "01_first.py", "\n# %%\n2\n"),
            "notebooks/01_first.py",
        ),
        (
            "a hand-edited exercise notebook",
            lambda p: _edit_ipynb(p.notebooks / "01_first.ipynb"),
            "notebooks/01_first.ipynb",
        ),
        (
            "a hand-edited solution notebook",
            lambda p: _edit_ipynb(p.solutions / "01_first.ipynb"),
            "solutions/01_first.ipynb",
        ),
        ("a missing twin", lambda p: (p.notebooks / "01_first.ipynb").unlink(), "notebooks/01_first.ipynb"),
        ("a missing solution twin", lambda p: (p.solutions / "01_first.ipynb").unlink(), "solutions/01_first.ipynb"),
        (
            "a notebook without a solution",
            lambda p: (p.notebooks / "09_x.ipynb").write_text("{}"),
            "notebooks/09_x.ipynb",
        ),
        ("a changed picture", lambda p: (p.expected / "01_first_1.png").write_bytes(b"x"), "01_first_1.png"),
        ("edited layers", lambda p: _append(p.layers, "\n"), "helpers/layers.py"),
        (
            "a badge to another repository",
            lambda p: _replace(p.solutions / "01_first.py", "your_account/", "somebody/"),
            "solutions/01_first.py",
        ),
        (
            "a changed slug",
            lambda p: _replace(p.root / "pyproject.toml", "your_account/", "fork/"),
            "solutions/01_first.py",
        ),
    ],
)
def test_check_names_what_is_out_of_step(
    project: Project, executions: list[str], name: str, edit: object, named: str
) -> None:
    build(project)
    edit(project)  # type: ignore[operator]
    before = snapshot(project)
    fresh = Project(project.root)
    assert any(named in problem for problem in check(fresh)), name
    assert snapshot(project) == before, "--check writes nothing"
    build(fresh)
    assert check(fresh) == []


def _append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def _replace(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def _edit_ipynb(path: Path) -> None:
    notebook = json.loads(path.read_text())
    notebook["cells"][0]["source"] = ["edited"]
    path.write_text(json.dumps(notebook))


def test_errors_name_the_line(project: Project) -> None:
    text = LESSON.replace("    return 2 * math.pi * radius\n    # END SOLUTION\n", "    return 2\n")
    (project.solutions / "01_first.py").write_text(text)
    with pytest.raises(CourseError) as raised:
        build(project)
    line = text.split("\n")[raised.value.line - 1]  # type: ignore[operator]
    assert line == "    # BEGIN SOLUTION"
    assert str(raised.value).startswith(f"{project.solutions / '01_first.py'}:{raised.value.line}: ")


@pytest.mark.parametrize(
    ("text", "named", "message"),
    [
        (LESSON.replace("    # END SOLUTION\n", "", 1), "# BEGIN", "inside the one"),
        (LESSON.replace("    # END SOLUTION\n", ""), "# BEGIN", "inside the one|never closed"),
        (
            LESSON.replace("    return 2 * math.pi * radius\n    # END SOLUTION\n", "    return 2\n"),
            "# BEGIN",
            "never closed",
        ),
        (LESSON.replace("    # BEGIN SOLUTION\n    return 2", "    return 2"), "# END", "without a"),
        (LESSON.replace("def area", "# STUB: x = ...\ndef area"), "# STUB: x", "outside a solution region"),
        (
            LESSON.replace("    return 2 * math", "    x = 1\n    # STUB: y = ...\n    return 2 * math"),
            "# STUB: y",
            "below the answer",
        ),
        (LESSON.replace('tags=["check"]', 'tags=["form"]'), "# Exercise 1", "no cell tagged `check`"),
        (LESSON.replace("# Exercise 1: the area", "# The area"), "# The area", "starts with a line like"),
        (LESSON.replace('"exercise", "export"', '"exercice"'), "exercice", "unknown tag 'exercice'"),
        (LESSON + SECOND_EXERCISE_1, "# Exercise 1: again", "second exercise 1"),
        (LESSON + ANSWER.replace("**", ""), "One answer", "starts with bold words"),
        (LESSON + '\n# %% tags=["answer"]\n2\n', "2", "a markdown cell"),
        (
            LESSON.replace('tags=["exercise", "export"]', "").replace('tags=["check"]', ""),
            "# BEGIN",
            "not tagged `exercise`",
        ),
        (
            LESSON + '\n# %% tags=["export"]\ndef area(radius):\n    return radius\n',
            "def area",
            "'area' is exported twice",
        ),
    ],
)
def test_a_wrong_mark_is_an_error_with_its_line_and_nothing_is_written(
    project: Project, executions: list[str], text: str, named: str, message: str
) -> None:
    path = project.solutions / "01_first.py"
    path.write_text(text)
    before = snapshot(project)
    with pytest.raises(CourseError, match=message) as raised:
        build(project)
    assert raised.value.path == path
    assert raised.value.line is not None
    assert named in text.split("\n")[raised.value.line - 1]
    assert snapshot(project) == before
    assert executions == []


def test_an_executed_lesson_holds_its_outputs_without_times_or_versions(project: Project) -> None:
    (project.solutions / "01_first.py").write_text(
        HEADER + '# %%\nprint("a")\n\n# %%\nimport sys\n\nprint("b", file=sys.stdout)\n1 + 1\n'
    )
    build(project)
    executed = nbformat.read(project.solutions / "01_first.ipynb", 4)
    assert executed.cells[1].outputs[-1].data["text/plain"] == "2"
    assert "version" not in executed.metadata["language_info"]
    assert all("execution" not in cell.metadata for cell in executed.cells)
    before = snapshot(project)
    build(project, force=True)
    assert snapshot(project) == before


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("1 / 0", "division by zero"),
        ("import sys\n\nprint('oops', file=sys.stderr)", "stderr"),
        ("import ipywidgets\n\nipywidgets.IntSlider()", "nbval-ignore-output"),
    ],
)
def test_a_cell_that_cannot_be_kept_is_an_error_with_its_line(project: Project, cell: str, message: str) -> None:
    (project.solutions / "01_first.py").write_text(HEADER + f"# %%\n0\n\n# %%\n{cell}\n")
    with pytest.raises(CourseError, match=message) as raised:
        build(project)
    assert raised.value.line == HEADER.count("\n") + 5
    assert not (project.solutions / "01_first.ipynb").exists()


def test_a_widget_leaves_no_state_behind(project: Project) -> None:
    cell = '# %% tags=["nbval-ignore-output"]\nimport ipywidgets\n\nipywidgets.IntSlider()\n'
    (project.solutions / "01_first.py").write_text(HEADER + cell)
    build(project)
    executed = nbformat.read(project.solutions / "01_first.ipynb", 4)
    assert executed.cells[0].outputs == []
    assert "widgets" not in executed.metadata
    assert check(project) == []


def test_a_demo_leaves_the_line_that_says_what_stands_there(project: Project) -> None:
    cell = '# %% tags=["nbval-ignore-output"]\nfrom helpers.feedback import feedback_box\n\nfeedback_box("01")\n'
    (project.solutions / "01_first.py").write_text(HEADER + cell)
    build(project)
    executed = nbformat.read(project.solutions / "01_first.ipynb", 4)
    (output,) = executed.cells[0].outputs
    assert output.data == {"text/plain": "[Feedback on 01. Run the cell to write some.]"}
    assert check(project) == []


def test_this_repository_is_in_step() -> None:
    assert check(Project(ROOT)) == []


@pytest.mark.parametrize("path", sorted((ROOT / "solutions").glob("*.py")), ids=lambda path: path.stem)
def test_percent_files_survive_a_round_trip(path: Path) -> None:
    text = path.read_text("utf-8")
    notebook = jupytext.reads(text, fmt="py:percent")
    assert jupytext.writes(notebook, fmt="py:percent") == text
    for twin in (path, ROOT / "notebooks" / path.name):
        saved = jupytext.read(twin.with_suffix(".ipynb"))  # as JupyterLab reads it, to write its percent twin
        assert jupytext.writes(saved, fmt="py:percent") == twin.read_text("utf-8")
