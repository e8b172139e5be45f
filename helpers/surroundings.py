"""Where the course runs, and whether everything that the lessons need works there."""

from __future__ import annotations

import html
import io
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Surroundings:
    """What is there, as rows of a name and a finding; shown as a table in a notebook."""

    rows: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        width = max(len(name) for name, _ in self.rows)
        return "\n".join(f"{name:>{width}}  {finding}" for name, finding in self.rows)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(finding)}</td></tr>"
            for name, finding in self.rows
        )
        return f"<table>{rows}</table>"


def where_am_i(data: str = "sample") -> Surroundings:
    """Python, torch, processor, network and cache, in a student's words.

    Parameters
    ----------
    data
        "sample" or "full", as the lesson's parameter cell has it.
    """
    import torch

    from helpers.media import online

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none, and none is needed"
    if torch.backends.mps.is_available():
        gpu = "Apple (MPS)"
    return Surroundings(
        (
            ("Opened in", _service()),
            ("Python", platform.python_version()),
            ("PyTorch", str(torch.__version__)),
            ("Processor", f"{os.cpu_count()} cores, of which PyTorch uses {torch.get_num_threads()}"),
            ("GPU", gpu),
            ("Network", "online" if online() else "offline; the course works all the same"),
            ("Data", f"{data} (the parameter cell above says which)"),
            ("Downloaded already", ", ".join(_cached()) or "nothing yet; lessons fetch what they need, once"),
        )
    )


def ten_second_check() -> None:
    """Try what the lessons rely on, one line each: `works`, or what to do about it."""
    for name, step in _STEPS.items():
        finding = "works"
        try:
            step()
        except _RemarkError as remark:
            finding = str(remark)
        except Exception as error:
            finding = f"FAILS: {type(error).__name__}: {error}"
        print(f"{name + ' ':.<45} {finding}")


class _RemarkError(Exception):
    """Nothing is broken, but the student should know."""


def _train() -> None:
    import torch

    with _deadline(seconds=10):
        weight = torch.zeros(1, requires_grad=True)
        for _ in range(100):
            loss = (3 * weight - 6).square().sum()
            (slope,) = torch.autograd.grad(loss, weight)
            weight.data -= 0.05 * slope
    if abs(float(weight.detach()) - 2) > 1e-3:
        raise RuntimeError("100 steps of gradient descent did not find the solution of 3 w = 6")


def _draw() -> None:
    from helpers import plots

    plots.bars(["a"], [1.0], title="test", xlabel="x").savefig(io.BytesIO())


def _widgets() -> None:
    import ipywidgets

    ipywidgets.IntSlider()


def _word_vectors() -> None:
    from helpers.word_vectors import load_word_vectors

    load_word_vectors().nearest_words("river", 1)


def _record() -> None:
    from helpers.progress import record_dir

    folder = record_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f"probe-{os.getpid()}"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise _RemarkError(f"cannot be kept ({error.strerror}): set COURSE_RECORD to a folder of yours") from error


def _encoder() -> None:
    if not any("MiniLM" in name for name in _cached()):
        raise _RemarkError("not here yet: lesson 3 fetches it (84 MB), so open that lesson once while you are online")


# In the order in which a beginner would want to know.
_STEPS: dict[str, Callable[[], None]] = {
    "PyTorch computes gradients": _train,
    "a picture can be drawn": _draw,
    "buttons and sliders": _widgets,
    "the course's word vectors": _word_vectors,
    "the pretrained encoder": _encoder,
    "your progress": _record,
}


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    start = time.monotonic()
    yield
    if (taken := time.monotonic() - start) > seconds:
        raise _RemarkError(f"works, but slowly ({taken:.0f} s): close other programs, or use Colab or Binder")


def _service() -> str:
    if "google.colab" in sys.modules:
        return "Colab"
    if "BINDER_SERVICE_HOST" in os.environ or "BINDER_REPO_URL" in os.environ:
        return "Binder"
    return "Jupyter, on this computer"


def _cached() -> list[str]:
    """What is ready for use in the cache, with its size: not the archives that it was unpacked from."""
    from helpers.downloads import cache_dir

    folders = (path for path in sorted(cache_dir().glob("[!.]*")) if path.is_dir() and path.name != "packages")
    return [f"{re.sub('-[0-9a-f]{12}$', '', path.name)} ({_megabytes(path):.0f} MB)" for path in folders]


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
