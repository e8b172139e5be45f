"""Where attention goes that has nothing to look for: to the special tokens, which say little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

RECEIVERS = ("[CLS]", "[SEP]", "the words")


@dataclass(frozen=True)
class Shares:
    """What the words of some sentences get from where, a row for each layer: rows sum to 1.

    Attributes
    ----------
    weights
        Share of the attention weights that goes to each of `RECEIVERS`, (layers, 3).
    messages
        The same with each weight times the length of the vector that it fetches, (layers, 3).
    """

    weights: np.ndarray
    messages: np.ndarray


def measure_shares(sentences: Sequence[str], tokenizer: PreTrainedTokenizerBase, encoder: PreTrainedModel) -> Shares:
    """Measure both kinds of share, the mean over heads, words and sentences.

    The length of a message is that of Kobayashi et al. 2020, "Attention is not only a weight": the value, sent
    through the head's part of the layer that unifies the heads.

    Parameters
    ----------
    sentences
        At least one, none of them empty.
    tokenizer, encoder
        From `helpers.pretrained`, an encoder of BERT's kind with `attentions=True`.
    """
    import torch

    heads = encoder.config.num_attention_heads
    blocks: Any = encoder.get_submodule("encoder.layer")
    measured = []
    for sentence in sentences:
        batch = tokenizer(sentence, return_tensors="pt", truncation=True)
        tokens = batch["input_ids"][0]
        t = len(tokens)
        is_word = torch.tensor([word is not None for word in batch.word_ids(0)])
        receiver = torch.stack([tokens == tokenizer.cls_token_id, tokens == tokenizer.sep_token_id, is_word], 1)
        with torch.no_grad():
            result = encoder(**batch.to(encoder.device), output_hidden_states=True)
            inputs = result.hidden_states[:-1]  # the last is what the last layer gives
            for layer, weights, x in zip(blocks, result.attentions, inputs, strict=True):
                values = layer.attention.self.value(x).view(t, heads, -1)  # (t, h, d)
                unify = layer.attention.output.dense.weight.view(x.shape[-1], heads, -1)  # (k, h, d)
                lengths = torch.einsum("thd,khd->htk", values, unify).norm(dim=-1)  # (h, t)
                messages = weights[0] * lengths[:, None, :]  # (h, t, t)
                messages = messages / messages.sum(-1, keepdim=True)
                for kind in (weights[0], messages):
                    measured.append((kind.cpu()[:, is_word] @ receiver.float()).mean((0, 1)).numpy())
    shares = np.array(measured).reshape(len(sentences), -1, 2, len(RECEIVERS)).mean(0)  # (layers, 2, 3)
    return Shares(shares[:, 0], shares[:, 1])


def draw_shares(shares: Shares) -> Figure:
    """Both kinds of share side by side, a bar for each layer."""
    from helpers import plots

    figure, axes = plots.panels(1, 2, width=10, height=3.8, sharey=True)
    to_cls, from_cls = shares.weights[:, 0].mean(), shares.messages[:, 0].mean()
    titles = (f"[CLS] gets {to_cls:.0%} of the weights …", f"… and gives {from_cls:.0%} of the messages")
    labels = ("share of the weights", "share of the messages")
    layers = np.arange(1, len(shares.weights) + 1)
    for ax, kind, title, label in zip(axes[0], (shares.weights, shares.messages), titles, labels, strict=True):
        left = np.zeros(len(layers))
        for receiver, share, colour in zip(RECEIVERS, kind.T, (plots.VERMILION, plots.ORANGE, plots.BLUE), strict=True):
            ax.barh(layers, share, left=left, color=colour, label=receiver, height=0.75)
            left += share
        ax.set(title=title, xlabel=label, xlim=(0, 1))
    axes[0, 0].set(ylabel="layer", yticks=layers)
    axes[0, 0].invert_yaxis()
    axes[0, 1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), title="from")
    return figure
