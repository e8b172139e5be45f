"""Half-width numbers where the processor computes with them: training is then about twice as fast."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

CHOICES = ("auto", "float32", "bfloat16")


def chosen_precision() -> str:
    """What `COURSE_PRECISION` says: "auto" (the default), "float32" or "bfloat16".

    Raises
    ------
    ValueError
        It says something else.
    """
    chosen = os.environ.get("COURSE_PRECISION") or "auto"
    if chosen not in CHOICES:
        raise ValueError(f"COURSE_PRECISION is {chosen!r}: it can be {', '.join(CHOICES)}.")
    return chosen


def autocast(device: str | torch.device) -> contextlib.AbstractContextManager[object]:
    """Compute matrix products in bfloat16 where that is faster, and in float32 elsewhere.

    Parameters
    ----------
    device
        Where the model is, as `set_device` names it.

    Returns
    -------
    context manager
        For the forward pass and the loss; the backward pass stays outside. Weights stay in float32 throughout.
    """
    import torch

    if uses_bfloat16(device):
        # torch keeps a program for each shape of matrix that it meets; batches of texts have hundreds of shapes, and
        # the thousand programs that it would keep took 0.2 GiB in lesson 14, and saved no time.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16")
        return torch.autocast(torch.device(device).type, torch.bfloat16)
    return contextlib.nullcontext()


def uses_bfloat16(device: str | torch.device) -> bool:
    """Whether `autocast` computes in bfloat16 on a device: as `COURSE_PRECISION` says, or where that is faster."""
    chosen = chosen_precision()
    return has_bfloat16(device) if chosen == "auto" else chosen == "bfloat16"


def has_bfloat16(device: str | torch.device) -> bool:
    """Whether a device multiplies bfloat16 matrices in hardware: most others can, but far more slowly than float32.

    Parameters
    ----------
    device
        A GPU is asked itself; for the CPU, torch reads what the processor says of itself (AMX, or AVX-512 with
        bfloat16). Apple's GPUs and torch before 2.10, which cannot tell, count as no.
    """
    import torch

    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if kind != "cpu" or not torch.backends.mkldnn.is_available() or not hasattr(torch.cpu, "get_capabilities"):
        return False
    can = torch.cpu.get_capabilities()
    return bool(can.get("amx_bf16") or can.get("avx512_bf16"))
