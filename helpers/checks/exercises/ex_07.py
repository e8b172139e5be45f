"""Exercise 7, a Transformer that classifies texts: what goes in, what is right, what is looked at, and mistakes."""

from __future__ import annotations

import copy
import functools
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from helpers import layers
from helpers.checks.answer.parts import part
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import PADDING, Draw
from helpers.checks.engine.exercise import Exercise, Step
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen, same, seen_facts
from helpers.checks.engine.trouble import Trouble
from helpers.checks.exercises.ex_05 import expected_encoding
from helpers.checks.looks.devices import seen_elsewhere
from helpers.checks.looks.dropout import Facts, in_train_mode
from helpers.checks.looks.refusal import Refusal, describe_outcome, outcome
from helpers.checks.looks.used_before import overwrite, second_call

# What goes in, and what is right: the answer's own blocks between ends of ours

Stages = dict[str, torch.Tensor | Trouble]
STAGES = {
    "input": ("What the first block is given", ("b", "t", "k")),
    "blocks": ("What the last block gives, at the words,", ("n", "k")),
    "pooled": ("What the classifier is given", ("b", "k")),
    "logits": ("The output", ("b", "c")),
}


@dataclass
class Parts:
    """The parts of an answer that hold weights, by the skeleton's names."""

    embedding: nn.Embedding
    blocks: list[nn.Module]
    classifier: nn.Linear

    def layers(self) -> dict[str, nn.Module]:
        """Each as a message calls it, from the end to the beginning, as gradients go."""
        blocks = {f"block {number}": block for number, block in enumerate(self.blocks, start=1)}
        return {"the classifier": self.classifier, **dict(reversed(blocks.items())), "the embeddings": self.embedding}


def find_parts(subject: Subject, model: nn.Module, sizes: dict[str, int], h: int) -> Parts:
    """Return the parts of an answer.

    Raises
    ------
    Trouble
        One is missing, or has other sizes, or there are not as many blocks as `depth` says.
    """
    k, depth, name = sizes["k"], sizes["depth"], subject.name
    embedding = part(model, "embedding", name, "`nn.Embedding(vocab_size, embed_dim)`")
    if not isinstance(embedding, nn.Embedding) or embedding.weight.shape != (sizes["vocab"], k):
        shown = tuple(embedding.weight.shape) if isinstance(embedding, nn.Embedding) else type(embedding).__name__
        sentence = (
            f"`embedding` should be `nn.Embedding(vocab_size, embed_dim)`, here {(sizes['vocab'], k)}; it is {shown}."
        )
        raise Trouble(sentence, "embedding", str(shown))
    if embedding.padding_idx not in (None, 0):
        raise Trouble(
            f"With `padding_idx={embedding.padding_idx}` the vector of that id never learns, and here it is a word as "
            "any other: the id of padding is 0.",
            "padding_idx",
        )
    part(model, "positions", name, "`PositionalEncoding` of exercise 5")
    held = getattr(model, "blocks", None)
    if isinstance(held, list | tuple):
        raise Trouble("The blocks are in a plain Python list, where torch does not see them.", "plain list")
    if not isinstance(held, nn.ModuleList | nn.Sequential):
        part(model, "blocks", name)
        raise Trouble(f"`blocks` is a {type(held).__name__}. It should be an `nn.ModuleList`.", "no layer", "blocks")
    blocks = list(held)
    if len(blocks) != depth:
        count = "1 block" if len(blocks) == 1 else f"{len(blocks) or 'no'} blocks"
        raise Trouble(f"With depth={depth} the model has {count}.", "depth", len(blocks) - depth)
    if len(set(blocks)) != depth:
        raise Trouble(f"All {depth} blocks are one and the same block.", "one and the same")
    subject.insist_on_registered(model)
    classifier = part(model, "classifier", name)
    if not isinstance(classifier, nn.Linear) or classifier.weight.shape != (sizes["c"], k):
        maps = isinstance(classifier, nn.Linear)
        shown = f"maps {classifier.in_features} to {classifier.out_features}" if maps else type(classifier).__name__
        wanted = f"`nn.Linear(embed_dim, num_classes)`, here from {k} to {sizes['c']} numbers"
        raise Trouble(f"`classifier` should be {wanted}; it {shown if maps else 'is a ' + shown}.", "classifier", shown)
    said = {getattr(inside, "num_heads", None) for block in blocks for inside in block.modules()}
    heads = sorted(number for number in said if type(number) is int)
    if subject.is_students and heads and h not in heads:
        count = "1 head" if heads == [1] else f"{heads[-1]} heads"
        raise Trouble(f"With num_heads={h} the blocks have {count}: hand `num_heads` on to them.", "heads")
    return Parts(embedding, blocks, classifier)


class Case:
    """A classifier with known weights, and texts for it.

    Parameters
    ----------
    subject, draw
        As a step is handed them.
    padding
        How many tokens of padding the longest text may get; None: no mask, all texts are equally long.
    dtype
        Of the weights.
    dropout
        None: nothing is said.
    **fixed
        Sizes that are not drawn.
    """

    def __init__(
        self,
        subject: Subject,
        draw: Draw,
        *,
        padding: int | None = None,
        dtype: torch.dtype = torch.float32,
        dropout: float | None = None,
        **fixed: int,
    ) -> None:
        sizes = draw.sizes("b t h m c", 2, 8, ["h*m"])
        while sizes["b"] > 4:  # an answer may go through the texts one by one
            sizes = draw.sizes("b t h m c", 2, 8, ["h*m"])
        sizes |= {"depth": draw.random.randint(2, 3)}
        sizes |= {"more": draw.random.randint(5, 9), "vocab": draw.random.randint(30, 50)} | fixed
        b, t, k = sizes["b"], sizes["t"] + (padding or 0), sizes["h"] * sizes["m"]
        self.sizes = {"b": b, "t": t, "k": k, "c": sizes["c"], "vocab": sizes["vocab"], "depth": sizes["depth"]}
        self.max_len = t + sizes["more"]
        self.subject, self.draw = subject, draw
        # Before the weights, which are drawn for a student's answer only.
        self.token_ids = torch.randint(1, sizes["vocab"], (b, t), generator=draw.generator)
        self.known: Parts | None = None if subject.is_students else subject.notes.get((draw.case, str(self.sizes)))
        named = {} if dropout is None else {"dropout": dropout}
        made = subject.make(k, sizes["h"], sizes["depth"], self.max_len, sizes["vocab"], sizes["c"], **named)
        self.model = made.to(dtype)
        self.parts = self._take_over(find_parts(subject, self.model, self.sizes, sizes["h"]))
        self.mask: torch.Tensor | None = None
        self.words = ""
        if padding is not None:
            # All lengths, the longest text not first.
            first = draw.random.randrange(1, sizes["t"]) if sizes["t"] > 1 else 0
            lengths = torch.tensor([sizes["t"] - (i + first) % sizes["t"] for i in range(b)])
            self.use_mask(torch.arange(t) < lengths[:, None])
            self.words = " with a mask"

    def other(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> Case:
        """The same model with other texts; without a mask if none is given."""
        case = copy.copy(self)
        case.token_ids, case.mask, case.words = token_ids, None, ""
        case.sizes = self.sizes | dict(zip("bt", token_ids.shape, strict=True))
        if mask is not None:
            case.use_mask(mask)
        return case

    def use_mask(self, mask: torch.Tensor) -> None:
        """Make padding, with 0 for its ids as in the lesson, of what a mask (b, t) leaves out."""
        self.mask, self.token_ids = mask, self.token_ids * mask

    def call(self) -> torch.Tensor:
        """Return the answer's output."""
        if self.mask is None:
            return self.subject.tensor(self.model, self.token_ids)
        return self.subject.tensor(self.model, self.token_ids, named={"mask": self.mask})

    def stages(self) -> Stages:
        """Call the answer, and return what came by on the way, or why that cannot be told."""
        called, inputs, outputs, found = [], [], [], dict[str, torch.Tensor | Trouble]()

        def before(block: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            called.append(self.parts.blocks.index(block) + 1)
            inputs.append(next((v for v in (*args, *named.values()) if isinstance(v, torch.Tensor)), None))

        def after(_: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            outputs.append(output)

        def at_classifier(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            found["pooled"] = [*args, *named.values()][0]

        hooks = [self.parts.classifier.register_forward_pre_hook(at_classifier, with_kwargs=True)]
        for block in self.parts.blocks:
            hooks += [block.register_forward_pre_hook(before, with_kwargs=True), block.register_forward_hook(after)]
        try:
            found["logits"] = self.call()
        finally:
            for hook in hooks:
                hook.remove()
        depth = self.sizes["depth"]
        if called != list(range(1, depth + 1)):
            come = f"blocks are called in this order: {', '.join(map(str, called))}" if called else "no block is called"
            come = f"only block {called[0]} is called" if len(called) == 1 else come
            sentence = f"With depth={depth}, {come}. Hand x to each block once, one after the other, from the first on."
            return found | dict.fromkeys(("input", "blocks"), Trouble(sentence, "calls", *called))
        for name, tensor in (("input", inputs[0]), ("blocks", outputs[-1])):
            if isinstance(tensor, torch.Tensor) and tensor.shape[:2] == self.token_ids.shape:
                found[name] = tensor if name == "input" else tensor[self._mask()]
                continue
            shape = tuple(tensor.shape) if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            wanted = (*self.token_ids.shape, self.sizes["k"])
            found[name] = Trouble(
                f"{STAGES[name][0].rstrip(',')} should have the shape (b, t, k) = {wanted}; here it is {shape}.", name
            )
        return found

    def expected(self, table: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """Return the same stages with ends of our own around the answer's blocks; `table` replaces its embedding."""
        embedding, classifier = self.parts.embedding, self.parts.classifier
        k, dtype = self.sizes["k"], embedding.weight.dtype
        table = embedding.weight if table is None else table
        positions = expected_encoding(self.token_ids.shape[1], k).to(dtype)
        x = start = F.embedding(self.token_ids, table) * math.sqrt(k) + positions
        mask = self._mask()
        for block in self.parts.blocks:
            x = _run_block(block, x, None if self.mask is None else mask)
        texts = zip(x, mask, strict=True)
        pooled = torch.stack([text[words].mean(0) if words.any() else torch.zeros(k).to(x) for text, words in texts])
        logits = F.linear(pooled, classifier.weight, classifier.bias)
        return {"input": start, "blocks": x[mask], "pooled": pooled, "logits": logits}

    def seen(
        self,
        stage: str,
        got: torch.Tensor,
        what: str = "",
        expected: Callable[[], dict[str, torch.Tensor]] | None = None,
    ) -> Seen:
        """Return a stage beside what it should be."""
        double = got.dtype == torch.float64
        usual, axes = STAGES[stage]

        def wanted() -> torch.Tensor:
            with torch.no_grad():
                return (expected or self.expected)()[stage]

        return Seen(
            (what or usual) + self.words,
            got.float() if double else got,  # a table of positions in float32 is right too
            wanted,
            axes,
            {name: self.sizes[name] for name in ("b", "t", "k", "c")},
        )

    def _mask(self) -> torch.Tensor:
        return torch.ones_like(self.token_ids, dtype=torch.bool) if self.mask is None else self.mask

    def _take_over(self, parts: Parts) -> Parts:
        """Draw the weights of a student's answer; a misconception computes with the student's own blocks."""
        known = self.known
        with torch.no_grad():
            if known is None:
                scales = {parts.embedding.weight: 0.5, parts.classifier.weight: 1.0}
                inside = [p for block in parts.blocks for p in block.parameters()]
                for parameter in [*parts.embedding.parameters(), *inside, *parts.classifier.parameters()]:
                    scale = scales.get(parameter, parameter.shape[-1] ** -0.5 if parameter.dim() > 1 else 0.7)
                    parameter.copy_(self.draw.normal(*parameter.shape, scale=scale))
                if self.subject.is_students:
                    self.subject.notes[self.draw.case, str(self.sizes)] = parts
                return parts
            parts.embedding.weight.copy_(known.embedding.weight)
            parts.classifier.weight.copy_(known.classifier.weight)
            bias = known.classifier.bias
            parts.classifier.bias.copy_(torch.zeros(self.sizes["c"]) if bias is None else bias)
        blocks = known.blocks
        if known.embedding.weight.dtype == torch.float32:  # in float64 gradients are wanted
            memories = self.subject.notes.setdefault((self.draw.case, "blocks"), [deque() for _ in blocks])
            blocks = [Remembering(block, memory) for block, memory in zip(blocks, memories, strict=True)]
        self.model.blocks = nn.ModuleList(blocks)
        return Parts(parts.embedding, blocks, parts.classifier)


def _run_block(block: nn.Module, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    if isinstance(block, nn.TransformerEncoderLayer):  # torch's own layer: True means padding there
        return block(x, src_key_padding_mask=None if mask is None else ~mask)
    return block(x) if mask is None else block(x, mask[:, None, None, :])


class Remembering(nn.Module):
    """A block that knows what it gave before: most misconceptions hand the same to the student's blocks."""

    def __init__(self, block: nn.Module, memory: deque[tuple[Any, ...]]) -> None:
        super().__init__()
        self.block, self.memory = block, memory  # no list: tensors in one would count as the layer's own

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        for known, known_mask, out in self.memory:
            if _same_exactly(x, known) and _same_exactly(mask, known_mask):
                return out
        with torch.no_grad():
            out = self.block(x) if mask is None else self.block(x, mask)
        # A view of a mask may be written over.
        self.memory.append((x, None if mask is None else mask.clone(), out))
        return out


def _same_exactly(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    """Whether both are None, or hold the same numbers."""
    if one is None or other is None:
        return one is other
    return one.shape == other.shape and torch.equal(one, other)


# What the check looks at


SAME_TWICE = "Two calls on the same texts differ in eval mode: dropout belongs to training only."
KEEPS = (
    "A call in eval mode changes the numbers of the embedding: only an optimizer should (`max_norm`, for instance, "
    "shortens rows whenever they are looked up)."
)


@dataclass
class Used:
    """A case, the embedding's numbers before its first call, what came by in that call, and what should have."""

    case: Case
    table: torch.Tensor
    stages: Stages
    expected: Callable[[], dict[str, torch.Tensor]]


def _make_used(subject: Subject, draw: Draw, **settings: Any) -> Used:
    case = Case(subject, draw, **settings)
    table = case.parts.embedding.weight.detach().clone()
    return Used(case, table, case.stages(), functools.cache(case.expected))


def _used(subject: Subject, draw: Draw, **settings: Any) -> Used:
    """The case that all steps with these draws and settings share."""
    used: Used = subject.shared(_make_used, draw, **settings)
    return used


def look_at_eval(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """In eval mode, two calls give the same, and change nothing."""
    used = _used(subject, draw)
    again = same(used.stages["logits"], used.case.call())
    kept = torch.equal(used.table, used.case.parts.embedding.weight)
    yield seen_facts("Eval mode", {"the same twice": (again, SAME_TWICE), "keeps its table": (kept, KEEPS)})


def look_at(subject: Subject, draw: Draw, stage: str = "logits", **settings: Any) -> Iterator[Seen]:
    """One stage on the way from token ids to logits; `settings` are those of `Case`.

    A stage tells where wrong logits come from. Where the logits are right, they may have come about in another way.
    """
    used = _used(subject, draw, **settings)
    if stage not in used.stages:  # a classifier's weights may be used without calling it
        return
    came = used.stages[stage]
    logits = _seen(used, "logits")
    if isinstance(came, Trouble):
        if subject.is_students and logits.right:
            return
        raise came
    seen = logits if stage == "logits" else _seen(used, stage)
    if seen is logits or not subject.is_students or seen.right or not logits.right:
        yield seen


def _seen(used: Used, stage: str, what: str = "") -> Seen:
    came = used.stages[stage]
    assert isinstance(came, torch.Tensor)
    return used.case.seen(stage, came, what, used.expected)


def look_at_padding(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """More padding, or padding with other ids, changes nothing."""
    case = _used(subject, draw, **settings).case
    words = case.mask
    assert words is not None
    ids = torch.randint(1, case.sizes["vocab"], words.shape, generator=draw.again("ids").generator)
    other = case.other(case.token_ids, words)
    other.token_ids = torch.where(words, case.token_ids, ids)
    seen = other.seen("logits", other.call(), "Where padding has other ids than 0, the output")
    seen.clue = lambda got: "What is padding, the mask says, not the id"
    yield seen
    wider = torch.zeros(len(words), 4, dtype=torch.long)
    longer = case.other(torch.cat([case.token_ids, wider], 1), torch.cat([words, wider.bool()], 1))
    yield longer.seen("logits", longer.call(), "With 4 more tokens of padding, the output")


def look_at_mixed(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """A mask may be True anywhere."""
    case = _used(subject, draw, **settings).case
    b, t = case.token_ids.shape
    mask = draw.again("mask").mask(PADDING, b, 1, 1, t)[:, 0, 0]
    mixed = case.other(case.token_ids.clamp(min=1), mask)
    seen = mixed.seen("logits", mixed.call(), "With padding between the words, the output")
    seen.clue = lambda got: "The mask says of each place whether it holds a word: words need not come first"
    yield seen


def look_at_empty(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """A text without a word: its mean is taken to be zeros."""
    case = _used(subject, draw, **settings).case
    assert case.mask is not None
    mask = case.mask.clone()
    mask[-1] = False
    case = case.other(case.token_ids, mask)
    yield case.seen("logits", case.call(), "Where the last text has no words at all, the output with a mask")


def look_at_longest(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A text of max_len tokens passes, a longer one does not."""
    used = _used(subject, draw)
    size = (used.case.sizes["b"], used.case.max_len + 1)
    longer = torch.randint(1, used.case.sizes["vocab"], size, generator=draw.again("ids").generator)
    case = used.case.other(longer[:, :-1])
    right = case.call()
    yield case.seen("logits", right, "For a text of max_len tokens, the output")
    came = subject.call(lambda: outcome(case.model, longer))
    what: Any = isinstance(came, Refusal | Exception)
    if isinstance(came, torch.Tensor):
        what = "cut" if same(came, right) else "goes on"
    comes = "the text is cut to max_len without a word" if what == "cut" else f"here comes {describe_outcome(came)}"
    told = (
        f"With max_len={case.max_len}, a text of {case.max_len + 1} tokens should raise a ValueError; {comes}. Your "
        "PositionalEncoding sees to it, if it is told max_len."
    )
    yield seen_facts("What comes of a text longer than max_len", {"refused": (what, told)})


def look_at_gradients(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """The gradient reaches the embeddings, through everything."""
    used = _used(subject, draw, **settings)
    yield _seen(used, "logits")
    output = used.stages["logits"]
    assert isinstance(output, torch.Tensor)
    yield from seen_gradients(used.case, output, draw.again("gradients"))


def look_at_training(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Without dropout, train mode gives what eval mode gives. Where something is random all the same, see below."""
    case = Case(subject, draw, padding=1, dropout=0.0, b=2)
    with in_train_mode(case.model):
        first, second = case.call(), case.call()
    if same(first, second):
        yield case.seen("logits", first, "In train mode with dropout=0, the output")


DROPPING = {
    "positions": "in the positions",
    "blocks": "in the blocks",
    "elsewhere": "outside positions and blocks, which do the dropping here",
}


def look_at_dropout(subject: Subject, draw: Draw, p: float) -> Iterator[Seen]:
    """Positions and blocks drop in train mode, as `dropout` says, and nothing else does: each is looked at alone."""
    case = Case(subject, draw, dropout=p, b=2)
    parts: dict[str, Any] = {"positions": [case.model.positions], "blocks": case.parts.blocks}
    facts: Facts = {}
    for name, where in DROPPING.items():
        case.model.train(name == "elsewhere")
        for kind, some in parts.items():
            for each in some:
                each.train(kind == name)
        drops, should = not same(case.call(), case.call()), p > 0 and name != "elsewhere"
        what, do = ("nothing", ": hand `dropout` on") if should else ("something", "")
        facts[name] = (drops == should, f"With dropout={p}, {what} is dropped {where} in train mode{do}.")
    case.model.eval()
    yield seen_facts("Train mode", facts, says_it_all=True)


def look_at_long(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Long texts: nothing is cut."""
    case = Case(subject, draw, b=2, t=139, h=2)
    yield case.seen("logits", case.call(), "For texts of 139 words, the output")


def look_twice(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """A model that has been used keeps nothing: neither of longer texts, nor of other texts of the same sizes."""
    case = Case(subject, draw, padding=2, b=3)
    assert case.mask is not None
    case.call()
    ids = torch.randint(1, case.sizes["vocab"], case.mask.shape, generator=draw.again("ids").generator)
    overwrite(case.token_ids, case.mask, by=[ids * case.mask.roll(1, 0), case.mask.roll(1, 0)])
    before = "The output of a model that was used before, for other texts of the same sizes,"
    with second_call("with other texts"):
        yield case.seen("logits", case.call(), before)
        case = case.other(ids)
        yield case.seen("logits", case.call(), before)
    case = case.other(ids[:1, :2])
    with second_call("with other sizes and without a mask"):
        yield case.seen("logits", case.call(), "The output of a model that was used before, for longer texts,")


def look_elsewhere(subject: Subject, draw: Draw, **settings: Any) -> Iterator[Seen]:
    """Tensors that are made on the way are made where the inputs are. What a used model keeps would stay behind."""
    case = Case(subject, draw, b=2, **settings)
    yield from seen_elsewhere(subject, case.model, case.token_ids, named={"mask": case.mask})


def seen_gradients(case: Case, output: torch.Tensor, draw: Draw) -> Iterator[Seen]:
    """Yield whether the gradient reaches classifier and blocks, then the embedding's gradient.

    It goes from the end to the beginning, as gradients do: what is told first is nearest to where it stops.

    Parameters
    ----------
    case : Case
        In float64: some gradients are sums that cancel.
    output : tensor
        The answer's logits, already seen to be right.
    draw : Draw
        Says of what the gradients are taken.
    """
    parts = case.parts
    named = {told: dict(layer.named_parameters()) for told, layer in parts.layers().items()}
    leaves: list[torch.Tensor] = [parameter for layer in named.values() for parameter in layer.values()]
    ahead = draw.normal(*output.shape)
    # A misconception computes with the student's own blocks: that they are frozen is none of its doing.
    frozen = {id(leaf) for leaf in leaves if not leaf.requires_grad}
    found = dict(zip(map(id, leaves), case.subject.gradients(output, leaves, ahead), strict=True))

    @functools.cache
    def wanted() -> dict[int, Any]:
        for leaf in leaves:
            leaf.requires_grad_()
        try:
            total = (case.expected()["logits"] * ahead).sum()
            return dict(zip(map(id, leaves), torch.autograd.grad(total, leaves, allow_unused=True), strict=True))
        finally:
            for leaf in leaves:
                leaf.requires_grad_(id(leaf) not in frozen)

    def state(parameter: torch.nn.Parameter) -> Any:
        """True if all is well; a word for what is not."""
        got, right = found[id(parameter)], wanted()[id(parameter)]
        if right is None or (id(parameter) in frozen and not case.subject.is_students):
            return True
        if id(parameter) in frozen:
            return "is frozen"
        if got is None:
            return "gets none"
        return same(got.float(), right.float()) or "gets another"  # a table of positions in float32 is right too

    facts: Facts = {}
    for layer, parameters in list(named.items())[:-1]:
        states = {name: state(parameter) for name, parameter in parameters.items()}
        wrong = next((name for name, word in states.items() if word is not True), "")
        facts[layer] = (states.get(wrong, True), _told(layer, wrong, states.get(wrong, "")))
    yield seen_facts("Learning", facts)
    table = id(parts.embedding.weight)
    if table in frozen:
        told = _told("the embeddings", "weight", "is frozen")
        yield seen_facts("Learning", {"the embeddings": (False, told)})
    got = None if (came := found[table]) is None else came.float()
    yield Seen("The gradient of the embeddings", got, lambda: wanted()[table].float(), ("vocab", "k"), case.sizes)


def _told(layer: str, name: str, word: str) -> str:
    if word == "is frozen":
        return f"In {layer}, `{name}` has `requires_grad=False`: it would never learn."
    if word == "gets none":
        return f"No gradient reaches {layer} (`{name}`): is something detached, or turned into plain numbers, after it?"
    return f"The gradient of {layer} (`{name}`) is not what the formula gives: is a part of the way to it detached?"


# Mistakes

MISTAKES = Mistakes(layers.Transformer).read(
    r"""
    no scaling: The words' vectors are not scaled: multiply them by the square root of k before the positions are added.
         * math.sqrt(self.embed_dim) =>
    divided by the root of k: The words' vectors are divided by the square root of k, as attention's scores are.
    Multiply them by it.
        * math.sqrt(self.embed_dim) => / math.sqrt(self.embed_dim)
    multiplied by k: The words' vectors are multiplied by k itself. Take its square root.
        math.sqrt(self.embed_dim) => self.embed_dim
    positions scaled too: Positions are multiplied by the square root of k along with the words. Scale the words first,
    then add positions.
        ) * math.sqrt(self.embed_dim)) => )) * math.sqrt(self.embed_dim)
    no positions: Positions are left out: the model could not tell “dog bites man” from “man bites dog”.
        positions(self.embedding(token_ids) * math.sqrt(self.embed_dim)
            => embedding(token_ids) * math.sqrt(self.embed_dim
    positions after the blocks: Positions are added after the blocks. Attention needs them: add them to the words,
    before the first block.
        positions(self.embedding(token_ids) * math.sqrt(self.embed_dim)
            => embedding(token_ids) * math.sqrt(self.embed_dim
        counts = => x = self.positions(x); counts =
    no positions and no scaling: The blocks are given the embeddings as they are. Multiply them by the square root of k,
    then add positions.
        self.positions(self.embedding(token_ids) * math.sqrt(self.embed_dim)) => self.embedding(token_ids)
    positions without words: The blocks are given positions alone, with the words lost: `self.positions` adds to what it
    is handed.
        self.embedding(token_ids) * math.sqrt(self.embed_dim
            => torch.zeros_like(self.embedding(token_ids) * math.sqrt(self.embed_dim)
    positions added twice: Positions are added twice: `self.positions(x)` returns x and positions together, so do not
    add x once more.
        embedding(token_ids) * math.sqrt(self.embed_dim
            => positions(self.embedding(token_ids) * math.sqrt(self.embed_dim)
    words added twice: Words are added twice: `self.positions(x)` returns x and positions together.
        self.positions( => self.embedding(token_ids) * math.sqrt(self.embed_dim) + self.positions(
    embeddings detached: No gradient reaches the embeddings: they are detached, and would never learn.
        self.embedding(token_ids) * => self.embedding(token_ids).detach() *
    one block only: There is one block, whatever `depth` says. Make as many as `depth`.
        range(depth) => range(1)
    the same block again and again: The blocks share their weights: `[block] * depth` is the same block several times.
    Make a new one each time.
        ) for _ in range(depth)] => )] * depth
    blocks in a plain list: The blocks stand in a plain Python list: they would not be trained, or moved to a GPU. Put
    them in an `nn.ModuleList`.
        nn.ModuleList([TransformerBlock(embed_dim, num_heads, dropout=dropout) for _ in range(depth)])
            => [TransformerBlock(embed_dim, num_heads, dropout=dropout) for _ in range(depth)]
    blocks left out: The blocks are there, but nothing goes through them.
        x = block(x, mask[:, None, None, :]) => pass
    each block on the same input: Each block is given the first block's input. Give it what the block before it
    returned: `x = block(x, …)`.
        for block in => start = x\n        for block in
        block(x, mask => block(start, mask
    blocks whose result is lost: What the blocks return is lost, and their input is averaged. Keep it: `x = block(x,
    …)`.
        x = block(x, mask[:, None, None, :]) => block(x, mask[:, None, None, :])
    blocks without the mask: The blocks do not get the mask, so words attend to padding. Hand it over as (b, 1, 1, t).
        x = block(x, mask[:, None, None, :]) => x = block(x)
    mask upside down in the blocks: The blocks get the mask upside down, so words attend to padding alone. True means:
    may be attended to.
        mask[:, None, None, :] => ~mask[:, None, None, :]
    padding averaged in: The mean is taken over all places, padding too. Leave the padding out of the sum and of the
    number.
        total / counts => x.mean(1)
    divided by the padded length: The words are added up rightly, but divided by t, padding included. Divide by the
    number of words of each text.
        total / counts => total / x.shape[1]
    padding in the sum: The sum runs over the padding too; only the number that it is divided by counts words. Make
    padding zero first.
        x.masked_fill(~mask[:, :, None], 0.0).sum(dim=1) => x.sum(dim=1)
    mask without an axis: The mask is (b, t) and x is (b, t, k): give the mask one more axis, `mask[:, :, None]`.
        x.masked_fill(~mask[:, :, None], 0.0) => (x * mask)
      or x.masked_fill(~mask[:, :, None], 0.0) => x.masked_fill(~mask, 0.0)
    added up along the features: The sum runs along the features, axis 2. Add up along the words, axis 1: (b, k).
        0.0).sum(dim=1) => 0.0).sum(dim=2)
    words set to zero: The words are set to zero, and the padding is added up. Set the padding to zero: `~mask`.
        masked_fill(~mask => masked_fill(mask
    mean over the padding: The mean is taken over the padding instead of the words: the mask is upside down there.
        mask.sum(dim=1, keepdim=True).clamp(min=1) => (~mask).sum(dim=1, keepdim=True).clamp(min=1)
        masked_fill(~mask => masked_fill(mask
    one number of words for all texts: All texts are divided by the number of words in the whole batch. Each text has a
    number of its own: count along the words' axis, `dim=1`.
        total / counts => total / mask.sum()
    sum instead of mean: The words' vectors are added up, but not divided by the number of words.
        total / counts => total
    largest instead of mean: Of each feature the largest value is taken. The mean is wanted.
        total / counts => x.masked_fill(~mask[:, :, None], -math.inf).amax(1)
    first word only: Only the first word is classified, as BERT does with its [CLS]. Here the mean over all words is
    wanted.
        total / counts => x[:, 0]
    last word only: Only the last word of each text is classified. The mean over all its words is wanted.
        total / counts => x[torch.arange(len(x)), mask.sum(1) - 1]
    last place only: Only the last place of each row is classified, which may be padding. The mean over the words is
    wanted.
        total / counts => x[:, -1]
    mean over the batch: The mean is taken over the batch: axis 0. The words stand along axis 1.
        total / counts => x.masked_fill(~mask[:, :, None], 0.0).mean(0)
    no mean: There are logits for each word. Take the mean over the words first: one row of logits for each text.
        total / counts => x
    a text without words divides by 0: A text without words is divided by 0 words, which gives NaN. Divide by at least
    1: `clamp(min=1)`.
        .clamp(min=1) =>
    softmax on the logits: The output went through softmax. Return logits: cross-entropy applies softmax itself, and
    once is enough.
        self.classifier(pooled) => torch.softmax(self.classifier(pooled), -1)
    softmax over the texts: Each column adds up to 1: a softmax ran over the texts. Return logits, before any softmax.
        self.classifier(pooled) => torch.softmax(self.classifier(pooled), 0)
    sigmoid on the logits: The output went through a sigmoid. Return logits, as the classifier gives them.
        self.classifier(pooled) => torch.sigmoid(self.classifier(pooled))
    no bias: The classifier's bias is missing: call the layer, `self.classifier(...)`.
        self.classifier(pooled) => pooled @ self.classifier.weight.T
    log-softmax on the logits: The output went through log-softmax. Return the logits as they are: cross-entropy does
    the rest.
        self.classifier(pooled) => torch.log_softmax(self.classifier(pooled), -1)
    ReLU on the logits: Negative logits are cut off by a ReLU. Return them as the classifier gives them.
        self.classifier(pooled) => torch.relu(self.classifier(pooled))
    the class instead of logits: The output holds the likeliest class of each text. Return the logits.
        self.classifier(pooled) => self.classifier(pooled).argmax(-1)
    no classifier: The mean comes back as it is. Send it through the classifier.
        self.classifier(pooled) => pooled
    max_len not handed on: A text longer than max_len goes through: hand max_len on to `PositionalEncoding`, which else
    takes 512 tokens.
        , dropout, max_len) => , dropout)
    dropout in eval mode: Dropout is active in eval mode too, so predictions are random. `nn.Dropout` knows the mode by
    itself.
        self.positions(self.embedding(token_ids) * math.sqrt(self.embed_dim)
            => nn.functional.dropout(self.positions(self.embedding(token_ids) * math.sqrt(self.embed_dim)), 0.1
    """
)

# The check

MASKED: dict[str, Any] = {"padding": 1}
DOUBLE: dict[str, Any] = {"padding": 1, "dtype": torch.float64}


def _stage(right: str, stage: str, draws: str = "", **settings: Any) -> Step:
    simpler: list[tuple[str, dict[str, Any]]] = [("without a mask", {"padding": None})] if "padding" in settings else []
    if settings.get("dtype") == torch.float64:
        simpler.append(("in float32, but not in float64", {"dtype": torch.float32}))
    return Step(right, look_at, {"stage": stage, **settings}, tuple(simpler), draws=draws)


EXERCISE = Exercise(
    id="7",
    title="a Transformer that classifies texts",
    passed="Embeddings, positions, blocks, the mean over the words and the logits are right; padding changes nothing.",
    hints={1: ("words and positions",), 2: ("the mean", "the mean with a mask")},
    steps=(
        Step("eval mode", look_at_eval, draws="no mask"),
        _stage("words and positions", "input", "no mask"),
        _stage("the blocks", "blocks", "no mask"),
        _stage("the mean", "pooled", "no mask"),
        _stage("the logits", "logits", "no mask"),
        _stage("the blocks with a mask", "blocks", "a mask", **MASKED),
        _stage("the mean with a mask", "pooled", "a mask", **MASKED),
        _stage("the logits with a mask", "logits", "a mask", **MASKED),
        _stage("sizes of 1", "logits", padding=1, b=1, c=1),
        _stage("sizes of 1", "logits", padding=0, t=1, h=1),
        Step("using a model twice", look_twice),
        Step("padding", look_at_padding, MASKED, draws="a mask"),
        Step("padding", look_at_mixed, MASKED, draws="a mask"),
        Step("a text without words", look_at_empty, MASKED, draws="a mask"),
        Step("long texts", look_at_long),
        Step("texts that are too long", look_at_longest, draws="no mask"),
        _stage("float64", "logits", "float64", **DOUBLE),
        Step("the gradients", look_at_gradients, DOUBLE, draws="float64"),
        Step("train mode", look_at_training),
        Step("another device", look_elsewhere, MASKED),
        Step("dropout", look_at_dropout, {"p": 0.6}),
        Step("dropout", look_at_dropout, {"p": 0.0}),
    ),
    telling="the logits with a mask",
    misconceptions=MISTAKES,
)
