"""What `optimizer.stats()` returns: norms of gradient, update and parameter, from sums that the step kept."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ..engines.job import Job


@dataclass(frozen=True)
class Statistics:
    """Of one parameter in the last step, or of all together.

    Attributes:
        grad_norm: Euclidean norm of the gradient as it was given, before clipping.
        update_norm: norm of what the step added to the parameter, weight decay included.
        param_norm: norm of the parameter after the step.
        zero_fraction: share of gradient elements that are exactly zero.
        nonfinite_fraction: share of gradient elements that are NaN or infinite.
        elements: real numbers in the parameter.
    """

    grad_norm: float
    update_norm: float
    param_norm: float
    zero_fraction: float
    nonfinite_fraction: float
    elements: int

    @property
    def update_ratio(self) -> float:
        """Norm of the update over that of the parameter; about 1e-3 is common where training goes well."""
        if self.param_norm == 0:
            return math.inf if self.update_norm else 0.0
        return self.update_norm / self.param_norm


@dataclass(frozen=True)
class StepStatistics(Statistics):
    """Of all parameters that the last step updated, and of each.

    Attributes:
        parameters: by name (as given with the parameters, else group and position).
    """

    parameters: dict[str, Statistics]


def collect(sums: Iterable[tuple[Job, list[float]]]) -> StepStatistics:
    """From the sums that `layout.STATISTICS` names."""
    each, totals, elements = {}, [0.0] * 5, 0
    for job, values in sums:
        count = job.param.numel() * (2 if job.param.is_complex() else 1)
        each[job.name] = Statistics(*_fields(values, count))
        totals = [a + b for a, b in zip(totals, values, strict=True)]
        elements += count
    return StepStatistics(*_fields(totals, elements), parameters=each)


def _fields(sums: list[float], count: int) -> tuple[float, float, float, float, float, int]:
    grad, update, param, zeros, nonfinite = sums
    share = max(1, count)
    return math.sqrt(grad), math.sqrt(update), math.sqrt(param), zeros / share, nonfinite / share, count
