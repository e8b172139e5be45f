"""Run a model in train mode with every dropout switched off, wherever it stands."""

from __future__ import annotations

from typing import Any

from torch.overrides import TorchFunctionMode

_DROPS = {"dropout", "dropout_", "feature_dropout", "feature_alpha_dropout", "alpha_dropout", "dropout1d", "dropout2d"}


class WithoutDropout(TorchFunctionMode):
    """Inside, torch's functions for dropout return what they are given."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(function, "__name__", "")
        if name in _DROPS:
            return args[0] if args else kwargs["input"]
        if name == "scaled_dot_product_attention":  # query, key, value, attn_mask, dropout_p
            args = (*args[:4], 0.0, *args[5:]) if len(args) > 4 else args
            kwargs |= {} if len(args) > 4 else {"dropout_p": 0.0}
        elif name == "multi_head_attention_forward":
            kwargs["training"] = False
        return function(*args, **kwargs)
