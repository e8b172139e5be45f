"""A model that writes: the same text with and without the cache, temperature, and words that exist."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from helpers.demos import generation
from helpers.layers import LanguageModel, causal_mask, generate, generate_with_cache, step_with_cache

CHARACTERS = list("\n abcdefghijklm")


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    torch.manual_seed(0)
    model = LanguageModel(len(CHARACTERS), 32, 4, depth=3, max_len=128)
    for norm in (part for part in model.modules() if isinstance(part, nn.LayerNorm)):
        nn.init.normal_(norm.weight, 1.0, 0.3)  # untrained norms are all alike: one for another would not show
    return model.eval()


# Writing


@pytest.mark.parametrize("temperature", [0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("start", [1, 6])
def test_the_cache_changes_no_character(model: LanguageModel, start: int, temperature: float) -> None:
    ids = torch.randint(len(CHARACTERS), (3, start))
    plain = generate(model, ids, 100, temperature, seed=4)
    assert torch.equal(generate_with_cache(model, ids, 100, temperature, seed=4), plain)
    assert plain.shape == (3, start + 100)
    assert torch.equal(plain[:, :start], ids)


def test_each_step_with_the_cache_gives_the_logits_of_a_whole_pass(model: LanguageModel) -> None:
    ids = torch.randint(len(CHARACTERS), (2, 40))
    caches: list[dict[str, torch.Tensor]] = [{} for _ in model.blocks]
    with torch.no_grad():
        steps = torch.stack([step_with_cache(model, ids[:, i : i + 1], caches) for i in range(40)], dim=1)
        # Other sums in another order, three blocks deep: some 1e-6 apart in 32 bits.
        torch.testing.assert_close(steps, model(ids), atol=2e-5, rtol=0)


def test_a_later_character_changes_no_earlier_logits(model: LanguageModel) -> None:
    ids = torch.randint(len(CHARACTERS), (1, 20))
    other = ids.clone()
    other[:, -1] = (other[:, -1] + 1) % len(CHARACTERS)
    with torch.no_grad():
        torch.testing.assert_close(model(ids)[:, :-1], model(other)[:, :-1], atol=1e-6, rtol=0)
        assert not torch.allclose(model(ids)[:, -1], model(other)[:, -1])


def test_the_same_seed_writes_the_same_and_another_seed_something_else(model: LanguageModel) -> None:
    ids = torch.zeros(1, 1, dtype=torch.long)
    first, again, other = (generate(model, ids, 40, 1.0, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_writing_leaves_torchs_random_state_alone(model: LanguageModel) -> None:
    before = torch.get_rng_state()
    generate(model, torch.zeros(1, 1, dtype=torch.long), 5, 1.0)
    assert torch.equal(torch.get_rng_state(), before)


def test_causal_mask_is_the_triangle() -> None:
    assert causal_mask(3).tolist() == [[True, False, False], [True, True, False], [True, True, True]]


# Temperature


def test_temperature_is_softmax_of_divided_logits() -> None:
    logits = torch.tensor([2.0, 1.0, -1.0])
    powers = np.exp(np.array([2.0, 1.0, -1.0]) / 0.5)
    np.testing.assert_allclose(generation.temper(logits, 0.5), powers / powers.sum(), atol=1e-12)
    with pytest.raises(ValueError, match=r"temperature is 0.0; it must be above 0"):
        generation.temper(logits, 0.0)


def test_a_high_temperature_evens_out_and_a_low_one_picks_the_likeliest() -> None:
    logits = torch.randn(20)
    assert generation.temper(logits, 1e-3).max() > 0.99
    assert np.ptp(generation.temper(logits, 1e3)) < 0.01


def test_pictures_show_a_panel_for_each_temperature() -> None:
    figure = generation.draw_temperatures(torch.randn(15), CHARACTERS, (0.3, 1.0, 2.0), "a_$b")
    assert [axis.get_title() for axis in figure.axes] == ["temperature 0.3", "temperature 1", "temperature 2"]
    best = [axis.patches[0].get_width() for axis in figure.axes]
    assert best == sorted(best, reverse=True)  # the likeliest stands first, and loses as it gets warmer


# Words


def test_words_that_exist_are_counted() -> None:
    assert generation.split_words("The film isn't 3 stars: é!") == ["the", "film", "isn't", "stars", "é"]
    assert generation.share_of_known_words("the filn is the best", {"the", "is", "best"}) == pytest.approx(0.8)
    with pytest.raises(ValueError, match="no word"):
        generation.share_of_known_words(" .. 1", {"the"})


def test_unknown_words_are_underlined_and_signs_are_kept() -> None:
    page = generation.mark_unknown("the <filn> & it", {"the", "it"})
    assert "the &lt;<u>filn</u>&gt; &amp; it" in page


# The widget


def demo(model: LanguageModel):  # type: ignore[no-untyped-def]
    def encode(text: str) -> torch.Tensor:
        return torch.tensor([[CHARACTERS.index(c) for c in text]])

    def write(start: str, temperature: float) -> str:
        return "".join(CHARACTERS[i] for i in generate(model, encode(start), 50, temperature)[0])

    def logits_after(start: str) -> torch.Tensor:
        with torch.no_grad():
            return model(encode(start))[0, -1]

    return generation.temperature_demo(write, logits_after, CHARACTERS, {"a"}, start="a cab ")


def test_slider_and_box_change_text_and_picture(model: LanguageModel) -> None:
    controls, told, written, shown, _ = demo(model).children
    slider, box = controls.children
    before = written.value, shown.value
    slider.value = 1.8
    assert written.value != before[0]
    assert "At temperature 1.8, the likeliest character after" in shown.value
    box.value = "Bad <zoo>"
    assert told.value == "The model does not know &lt;, &gt;, o, z."
    box.value = ""
    assert told.value == ""
    assert "<img" in shown.value


def test_invisible_characters_have_a_sign() -> None:
    assert generation.names("a b\n") == ["a", "␣", "b", "↵"]
