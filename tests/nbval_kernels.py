"""nbval's kernels, as lessons were built and on a machine that others use too: `pytest -p tests.nbval_kernels --nbval`.

nbval reads what a kernel publishes only when a cell has come to its end, and then waits 5 s for each message. While a
cell runs, its messages queue up; where the queue is full, the rest is lost, the one that ends the cell among it, and
the notebook turns red although it is right. Here they are read while the cell runs, and the last one may take longer.
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from time import monotonic
from typing import Any

import nbval.plugin
import pytest
import zmq
from nbval.kernel import RunningKernel

from helpers.course.build.execute import kernel_environment

# Seconds without a word from a kernel that is at work: enough for one that gets a small part of a processor.
PATIENCE = 120.0


class ReadingKernel(RunningKernel):
    """A kernel whose messages are taken in while a cell runs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.taken_in: deque[dict[str, Any]] = deque()
        super().__init__(*args, **kwargs)

    def await_reply(self, msg_id: str, timeout: float | None = None) -> None:
        """Wait for a cell's end, never less than `PATIENCE`: nbval gives a new kernel's first answer 10 s."""
        super().await_reply(msg_id, timeout if timeout is None else max(timeout, PATIENCE))

    def get_message(self, stream: str, timeout: float | None = None) -> dict[str, Any]:
        """The next message of a stream, as nbval asks for it; `queue.Empty` when none has come in time."""
        if stream == "iopub" and self.taken_in:
            return self.taken_in.popleft()
        if stream == "shell":
            timeout = self._take_in_until_a_reply(timeout)
        message: dict[str, Any] = super().get_message(stream, timeout)
        return message

    def _take_in_until_a_reply(self, timeout: float | None) -> float | None:
        """Take in what is published until there is a reply to read; what is left of the time for it."""
        shell, published = self.kc.shell_channel.socket, self.kc.iopub_channel.socket
        end = None if timeout is None else monotonic() + timeout
        while True:
            left = None if end is None else max(0.0, end - monotonic())
            ready, _, _ = zmq.select([shell, published], [], [], left)
            if published in ready:
                self.taken_in.append(super().get_message("iopub", timeout=0))
            if shell in ready or not ready:
                return left


def pytest_configure() -> None:
    """Kernels inherit this process's environment: give them the one that lessons were built in."""
    os.environ.update(kernel_environment(tempfile.mkdtemp(prefix="course-record-")))
    nbval.plugin.RunningKernel = ReadingKernel


def pytest_itemcollected(item: pytest.Item) -> None:
    """A cell's last message may take longer than nbval's 5 s, which no option changes."""
    if isinstance(item, nbval.plugin.IPyNbCell):
        item.output_timeout = PATIENCE
