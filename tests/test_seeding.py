"""Same seed, same numbers: in this process and in a DataLoader's workers."""

import random
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from helpers.seeding import seed_worker, set_seed


class Draws(Dataset):
    """Each item is one draw from each of the three libraries."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        draws = [random.random(), np.random.random(), float(torch.rand(()))]
        return torch.tensor([index, *draws], dtype=torch.float64)


def draw_here():
    return random.random(), np.random.random(), float(torch.rand(()))


def draw_from_loader(seed, workers):
    set_seed(seed)
    loader = DataLoader(Draws(), batch_size=2, shuffle=True, num_workers=workers, worker_init_fn=seed_worker)
    return torch.cat(list(loader))


@pytest.fixture(autouse=True)
def _cudnn_as_before():
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    yield
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before


def test_same_seed_gives_the_same_numbers_in_all_three_libraries():
    set_seed(2021)
    first = draw_here()
    set_seed(2021)
    assert draw_here() == first
    set_seed(2022)
    assert not set(draw_here()) & set(first)


def test_numbers_are_those_of_each_librarys_own_seeding():
    set_seed(7)
    generator = torch.Generator().manual_seed(7)
    expected = random.Random(7).random(), np.random.RandomState(7).random_sample()
    drawn = draw_here()
    assert drawn[:2] == expected
    assert drawn[2] == float(torch.rand((), generator=generator))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_same_seed_and_workers_give_the_same_loader(workers):
    first = draw_from_loader(2021, workers)
    assert torch.equal(draw_from_loader(2021, workers), first)
    other = draw_from_loader(2022, workers)
    assert not torch.isclose(other[:, 1:], first[:, 1:]).any()


def test_workers_draw_different_numbers_from_each_other():
    draws = draw_from_loader(2021, 2)[:, 1:]
    assert len(draws.unique()) == draws.numel()


def test_seed_worker_makes_python_and_numpy_follow_torch():
    torch.manual_seed(2**40 + 5)  # torch's seeds in workers are longer than NumPy takes
    seed_worker(0)
    assert random.random() == random.Random(5).random()
    assert np.random.random() == np.random.RandomState(5).random_sample()


def test_without_seed_a_fresh_one_is_drawn_even_after_a_seeded_call(capsys):
    said = []
    for _ in range(3):
        set_seed(2021)
        capsys.readouterr()
        set_seed()
        said.append(capsys.readouterr().out)
    assert len(set(said)) == 3


def test_the_fresh_seed_that_is_said_repeats_the_numbers(capsys):
    set_seed()
    drawn = draw_here()
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    seed = int(said.split("set_seed(")[1].rstrip(")\n"))
    assert 0 <= seed < 2**32
    set_seed(seed)
    assert draw_here() == drawn


def test_it_says_the_seed_in_one_line_and_returns_nothing(capsys):
    assert set_seed(2021) is None
    assert capsys.readouterr().out == "Random seed: 2021\n"


def test_cudnn_is_held_to_algorithms_that_repeat():
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = False, True
    set_seed(1)
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark


def test_every_gpu_is_seeded(monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    set_seed(5)
    assert seeded == [5]


def test_torch_is_left_alone_on_request(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it would now raise
    state = torch.random.get_rng_state()
    set_seed(5, seed_torch=False)
    assert np.random.random() == np.random.RandomState(5).random_sample()
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("seed", [0, 2**32 - 1, np.int64(3)])
def test_any_whole_number_in_range_is_a_seed(seed):
    set_seed(seed)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_named(seed):
    with pytest.raises(ValueError, match=f"{seed}.*from 0 to 4294967295"):
        set_seed(seed)


@pytest.mark.parametrize("seed", ["2021", 1.5])
def test_a_seed_that_is_no_whole_number_is_named(seed):
    with pytest.raises(TypeError, match=f"whole number, not {seed!r}"):
        set_seed(seed)
