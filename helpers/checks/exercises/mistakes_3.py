"""Misconceptions about self-attention with several heads, as small wrong implementations."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from helpers.checks.engine.run import Misconceptions
from helpers.checks.exercises import mistakes_2
from helpers.checks.exercises.attention_by_hand import AttentionByHand, QuickLinear

MISCONCEPTIONS = Misconceptions()


class SelfAttentionByHand(AttentionByHand):
    """Self-attention, right as it stands; a subclass goes wrong in one method."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int = 8,
        head_dim: int | None = None,
        dropout: float = 0.1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.embed_dim, self.num_heads, self.p = embed_dim, num_heads, dropout
        self.head_dim = self.width_of_a_head(head_dim)
        self.make_layers(bias)

    def width_of_a_head(self, head_dim: int | None) -> int:
        if head_dim is not None:
            return head_dim
        if self.embed_dim % self.num_heads:
            raise ValueError(f"embed_dim={self.embed_dim} does not divide by num_heads={self.num_heads}.")
        return self.embed_dim // self.num_heads

    def make_layers(self, bias: bool) -> None:
        inner = self.num_heads * self.head_dim
        self.to_queries = QuickLinear(self.embed_dim, inner, bias=bias)
        self.to_keys = QuickLinear(self.embed_dim, inner, bias=bias)
        self.to_values = QuickLinear(self.embed_dim, inner, bias=bias)
        self.unify_heads = QuickLinear(inner, self.embed_dim)

    def unfold(self, x: torch.Tensor) -> torch.Tensor:
        """(b, t, h * d) gives (b, t, h, d)."""
        return x.unflatten(-1, (self.num_heads, self.head_dim))

    def project(self, x: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.to_queries(x), self.to_keys(context), self.to_values(context)

    def unify(self, x: torch.Tensor) -> torch.Tensor:
        return self.unify_heads(x)

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None, context: torch.Tensor | None = None
    ) -> torch.Tensor:
        projected = self.project(x, x if context is None else context)
        queries, keys, values = (self.split(self.unfold(y)) for y in projected)
        return self.unify(self.join(self.attend(queries, keys, values, mask)))


def _from_exercise_2(name: str, sentence: str, wrong: Any, *methods: str) -> None:
    """Carry a mistake in the attention itself over to self-attention."""
    changed = {method: getattr(wrong, method) for method in methods}
    MISCONCEPTIONS(name, sentence)(type(wrong.__name__, (SelfAttentionByHand,), changed))


@MISCONCEPTIONS(
    "heads split by reshape alone",
    "The projections are reshaped to heads without a transpose, so a head sees pieces of several words. Split the last "
    "axis into (h, d) first, then bring the heads beside the batch.",
)
class SplitByReshape(SelfAttentionByHand):
    def split(self, x: torch.Tensor) -> torch.Tensor:
        b, t, h, d = x.shape
        return x.reshape(b, h, t, d)


@MISCONCEPTIONS(
    "heads interleaved",
    "The last axis is split into (d, h), so that neighbouring features go to different heads. It should be (h, d): "
    "head after head.",
)
class HeadsInterleaved(SelfAttentionByHand):
    def unfold(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.head_dim, self.num_heads)).transpose(-1, -2)


@MISCONCEPTIONS("one head", "There is one head as wide as all of them: the projections are not split into heads.")
class OneHead(SelfAttentionByHand):
    def unfold(self, x: torch.Tensor) -> torch.Tensor:
        return x[..., None, :]


@MISCONCEPTIONS(
    "unify_heads left out", "The heads stand side by side, but `unify_heads` is never applied: nothing combines them."
)
class NotUnified(SelfAttentionByHand):
    def unify(self, x: torch.Tensor) -> torch.Tensor:
        return x


@MISCONCEPTIONS(
    "unify_heads without its bias",
    "`unify_heads` has no bias. It always has one, whatever the `bias` argument says about the projections.",
)
class UnifyWithoutBias(SelfAttentionByHand):
    def make_layers(self, bias: bool) -> None:
        super().make_layers(bias)
        self.unify_heads = QuickLinear(self.num_heads * self.head_dim, self.embed_dim, bias=False)


@MISCONCEPTIONS("bias ignored", "The `bias` argument has no effect: with bias=True the projections still have none.")
class BiasIgnored(SelfAttentionByHand):
    def make_layers(self, bias: bool) -> None:
        super().make_layers(False)


@MISCONCEPTIONS(
    "always a bias",
    "The projections always have a bias. They should have one only if `bias` says so; `nn.Linear` has one by default.",
)
class AlwaysBias(SelfAttentionByHand):
    def make_layers(self, bias: bool) -> None:
        super().make_layers(True)


@MISCONCEPTIONS(
    "one projection for all",
    "Queries and keys go through one and the same layer, so a word always finds itself best. Queries, keys and values "
    "need one each.",
)
class OneProjection(SelfAttentionByHand):
    def make_layers(self, bias: bool) -> None:
        super().make_layers(bias)
        self.to_keys = self.to_values = self.to_queries


@MISCONCEPTIONS(
    "queries and keys exchanged",
    "What `to_queries` makes serves as keys, and what `to_keys` makes as queries: they are exchanged, where they are "
    "made or where they are handed to the attention.",
)
class QueriesAndKeysExchanged(SelfAttentionByHand):
    def project(self, x: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.to_keys(x), self.to_queries(context), self.to_values(context)


@MISCONCEPTIONS("keys for values", "The keys are averaged in place of the values: `to_values` is never used.")
class KeysForValues(SelfAttentionByHand):
    def project(self, x: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.to_queries(x), self.to_keys(context), self.to_keys(context)


@MISCONCEPTIONS("values not projected", "The input itself is averaged: it should go through `to_values` first.")
class ValuesNotProjected(SelfAttentionByHand):
    def project(self, x: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.to_queries(x), self.to_keys(context), context


@MISCONCEPTIONS(
    "context ignored", "`context` changes nothing: keys and values should come from it where it is given, not from x."
)
class ContextIgnored(SelfAttentionByHand):
    def project(self, x: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return super().project(x, x)


@MISCONCEPTIONS(
    "queries from the context",
    "The queries come from `context`, so the output is as long as the context. They come from x.",
)
class QueriesFromContext(SelfAttentionByHand):
    def project(self, x: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return super().project(context, context)


@MISCONCEPTIONS(
    "context and x exchanged", "x and `context` are exchanged: queries come from x, keys and values from the context."
)
class ContextExchanged(SelfAttentionByHand):
    def project(self, x: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return super().project(context, x)


@MISCONCEPTIONS(
    "values from x",
    "With a `context` only the keys come from it. The values have to come from it too, one for each key.",
)
class ValuesFromX(SelfAttentionByHand):
    def project(self, x: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.to_queries(x), self.to_keys(context), self.to_values(x)


@MISCONCEPTIONS(
    "as many keys as queries",
    "Keys and values are reshaped with the length of x, but a `context` has a length of its own.",
)
class LengthOfX(SelfAttentionByHand):
    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None, context: torch.Tensor | None = None
    ) -> torch.Tensor:
        if context is not None:
            context.view(*x.shape)
        return super().forward(x, mask, context)


@MISCONCEPTIONS(
    "scaled by the model's width",
    "The scores are divided by the square root of embed_dim. Each head is only head_dim wide: that is what counts.",
)
class ScaledByModelWidth(SelfAttentionByHand):
    def scale(self, d: int) -> float:
        return self.embed_dim**-0.5


@MISCONCEPTIONS(
    "scaled by the usual width",
    "The scores are always divided by the square root of embed_dim / num_heads. With a head_dim of its own, a head's "
    "width is head_dim.",
)
class ScaledByUsualWidth(SelfAttentionByHand):
    def scale(self, d: int) -> float:
        return (self.embed_dim // self.num_heads) ** -0.5


@MISCONCEPTIONS(
    "head_dim ignored",
    "`head_dim` has no effect: the projections map embed_dim to embed_dim, not to num_heads * head_dim.",
)
class HeadDimIgnored(SelfAttentionByHand):
    def width_of_a_head(self, head_dim: int | None) -> int:
        return super().width_of_a_head(None)


@MISCONCEPTIONS(
    "always wide heads",
    "Every head is as wide as the model. With head_dim=None a head is embed_dim // num_heads wide.",
)
class AlwaysWide(SelfAttentionByHand):
    def width_of_a_head(self, head_dim: int | None) -> int:
        return self.embed_dim


@MISCONCEPTIONS(
    "a remainder passed over",
    "Where embed_dim does not divide by num_heads, features get lost silently. Raise an error that names both numbers.",
)
class RemainderPassedOver(SelfAttentionByHand):
    def width_of_a_head(self, head_dim: int | None) -> int:
        return self.embed_dim // self.num_heads if head_dim is None else head_dim


@MISCONCEPTIONS("dropout not passed on", "The `dropout` argument has no effect: hand it on to the attention.")
class DropoutNotPassedOn(SelfAttentionByHand):
    def drop(self, weights: torch.Tensor) -> torch.Tensor:
        return weights


@MISCONCEPTIONS(
    "dropout on the output as well",
    "Dropout falls on the layer's output, too. It belongs on the attention's weights alone.",
)
class DropoutOnOutputToo(SelfAttentionByHand):
    def unify(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(super().unify(x), self.p, self.training)


@MISCONCEPTIONS(
    "dropout on the output alone",
    "Dropout falls on the layer's output. It belongs on the attention's weights, after softmax.",
)
class DropoutOnOutputAlone(DropoutOnOutputToo):
    def drop(self, weights: torch.Tensor) -> torch.Tensor:
        return weights


@MISCONCEPTIONS("a fixed dropout", "Dropout is 0.1 whatever the `dropout` argument says: hand it on to the attention.")
class FixedDropout(SelfAttentionByHand):
    def drop(self, weights: torch.Tensor) -> torch.Tensor:
        return F.dropout(weights, 0.1, self.training)


@MISCONCEPTIONS("mask not passed on", "The mask has no effect: hand it on to the attention.")
class MaskNotPassedOn(SelfAttentionByHand):
    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None, context: torch.Tensor | None = None
    ) -> torch.Tensor:
        return super().forward(x, None, context)


@MISCONCEPTIONS(
    "mask not passed on with a context", "With a `context` the mask has no effect: it counts there as well."
)
class MaskLostWithContext(SelfAttentionByHand):
    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None, context: torch.Tensor | None = None
    ) -> torch.Tensor:
        return super().forward(x, mask if context is None else None, context)


@MISCONCEPTIONS(
    "heads averaged",
    "The heads are averaged before `unify_heads`. They should stand side by side: (b, t, h * d).",
)
class HeadsAveraged(SelfAttentionByHand):
    def join(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(1).repeat(1, 1, x.shape[1])


_from_exercise_2(
    "no scaling",
    "The scores are not scaled: divide them by the square root of head_dim.",
    mistakes_2.NoScaling,
    "scale",
)
_from_exercise_2(
    "softmax over the queries",
    "Softmax runs over the queries. Each query shares out a weight of 1 among the keys.",
    mistakes_2.SoftmaxOverQueries,
    "share",
)
_from_exercise_2(
    "softmax over the heads",
    "Softmax runs over the heads: each head has weights of its own, over the keys.",
    mistakes_2.SoftmaxOverHeads,
    "share",
)
_from_exercise_2(
    "heads joined by reshape alone",
    "The heads are joined in the wrong order: bring them behind the words, (b, t, h, d), before you reshape to "
    "(b, t, h * d).",
    mistakes_2.JoinedByReshape,
    "join",
)
_from_exercise_2(
    "heads joined feature by feature",
    "The heads are joined feature by feature. One head after the other is wanted, h before d.",
    mistakes_2.JoinedByFeature,
    "join",
)
_from_exercise_2(
    "mask inverted",
    "The mask works the wrong way round: here True means that a word may be attended to (torch's own layers mean the "
    "opposite).",
    mistakes_2.MaskInverted,
    "hide",
    "rescue",
)
_from_exercise_2(
    "NaN where nothing may be attended to",
    "Where a word may attend to nothing, NaN comes out. The attention should give zeros there, and `unify_heads` "
    "its bias.",
    mistakes_2.EmptyRowsNaN,
    "rescue",
)
_from_exercise_2(
    "an average where nothing may be attended to",
    "Where a word may attend to nothing, it gets the average of all values. The attention should give zeros there.",
    mistakes_2.EmptyRowsAverage,
    "hide",
    "rescue",
)
_from_exercise_2(
    "dropout in eval mode",
    "Dropout is active in eval mode too, so predictions are random.",
    mistakes_2.DropoutInEval,
    "drop",
)
