"""What the tests of several checks share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from helpers import checks


def failure(check: Callable[..., None], answer: Any, seed: int | None = 1) -> checks.CheckFailed:
    """Return how a check fails; it must."""
    with pytest.raises(checks.CheckFailed) as raised:
        check(answer, seed=seed, record=False)
    return raised.value
