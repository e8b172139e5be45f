"""Misconceptions about additive attention, as small wrong implementations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from helpers.checks.engine.run import Misconceptions

MISCONCEPTIONS = Misconceptions()

Pair = tuple[torch.Tensor, torch.Tensor]


class AdditiveByHand(nn.Module):
    """Right as it stands (a test compares it with the formula); a subclass goes wrong in one method."""

    def __init__(self, query_dim: int, key_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.W = nn.Linear(query_dim, hidden_dim)
        self.U = nn.Linear(key_dim, hidden_dim)
        self.v = nn.Linear(hidden_dim, 1)

    def from_query(self, query: torch.Tensor) -> torch.Tensor:
        """(b, q) gives (b, 1, hidden)."""
        return self.W(query)[:, None]

    def from_keys(self, keys: torch.Tensor) -> torch.Tensor:
        """(b, tk, k) gives (b, tk, hidden)."""
        return self.U(keys)

    def combine(self, query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return query + keys

    def bend(self, x: torch.Tensor) -> torch.Tensor:
        return x.tanh()

    def score(self, hidden: torch.Tensor) -> torch.Tensor:
        """(b, tk, hidden) gives (b, tk)."""
        return self.v(hidden)[..., 0]

    def hide(self, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return scores.masked_fill(~mask, -torch.inf)

    def share(self, scores: torch.Tensor) -> torch.Tensor:
        return scores.softmax(-1)

    def rescue(self, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return weights.masked_fill(~mask, 0.0)

    def average(self, weights: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """(b, tk) and (b, tk, k) give (b, k)."""
        return (weights[..., None] * keys).sum(1)

    def hand_over(self, context: torch.Tensor, weights: torch.Tensor) -> Pair:
        return context, weights

    def forward(self, query: torch.Tensor, keys: torch.Tensor, mask: torch.Tensor | None = None) -> Pair:
        scores = self.score(self.bend(self.combine(self.from_query(query), self.from_keys(keys))))
        if mask is not None:
            scores = self.hide(scores, mask)
        weights = self.share(scores)
        if mask is not None:
            weights = self.rescue(weights, mask)
        return self.hand_over(self.average(weights, keys), weights)


# Scores


@MISCONCEPTIONS(
    "no tanh", "There is no tanh: without it, W q adds the same to every key's score, and changes no weight."
)
class NoTanh(AdditiveByHand):
    def bend(self, x: torch.Tensor) -> torch.Tensor:
        return x


@MISCONCEPTIONS(
    "relu for tanh", "W q + U k goes through a ReLU, which cuts off what is negative. The formula has a tanh."
)
class Relu(AdditiveByHand):
    def bend(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu()


@MISCONCEPTIONS(
    "sigmoid for tanh", "W q + U k goes through a sigmoid, from 0 to 1. The formula has a tanh, from -1 to 1."
)
class SigmoidForTanh(AdditiveByHand):
    def bend(self, x: torch.Tensor) -> torch.Tensor:
        return x.sigmoid()


@MISCONCEPTIONS(
    "tanh outside", "The tanh is taken of the score, v^T (W q + U k). It belongs inside: v^T tanh(W q + U k)."
)
class TanhOutside(AdditiveByHand):
    def bend(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def score(self, hidden: torch.Tensor) -> torch.Tensor:
        return super().score(hidden).tanh()


@MISCONCEPTIONS(
    "no v, a sum", "v is left out: the numbers of tanh(W q + U k) are simply added up. v weighs them first."
)
class NoV(AdditiveByHand):
    def score(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden.sum(-1)


@MISCONCEPTIONS(
    "no v, a mean", "v is left out: the score is the mean of tanh(W q + U k). v weighs these numbers first."
)
class NoVMean(AdditiveByHand):
    def score(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden.mean(-1)


@MISCONCEPTIONS(
    "no query",
    "The query plays no part: whatever is asked, the weights are the same. W q has to be added inside the tanh; what "
    "is added to all scores alike, softmax takes out again.",
)
class NoQuery(AdditiveByHand):
    def combine(self, query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return keys


@MISCONCEPTIONS("no keys", "The keys play no part in the scores, so all keys get the same weight.")
class NoKeys(AdditiveByHand):
    def combine(self, query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return query.expand(keys.shape)


@MISCONCEPTIONS(
    "query not projected",
    "The query is added as it is. W has to bring it to hidden_dim first: query_dim may be another.",
)
class QueryNotProjected(AdditiveByHand):
    def from_query(self, query: torch.Tensor) -> torch.Tensor:
        return query[:, None]


@MISCONCEPTIONS(
    "keys not projected",
    "The keys are added as they are. U has to bring them to hidden_dim first: key_dim may be another.",
)
class KeysNotProjected(AdditiveByHand):
    def from_keys(self, keys: torch.Tensor) -> torch.Tensor:
        return keys


@MISCONCEPTIONS(
    "no axis for the keys",
    "W q, (b, hidden), is added to U k, (b, tk, hidden), without an axis for the keys in between. Then the shapes do "
    "not fit, or worse, they do, and each key meets another text's query.",
)
class NoAxis(AdditiveByHand):
    def from_query(self, query: torch.Tensor) -> torch.Tensor:
        return self.W(query)


@MISCONCEPTIONS("multiplied", "W q and U k are multiplied with each other. This attention is additive: add them.")
class Multiplied(AdditiveByHand):
    def combine(self, query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return query * keys


@MISCONCEPTIONS("subtracted", "The difference of W q and U k is taken. This attention is additive: add them.")
class Subtracted(AdditiveByHand):
    def combine(self, query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return query - keys


@MISCONCEPTIONS(
    "dot product",
    "The score is the dot product of W q and U k, which is lesson 2's attention. Here it is v^T tanh(W q + U k).",
)
class DotProduct(NoV):
    def combine(self, query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return query * keys

    def bend(self, x: torch.Tensor) -> torch.Tensor:
        return x


@MISCONCEPTIONS(
    "scaled", "The scores are divided by the root of hidden_dim. That is right for a dot product (lesson 2), not here."
)
class Scaled(AdditiveByHand):
    def score(self, hidden: torch.Tensor) -> torch.Tensor:
        return super().score(hidden) / hidden.shape[-1] ** 0.5


# Weights


@MISCONCEPTIONS(
    "softmax over the batch",
    "Softmax runs over the batch: the texts compete for each key. It should run over the keys of each text.",
)
class SoftmaxOverBatch(AdditiveByHand):
    def share(self, scores: torch.Tensor) -> torch.Tensor:
        return scores.softmax(0)


@MISCONCEPTIONS(
    "softmax over one number",
    "The scores still have the shape (b, tk, 1), and softmax runs over the last axis, a single number: every weight is "
    "1. Take that axis away before softmax.",
)
class SoftmaxOverOne(AdditiveByHand):
    def share(self, scores: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(scores)[..., None]

    def rescue(self, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return weights

    def average(self, weights: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return keys.sum(1)


@MISCONCEPTIONS(
    "an axis too many", "The weights have the shape (b, tk, 1). The axis that v left behind has to go: (b, tk)."
)
class AxisTooMany(AdditiveByHand):
    def hand_over(self, context: torch.Tensor, weights: torch.Tensor) -> Pair:
        return context, weights[..., None]


@MISCONCEPTIONS(
    "no softmax", "The scores are used as weights as they are. Softmax turns them into weights that sum to 1."
)
class NoSoftmax(AdditiveByHand):
    def share(self, scores: torch.Tensor) -> torch.Tensor:
        return scores


@MISCONCEPTIONS(
    "sigmoid for softmax", "Each weight comes from a sigmoid of its own, so they do not sum to 1 as they do in softmax."
)
class SigmoidForSoftmax(AdditiveByHand):
    def share(self, scores: torch.Tensor) -> torch.Tensor:
        return scores.sigmoid()


@MISCONCEPTIONS(
    "softmax that overflows",
    "The softmax overflows: exp of a large score is infinite, and infinity divided by infinity is NaN. "
    "`torch.softmax` subtracts the largest score first.",
)
class SoftmaxOverflows(AdditiveByHand):
    def share(self, scores: torch.Tensor) -> torch.Tensor:
        return scores.exp() / scores.exp().sum(-1, keepdim=True)


# Context


@MISCONCEPTIONS(
    "average of projected keys", "The weights average U k. They should average the keys as they came in: (b, k)."
)
class ProjectedKeys(AdditiveByHand):
    def average(self, weights: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return super().average(weights, self.U(keys))


@MISCONCEPTIONS("plain mean", "The context is the plain mean of the keys: the weights are not used.")
class PlainMean(AdditiveByHand):
    def average(self, weights: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return keys.mean(1)


@MISCONCEPTIONS("plain sum", "The context is the plain sum of the keys: the weights are not used.")
class PlainSum(AdditiveByHand):
    def average(self, weights: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return keys.sum(1)


@MISCONCEPTIONS(
    "mean of the weighted keys",
    "The weighted keys are averaged once more, so the context is too small by the number of keys. The weights sum to 1 "
    "already: add the weighted keys up.",
)
class MeanOfWeighted(AdditiveByHand):
    def average(self, weights: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return super().average(weights, keys) / keys.shape[1]


@MISCONCEPTIONS(
    "the best key alone",
    "The context is the key with the largest weight, alone. It should be the average of all keys: only that has a "
    "slope along which W, U and v can learn.",
)
class BestKey(AdditiveByHand):
    def average(self, weights: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return keys[torch.arange(len(keys)), weights.argmax(1)]


@MISCONCEPTIONS(
    "largest weighted number",
    "The context takes the largest of the weighted keys, number by number. It should add them up.",
)
class LargestWeighted(AdditiveByHand):
    def average(self, weights: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return (weights[..., None] * keys).amax(1)


@MISCONCEPTIONS(
    "weighted keys not added up", "The keys are weighed, but not added up: the context still has an axis for the keys."
)
class NotAddedUp(AdditiveByHand):
    def average(self, weights: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return weights[..., None] * keys


@MISCONCEPTIONS(
    "an axis left in the context", "The context has the shape (b, 1, k). The axis of length 1 has to go: (b, k)."
)
class AxisInContext(AdditiveByHand):
    def average(self, weights: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return super().average(weights, keys)[:, None]


@MISCONCEPTIONS("weights first", "The two results have changed places: the context comes first, then the weights.")
class WeightsFirst(AdditiveByHand):
    def hand_over(self, context: torch.Tensor, weights: torch.Tensor) -> Pair:
        return weights, context


@MISCONCEPTIONS("scores returned", "What comes back as weights are the scores, from before softmax.")
class ScoresReturned(AdditiveByHand):
    def share(self, scores: torch.Tensor) -> torch.Tensor:
        self.scores = scores
        return super().share(scores)

    def hand_over(self, context: torch.Tensor, weights: torch.Tensor) -> Pair:
        return context, self.scores


# Masks


@MISCONCEPTIONS("mask ignored", "The mask changes nothing: keys that are forbidden still get weight.")
class MaskIgnored(AdditiveByHand):
    def hide(self, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return scores

    def rescue(self, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return weights


@MISCONCEPTIONS("mask inverted", "The mask works the wrong way round: here True means that a key may be attended to.")
class MaskInverted(AdditiveByHand):
    def hide(self, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return super().hide(scores, ~mask)

    def rescue(self, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return super().rescue(weights, ~mask)


@MISCONCEPTIONS(
    "mask inverted, then zeroed",
    "The scores of the allowed keys are hidden, not those of the forbidden: True means that a key may be attended to.",
)
class MaskInvertedOnce(AdditiveByHand):
    def hide(self, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return super().hide(scores, ~mask)


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
    "Minus infinity is what makes it 0.",
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
class MaskOfFirst(AdditiveByHand):
    def hide(self, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return super().hide(scores, mask[:1])

    def rescue(self, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return super().rescue(weights, mask[:1])


@MISCONCEPTIONS("average of all keys", "The weights are right, but the context averages the keys without the mask.")
class ContextWithoutMask(AdditiveByHand):
    def hide(self, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        self.open = scores.softmax(-1)
        return super().hide(scores, mask)

    def forward(self, query: torch.Tensor, keys: torch.Tensor, mask: torch.Tensor | None = None) -> Pair:
        context, weights = super().forward(query, keys, mask)
        return (context if mask is None else self.average(self.open, keys)), weights


@MISCONCEPTIONS(
    "NaN where nothing may be attended to",
    "Where the mask forbids every key, softmax divides 0 by 0, and NaN comes out. Zeros are wanted there.",
)
class EmptyRowsNaN(AdditiveByHand):
    def rescue(self, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return weights


@MISCONCEPTIONS(
    "an average where nothing may be attended to",
    "Where the mask forbids every key, the context is the average of all of them. Zeros are wanted there.",
)
class EmptyRowsAverage(AdditiveByHand):
    def hide(self, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return scores.masked_fill(~mask, -1e9)

    def rescue(self, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return weights


@MISCONCEPTIONS(
    "dropout",
    "In train mode, something is dropped at random. The exercise has no dropout, and no argument for it.",
)
class Dropout(AdditiveByHand):
    def average(self, weights: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        return super().average(F.dropout(weights, 0.5, self.training), keys)
