"""CyclicLR: the rate goes up and down between two bounds, again and again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from torch.optim import Optimizer

from . import checks, forms, functions, momentum, rates
from .base import check_optimizer
from .closed import AbsoluteLR
from .rates import Rate

_MODES = ("triangular", "triangular2", "exp_range")


class CyclicLR(AbsoluteLR):
    r"""Lets the rates go from `base_lr` to `max_lr` and back, again and again, and the momentum the other way.

    .. math:: \text{base\_lr} + (\text{max\_lr} - \text{base\_lr}) \cdot \text{height}(k) \cdot \text{scale}

    where the height goes from 0 to 1 in `step_size_up` epochs, and back to 0 in `step_size_down`.

    Args:
        optimizer: of descend or of torch.optim.
        base_lr: lower bound, a number or one for each group.
        max_lr: upper bound, the same.
        step_size_up: epochs on the way up, > 0.
        step_size_down: epochs on the way down, > 0; None: as many as up.
        mode: "triangular" (scale 1), "triangular2" (half of it with every cycle) or "exp_range" (gamma^k).
        gamma: of "exp_range".
        scale_fn: a scale of your own, in place of a mode.
        scale_mode: "cycle": `scale_fn` is asked with the number of the cycle, from 1; "iterations": with the epoch.
        cycle_momentum: move the momentum (or first beta) too, even one of 0, which a warning says.
        base_momentum: its lower bound, where the rate has its upper one; a number or one for each group.
        max_momentum: its upper bound.
        last_epoch: see `LRScheduler`.

    Raises:
        ValueError: an argument is not as above, or the optimizer has no momentum.

    Source: Smith 2017, arXiv:1506.01186.
    """

    _settings = ("max_lrs", "total_size", "step_ratio", "mode", "gamma", "scale_mode", "cycle_momentum")
    _transient = AbsoluteLR._transient | {"_scale_fn_custom", "_scale_fn_ref", "_momentum_before", "_scaled"}

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        base_lrs = rates.per_group("base_lr", optimizer, base_lr)
        max_lrs = rates.per_group("max_lr", optimizer, max_lr)
        for name, values in (("base_lr", base_lrs), ("max_lr", max_lrs)):
            checks.numbers(self, name, values, "a finite number >= 0", lambda value: value >= 0)
        down = step_size_up if step_size_down is None else step_size_down
        for name, value in (("step_size_up", step_size_up), ("step_size_down", down)):
            checks.number(self, name, value, "a number of epochs > 0", lambda number: number > 0)
        if scale_fn is None:
            checks.choice(self, "mode", mode, _MODES, "mode is invalid and scale_fn is None. ")
        elif not callable(scale_fn):
            raise TypeError(checks.text(self, "scale_fn", repr(scale_fn), "a function, or None"))
        checks.choice(self, "scale_mode", scale_mode, ("cycle", "iterations"))
        checks.number(self, "gamma", gamma, "a finite number >= 0", lambda number: number >= 0)
        self.optimizer = optimizer
        if last_epoch == -1:
            for group, value in zip(optimizer.param_groups, base_lrs, strict=True):
                rates.put(group, "lr", value)
        self.max_lrs = max_lrs
        self.total_size = float(step_size_up) + float(down)
        self.step_ratio = float(step_size_up) / self.total_size
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        self._init_scale_fn()
        self._scaled = -1, 0.0
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._momentum_before = [momentum.get(g, momentum.uses_beta1(optimizer)) for g in optimizer.param_groups]
            self.use_beta1, self.base_momentums, self.max_momentums = momentum.prepare(
                self, optimizer, base_momentum, max_momentum, last_epoch
            )
        self.base_lrs = base_lrs
        super().__init__(optimizer, last_epoch)

    def _init_scale_fn(self) -> None:
        """The scale as a function, of the cycle or of the epoch."""
        if self._scale_fn_custom is None:
            modes: dict[str, Callable[[float], float]] = {
                "triangular": _one,
                "triangular2": _halved,
                "exp_range": partial(pow, self.gamma),
            }
            self._scale_fn_ref = modes[self.mode]
            self.scale_mode = "iterations" if self.mode == "exp_range" else "cycle"

    def scale_fn(self, x: float) -> float:
        """How much of the height is used in cycle x, or in epoch x."""
        return self._scale_fn_ref(x) if self._scale_fn_custom is None else self._scale_fn_custom(x)

    _moves_more = True
    _scaled: tuple[float, float]  # the last epoch, and its scale

    def _scale(self, k: int) -> float:
        """How much of the way from the lower to the upper bound is gone."""
        cycle, height = forms.triangle(k, self.total_size, self.step_ratio)
        if self._scale_fn_custom is not None or self.mode != "triangular":
            height *= self.scale_fn(cycle if self.scale_mode == "cycle" else k)
        self._scaled = k, height
        return height

    def _rates(self, k: int) -> list[float]:
        scale = self._scale(k)
        return [float(low + (high - low) * scale) for low, high in zip(self.base_lrs, self.max_lrs, strict=False)]

    def _move(self, group: dict[str, Any], k: int) -> float:
        scale, low = self._scale(k), self.base_lrs[0]
        group["lr"] = lr = float(low + (self.max_lrs[0] - low) * scale)
        if self.cycle_momentum:
            high = self.max_momentums[0]
            momentum.put(group, self.use_beta1, high - (high - self.base_momentums[0]) * scale)
        return lr

    def _also(self, k: int) -> None:
        if self.cycle_momentum:
            at, scale = self._scaled
            scale = scale if at == k else self._scale(k)
            every = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=False)
            for group, low, high in every:
                momentum.put(group, self.use_beta1, high - (high - low) * scale)

    def _new_group(self, i: int, group: dict[str, Any]) -> None:
        """A group that is added gets the bounds that all others have, or its own: its keys `max_lr`, `base_lr`."""
        self.max_lrs.append(momentum.of_new_group(self, "max_lr", self.max_lrs, group))
        group["initial_lr"] = momentum.of_new_group(self, "base_lr", self.base_lrs, group)
        if self.cycle_momentum:
            for name, values in (("base_momentum", self.base_momentums), ("max_momentum", self.max_momentums)):
                group[name] = momentum.of_new_group(self, name, values, group)
                values.append(group[name])

    def _state(self) -> dict[str, Any]:
        state = super()._state()
        custom = [] if self._scale_fn_custom is None else [self._scale_fn_custom]
        functions.put(state, "_scale_fn_custom", custom)
        state["_scale_fn_custom"] = state["_scale_fn_custom"][0] if custom else None
        return state

    def _load(self, state_dict: dict[str, Any], keep_settings: bool) -> list[Rate] | None:
        state = dict(state_dict)
        kept = state.pop("_scale_fn_custom", None)
        if self._scale_fn_custom is not None:
            state["_scale_fn_custom"] = [kept]
            (found,) = functions.take(state, "_scale_fn_custom", [self._scale_fn_custom])
            if not keep_settings:
                self._scale_fn_custom = found
        state.pop("__scale_fn_custom_written", None)
        values = super()._load(state, keep_settings)
        self._scaled = (-1, 0.0)
        self._init_scale_fn()
        return values

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_scale_fn_custom": self._scale_fn_custom}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._init_scale_fn()


def _one(x: float) -> float:
    return 1.0


def _halved(x: float) -> float:
    return float(0.5 ** (x - 1))
