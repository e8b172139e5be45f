"""Right answers to exercise 10, in many styles."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from helpers.layers import patchify


def refuse(images: torch.Tensor, patch: int) -> None:
    """Stop where a side does not divide, as the exercise asks."""
    _, height, width = images.shape
    if height % patch or width % patch:
        raise ValueError(f"{height} x {width} pixels do not divide into patches of {patch} x {patch}.")


def cut(images: torch.Tensor, patch: int) -> torch.Tensor:
    """(b, height, width) gives (b, rows, patch, columns, patch)."""
    refuse(images, patch)
    b, height, width = images.shape
    return images.reshape(b, height // patch, patch, width // patch, patch)


def patches_by_hand(images: torch.Tensor, patch: int) -> torch.Tensor:
    b, rows, _, columns, _ = (five := cut(images, patch)).shape
    return five.permute(0, 1, 3, 2, 4).reshape(b, rows * columns, patch * patch)


def with_unfold(images: torch.Tensor, patch: int) -> torch.Tensor:
    refuse(images, patch)
    windows = images.unfold(1, patch, patch).unfold(2, patch, patch)  # (b, rows, columns, patch, patch)
    return windows.flatten(3).flatten(1, 2)


def with_image_unfold(images: torch.Tensor, patch: int) -> torch.Tensor:
    refuse(images, patch)
    return F.unfold(images.unsqueeze(1), kernel_size=patch, stride=patch).transpose(1, 2)


def with_image_unfold_of_real_numbers(images: torch.Tensor, patch: int) -> torch.Tensor:
    return with_image_unfold(images if images.is_floating_point() else images.float(), patch)


def with_loops(images: torch.Tensor, patch: int) -> torch.Tensor:
    refuse(images, patch)
    pictures = []
    for picture in images:
        patches = []
        for top in range(0, picture.shape[0], patch):
            for left in range(0, picture.shape[1], patch):
                pixels = [picture[top + y, left + x] for y in range(patch) for x in range(patch)]
                patches.append(torch.stack(pixels))
        pictures.append(torch.stack(patches))
    return torch.stack(pictures)


def with_slices(x: torch.Tensor, p: int) -> torch.Tensor:
    """Other names for the arguments, another kind of ValueError, and chunks that are stacked."""

    class DoesNotDivideError(ValueError):
        pass

    if x.size(1) % p + x.size(2) % p:
        raise DoesNotDivideError(f"patch {p}, picture {tuple(x.shape[1:])}")
    strips = x.split(p, dim=1)
    return torch.stack([square.reshape(len(x), -1) for strip in strips for square in strip.split(p, dim=2)], 1)


def with_transpose(images: torch.Tensor, patch: int) -> torch.Tensor:
    """Only one pair of axes has to be swapped; and `view` where memory allows it."""
    refuse(images, patch)
    b, height, width = images.shape
    lines = images.view(b * height // patch, patch, width // patch, patch).transpose(1, 2)
    return lines.contiguous().view(b, -1, patch**2)


def with_einsum(images: torch.Tensor, patch: int) -> torch.Tensor:
    return torch.einsum("brycx->brcyx", cut(images, patch)).flatten(3).flatten(1, 2)


def with_places(images: torch.Tensor, patch: int) -> torch.Tensor:
    """Numbers the pixels, sorts the numbers, and looks the pixels up."""
    refuse(images, patch)
    _, height, width = images.shape
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    which = row // patch * (width // patch) + column // patch
    order = (which * patch * patch + row % patch * patch + column % patch).flatten().argsort()
    return images.flatten(1)[:, order].reshape(len(images), -1, patch * patch)


def with_pixel_unshuffle(images: torch.Tensor, patch: int) -> torch.Tensor:
    refuse(images, patch)
    return F.pixel_unshuffle(images[:, None], patch).flatten(2).mT


def always_real(images: torch.Tensor, patch: int) -> torch.Tensor:
    """float64 stays, whole numbers become real."""
    return patches_by_hand(images * 1.0, patch)


def another_error(images: torch.Tensor, patch: int) -> torch.Tensor:
    if images.shape[1] % patch or images.shape[2] % patch:
        raise TypeError(f"{tuple(images.shape)} does not divide by {patch}")
    return patches_by_hand(images, patch)


ANSWERS = (
    another_error,
    patchify,
    patches_by_hand,
    with_unfold,
    with_image_unfold,
    with_image_unfold_of_real_numbers,
    with_loops,
    with_slices,
    with_transpose,
    with_einsum,
    with_places,
    with_pixel_unshuffle,
    always_real,
)
