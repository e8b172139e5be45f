"""Half-width numbers: used where the processor has them, and nowhere else."""

from __future__ import annotations

import pytest
import torch

from helpers.precision import autocast, has_bfloat16


@pytest.fixture(params=["amx_bf16", "avx512_bf16", None], ids=str)
def capability(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """What the processor says that it can do."""
    capabilities = dict.fromkeys(("amx_bf16", "avx512_bf16"), False)
    if request.param is not None:
        capabilities[request.param] = True
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    return request.param


def test_matrix_products_follow_the_processor(capability: str | None) -> None:
    x = torch.randn(3, 4)
    with autocast("cpu"):
        product = x @ x.T
    assert product.dtype == (torch.float32 if capability is None else torch.bfloat16)
    assert has_bfloat16(torch.device("cpu")) == (capability is not None)
    assert (x @ x.T).dtype == torch.float32


def test_what_cannot_be_told_counts_as_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not has_bfloat16("cpu")
    assert not has_bfloat16("mps")


def test_a_gpu_is_asked_whether_it_has_it_in_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **how: asked.append(how) or True)
    assert has_bfloat16("cuda:0")
    assert asked == [{"including_emulation": False}]
