"""A text classifier with known weights, texts for it, and what its own blocks make of them between our ends."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.seen import Seen
from helpers.checks.engine.trouble import Trouble
from helpers.checks.exercises.exercise_5 import expected_encoding
from helpers.checks.exercises.mistakes_7 import StandInBlock, TransformerByHand
from helpers.checks.exercises.remembering import Memory, Remembering
from helpers.checks.exercises.transformer_parts import Parts, find_parts, insist_on_heads

Stages = dict[str, torch.Tensor | Trouble]

STAGES = {
    "input": ("What the first block is given", ("b", "t", "k")),
    "blocks": ("What the last block gives, at the words,", ("n", "k")),
    "pooled": ("What the classifier is given", ("b", "k")),
    "logits": ("The output", ("b", "c")),
}


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
        Handed over to an answer that takes such an argument; None: nothing is said.
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
        is_ours = not subject.is_students and issubclass(subject.answer, TransformerByHand)
        named: dict[str, Any] = {"block": StandInBlock} if is_ours else {}
        if dropout is not None and takes_dropout(subject.answer):
            named["dropout"] = dropout
        made = subject.make(k, sizes["h"], sizes["depth"], self.max_len, sizes["vocab"], sizes["c"], **named)
        self.model = made.to(dtype)
        parts = find_parts(self.model, self.sizes)
        if subject.is_students:
            insist_on_heads(parts.blocks, sizes["h"])
        self.parts = self._take_over(parts)
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
            clue=(lambda got: _not_logits(got, wanted(), self.parts.classifier)) if stage == "logits" else None,
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
            memories = self.subject.notes.setdefault((self.draw.case, "blocks"), [Memory() for _ in blocks])
            blocks = [Remembering(block, memory) for block, memory in zip(blocks, memories, strict=True)]
        self.model.blocks = nn.ModuleList(blocks)
        return Parts(parts.embedding, blocks, parts.classifier)


def takes_dropout(answer: Any) -> bool:
    """Whether an answer has an argument of this name: the lesson's has, and may be written without."""
    try:
        return "dropout" in inspect.signature(answer).parameters
    except (TypeError, ValueError):
        return False


def _run_block(block: nn.Module, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    if isinstance(block, nn.TransformerEncoderLayer):  # torch's own layer: True means padding there
        return block(x, src_key_padding_mask=None if mask is None else ~mask)
    return block(x) if mask is None else block(x, mask[:, None, None, :])


def _not_logits(got: torch.Tensor, wanted: torch.Tensor, classifier: nn.Linear) -> str:
    """What was done to logits, where it can be seen in them."""

    def gives(other: torch.Tensor) -> bool:
        return bool(((got - other).abs() < 1e-4).all())

    wanted = wanted.double()
    if bool((got > 0).all()) and gives(wanted.softmax(-1)):
        return "Each row adds up to 1: logits are wanted, before any softmax"
    if gives(wanted.softmax(0)):
        return "Each column adds up to 1: a softmax ran over the texts. Logits are wanted, before any softmax"
    if gives(wanted.sigmoid()):
        return "The output went through a sigmoid. Logits are wanted as the classifier gives them"
    if classifier.bias is not None and gives(wanted - classifier.bias.detach().double()):
        return "The classifier's bias is missing: call the layer, `self.classifier(...)`"
    return ""
