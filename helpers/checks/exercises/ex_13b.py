"""Exercise 13b, without these heads: the models, what is right, what the check looks at, and mistakes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from helpers import layers
from helpers.checks.answer.subject import Subject
from helpers.checks.engine.draw import Draw
from helpers.checks.engine.exercise import Exercise, Step
from helpers.checks.engine.mistakes import Mistakes
from helpers.checks.engine.seen import Seen, same
from helpers.checks.engine.trouble import Trouble
from helpers.checks.looks.devices import seen_elsewhere

Heads = list[tuple[int, int]]
AXES = ("b", "t", "v")
DEVICE = "with a model on another device, say a GPU, it stops. Make new tensors with `device=x.device`, or from x."
INTERRUPTED = (
    "if somebody stops the cell in the middle, the model is not put back. `finally` runs then, too; `except Exception` "
    "does not."
)
WEIGHTS = (
    "while it is open, weights of the model are other than they were: whoever trains it or saves it then has the wrong "
    "ones. A hook touches no weight."
)
ENTERED = (
    "the hook changes the very numbers that entered. Whoever else holds them, another hook for instance, then sees "
    "zeros, too. Change a copy (`clone`)."
)
GRADIENT = "while it is open, the model cannot be trained: no gradient comes through. Does it `detach`?"


class _StopError(Exception):
    """Something that goes wrong in the middle."""


class _Interruption(BaseException):
    """As when somebody stops a cell: no `Exception`, like KeyboardInterrupt."""


def _model(seed: int, llama: bool = False, h: int = 0) -> tuple[nn.Module, torch.Tensor, dict[str, int]]:
    """Make a model of three layers and a batch for it, the same for the same seed."""
    draw = Draw(seed, "model")
    sizes = draw.sizes("b t h d", 3, 7, taken=(2,))
    if llama:
        sizes |= {"h": 4, "d": draw.random.choice([6, 8])}
    h, d = h or sizes["h"], sizes["d"]
    sizes |= {"h": h, "v": 11}
    model: nn.Module
    if llama:
        from helpers.models.storyteller import new_storyteller

        model = new_storyteller(
            11, 0, hidden_size=4 * d, intermediate_size=9, num_hidden_layers=3, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=16,
        )  # fmt: skip
    else:
        model = layers.AttentionOnly(11, embed_dim=h * d, num_heads=h, depth=3, max_len=16)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(draw.normal(*parameter.shape, scale=1.5 * parameter.shape[-1] ** -0.5))
    ids = torch.randint(11, (sizes["b"], sizes["t"]), generator=draw.generator)
    return model.eval(), ids, sizes


def _logits(model: nn.Module, ids: torch.Tensor) -> torch.Tensor:
    came = model(ids)
    logits: torch.Tensor = came if isinstance(came, torch.Tensor) else came.logits
    return logits


def expected_logits(draw: Draw, heads: Heads, llama: bool = False, h: int = 0) -> torch.Tensor:
    """Return what a model without these heads gives: one whose matrices have zeros where they would be read."""
    return _expected(draw.seed, tuple(heads), llama, h)


@functools.lru_cache(maxsize=64)  # a failing check asks once more for every misconception
@torch.no_grad()
def _expected(seed: int, heads: tuple[tuple[int, int], ...], llama: bool, h: int) -> torch.Tensor:
    model, ids, _ = _model(seed, llama, h)
    for layer, head in heads:
        attention = model.model.layers[layer].self_attn if llama else model.layers[layer]  # type: ignore[union-attr, index]
        matrix = attention.o_proj if llama else attention.unify_heads  # type: ignore[union-attr]
        width = attention.head_dim  # type: ignore[union-attr]
        matrix.weight[:, head * width : (head + 1) * width] = 0
    return _logits(model, ids)


def look_at_manager(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Refuse what `with` cannot open."""
    manager = subject.call(subject.answer, _model(draw.seed)[0], [(0, 0)], name=subject.name)
    if not (hasattr(manager, "__enter__") and hasattr(manager, "__exit__")):
        sentence = (
            f"`with` cannot open what `{subject.name}` returns. Leave `@contextmanager` above the function, and put a "
            "`yield` into it."
        )
        raise Trouble(sentence, "no manager")
    yield from ()


def _opened(subject: Subject, model: nn.Module, heads: Heads, run: Callable[[], Any]) -> Any:
    """Return what `run` gives inside `with answer(model, heads)`."""

    def opened() -> Any:
        with subject.answer(model, heads):
            return run()

    return subject.call(opened, name=subject.name)


def _draw_heads(draw: Draw, h: int, kind: str) -> Heads:
    """Heads of a model with three layers of h heads: layer and head differ, and neither is the first."""
    head = draw.random.randint(1, h - 2) if h > 2 else h - 1
    if kind == "one":
        return [(2, head)] if head != 2 else [(1, head)]
    if kind == "one layer":
        return [(1, h - 1), (1, 0)]
    return [(2, 0), (0, h - 1), (2, head), (1, 1)]


def look_inside(subject: Subject, draw: Draw, kind: str = "one", llama: bool = False, h: int = 0) -> Iterator[Seen]:
    """The logits while some heads are silent."""
    model, ids, sizes = _model(draw.seed, llama, h)
    heads: Heads = [] if kind == "none" else [(1, 0)] if h == 1 else _draw_heads(draw, sizes["h"], kind)
    with torch.no_grad():  # whether it can be trained, another step asks
        came = _opened(subject, model, list(heads), lambda: _logits(model, ids))
    which = f"without {heads}" if heads else "with an empty list"
    of = "a small Llama" if llama else f"three layers of {sizes['h']} heads" if sizes["h"] > 1 else "layers of one head"
    yield Seen(
        f"What a model of {of} says {which},",
        came,
        lambda: expected_logits(draw, heads, llama, h),
        AXES,
        sizes,
        clue=lambda got: _clue(got, draw, heads, llama, h),
    )


def _clue(got: torch.Tensor, draw: Draw, heads: Heads, llama: bool, h: int) -> str:
    """Whether it is what the model says with all its heads, or with some of these missing."""
    for some in [[], *([one] for one in heads)]:
        expected = expected_logits(draw, some, llama, h)
        if some != heads and same(got.float(), expected):
            return "That is what the model says with all its heads" if not some else f"Only {some[0]} is silent"
    return ""


def _state(model: nn.Module) -> dict[str, Any]:
    hooks = [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules()]
    return {
        "weights": {name: weight.detach().clone() for name, weight in model.state_dict().items()},
        "hooks": hooks,
        "modes": [part.training for part in model.modules()],
        "learns": [parameter.requires_grad for parameter in model.parameters()],
    }


TOLD = {
    "logits": "Afterwards the model says something else than before: something stays behind.",
    "own hook": "A hook that hung there before is gone, and was not yours. Remove only your own, by their handles.",
    "hooks": "Afterwards hooks hang on the model that were not there before. Each one's handle has a `remove()`.",
    "weights": "Afterwards weights of the model are not what they were.",
    "modes": "Afterwards parts of the model are in another mode, train or eval, than before.",
    "learns": "Afterwards other weights have `requires_grad` than before.",
    "heads": "The caller's list of heads was changed: it is not yours.",
    "error": "An error inside the `with` is swallowed: whoever made it never hears of it. Let it pass on.",
}


def look_afterwards(subject: Subject, draw: Draw, error: type[BaseException] | None = None) -> Iterator[Seen]:
    """The model is what it was: at the end, or after an error inside."""
    model, ids, sizes = _model(draw.seed)
    heads = _draw_heads(draw, sizes["h"], "several")
    given = list(heads)
    calls: list[int] = []
    model.layers[2].unify_heads.register_forward_pre_hook(lambda *_: calls.append(1))  # type: ignore[union-attr, index]
    model.layers[1].train()  # type: ignore[union-attr, index]
    next(model.parameters()).requires_grad_(False)
    before = _state(model)

    def opened() -> bool:
        try:
            with subject.answer(model, given):
                _logits(model, ids)
                if error is not None:
                    raise error
        except (_StopError, _Interruption):
            return True
        return False

    with torch.no_grad():
        passed_on = subject.call(opened, name=subject.name)
    calls.clear()
    with torch.no_grad():
        logits = _logits(model, ids)
    after = _state(model)
    same_weights = all(torch.equal(after["weights"][name], weight) for name, weight in before["weights"].items())
    facts = {
        "own hook": bool(calls),
        "weights": same_weights,
        "hooks": [max(0, now - then) for now, then in zip(after["hooks"], before["hooks"], strict=True)],
        "logits": torch.allclose(logits, expected_logits(draw, []), atol=1e-5),
        "modes": after["modes"] == before["modes"],
        "learns": after["learns"] == before["learns"],
        "heads": given,
        "error": passed_on or error is None,
    }
    when = "After an error inside, the model" if error else "Afterwards, the model"
    wanted = dict.fromkeys(facts, True) | {"hooks": [0] * len(after["hooks"]), "heads": heads}
    yield Seen(when, facts, lambda: wanted, told=TOLD)


def look_nested(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """One inside the other, and one after the other: what is open counts."""
    model, ids, sizes = _model(draw.seed)
    outer = _draw_heads(draw, sizes["h"], "one")
    inner = [(0, sizes["h"] - 1), (outer[0][0], 0)]  # one of them in the same layer
    said: dict[str, torch.Tensor] = {}

    def one_in_the_other() -> None:
        with torch.no_grad():
            with subject.answer(model, list(outer)):
                with subject.answer(model, list(inner)):
                    said["both"] = _logits(model, ids)
                said["outer"] = _logits(model, ids)
            with subject.answer(model, list(inner)):
                said["inner"] = _logits(model, ids)

    subject.call(one_in_the_other, name=subject.name)
    for name, what, heads in (
        ("both", "What it says with two open, one inside the other,", [*outer, *inner]),
        ("outer", "What it says when the inner one is closed,", outer),
        ("inner", "What it says when it is opened once more, for other heads,", inner),
    ):
        yield Seen(what, said[name], lambda heads=heads: expected_logits(draw, heads), AXES, sizes)  # type: ignore[misc]


def look_at_open_weights(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """No weight is touched while it is open."""
    model, _, sizes = _model(draw.seed)
    before = _state(model)["weights"]
    heads = _draw_heads(draw, sizes["h"], "several")
    during = _opened(subject, model, heads, lambda: _state(model)["weights"])
    facts = {"weights": all(torch.equal(during[name], weight) for name, weight in before.items())}
    yield Seen("While it is open, the model", facts, lambda: {"weights": True})


def look_at_what_entered(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """What enters a matrix is left alone: another hook, which hung there before, may hold it."""
    model, ids, sizes = _model(draw.seed)
    held: list[tuple[torch.Tensor, torch.Tensor]] = []
    matrix: Any = model.layers[2].unify_heads  # type: ignore[union-attr, index]
    matrix.register_forward_pre_hook(lambda _, inputs: held.append((inputs[0], inputs[0].clone())))
    with torch.no_grad():
        _opened(subject, model, _draw_heads(draw, sizes["h"], "several"), lambda: _logits(model, ids))
    facts = {"entered": all(torch.equal(now, then) for now, then in held)}
    yield Seen("What entered a matrix", facts, lambda: {"entered": True})


def look_elsewhere(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """Tensors that are made on the way are made where the model is."""
    model, ids, sizes = _model(draw.seed)
    heads = _draw_heads(draw, sizes["h"], "several")

    class Opened(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            with subject.answer(self.model, heads):
                return _logits(self.model, ids)

    yield from seen_elsewhere(subject, Opened(), ids)


def look_at_gradients(subject: Subject, draw: Draw) -> Iterator[Seen]:
    """The model can be trained while it is open."""
    model, ids, sizes = _model(draw.seed)
    heads = _draw_heads(draw, sizes["h"], "one")

    def learn() -> bool:
        _logits(model, ids).square().sum().backward()
        gradients = [layer.to_values.weight.grad for layer in model.layers]  # type: ignore[union-attr]
        return all(gradient is not None and bool(gradient.any()) for gradient in gradients)

    facts = {"gradient": _opened(subject, model, heads, learn)}
    yield Seen("While it is open, the gradient", facts, lambda: {"gradient": True})


# Mistakes

MISTAKES = Mistakes(layers.without_heads).read(
    r"""
    nothing is silent: No head is silent. Does a hook hang on the matrix while the block of the `with` runs, does it
    return the copy that it has changed, and does the slice hold the head's numbers, on the last axis?
        x[..., head * width : (head + 1) * width] = 0 => pass
      or return (x,) => return None
      or hooks.append(matrix.register_forward_pre_hook(silence(head, width))) => pass
      or yield => for hook in hooks: hook.remove()\n        yield
    the whole layer: All heads of the layer fall silent. Each head has `width` numbers of its own on the last axis.
        x[..., head * width : (head + 1) * width] = 0 => x[:] = 0
    the others: The named heads speak, and all *others* of their layer are silent. It is the other way round.
        x[..., head * width : (head + 1) * width] = 0
            => x[..., : head * width] = 0; x[..., (head + 1) * width :] = 0
    only one number: Only one number of the head is set to zero. It has `width` of them, from `head * width` on.
        head * width : (head + 1) * width] = 0 => head * width] = 0
      or head * width : (head + 1) * width] = 0 => head] = 0
    the head's number as a place: The part begins at place `head`. Before it stand `head` heads of `width` numbers each:
    it begins at `head * width`.
        head * width : (head + 1) * width] = 0 => head : head + width] = 0
    every few numbers: Numbers from all heads are set to zero, one here and one there. A head's numbers stand side by
    side.
        head * width : (head + 1) * width] = 0 => head :: x.shape[-1] // width] = 0
      or head * width : (head + 1) * width] = 0 => head::width] = 0
    up to the head: All heads up to this one fall silent: the part begins at 0. It begins at `head * width`.
        x[..., head * width : => x[..., :
    from the head on: This head and all those after it fall silent: the part never ends. It ends before `(head + 1) *
    width`.
        head * width : (head + 1) * width] => head * width :]
    the head after it: The head after the named one falls silent. Head 0 brings the first `width` numbers.
        x[..., head * width : (head + 1) * width] => x[..., (head + 1) * width : (head + 2) * width]
    the head before it: The head before the named one falls silent: heads are counted from 0, not from 1.
        x[..., head * width : (head + 1) * width] => x[..., (head - 1) * width : head * width]
    one number short: The last of the head's numbers is still there: a slice ends *before* its second number.
        (head + 1) * width] => (head + 1) * width - 1]
    one number too many: The first number of the next head is set to zero, too: a slice ends *before* its second number.
        (head + 1) * width] => (head + 1) * width + 1]
    words instead of numbers: Words fall silent, not a head: the slice is on the axis of the words. A head's numbers lie
    on the last axis: `x[..., from:to]`.
        x[..., head * width : (head + 1) * width] => x[:, head * width : (head + 1) * width]
      or x[..., head * width : (head + 1) * width] => x[:, head]
    only the last word: The head falls silent at the last word alone. It should at every word.
        x[..., head * width => x[:, -1, head * width
    only the first text: The head falls silent in the first text of the batch alone. It should in all.
        x[..., head * width => x[0, :, head * width
    not zero: The head's numbers are made smaller, or replaced by others. They should be zero.
        width] = 0 => width] *= 0.5
      or width] = 0 => width] = 1
      or width] = 0 => width] = x[..., head * width : (head + 1) * width].mean()
      or width] = 0 => width] = x[..., head * width : (head + 1) * width].mean(dim=(0, 1))
    zero after the matrix: What comes *out* of the matrix is set to zero in part. There the heads are mixed already: use
    a pre-hook, and change what goes in.
        def hook(matrix: nn.Module, inputs: tuple[torch.Tensor, ...]) => def hook(matrix, inputs, output)
        x = inputs[0] => x = output
        return (x,) => return x
        register_forward_pre_hook => register_forward_hook
    a hook after the matrix: `register_forward_hook` is called after the matrix, with three things. What goes *in* is
    changed by a pre-hook: `register_forward_pre_hook`.
        register_forward_pre_hook => register_forward_hook
    yield in the loop: `yield` stands inside the loop, and comes once for each head. It comes once, after the loop.
        (silence(head, width)))\n        yield => (silence(head, width)))\n            yield
    no yield: There is no `yield`, so `with` has nothing to open. Put one where the block of the `with` should run.
        yield\n => pass\n
    layer and head exchanged: Layer and head are exchanged: each pair is (layer, head).
        for layer, head in heads: => for head, layer in heads:
    layers counted from 1: The layer before the named one loses a head: layers are counted from 0.
        layers[layer] => layers[layer - 1]
    in every layer: The head falls silent in *all* layers. Each pair names one layer.
        hooks.append(matrix.register_forward_pre_hook(silence(head, width)))
            => hooks += [matrix.register_forward_pre_hook(silence(head, width)) for matrix, width in layers]
    only the first head: Only the first head of the list falls silent. Go through all of them, and `yield` after the
    loop.
        in heads: => in list(heads)[:1]:
    only the last head: Only the last head of the list falls silent. Go through all of them, with a hook for each.
        in heads: => in list(heads)[-1:]:
    the last head's number for all: Each hook sets the *last* head of the list to zero: a name inside a function is
    looked up when it runs, and after the loop it is the last. `silence(head, width)` keeps each hook's own.
        hook(silence(head, width)) => hook(silence(list(heads)[-1][1], width))
    one head a layer: Of several heads in one layer only the last falls silent. Hang up a hook for each, or collect
    them.
        in heads: => in dict(heads).items():
    hooks stay: At the end the hooks are not taken off: the heads stay silent. Call `remove()` on each handle, at the
    end as well as after an error: `finally`.
        hook.remove() => pass
    only the last hook removed: Only the hook that was hung up last is taken off. Keep all handles in a list, and remove
    each.
        for hook in hooks: => for hook in hooks[-1:]:
    only the first hook removed: Only the hook that was hung up first is taken off. Remove each.
        for hook in hooks: => for hook in hooks[:1]:
    hooks stay after an error: After an error inside, the hooks stay: what stands after `yield` is never reached then.
    `try: ... finally: ...` runs its last part in any case.
        yield\n    finally:\n        for hook in hooks:\n            hook.remove()
            => yield\n    finally:\n        pass\n    for hook in hooks:\n        hook.remove()
    errors swallowed: An error inside the `with` is swallowed: whoever made it never hears of it. Use `finally`, which
    lets it pass on.
        finally: => except BaseException:\n        pass\n    if True:
    all hooks removed: Other hooks that hung on the matrix are taken off as well, whoever hung them there. Remove only
    your own, by their handles.
        for hook in hooks:\n            hook.remove()
            => for matrix, _ in layers: matrix._forward_pre_hooks.clear()
    weights set to zero for good: The matrix's weights are set to zero and stay so: the model is broken afterwards. A
    hook changes what goes in, and no weight.
        hooks.append(matrix.register_forward_pre_hook(silence(head, width)))
            => matrix.weight.data[:, head * width : (head + 1) * width] = 0
    weights not put back after an error: The matrix's weights are set to zero, and after an error they stay so. A hook
    changes what goes in, and no weight; and `finally` puts things back in any case.
        matrix, width = layers[layer]
            => matrix, width = layers[layer]; hooks.append((matrix, matrix.weight.detach().clone()))
        hooks.append(matrix.register_forward_pre_hook(silence(head, width)))
            => matrix.weight.data[:, head * width : (head + 1) * width] = 0
        yield\n    finally:\n        for hook in hooks:\n            hook.remove()
            => yield\n    finally:\n        pass\n    for matrix, w in reversed(hooks):\n        matrix.weight.data = w
    the caller's list emptied: The caller's list is emptied on the way. It is not yours: go through it with `for`.
        for layer, head in heads: => while heads:\n            layer, head = heads.pop(0)
      or for layer, head in heads: => while heads:\n            layer, head = heads.pop()
    the caller's list sorted: The caller's list is sorted on the way. It is not yours: `sorted(heads)` makes a new one.
        hooks = [] => hooks = []; heads.sort()
    left in another mode: The model is put into eval mode or train mode, and is left so. Who calls the model decides on
    the mode.
        yield => model.eval()\n        yield
      or yield => model.eval()\n        yield\n        model.train()
    """
)

# The check

EXERCISE = Exercise(
    id="13b",
    title="without these heads",
    passed="Named heads are silent while it is open and no others, one inside the other too; afterwards, and after an "
    "error, nothing stays behind.",
    hints={1: ("one head", "several heads", "a Llama"), 2: ("afterwards", "after an error")},
    steps=(
        Step("what `with` opens", look_at_manager),
        Step("one head", look_inside),
        Step("several heads", look_inside, {"kind": "several"}),
        Step("several heads of one layer", look_inside, {"kind": "one layer"}),
        Step("layers of one head", look_inside, {"h": 1}),
        Step("a Llama", look_inside, {"kind": "several", "llama": True}),
        Step("afterwards", look_afterwards),
        Step("after an error", look_afterwards, {"error": _StopError}),
        Step("one inside the other", look_nested),
        Step("no heads", look_inside, {"kind": "none"}),
        Step("stopped by hand", look_afterwards, {"error": _Interruption}, remark=INTERRUPTED),
        Step("another device", look_elsewhere, remark=DEVICE),
        Step("open weights", look_at_open_weights, remark=WEIGHTS),
        Step("what enters", look_at_what_entered, remark=ENTERED),
        Step("training while it is open", look_at_gradients, remark=GRADIENT),
    ),
    telling="several heads",
    misconceptions=MISTAKES,
)
