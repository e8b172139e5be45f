"""Wrong answers to exercise 1: changes to right ones, and the misconception that explains each, if one does."""

from __future__ import annotations

from answers.mutate import mutated
from answers.right_1 import WithBiases, WithLinear, WithOneMatrix, WithParameters

_INSIDE = "torch.tanh(self.W(query)[:, None] + self.U(keys))"
_SCORES = "self.v(hidden)[:, :, 0]"
_HIDE = "scores = scores.masked_fill(~mask, -math.inf)"
_RESCUE = "weights = weights.masked_fill(~mask, 0.0)"
_CONTEXT = "(weights[:, None] @ keys)[:, 0]"
_RETURN = "return context, weights"

# (what is wrong, the wrong answer, name of the misconception or None)
WRONG = [
    ("no tanh", mutated(WithLinear, (_INSIDE, "self.W(query)[:, None] + self.U(keys)")), "no tanh"),
    (
        "no tanh, in one piece",
        mutated(WithOneMatrix, ("torch.tanh(", "(")),
        "no tanh",
    ),
    ("relu", mutated(WithLinear, ("torch.tanh(", "torch.relu(")), "relu for tanh"),
    ("relu, in one piece", mutated(WithOneMatrix, ("torch.tanh(", "torch.relu(")), "relu for tanh"),
    ("sigmoid", mutated(WithBiases, (".tanh()", ".sigmoid()")), "sigmoid for tanh"),
    (
        "tanh outside",
        mutated(
            WithLinear,
            ("torch.tanh(self.W(query)[:, None] + self.U(keys))", "self.W(query)[:, None] + self.U(keys)"),
            (_SCORES, _SCORES + ".tanh()"),
        ),
        "tanh outside",
    ),
    (
        "tanh of each",
        mutated(WithLinear, (_INSIDE, "self.W(query)[:, None].tanh() + self.U(keys).tanh()")),
        "no query",
    ),
    ("no v", mutated(WithLinear, (_SCORES, "hidden.sum(-1)")), "no v, a sum"),
    ("no v, mean", mutated(WithLinear, (_SCORES, "hidden.mean(-1)")), "no v, a mean"),
    ("no query", mutated(WithLinear, ("self.W(query)[:, None] + ", "")), "no query"),
    ("no keys", mutated(WithLinear, (" + self.U(keys)", " + 0 * self.U(keys)")), "no keys"),
    ("query as it is", mutated(WithLinear, ("self.W(query)[:, None]", "query[:, None]")), "query not projected"),
    ("keys as they are", mutated(WithLinear, ("self.U(keys)", "keys")), "keys not projected"),
    ("no axis", mutated(WithLinear, ("self.W(query)[:, None]", "self.W(query)")), "no axis for the keys"),
    ("no axis, with a bias", mutated(WithBiases, (".unsqueeze(1)", "")), "no axis for the keys"),
    ("product", mutated(WithLinear, ("[:, None] + ", "[:, None] * ")), "multiplied"),
    ("difference", mutated(WithBiases, (" + self.U(keys)", " - self.U(keys)")), "subtracted"),
    (
        "dot product",
        mutated(WithLinear, (_INSIDE, "self.W(query)[:, None] * self.U(keys)"), (_SCORES, "hidden.sum(-1)")),
        "dot product",
    ),
    ("scaled", mutated(WithLinear, (_SCORES, _SCORES + " / math.sqrt(hidden.shape[-1])")), "scaled"),
    ("softmax over the batch", mutated(WithLinear, ("dim=-1", "dim=0")), "softmax over the batch"),
    (
        "softmax over one number",
        mutated(
            WithLinear,
            (_SCORES, "self.v(hidden)"),
            (_CONTEXT, "(weights * keys).sum(1)"),
            ("~mask", "~mask[:, :, None]"),
        ),
        "softmax over one number",
    ),
    (
        "an axis too many",
        mutated(
            WithLinear,
            (_SCORES, "self.v(hidden)"),
            ("dim=-1", "dim=1"),
            (_CONTEXT, "(weights * keys).sum(1)"),
            ("~mask", "~mask[:, :, None]"),
        ),
        "an axis too many",
    ),
    ("no softmax", mutated(WithLinear, ("torch.softmax(scores, dim=-1)", "scores")), "no softmax"),
    ("sigmoid of the scores", mutated(WithBiases, ("scores.softmax(1)", "scores.sigmoid()")), "sigmoid for softmax"),
    ("overflow", mutated(WithParameters, (" - scores.amax(1, keepdim=True)", "")), "softmax that overflows"),
    ("projected keys", mutated(WithLinear, ("@ keys)", "@ self.U(keys))")), "average of projected keys"),
    ("plain mean", mutated(WithLinear, (_CONTEXT, "keys.mean(1)")), "plain mean"),
    ("plain sum", mutated(WithLinear, (_CONTEXT, "keys.sum(1)")), "plain sum"),
    (
        "mean of the weighted",
        mutated(WithParameters, (".sum(dim=1), weights", ".mean(dim=1), weights")),
        "mean of the weighted keys",
    ),
    (
        "best key",
        mutated(WithLinear, (_CONTEXT, "keys[torch.arange(len(keys)), weights.argmax(-1)]")),
        "the best key alone",
    ),
    ("largest", mutated(WithParameters, (".sum(dim=1), weights", ".amax(dim=1), weights")), "largest weighted number"),
    ("not added up", mutated(WithParameters, (".sum(dim=1), weights", ", weights")), "weighted keys not added up"),
    ("context (b, 1, k)", mutated(WithLinear, (_CONTEXT, "weights[:, None] @ keys")), "an axis left in the context"),
    ("the other order", mutated(WithLinear, (_RETURN, "return weights, context")), "weights first"),
    ("scores handed out", mutated(WithLinear, (_RETURN, "return context, scores")), "scores returned"),
    ("no mask", mutated(WithLinear, (_HIDE, "pass"), (_RESCUE, "pass")), "mask ignored"),
    (
        "mask inverted",
        mutated(
            WithLinear,
            ("masked_fill(~mask, -math.inf)", "masked_fill(mask, -math.inf)"),
            ("masked_fill(~mask, 0.0)", "masked_fill(mask, 0.0)"),
        ),
        "mask inverted",
    ),
    (
        "mask inverted once",
        mutated(WithLinear, ("masked_fill(~mask, -math.inf)", "masked_fill(mask, -math.inf)")),
        "mask inverted, then zeroed",
    ),
    ("mask after softmax", mutated(WithLinear, (_HIDE, "pass")), "mask after softmax"),
    (
        "scores times mask",
        mutated(WithLinear, (_HIDE, "scores = scores * mask"), (_RESCUE, "pass")),
        "mask multiplied into the scores",
    ),
    (
        "minus 100",
        mutated(WithLinear, (_HIDE, "scores = scores - 100.0 * ~mask"), (_RESCUE, "pass")),
        "a small number for minus infinity",
    ),
    (
        "first mask for all",
        mutated(WithLinear, ("scores = scores.masked_fill", "mask = mask[:1]; scores = scores.masked_fill")),
        "mask of the first text",
    ),
    (
        "context without mask",
        mutated(
            WithLinear,
            (
                "        if mask is not None:\n            scores",
                "        open = scores.softmax(-1)\n        if mask is not None:\n            scores",
            ),
            (_CONTEXT, "(open[:, None] @ keys)[:, 0]"),
        ),
        "average of all keys",
    ),
    ("NaN in empty rows", mutated(WithLinear, (_RESCUE, "pass")), "NaN where nothing may be attended to"),
    (
        "average in empty rows",
        mutated(WithLinear, ("-math.inf", "-1e9"), (_RESCUE, "pass")),
        "an average where nothing may be attended to",
    ),
    (
        "dropout",
        mutated(WithLinear, (_CONTEXT, "(F.dropout(weights, 0.5, self.training)[:, None] @ keys)[:, 0]")),
        "dropout",
    ),
    # No list names these
    ("tanh twice", mutated(WithLinear, (_INSIDE, _INSIDE + ".tanh()")), None),
    ("softmax twice", mutated(WithLinear, ("torch.softmax(scores, dim=-1)", "scores.softmax(-1).softmax(-1)")), None),
    ("log of softmax", mutated(WithLinear, ("torch.softmax(", "torch.log_softmax(")), None),
    ("minus 1 for minus infinity", mutated(WithLinear, ("-math.inf", "-1.0"), (_RESCUE, "pass")), None),
    ("minus 1e3", mutated(WithLinear, ("-math.inf", "-1e3")), None),
    ("scores divided by 7", mutated(WithLinear, (_SCORES, _SCORES + " / 7")), None),
    ("only the first text", mutated(WithLinear, (_RETURN, "return context[:1].expand(len(keys), -1), weights")), None),
    ("squeezed", mutated(WithLinear, (_RETURN, "return context.squeeze(), weights.squeeze()")), None),
    ("one tensor", mutated(WithLinear, (_RETURN, "return context")), None),
    ("a list", mutated(WithLinear, (_RETURN, "return [context, weights]")), None),
    ("three things", mutated(WithLinear, (_RETURN, "return context, weights, scores")), None),
    ("nothing", mutated(WithLinear, (_RETURN, "pass")), None),
    ("NumPy", mutated(WithLinear, (_RETURN, "return context.detach().numpy(), weights")), None),
    ("keys detached", mutated(WithLinear, (_CONTEXT, "(weights[:, None] @ keys.detach())[:, 0]")), None),
    ("query detached", mutated(WithLinear, ("self.W(query)", "self.W(query.detach())")), None),
    ("weights detached", mutated(WithLinear, (_CONTEXT, "(weights.detach()[:, None] @ keys)[:, 0]")), None),
    ("W detached", mutated(WithLinear, ("self.W(query)", "self.W(query).detach()")), None),
    ("float32 only", mutated(WithLinear, (_RETURN, "return context.float(), weights")), None),
    ("keys changed", mutated(WithLinear, (_RETURN, "keys.data.mul_(2); return context, weights")), None),
    (
        "a projection more",
        mutated(
            WithLinear,
            ("super().__init__()", "super().__init__(); self.out = nn.Linear(key_dim, key_dim)"),
            (_RETURN, "return self.out(context), weights"),
        ),
        None,
    ),
    (
        "a temperature",
        mutated(
            WithLinear,
            ("super().__init__()", "super().__init__(); self.heat = nn.Parameter(torch.ones(1))"),
            (_SCORES, _SCORES + " * self.heat"),
        ),
        None,
    ),
    (
        "no W",
        mutated(
            WithLinear, ("nn.Linear(query_dim, hidden_dim, bias=False)", "nn.Linear(query_dim, key_dim, bias=False)")
        ),
        None,
    ),
    (
        "no v of its own",
        mutated(WithLinear, ("nn.Linear(hidden_dim, 1, bias=False)", "nn.Linear(hidden_dim, 2, bias=False)")),
        None,
    ),
    (
        "remembers the mask",
        mutated(
            WithLinear,
            (
                "        hidden =",
                "        self.seen = mask = getattr(self, 'seen', None) if mask is None else mask\n        hidden =",
            ),
        ),
        None,
    ),
    (
        "remembers keys of this shape",
        mutated(
            WithLinear,
            (
                "        hidden =",
                "        self.memo = getattr(self, 'memo', {})\n"
                "        read = self.memo.setdefault(keys.shape, self.U(keys))\n        hidden =",
            ),
            (_INSIDE, "torch.tanh(self.W(query)[:, None] + read)"),
        ),
        None,
    ),
    (
        "no mask in train mode",
        mutated(WithLinear, ("        hidden =", "        mask = None if self.training else mask\n        hidden =")),
        "mask ignored",
    ),
    ("on the CPU", mutated(WithLinear, (_CONTEXT, _CONTEXT + " + torch.zeros(keys.shape[2])")), None),
    (
        "right unless batch and keys are equal",
        mutated(WithLinear, ("dim=-1", "dim=scores.shape.index(keys.shape[1])")),
        "softmax over the batch",
    ),
    (
        "squeezed, and a batch put back",
        mutated(WithLinear, (_SCORES, "(lambda x: x if x.dim() == 2 else x.view(1, -1))(self.v(hidden).squeeze())")),
        None,
    ),
    (
        "equal weights in a batch of one",
        mutated(
            WithLinear, ("dim=-1)", "dim=-1) if len(scores) > 1 else torch.full_like(scores, 1 / scores.shape[1])")
        ),
        "no keys",
    ),
    (
        "plain mean in a batch of one",
        mutated(WithLinear, (_RETURN, "context = context if len(keys) > 1 else keys.mean(1); " + _RETURN)),
        "plain mean",
    ),
    (
        "mask ignored in a batch of one",
        mutated(WithLinear, ("        hidden =", "        mask = mask if len(keys) > 1 else None\n        hidden =")),
        "mask ignored",
    ),
    ("scaled in train mode", mutated(WithLinear, (_SCORES, _SCORES + " * (0.5 if self.training else 1)")), None),
    (
        "dropout without a mask",
        mutated(WithLinear, (_SCORES, "nn.functional.dropout(" + _SCORES + ", 0.5, self.training and mask is None)")),
        None,
    ),
    (
        "a little dropout",
        mutated(WithLinear, ("context =", "weights = nn.functional.dropout(weights, 0.1, self.training); context =")),
        None,
    ),
    (
        "W for U where it fits",
        mutated(
            WithLinear,
            (
                "self.U = nn.Linear(key_dim, hidden_dim, bias=False)",
                "self.U = self.W if key_dim == query_dim else nn.Linear(key_dim, hidden_dim, bias=False)",
            ),
        ),
        None,
    ),
    (
        "U in a list",
        mutated(
            WithLinear,
            (
                "self.U = nn.Linear(key_dim, hidden_dim, bias=False)",
                "self.layers = [nn.Linear(key_dim, hidden_dim, bias=False)]",
            ),
            ("self.U(", "self.layers[0]("),
        ),
        None,
    ),
    (
        "v is no parameter",
        mutated(
            WithLinear,
            ("nn.Linear(hidden_dim, 1, bias=False)", "torch.randn(hidden_dim)"),
            (_SCORES, "hidden @ self.v"),
        ),
        None,
    ),
    (
        "adds the query where it fits",
        mutated(
            WithLinear, (_RETURN, "context = context + query if query.shape == context.shape else context; " + _RETURN)
        ),
        None,
    ),
    (
        "an example by heart",
        mutated(
            WithLinear, (_RETURN, "return torch.zeros_like(context), torch.full_like(weights, 1 / weights.shape[1])")
        ),
        "no keys",
    ),
]
