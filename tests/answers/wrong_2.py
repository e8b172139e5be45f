"""Wrong answers to exercise 2: changes to right ones, and the misconception that explains each, if one does."""

from __future__ import annotations

from answers.mutate import mutated
from answers.right_2 import ByHandSoftmax, WithBmm, WithEinsum, WithTorchsFunction

_SCALE = " / math.sqrt(queries.shape[-1])"
_MASK = 'scores = scores.masked_fill(~mask, float("-inf"))'
_RESCUE = "            weights = weights.masked_fill(~mask, 0)\n"
_JOIN = "return out.transpose(1, 2).contiguous().view(b, tq, h * d)"
_EXPAND = "mask = mask.expand(b, h, tq, tk).reshape(b * h, tq, tk)"
_DROP = "weights = self.dropout(weights)"

# (what is wrong, the wrong answer, name of the misconception or None)
WRONG = [
    # The misconceptions that issue 4 lists, as a student would write them into the lesson's skeleton
    ("no scaling", mutated(WithBmm, (_SCALE, "")), "no scaling"),
    ("no scaling, in einsum", mutated(WithEinsum, (" * q.size(-1) ** -0.5", "")), "no scaling"),
    ("scaled by d", mutated(WithBmm, (_SCALE, " / queries.shape[-1]")), "scaled by d"),
    ("scaled by d in forward", mutated(WithEinsum, ("** -0.5", "** -1")), "scaled by d"),
    ("softmax over the queries", mutated(WithBmm, ("dim=2", "dim=1")), "softmax over the queries"),
    ("softmax over the heads", mutated(WithEinsum, ("softmax(-1)", "softmax(1)")), "softmax over the heads"),
    ("softmax over dim 0", mutated(WithBmm, ("dim=2", "dim=0")), "softmax over batch and heads"),
    (
        "queries and keys swapped",
        mutated(WithBmm, ("torch.bmm(queries, keys.transpose(1, 2))", "torch.bmm(keys, queries.transpose(1, 2))")),
        "keys and queries swapped",
    ),
    (
        "heads not moved back",
        mutated(WithBmm, (_JOIN, "return out.reshape(b, tq, h * d)")),
        "heads joined by reshape alone",
    ),
    (
        "features before heads",
        mutated(WithBmm, (_JOIN, "return out.permute(0, 2, 3, 1).reshape(b, tq, h * d)")),
        "heads joined feature by feature",
    ),
    (
        "weights returned",
        mutated(
            WithBmm,
            ("torch.bmm(weights, values).view(b, h, tq, d)", "weights.view(b, h, tq, tk)"),
            (_JOIN, "return out.transpose(1, 2).flatten(2)"),
        ),
        "values left out",
    ),
    (
        "mask inverted",
        mutated(
            WithBmm,
            ("masked_fill(~mask, float", "masked_fill(mask, float"),
            ("masked_fill(~mask, 0)", "masked_fill(mask, 0)"),
        ),
        "mask inverted",
    ),
    ("mask after softmax", mutated(WithBmm, (_MASK, "pass")), "mask after softmax"),
    (
        "dropout on the scores",
        mutated(WithBmm, (_DROP, "pass"), ("F.softmax(scores, dim=2)", "F.softmax(self.dropout(scores), dim=2)")),
        "dropout on the scores",
    ),
    ("dropout in eval mode", mutated(WithEinsum, ("training=self.training", "training=True")), "dropout in eval mode"),
    (
        "dropout in eval mode, torch's function",
        mutated(WithTorchsFunction, ("self.dropout if self.training else 0.0", "self.dropout")),
        "dropout in eval mode",
    ),
    # Others that a list could name
    (
        "split without a transpose",
        mutated(
            WithBmm,
            ("queries.transpose(1, 2).contiguous()", "queries"),
            ("keys.transpose(1, 2).contiguous()", "keys"),
            ("values.transpose(1, 2).contiguous()", "values"),
        ),
        "heads split by reshape alone",
    ),
    ("NaN in empty rows", mutated(WithBmm, (_RESCUE, "            pass\n")), "NaN where nothing may be attended to"),
    (
        "average in empty rows",
        mutated(WithBmm, ('float("-inf")', "-1e9"), (_RESCUE, "            pass\n")),
        "an average where nothing may be attended to",
    ),
    (
        "mask repeated",
        mutated(
            WithBmm,
            (
                _EXPAND,
                "if mask.dim() == 4: "
                "mask = mask.expand(b, -1, tq, tk).transpose(0, 1).repeat(h // mask.shape[1], 1, 1, 1).flatten(0, 1)",
            ),
        ),
        "mask repeated in another order",
    ),
    ("softmax overflows", mutated(ByHandSoftmax, (" - scores.amax(-1, keepdim=True)", "")), "softmax that overflows"),
    ("no dropout", mutated(WithBmm, (_DROP, "pass")), "no dropout"),
    (
        "dropout twice",
        mutated(WithBmm, (_DROP, "weights = self.dropout(self.dropout(weights))")),
        "dropout applied twice",
    ),
    (
        "the probability of staying",
        mutated(WithBmm, ("nn.Dropout(dropout)", "nn.Dropout(1 - dropout)")),
        "weights kept with probability p",
    ),
    (
        "the probability of staying, unless all stay",
        mutated(WithBmm, ("nn.Dropout(dropout)", "nn.Dropout(1 - dropout if dropout else 0)")),
        "weights kept with probability p",
    ),
    (
        "scaled by the number of queries",
        mutated(WithBmm, (_SCALE, " / math.sqrt(queries.shape[1])")),
        "scaled by the queries' number",
    ),
    # No list names these
    ("a constant dropout", mutated(WithBmm, ("nn.Dropout(dropout)", "nn.Dropout(0.1)")), None),
    (
        "dropout in eval mode with a mask only",
        mutated(WithEinsum, ("training=self.training", "training=self.training or allowed is not None")),
        "dropout in eval mode",
    ),
    (
        "softmax twice",
        mutated(WithBmm, ("F.softmax(scores, dim=2)", "F.softmax(F.softmax(scores, dim=2), dim=2)")),
        None,
    ),
    ("log of softmax", mutated(WithBmm, ("F.softmax(", "F.log_softmax(")), None),
    ("a constant scale", mutated(WithBmm, (_SCALE, " / 9")), None),
    (
        "scaled twice",
        mutated(
            WithBmm,
            ("scores = self.calculate_score(queries, keys)", "scores = self.calculate_score(queries, keys) / d**0.5"),
        ),
        "scaled twice",
    ),
    (
        "scaled by h * d",
        mutated(WithBmm, ("weights = F.softmax(scores, dim=2)", "weights = F.softmax(scores / h**0.5, dim=2)")),
        "scaled by the width of all heads",
    ),
    ("minus 1 for minus infinity", mutated(WithBmm, ('float("-inf")', "-1.0"), (_RESCUE, "            pass\n")), None),
    (
        "minus 1 added",
        mutated(WithBmm, (_MASK, "scores = scores - 1.0 * ~mask"), (_RESCUE, "            pass\n")),
        "mask added to the scores",
    ),
    ("minus 1e3", mutated(WithBmm, ('float("-inf")', "-1e3")), None),
    (
        "the smallest positive number",
        mutated(WithBmm, ('float("-inf")', "1e-9"), (_RESCUE, "            pass\n")),
        "mask multiplied into the scores",
    ),
    (
        "mask of the first text",
        mutated(
            WithBmm,
            (_EXPAND, "mask = mask[:1].expand(b, h, tq, tk).reshape(b * h, tq, tk) if mask.dim() == 4 else mask"),
        ),
        "mask of the first text",
    ),
    (
        "mask of the first text alone",
        mutated(
            WithBmm,
            (_MASK, 'scores[:h] = scores[:h].masked_fill(~mask[:h], float("-inf"))'),
            (_RESCUE, "            weights[:h] = weights[:h].masked_fill(~mask[:h], 0)\n"),
        ),
        None,
    ),
    (
        "no mask (b, h, tq, tk)",
        mutated(WithBmm, (_EXPAND, "mask = mask.expand(b, 1, tq, tk).repeat_interleave(h, 0).flatten(0, 1)")),
        None,
    ),
    (
        "masks of two axes only",
        mutated(WithBmm, (_EXPAND, "mask = mask[0, 0] if mask.dim() == 4 else mask")),
        "mask of the first text",
    ),
    (
        "renormalised after dropout",
        mutated(
            WithBmm,
            (
                _DROP,
                "weights = self.dropout(weights)\n        if self.training:\n"
                "            weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-9)",
            ),
        ),
        None,
    ),
    ("dropout of whole keys", mutated(WithBmm, (_DROP, "weights = weights * self.dropout(torch.ones(tk))")), None),
    ("dropout without making up", mutated(ByHandSoftmax, (" / self.keep\n", "\n")), None),
    ("dropout on the values", mutated(WithBmm, (_DROP, "values = self.dropout(values)")), None),
    (
        "only the first text",
        mutated(
            WithBmm, (_JOIN, "out = out.transpose(1, 2).reshape(b, tq, h * d); return out[:1].expand(b, tq, h * d)")
        ),
        None,
    ),
    (
        "only the first head",
        mutated(
            WithBmm,
            (
                "torch.bmm(weights, values)",
                "torch.bmm(weights.view(b, h, tq, tk)[:, :1].repeat(1, h, 1, 1).flatten(0, 1), values)",
            ),
        ),
        None,
    ),
    ("squeezed", mutated(WithBmm, (_JOIN, _JOIN + ".squeeze()")), None),
    ("one length for queries and keys", mutated(WithBmm, ("view(b * h, tk, d)", "view(b * h, tq, d)")), None),
    ("weights detached", mutated(WithBmm, ("torch.bmm(weights, values)", "torch.bmm(weights.detach(), values)")), None),
    ("values detached", mutated(WithBmm, ("torch.bmm(weights, values)", "torch.bmm(weights, values.detach())")), None),
    (
        "keys detached",
        mutated(WithBmm, ("self.calculate_score(queries, keys)", "self.calculate_score(queries, keys.detach())")),
        None,
    ),
    ("without gradient", mutated(WithBmm, (_JOIN, _JOIN + ".detach()")), None),
    ("float32 only", mutated(WithBmm, ("return out.", "out = out.float(); return out.")), None),
    (
        "float32 inside",
        mutated(WithBmm, ("F.softmax(scores, dim=2)", "F.softmax(scores, dim=2, dtype=torch.float32)")),
        None,
    ),
    (
        "half precision inside",
        mutated(WithBmm, ("F.softmax(scores, dim=2)", "F.softmax(scores.half(), dim=2).to(scores.dtype)")),
        None,
    ),
    ("rounded", mutated(WithBmm, (_JOIN, "out = (out * 1e3).round() / 1e3; " + _JOIN)), None),
    (
        "sum of the batch",
        mutated(
            WithBmm,
            (
                "F.softmax(scores, dim=2)",
                "F.softmax(scores + 0.01 * scores.mean(), dim=2) * (1 + 0.01 * scores.mean())",
            ),
        ),
        None,
    ),
    (
        "a word's own key left out",
        mutated(
            WithBmm,
            ("weights = F.softmax(scores, dim=2)", "weights = F.softmax(scores - 100 * torch.eye(tq, tk), dim=2)"),
        ),
        None,
    ),
    (
        "remembers the first mask",
        mutated(
            WithBmm,
            (
                "if mask is not None:\n            mask = mask.expand",
                "mask = self.__dict__.setdefault('first', mask)\n        if mask is not None:\n"
                "            mask = mask.expand",
            ),
        ),
        None,
    ),
    (
        "no scaling where there is one head of one text",
        mutated(WithBmm, ("F.softmax(scores,", "F.softmax(scores * (d**0.5 if b * h == 1 else 1),")),
        "no scaling",
    ),
    (
        "keys not transposed where they are square",
        mutated(
            WithBmm, ("keys.transpose(1, 2))", "(keys if keys.size(1) == keys.size(2) else keys.transpose(1, 2)))")
        ),
        None,
    ),
    (
        "values transposed where they are square",
        mutated(WithBmm, ("torch.bmm(weights, values)", "torch.bmm(weights, values.mT if tk == d else values)")),
        None,
    ),
    (
        "remembers the first scale",
        mutated(WithBmm, (_SCALE, " / self.__dict__.setdefault('first', math.sqrt(queries.shape[-1]))")),
        None,
    ),
    (
        "edits its input",
        mutated(
            WithBmm,
            (
                "b, tq, h, d = queries.size()",
                "b, tq, h, d = queries.size(); queries *= 2; queries *= 0.5; values += 1; values -= 0.5",
            ),
        ),
        None,
    ),
    ("edits the mask", mutated(WithBmm, (_EXPAND, "mask.logical_not_(); " + _EXPAND), ("~mask", "mask")), None),
]
