"""Where a training run stands, in a file: written whole or not at all, and read only by a run of the same kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def save_state(state: dict[str, Any], file: Path) -> None:
    """Write a run's state, "settings" among it, in place of the last."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    torch.save(state, part)
    part.replace(file)


def read_state(file: Path, settings: str, device: str) -> dict[str, Any] | None:
    """Read the state of a run with these settings; None where there is none."""
    if not file.is_file():
        return None
    state: dict[str, Any] = torch.load(file, weights_only=True, map_location=device)
    return state if state["settings"] == settings else None
