"""One step: anew, and again.

`step_anew` takes nothing for granted. It returns a `Repeater`, which runs the next step in one native call as long as
groups, options and state are what they were; native code itself looks at the tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import is_
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ..engines.job import Job
from ..engines.plan import Plan
from .collecting import Collection
from .resolved import Group

if TYPE_CHECKING:
    from .base import Optimizer

_END = (object(),)  # makes two iterators of different lengths differ


class Repeater:
    """The same step again.

    Args:
        optimizer: after its step.
        plan: what that step ran.
        groups: as resolved for it.
        jobs: what it updated.
    """

    def __init__(self, optimizer: Optimizer, plan: Plan, groups: list[Group], jobs: Sequence[Job]) -> None:
        self.rule, self.plan, self.groups, self.read = optimizer.rule, plan, groups, optimizer._read
        self.state = optimizer.state
        self.tensors = (
            [t for inner in self.state.values() for t in inner.values()] if any(map(self._kept, jobs)) else []
        )
        self.settled = False  # rows of rules that do not count steps are the same from the second step on

    def run(self, optimizer: Optimizer) -> bool:
        """Step; False, with nothing changed, if anything is not as it was.

        Raises:
            ValueError: an option was set to a value that is not allowed.
        """
        groups = optimizer.param_groups
        if len(groups) != len(self.groups):
            return False
        fresh = not self.settled
        for group, known in zip(groups, self.groups):  # noqa: B905  (lengths compared above)
            try:
                values = self.read(group)
            except KeyError:
                return False
            params = values[-1]
            if len(params) != len(known.params) or not all(map(is_, params, known.params)):
                return False
            if known.moving or values != known.values:
                optimizer._check_group(group)
                shape = known.shape()
                known.__init__(self.rule, group, values)  # type: ignore[misc]
                if shape != known.shape():
                    return False
                fresh = True
        if self.tensors and not self._same_state(optimizer.state):
            return False
        if fresh:
            self.refresh()
        return self.plan.run(fresh)

    @staticmethod
    def _kept(job: Job) -> bool:
        return job.step is not None or any(b is not None for b in job.buffers)

    def _same_state(self, state: dict[Tensor, Any]) -> bool:
        """Whether every entry of every parameter's state is the object it was."""
        try:
            now = chain(chain.from_iterable(map(dict.values, state.values())), _END)
            return all(map(is_, now, chain(self.tensors, _END))) and next(now, None) is None
        except TypeError:  # somebody's own kind of state
            return False

    def refresh(self) -> None:
        """Scalars of the next step for every row."""
        scalars, counts, known = self.rule.scalars, self.rule.counts_steps, self.groups
        for row in self.plan.rows:
            row.t = row.t + 1 if counts else 2
            group = known[row.group]
            row.scalars = scalars(row.t, **group.inputs)
            row.scale, row.keep, row.l2 = group.scale, group.keep, group.l2
        self.settled = not counts


def step_anew(optimizer: Optimizer) -> Repeater | None:
    """Validate everything, update everything; a way to do it again, if native code can watch over it.

    Raises:
        ValueError, RuntimeError: see `Optimizer.step`; nothing has been changed then.
    """
    found = Collection(optimizer)
    if not found.jobs:
        return None
    plan = Plan(optimizer.rule, found.jobs, found.idle, optimizer._only_eager(), optimizer._engine == "cpu")
    if not plan.run():
        raise RuntimeError("descend: tensors changed during a step; is another thread using them?")
    for param, new in found.new_state.items():
        if new:
            optimizer.state[param].update(new)
    return Repeater(optimizer, plan, found.groups, found.jobs) if plan.reusable else None


def materialize(optimizer: Optimizer) -> None:
    """Make the state of every parameter now, as the first step would, with a step count of 0."""
    for param, new in Collection(optimizer, with_idle=True).new_state.items():
        if new:
            optimizer.state[param].update(new)
