"""The schedulers that scale the rate by a simple closed form, and can be chained: steps, ramps, powers, a cosine."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from math import pi, sin
from typing import Any

from torch.optim import Optimizer

from . import checks
from .closed import ChainableLR

_RIGHT_ANGLE = pi / 2


class StepLR(ChainableLR):
    r"""Scales the rates by `gamma` every `step_size` epochs: :math:`\gamma^{\lfloor k / \text{step\_size} \rfloor}`.

    Args:
        optimizer: of descend or of torch.optim.
        step_size: epochs between two changes, > 0.
        gamma: factor, >= 0.
        last_epoch: see `LRScheduler`.

    Raises:
        ValueError: an argument is not as above.

    Example:
        >>> import torch
        >>> import descend as optim
        >>> optimizer = optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
        >>> for epoch in range(4):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [0.25]
    """

    _settings = ("step_size", "gamma")

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        checks.whole(self, "step_size", step_size, 1)
        _check_gamma(self, gamma)
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self, k: int) -> float:
        factor: float = self.gamma ** (k // self.step_size)
        return factor


def _check_gamma(owner: object, gamma: Any) -> None:
    checks.number(owner, "gamma", gamma, "a finite number >= 0", lambda value: value >= 0)


class MultiStepLR(ChainableLR):
    r"""Scales the rates by `gamma` at each milestone: :math:`\gamma^{\#\{m \in \text{milestones}: m \le k\}}`.

    Args:
        optimizer: of descend or of torch.optim.
        milestones: epochs, in any order; one that is there twice counts twice. Epoch 0 counts too, as in torch's
            closed form.
        gamma: factor, >= 0.
        last_epoch: see `LRScheduler`.

    Raises:
        ValueError: an argument is not as above.
    """

    _settings = ("milestones", "gamma")
    _transient = ChainableLR._transient | {"_ordered"}
    _ordered: tuple[Counter[int], int, list[int]]  # in order, and of what: a user may replace them

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if isinstance(milestones, (str, bytes)) or not isinstance(milestones, Iterable):
            raise TypeError(checks.text(self, "milestones", milestones, "a sequence of epochs"))
        given = list(milestones)
        for i, milestone in enumerate(given):
            checks.whole(self, f"milestones[{i}]", milestone, 0)
        _check_gamma(self, gamma)
        self.milestones = Counter(given)
        self._ordered = Counter(), -1, []
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self, k: int) -> float:
        counter, size, ordered = self._ordered
        if counter is not self.milestones or size != len(counter):
            ordered = sorted(self.milestones.elements())
            self._ordered = self.milestones, len(self.milestones), ordered
        return self.gamma ** bisect_right(ordered, k)


class ConstantLR(ChainableLR):
    """Scales the rates by `factor` until epoch `total_iters`, where they are the base rates again.

    Args:
        optimizer: of descend or of torch.optim.
        factor: in [0, 1].
        total_iters: number of epochs, >= 0; 0: never scaled.
        last_epoch: see `LRScheduler`.

    Raises:
        ValueError: an argument is not as above.
    """

    _settings = ("factor", "total_iters")

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(
                "Constant multiplicative factor expected to be between 0 and 1. "
                + checks.text(self, "factor", factor, "in [0, 1]")
            )
        checks.number(self, "total_iters", total_iters, "a number of epochs >= 0", lambda value: value >= 0)
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self, k: int) -> float:
        return self.factor if k < self.total_iters else 1.0


class LinearLR(ChainableLR):
    r"""Scales the rates by a factor that goes from `start_factor` to `end_factor` in a straight line.

    .. math:: \text{start} + (\text{end} - \text{start}) \min(k / \text{total\_iters}, 1)

    Args:
        optimizer: of descend or of torch.optim.
        start_factor: factor of epoch 0, in (0, 1].
        end_factor: factor from epoch `total_iters` on, in [0, 1].
        total_iters: number of epochs on the way, >= 0; 0: `end_factor` at once.
        last_epoch: see `LRScheduler`.

    Raises:
        ValueError: an argument is not as above.
    """

    _settings = ("start_factor", "end_factor", "total_iters")

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(
                "Starting multiplicative factor expected to be greater than 0 and less or equal to 1. "
                + checks.text(self, "start_factor", start_factor, "in (0, 1]")
            )
        if not 0 <= end_factor <= 1:
            raise ValueError(
                "Ending multiplicative factor expected to be between 0 and 1. "
                + checks.text(self, "end_factor", end_factor, "in [0, 1]")
            )
        checks.number(self, "total_iters", total_iters, "a number of epochs >= 0", lambda value: value >= 0)
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self, k: int) -> float:
        if k >= self.total_iters:
            return self.end_factor
        return self.start_factor + (self.end_factor - self.start_factor) * k / self.total_iters


class ExponentialLR(ChainableLR):
    r"""Scales the rates by `gamma` every epoch: :math:`\gamma^k`.

    Args:
        optimizer: of descend or of torch.optim.
        gamma: factor, >= 0.
        last_epoch: see `LRScheduler`.

    Raises:
        ValueError: `gamma` is not as above.
    """

    _settings = ("gamma",)

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        _check_gamma(self, gamma)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self, k: int) -> float:
        factor: float = self.gamma**k
        return factor


class PolynomialLR(ChainableLR):
    r"""Lets the rates decay to 0 with a power of what is left.

    .. math:: (1 - \min(k / \text{total\_iters}, 1))^\text{power}

    Args:
        optimizer: of descend or of torch.optim.
        total_iters: number of epochs, > 0.
        power: >= 0; 1 is a straight line.
        last_epoch: see `LRScheduler`.

    Raises:
        ValueError: an argument is not as above.
    """

    _settings = ("total_iters", "power")

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        checks.number(self, "total_iters", total_iters, "a number of epochs > 0", lambda value: value > 0)
        checks.number(self, "power", power, "a finite number >= 0", lambda value: value >= 0)
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def _factor(self, k: int) -> float:
        n = self.total_iters
        factor: float = ((n - k) / n) ** self.power if k < n else 0.0**self.power
        return factor


class CosineAnnealingLR(ChainableLR):
    r"""Lets the rates go down to `eta_min` along half a period of a cosine; after `T_max` they rise again, as in torch.

    .. math:: \eta_k = \eta_\min + (\eta_0 - \eta_\min) \frac{1 + \cos(\pi k / T_\max)}{2}

    `descend.schedules.Cosine` stays at the bottom; so does this class in front of a ConstantLR in a SequentialLR.

    Args:
        optimizer: of descend or of torch.optim.
        T_max: epochs on the way down, > 0.
        eta_min: the smallest rate.
        last_epoch: see `LRScheduler`.

    Raises:
        ValueError: an argument is not as above.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5.
    """

    _settings = ("T_max", "eta_min")

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        checks.number(self, "T_max", T_max, "a number > 0", lambda value: value > 0)
        checks.number(self, "eta_min", eta_min)
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def _factor(self, k: int) -> float:
        # (1 + cos(pi k / T_max)) / 2, written as a square that keeps its digits where it is close to 0
        n = self.T_max
        root = sin(_RIGHT_ANGLE * ((n - k if k < n else n - k % (2 * n)) / n))
        return root * root

    def _floor(self, i: int) -> float:
        return float(self.eta_min)
