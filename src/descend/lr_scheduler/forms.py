"""Where an epoch is in a cycle or a period: pure functions, exact on whole numbers."""

from __future__ import annotations

import math


def triangle(k: float, total_size: float, step_ratio: float) -> tuple[int, float]:
    """Number of the cycle from 1, and the height in it: 0 to 1 in step_ratio of total_size epochs, and back."""
    cycle, at = divmod(k, total_size)
    top = step_ratio * total_size
    return int(cycle) + 1, at / top if at <= top else (total_size - at) / (total_size - top)


def restart(k: float, first: int, factor: int) -> tuple[float, int]:
    """Epochs since the last restart, and the length of the period; periods grow by `factor`, from `first`."""
    if factor == 1:
        return k % first, first
    n = int(math.log1p(k / first * (factor - 1)) / math.log(factor))
    while _begin(n, first, factor) > k:  # the logarithm may be off by a rounding error where a period begins
        n -= 1
    while _begin(n + 1, first, factor) <= k:
        n += 1
    return k - _begin(n, first, factor), first * factor**n


def _begin(n: int, first: int, factor: int) -> int:
    """The epoch of restart n."""
    begun: int = first * (factor**n - 1) // (factor - 1)
    return begun
