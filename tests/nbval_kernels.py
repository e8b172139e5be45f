"""nbval's kernels, as lessons were built and on a machine that others use too: `pytest -p tests.nbval_kernels --nbval`.

nbval reads what a kernel publishes only when a cell has come to its end, and then waits 5 s for each message. Until
then messages queue up; where the queue is full, the rest is lost, the one that ends the cell among it, and the notebook
turns red although it is right. Here the queue has no limit, and each message may take longer.
"""

from __future__ import annotations

import functools
import os
import tempfile

import nbval.kernel
import nbval.plugin
import pytest
import zmq
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager

from helpers.course.build.execute import kernel_environment

# Seconds without a word from a kernel that is at work: enough for one that gets a small part of a processor.
PATIENCE = 120.0


class HearingClient(BlockingKernelClient):
    """A client that loses nothing of what a kernel publishes, however late it is read."""

    def connect_iopub(self, identity: bytes | None = None) -> zmq.Socket[bytes]:
        self.context.setsockopt(zmq.RCVHWM, 0)  # for the sockets that it makes from now on; 0: no limit
        return super().connect_iopub(identity)


class PatientKernel(nbval.kernel.RunningKernel):
    """A kernel whose first answer may take longer than the 10 s that nbval gives it."""

    def await_reply(self, msg_id: str, timeout: float | None = None) -> None:
        super().await_reply(msg_id, timeout if timeout is None else max(timeout, PATIENCE))


def pytest_configure() -> None:
    """Kernels inherit this process's environment: give them the one that lessons were built in."""
    os.environ.update(kernel_environment(tempfile.mkdtemp(prefix="course-record-")))
    nbval.kernel.KernelManager = functools.partial(KernelManager, client_factory=HearingClient)
    nbval.plugin.RunningKernel = PatientKernel


def pytest_itemcollected(item: pytest.Item) -> None:
    """A cell's last message may take longer than nbval's 5 s, which no option changes."""
    if isinstance(item, nbval.plugin.IPyNbCell):
        item.output_timeout = PATIENCE
