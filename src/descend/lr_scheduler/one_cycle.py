"""OneCycleLR: the rate goes up to a maximum and down to almost nothing, once."""

from __future__ import annotations

from itertools import pairwise
from math import pi, sin
from typing import Any, Literal

from torch.optim import Optimizer

from . import checks, momentum, rates
from .base import check_optimizer
from .closed import AbsoluteLR

_RIGHT_ANGLE = pi / 2
_UP = ("initial_lr", "max_lr", "max_momentum", "base_momentum")  # keys of a group: from, to; the momentum from, to
_DOWN = ("max_lr", "initial_lr", "base_momentum", "max_momentum")
_ALL_DOWN = ("max_lr", "min_lr", "base_momentum", "max_momentum")
_OUT = ("initial_lr", "min_lr", "max_momentum", "max_momentum")


class OneCycleLR(AbsoluteLR):
    r"""Lets the rates go up to `max_lr` and down to almost nothing, once, and the momentum the other way.

    From max_lr / div_factor at epoch 0 to max_lr at pct_start * total_steps - 1, and to max_lr / div_factor /
    final_div_factor at total_steps - 1. With `three_phase` down to max_lr / div_factor as fast as up, and then further.
    A phase of no length is left out: with pct_start = 0 the cycle starts at max_lr.

    Args:
        optimizer: of descend or of torch.optim.
        max_lr: a number, or one for each group.
        total_steps: epochs of the cycle, > 0.
        epochs: with steps_per_epoch in place of total_steps: their product.
        steps_per_epoch: see epochs.
        pct_start: share of the cycle that is spent going up, in [0, 1]; at most 0.5 with three_phase.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: move the momentum (or first beta) too, even one of 0, which a warning says.
        base_momentum: its lower bound, where the rate is at its maximum; a number or one for each group.
        max_momentum: its upper bound.
        div_factor: max_lr / first rate, > 0.
        final_div_factor: first rate / last rate, > 0.
        three_phase: see above.
        last_epoch: see `LRScheduler`.

    Raises:
        ValueError: an argument is not as above, or the optimizer has no momentum; or `step` is called more than
            total_steps times.

    Source: Smith & Topin 2017, arXiv:1708.07120, with the defaults of torch.
    """

    _settings = ("total_steps", "_schedule_phases", "_anneal_func_type", "cycle_momentum")
    _transient = AbsoluteLR._transient | {"_momentum_before", "_phase"}

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.total_steps = self._number_of_steps(total_steps, epochs, steps_per_epoch)
        most = 0.5 if three_phase else 1.0
        if isinstance(pct_start, bool) or not isinstance(pct_start, (int, float)) or not 0 <= pct_start <= most:
            raise ValueError(
                f"Expected float between 0 and 1 pct_start, but got {pct_start}. "
                + checks.text(self, "pct_start", pct_start, f"in [0, {most:g}]" + " with three_phase" * three_phase)
            )
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        for name, value in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            checks.number(self, name, value, "a finite number > 0", lambda number: number > 0)
        max_lrs = [float(value) for value in rates.per_group("max_lr", optimizer, max_lr)]
        checks.numbers(self, "max_lr", max_lrs, "a finite number >= 0", lambda value: value >= 0)
        self.optimizer = optimizer
        self._schedule_phases = _phases(pct_start, self.total_steps, three_phase)
        self._anneal_func_type = anneal_strategy
        if last_epoch == -1:
            for group, value in zip(optimizer.param_groups, max_lrs, strict=True):
                group["initial_lr"], group["max_lr"] = value / div_factor, value
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self._phase = 0, -1, _UP, _UP
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._momentum_before = [momentum.get(g, momentum.uses_beta1(optimizer)) for g in optimizer.param_groups]
            self.use_beta1, *_ = momentum.prepare(self, optimizer, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _number_of_steps(self, total_steps: Any, epochs: Any, steps_per_epoch: Any) -> int:
        if total_steps is not None:
            words = f"Expected positive integer total_steps, but got {total_steps}. "
            checks.whole(self, "total_steps", total_steps, 1, words)
            return int(total_steps)
        if epochs is None or steps_per_epoch is None:
            raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
        for name, value in (("epochs", epochs), ("steps_per_epoch", steps_per_epoch)):
            checks.whole(self, name, value, 1, f"Expected positive integer {name}, but got {value}. ")
        return int(epochs) * int(steps_per_epoch)

    _moves_more = True
    _phase: tuple[float, float, tuple[str, str, str, str], tuple[str, str, str, str]]

    def _go_to(self, k: int) -> tuple[tuple[str, str, str, str], float]:
        """Keys of the rates and of the momenta that epoch k lies between, the nearer first, and how far it is from it.

        Raises:
            ValueError: the cycle has ended.
        """
        start, end, forth, back = self._phase
        if not start < k < end:
            start, end, forth, back = self._look_up(k)
        behind, rest = k - start, end - k
        near, keys = (behind, forth) if behind < rest else (rest, back)
        share = near / (end - start) if near > 0 else 0.0
        return keys, sin(_RIGHT_ANGLE * share) ** 2 if self._anneal_func_type == "cos" else share

    def _look_up(self, k: int) -> tuple[float, float, tuple[str, str, str, str], tuple[str, str, str, str]]:
        """First and last epoch of the phase that epoch k is in, and keys of a group in the order of time, and back."""
        if k > self.total_steps:
            raise ValueError(f"Tried to step {k} times. The specified number of total steps is {self.total_steps}")
        phases = self._schedule_phases
        start: float = 0
        for phase in phases:
            end = phase["end_step"]
            if k <= end or phase is phases[-1]:
                break
            start = end if end > 0 else 0
        lr, to_lr, beta, to_beta = (phase[f"{end}_{what}"] for what in ("lr", "momentum") for end in ("start", "end"))
        self._phase = start, end, (lr, to_lr, beta, to_beta), (to_lr, lr, to_beta, beta)
        return self._phase

    def _rates(self, k: int) -> list[float]:
        (near, far, _, _), share = self._go_to(k)
        return [float(group[near] + (group[far] - group[near]) * share) for group in self.optimizer.param_groups]

    def _move(self, group: dict[str, Any], k: int) -> float:
        (near, far, beta, far_beta), share = self._go_to(k)
        lr = group[near]
        group["lr"] = lr = float(lr + (group[far] - lr) * share)
        if self.cycle_momentum:
            first = group[beta]
            momentum.put(group, self.use_beta1, float(first + (group[far_beta] - first) * share))
        return lr

    def _also(self, k: int) -> None:
        if self.cycle_momentum:
            (_, _, near, far), share = self._go_to(k)
            for group in self.optimizer.param_groups:
                first = group[near]
                momentum.put(group, self.use_beta1, float(first + (group[far] - first) * share))

    def _new_group(self, i: int, group: dict[str, Any]) -> None:
        """A group that is added joins the cycle with the maximum that all others have, or its own key "max_lr"."""
        others = self.optimizer.param_groups[:i]
        own = "max_lr" in group
        group["max_lr"] = top = momentum.of_new_group(self, "max_lr", [other["max_lr"] for other in others], group)
        for key in ("initial_lr", "min_lr"):
            group[key] = top * (others[0][key] / others[0]["max_lr"]) if own else others[0][key]
        if self.cycle_momentum:
            for key in ("base_momentum", "max_momentum"):
                group[key] = momentum.of_new_group(self, key, [other[key] for other in others], group)

    def _load(self, state_dict: dict[str, Any], keep_settings: bool) -> list[rates.Rate] | None:
        values = super()._load(state_dict, keep_settings)
        self._phase = 0, -1, _UP, _UP
        return values


def _phases(pct_start: float, total_steps: int, three_phase: bool) -> list[dict[str, Any]]:
    """The phases as torch's state_dict holds them; one that would end before it starts has no length."""
    top, last = max(float(pct_start * total_steps) - 1, 0.0), total_steps - 1
    if three_phase:
        ends = [(top, _UP), (max(float(2 * pct_start * total_steps) - 2, 0.0), _DOWN), (last, _OUT)]
    else:
        ends = [(top, _UP), (last, _ALL_DOWN)]
    assert all(a[0] <= b[0] for a, b in pairwise(ends))
    names = ("start_lr", "end_lr", "start_momentum", "end_momentum")
    return [{"end_step": end, **dict(zip(names, keys, strict=True))} for end, keys in ends]
