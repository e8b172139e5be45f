"""Half-width numbers: used where the processor has them, and nowhere else."""

from __future__ import annotations

import pytest
import torch

from helpers.precision import autocast, chosen_precision, has_bfloat16, uses_bfloat16


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite is also run with one precision or the other forced."""
    monkeypatch.delenv("COURSE_PRECISION", raising=False)


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


@pytest.mark.parametrize("chosen", ["float32", "bfloat16"])
def test_what_is_chosen_wins_over_the_processor(
    capability: str | None, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_PRECISION", chosen)
    x = torch.randn(3, 4)
    with autocast("cpu"):
        product = x @ x.T
    assert str(product.dtype) == f"torch.{chosen}"
    assert uses_bfloat16("cpu") == (chosen == "bfloat16")
    assert has_bfloat16("cpu") == (capability is not None)


@pytest.mark.parametrize("chosen", ["", "auto"])
def test_nothing_chosen_means_what_the_processor_has(
    capability: str | None, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_PRECISION", chosen)
    assert chosen_precision() == "auto"
    assert uses_bfloat16("cpu") == (capability is not None)


def test_another_choice_is_named_with_those_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_PRECISION", "half")
    with pytest.raises(ValueError, match=r"'half'.*auto, float32, bfloat16"), autocast("cpu"):
        pass
