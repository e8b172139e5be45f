"""What a masked language model makes of one place in each text of a batch, without computing what nobody asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Built as BERT is, and with the same names for the parts.
_LIKE_BERT = {"bert", "roberta", "xlm-roberta", "camembert"}
_HEADS = ("cls", "lm_head", "predictions")  # as BERT, RoBERTa and ALBERT call what comes after the encoder


def states_at(model: Any, token_ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return the encoder's last hidden state at one place of each text.

    In the last layer all places are keys and values, but only the one that is asked for has to be a query, and goes
    through the MLP. Other models than those built as BERT is are called as they are.

    Parameters
    ----------
    model
        A masked language model in eval mode.
    token_ids
        (b, t), without padding.
    places
        (b,), one for each text.

    Returns
    -------
    torch.Tensor
        (b, k).
    """
    import torch
    import torch.nn.functional as F

    encoder, rows = model.base_model, torch.arange(len(places), device=places.device)
    config = model.config
    absolute = getattr(config, "position_embedding_type", None) in (None, "absolute")
    if config.model_type not in _LIKE_BERT or not absolute or getattr(config, "is_decoder", False):
        return encoder(token_ids).last_hidden_state[rows, places]
    x = encoder.embeddings(input_ids=token_ids)  # (b, t, k)
    *layers, last = encoder.encoder.layer
    for layer in layers:
        x = layer(x)
        x = x[0] if isinstance(x, tuple) else x  # as before version 5 of transformers
    attention = last.attention.self
    here = x[rows, places]  # (b, k)
    queries, keys, values = (
        project(states).unflatten(-1, (attention.num_attention_heads, -1)).transpose(1, 2)
        for project, states in ((attention.query, here[:, None]), (attention.key, x), (attention.value, x))
    )  # (b, h, 1 or t, d)
    mixed = F.scaled_dot_product_attention(queries, keys, values)  # (b, h, 1, d)
    here = last.attention.output(mixed.flatten(1), here)
    return last.output(last.intermediate(here), here)


def head_of(model: Any) -> Any:
    """Return the part that turns hidden states (b, k) into logits (b, vocab).

    Raises
    ------
    TypeError
        The model has none by a name that is known here.
    """
    for name in _HEADS:
        if hasattr(model, name):
            return getattr(model, name)
    raise TypeError(f"{type(model).__name__} has no {', '.join(_HEADS)}: is it a masked language model?")
