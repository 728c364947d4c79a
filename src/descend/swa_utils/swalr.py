"""`SWALR`: the learning rate of stochastic weight averaging, from whatever it is to a constant."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from ..lr_scheduler import rates
from ..lr_scheduler.base import check_optimizer
from ..lr_scheduler.closed import ChainableLR
from ..lr_scheduler.rates import Rate


class SWALR(ChainableLR):
    r"""Anneals each group's rate to a constant, `swa_lr`, and keeps it there (Izmailov et al. 2018, arXiv:1803.05407).

    rate(k) = swa_lr + (rate at first - swa_lr) f(k / anneal_epochs), with f(t) = (1 + cos(pi t)) / 2 or 1 - t. What "at
    first" means: the rate that the first call of `step` finds. So another scheduler may come before.

    Args:
        optimizer: of descend or of torch.optim.
        swa_lr: the rate in the end; a list has one for each group. It is kept as group["swa_lr"], and may be changed
            there. A group that is added later brings its own "swa_lr", or gets this one; where this is a list, it
            stays at the rate it is added with.
        anneal_epochs: how many calls of `step` the way there takes; 0: none, and it is there at once.
        anneal_strategy: "cos" or "linear".
        last_epoch: -1 for a new run; the last epoch seen where a run goes on without a `state_dict`.

    Raises:
        TypeError: `optimizer` is not one.
        ValueError: a bad rate, strategy or number of epochs, or a list that does not fit the groups.

    Example:
        >>> import torch
        >>> import descend as optim
        >>> optimizer = optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.25)
        >>> scheduler = optim.swa_utils.SWALR(optimizer, swa_lr=0.05, anneal_epochs=4, anneal_strategy="linear")
        >>> for _ in range(5):
        ...     optimizer.step()
        ...     scheduler.step()
        ...     print(round(optimizer.param_groups[0]["lr"], 3))
        0.2
        0.15
        0.1
        0.05
        0.05
    """

    _settings = ("anneal_epochs", "_anneal_strategy")

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        values = rates.per_group("swa_lr", optimizer, swa_lr)
        for value in values:
            _check_rate(value)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(
                f"anneal_epochs must be equal or greater than 0, got {anneal_epochs} (an integer: calls of step())"
            )
        for group, value in zip(optimizer.param_groups, values, strict=True):
            group["swa_lr"] = value
        self._swa_lr = None if isinstance(swa_lr, (list, tuple)) else rates.copied(swa_lr)
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def anneal_func(self, t: float) -> float:
        """How much of the way is done at t of the time, both from 0 to 1."""
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def _factor(self, k: int) -> float:
        if k >= self.anneal_epochs:
            return 0.0
        left = (self.anneal_epochs - k) / self.anneal_epochs
        # (1 + cos(pi k / n)) / 2 in a form that keeps its digits near 0.
        return left if self._anneal_strategy == "linear" else math.sin(math.pi / 2 * left) ** 2

    def _floor(self, i: int) -> float:
        return float(self.optimizer.param_groups[i]["swa_lr"])

    def _start(self, k: int) -> list[float]:
        values = super()._start(k)
        # Not a last place off: whoever made the rate would take that for a change.
        return (
            [float(group["lr"]) for group in self.optimizer.param_groups] if k == 0 and self.anneal_epochs else values
        )

    def _next(self, k: int, anew: bool) -> list[float]:
        if (
            k == 0 and anew and not self._is_initial
        ):  # a SequentialLR has come to its turn: it begins with what it finds
            return self._start(0)
        return super()._next(k, anew)

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch and write its rates. To be called after the optimizer's step.

        Args:
            epoch: deprecated, with torch's warning: the epoch to go to instead of the next one.
        """
        if not self._is_initial and self._amplitudes:  # a ChainedScheduler may have left them open
            for i, (group, floor) in enumerate(zip(self.optimizer.param_groups, self._floors, strict=False)):
                if group.setdefault("swa_lr", floor) != floor:
                    self._aim(i)
        super().step(epoch)

    def _aim(self, i: int) -> None:
        """Group i has another `swa_lr` now: from where its rate is, go there."""
        self._floors[i] = self._floor(i)
        factor = self._factor(max(self.last_epoch, 0))
        self._amplitudes[i] = (
            (float(self.optimizer.param_groups[i]["lr"]) - self._floors[i]) / factor if factor else 0.0
        )

    def _from_zero(self, i: int, now: float, factor: float) -> float:
        """Once it is there it stays there, whoever changes the rate."""
        return self._floors[i]

    def _new_group(self, i: int, group: dict[str, Any]) -> None:
        if "swa_lr" in group:
            _check_rate(group["swa_lr"])
        group.setdefault("swa_lr", rates.copied(group["lr"] if self._swa_lr is None else self._swa_lr))
        super()._new_group(i, group)

    def _load(self, state_dict: dict[str, Any], keep_settings: bool) -> list[Rate] | None:
        values = super()._load(state_dict, keep_settings)
        if keep_settings:
            self._floors = [self._floor(i) for i in range(len(self.base_lrs))]
        for group, floor in zip(self.optimizer.param_groups, self._floors, strict=False):
            if "swa_lr" not in group or float(group["swa_lr"]) != floor:
                group["swa_lr"] = floor
        if "_group_lrs" not in state_dict and self.last_epoch <= 0:
            # torch's checkpoint of a scheduler that has not begun: the rate of now is another scheduler's.
            return rates.of_groups(self.optimizer, "lr")
        return values


def _check_rate(value: float | Tensor) -> None:
    if not isinstance(value, (int, float, Tensor)) or not 0 <= float(value) < math.inf:
        raise ValueError(f"Invalid swa_lr: {value} (swa_lr must be a finite number >= 0)")
