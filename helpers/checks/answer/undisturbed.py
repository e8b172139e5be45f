"""Leave the student's session as it was, whatever an answer does to it."""

from __future__ import annotations

import gc
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def undisturbed() -> Iterator[None]:
    """Run a check under torch's default settings, then put everything back.

    Covers the random states of torch (CPU, and CUDA where it is in use), NumPy and Python; torch's default dtype
    and device, gradient mode, threads and deterministic flags; the recursion limit, warnings and both output
    streams.
    """
    import numpy as np
    import torch

    python_state, numpy_state = random.getstate(), np.random.get_state()
    torch_state = torch.get_rng_state()
    cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    settings = _settings()
    # torch alone makes a million objects, which the garbage collector would walk through while the answer runs.
    frozen = gc.get_freeze_count() == 0
    if frozen:
        gc.freeze()
    try:
        with ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            stack.enter_context(torch.inference_mode(False))
            if torch.get_default_device().type != "cpu":
                stack.enter_context(torch.device("cpu"))
            expect_usual_settings()
            torch.set_num_threads(1)  # tensors are tiny: on a busy machine, several threads are many times slower
            yield
    finally:
        if frozen:
            gc.unfreeze()
        _restore(settings)
        torch.set_rng_state(torch_state)
        if cuda_states is not None:
            torch.cuda.set_rng_state_all(cuda_states)
        np.random.set_state(numpy_state)
        random.setstate(python_state)


def expect_usual_settings() -> None:
    """Compute with gradients and in float32, also after code that has switched these off or over."""
    import torch

    torch.set_grad_enabled(True)
    if torch.get_default_dtype() != torch.float32:
        torch.set_default_dtype(torch.float32)


def _settings() -> dict[str, Any]:
    import torch

    return {
        "grad": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "threads": torch.get_num_threads(),
        "deterministic": (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        "cudnn": (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark),
        "recursion": sys.getrecursionlimit(),
        "streams": (sys.stdout, sys.stderr),
    }


def _restore(settings: dict[str, Any]) -> None:
    """Set only what has changed: some of these are slow to set, and some leave a trace."""
    import torch

    put_back: dict[str, Callable[[Any], Any]] = {
        "grad": torch.set_grad_enabled,
        "dtype": torch.set_default_dtype,
        "device": lambda device: torch.set_default_device(None if device.type == "cpu" else device),
        "threads": torch.set_num_threads,
        "deterministic": lambda flags: torch.use_deterministic_algorithms(flags[0], warn_only=flags[1]),
        "cudnn": _set_cudnn,
        "recursion": sys.setrecursionlimit,
        "streams": _set_streams,
    }
    now = _settings()
    for name, before in settings.items():
        if now[name] != before:
            put_back[name](before)


def _set_cudnn(flags: tuple[bool, bool]) -> None:
    import torch

    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = flags


def _set_streams(streams: tuple[Any, Any]) -> None:
    sys.stdout, sys.stderr = streams


def reseed(seed: int) -> None:
    """Seed what an answer may draw from: the same for every answer that is looked at with these inputs.

    `torch.manual_seed` would also queue a seed for a GPU that is not in use yet, which could not be taken back.
    """
    import numpy as np
    import torch

    torch.default_generator.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
