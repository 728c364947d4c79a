"""Averaging functions: values that AveragedModel recognises and runs in one launch, and that work alone as torch's do.

Each is a frozen dataclass, so that it prints, compares and pickles (torch's are closures, which do not pickle).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..engines import eager
from ..engines.job import Job, Row
from ..rules.averaging import AVERAGING
from .exact import rounding, wide


@dataclass(frozen=True)
class Weights:
    """How much the newest model counts.

    Args:
        decay: what the average so far counts; None: all models count equally.
    """

    decay: float | None = None

    def __post_init__(self) -> None:
        if self.decay is not None and not 0.0 <= self.decay <= 1.0:  # NaN is refused, too
            raise ValueError(
                f"Invalid decay value {self.decay} provided. Please provide a value in [0,1] range. "
                "(0: the newest model; 1: the first one, for ever)"
            )

    def newest(self, num_averaged: Tensor | int) -> float:
        """The weight of the newest model after so many others."""
        return 1 / (int(num_averaged) + 1) if self.decay is None else 1 - self.decay


def scalars(weight: float, dtype: torch.dtype | None = None) -> dict[str, Any]:
    """The scalars of the rule.

    Args:
        weight: of the newest model.
        dtype: of averages that are kept in float32 beside, or None.
    """
    near, tiny = (None, None) if dtype is None or wide(dtype) is None else rounding(dtype)
    return AVERAGING.scalars(1, weight=weight, near=near, tiny=tiny)


def is_averaged(tensor: Tensor) -> bool:
    """Whether an average of such values means anything: it does not for integers (counts, indices) and flags."""
    return tensor.is_floating_point() or tensor.is_complex()


@dataclass(frozen=True)
class AverageOne:
    """`f(averaged, current, num_averaged)` gives the new average of one tensor, for `AveragedModel(avg_fn=)`."""

    weights: Weights

    @torch.no_grad()
    def __call__(self, averaged_param: Tensor, current_param: Tensor, num_averaged: Tensor | int) -> Tensor:
        """The new average; nothing is changed."""
        new = averaged_param.detach().clone()
        AverageMany(self.weights)([new], [current_param], num_averaged)
        return new


@dataclass(frozen=True)
class AverageMany:
    """`f(averaged, current, num_averaged)` updates lists of tensors in place, for `AveragedModel(multi_avg_fn=)`."""

    weights: Weights

    @torch.no_grad()
    def __call__(
        self, averaged_param_list: Sequence[Tensor], current_param_list: Sequence[Tensor], num_averaged: Tensor | int
    ) -> None:
        """Update the averages in place."""
        row = Row([0], 1, {}, scalars(self.weights.newest(num_averaged)))
        for averaged, current in zip(averaged_param_list, current_param_list, strict=True):
            if is_averaged(averaged):
                job = Job(averaged.detach(), current.detach().to(averaged.device), (None,), (), row, "")
                eager.run(AVERAGING, [job])
            else:
                averaged.copy_(current)


def get_ema_multi_avg_fn(decay: float = 0.999) -> AverageMany:
    r"""A function that moves averages towards the model by 1 - decay, for `AveragedModel(multi_avg_fn=)`.

    W <- decay W + (1 - decay) W_model, computed in float32 for half precision. Integers and flags are copied.

    Args:
        decay: what the average so far counts, between 0 and 1.

    Raises:
        ValueError: decay is not between 0 and 1.
    """
    return AverageMany(Weights(decay))


def get_swa_multi_avg_fn() -> AverageMany:
    """A function that keeps averages in which all models count equally, for `AveragedModel(multi_avg_fn=)`."""
    return AverageMany(Weights())


def get_ema_avg_fn(decay: float = 0.999) -> AverageOne:
    """As `get_ema_multi_avg_fn`, for one tensor at a time, `AveragedModel(avg_fn=)`; just as fast there.

    Args:
        decay: what the average so far counts, between 0 and 1.

    Raises:
        ValueError: decay is not between 0 and 1.
    """
    return AverageOne(Weights(decay))


def get_swa_avg_fn() -> AverageOne:
    """As `get_swa_multi_avg_fn`, for one tensor at a time, `AveragedModel(avg_fn=)`; just as fast there."""
    return AverageOne(Weights())
