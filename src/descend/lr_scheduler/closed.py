"""Schedulers whose rates are closed forms of the epoch: nothing accumulates, or depends on what was built when.

    rate = floor + amplitude * factor(epoch),    amplitude = base rate - floor

A *chainable* scheduler shares the rate with others. As long as a group holds what the scheduler wrote last, the closed
form is written as it is. If somebody else has changed the rate, what is there was, so to say, made by another
amplitude, (rate - floor) / factor(epoch - 1), which holds from then on: torch's recursion, where somebody interferes.
An *absolute* scheduler writes its rates whatever is there.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any, ClassVar

from torch import Tensor
from torch.optim import Optimizer

from . import rates
from .base import LRScheduler
from .rates import Rate

_DRIFT = {False: 1e-9, True: 1e-4}  # how far torch's recursion drifts from the closed form, in floats and in Tensors


class ClosedLR(LRScheduler):
    """What chainable and absolute schedulers have in common."""

    _follows_settings = True
    _custom: ClassVar[bool] = False  # a subclass has a get_lr of its own, which decides then
    _computed: list[float] | None = None  # what it made `get_lr` return last; it may have written something else
    _transient = LRScheduler._transient | {"_tensors"}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        package = str(__package__)
        cls._custom = not cls.get_lr.__module__.startswith(package)
        if cls._custom and cls.step.__module__.startswith(package):
            cls.step = LRScheduler.step  # type: ignore[method-assign]

    def _update_lr(self, epoch: int | None = None) -> None:
        if self._custom:
            super()._update_lr(epoch)
            return
        self._take_in_new_groups()
        k = self.last_epoch + 1 if epoch is None else epoch
        if k < 0:
            raise ValueError(f"Expected non-negative epoch, but got {k}")
        values = self._start(k) if self._is_initial else self._next(k, epoch is not None)
        self.last_epoch = k
        self._write(values)

    def _start(self, k: int) -> list[float]:
        """The rates at construction, which is epoch k."""
        return self._next(k, True)

    def _next(self, k: int, anew: bool) -> list[float]:
        """The rates of epoch k; `anew`: whatever is there."""
        raise NotImplementedError

    def _write(self, values: Iterable[float]) -> None:
        self._last_lr = [self._put(i, value) for i, value in enumerate(values)]

    def _put(self, i: int, value: float) -> Rate:
        """Write one group's rate, and remember a Tensor, its version and the exact value."""
        group = self.optimizer.param_groups[i]
        written = rates.put(group, "lr", value)
        if isinstance(written, Tensor):
            lr = group["lr"]
            self.__dict__.setdefault("_tensors", {})[i] = (lr, lr._version)
        return written

    def _changed(self, i: int) -> float | None:
        """The rate of group i, if it is not what this scheduler wrote last."""
        lr, last = self.optimizer.param_groups[i]["lr"], self._last_lr[i]
        if self._custom and self._computed:
            last = self._computed[i]
        elif isinstance(lr, Tensor):
            seen = self.__dict__.get("_tensors", {}).get(i)
            if seen is not None and seen[0] is lr and seen[1] == lr._version:
                return None  # found without asking the device
        now = float(lr)
        return None if now == float(last) else now

    def get_lr(self) -> list[Rate]:
        """The rates of epoch `last_epoch`, for subclasses that build theirs on them; see `get_last_lr`."""
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=2,
            )
        k = self.last_epoch
        values = self._start(k) if self._is_initial else self._next(k, False)
        if self._custom:
            self._computed = values
        return self._as_in_groups(values)

    def _get_closed_form_lr(self) -> list[Rate]:
        """The rates of epoch `last_epoch` from the base rates alone."""
        return self._as_in_groups(self._next(self.last_epoch, True))

    def _as_in_groups(self, values: Iterable[float]) -> list[Rate]:
        """Tensors where the groups have them."""
        groups = zip(self.optimizer.param_groups, values, strict=True)
        return [group["lr"].new_tensor(v) if isinstance(group["lr"], Tensor) else v for group, v in groups]

    def _restore(self, values: Iterable[Rate] | None) -> None:
        if values is None:
            self._write(self._next(max(self.last_epoch, 0), True))
        else:
            super()._restore(values)

    def _load(self, state_dict: dict[str, Any], keep_settings: bool) -> list[Rate] | None:
        self.__dict__.pop("_tensors", None)
        return super()._load(state_dict, keep_settings)


class ChainableLR(ClosedLR):
    """Base of schedulers that scale the rate, together with others: subclasses give `_factor`, and `_floor`."""

    _amplitudes: list[float]
    _floors: list[float]
    _running: bool  # nothing special about the next step: the first ones are over, and amplitudes are known
    _transient = ClosedLR._transient | {"_running"}

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self._running = False
        super().__init__(optimizer, last_epoch)

    def _factor(self, k: int) -> float:
        """The closed form at epoch k >= 0."""
        raise NotImplementedError

    def _floor(self, i: int) -> float:
        """What the rate of group i comes down to where the factor is 0."""
        return 0.0

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch and write its rates. To be called after the optimizer's step.

        Args:
            epoch: deprecated, with torch's warning: the epoch to go to instead of the next one.
        """
        groups = self.optimizer.param_groups
        if not self._running or epoch is not None or len(groups) != len(last := self._last_lr):
            self._step(epoch)
            self._running = self._step_count > 1
            return
        k = self.last_epoch + 1
        factor = self._factor(k)
        if len(last) == 1 and groups[0]["lr"] is last[0]:  # the common case, without a loop
            groups[0]["lr"] = lr = self._floors[0] + self._amplitudes[0] * factor
            self._last_lr = [lr]
        else:
            self._last_lr = self._written(groups, factor)
        self.last_epoch = k
        self._step_count += 1

    def _written(self, groups: list[dict[str, Any]], factor: float) -> list[Rate]:
        """Write the rates of the next epoch, and return them."""
        written: list[Rate] = []
        previous = None
        every = zip(groups, self._last_lr, self._amplitudes, self._floors, strict=False)
        for i, (group, last, amplitude, floor) in enumerate(every):
            if group["lr"] is last:
                group["lr"] = lr = floor + amplitude * factor
                written.append(lr)
            else:
                previous = self._factor_before(self.last_epoch + 1) if previous is None else previous
                written.append(self._put(i, self._adapted(i, factor, previous)))
        return written

    def _factor_before(self, k: int) -> float:
        """The factor of epoch k - 1; before the first one nothing has been scaled."""
        return self._factor(k - 1) if k > 0 else 1.0

    def _adapted(self, i: int, factor: float, previous: float) -> float:
        """The rate of group i where the factor was `previous`, and is to be `factor`, whoever has changed the rate."""
        now, floor = self._changed(i), self._floors[i]
        if now is None:
            return floor + self._amplitudes[i] * factor
        if previous == 0:
            return self._from_zero(i, now, factor)
        self._amplitudes[i] = (now - floor) / previous
        return now if factor == previous else floor + self._amplitudes[i] * factor

    def _from_zero(self, i: int, now: float, factor: float) -> float:
        """The same where the factor was 0, and nothing can be concluded from the rate: what is to come is added."""
        return now + self._amplitudes[i] * factor

    def _next(self, k: int, anew: bool) -> list[float]:
        number = len(self.optimizer.param_groups)
        if not anew:
            self._know_amplitudes()
            factor, previous = self._factor(k), self._factor_before(k)
            return [self._adapted(i, factor, previous) for i in range(number)]
        self._floors = [self._floor(i) for i in range(number)]
        self._amplitudes = [float(base) - floor for base, floor in zip(self.base_lrs, self._floors, strict=False)]
        return self._of(self._factor(k))

    def _of(self, factor: float) -> list[float]:
        every = zip(self._floors, self._amplitudes, strict=True)
        return [floor + amplitude * factor for floor, amplitude in every]

    def _start(self, k: int) -> list[float]:
        """At construction the rate of now is scaled, so that schedulers may be built on top of each other.

        With `last_epoch`, a rate that is the base rate, or this scheduler's own of the epoch before or of this one,
        becomes that of this one; any other has been made together with other schedulers, and stays as it is.
        """
        now = [float(group["lr"]) for group in self.optimizer.param_groups]
        if k == 0:
            self._floors = [self._floor(i) for i in range(len(now))]
            self._amplitudes = [lr - floor for lr, floor in zip(now, self._floors, strict=True)]
            return self._of(self._factor(0))
        before, values, factor = self._next(k - 1, True), self._next(k, True), self._factor(k)
        for i, lr in enumerate(now):
            own = (float(self.base_lrs[i]), before[i], values[i])
            if factor != 0 and not any(math.isclose(lr, value, rel_tol=1e-6) for value in own):
                self._amplitudes[i] = (lr - self._floors[i]) / factor
                values[i] = lr
        return values

    def _take_in_new_groups(self) -> None:
        self._know_amplitudes()
        super()._take_in_new_groups()

    def _new_group(self, i: int, group: dict[str, Any]) -> None:
        """The rate that a group is added with is its rate of now, which is scaled from here on."""
        self._floors.append(self._floor(i))
        factor = self._factor(self.last_epoch) if self.last_epoch >= 0 else 1.0
        height = float(group["lr"]) - self._floors[i]
        self._amplitudes.append(height / factor if factor else height)

    def _load(self, state_dict: dict[str, Any], keep_settings: bool) -> list[Rate] | None:
        if keep_settings:
            state_dict = {key: value for key, value in state_dict.items() if key not in ("_amplitudes", "_floors")}
        values = super()._load(state_dict, keep_settings)
        self._running = False
        if not keep_settings and not state_dict.get("_amplitudes"):
            self._conclude_amplitudes()
        return values

    def _know_amplitudes(self) -> None:
        """Conclude them, if a ChainedScheduler has stepped this one and left them open."""
        if hasattr(self, "_amplitudes") and not self._amplitudes:
            self._conclude_amplitudes()

    def _conclude_amplitudes(self) -> None:
        """From the last rates, of torch for example: the base rates', if they are the closed form's up to drift."""
        k = max(self.last_epoch, 0)
        factor = self._factor(k)
        for i, (last, closed) in enumerate(zip(self._last_lr, self._next(k, True), strict=False)):
            drift = _DRIFT[isinstance(last, Tensor)]
            if self.last_epoch >= 0 and factor != 0 and not math.isclose(last, closed, rel_tol=drift):
                self._amplitudes[i] = (float(last) - self._floors[i]) / factor


class AbsoluteLR(ClosedLR):
    """Base of schedulers that write their rates whatever is there: subclasses give `_rates`."""

    _moves_more: bool = False  # whether there is something beside the rates: see `_also`

    def _rates(self, k: int) -> list[float]:
        """The rates of epoch k >= 0, a new list of one for each group."""
        raise NotImplementedError

    def _also(self, k: int) -> None:
        """What is written into the groups beside the rates: momentum."""

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch and write its rates. To be called after the optimizer's step.

        Args:
            epoch: deprecated, with torch's warning: the epoch to go to instead of the next one.
        """
        groups = self.optimizer.param_groups
        number = len(groups)
        if epoch is not None or number != len(self.base_lrs) or self._step_count < 2:
            self._step(epoch)
            return
        k = self.last_epoch + 1
        if number == 1 and type(groups[0]["lr"]) is float:  # the common case, without a loop
            self._last_lr = [self._move(groups[0], k)]
        else:
            self._write(self._rates(k))
            if self._moves_more:
                self._also(k)
        self.last_epoch = k
        self._step_count += 1

    def _move(self, group: dict[str, Any], k: int) -> float:
        """Write what belongs to epoch k into the only group, whose rate is a float, and return the rate."""
        (group["lr"],) = self._rates(k)
        return float(group["lr"])

    def _write(self, values: Iterable[float]) -> None:
        groups = self.optimizer.param_groups
        self._last_lr = [rates.put(group, "lr", value) for group, value in zip(groups, values, strict=False)]

    def _update_lr(self, epoch: int | None = None) -> None:
        super()._update_lr(epoch)
        if self._moves_more and not self._custom:
            self._also(self.last_epoch)

    def _next(self, k: int, anew: bool) -> list[float]:
        return self._rates(k)

    def _restore(self, values: Iterable[Rate] | None) -> None:
        super()._restore(values)
        if self._moves_more:
            self._also(max(self.last_epoch, 0))
