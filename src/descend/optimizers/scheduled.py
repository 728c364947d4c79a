"""The schedules that an optimizer's hyperparameters follow.

A parameter group holds plain numbers only: `group["lr"]` is what the next step will use, for whoever reads it and for
checkpoints. The schedules are kept beside the groups, by `Scheduled`, and a group that has any counts the optimizer's
steps in `group["schedule_step"]`. A step that is skipped, refused or raises does not count, as in the state.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..schedules import Schedule
from .preparing import only_prepares

if TYPE_CHECKING:
    from .base import Optimizer

COUNT = "schedule_step"  # key of a group: how many steps the optimizer has taken


def is_schedule(value: Any) -> bool:
    """Whether an option is a schedule, or a pair (of betas, for example) with one in it."""
    if isinstance(value, (tuple, list)):
        return any(isinstance(v, Schedule) for v in value)
    return isinstance(value, Schedule)


def found(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that are schedules."""
    return {name: value for name, value in options.items() if is_schedule(value)}


def _at(schedule: Any, step: int) -> Any:
    """The plain value of what `is_schedule` at a step."""
    if isinstance(schedule, Schedule):
        return float(schedule(step))
    return tuple([float(v(step)) if isinstance(v, Schedule) else v for v in schedule])


def values_at(schedules: Mapping[str, Any], step: int) -> dict[str, Any]:
    """The plain values of schedules by name.

    Raises:
        ValueError: one cannot be evaluated; it says which.
    """
    values = {}
    for name, schedule in schedules.items():
        try:
            values[name] = _at(schedule, step)
        except Exception as error:
            raise ValueError(
                f"{name} = {schedule!r} cannot be evaluated at step {step}: {type(error).__name__}: {error}"
            ) from error
    return values


class Following:
    """A group whose options follow schedules.

    Attributes:
        group: the group itself; index: where it stood when it was last looked for.
        schedules: for each option that follows one, a schedule or a tuple with schedules in it.
        step: the step that `values` are for, -1 if they could not be evaluated.
        values: what the schedules' options are.
    """

    __slots__ = ("group", "index", "schedules", "step", "values")

    def __init__(
        self, group: dict[str, Any], index: int, schedules: dict[str, Any], step: int, values: dict[str, Any]
    ) -> None:
        self.group, self.index, self.schedules, self.step, self.values = group, index, schedules, step, values


class Scheduled:
    """The schedules of an optimizer that has any.

    Attributes:
        defaults: those of groups that do not give an option of their own.
        following: groups with schedules; groups: how many the optimizer had before the last step.
    """

    def __init__(self, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.following: list[Following] = []
        self.groups = 0

    def align(self, groups: list[dict[str, Any]]) -> list[Following]:
        """Find the groups again, wherever they stand now; copies that took their place are followed instead."""
        at = {id(group): i for i, group in enumerate(groups)}
        lost = [f for f in self.following if id(f.group) not in at]
        kept = [f for f in self.following if id(f.group) in at]
        for f in kept:
            f.index = at[id(f.group)]
        taken = {f.index for f in kept}
        for f in lost:
            if f.index < len(groups) and f.index not in taken and COUNT in groups[f.index]:
                f.group = groups[f.index]
                kept.append(f)
                taken.add(f.index)
        self.following = sorted(kept, key=lambda f: f.index)
        return self.following

    def settle(self, optimizer: Optimizer) -> None:
        """Before a step: see that options are as their schedules say.

        Raises:
            ValueError: somebody else set one of them, a schedule cannot be evaluated, or a group came from elsewhere.
        """
        groups = optimizer.param_groups
        count = len(groups)
        if count != self.groups or not all([f.index < count and groups[f.index] is f.group for f in self.following]):
            known = {f.index for f in self.align(groups)}
            for i, group in enumerate(groups):
                if COUNT in group and i not in known:
                    raise ValueError(
                        f"parameter group {i} has the key {COUNT!r}, but its schedules are not known: "
                        "give groups with schedules to add_param_group, and change them in place"
                    )
            self.groups = count
        for f in self.following:
            if f.group.get(COUNT) != f.step:
                self._move(optimizer, f)
            for name, value in f.values.items():
                if f.group[name] is not value and not _equal(f.group[name], value):
                    _refuse(optimizer, f, name, value, f.step)

    def _move(self, optimizer: Optimizer, f: Following) -> None:
        """Go to the step that the group says, after a checkpoint for example."""
        f.group[COUNT] = step = step_of(f.group)
        values = values_at(f.schedules, step)
        for name, value in values.items():
            if not (_equal(f.group[name], value) or _equal(f.group[name], f.values[name])):
                _refuse(optimizer, f, name, value, step)
        f.group.update(values)
        f.step, f.values = step, values

    def advance(self) -> None:
        """After a step: count it, and set options to what the next one will use.

        A schedule that cannot be evaluated there is noticed again, and refused, when there is a next step.
        """
        known: dict[tuple[int, int], Any] = {}  # groups mostly share the default schedules
        for f in self.following:
            f.step = f.group[COUNT] = f.step + 1
            try:
                for name, schedule in f.schedules.items():
                    key = id(schedule), f.step
                    value = known.get(key)
                    if value is None:
                        value = known[key] = _at(schedule, f.step)
                    f.group[name] = f.values[name] = value
            except Exception:
                f.step = -1

    def of(self, group: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schedules of a group."""
        return next((f.schedules for f in self.following if f.group is group), {})


def _equal(now: Any, value: Any) -> bool:
    return now is value or (isinstance(now, (float, int, tuple)) and bool(now == value))


def _refuse(optimizer: Optimizer, f: Following, name: str, value: Any, step: int) -> None:
    """Raise because of an option that was set by hand; unless the step only makes state, with a rate of 0."""
    if name == "lr" and only_prepares(optimizer):
        return
    raise ValueError(
        f"parameter group {f.index}: {name} was set to {f.group[name]}, by hand or by an lr_scheduler, but it follows "
        f"{f.schedules[name]!r}, which is {value} at step {step}. Give the optimizer a number for what is "
        "set from outside, or put the change into the schedule"
    )


def step_of(group: Mapping[str, Any]) -> int:
    """How many steps a group says were taken.

    Raises:
        ValueError: it does not say a whole number >= 0.
    """
    value = group.get(COUNT)
    try:
        step = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        step = -1
    if step < 0 or isinstance(value, bool):
        raise ValueError(f"Invalid {COUNT}: {value!r} ({COUNT} must be an integer >= 0, the number of steps taken)")
    return step


def counted(states: Iterable[Any]) -> int | None:
    """The largest step count in the state of parameters; None if there is none."""
    steps = [int(state["step"]) for state in states if isinstance(state, Mapping) and "step" in state]
    return max(steps, default=None)
