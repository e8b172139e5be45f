"""Wrong answers to exercise 4: changes to right ones, and the misconception that explains each, if one does."""

from __future__ import annotations

import torch
from torch import nn

from answers import right_4
from answers.mutate import mutated
from answers.right_4 import AsInTheLesson, OwnNorm, WithOwnNorm, WithTorchsAttention


class _BatchNorm(nn.BatchNorm1d):
    def forward(self, x):
        return super().forward(x.mT).mT


class _OverBatch(OwnNorm):
    def forward(self, x):
        return torch.nn.functional.layer_norm(x.transpose(0, -1), x.shape[:1]).transpose(0, -1) * self.gain + self.shift


class _EpsOutside(OwnNorm):
    def forward(self, x):
        x = x - x.mean(-1, keepdim=True)
        return self.gain * x / (x.pow(2).mean(-1, keepdim=True).sqrt() + self.eps) + self.shift


right_4._BatchNorm = _BatchNorm  # where the changed source looks for it

_FIRST_1 = "x = x + self.dropout(self.attention(self.norm_1(x), mask))"
_FIRST_2 = "return x + self.dropout(self.mlp(self.norm_2(x)))"
_LAST_1 = "x = self.norm_1(x + self.dropout(self.attention(x, mask)))"
_LAST_2 = "return self.norm_2(x + self.dropout(self.mlp(x)))"
_HIDDEN = "hidden_dim = 2 * embed_dim if hidden_dim is None else hidden_dim"
_NORM_2 = "self.norm_2 = nn.LayerNorm(embed_dim, eps=norm_eps)"
_ACTIVATION = '{"relu": nn.ReLU, "gelu": nn.GELU}[activation]()'
_ATTENTION = "WithOurAttention(embed_dim, num_heads, dropout=dropout, bias=bias)"


def changed(*changes):
    return mutated(AsInTheLesson, *changes)


# (what is wrong, the wrong answer, name of the misconception or None)
WRONG = [
    (
        "no residual, attention",
        changed((_FIRST_1, _FIRST_1.replace("x + ", "")), (_LAST_1, _LAST_1.replace("x + ", ""))),
        "no residual path around the attention",
    ),
    (
        "no residual, MLP",
        changed((_FIRST_2, _FIRST_2.replace("x + ", "")), (_LAST_2, _LAST_2.replace("x + ", ""))),
        "no residual path around the MLP",
    ),
    (
        "no residual, norm first only",
        changed((_FIRST_1, _FIRST_1.replace("x + ", ""))),
        "no residual path around the attention",
    ),
    ("no residual at all", changed(("x + ", "")), "no residual path"),
    ("norm first ignored", changed(("if self.norm_first:", "if False:")), "never norm first"),
    ("norm first always", changed(("if self.norm_first:", "if True:")), "always norm first"),
    ("norm first inverted", changed(("if self.norm_first:", "if not self.norm_first:")), "norm_first inverted"),
    (
        "norm before adding",
        changed(
            (_LAST_1, "x = x + self.norm_1(self.attention(x, mask))"), (_LAST_2, "return x + self.norm_2(self.mlp(x))")
        ),
        "norm before adding",
    ),
    (
        "normalized residual",
        changed(
            (_FIRST_1, "x = self.norm_1(x); x = x + self.attention(x, mask)"),
            (_FIRST_2, "x = self.norm_2(x); return x + self.mlp(x)"),
        ),
        "norm first on the residual path",
    ),
    ("norm_1 twice", changed(("self.norm_2(x", "self.norm_1(x")), "one norm used twice"),
    ("norm_2 is norm_1", changed((_NORM_2, "self.norm_2 = self.norm_1")), "one norm with two names"),
    (
        "norms exchanged",
        changed(
            ("self.norm_1(x", "self.norm_(x"), ("self.norm_2(x", "self.norm_1(x"), ("self.norm_(x", "self.norm_2(x")
        ),
        "norms exchanged",
    ),
    (
        "no second norm",
        changed((_FIRST_2, "return x + self.mlp(x)"), (_LAST_2, "return x + self.mlp(x)")),
        "no second norm",
    ),
    (
        "input added twice",
        changed((_LAST_2, "return self.norm_2(y + self.dropout(self.mlp(x)))"), (_LAST_1, "y = x; " + _LAST_1)),
        "the block's input added twice",
    ),
    ("no activation", changed((_ACTIVATION, "nn.Identity()")), "no activation"),
    ("always ReLU", changed((_ACTIVATION, "nn.ReLU()")), "always ReLU"),
    ("always GELU", changed((_ACTIVATION, "nn.GELU()")), "always GELU"),
    (
        "GELU by tanh",
        changed((_ACTIVATION, 'nn.ReLU() if activation == "relu" else nn.GELU(approximate="tanh")')),
        "GELU approximated",
    ),
    ("4 k wide", changed((_HIDDEN, _HIDDEN.replace("2 *", "4 *"))), "hidden width of 4k"),
    ("hidden_dim ignored", changed((_HIDDEN, "hidden_dim = 2 * embed_dim")), "hidden_dim ignored"),
    ("eps ignored", changed((", eps=norm_eps", "")), "norm_eps ignored"),
    ("bias ignored", changed((", bias=bias", "")), "bias not passed on"),
    ("always bias", changed((", bias=bias", ", bias=True")), "always a bias"),
    ("mask ignored", changed((", mask)", ")")), "mask not passed on"),
    (
        "mask inverted, as torch's layers want it",
        mutated(WithTorchsAttention, ("attn_mask=~(mask", "attn_mask=(mask")),
        "mask inverted",
    ),
    (
        "attention's dropout by default",
        changed((", dropout=dropout, bias", ", bias")),
        "attention's dropout not passed on",
    ),
    (
        "dropout in eval mode",
        changed(
            (_FIRST_1, _FIRST_1.replace("self.dropout(", "nn.functional.dropout(")),
            (_LAST_1, _LAST_1.replace("self.dropout(", "nn.functional.dropout(")),
        ),
        None,
    ),
    ("no dropout", changed(("super().__init__()", "super().__init__(); dropout = 0.0")), "no dropout"),
    # No list names these
    (
        "dropout in eval mode, norm first only",
        changed((_FIRST_2, _FIRST_2.replace("self.dropout(", "nn.functional.dropout("))),
        None,
    ),
    (
        "dropout of 0.1 where the norm comes first",
        changed((_FIRST_2, _FIRST_2.replace("self.dropout(self.mlp", "nn.Dropout(0.1).train(self.training)(self.mlp"))),
        None,
    ),
    ("no dropout of 0.1 and no bias", changed(("bias=False", "bias=True")), "always a bias"),
    ("norm first by default", changed(("norm_first=False", "norm_first=True")), "always norm first"),
    ("default eps of BERT", changed(("norm_eps=1e-5", "norm_eps=1e-12")), None),
    ("default eps of 1e-6", changed(("norm_eps=1e-5", "norm_eps=1e-6")), None),
    ("eps for the first norm only", changed((_NORM_2, "self.norm_2 = nn.LayerNorm(embed_dim)")), None),
    ("GELU by default", changed(('activation="relu"', 'activation="gelu"')), "always GELU"),
    ("leaky", changed((_ACTIVATION, "nn.LeakyReLU()")), None),
    ("sigmoid", changed((_ACTIVATION, "nn.Sigmoid()")), None),
    ("batch norm", changed(("nn.LayerNorm(embed_dim, eps=norm_eps)", "_BatchNorm(embed_dim, eps=norm_eps)")), None),
    ("norm over the batch", type("B", (WithOwnNorm,), {"norm": _OverBatch}), None),
    (
        "root mean square",
        changed(("nn.LayerNorm(embed_dim, eps=norm_eps)", "nn.RMSNorm(embed_dim, eps=norm_eps)")),
        None,
    ),
    ("norms without weights", changed(("eps=norm_eps)", "eps=norm_eps, elementwise_affine=False)")), None),
    ("eps outside the root", type("B", (WithOwnNorm,), {"norm": _EpsOutside}), None),
    ("attention twice", changed((_LAST_1, _LAST_1 + "; x = self.norm_1(x + self.attention(x, mask))")), None),
    ("mask in norm first only", changed((_LAST_1, _LAST_1.replace(", mask", ""))), "mask not passed on"),
    (
        "mask of the first text",
        changed(
            (
                "def forward(self, x, mask=None):",
                "def forward(self, x, mask=None):\n        mask = mask if mask is None or mask.dim() < 4 else mask[:1]",
            )
        ),
        None,
    ),
    ("half the residual", changed((_LAST_1, _LAST_1.replace("x + ", "0.5 * x + "))), "attention added twice"),
    (
        "MLP first",
        changed(
            (_LAST_1, "x = self.norm_1(x + self.mlp(x))"), (_LAST_2, "return self.norm_2(x + self.attention(x, mask))")
        ),
        None,
    ),
    (
        "one layer in the MLP",
        changed(
            ("nn.Linear(hidden_dim, embed_dim),", ""),
            ("nn.Linear(embed_dim, hidden_dim),", "nn.Linear(embed_dim, embed_dim),"),
        ),
        None,
    ),
    ("a third layer in the MLP", changed(("nn.Dropout(dropout),", "nn.Linear(hidden_dim, hidden_dim),")), None),
    ("an activation at the end", changed((_LAST_2, "return torch.relu(self.norm_2(x + self.mlp(x)))")), None),
    ("the residual detached", changed((_FIRST_1, _FIRST_1.replace("x + ", "x.detach() + "))), None),
    ("the MLP frozen", changed((_NORM_2, _NORM_2 + "; self.norm_2.requires_grad_(False)")), None),
    ("float32 inside", changed((_LAST_2, _LAST_2 + ".float()"), (_FIRST_2, _FIRST_2 + ".float()")), None),
    ("returns the attention too", changed((_LAST_2, _LAST_2 + ", x")), None),
    ("edits its input", changed((_LAST_1, "x += self.attention(x, mask); x = self.norm_1(x)")), None),
    ("no norm_2", changed((_NORM_2, ""), ("self.norm_2(x", "self.norm_1(x")), None),
    (
        "wide heads",
        changed((_ATTENTION, "WithOurAttention(embed_dim, num_heads, head_dim=embed_dim, dropout=dropout, bias=bias)")),
        None,
    ),
    ("one head", changed((_ATTENTION, "WithOurAttention(embed_dim, 1, dropout=dropout, bias=bias)")), None),
]
