"""What SequentialLR and ChainedScheduler do to the schedulers inside them: ours, torch's, and composites of both."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim import lr_scheduler as torch_schedulers

from . import momentum, rates
from .base import LRScheduler
from .closed import ClosedLR

Scheduler = torch_schedulers.LRScheduler
Plateau = torch_schedulers.ReduceLROnPlateau


def check_members(owner: object, schedulers: Sequence[Scheduler], optimizer: Optimizer | None) -> Optimizer:
    """All schedulers must belong to one optimizer, which is returned.

    Raises:
        TypeError: one has no optimizer, so it is no scheduler.
        ValueError: there is none, or one belongs to another optimizer.
    """
    name = type(owner).__name__
    if len(schedulers) < 1:
        chained = " to be chained" if name == "ChainedScheduler" else ""
        raise ValueError(f"{name} expects at least one scheduler{chained}, but got no scheduler.")
    for i, scheduler in enumerate(schedulers):
        if not hasattr(scheduler, "optimizer"):
            raise TypeError(f"{name} at index {i} should have `optimizer` as its attribute.")
        optimizer = optimizer or scheduler.optimizer
        if optimizer is not scheduler.optimizer:
            raise ValueError(
                f"{name} expects all schedulers to belong to the same optimizer, but "
                f"got scheduler {type(scheduler).__name__} at index {i} has {scheduler.optimizer}, "
                f"which is different from {type(optimizer).__name__}."
            )
    assert optimizer is not None
    return optimizer


def wants_metrics(scheduler: Scheduler) -> bool:
    """Whether its next step asks for a metric."""
    if isinstance(scheduler, LRScheduler) and hasattr(scheduler, "_acting"):
        return any(map(wants_metrics, scheduler._acting()))
    return isinstance(scheduler, Plateau)


def advance(scheduler: Scheduler, metrics: Any) -> None:
    """One step, with the metric for whoever asks for it.

    Raises:
        TypeError: a ReduceLROnPlateau is to step, and there is no metric.
    """
    if isinstance(scheduler, Plateau):
        check_metrics(scheduler, metrics)
        scheduler.step(metrics)
    elif metrics is not None and isinstance(scheduler, LRScheduler) and hasattr(scheduler, "_acting"):
        scheduler.step(metrics)
    else:
        scheduler.step()


def check_metrics(scheduler: Scheduler, metrics: Any) -> None:
    """Raise TypeError where a metric is missing."""
    if metrics is None and wants_metrics(scheduler):
        raise TypeError("step() needs metrics now: a ReduceLROnPlateau is among the schedulers that are to step")


def restart(scheduler: Scheduler) -> None:
    """Begin at epoch 0 with the base rates, as if the scheduler had just been constructed on a new optimizer."""
    if isinstance(scheduler, ClosedLR) and not scheduler._custom:
        scheduler._update_lr(0)
        return
    if isinstance(scheduler, LRScheduler) and (hasattr(scheduler, "_acting") or isinstance(scheduler, Plateau)):
        scheduler._update_lr(0)
        return
    reset_rates(scheduler)
    begin(scheduler)


def reset_rates(scheduler: Scheduler) -> None:
    """Write a scheduler's base rates."""
    bases = getattr(scheduler, "base_lrs", [])
    for i, group in enumerate(scheduler.optimizer.param_groups):
        rates.put(group, "lr", bases[i] if i < len(bases) else group.get("initial_lr", group["lr"]))


def begin(scheduler: Scheduler) -> None:
    """Begin at epoch 0 with the rates that are there."""
    members = getattr(scheduler, "_schedulers", None)
    if isinstance(scheduler, Plateau):
        scheduler.last_epoch = 0
        scheduler._reset()
    elif members is None:
        scheduler.last_epoch = -1
        scheduler._initial_step()
    elif hasattr(scheduler, "_milestones"):
        for member in members:
            _before_start(member)
        scheduler.last_epoch = 0
        begin(members[bisect_right(scheduler._milestones, 0)])
    else:
        for member in members:
            begin(member)
    scheduler._last_lr = rates.of_groups(scheduler.optimizer, "lr")


def _before_start(scheduler: Scheduler) -> None:
    for member in getattr(scheduler, "_schedulers", ()):
        _before_start(member)
    scheduler.last_epoch = -1


def undo_momentum(schedulers: Sequence[Any]) -> None:
    """Put back the momentum that was there before schedulers were constructed that move it."""
    for scheduler in reversed(schedulers):
        undo_momentum(getattr(scheduler, "_schedulers", ()))
        before = getattr(scheduler, "_momentum_before", None)
        if before is not None and scheduler.cycle_momentum:
            for group, value in zip(scheduler.optimizer.param_groups, before, strict=False):
                momentum.put(group, scheduler.use_beta1, value)


def states(schedulers: Sequence[Scheduler]) -> list[dict[str, Any]]:
    """The states of the members."""
    return [s._state() if isinstance(s, LRScheduler) else s.state_dict() for s in schedulers]


def load(scheduler: Scheduler, state: dict[str, Any], keep_settings: bool) -> Any:
    """Load a member's state; its rates are not written into the groups."""
    if isinstance(scheduler, LRScheduler):
        return scheduler._load(state, keep_settings)
    scheduler.load_state_dict(rates.copied(state))
    return scheduler._last_lr


def restore(scheduler: Scheduler, values: Any) -> None:
    """Write the rates of a checkpoint, and what the member writes beside them."""
    if isinstance(scheduler, LRScheduler):
        scheduler._restore(values)
    elif values is not None:
        for group, value in zip(scheduler.optimizer.param_groups, values, strict=False):
            rates.put(group, "lr", value)
