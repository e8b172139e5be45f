"""Misconceptions about the Transformer block, as small wrong implementations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from helpers.checks.engine.run import Misconceptions
from helpers.checks.exercises.attention_by_hand import QuickLinear
from helpers.checks.exercises.mistakes_3 import SelfAttentionByHand

MISCONCEPTIONS = Misconceptions()


class BlockByHand(nn.Module):
    """A Transformer block, right as it stands; a subclass goes wrong in one method."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        hidden_dim: int | None = None,
        dropout: float = 0.1,
        norm_first: bool = False,
        bias: bool = False,
        activation: str = "relu",
        norm_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.norm_first, self.activation, self.p = norm_first, activation, dropout
        self.attention = SelfAttentionByHand(embed_dim, num_heads, dropout=dropout, bias=self.attention_bias(bias))
        self.norm_1 = self.make_norm(embed_dim, norm_eps)
        self.norm_2 = self.make_norm(embed_dim, norm_eps)
        hidden = self.hidden_width(embed_dim, hidden_dim)
        self.mlp_1, self.mlp_2 = QuickLinear(embed_dim, hidden), QuickLinear(hidden, embed_dim)

    def attention_bias(self, bias: bool) -> bool:
        return bias

    def make_norm(self, k: int, eps: float) -> nn.Module:
        return nn.LayerNorm(k, eps=eps)

    def hidden_width(self, k: int, hidden: int | None) -> int:
        return 2 * k if hidden is None else hidden

    def drop(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, self.p, self.training)

    def attend(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return self.drop(self.attention(x, mask))

    def activate(self, x: torch.Tensor) -> torch.Tensor:
        return F.gelu(x) if self.activation == "gelu" else F.relu(x)

    def mlp(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(self.mlp_2(self.activate(self.mlp_1(x))))

    def with_norm_last(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        x = self.norm_1(x + self.attend(x, mask))
        return self.norm_2(x + self.mlp(x))

    def with_norm_first(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        x = x + self.attend(self.norm_1(x), mask)
        return x + self.mlp(self.norm_2(x))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return self.with_norm_first(x, mask) if self.norm_first else self.with_norm_last(x, mask)


@MISCONCEPTIONS(
    "no residual path around the attention",
    "The attention's output takes the place of its input. Add the input: that is the residual path.",
)
class NoResidualAttention(BlockByHand):
    def with_norm_last(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        x = self.norm_1(self.attend(x, mask))
        return self.norm_2(x + self.mlp(x))

    def with_norm_first(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        x = self.attend(self.norm_1(x), mask)
        return x + self.mlp(self.norm_2(x))


@MISCONCEPTIONS(
    "no residual path around the MLP",
    "The MLP's output takes the place of its input. Add the input: that is the residual path.",
)
class NoResidualMLP(BlockByHand):
    def with_norm_last(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return self.norm_2(self.mlp(self.norm_1(x + self.attend(x, mask))))

    def with_norm_first(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return self.mlp(self.norm_2(x + self.attend(self.norm_1(x), mask)))


@MISCONCEPTIONS(
    "no residual path", "Nothing is added: both residual paths, around the attention and around the MLP, are missing."
)
class NoResidual(BlockByHand):
    def with_norm_last(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return self.norm_2(self.mlp(self.norm_1(self.attend(x, mask))))

    def with_norm_first(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return self.mlp(self.norm_2(self.attend(self.norm_1(x), mask)))


@MISCONCEPTIONS(
    "the block's input added twice",
    "The block's own input is added after the MLP. What is added there is what went into the MLP.",
)
class InputAddedTwice(BlockByHand):
    def with_norm_last(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return self.norm_2(x + self.mlp(self.norm_1(x + self.attend(x, mask))))

    def with_norm_first(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return x + self.mlp(self.norm_2(x + self.attend(self.norm_1(x), mask)))


@MISCONCEPTIONS(
    "attention and MLP side by side",
    "The MLP reads the block's input. It should read what the attention's half has made of it.",
)
class SideBySide(BlockByHand):
    def with_norm_last(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return self.norm_2(self.norm_1(x + self.attend(x, mask)) + self.mlp(x))

    def with_norm_first(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return x + self.attend(self.norm_1(x), mask) + self.mlp(self.norm_2(x))


@MISCONCEPTIONS(
    "norm before adding",
    "The norm sees the attention's (or the MLP's) output alone, and the input is added after it. Add first, then "
    "normalize the sum.",
)
class NormBeforeAdding(BlockByHand):
    def with_norm_last(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        x = x + self.norm_1(self.attend(x, mask))
        return x + self.norm_2(self.mlp(x))


@MISCONCEPTIONS(
    "always norm first", "The norms come first although norm_first=False: without it, add, then normalize the sum."
)
class AlwaysNormFirst(BlockByHand):
    def with_norm_last(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return self.with_norm_first(x, mask)


@MISCONCEPTIONS(
    "never norm first",
    "`norm_first` has no effect: with norm_first=True each norm comes before the attention or the MLP.",
)
class NeverNormFirst(BlockByHand):
    def with_norm_first(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return self.with_norm_last(x, mask)


@MISCONCEPTIONS("norm_first inverted", "`norm_first` works the wrong way round.")
class NormFirstInverted(BlockByHand):
    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return self.with_norm_last(x, mask) if self.norm_first else self.with_norm_first(x, mask)


@MISCONCEPTIONS(
    "norm first on the residual path",
    "With norm_first=True, what is added is the normalized input. The residual path goes around the norm: add the "
    "input itself.",
)
class NormOnResidualPath(BlockByHand):
    def with_norm_first(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        x = self.norm_1(x)
        x = x + self.attend(x, mask)
        x = self.norm_2(x)
        return x + self.mlp(x)


@MISCONCEPTIONS(
    "one norm used twice", "`norm_1` normalizes in both places. The second one is `norm_2`, with weights of its own."
)
class OneNormUsedTwice(BlockByHand):
    def with_norm_last(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        x = self.norm_1(x + self.attend(x, mask))
        return self.norm_1(x + self.mlp(x))

    def with_norm_first(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        x = x + self.attend(self.norm_1(x), mask)
        return x + self.mlp(self.norm_1(x))


@MISCONCEPTIONS(
    "one norm with two names", "`norm_1` and `norm_2` are one and the same layer. Each needs weights of its own."
)
class OneNormTwoNames(BlockByHand):
    def __init__(self, *args: object, **named: object) -> None:
        super().__init__(*args, **named)  # type: ignore[arg-type]
        self.norm_2 = self.norm_1


@MISCONCEPTIONS("norms exchanged", "`norm_2` stands at the attention and `norm_1` at the MLP: they are exchanged.")
class NormsExchanged(BlockByHand):
    def with_norm_last(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        x = self.norm_2(x + self.attend(x, mask))
        return self.norm_1(x + self.mlp(x))

    def with_norm_first(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        x = x + self.attend(self.norm_2(x), mask)
        return x + self.mlp(self.norm_1(x))


@MISCONCEPTIONS("no second norm", "The sum after the MLP is not normalized: `norm_2` is never used.")
class NoSecondNorm(BlockByHand):
    def with_norm_last(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        x = self.norm_1(x + self.attend(x, mask))
        return x + self.mlp(x)

    def with_norm_first(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        x = x + self.attend(self.norm_1(x), mask)
        return x + self.mlp(x)


@MISCONCEPTIONS(
    "no second norm with the norm first",
    "With norm_first=True, what goes into the MLP is not normalized: there, too, `norm_2` has its place.",
)
class NoSecondNormFirst(BlockByHand):
    def with_norm_first(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        x = x + self.attend(self.norm_1(x), mask)
        return x + self.mlp(x)


@MISCONCEPTIONS(
    "residual path of the MLP after its norm",
    "With norm_first=True, the MLP's residual path starts after `norm_2`. It should carry x as it came: the norm is "
    "for what goes into the MLP alone.",
)
class ResidualAfterSecondNorm(BlockByHand):
    def with_norm_first(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        x = self.norm_2(x + self.attend(self.norm_1(x), mask))
        return x + self.mlp(x)


@MISCONCEPTIONS("no first norm", "The sum after the attention is not normalized: `norm_1` is never used.")
class NoFirstNorm(BlockByHand):
    def with_norm_last(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        x = x + self.attend(x, mask)
        return self.norm_2(x + self.mlp(x))

    def with_norm_first(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        x = x + self.attend(x, mask)
        return x + self.mlp(self.norm_2(x))


class _NormOverText(nn.LayerNorm):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, x.shape[1:], eps=self.eps) * self.weight + self.bias


@MISCONCEPTIONS(
    "norm over the whole text",
    "The norm takes mean and variance over all words of a text. Layer norm looks at each word's features alone.",
)
class NormOverText(BlockByHand):
    def make_norm(self, k: int, eps: float) -> nn.Module:
        return _NormOverText(k, eps=eps)


class _NormOverWords(nn.LayerNorm):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean(1, keepdim=True)
        return centred / (x.var(1, keepdim=True, correction=0) + self.eps).sqrt() * self.weight + self.bias


@MISCONCEPTIONS(
    "norm along the words",
    "The norm takes mean and variance of each feature along the words. It should take them along the features of a "
    "word.",
)
class NormAlongWords(BlockByHand):
    def make_norm(self, k: int, eps: float) -> nn.Module:
        return _NormOverWords(k, eps=eps)


class _NormUnbiased(nn.LayerNorm):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return centred / (x.var(-1, keepdim=True) + self.eps).sqrt() * self.weight + self.bias


@MISCONCEPTIONS(
    "variance divided by k - 1",
    "The norm's variance is divided by k - 1, as `torch.var` does unless told otherwise. Layer norm divides by k.",
)
class NormUnbiased(BlockByHand):
    def make_norm(self, k: int, eps: float) -> nn.Module:
        return _NormUnbiased(k, eps=eps)


@MISCONCEPTIONS(
    "no activation",
    "There is no activation between the MLP's two layers, so together they are no more than one linear layer.",
)
class NoActivation(BlockByHand):
    def activate(self, x: torch.Tensor) -> torch.Tensor:
        return x


@MISCONCEPTIONS(
    "activation at the end", "The activation comes after the MLP's second layer. It belongs between the two."
)
class ActivationAtEnd(BlockByHand):
    def mlp(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(self.activate(self.mlp_2(self.drop(self.mlp_1(x)))))


@MISCONCEPTIONS("always ReLU", '`activation` has no effect: with activation="gelu" it is still ReLU.')
class AlwaysReLU(BlockByHand):
    def activate(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x)


@MISCONCEPTIONS("always GELU", 'The activation is GELU although activation="relu".')
class AlwaysGELU(BlockByHand):
    def activate(self, x: torch.Tensor) -> torch.Tensor:
        return F.gelu(x)


@MISCONCEPTIONS(
    "GELU approximated", "This GELU is the approximation by tanh. torch's default, and BERT's, is the exact one."
)
class ApproximateGELU(BlockByHand):
    def activate(self, x: torch.Tensor) -> torch.Tensor:
        return F.gelu(x, approximate="tanh") if self.activation == "gelu" else F.relu(x)


@MISCONCEPTIONS(
    "hidden width of 4k", "The MLP is four times as wide as the model inside. Here the default is 2 * embed_dim."
)
class HiddenFourTimes(BlockByHand):
    def hidden_width(self, k: int, hidden: int | None) -> int:
        return 4 * k if hidden is None else hidden


@MISCONCEPTIONS("hidden_dim ignored", "`hidden_dim` has no effect on the width of the MLP.")
class HiddenIgnored(BlockByHand):
    def hidden_width(self, k: int, hidden: int | None) -> int:
        return 2 * k


@MISCONCEPTIONS("norm_eps ignored", "`norm_eps` has no effect: hand it on to both norms.")
class EpsIgnored(BlockByHand):
    def make_norm(self, k: int, eps: float) -> nn.Module:
        return nn.LayerNorm(k)


@MISCONCEPTIONS("bias not passed on", "`bias` has no effect on the attention's projections: hand it on.")
class BiasNotPassedOn(BlockByHand):
    def attention_bias(self, bias: bool) -> bool:
        return False


@MISCONCEPTIONS("always a bias", "The attention's projections have a bias although bias=False: hand `bias` on.")
class AlwaysBias(BlockByHand):
    def attention_bias(self, bias: bool) -> bool:
        return True


@MISCONCEPTIONS("mask not passed on", "The mask has no effect: hand it on to the attention.")
class MaskNotPassedOn(BlockByHand):
    def attend(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return super().attend(x, None)


@MISCONCEPTIONS("mask inverted", "The mask works the wrong way round: here True means that a word may be attended to.")
class MaskInverted(BlockByHand):
    def attend(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return super().attend(x, None if mask is None else ~mask)


@MISCONCEPTIONS(
    "dropout in eval mode",
    "Dropout is active in eval mode too, so predictions are random. `nn.Dropout` knows the mode; `F.dropout` has to be "
    "told.",
)
class DropoutInEval(BlockByHand):
    def drop(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, self.p, training=True)


@MISCONCEPTIONS("no dropout", "Nothing is dropped in train mode: the `dropout` argument has no effect.")
class NoDropout(BlockByHand):
    def __init__(
        self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1, **named: object
    ) -> None:
        super().__init__(embed_dim, num_heads, hidden_dim, 0.0, **named)  # type: ignore[arg-type]


@MISCONCEPTIONS(
    "attention's dropout not passed on",
    "The attention drops with its own default of 0.1 whatever `dropout` says: hand `dropout` on to it.",
)
class AttentionDropoutNotPassedOn(BlockByHand):
    def __init__(self, *args: object, **named: object) -> None:
        super().__init__(*args, **named)  # type: ignore[arg-type]
        self.attention.p = 0.1
