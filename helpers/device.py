"""Which processor the lesson runs on."""

from __future__ import annotations

import importlib.util
import sys

_NAMES = {
    "cuda": "an NVIDIA or AMD GPU (cuda)",
    "mps": "an Apple GPU (mps)",
    "cpu": "the CPU (cpu)",
}


def set_device() -> str:
    """Choose the fastest device there is and say which: CUDA, else Apple's MPS, else the CPU.

    On the CPU in Colab a second line says where the GPU switch is.

    Returns
    -------
    str
        ``"cuda"``, ``"mps"`` or ``"cpu"``, as ``torch.device`` and ``Tensor.to`` take it.
    """
    import torch

    if torch.cuda.is_available():
        device = "cuda"
    elif torch.backends.mps.is_available():
        device = "mps"
    else:
        device = "cpu"
    print(f"Running on {_NAMES[device]}.")
    if device == "cpu" and _in_colab():
        print("Colab can lend you a GPU: Runtime > Change runtime type > T4 GPU, then run from the top.")
    return device


def _in_colab() -> bool:
    if "google.colab" in sys.modules:
        return True
    try:
        return importlib.util.find_spec("google.colab") is not None
    except (ImportError, ValueError):  # no package named google, or one that was made by hand
        return False
