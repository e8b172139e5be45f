"""Digits as patches, and what a vision Transformer attends to over them: the values behind the pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from helpers.demos import digit_attention, patches
from helpers.demos.parts.picture import picture
from helpers.layers import VisionTransformer, patchify


@pytest.fixture
def model() -> VisionTransformer:
    torch.manual_seed(0)
    return VisionTransformer(image_size=8, patch=2, embed_dim=16, num_heads=4, depth=2, num_classes=10)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(6, 8, 8, generator=torch.Generator().manual_seed(1))


# The model


def test_model_gives_logits_for_each_picture_whatever_stands_beside_it(
    model: VisionTransformer, images: torch.Tensor
) -> None:
    model.eval()
    with torch.no_grad():
        together, alone = model(images), torch.cat([model(image[None]) for image in images])
    assert together.shape == (6, 10)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)  # rounding of sums in another order


def test_without_positions_the_order_of_patches_does_not_matter_and_with_them_it_does(images: torch.Tensor) -> None:
    torch.manual_seed(0)
    # Swap the upper and the lower half: whole patches change places, none changes inside.
    turned = torch.cat([images[:, 4:], images[:, :4]], dim=1)
    differences = {}
    for with_positions in (True, False):
        model = VisionTransformer(8, 2, 16, 4, 2, 10, with_positions=with_positions).eval()
        with torch.no_grad():
            differences[with_positions] = float((model(images) - model(turned)).abs().max())
    assert differences[False] < 1e-5  # rounding
    assert differences[True] > 1e-3


def test_positions_that_are_switched_off_stay_zero() -> None:
    model = VisionTransformer(8, 2, 16, 4, 1, 10, with_positions=False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.rand(3, 8, 8)).sum().backward()
    optimizer.step()
    assert not model.positions.any()


# What is seen


def test_attention_is_the_class_tokens_row_by_an_independent_softmax(
    model: VisionTransformer, images: torch.Tensor
) -> None:
    look = digit_attention.look_at(model, images[0])
    model.eval()
    with torch.no_grad():
        tokens = model.embedding(patchify(images[:1], 2))
        x = torch.cat([model.class_token[None, None], tokens], dim=1) + model.positions
        block = model.blocks[0]
        normed = block.norm_1(x)[0]
        queries, keys = (normed @ layer.weight.T for layer in (block.attention.to_queries, block.attention.to_keys))
        for head in range(4):
            part = slice(4 * head, 4 * head + 4)
            row = torch.softmax(queries[0, part] @ keys[:, part].T / 2, dim=-1)
            torch.testing.assert_close(
                torch.from_numpy(look.attention(1, head + 1)).flatten(), row[1:], atol=1e-6, rtol=0
            )
    assert look.weights.shape == (2, 4, 4, 4)
    assert (look.weights.sum((2, 3)) < 1).all()  # the rest goes to the class token itself
    np.testing.assert_allclose(look.attention(2), look.weights[1].mean(0))


class OneInkedPatchDecides(nn.Module):
    """Class 1's logit is the ink of the patch in row 2, column 3; class 0's is 1."""

    patch = 2

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(1))
        attending = VisionTransformer(8, 2, 16, 4, 1, 2)
        self.blocks, self.inside = attending.blocks, attending

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.inside(images)
        ink = images[:, 2:4, 4:6].sum((1, 2))
        return torch.stack([torch.ones_like(ink), ink], dim=1)


def test_covering_the_patch_that_decides_is_what_costs() -> None:
    image = torch.full((8, 8), 0.5)  # 2.0 of ink in the patch: class 1, by log-odds of 2 - 1
    look = digit_attention.look_at(OneInkedPatchDecides(), image)
    wanted = np.zeros((4, 4))
    wanted[1, 2] = 2.0  # from log-odds of 1 to log-odds of -1
    assert look.predicted == 1
    np.testing.assert_allclose(look.lost, wanted, atol=1e-6)


def test_looking_leaves_picture_and_mode_as_they_were(model: VisionTransformer, images: torch.Tensor) -> None:
    before = images.clone()
    for training in (True, False):
        model.train(training)
        digit_attention.look_at(model, images[0])
        assert model.training is training
    assert torch.equal(images, before)


@pytest.mark.parametrize(("layer", "head"), [(0, 1), (3, 1), (1, 0), (1, 5)])
def test_a_layer_or_head_that_is_not_there_is_named(
    model: VisionTransformer, images: torch.Tensor, layer: int, head: int
) -> None:
    with pytest.raises(ValueError, match=rf"no layer {layer} with a head {head}: layers 1 to 2, heads 1 to 4"):
        digit_attention.look_at(model, images[0]).attention(layer, head)


# The pictures


def test_each_patch_shows_its_attention_in_percent(model: VisionTransformer, images: torch.Tensor) -> None:
    look = digit_attention.look_at(model, images[0])
    figure = digit_attention.draw_look(look, label=look.predicted)
    first, one, two, last = figure.axes
    assert first.get_title() == f"Read as a {look.predicted}"
    for layer, ax in ((1, one), (2, two)):
        assert [text.get_text() for text in ax.texts] == [f"{100 * share:.0f}" for share in look.attention(layer).flat]
    changes = [float(text.get_text()) for text in last.texts]
    np.testing.assert_allclose(changes, -look.lost.flatten(), atol=0.0501)  # one decimal is written
    other = (look.predicted + 1) % 10
    wrong = digit_attention.draw_look(look, 2, 3, label=other)
    assert len(wrong.axes) == 3
    assert wrong.axes[0].get_title().endswith(f"really a {other}")
    assert wrong.axes[1].get_title() == "Layer 2, head 3"


def test_the_strongest_patch_is_coloured_most(model: VisionTransformer, images: torch.Tensor) -> None:
    look = digit_attention.look_at(model, images[0])
    ax = digit_attention.draw_look(look, 1, 2).axes[1]
    veil = ax.get_images()[1].get_array()
    assert veil.shape == (4, 4, 4)
    assert veil[..., 3].argmax() == look.attention(1, 2).argmax()
    assert ax.get_images()[1].get_extent() == [-0.5, 7.5, 7.5, -0.5]


def test_layers_beside_each_other_share_one_colour_scale(model: VisionTransformer, images: torch.Tensor) -> None:
    look = digit_attention.look_at(model, images[0])
    strengths = []
    for number, ax in enumerate(digit_attention.draw_look(look).axes[1:-1], start=1):
        opacity = np.asarray(ax.get_images()[1].get_array())[..., 3]
        strengths.append(opacity / look.attention(number))
    np.testing.assert_allclose(np.stack(strengths), strengths[0].flat[0], rtol=1e-5)


def test_patches_are_drawn_as_they_were_handed_over(images: torch.Tensor) -> None:
    tokens = patchify(images[:1], 2)[0].flip(0)
    whole, *rest = patches.draw_patches(images[0], tokens).axes
    assert [text.get_text() for text in whole.texts] == [str(place) for place in range(16)]
    for place, ax in enumerate(rest):
        np.testing.assert_allclose(ax.get_images()[0].get_array(), tokens[place].reshape(2, 2))


def test_patches_that_are_not_the_pictures_are_refused(images: torch.Tensor) -> None:
    for wrong in (torch.zeros(16, 3), torch.zeros(4, 4), torch.zeros(1, 16, 4)):
        with pytest.raises(ValueError, match="do not belong together"):
            patches.draw_patches(images[0], wrong)


def test_digits_are_labelled_and_empty_places_stay_empty(images: torch.Tensor) -> None:
    figure = patches.draw_digits(torch.cat([images, images]), [str(i) for i in range(12)], "Twelve")
    shown = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title() for ax in shown] == [str(i) for i in range(12)]


# The widget


def test_widget_shows_the_picture_that_was_picked(model: VisionTransformer, images: torch.Tensor) -> None:
    labels = torch.tensor([7, 0, 7, 7, 0, 3])
    first, second, shown, _ = digit_attention.attention_demo(model, images, labels).children
    (digit, number), (layer, head) = first.children, second.children
    assert digit.options == (0, 3, 7)
    assert (number.max, layer.value, head.value) == (2, 2, 0)
    digit.value = 7
    number.value = 3
    layer.value, head.value = 1, 4
    look = digit_attention.look_at(model, images[3])
    alt = f"A picture of a 7. {digit_attention.describe_look(look, 1, 4)}"
    assert shown.value == picture(digit_attention.draw_look(look, 1, 4, label=7), alt, tight=False)
    digit.value = 3  # of which there is one
    assert number.value == 1
    assert "A picture of a 3" in shown.value
