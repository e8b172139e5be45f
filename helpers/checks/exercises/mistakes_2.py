"""Misconceptions about scaled dot-product attention, as small wrong implementations."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from helpers.checks.engine.run import Misconceptions
from helpers.checks.exercises.attention_by_hand import AttentionByHand

MISCONCEPTIONS = Misconceptions()


class _DotProductAttention(AttentionByHand):
    """The exercise's interface around attention by hand."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.p = dropout

    def calculate_score(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return self.score(queries, keys)

    def forward(
        self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        queries, keys, values = (self.split(x) for x in (queries, keys, values))
        return self.join(self.attend(queries, keys, values, mask))


@MISCONCEPTIONS("no scaling", "The scores are not scaled: divide them by the square root of d, the width of one head.")
class NoScaling(_DotProductAttention):
    def scale(self, d: int) -> float:
        return 1.0


@MISCONCEPTIONS(
    "scaled by d", "The scores are divided by d itself, not by its square root: the weights come out too even."
)
class ScaledByD(_DotProductAttention):
    def scale(self, d: int) -> float:
        return 1 / d


@MISCONCEPTIONS(
    "multiplied by the root", "The scores are multiplied by the square root of d. They should be divided by it."
)
class MultipliedByRoot(_DotProductAttention):
    def scale(self, d: int) -> float:
        return d**0.5


@MISCONCEPTIONS(
    "scaled by the keys' number",
    "The scores are divided by the square root of the number of keys. What counts is d, the width of one head.",
)
class ScaledByNumberOfKeys(_DotProductAttention):
    def score(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return queries @ keys.transpose(-2, -1) / keys.shape[-2] ** 0.5


@MISCONCEPTIONS(
    "scaled by the queries' number",
    "The scores are divided by the square root of the number of queries. What counts is d, the width of one head.",
)
class ScaledByNumberOfQueries(_DotProductAttention):
    def score(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return queries @ keys.transpose(-2, -1) / queries.shape[-2] ** 0.5


@MISCONCEPTIONS(
    "softmax over the queries",
    "Softmax runs over the queries: each key shares itself out. It is each query that shares out a weight of 1 "
    "among the keys.",
)
class SoftmaxOverQueries(_DotProductAttention):
    def share(self, scores: torch.Tensor) -> torch.Tensor:
        return scores.softmax(-2)


@MISCONCEPTIONS(
    "softmax over batch and heads",
    "Softmax runs over the first axis, so texts and heads of one batch compete. It should run over the keys.",
)
class SoftmaxOverBatch(_DotProductAttention):
    def share(self, scores: torch.Tensor) -> torch.Tensor:
        return scores.flatten(0, 1).softmax(0).reshape(scores.shape)


@MISCONCEPTIONS(
    "softmax over the heads",
    "Softmax runs over the heads: they compete for each key. Each head has weights of its own, over the keys.",
)
class SoftmaxOverHeads(_DotProductAttention):
    def share(self, scores: torch.Tensor) -> torch.Tensor:
        return scores.softmax(1)


@MISCONCEPTIONS(
    "no softmax", "The scores are used as weights as they are. Softmax turns them into weights that sum to 1."
)
class NoSoftmax(_DotProductAttention):
    def share(self, scores: torch.Tensor) -> torch.Tensor:
        return scores


@MISCONCEPTIONS(
    "sigmoid for softmax",
    "Each weight comes from a sigmoid of its own, so a query's weights do not sum to 1 as in softmax.",
)
class Sigmoid(_DotProductAttention):
    def share(self, scores: torch.Tensor) -> torch.Tensor:
        return scores.sigmoid()


@MISCONCEPTIONS(
    "softmax that overflows",
    "The softmax overflows: exp of a large score is infinite, and infinity divided by infinity is NaN. "
    "`torch.softmax` subtracts each row's maximum first.",
)
class SoftmaxOverflows(_DotProductAttention):
    def share(self, scores: torch.Tensor) -> torch.Tensor:
        return scores.exp() / scores.exp().sum(-1, keepdim=True)


@MISCONCEPTIONS(
    "keys and queries swapped",
    "Keys and queries have changed places: the scores have a row for each key. They should have a row for each query.",
)
class Swapped(_DotProductAttention):
    def score(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return super().score(keys, queries)


@MISCONCEPTIONS(
    "values left out",
    "The values are left out: what comes back are the weights. Multiply them with the values, so that each query gets "
    "an average of values.",
)
class ValuesLeftOut(_DotProductAttention):
    def combine(self, weights: torch.Tensor, values: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return weights


@MISCONCEPTIONS("keys for values", "The weights average the keys. They should average the values.")
class KeysForValues(_DotProductAttention):
    def combine(self, weights: torch.Tensor, values: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return weights @ keys


@MISCONCEPTIONS(
    "values summed up",
    "The output is the same for all queries: the values are added up without the weights.",
)
class ValuesSummed(_DotProductAttention):
    def combine(self, weights: torch.Tensor, values: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return values.sum(-2, keepdim=True).expand(*weights.shape[:-1], values.shape[-1])


@MISCONCEPTIONS(
    "heads split by reshape alone",
    "Queries, keys and values are reshaped to (b * h, t, d) without a transpose first, so heads and words are mixed "
    "up. Bring the heads beside the batch, then reshape.",
)
class SplitByReshape(_DotProductAttention):
    def split(self, x: torch.Tensor) -> torch.Tensor:
        b, t, h, d = x.shape
        return x.reshape(b, h, t, d)


@MISCONCEPTIONS(
    "heads joined by reshape alone",
    "The heads are joined in the wrong order: (b, h, tq, d) is reshaped to (b, tq, h * d) without bringing the heads "
    "behind the queries first.",
)
class JoinedByReshape(_DotProductAttention):
    def join(self, x: torch.Tensor) -> torch.Tensor:
        b, h, t, d = x.shape
        return x.reshape(b, t, h * d)


@MISCONCEPTIONS(
    "heads joined feature by feature",
    "The heads are joined in the wrong order: first feature of every head, second feature of every head, and so on. "
    "One head after the other is wanted, h before d.",
)
class JoinedByFeature(_DotProductAttention):
    def join(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1).flatten(2)


@MISCONCEPTIONS("heads averaged", "The heads are averaged into one. They should stand side by side: (b, tq, h * d).")
class HeadsAveraged(_DotProductAttention):
    def join(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(1)


@MISCONCEPTIONS("heads not joined", "The output still has an axis for the heads. Join them: (b, tq, h * d).")
class HeadsNotJoined(_DotProductAttention):
    def join(self, x: torch.Tensor) -> torch.Tensor:
        return x.transpose(1, 2)


@MISCONCEPTIONS("mask ignored", "The mask changes nothing: keys that are forbidden still get weight.")
class MaskIgnored(_DotProductAttention):
    def hide(self, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return scores

    def rescue(self, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return weights


@MISCONCEPTIONS("mask inverted", "The mask works the wrong way round: here True means that a key may be attended to.")
class MaskInverted(_DotProductAttention):
    def hide(self, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return scores.masked_fill(mask, -torch.inf)

    def rescue(self, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return weights.masked_fill(mask, 0.0)


@MISCONCEPTIONS(
    "mask after softmax",
    "The mask is applied after softmax: forbidden keys get 0, but what is left of the weights no longer sums to 1. "
    "Hide the scores before softmax.",
)
class MaskAfterSoftmax(MaskIgnored):
    def rescue(self, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return weights * mask


@MISCONCEPTIONS(
    "mask multiplied into the scores",
    "The scores are multiplied by the mask, so a forbidden key's score is 0, and exp(0) = 1 is no small weight. "
    "Minus infinity is.",
)
class MaskMultiplied(MaskIgnored):
    def hide(self, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return scores * mask


@MISCONCEPTIONS(
    "a small number for minus infinity",
    "A forbidden key's score is made smaller by a fixed number, and a large score wins over it. Only minus infinity, "
    "or the smallest number there is, is small enough.",
)
class MaskTooSmall(MaskIgnored):
    def hide(self, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return scores - 100.0 * ~mask


@MISCONCEPTIONS("mask of the first text", "The mask of the first text in the batch is used for all of them.")
class MaskOfFirst(_DotProductAttention):
    def attend(
        self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        return super().attend(queries, keys, values, mask if mask is None or mask.dim() < 4 else mask[:1])


@MISCONCEPTIONS("mask of the first head", "The mask of the first head is used for all heads.")
class MaskOfFirstHead(_DotProductAttention):
    def attend(
        self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        return super().attend(queries, keys, values, mask if mask is None or mask.dim() < 4 else mask[:, :1])


@MISCONCEPTIONS(
    "mask repeated in another order",
    "The mask is repeated for the heads in another order than the scores have: text after text in the one, head after "
    "head in the other. So texts get each other's masks.",
)
class MaskRepeated(_DotProductAttention):
    def attend(
        self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        if mask is not None:
            b, h, tq, _ = queries.shape
            full = mask.expand(b, mask.shape[1] if mask.dim() == 4 else 1, tq, keys.shape[2])
            if full.shape[1] == 1:
                full = full.repeat(h, 1, 1, 1).reshape(b, h, tq, -1)
            mask = full
        return super().attend(queries, keys, values, mask)


@MISCONCEPTIONS(
    "NaN where nothing may be attended to",
    "Where a query may attend to nothing, softmax divides 0 by 0, and NaN comes out. Zeros are wanted there.",
)
class EmptyRowsNaN(_DotProductAttention):
    def rescue(self, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return weights


@MISCONCEPTIONS(
    "an average where nothing may be attended to",
    "Where a query may attend to nothing, it gets the average of all values. Zeros are wanted there.",
)
class EmptyRowsAverage(_DotProductAttention):
    def hide(self, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return scores.masked_fill(~mask, -1e9)

    def rescue(self, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return weights


@MISCONCEPTIONS(
    "dropout on the scores",
    "Dropout falls on the scores, before softmax. A score of 0 still gets weight: drop weights, after softmax.",
)
class DropoutOnScores(_DotProductAttention):
    def share(self, scores: torch.Tensor) -> torch.Tensor:
        return F.dropout(scores, self.p, self.training).softmax(-1)

    def drop(self, weights: torch.Tensor) -> torch.Tensor:
        return weights


@MISCONCEPTIONS("dropout on the output", "Dropout falls on the output. It belongs on the weights, after softmax.")
class DropoutOnOutput(_DotProductAttention):
    def drop(self, weights: torch.Tensor) -> torch.Tensor:
        return weights

    def join(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(super().join(x), self.p, self.training)


@MISCONCEPTIONS(
    "dropout in eval mode",
    "Dropout is active in eval mode too, so predictions are random. `nn.Dropout` knows the mode; `F.dropout` has to be "
    "told with `training=self.training`.",
)
class DropoutInEval(_DotProductAttention):
    def drop(self, weights: torch.Tensor) -> torch.Tensor:
        return F.dropout(weights, self.p, training=True)


@MISCONCEPTIONS("no dropout", "Nothing is dropped in train mode: the `dropout` argument has no effect.")
class NoDropout(_DotProductAttention):
    def drop(self, weights: torch.Tensor) -> torch.Tensor:
        return weights


@MISCONCEPTIONS(
    "weights kept with probability p",
    "`dropout` is the probability that a weight is dropped; here it is that of staying.",
)
class DropoutInverted(_DotProductAttention):
    def drop(self, weights: torch.Tensor) -> torch.Tensor:
        return F.dropout(weights, 1 - self.p, self.training)


@MISCONCEPTIONS(
    "dropout applied twice",
    "Dropout is applied twice, so more weights are dropped than `dropout` says. The given line does it already.",
)
class DropoutTwice(_DotProductAttention):
    def drop(self, weights: torch.Tensor) -> torch.Tensor:
        return super().drop(super().drop(weights))
