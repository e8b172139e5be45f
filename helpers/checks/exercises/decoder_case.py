"""A decoder block with known weights, inputs for it, and what torch makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import Any

import torch
import torch.nn.functional as F

from helpers.checks.answer.subject import Subject
from helpers.checks.answer.undisturbed import reseed
from helpers.checks.engine.draw import PADDING, PER_HEAD, PER_QUERY, ROWS, TABLE, Draw
from helpers.checks.engine.seen import Seen, same
from helpers.checks.engine.trouble import Trouble
from helpers.checks.exercises import self_attention_case
from helpers.checks.exercises.decoder_parts import Options, fit_decoder
from helpers.checks.exercises.parts import remembered
from helpers.checks.exercises.self_attention_case import run_layer
from helpers.checks.looks.dropout import in_train_mode

Weights = Mapping[str, torch.Tensor]
_OF_BLOCK = ("hidden", "dropout", "dtype", "h", "m", "more")  # what `Block` is told, not `Case`
_AXES = {
    PADDING: "(b, 1, 1, {})",
    PER_QUERY: "(b, 1, t, {})",
    PER_HEAD: "(b, h, t, {})",
    TABLE: "(t, {})",
    ROWS: "(1, t, {})",
}


def expected_output(
    weights: Weights,
    h: int,
    x: torch.Tensor,
    memory: torch.Tensor | None = None,
    mask: torch.Tensor | None = None,
    memory_mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return what torch's functions give with these weights: (b, t, k) gives (b, t, k), in float64."""

    def named(start: str) -> dict[str, torch.Tensor]:
        return {name.removeprefix(start): value for name, value in weights.items() if name.startswith(start)}

    def norm(number: int, x: torch.Tensor) -> torch.Tensor:
        learned = named(f"norm {number}.")
        return F.layer_norm(x, x.shape[-1:], learned.get("weight"), learned.get("bias"))

    t = x.shape[1]
    causal = torch.ones(t, t, dtype=torch.bool, device=x.device).tril()
    allowed = causal if mask is None else causal & mask
    x = norm(1, x + self_attention_case.expected_output(named("self-attention."), h, x, allowed))
    if memory is not None:
        across = named("cross-attention.")
        x = norm(2, x + self_attention_case.expected_output(across, h, x, memory_mask, memory))
    hidden = F.relu(F.linear(x, weights["mlp_1.weight"], weights.get("mlp_1.bias")))
    return norm(3, x + F.linear(hidden, weights["mlp_2.weight"], weights.get("mlp_2.bias")))


class Block:
    """A block with known weights.

    Parameters
    ----------
    subject, draw
        As a step is handed them.
    hidden
        Whether `hidden_dim` is handed over.
    dropout
        As handed over; None: nothing is said.
    dtype
        Of the weights.
    **fixed
        Sizes that are not drawn: h, m, more.
    """

    def __init__(
        self,
        subject: Subject,
        draw: Draw,
        *,
        hidden: bool = True,
        dropout: float | None = 0.0,
        dtype: torch.dtype = torch.float32,
        **fixed: int,
    ) -> None:
        while True:
            sizes = draw.sizes("h m more", 2, 8, ["h*m"]) | fixed
            k = sizes["h"] * sizes["m"]
            if k > 2 and sizes["more"] % k:  # a width of 2 k or 3 k could be something else
                break
        wide = k + sizes["more"] if hidden else 2 * k
        self.sizes = {"h": sizes["h"], "k": k, "d": sizes["m"], "h·d": k, "hidden": wide}
        named: dict[str, Any] = {} if dropout is None else {"dropout": dropout}
        if hidden:
            named["hidden_dim"] = wide
        layer = subject.make(k, sizes["h"], **named)
        subject.insist_on_registered(layer)
        self.layer = layer if dtype == torch.float32 else layer.to(dtype)
        options = fit_decoder(subject, draw, self.layer, self.sizes, dtype)
        way = self._which(subject, draw, options, dtype)
        self.misnamed = options.misnamed(self.layer, *way)
        fitted = options.joined(*way)
        self.fitted = remembered(subject, draw, str(self.sizes), fitted)

    def _which(self, subject: Subject, draw: Draw, options: Options, dtype: torch.dtype) -> tuple[int, tuple[int, ...]]:
        """Which of its two attentions, and of its three norms, is which shows only in what a block computes."""
        known: tuple[int, tuple[int, ...]] = subject.notes.get("way", (0, (0, 1, 2)))
        if "way" in subject.notes or not subject.is_students:
            return known if subject.is_students else (0, (0, 1, 2))
        h, k = self.sizes["h"], self.sizes["k"]
        x, memory = draw.normal(2, 5, k, dtype=dtype), draw.normal(2, 4, k, dtype=dtype)
        found = known
        for other in (None, memory):  # without a memory, the attention to it plays no part
            called: list[int] = []
            hooks = [
                norm.register_forward_hook(lambda *_, i=i, called=called: called.append(i))
                for i, norm in enumerate(options.norm_layers)
            ]
            try:
                output = run_layer(subject, self.layer, x, memory=other)
            except Trouble as trouble:
                if trouble.key[0] in ("too long", "side effect"):  # which a second call would repeat, or hide
                    raise
                return known  # told where it belongs
            finally:
                for hook in hooks:
                    hook.remove()
            inputs = h, x.double(), None if other is None else other.double()
            for way in self._candidates(options, None if other is None else found, called):
                if same(output, expected_output(options.joined(*way).weights, *inputs), 3.0):
                    found = way
                    break
        reseed(subject.seeds[1])  # as if nothing had been called
        subject.notes["way"] = found
        return found

    def _candidates(
        self, options: Options, found: tuple[int, tuple[int, ...]] | None, called: list[int]
    ) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield the ways that may still be; once the first attention is found, those that have the same."""
        if found is not None:
            yield from ((i, found[1]) for i in options.with_first_of(found[0]))
            return
        # In the order in which they were called the norms are most likely right: it is tried first.
        orders = sorted(permutations(range(3)), key=lambda norms: [norms[0], norms[2]] != called)
        yield from ((i, norms) for norms in orders for i in options.firsts())


class Case:
    """A block, and inputs for it.

    Parameters
    ----------
    block, draw
        The block, and a source of numbers for the inputs.
    memory
        Whether there is a memory to attend to.
    mask, memory_mask
        What kinds of masks there are; None for none.
    **fixed
        Sizes that are not drawn: b, t, tk.
    """

    def __init__(
        self,
        subject: Subject,
        draw: Draw,
        block: Block,
        *,
        memory: bool = True,
        mask: str | None = None,
        memory_mask: str | None = None,
        **fixed: int,
    ) -> None:
        self.subject, self.layer, self.fitted = subject, block.layer, block.fitted
        draw = draw.again(f"inputs of {draw.own}")
        self.sizes = draw.sizes("b t tk", 2, 8, taken=block.sizes.values()) | fixed | block.sizes
        b, t, tk, h, k = (self.sizes[name] for name in ("b", "t", "tk", "h", "k"))
        dtype = next(block.layer.parameters()).dtype
        self.x, self.memory = draw.normal(b, t, k, dtype=dtype), draw.normal(b, tk, k, dtype=dtype)
        self.has_memory = memory
        self.mask = None if mask is None else draw.mask(mask, b, h, t, t)
        self.memory_mask = None if memory_mask is None else draw.mask(memory_mask, b, h, t, tk)
        self.words = " with a memory" if memory else " without a memory"
        if mask is not None:
            self.words += f" and a mask {_AXES[mask].format('t')}"
        if memory_mask is not None:
            self.words += f" and a memory mask {_AXES[memory_mask].format('tk')}"

    def call(self, first_only: bool = False) -> torch.Tensor:
        """Return the answer's output, for the first text alone if asked."""
        part = slice(1) if first_only else slice(None)
        masks = [m if m is None or m.dim() < 4 else m[part] for m in (self.mask, self.memory_mask)]
        memory = self.memory[part] if self.has_memory else None
        return run_layer(self.subject, self.layer, self.x[part], memory=memory, mask=masks[0], memory_mask=masks[1])

    def expected(
        self, weights: Weights | None = None, x: torch.Tensor | None = None, memory: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return torch's output."""
        weights = self.fitted.weights if weights is None else weights
        x = self.x.detach().double() if x is None else x
        if memory is None and self.has_memory:
            memory = self.memory.detach().double()
        return expected_output(weights, self.sizes["h"], x, memory, self.mask, self.memory_mask)

    def seen_in_train_mode(self, what: str) -> Seen:
        """Return the output in train mode beside torch's."""

        def call(first_only: bool = False) -> torch.Tensor:
            with in_train_mode(self.layer):
                return self.call(first_only)

        seen = self.seen(what, call())
        seen.alone = lambda: call(first_only=True)
        return seen

    def seen(self, what: str, got: torch.Tensor | None = None) -> Seen:
        """Return the output beside torch's."""
        return Seen(
            what + self.words,
            self.call() if got is None else got,
            self.expected,
            ("b", "t", "k"),
            self.sizes,
            dtype=self.x.dtype,
            alone=lambda: self.call(first_only=True),
        )


def make_case(subject: Subject, draw: Draw, ones: str = "", long: bool = False, **settings: Any) -> Case:
    """Return a case of the block that all steps with these draws share; `settings` are those of `Block` and `Case`."""
    settings |= dict.fromkeys(ones.split(), 1)
    if long:
        settings |= {"t": 131, "tk": 139}
    of_block = {name: settings.pop(name) for name in _OF_BLOCK if name in settings}
    return Case(subject, draw, subject.shared(Block, draw, **of_block), **settings)
