"""A Llama as transformers holds it: its sizes and its weights, under the names that the course's `Decoder` has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM, PretrainedConfig

# Theirs -> ours, as regular expressions.
NAMES = {
    r"^model\.embed_tokens\.": "embedding.",
    r"^model\.norm\.": "norm.",
    r"^model\.layers\.": "blocks.",
    r"\.input_layernorm\.": ".norm_1.",
    r"\.self_attn\.q_proj\.": ".attention.to_queries.",
    r"\.self_attn\.k_proj\.": ".attention.to_keys.",
    r"\.self_attn\.v_proj\.": ".attention.to_values.",
    r"\.self_attn\.o_proj\.": ".attention.unify_heads.",
    r"\.post_attention_layernorm\.": ".norm_2.",
    r"\.mlp\.gate_proj\.": ".mlp.gate.",
    r"\.mlp\.up_proj\.": ".mlp.up.",
    r"\.mlp\.down_proj\.": ".mlp.down.",
}


def sizes_of(config: PretrainedConfig) -> dict[str, Any]:
    """Return what `Decoder` is made with, by name.

    Raises
    ------
    ValueError
        The model has a part that `Decoder` has not; the message names it.
    """
    rope = getattr(config, "rope_parameters", None) or {}  # transformers 5 keeps the base there, 4 beside the rest
    scaling = rope.get("rope_type", "default") if rope else (getattr(config, "rope_scaling", None) or "default")
    width = config.hidden_size // config.num_attention_heads
    for name, value, wanted in (
        ("hidden_act", config.hidden_act, "silu"),
        ("attention_bias", config.attention_bias, False),
        ("mlp_bias", getattr(config, "mlp_bias", False), False),
        ("tie_word_embeddings", config.tie_word_embeddings, True),
        ("head_dim", getattr(config, "head_dim", None) or width, width),
        ("rope_type", scaling, "default"),
    ):
        if value != wanted:
            raise ValueError(f"This Llama has {name}={value!r}. `Decoder` is written for {name}={wanted!r} alone.")
    return {
        "vocab_size": config.vocab_size,
        "embed_dim": config.hidden_size,
        "num_heads": config.num_attention_heads,
        "num_kv_heads": config.num_key_value_heads,
        "depth": config.num_hidden_layers,
        "hidden_dim": config.intermediate_size,
        "base": float(rope["rope_theta"] if "rope_theta" in rope else getattr(config, "rope_theta", 10000.0)),
        "eps": config.rms_norm_eps,
    }


def weights_of(model: LlamaForCausalLM) -> dict[str, torch.Tensor]:
    """Return a Llama's weights, each under its name in `Decoder`. The head is tied, so it is the embedding."""
    return {our_name(name): weight for name, weight in model.state_dict().items() if name != "lm_head.weight"}


def our_name(name: str) -> str:
    """Return what `Decoder` calls a weight: "model.layers.0.self_attn.q_proj.weight" is that of a `to_queries`."""
    for theirs, ours in NAMES.items():
        name = re.sub(theirs, ours, name)
    return name
