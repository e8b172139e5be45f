"""Wrong answers to exercise 3: changes to right ones, and the misconception that explains each, if one does."""

from __future__ import annotations

from answers.mutate import mutated
from answers.right_3 import AllInOne, HeadByHead, WithOurAttention

_RAISE = 'raise ValueError(f"embed_dim {embed_dim} is not divisible by num_heads {num_heads}")'
_CALL = "return self.unify_heads(self.attention(queries, keys, values, mask))"
_QUERIES = "self.to_queries(x).view(b, t, self.num_heads, self.head_dim)"
_KEYS = "self.to_keys(context).view(b, -1, self.num_heads, self.head_dim)"
_VALUES = "self.to_values(context).view(b, -1, self.num_heads, self.head_dim)"
_UNIFY = "self.unify_heads = nn.Linear(num_heads * head_dim, embed_dim)"
_CONTEXT = "        if context is None:\n            context = x\n"


def changed(*changes):
    return mutated(WithOurAttention, *changes)


# (what is wrong, the wrong answer, name of the misconception or None)
WRONG = [
    (
        "head_dim taken for the width of all heads",
        changed(
            (
                "super().__init__()",
                "super().__init__(); head_dim = head_dim and max(1, head_dim // num_heads)",
            ),
        ),
        None,
    ),
    (
        "heads split by view",
        changed(
            (_QUERIES, "self.to_queries(x).view(b, self.num_heads, t, self.head_dim).transpose(1, 2)"),
            (_KEYS, "self.to_keys(context).view(b, self.num_heads, -1, self.head_dim).transpose(1, 2)"),
            (_VALUES, "self.to_values(context).view(b, self.num_heads, -1, self.head_dim).transpose(1, 2)"),
        ),
        "heads split by reshape alone",
    ),
    (
        "heads interleaved",
        changed(
            (_QUERIES, "self.to_queries(x).view(b, t, self.head_dim, self.num_heads).transpose(2, 3)"),
            (_KEYS, "self.to_keys(context).view(b, -1, self.head_dim, self.num_heads).transpose(2, 3)"),
            (_VALUES, "self.to_values(context).view(b, -1, self.head_dim, self.num_heads).transpose(2, 3)"),
        ),
        "heads interleaved",
    ),
    (
        "not unified",
        changed(
            (
                "self.unify_heads(self.attention(queries, keys, values, mask))",
                "self.attention(queries, keys, values, mask)",
            )
        ),
        "unify_heads left out",
    ),
    ("no bias in unify_heads", changed((_UNIFY, _UNIFY[:-1] + ", bias=False)")), "unify_heads without its bias"),
    (
        "bias of unify_heads as bias says",
        changed((_UNIFY, _UNIFY[:-1] + ", bias=bias)")),
        "unify_heads without its bias",
    ),
    ("bias ignored", changed((", bias=bias", ", bias=False")), "bias ignored"),
    ("always a bias", changed((", bias=bias", "")), "always a bias"),
    (
        "a shared projection",
        changed((_UNIFY, _UNIFY + "; self.to_values = self.to_keys = self.to_queries")),
        "one projection for all",
    ),
    ("keys and values share", changed((_UNIFY, _UNIFY + "; self.to_values = self.to_keys")), None),
    (
        "exchanged",
        changed(("self.to_queries(x)", "self.to_keys(x)"), ("self.to_keys(context)", "self.to_queries(context)")),
        "queries and keys exchanged",
    ),
    ("keys for values", changed(("self.to_values(context)", "self.to_keys(context)")), "keys for values"),
    ("context ignored", changed(("(context)", "(x)")), "context ignored"),
    (
        "queries from the context",
        changed((_QUERIES, "self.to_queries(context).view(b, -1, self.num_heads, self.head_dim)")),
        "queries from the context",
    ),
    ("values from x", changed(("self.to_values(context)", "self.to_values(x)")), "values from x"),
    (
        "length of x",
        changed(
            ("self.to_keys(context).view(b, -1", "self.to_keys(context).view(b, t"),
            ("self.to_values(context).view(b, -1", "self.to_values(context).view(b, t"),
        ),
        "as many keys as queries",
    ),
    ("mask not passed", changed((", mask))", "))")), "mask not passed on"),
    ("mask inverted", changed((", mask))", ", None if mask is None else ~mask))")), "mask inverted"),
    (
        "mask lost with a context",
        changed((", mask))", ", mask if context is x else None))")),
        "mask not passed on with a context",
    ),
    ("a remainder passed over", changed((_RAISE, "pass")), "a remainder passed over"),
    (
        "always wide",
        changed(("if head_dim is None:", "if True:"), ("head_dim = embed_dim // num_heads", "head_dim = embed_dim")),
        "always wide heads",
    ),
    ("head_dim ignored", changed(("if head_dim is None:", "if True:")), "head_dim ignored"),
    ("dropout ignored", changed(("WithBmm(dropout)", "WithBmm(0.0)")), "dropout not passed on"),
    ("dropout fixed", changed(("WithBmm(dropout)", "WithBmm(0.1)")), "a fixed dropout"),
    (
        "scaled by the model's width",
        changed((_QUERIES, _QUERIES + " * (self.head_dim / x.shape[-1]) ** 0.5")),
        "scaled by the model's width",
    ),
    ("no scaling", changed((_QUERIES, _QUERIES + " * self.head_dim**0.5")), "no scaling"),
    ("dropout in eval mode", mutated(AllInOne, ("self.p if self.training else 0.0", "self.p")), "dropout in eval mode"),
    (
        "NaN in empty rows",
        mutated(HeadByHead, (".softmax(-1).masked_fill(~mask[:, i], 0)", ".softmax(-1)")),
        "NaN where nothing may be attended to",
    ),
    # No list names these
    ("scaled twice", mutated(AllInOne, ("out = F.", "q = q / self.d**0.5; out = F.")), "scaled twice"),
    (
        "a residual path",
        changed((_CALL, "return x + self.unify_heads(self.attention(queries, keys, values, mask))")),
        None,
    ),
    (
        "an activation",
        changed((_CALL, "return torch.relu(self.unify_heads(self.attention(queries, keys, values, mask)))")),
        None,
    ),
    (
        "activation in the values",
        changed((_VALUES, _VALUES.replace("self.to_values(context)", "torch.relu(self.to_values(context))"))),
        None,
    ),
    (
        "unified twice",
        mutated(
            AllInOne,
            (
                "return self.unify_heads(out.transpose(1, 2).flatten(2))",
                "y = self.unify_heads(out.transpose(1, 2).flatten(2))\n"
                "        return self.unify_heads(y) if self.h * self.d == y.shape[-1] else y",
            ),
        ),
        None,
    ),
    ("no default of 8 heads", changed(("num_heads=8", "num_heads=4")), None),
    ("one head by default", changed(("num_heads=8", "num_heads=1")), "one head"),
    (
        "causal always",
        changed(
            (
                "self.attention(queries, keys, values, mask)",
                "self.attention(queries, keys, values, torch.ones(t, t).tril().bool() if mask is None else mask)",
            )
        ),
        None,
    ),
    (
        "mask for the first head",
        mutated(
            HeadByHead,
            (".masked_fill(~mask[:, i], -torch.inf)", ".masked_fill(~mask[:, 0], -torch.inf)"),
            ("masked_fill(~mask[:, i], 0)", "masked_fill(~mask[:, 0], 0)"),
        ),
        None,
    ),
    (
        "last head forgotten",
        mutated(
            HeadByHead,
            ("for i in range(self.heads):", "for i in range(max(1, self.heads - 1)):"),
            (
                "torch.cat(out, -1)",
                "torch.nn.functional.pad(torch.cat(out, -1), (0, self.heads * self.d - torch.cat(out, -1).shape[-1]))",
            ),
        ),
        None,
    ),
    ("heads in reverse", mutated(HeadByHead, ("torch.cat(out, -1)", "torch.cat(out[::-1], -1)")), None),
    ("softmax over the wrong axis", mutated(HeadByHead, (".softmax(-1)", ".softmax(-2)")), "softmax over the queries"),
    (
        "context only as long as x",
        changed((_CONTEXT, "        context = x if context is None else context[:, : x.shape[1]]\n")),
        None,
    ),
    (
        "context of the first text",
        changed((_CONTEXT, "        context = x if context is None else context[:1].expand(x.shape[0], -1, -1)\n")),
        None,
    ),
    ("x detached for the keys", changed(("self.to_keys(context)", "self.to_keys(context.detach())")), None),
    ("weights of the keys frozen", changed((_UNIFY, _UNIFY + "; self.to_keys.requires_grad_(False)")), None),
    (
        "queries without gradient",
        changed((_QUERIES, "(lambda: self.to_queries(x).detach().view(b, t, self.num_heads, self.head_dim))()")),
        None,
    ),
    (
        "batch statistics",
        changed(
            (
                _CALL,
                "out = self.unify_heads(self.attention(queries, keys, values, mask)); return out - 0.1 * out.mean(0)",
            )
        ),
        None,
    ),
    (
        "float32 inside",
        changed((_CALL, "return self.unify_heads(self.attention(queries, keys, values, mask)).float()")),
        None,
    ),
    (
        "no unify_heads",
        changed(
            (_UNIFY, "self.unify = nn.Linear(num_heads * head_dim, embed_dim)"), ("self.unify_heads(", "self.unify(")
        ),
        None,
    ),
    (
        "dropout on the output in eval mode too",
        changed(
            (
                _CALL,
                "return F.dropout(self.unify_heads(self.attention(queries, keys, values, mask)), 0.1)",
            )
        ),
        None,
    ),
    ("edits its input", changed(("b, t, _ = x.shape", "b, t, _ = x.shape; x += 1")), None),
]
