"""What a test problem is: a function of one vector, where to start, and the values of its known minima."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Bounds = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Problem:
    """One problem of a test set.

    Attributes:
        name: short and unique in its set.
        start: the standard starting point, float64, one-dimensional.
        fun: the objective. It takes a vector of any floating dtype, computes in that dtype, and can be differentiated.
        minima: the values of the minima that count as solved, the global one first; empty where none is known.
        bounds: lower and upper bounds, each like `start` and infinite where there is none; None without any.
        source: where the function, its start and its minima come from.
    """

    name: str
    start: Tensor
    fun: Callable[[Tensor], Tensor]
    minima: tuple[float, ...]
    bounds: Bounds | None = None
    source: str = ""

    @property
    def n(self) -> int:
        """The number of variables."""
        return self.start.numel()

    def value(self, x: Tensor) -> float:
        """The objective at `x`, computed in float64 whatever the dtype of `x`."""
        with torch.no_grad():
            return float(self.fun(x.detach().double()))

    def target(self, best: float) -> float:
        """Of the known minima the one that a run ended at: the nearest to `best`, the lowest value it saw.

        A run may pass the value of a local minimum on its way to the global one; that does not count as reaching it.
        """
        return min(self.minima, key=lambda low: abs(best - low))

    def gap(self, value: float, target: float) -> float:
        """(f - f*) / (f0 - f*): how much of the way down from the start's value to `target` is left.

        A problem counts as solved at tau when the gap is at most tau.
        """
        start = self.value(self.start)
        return (value - target) / (start - target)


def tensor(*values: float) -> Tensor:
    """A float64 vector."""
    return torch.tensor(values, dtype=torch.float64)


def least_squares(residuals: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The sum of squared residuals."""

    def fun(x: Tensor) -> Tensor:
        r = residuals(x)
        return (r * r).sum()

    return fun
