"""A new machine that was never online: what pip installed, the sample that was fetched beforehand, and no network."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers.models.files import encoder_files
from helpers.texts import rated_sentences

ROOT = Path(__file__).resolve().parents[1]
SOLUTIONS = sorted((ROOT / "solutions").glob("*.py"))

# What a lesson may load, and how it is called here.
LOADERS = {
    "load_classifier": "load_classifier(4).num_labels",
    "load_encoder": "load_encoder(attentions=True).config.hidden_size",
    "load_masked_language_model": "load_masked_language_model().config.vocab_size",
    "load_pairs": "len(load_pairs())",
    "load_reviews": "len(load_reviews().train_token_ids)",
    "load_sentences": "len(load_sentences())",
    "load_storyteller": "load_storyteller()[0].config.vocab_size",
    "load_tokenizer": "len(load_tokenizer())",
    "load_topics": "load_topics().num_classes",
    "load_word_vectors": "len(load_word_vectors())",
}

# Where the operating system cannot take the network away, this does, in each Python that the machine starts.
NO_NETWORK = """
import errno, socket
def refuse(self, address):
    if not (isinstance(address, tuple) and address[0] in ("127.0.0.1", "::1", "localhost")):
        raise OSError(errno.ENETUNREACH, "Network is unreachable")
    return connect(self, address)
def unknown(host, *args, **options):
    if host not in (None, "", "127.0.0.1", "::1", "localhost"):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return look_up(host, *args, **options)
connect, look_up = socket.socket.connect, socket.getaddrinfo
socket.socket.connect, socket.getaddrinfo = refuse, unknown
"""

# A network of its own has no way out; its loopback, which Jupyter's kernels need, is down at first.
LOOPBACK = """
import fcntl, socket, struct
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
"""


def no_way_out() -> list[str]:
    """How to run a command without a network; empty where that is not allowed."""
    command = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    try:
        allowed = subprocess.run([*command, sys.executable, "-c", LOOPBACK], capture_output=True).returncode == 0
    except FileNotFoundError:
        allowed = False
    return command if allowed else []


class Machine:
    """Runs Python with an empty home, a cache that holds the sample alone, and no network."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for made in (encoder_files(), rated_sentences._folder()):
            shutil.copytree(made, folder / "cache" / made.name)
        (folder / "site").mkdir()
        (folder / "site" / "sitecustomize.py").write_text(NO_NETWORK, "utf-8")
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.upper().startswith(("HF_", "COURSE_", "NLTK_", "PIP_")) and "PROXY" not in name.upper()
        }
        path = os.pathsep.join([str(folder / "site"), str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.environment = inherited | {
            "HOME": str(folder / "home"),
            "COURSE_CACHE": str(folder / "cache"),
            "PYTHONPATH": path,
            "CUDA_VISIBLE_DEVICES": "",
        }
        self.command = no_way_out()
        self.preface = LOOPBACK if self.command else ""

    def run(self, code: str, *arguments: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, sys.executable, "-c", self.preface + code, *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=seconds,
        )


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine(tmp_path_factory.mktemp("machine"))


def imported_from_helpers() -> tuple[list[str], set[str]]:
    """Every import from the course that a lesson makes, and the names of what they import."""
    statements, names = set(), set()
    for path in SOLUTIONS:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "helpers":
                statements.add(ast.unparse(node))
                names |= {alias.name for alias in node.names}
    return sorted(statements), names


@pytest.fixture(scope="module")
def found(machine: Machine) -> dict[str, Any]:
    """What each loader gives on the machine, and what is said where full data and models are asked for."""
    statements, names = imported_from_helpers()
    loaders = {name: call for name, call in LOADERS.items() if name in names}
    code = f"""
import json, logging, os, socket, sys, time
{chr(10).join(statements)}
from helpers.texts.crows_pairs_file import fetch_crows_pairs
from helpers.data import load_topics
from helpers.downloads import DownloadError
from helpers.pretrained import load_encoder
from helpers.surroundings import where_am_i

found = {{"loaded": {{name: eval(call) for name, call in {loaders!r}.items()}}}}
try:
    socket.create_connection(("192.0.2.1", 80), timeout=5)
    found["network"] = "there"
except OSError as error:
    found["network"] = str(error)
found["surroundings"] = repr(where_am_i())
for name, call in {{"model": "load_encoder('google-bert/bert-base-uncased')", "pairs": "fetch_crows_pairs()"}}.items():
    start = time.monotonic()
    try:
        eval(call)
    except DownloadError as error:
        found[name] = [str(error), time.monotonic() - start]
warnings = []
logging.getLogger("helpers.data").addHandler(type("Keep", (logging.Handler,), {{
    "emit": lambda self, record: warnings.append(record.getMessage())}})())
found["full"] = [load_topics("full").title, warnings]
json.dump(found, sys.stdout)
"""
    done = machine.run(code)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_loader_of_the_lessons_is_tried_here() -> None:
    used = {name for name in imported_from_helpers()[1] if name.startswith("load_")}
    assert used
    assert used <= LOADERS.keys()


def test_the_machine_has_no_network(found: dict[str, Any]) -> None:
    assert found["network"] != "there"
    assert "offline; the course works all the same" in found["surroundings"]


def test_what_the_lessons_load_is_there(found: dict[str, Any]) -> None:
    assert all(found["loaded"].values())
    assert found["loaded"]["load_tokenizer"] == 30_522


def test_a_model_of_the_hub_is_given_up_at_once_and_the_embedded_one_offered(found: dict[str, Any]) -> None:
    said, seconds = found["model"]
    assert "could not be loaded: huggingface.co could not be" in said
    assert said.endswith("load_encoder(), load_tokenizer().")
    assert seconds < 30  # two sources of at most ten seconds each, on a busy machine


def test_full_data_gives_way_to_the_sample_and_says_so(found: dict[str, Any]) -> None:
    title, (said,) = found["full"]
    assert title == "sentences of four kinds"
    assert "AG News could not be had (huggingface.co could not be" in said
    assert "Using the sample: sentences of four kinds." in said


def test_bias_pairs_that_cannot_be_had_lead_to_the_sample(found: dict[str, Any]) -> None:
    said, _ = found["pairs"]
    assert "seems to be offline" in said
    assert 'DATA = "sample"' in said


def test_fetching_the_sample_offline_says_what_is_missing_and_what_to_do(machine: Machine, tmp_path: Path) -> None:
    code = "import runpy, sys; sys.argv = ['', 'prefetch']; runpy.run_module('helpers.course', run_name='__main__')"
    machine.environment["COURSE_CACHE"] = str(tmp_path / "empty")
    try:
        done = machine.run(code)
    finally:
        machine.environment["COURSE_CACHE"] = str(machine.folder / "cache")
    assert done.returncode == 1
    for name in ("the pretrained encoder", "the rated sentences"):
        assert f"Missing: {name}. " in done.stderr
    assert "Traceback" not in done.stderr
    assert "seems to be offline" in done.stderr
    assert "python -m helpers.course prefetch" in done.stderr


EXECUTE = """
import json, sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], 4)
NotebookClient(notebook, kernel_name="python3", timeout=900).execute()
"""


@pytest.mark.fresh
@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_every_lesson_runs(machine: Machine, path: Path) -> None:
    done = machine.run(EXECUTE, str(path.with_suffix(".ipynb")), seconds=1800)
    assert done.returncode == 0, done.stderr[-3000:]
