"""Notice when an answer changes a setting of torch that holds for the whole session."""

from __future__ import annotations

from typing import Any

from helpers.checks.engine.trouble import Trouble


def global_settings() -> dict[str, Any]:
    """Return what no answer should change: the random seed, gradient mode, default dtype and default device."""
    import torch

    return {
        "seed": torch.initial_seed(),
        "gradients": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
    }


def side_effect(before: dict[str, Any], name: str) -> Trouble | None:
    """Explain what a call changed for everything that comes after it.

    Parameters
    ----------
    before : dict
        The settings as they were before the call.
    name : str
        What was called, for instance `forward`.
    """
    after = global_settings()
    changed = next((setting for setting, value in before.items() if after[setting] != value), None)
    if changed is None:
        return None
    sentences = {
        "seed": f"`{name}` sets torch's random seed: whatever draws numbers after it, in every layer and every call, "
        "then draws the same ones. Leave the seed to the notebook.",
        "gradients": f"`{name}` switches gradients {'on' if after['gradients'] else 'off'} for everything that comes "
        "after it. `with torch.no_grad():` puts them back, but no answer here needs it.",
        "dtype": f"`{name}` changes torch's default dtype to {after['dtype']} for everything that comes after it. "
        "Hand `dtype=` to the tensor that needs it.",
        "device": f"`{name}` changes torch's default device to {after['device']} for everything that comes after it. "
        "Hand `device=` to the tensor that needs it.",
    }
    return Trouble(sentences[changed], "side effect", changed)
