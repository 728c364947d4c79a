"""One step: anew, and again.

`step_anew` takes nothing for granted. It returns a `Repeater`, which runs the next step in one native call as long as
groups, options and state are what they were; native code itself looks at the tensors.
"""

from __future__ import annotations

import ctypes
from itertools import chain, repeat
from operator import is_
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..engines.plan import Outcome, Plan
from . import common, keeping
from .collecting import Collection
from .preparing import only_prepares, prepare, prepared_state_forgotten
from .resolved import Resolver

if TYPE_CHECKING:
    from .base import Optimizer

_END = (object(),)  # makes two iterators of different lengths differ


class Repeater:
    """The same step again.

    Args:
        optimizer: after its step.
        plan: what that step ran.
        found: what it was made from.
    """

    def __init__(self, optimizer: Optimizer, plan: Plan, found: Collection) -> None:
        self.rule, self.plan, self.read = optimizer.rule, plan, optimizer._read
        self.values, self.options = found.values, found.options
        # Schedules have set the options of the next step already: those of this one are in `values` only.
        self.groups = [] if optimizer._scheduled is not None else list(map(dict, optimizer.param_groups))
        self.sizes = list(map(len, optimizer.param_groups))
        self.shapes = [options.shape() for options in found.options]
        self.moving = any(options.moving for options in found.options)
        lists = [group["params"] for group in optimizer.param_groups]
        self.lengths, self.params = list(map(len, lists)), list(chain.from_iterable(lists))
        self.state = optimizer.state
        keeps = any(job.numbers or any(b is not None for b in (*job.buffers, job.rest)) for job in found.jobs)
        self.tensors = [t for inner in self.state.values() for t in inner.values()] if keeps else []
        self.settled = False  # rows of rules that do not count steps are the same from the second step on
        self.draws = any(launch.draws for launch in plan.launches)
        self.double = any(n.dtype == torch.float64 for job in found.jobs for n in job.numbers)

    def run(self, optimizer: Optimizer) -> bool:
        """Step; False, with nothing changed, if anything is not as it was.

        Raises:
            ValueError: an option was set to a value that is not allowed.
        """
        groups = optimizer.param_groups
        lists = [group["params"] for group in groups]
        if list(map(len, lists)) != self.lengths or not all(map(is_, chain.from_iterable(lists), self.params)):
            return False
        if self.tensors and not self._same_state(optimizer.state):
            return False
        changed = self.moving or not self._same_groups(groups)
        if changed:
            if list(map(len, groups)) != self.sizes:  # an option that was not used so far
                return False
            try:
                values = list(map(self.read, groups))
                changed = self.moving or values != self.values
            except Exception:  # a key is missing, or a value cannot be compared; the step anew says what is wrong
                return False
            if changed:
                if not (self._resolve(optimizer, values) and self._same_kind_of_guard(groups)):
                    return False
                self.groups = []  # a copy pays off only when a step finds the options as the step before left them
            else:
                self.groups = list(map(dict, groups))
        if changed or not self.settled:
            self._refresh()
            return ended(optimizer, self.plan.run())
        return ended(optimizer, self.plan.run(new_scalars=False))

    def _same_kind_of_guard(self, groups: list[dict[str, Any]]) -> bool:
        """Take over another limit; False if kernels differ."""
        before, now = self.plan.guard, common.guard(groups)
        self.plan.guard = now
        return (before.first_pass, before.clip_norm is None, before.stats) == (
            now.first_pass,
            now.clip_norm is None,
            now.stats,
        )

    def _resolve(self, optimizer: Optimizer, values: list[tuple[Any, ...]]) -> bool:
        """Take over changed options; False if they need other kernels, or groups that shared a row differ now."""
        resolver, options = Resolver(optimizer), list(self.options)
        last: tuple[Any, ...] = (None, None, None)  # groups next to each other mostly change alike
        for i, (now, before, group) in enumerate(zip(values, self.values, optimizer.param_groups, strict=True)):
            if self.moving or now != before:
                old, new = options[i], resolver.options(group, now)
                if last[0] is not old or last[1] is not new or last[2] != self.shapes[i]:
                    if not new.fits(self.shapes[i]):
                        return False
                    last = old, new, self.shapes[i]
                    self.moving |= new.moving
                options[i] = new
        for row in self.plan.rows:
            first = options[row.members[0]]
            if not all(map(is_, map(options.__getitem__, row.members), repeat(first))):
                return False
        self.values, self.options = values, options
        return True

    def _same_groups(self, groups: list[dict[str, Any]]) -> bool:
        """Whether the groups hold what they held; whoever says no has the options compared one by one."""
        try:
            return groups == self.groups
        except Exception:  # values of a user's own, arrays for example, may refuse to be compared
            return False

    def _same_state(self, state: dict[Tensor, Any]) -> bool:
        """Whether every entry of every parameter's state is the object it was."""
        try:
            now = chain(chain.from_iterable(map(dict.values, state.values())), _END)
            return all(map(is_, now, chain(self.tensors, _END))) and next(now, None) is None
        except TypeError:  # somebody's own kind of state
            return False

    def _refresh(self) -> None:
        """Scalars of the next step for every row."""
        scalars, counts = self.rule.scalars, self.rule.counts_steps
        for row in self.plan.rows:
            options = self.options[row.members[0]]
            row.t = row.t + 1 if counts else 2
            row.draw = row.t if counts else row.draw + 1
            if row.memory:
                row.memory = {key: self._as_stored(row.scalars[key]) for key in row.memory}
                row.scalars = scalars(row.t, **options.inputs, **row.memory)
            else:
                row.scalars = scalars(row.t, **options.inputs)
            row.scale, row.keep, row.l2, row.clip = options.scale, options.keep, options.l2, options.clip
        self.settled = not counts and not self.draws

    def _as_stored(self, value: float) -> float:
        return value if self.double else ctypes.c_float(value).value


def step_anew(optimizer: Optimizer) -> Repeater | None:
    """Validate everything, update everything; a way to do it again, if native code can watch over it.

    Raises:
        ValueError, RuntimeError: see `Optimizer.step`; nothing has been changed then.
    """
    with prepared_state_forgotten(optimizer):
        found = Collection(optimizer)
        if not found.jobs:
            return None
        if only_prepares(optimizer):
            prepare(optimizer, found.new_state)
            return None
        required, guard = optimizer._engine == "cpu", common.guard(optimizer.param_groups)
        plan = Plan(optimizer.rule, found.jobs, found.idle, optimizer._only_eager(), required, guard)
        outcome = plan.run()
        if not ended(optimizer, outcome):
            raise RuntimeError("descend: tensors changed during a step; is another thread using them?")
        if outcome is Outcome.SKIPPED:
            return None
        commit(optimizer, found.new_state)
        optimizer._stats_of = plan.statistics if guard.stats else None
        return Repeater(optimizer, plan, found) if plan.reusable else None


def ended(optimizer: Optimizer, outcome: Outcome) -> bool:
    """Whether the step is over, by an update or by being left out; False if it has to be planned anew."""
    if outcome is Outcome.SKIPPED:
        optimizer.skipped_steps += 1
        optimizer._repeater = None  # its scalars are those of a step later
    elif outcome is not Outcome.CHANGED and optimizer._scheduled is not None:
        optimizer._scheduled.advance()
    elif outcome is Outcome.DONE and not optimizer.rule.counts_steps:
        for group in optimizer.param_groups:
            if keeping.DRAWS in group:
                group[keeping.DRAWS] += 1
    return outcome is not Outcome.CHANGED


def commit(optimizer: Optimizer, new_state: dict[Tensor, dict[str, Any]]) -> None:
    """Hand over state that was made on the way; None means that it is to be forgotten."""
    for param, new in new_state.items():
        if new:
            state = optimizer.state[param]
            state.update(new)
            for key in [key for key, value in new.items() if value is None]:
                del state[key]


def materialize(optimizer: Optimizer) -> None:
    """Make the state of every parameter now, as the first step would, with a step count of 0."""
    commit(optimizer, Collection(optimizer, with_idle=True).new_state)
