"""Where schedules meet the shell: construction, new groups, checks, checkpoints. See scheduled.py."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from . import common
from .checks import warn
from .scheduled import COUNT, Following, Scheduled, counted, found, step_of, values_at

if TYPE_CHECKING:
    from .base import Optimizer


def plain_defaults(optimizer: Optimizer, defaults: dict[str, Any]) -> dict[str, Any]:
    """The defaults of an optimizer under construction as plain values; schedules among them are kept beside.

    Raises:
        TypeError: an option that is a switch or a name is given a schedule.
    """
    schedules = found(defaults)
    if not schedules:
        return defaults
    _only_numbers(optimizer, schedules)
    optimizer._scheduled = Scheduled(schedules)
    return {**defaults, **values_at(schedules, 0)}


def _only_numbers(optimizer: Optimizer, schedules: Mapping[str, Any]) -> None:
    parameters = inspect.signature(type(optimizer)).parameters
    for name, schedule in schedules.items():
        default = parameters[name].default if name in parameters else 0.0
        if isinstance(default, (bool, str, type(None))) and not name.startswith("clip_grad"):
            raise TypeError(f"{name} cannot be a schedule, got {schedule!r}: only options that are numbers can")


def enlist(optimizer: Optimizer, given: Mapping[str, Any], group: dict[str, Any]) -> None:
    """Make the options of a new group plain, and follow the schedules among them.

    The optimizer's steps so far count for the group, too, unless it is given another `schedule_step`.

    Args:
        optimizer: the group is to be its last.
        given: the group as the user gave it.
        group: the same with all defaults filled in; changed.

    Raises:
        TypeError, ValueError: a schedule that cannot be, or a bad `schedule_step`.
    """
    scheduled, known = optimizer._scheduled, {*optimizer.defaults, *common.UNUSED}
    schedules = found({name: value for name, value in group.items() if name in known})
    _only_numbers(optimizer, schedules)
    if scheduled is not None:
        schedules.update({name: s for name, s in scheduled.defaults.items() if name not in given})
    if not schedules:
        group.pop(COUNT, None)
        return
    if scheduled is None:
        scheduled = optimizer._scheduled = Scheduled({})
    groups = optimizer.param_groups
    if COUNT not in given:
        group[COUNT] = 0 if optimizer._seen is not None else _steps_so_far(optimizer, scheduled)
    step = step_of(group)
    values = values_at(schedules, step)
    group.update(values)
    group[COUNT] = step
    scheduled.following.append(Following(group, len(groups), schedules, step, values))


def _steps_so_far(optimizer: Optimizer, scheduled: Scheduled) -> int:
    others = [step_of(f.group) for f in scheduled.align(optimizer.param_groups)]
    return max(others) if others else counted(optimizer.state.values()) or 0


def resume(optimizer: Optimizer, saved: list[dict[str, Any]], state: Mapping[Any, Any]) -> None:
    """Set the options of loaded groups to what their schedules say at the loaded step.

    A checkpoint that does not say the step, of torch.optim for example, is taken to be at the step that its state has
    counted.

    Args:
        optimizer: what loads; not changed.
        saved: groups of the checkpoint, in the order of the optimizer's; changed.
        state: state of parameters in the checkpoint.

    Raises:
        ValueError: a bad step, or a schedule has no value that is allowed there.
    """
    scheduled = optimizer._scheduled
    following = {f.index: f for f in scheduled.align(optimizer.param_groups)} if scheduled is not None else {}
    told = [step_of(group) for group in saved if COUNT in group and following]
    for i, group in enumerate(saved):
        f = following.get(i)
        if f is None:
            group.pop(COUNT, None)
            continue
        if COUNT not in group:
            if not told:
                step = counted(state.values())
                if step is None and (state or "step" not in optimizer.rule.numbers):
                    warn(
                        "the checkpoint does not say how many steps were taken (it was saved without schedules), and "
                        f"{type(optimizer).__name__} does not count them: schedules begin at step 0. To go on "
                        f"elsewhere, set {COUNT!r} in its parameter groups"
                    )
                told = [step or 0]
            group[COUNT] = max(told)
        group[COUNT] = step_of(group)
        group.update(values_at(f.schedules, group[COUNT]))
        try:
            optimizer._check_options({**optimizer.defaults, **optimizer._later_options, **group})
        except (TypeError, ValueError) as error:
            raise _named(error, f.schedules, group[COUNT]) from error


def settle(optimizer: Optimizer) -> None:
    """See `Scheduled.settle`; nothing without schedules."""
    if optimizer._scheduled is not None:
        optimizer._scheduled.settle(optimizer)


def checking(check: Callable[[Any, dict[str, Any]], None]) -> Callable[[Any, dict[str, Any]], None]:
    """A class's `_check_group` that takes schedules of the constructor, for their values at step 0."""

    @functools.wraps(check)
    def _check_group(self: Optimizer, group: dict[str, Any]) -> None:
        try:
            check(self, group)
            return
        except (TypeError, ValueError) as error:  # as it does where there is a schedule: nothing else costs time
            refused = error
        schedules = {} if "params" in group else found(group)
        if not schedules:
            raise refused
        try:
            check(self, {**group, **values_at(schedules, 0)})
        except (TypeError, ValueError) as error:
            raise _named(error, schedules, 0) from None

    return _check_group


def naming(check: Callable[[Any, dict[str, Any]], None]) -> Callable[[Any, dict[str, Any]], None]:
    """A check of a group that says which schedule is to blame."""

    @functools.wraps(check)
    def _check_options(self: Optimizer, group: dict[str, Any]) -> None:
        try:
            check(self, group)
        except (TypeError, ValueError) as error:
            if found(group):  # a group is plain unless somebody has set it
                raise TypeError(f"{error}. Schedules are given to the constructor or to add_param_group") from None
            schedules = self._scheduled.of(group) if self._scheduled is not None else None
            if not schedules:
                raise
            raise _named(error, schedules, group[COUNT]) from None

    return _check_options


def _named(error: Exception, schedules: Mapping[str, Any], step: int) -> Exception:
    """The exception, with the schedules that it is about, if it is about any."""
    text = str(error)
    texts = [
        f"{name} is {schedule!r} at step {step}"
        for name, schedule in schedules.items()
        if re.search(rf"\b{name}\b", text)
    ]
    if not texts:
        return error
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(f"{text}: {', '.join(texts)}")


def described(optimizer: Optimizer) -> dict[int, dict[str, Any]]:
    """For each group with schedules, by its id: its schedules by name."""
    scheduled = optimizer._scheduled
    if scheduled is None:
        return {}
    return {id(f.group): f.schedules for f in scheduled.align(optimizer.param_groups)}
