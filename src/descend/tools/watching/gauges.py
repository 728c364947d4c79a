"""Two gauges: loss spikes by median and MAD, and where a step ended on the parabola along its own direction."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ..isolation import RandomState

WINDOW = 50  # losses that a new one is compared with
ENOUGH = 20  # fewer say nothing about what is usual
FLOOR = 1e-3  # of the median: the least spread, so that a loss that hardly moves has no spikes


class Spikes:
    """The last losses, and how unusual new ones are."""

    def __init__(self) -> None:
        self._window: deque[float] = deque(maxlen=WINDOW)

    def add(self, losses: Sequence[float]) -> float | None:
        """Take new losses in.

        Args:
            losses: since the last call, oldest first.

        Returns:
            How many robust standard deviations the largest lies above the median of those before; inf for one that is
            not finite; None if too few are known.
        """
        z = None
        if losses and len(self._window) >= ENOUGH:
            z = robust_z(self._window, losses)
        self._window.extend(loss for loss in losses if math.isfinite(loss))
        return z


def robust_z(usual: Sequence[float] | deque[float], losses: Sequence[float]) -> float:
    """The largest of the losses, as standard deviations above the median of the usual ones; NaN counts as infinite."""
    if not all(map(math.isfinite, losses)):
        return math.inf
    half = len(usual) // 2
    middle = sorted(usual)[half]
    spread = 1.4826 * sorted([abs(loss - middle) for loss in usual])[half]
    return (max(losses) - middle) / max(spread, FLOOR * abs(middle), 1e-300)


def alpha(before: float, after: float, slope: float) -> float | None:
    """Cockpit's measure of a step (arXiv:2102.06604), without its noise model.

    Along the step, from 0 to 1, the loss is taken as `before + slope t + curvature t^2`; the curvature follows from
    `after`. The step that ends in the minimum of that parabola has alpha 0, one that does not move -1, one that ends
    on the other side at the same height 1.

    Args:
        before: the loss before the step.
        after: the loss after it, on the same batch.
        slope: gradient times update.

    Returns:
        1 / t* - 1 for a minimum at t*; -1 where the parabola is open downwards (the loss still falls at the end); None
        where the step did not lead downhill, or a loss is not finite.

    Example:
        >>> alpha(1.0, 0.0, -2.0)  # (1 - t)^2: right into the minimum
        0.0
        >>> alpha(1.0, 1.0, -4.0)  # (1 - 2t)^2: on the other side
        1.0
    """
    if not (slope < 0 and math.isfinite(slope) and math.isfinite(before)) or math.isnan(after):
        return None
    curvature = after - before - slope
    return -1.0 if curvature < 0 else -2 * curvature / slope - 1


class Probe:
    """The loss on the batch of one step, before and after it; leaves random numbers and buffers as they were.

    Args:
        model: whose buffers (running means of batch normalisation) a forward pass may change.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._same: bool | None = None  # whether the loss that was told is what the function returns
        self._before = math.nan
        self._function: Callable[[], Tensor | float] | None = None
        self._random: RandomState | None = None

    def before(self, function: Callable[[], Tensor | float], told: float | None) -> None:
        """Before the step.

        Args:
            function: evaluates the loss.
            told: the loss that the training computed at this step, if there is exactly one. Once it has turned out to
                be what the function returns, and no random numbers are drawn, there is no need to compute it twice.
        """
        self._function, self._random = function, RandomState.now()
        if self._same and told is not None:
            self._before = told
            return
        self._before, drawn = self._evaluate()
        if self._same is None and told is not None:
            self._same = not drawn and abs(told - self._before) <= 1e-6 * abs(told)

    def after(self, slope: float) -> float | None:
        """After the step; returns alpha."""
        after, _ = self._evaluate()
        self._function = self._random = None
        return alpha(self._before, after, slope)

    def _evaluate(self) -> tuple[float, bool]:
        """The loss with the random numbers of the step, and whether it drew any."""
        assert self._function is not None and self._random is not None
        outside = RandomState.now()
        buffers = [(b, b.clone()) for b in self._model.buffers()]
        self._random.restore()
        try:
            with torch.no_grad():
                loss = float(self._function())
            now = RandomState.now()
            drawn = not torch.equal(now.cpu, self._random.cpu) or any(
                not torch.equal(a, b) for a, b in zip(now.cuda, self._random.cuda, strict=False)
            )
        finally:
            outside.restore()
            with torch.no_grad():
                for b, value in buffers:
                    b.copy_(value)
        return loss, drawn
