"""The trained difference between the embedded encoder and the course's masked language model, as a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import BertForMaskedLM

SHIPPED = Path(__file__).parents[1] / "assets" / "masked_words.safetensors"


def embedded_masked_model(encoder: Path) -> BertForMaskedLM:
    """Build the masked language model with the embedded encoder's weights, and a head that has not learned anything.

    Parameters
    ----------
    encoder
        The directory that `helpers.models.files.encoder_files` returns.

    Returns
    -------
    BertForMaskedLM
        Its head scores a word by that word's embedding, and one bias for each.
    """
    from transformers import BertConfig, BertForMaskedLM

    model = BertForMaskedLM(BertConfig.from_pretrained(encoder))
    model.load_state_dict(_encoder_weights(encoder), strict=False)
    return model


def save_difference(model: BertForMaskedLM, encoder: Path, file: Path) -> None:
    """Write what training changed, in half precision: the change itself is small, so little is lost.

    Parameters
    ----------
    model
        Trained, its embeddings left as they were.
    encoder
        As in `embedded_masked_model`.
    file
        Where to write; the folder is made, and a file that is there is replaced when the new one is complete.
    """
    import torch
    from safetensors.torch import save_file

    before = _encoder_weights(encoder)
    changes = {}
    for name, weight in model.named_parameters():
        change = weight.detach().cpu() - before[name] if name in before else weight.detach().cpu()
        if change.any():
            changes[name] = change.to(torch.float16).contiguous()
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    save_file(changes, part)
    part.replace(file)


def add_difference(model: BertForMaskedLM, file: Path) -> None:
    """Add what training changed to the model that `embedded_masked_model` returns, in place.

    Raises
    ------
    ValueError
        When the file was made for a model with other layers.
    """
    import torch
    from safetensors.torch import load_file

    weights: Mapping[str, torch.Tensor] = dict(model.named_parameters())
    changes = load_file(file)
    head = {name for name in weights if name.startswith("cls.")}
    for name, change in changes.items():
        if name not in weights or weights[name].shape != change.shape:
            raise ValueError(f"{file} does not fit this model: it has {name} {tuple(change.shape)}.")
    with torch.no_grad():
        for name, change in changes.items():
            if name in head:
                weights[name].copy_(change)
            else:
                weights[name].add_(change)


def _encoder_weights(encoder: Path) -> dict[str, torch.Tensor]:
    """The encoder's weights, by the names that they have in a masked language model."""
    from safetensors.torch import load_file

    weights = load_file(encoder / "model.safetensors")
    return {f"bert.{name}": weight for name, weight in weights.items() if not name.startswith("pooler.")}
