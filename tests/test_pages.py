"""The pages beside the lessons: every link leads somewhere, and what they quote is what the course says."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from test_binder import new_environment, run

from helpers.course.build import badges, links
from helpers.course.build.lesson import Lesson
from helpers.course.project import Project

ROOT = Path(__file__).resolve().parents[1]
PROJECT = Project(ROOT)
WORKFLOW = ROOT / ".github" / "workflows" / "test.yml"


def test_links_are_found_however_they_are_written() -> None:
    line = (
        "See [a](b.md), [![c](d.png)](https://e.org/f(1)), <a href=\"https://g.org\">g</a>, <img src='k.png'> "
        "and https://h.org/i, or (https://j.org)."
    )
    assert links.links_in(line) == [
        "b.md",
        "d.png",
        "https://e.org/f(1",
        "https://g.org",
        "k.png",
        "https://h.org/i",
        "https://j.org",
    ]
    assert links.links_in("# Think [0, 1] (see below), `x = f[1](2)`, [up](#top)") == ["2"]


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    """Every link of the course, and where it stands."""
    return links.all_links(PROJECT)


def test_every_link_is_listed_with_the_places_where_it_stands(found: dict[str, list[str]]) -> None:
    paper = found["https://arxiv.org/abs/1706.03762"]
    assert len(paper) > 1
    for place in paper:
        name, _, number = place.rpartition(":")
        assert "1706.03762" in (ROOT / name).read_text("utf-8").splitlines()[int(number) - 1]
    (video,) = found["https://www.youtube.com/watch?v=gDNRnjcoMOY"]
    assert video.startswith("solutions/02_queries_keys_values.py:")
    assert "README.md:" in str(found["CONTRIBUTING.md"])


def test_no_link_leads_to_a_file_that_is_not_there(found: dict[str, list[str]], tmp_path: Path) -> None:
    assert links.missing(PROJECT, found) == []
    for name in ("solutions", "notebooks"):
        (tmp_path / name).mkdir()
    (tmp_path / "README.md").write_text("[there](notebooks) [not there](no.md#part) [outside](https://example.org)\n")
    here = Project(tmp_path)
    assert links.missing(here, links.all_links(here)) == ["README.md:1: there is no file no.md#part"]


def test_each_lesson_has_a_link_that_opens_it_on_a_hub() -> None:
    page = (ROOT / "HANDOUTS.md").read_text("utf-8")
    found = re.findall(r"\((\S+/git-pull\?\S+)\)", page)
    lessons = sorted((ROOT / "solutions").glob("*.py"))
    assert len(found) == len(lessons)
    for address, lesson in zip(found, lessons, strict=True):
        query = {name: value for name, (value,) in parse_qs(urlsplit(address).query).items()}
        assert query["repo"] == f"https://github.com/{PROJECT.slug}"
        assert query["branch"] == PROJECT.branch
        assert query["urlpath"] == f"lab/tree/{PROJECT.slug.split('/')[1]}/notebooks/{lesson.stem}.ipynb"
        assert Lesson.read(lesson).title in page


def test_hand_out_links_follow_the_slug_and_the_hub() -> None:
    begin, end = badges._BEGIN, badges._END
    page = f"before\n{begin}\nold\n{end}\nafter"
    once = badges.with_pull_links(page, {"02_b": "2. B"}, "https://hub.uni.org", "me/fork", "dev")
    assert "old" not in once
    assert once.startswith("before\n")
    assert once.endswith("\nafter")
    assert "https://hub.uni.org/hub/user-redirect/git-pull?repo=https%3A%2F%2Fgithub.com%2Fme%2Ffork&branch=dev" in once
    assert "fork%2Fnotebooks%2F02_b.ipynb" in once
    assert badges.with_pull_links(once, {"02_b": "2. B"}, "https://hub.uni.org", "me/fork", "dev") == once
    assert badges.with_pull_links("no marks", {"02_b": "2. B"}, "h", "me/fork", "dev") == "no marks"


def test_citation_is_of_this_version_and_this_repository() -> None:
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    citation = yaml.safe_load(text)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert citation["version"] == project["version"]
    assert citation["repository-code"] == f"https://github.com/{PROJECT.slug}"
    assert " AND ".join(citation["license"]) == project["license"]
    assert badges.with_slug(text, "me/fork", "main").count("https://github.com/me/fork") == 1


def test_every_message_that_is_explained_is_one_that_the_course_says() -> None:
    page = (ROOT / "TROUBLESHOOTING.md").read_text("utf-8")
    sources = [*sorted((ROOT / "helpers").rglob("*.py")), ROOT / "Makefile"]
    code = "\n".join(path.read_text("utf-8") for path in sources)
    said = re.sub(r'"\s*\n\s*f?"', "", code)  # strings that go on in the next line
    # Python's own, pip's own, jupytext's own, and what the pages of others say.
    theirs = {
        "No module named 'helpers'",
        "NameError",
        "PicklingError",
        "datasets",
        "Retrying",
        "...",
        "File Load Error",
        "is more recent than",
    }
    quoted = [cell for row in re.findall(r"^\| (.+?) \|", page, re.MULTILINE) for cell in re.findall(r"`([^`]+)`", row)]
    assert len(quoted) > 15
    for message in set(quoted) - theirs:
        assert message in said, message


def test_the_workflow_runs_make_test_on_pull_requests_with_the_environment_cached() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    assert "pull_request" in workflow[True]  # YAML reads `on` as a truth value
    assert workflow["permissions"] == {"contents": "read"}
    steps = workflow["jobs"]["test"]["steps"]
    assert steps[-1]["run"] == "make test"
    for step in steps[:-1]:
        assert re.search(r"@v\d+\.\d+\.\d+$", step["uses"]), step["uses"]
    (cache,) = (step["with"] for step in steps if step.get("uses", "").startswith("actions/cache@"))
    assert ".venv" in cache["path"].split()
    assert "hashFiles('constraints.txt', 'pyproject.toml')" in cache["key"]


@pytest.mark.fresh
def test_citation_and_workflow_are_what_their_schemas_say(tmp_path: Path) -> None:
    tools = new_environment(tmp_path / "venv")
    run([tools / "pip", "install", "--quiet", "check-jsonschema"], tmp_path)
    files = {"vendor.citation-file-format": ROOT / "CITATION.cff", "vendor.github-workflows": WORKFLOW}
    for schema, path in files.items():
        run([tools / "check-jsonschema", "--builtin-schema", schema, path], tmp_path)
        broken = tmp_path / path.name
        broken.write_text(path.read_text("utf-8").replace("authors:", "writers:").replace("runs-on:", "walks-on:"))
        command = [tools / "check-jsonschema", "--builtin-schema", schema, broken]
        assert subprocess.run(command, capture_output=True).returncode == 1, "the schema finds what is wrong"


def test_the_command_that_lists_links_says_where_each_stands() -> None:
    """Its exit status is not asked for here: it is 1 when a link leads nowhere, as another test says."""
    command = [sys.executable, "-m", "helpers.course", "links", "1706.03762", "--root", str(ROOT)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    first, *places = done.stdout.splitlines()
    assert first == "https://arxiv.org/abs/1706.03762"
    assert all(re.fullmatch(r"    solutions/\d\d_\w+\.py:\d+", place) for place in places)
