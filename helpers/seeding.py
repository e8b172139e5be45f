"""Random numbers that repeat: one call seeds every generator that the course draws from."""

from __future__ import annotations

import random
import secrets

_SEED_LIMIT = 2**32  # NumPy's legacy generator takes nothing larger


def set_seed(seed: int | None = None, seed_torch: bool = True) -> None:
    """Seed Python, NumPy and torch (CPU and every GPU), and say in one line with what.

    Parameters
    ----------
    seed
        A whole number from 0 to 2**32 - 1. ``None`` draws a fresh one.
    seed_torch
        Whether to seed torch too, and to hold cuDNN to algorithms that repeat (slower, the same numbers).

    Raises
    ------
    TypeError
        The seed is not a whole number.
    ValueError
        The seed is outside 0 to 2**32 - 1.
    """
    import numpy as np

    drawn = seed is None
    # From the operating system: a generator that was just seeded would draw the same "fresh" seed every time.
    number = secrets.randbelow(_SEED_LIMIT) if seed is None else _checked(seed)
    random.seed(number)
    np.random.seed(number)
    if seed_torch:
        import torch

        torch.manual_seed(number)  # every device: torch hands the seed on to all GPUs
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
    if drawn:
        print(f"Random seed {number}, freshly drawn. To see these numbers again: set_seed({number})")
    else:
        print(f"Random seed: {number}")


def seed_worker(worker_id: int) -> None:
    """Seed Python and NumPy in one worker of a ``DataLoader``, for its argument ``worker_init_fn``.

    torch gives each worker its own seed, drawn from the loader's generator; the other two libraries follow it
    here. The same seed and the same number of workers then give the same numbers.

    Parameters
    ----------
    worker_id
        The worker's number, which ``DataLoader`` passes; torch's seed already depends on it.

    Notes
    -----
    See "Reproducibility" in torch's documentation.
    """
    import numpy as np
    import torch

    number = torch.initial_seed() % _SEED_LIMIT
    random.seed(number)
    np.random.seed(number)


def _checked(seed: int) -> int:
    try:
        number = seed.__index__()  # takes NumPy's whole numbers too, and no float
    except AttributeError:
        raise TypeError(f"A seed is a whole number, not {seed!r}. Try set_seed(2021).") from None
    if not 0 <= number < _SEED_LIMIT:
        raise ValueError(f"Seed {number} is out of range: choose one from 0 to {_SEED_LIMIT - 1}.")
    return number
