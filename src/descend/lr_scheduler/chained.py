"""ChainedScheduler: schedulers at the same time, each scaling what the others have made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from . import composing, rates
from .closed import AbsoluteLR, ChainableLR
from .composing import Scheduler
from .rates import Rate


class ChainedScheduler(ChainableLR):
    """Steps several schedulers at once; the rate is the base rate times all their factors.

    As long as all of them are scalings by a factor, that product is computed anew for every epoch, so it neither drifts
    nor sticks to 0 where a factor was 0. Else (a rate that does not come down to 0, a ReduceLROnPlateau, a scheduler of
    torch or of your own) they are stepped one after another.

    Args:
        schedulers: of any class, of torch too, in the order in which they act. With a ReduceLROnPlateau among them,
            `step` needs a metric.
        optimizer: of all of them; None: the first one's.

    Raises:
        ValueError: there is no scheduler, or they belong to different optimizers.
        TypeError: one of `schedulers` is none.

    Example:
        >>> import torch
        >>> import descend as optim
        >>> optimizer = optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> warmup = optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=2)
        >>> decay = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        >>> scheduler = optim.lr_scheduler.ChainedScheduler([warmup, decay])
        >>> rates = []
        >>> for epoch in range(4):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [0.5, 0.25, 0.25, 0.125]
    """

    _transient = ChainableLR._transient | {"_schedulers", "_factors_alone"}

    def __init__(self, schedulers: Sequence[Scheduler], optimizer: Optimizer | None = None) -> None:
        self.optimizer = composing.check_members(self, schedulers, optimizer)
        self._schedulers = schedulers
        self._factors_alone = None
        self._running = False
        self._step_count = 1
        self._settle()

    def _settle(self) -> None:
        """Take the schedulers as they are now, and the rates as made by them."""
        first = self._schedulers[0]
        self.last_epoch = first.last_epoch
        self.base_lrs = rates.copied(list(getattr(first, "base_lrs", rates.of_groups(self.optimizer, "lr"))))
        self._last_lr = rates.of_groups(self.optimizer, "lr")
        self._floors = [0.0] * len(self.base_lrs)
        self._amplitudes = [float(base) for base in self.base_lrs]
        if self._scales_only():
            self._conclude_amplitudes()

    _factors_alone: bool | None  # what `_scales_only` found

    def _scales_only(self) -> bool:
        """Whether all that happens is scaling by closed forms, so that the rate is a product."""
        if self._factors_alone is None:
            self._factors_alone = all(
                type(s).step is ChainableLR.step and isinstance(s, ChainableLR) and not any(s._floors)
                for s in self._schedulers
            )
        return self._factors_alone

    def _acting(self) -> list[Scheduler]:
        """The schedulers of the next epoch: all."""
        return list(self._schedulers)

    def _factor(self, k: int) -> float:
        on = k - self.last_epoch
        product = 1.0
        for scheduler in self._schedulers:
            product *= scheduler._factor(scheduler.last_epoch + on)  # type: ignore[attr-defined]
        return product

    def step(self, metrics: Any = None) -> None:
        """Go to the next epoch. To be called after the optimizer's step.

        Args:
            metrics: for a ReduceLROnPlateau among the schedulers; all others do without it.

        Raises:
            TypeError: it is missing. Nothing is changed then.
        """
        if not (self._factors_alone or self._scales_only()):
            self._step_one_after_another(metrics)
        elif not self._running or len(self.optimizer.param_groups) != len(self._last_lr):
            self._step(None)  # `_update_lr` tells the members
            self._running = self._step_count > 1
        else:
            super().step()
            self._tell_members()

    def _step_one_after_another(self, metrics: Any) -> None:
        if metrics is None:
            composing.check_metrics(self, metrics)
        with self._rates_as_floats():
            for scheduler in self._schedulers:
                composing.advance(scheduler, metrics)
        self.last_epoch += 1
        self._last_lr = rates.of_groups(self.optimizer, "lr")

    @contextlib.contextmanager
    def _rates_as_floats(self) -> Iterator[None]:
        """Meanwhile rates that are Tensors are the floats that were last written to them, so that nothing drifts."""
        groups = self.optimizer.param_groups
        tensors = {i: group["lr"] for i, group in enumerate(groups) if isinstance(group["lr"], Tensor)}
        exact: dict[int, float] = self.__dict__.setdefault("_exact_lrs", {}) if tensors else {}
        for i, lr in tensors.items():
            now = float(lr)
            groups[i]["lr"] = exact[i] if i in exact and float(lr.new_tensor(exact[i])) == now else now
        try:
            yield
        finally:
            for i, lr in tensors.items():
                exact[i] = float(groups[i]["lr"])
                lr.fill_(exact[i])
                groups[i]["lr"] = lr

    def _update_lr(self, epoch: int | None = None) -> None:
        """Go to the next epoch, or to a given one as from the start."""
        if self._scales_only():
            for scheduler in self._schedulers:
                scheduler._take_in_new_groups()  # type: ignore[attr-defined]
            if epoch is not None:
                self._set_epoch(epoch)
            super()._update_lr(epoch)
            if epoch is None:
                self._tell_members()
            return
        if epoch is None:
            self._step_one_after_another(None)
            return
        composing.reset_rates(self)
        with self._rates_as_floats():
            composing.begin(self)
            for _ in range(epoch):
                for scheduler in self._schedulers:
                    scheduler._update_lr()
        self.last_epoch = epoch
        self._last_lr = rates.of_groups(self.optimizer, "lr")

    def _set_epoch(self, epoch: int) -> None:
        self.last_epoch = epoch
        for scheduler in self._schedulers:
            scheduler.last_epoch = epoch

    def _tell_members(self) -> None:
        """Let the schedulers know that they have stepped; one that is stepped alone later finds out what it scales."""
        last = self._last_lr
        for scheduler in self._schedulers:
            scheduler.last_epoch += 1
            scheduler._step_count += 1
            scheduler._last_lr = last
            scheduler._amplitudes = []  # type: ignore[attr-defined]
            scheduler._running = False  # type: ignore[attr-defined]

    def _initial_step(self) -> None:
        self._update_lr(0)

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "_schedulers": composing.states(self._schedulers)}

    def _load(self, state_dict: dict[str, Any], keep_settings: bool) -> list[Rate] | None:
        state = {key: value for key, value in state_dict.items() if key != "_schedulers"}
        members = state_dict["_schedulers"]
        for scheduler, member in zip(self._schedulers, members, strict=True):
            composing.load(scheduler, member, keep_settings)
        self._factors_alone = None
        if "last_epoch" not in state:  # a checkpoint of torch
            state["last_epoch"] = self._schedulers[0].last_epoch
            state["_step_count"] = getattr(self._schedulers[0], "_step_count", 2)
            state["base_lrs"] = getattr(self._schedulers[0], "base_lrs", self.base_lrs)
        return super()._load(state, keep_settings)

    def _conclude_amplitudes(self) -> None:
        if self._scales_only():
            super()._conclude_amplitudes()

    def _restore(self, values: Iterable[Rate] | None) -> None:
        if values is None and not self._scales_only():
            values = self._last_lr
        super()._restore(values)
        for scheduler in self._schedulers:
            if isinstance(scheduler, AbsoluteLR):
                scheduler._also(max(scheduler.last_epoch, 0))

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_schedulers": self._schedulers}
