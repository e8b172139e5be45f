"""What gets installed where: pins for make, one list for conda and Binder, and how Binder is set up."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import metadata
from itertools import chain
from pathlib import Path

import pytest
from lab_server import own_environment
from packaging.specifiers import SpecifierSet

from helpers.course.room import pins
from helpers.course.room.bootstrap import EXTRAS
from helpers.course.room.pins import constraints_text, declared, environment_files, environment_text, name_of

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = (ROOT / "constraints.txt").read_text("utf-8")
PINS = {name_of(line): line for line in CONSTRAINTS.splitlines() if not line.startswith("#")}


def pip_lines(text: str) -> list[str]:
    """The pip part of an environment file, without options."""
    return re.findall(r"^      - (\w\S*)$", text, re.MULTILINE)


def test_everything_that_is_declared_is_pinned() -> None:
    project = declared(ROOT)
    needs = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    assert {name_of(need) for need in needs} <= PINS.keys()


def test_pins_are_exact_and_for_every_kind_of_machine() -> None:
    assert PINS["torch"] == pins.TORCH == "torch==2.13.0"
    for pin in PINS.values():
        assert re.fullmatch(r"[\w.-]+==[\w.]+", pin), f"{pin!r}: no ranges, no builds for one kind of machine"


def test_pins_are_for_every_python_that_the_readme_names() -> None:
    """3.11.2 is what Debian 12 has."""
    wants = {name: metadata(name).get("Requires-Python") for name in PINS}
    assert len(wants) > 100
    too_new = {name: range for name, range in wants.items() if range and not SpecifierSet(range).contains("3.11.2")}
    assert not too_new


def test_freezing_keeps_what_others_can_install() -> None:
    frozen = ["torch==2.13.0+cpu", "pip==26.3", "-e git+https://example.org/x#egg=attention_course"]
    frozen += ["attention-course @ file:///home/me", "Jinja2==3.1.6", "ast_serialize==0.13.1"]
    text = constraints_text(frozen)
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        "ast_serialize==0.13.1",
        "Jinja2==3.1.6",
        "pip==26.3",
        "torch==2.13.0",
    ]


def test_make_installs_every_extra() -> None:
    assert set(EXTRAS["all"]) == set(declared(ROOT)["optional-dependencies"])
    assert set(EXTRAS["lab"]) < set(EXTRAS["all"])


@pytest.mark.parametrize("path", environment_files(ROOT), ids=lambda path: str(path.relative_to(ROOT)))
def test_environment_file_is_what_the_pins_say(path: Path) -> None:
    assert path.read_text("utf-8") == environment_text(declared(ROOT), CONSTRAINTS), "run: make pins ARGS=--rewrite"


def test_environment_holds_all_that_a_student_needs() -> None:
    text = environment_files(ROOT)[0].read_text("utf-8")
    installed = {name_of(line) for line in pip_lines(text)} | {"jupyterlab"}
    needs = {name_of(need) for need in declared(ROOT)["dependencies"]}
    needs |= {"torch", "transformers", "datasets", "fasttext", "nltk", "ipywidgets", "matplotlib", "nbval", "jupytext"}
    assert needs <= installed
    assert "jupyterlab>=" in text


def test_environment_takes_torch_for_the_cpu_and_names_nothing_local() -> None:
    """Whatever is local to the repository would be looked for in binder/, beside the file."""
    text = environment_files(ROOT)[0].read_text("utf-8")
    assert re.search(r"^      - --extra-index-url \S+/whl/cpu$", text, re.MULTILINE)
    assert not re.search(r"^      - (-|\.|/)(?!-extra-index-url)", text, re.MULTILINE)


def test_binder_has_only_files_that_repo2docker_reads_or_post_build_uses() -> None:
    names = {path.name for path in (ROOT / "binder").iterdir()}
    copied = {"jupyter_server_config.json", "default_setting_overrides.json"}
    assert names == {"environment.yml", "postBuild"} | copied
    for name in copied:
        assert f"cp binder/{name} " in (ROOT / "binder" / "postBuild").read_text("utf-8")


def test_binder_stops_kernels_that_nobody_uses(tmp_path: Path) -> None:
    """Read back from the server itself, so that a misspelt name does not pass."""
    shutil.copy(ROOT / "binder" / "jupyter_server_config.json", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_server", "--show-config-json"],
        env={**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    culling = json.loads(done.stdout)["MappingKernelManager"]
    from jupyter_server.services.kernels.kernelmanager import MappingKernelManager

    assert set(culling) <= set(MappingKernelManager.class_trait_names(config=True))
    assert culling["cull_idle_timeout"] > 0
    assert culling["cull_connected"]  # an open tab stays connected


@pytest.mark.parametrize("script", [".ci/run", "binder/postBuild"])
def test_scripts_can_be_run(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", ROOT / script], check=True)
    assert "set -euo pipefail" in (ROOT / script).read_text("utf-8")


def test_make_help_tells_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    # make tells a make that it starts to say more.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make"], cwd=ROOT, env=alone, capture_output=True, text=True, check=True)
    assert [line.split()[1] for line in done.stdout.splitlines()] == phony.split()


@pytest.mark.parametrize("home", ["writable", "/nowhere/at/all", ""])
def test_make_finds_a_place_where_the_home_folder_cannot_be_written(home: str, tmp_path: Path) -> None:
    home = str(tmp_path) if home == "writable" else home
    course = tmp_path / "cours d'été"
    course.mkdir()
    shutil.copy(ROOT / "Makefile", course)
    (course / "show.mk").write_text('show:\n\t@echo "home: $$HOME"\n', "utf-8")
    command = ["make", "-f", "Makefile", "-f", "show.mk", "show"]
    shown = subprocess.run(
        command, cwd=course, env={**own_environment(), "HOME": home}, capture_output=True, check=True
    )
    said = shown.stdout.decode()
    place = Path(said.partition("home: ")[2].strip())
    assert place.is_dir()
    assert place == (tmp_path if home == str(tmp_path) else course / "work" / ".home")
    assert ("cannot be written" in said) == (place != tmp_path)
