"""The fastest device there is, said in one line."""

import sys
import types

import pytest
import torch

from helpers.device import set_device


@pytest.fixture
def machine(monkeypatch):
    """Pretend that this machine has these devices, and is Colab or not."""

    def pretend(cuda=False, mps=False, colab=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        if colab:
            monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
        else:
            monkeypatch.delitem(sys.modules, "google.colab", raising=False)

    return pretend


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_cuda_comes_before_mps_and_mps_before_the_cpu(machine, capsys, cuda, mps, expected):
    machine(cuda=cuda, mps=mps)
    device = set_device()
    assert device == expected
    assert torch.device(device).type == expected
    said = capsys.readouterr().out
    assert f"({expected})" in said
    assert said.count("\n") == 1


def test_on_the_cpu_in_colab_it_says_where_the_gpu_switch_is(machine, capsys):
    machine(colab=True)
    set_device()
    assert "Runtime > Change runtime type" in capsys.readouterr().out


def test_with_a_gpu_in_colab_nothing_is_said_about_the_switch(machine, capsys):
    machine(cuda=True, colab=True)
    set_device()
    assert "Runtime" not in capsys.readouterr().out


def test_colab_is_recognised_before_anything_of_it_was_imported(machine, capsys, monkeypatch, tmp_path):
    machine()
    package = tmp_path / "google" / "colab"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "google", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    set_device()
    assert "Runtime > Change runtime type" in capsys.readouterr().out
    sys.modules.pop("google", None)


def test_another_google_package_is_not_taken_for_colab(machine, capsys, monkeypatch):
    machine()
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))  # a module, and no package
    set_device()
    assert "Runtime" not in capsys.readouterr().out
