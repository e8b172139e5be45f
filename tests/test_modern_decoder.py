"""The decoder of lesson 12: a Llama's weights give a Llama's logits, and it writes what a Llama writes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from helpers import layers
from helpers.demos.memory import largest_tensor
from helpers.layers import Decoder, GroupedQueryAttention, RMSNorm, SelfAttention, SwiGLU, as_decoder, causal_mask
from helpers.layers import continue_texts as continued
from helpers.models.llama import sizes_of
from helpers.texts.story_excerpts import read_excerpts

END = 1
SIZES = {
    "of the storyteller's kind": {"num_attention_heads": 4, "num_key_value_heads": 2},
    "as many key heads": {"num_attention_heads": 4, "num_key_value_heads": 4},
    "of SmolLM2's kind": {"num_attention_heads": 6, "num_key_value_heads": 2, "hidden_size": 48, "rope": 100_000.0},
    "a single key head": {"num_attention_heads": 4, "num_key_value_heads": 1, "rope": 500_000.0},
}


def llama(rope: float = 10_000.0, **changes: Any) -> LlamaForCausalLM:
    torch.manual_seed(5)
    settings: dict[str, Any] = {"vocab_size": 61, "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 3}
    settings |= {"max_position_embeddings": 128, "tie_word_embeddings": True, "rms_norm_eps": 1e-5}
    settings |= {"bos_token_id": END, "eos_token_id": END, "pad_token_id": END, **changes}
    config = LlamaConfig(**settings)
    if getattr(config, "rope_parameters", None):
        config.rope_parameters["rope_theta"] = rope
    else:
        config.rope_theta = rope
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():  # so large that what is not passed on would show
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.3 if parameter.dim() > 1 else 1.0))
    return model


def left_padded() -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (b, t) and a mask (b, t), with 0, 4 and 7 places of padding."""
    ids = torch.randint(2, 61, (3, 9), generator=torch.Generator().manual_seed(1))
    mask = torch.arange(9) >= torch.tensor([[0], [4], [7]])
    return ids.masked_fill(~mask, END), mask


def greedy(logits: torch.Tensor) -> torch.Tensor:
    return logits.argmax(dim=-1, keepdim=True)


@pytest.mark.parametrize("kind", SIZES)
def test_it_gives_a_llamas_logits_on_a_batch_that_is_padded_on_the_left(kind: str) -> None:
    model = llama(**SIZES[kind])
    ids, mask = left_padded()
    with torch.no_grad():
        ours, theirs = as_decoder(model)(ids, mask), model(input_ids=ids, attention_mask=mask.long()).logits
    torch.testing.assert_close(ours[mask], theirs[mask], rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", SIZES)
def test_it_writes_what_transformers_writes_with_and_without_a_cache_in_a_batch_and_alone(kind: str) -> None:
    model = llama(**SIZES[kind])
    ids, mask = left_padded()
    decoder = as_decoder(model)
    written = continued(decoder, ids, mask, 30, greedy, END)
    assert torch.equal(written, continued(decoder, ids, mask, 30, greedy, END, cached=False))
    theirs = model.generate(input_ids=ids, attention_mask=mask.long(), max_new_tokens=30, do_sample=False)
    assert torch.equal(written[:, : theirs.shape[1]], theirs)
    assert bool((written[:, theirs.shape[1] :] == END).all())
    for row, words, text in zip(ids, mask, written, strict=True):
        alone = continued(decoder, row[words][None], words[words][None], 30, greedy, END)
        assert torch.equal(alone[0, -30:], text[-30:])


def test_the_cache_changes_no_logits() -> None:
    decoder = as_decoder(llama(**SIZES["of the storyteller's kind"]))
    ids, mask = left_padded()
    caches: list[dict[str, torch.Tensor]] = [{} for _ in decoder.blocks]
    with torch.no_grad():
        pieces = [decoder(ids[:, start:end], mask[:, :end], caches) for start, end in ((0, 5), (5, 6), (6, 9))]
        torch.testing.assert_close(torch.cat(pieces, dim=1)[mask], decoder(ids, mask)[mask], rtol=0, atol=1e-4)


def test_what_lies_under_padding_and_how_much_of_it_there_is_changes_nothing() -> None:
    decoder = as_decoder(llama(**SIZES["of the storyteller's kind"]))
    ids, mask = left_padded()
    other = torch.where(mask, ids, 40)
    more = nn.functional.pad(ids, (11, 0), value=END), nn.functional.pad(mask, (11, 0), value=False)
    with torch.no_grad():
        logits = decoder(ids, mask)[mask]
        torch.testing.assert_close(decoder(other, mask)[mask], logits, rtol=0, atol=1e-4)
        torch.testing.assert_close(decoder(*more)[more[1]], logits, rtol=0, atol=1e-4)


def test_after_the_end_nothing_but_ends_are_written() -> None:
    decoder = as_decoder(llama(**SIZES["of the storyteller's kind"]))
    ids, mask = left_padded()

    def ends_at_once(logits: torch.Tensor) -> torch.Tensor:
        picked = greedy(logits)
        picked[0] = END
        return picked

    written = continued(decoder, ids, mask, 5, ends_at_once, END)
    assert written[0, 9:].tolist() == [END] * 5
    assert written.shape == (3, 14)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tie_word_embeddings": False}, "tie_word_embeddings=False"),
        ({"attention_bias": True}, "attention_bias=True"),
        ({"mlp_bias": True}, "mlp_bias=True"),
        ({"hidden_act": "gelu"}, "hidden_act='gelu'"),
        ({"head_dim": 16}, "head_dim=16"),
    ],
)
def test_a_llama_with_other_parts_is_refused_by_their_names(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        as_decoder(llama(**{"num_attention_heads": 4, "num_key_value_heads": 2, **changes}))


def test_angles_that_are_scaled_are_refused() -> None:
    model = llama(num_attention_heads=4, num_key_value_heads=2)
    if not getattr(model.config, "rope_parameters", None):
        model.config.rope_scaling = {"rope_type": "linear", "factor": 2.0}
        pytest.skip("transformers 4 keeps it elsewhere")
    model.config.rope_parameters["rope_type"] = "linear"
    with pytest.raises(ValueError, match="rope_type='linear'"):
        sizes_of(model.config)


# Its parts


def test_rms_norm_is_torchs_own() -> None:
    torch.manual_seed(0)
    ours, theirs, x = RMSNorm(10, eps=1e-3), nn.RMSNorm(10, eps=1e-3), torch.randn(2, 3, 10)
    nn.init.normal_(ours.weight)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x))


def test_swiglu_by_hand() -> None:
    torch.manual_seed(0)
    mlp, x = SwiGLU(3, 5), torch.randn(3)
    gate, up = ((layer.weight @ x).tolist() for layer in (mlp.gate, mlp.up))
    hidden = torch.tensor([g / (1 + math.exp(-g)) * u for g, u in zip(gate, up, strict=True)])
    torch.testing.assert_close(mlp(x), mlp.down.weight @ hidden)


def test_with_as_many_key_heads_and_nothing_turned_it_is_the_attention_of_lesson_3(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    ours, lesson_3 = GroupedQueryAttention(24, 4, 4).eval(), SelfAttention(24, 4).eval()
    missing = lesson_3.load_state_dict(ours.state_dict(), strict=False)
    assert missing.missing_keys == ["unify_heads.bias"]
    nn.init.zeros_(lesson_3.unify_heads.bias)
    x, mask = torch.randn(2, 6, 24), torch.arange(6) >= torch.tensor([[2], [0]])
    allowed = causal_mask(6) & mask[:, None, None]
    assert not torch.allclose(ours(x, mask[:, None, None]), lesson_3(x, allowed), atol=1e-3)
    monkeypatch.setattr(layers, "rotate", lambda x, positions, base: x)
    torch.testing.assert_close(ours(x, mask[:, None, None]), lesson_3(x, allowed))


@pytest.mark.parametrize("shift", [1, 100, 1000])
def test_dot_products_depend_on_the_distance_alone(shift: int) -> None:
    torch.manual_seed(0)
    query, key = torch.randn(2, 1, 1, 1, 32)
    places = torch.arange(40)

    def products(places: torch.Tensor) -> torch.Tensor:
        turned = [layers.rotate(x.expand(1, 40, 1, 32), places)[0, :, 0] for x in (query, key)]
        return turned[0] @ turned[1].T / 32**0.5

    assert float((products(places) - products(places + shift)).abs().max()) < (1e-5 if shift < 1000 else 1e-4)


def test_heads_that_do_not_fit_are_refused_with_their_numbers() -> None:
    for width, heads, key_heads in ((30, 4, 2), (32, 4, 3)):
        with pytest.raises(ValueError, match=f"{heads} heads must divide embed_dim={width}"):
            GroupedQueryAttention(width, heads, key_heads)


def test_a_decoders_parts_are_all_trained() -> None:
    decoder = Decoder(vocab_size=20, embed_dim=16, num_heads=4, num_kv_heads=2, depth=2, hidden_dim=24)
    decoder(torch.randint(20, (2, 5))).square().sum().backward()
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in decoder.parameters())


# What the lesson measures with


def test_the_largest_tensor_is_found_and_views_are_no_larger_than_they_look() -> None:
    x = torch.randn(10, 100)
    assert largest_tensor(lambda: x + 1) == 4000
    assert largest_tensor(lambda: x[:2] @ x[:2].T) == 800
    assert largest_tensor(lambda: x.T @ x) == 40_000


def test_the_excerpts_are_short_and_clean() -> None:
    excerpts = read_excerpts()
    assert list(excerpts) == ["Peter Pan", "The Orange Fairy Book", "The Wonderful Wizard of Oz"]
    for text in excerpts.values():
        assert 10_000 < len(text) <= 12_000
        assert text.endswith("\n")
        assert text.isascii()
        assert "gutenberg" not in text.lower()
