"""Find the layers of a text classifier by what they are: their names are the student's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from helpers.checks.engine.trouble import Trouble


@dataclass
class Parts:
    """The layers of an answer, however they are called."""

    embedding: nn.Embedding
    blocks: list[nn.Module]
    classifier: nn.Linear


def find_parts(model: nn.Module, sizes: dict[str, int]) -> Parts:
    """Find the embedding, the blocks and the classifier of an answer by what they are, not by name.

    Raises
    ------
    Trouble
        One is missing, or has other sizes, or there are not as many blocks as `depth` says.
    """
    k, depth = sizes["k"], sizes["depth"]
    tables = [m for m in model.modules() if isinstance(m, nn.Embedding)]
    embedding = next((m for m in tables if m.weight.shape == (sizes["vocab"], k)), None)
    if embedding is None:
        shapes = ", ".join(str(tuple(m.weight.shape)) for m in tables)
        found = f"has the sizes {shapes}" if tables else "is missing"
        raise Trouble(
            f"The embedding {found}. It should be `nn.Embedding(vocab_size, embed_dim)`, here {(sizes['vocab'], k)}.",
            "embedding",
            shapes,
        )
    if embedding.padding_idx not in (None, 0):
        raise Trouble(
            f"With `padding_idx={embedding.padding_idx}` the vector of that id never learns, and here it is a word as "
            "any other: the id of padding is 0.",
            "padding_idx",
        )
    entries = list(_blocks(model))
    blocks = list(dict.fromkeys(entries))
    if len(blocks) != depth:
        lists = [v for v in vars(model).values() if isinstance(v, (list, tuple)) and v and isinstance(v[0], nn.Module)]
        if lists:
            raise Trouble("The blocks are in a plain Python list, where torch does not see them.", "plain list")
        if len(entries) == depth:
            raise Trouble(f"All {depth} blocks are one and the same block.", "one and the same")
        count = "1 block" if len(blocks) == 1 else f"{len(blocks) or 'no'} blocks"
        raise Trouble(f"With depth={depth} the model has {count}.", "depth", len(blocks) - depth)
    inside = {id(part) for block in blocks for part in block.modules()}
    linear = [m for m in model.modules() if isinstance(m, nn.Linear) and id(m) not in inside]
    classifier = next((m for m in reversed(linear) if m.weight.shape == (sizes["c"], k)), None)
    if classifier is None:
        wanted = f"`nn.Linear(embed_dim, num_classes)`, here from {k} to {sizes['c']} numbers"
        shapes = ", ".join(f"{m.in_features} to {m.out_features}" for m in linear)
        found_words = f"maps {shapes}" if linear else "is missing"
        raise Trouble(f"The classifier {found_words}. It should be {wanted}.", "classifier", shapes)
    return Parts(embedding, blocks, classifier)


def insist_on_heads(blocks: list[nn.Module], h: int) -> None:
    """Look at how many heads the blocks have, where they say so under the usual name.

    Raises
    ------
    Trouble
        Another number than was asked for.
    """
    said = {getattr(part, "num_heads", None) for block in blocks for part in block.modules()}
    heads = sorted(number for number in said if type(number) is int)
    if heads and h not in heads:
        count = "1 head" if heads == [1] else f"{heads[-1]} heads"
        raise Trouble(f"With num_heads={h} the blocks have {count}: hand `num_heads` on to them.", "heads")


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the outermost blocks, one that is used several times as often as it is."""
    for child in module._modules.values():
        if child is None:
            continue
        name = type(child).__name__
        # Where it is called otherwise, what stands in a list is a block, if it has parts.
        listed = isinstance(module, (nn.ModuleList, nn.Sequential)) and any(True for _ in child.children())
        if "Block" in name or name.endswith("EncoderLayer") or listed:
            yield child
        else:
            yield from _blocks(child)
