"""SequentialLR: schedulers one after another."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from torch.optim import Optimizer

from . import checks, composing, rates
from .base import LRScheduler, check_optimizer
from .composing import Scheduler
from .rates import Rate


class SequentialLR(LRScheduler):
    """Runs schedulers one after another; each starts at its epoch 0 with the base rates at its milestone.

    Args:
        optimizer: of descend or of torch.optim.
        schedulers: of any class, of torch too, other SequentialLR and ChainedScheduler included. While a
            ReduceLROnPlateau is in force, `step` needs a metric.
        milestones: the epochs at which the second, the third, ... takes over, in increasing order: one fewer than
            schedulers. A scheduler between two equal milestones is left out.
        last_epoch: -1 for a new run; the last epoch seen where a run goes on without a `state_dict`.

    Raises:
        ValueError: an argument is not as above.
        TypeError: one of `schedulers` is none.

    Example:
        >>> import torch
        >>> import descend as optim
        >>> optimizer = optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> warmup = optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=9)
        >>> decay = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        >>> scheduler = optim.lr_scheduler.SequentialLR(optimizer, [warmup, decay], milestones=[2])
        >>> rates = []
        >>> for epoch in range(5):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [0.5, 0.5, 1.0, 0.5, 0.25]
    """

    _settings = ("_milestones",)
    _transient = LRScheduler._transient | {"_schedulers", "_phase"}

    def __init__(
        self, optimizer: Optimizer, schedulers: list[Scheduler], milestones: list[int], last_epoch: int = -1
    ) -> None:
        if len(schedulers):
            check_optimizer(optimizer)
        composing.check_members(self, schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "Sequential Schedulers expects number of schedulers provided to be one more "
                f"than the number of milestone points, but got number of schedulers {len(schedulers)} and the "
                f"number of milestones to be equal to {len(milestones)}"
            )
        for i, milestone in enumerate(milestones):
            checks.number(self, f"milestones[{i}]", milestone, "epochs >= 0", lambda value: value >= 0)
        if any(a > b for a, b in pairwise(milestones)):
            raise ValueError(checks.text(self, "milestones", milestones, "in increasing order"))
        self._schedulers = schedulers
        self._milestones = milestones
        self.optimizer = optimizer
        self._phase = 0, -1, None
        composing.undo_momentum(schedulers)
        for scheduler in schedulers:
            composing._before_start(scheduler)
        self._update_lr(last_epoch + 1)

    @property
    def base_lrs(self) -> list[Rate]:  # type: ignore[override]
        """The base rates of the first scheduler."""
        bases: list[Rate] = self._schedulers[0].base_lrs
        return bases

    def _initial_step(self) -> None:
        self._update_lr(0)

    def _acting(self) -> list[Scheduler]:
        """The scheduler of the next epoch."""
        return [self._schedulers[bisect_right(self._milestones, self.last_epoch + 1)]]

    def step(self, metrics: Any = None) -> None:
        """Go to the next epoch. To be called after the optimizer's step.

        Args:
            metrics: for a ReduceLROnPlateau in force; all others do without it.

        Raises:
            TypeError: it is missing. Nothing is changed then.
        """
        k = self.last_epoch + 1
        begins, ends, scheduler = self._phase
        if begins < k < ends and metrics is None:  # the common case: nothing to look up
            scheduler.step()
        else:
            scheduler = self._look_up(k, metrics)
        self.last_epoch = k
        self._last_lr = scheduler._last_lr

    _phase: tuple[float, float, Any]  # where steps without metrics go to one scheduler, and to which

    def _look_up(self, k: int, metrics: Any) -> Scheduler:
        """Let the scheduler of epoch k make its step, which may be its first."""
        milestones = self._milestones
        i = bisect_right(milestones, k)
        scheduler = self._schedulers[i]
        if i and milestones[i - 1] > k - 1:
            composing.restart(scheduler)
        else:
            composing.advance(scheduler, metrics)
        if not composing.wants_metrics(scheduler):
            self._phase = (milestones[i - 1] if i else 0, milestones[i] if i < len(milestones) else math.inf, scheduler)
        return scheduler

    def _update_lr(self, epoch: int | None = None) -> None:
        """Go to an epoch directly."""
        if epoch is None:
            self.step()
            return
        i = bisect_right(self._milestones, epoch)
        scheduler = self._schedulers[i]
        composing.restart(scheduler)
        at = epoch - (self._milestones[i - 1] if i else 0)
        if at > 0:
            scheduler._update_lr(int(at))
        self.last_epoch = epoch
        self._last_lr = scheduler.get_last_lr()

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "_schedulers": composing.states(self._schedulers)}

    def _load(self, state_dict: dict[str, Any], keep_settings: bool) -> list[Rate] | None:
        state = {key: value for key, value in state_dict.items() if key != "_schedulers"}
        members = state_dict["_schedulers"]
        self._phase = 0, -1, None
        found = [composing.load(*every, keep_settings) for every in zip(self._schedulers, members, strict=True)]
        values = super()._load(state, keep_settings)
        now = bisect_right(self._milestones, self.last_epoch)
        return found[now] if keep_settings else values

    def _restore(self, values: Iterable[Rate] | None) -> None:
        scheduler = self._schedulers[bisect_right(self._milestones, self.last_epoch)]
        composing.restore(scheduler, values)
        if values is None:
            self._last_lr = rates.of_groups(self.optimizer, "lr")

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_schedulers": self._schedulers}
