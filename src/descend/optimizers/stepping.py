"""One step: anew, and again.

`step_anew` takes nothing for granted. It returns a `Repeater`, which runs the next step in one native call as long as
groups, options and state are what they were; native code itself looks at the tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import is_, itemgetter
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim.optimizer import _get_capturable_supported_devices, _get_scalar_dtype

from ..engines.job import Job, Row
from ..engines.plan import Plan
from ..rules import Rule

if TYPE_CHECKING:
    from .base import Optimizer

# Options that act on the step outside the rule; those that a class does not have are at these values.
_AROUND = {
    "weight_decay": 0,
    "decoupled_weight_decay": False,
    "maximize": False,
    "differentiable": False,
    "capturable": False,
}


def _plain(value: Any, keep_graph: bool) -> Any:
    """A hyperparameter as Python numbers; Tensors stay Tensors where a gradient may flow to them."""
    if isinstance(value, (tuple, list)):
        return tuple(_plain(v, keep_graph) for v in value)
    if not isinstance(value, Tensor):
        return value
    return value.squeeze() if keep_graph else value.item()


def _may_change_in_place(value: Any) -> bool:
    return isinstance(value, (Tensor, list)) or (isinstance(value, tuple) and any(map(_may_change_in_place, value)))


class Group:
    """A parameter group with its options resolved: what the rule's scalars and the prologue are made of."""

    __slots__ = ("hyper", "inputs", "keep", "l2", "moving", "params", "present", "scale", "values")

    def __init__(self, rule: Rule, group: Mapping[str, Any], values: tuple[Any, ...]) -> None:
        keep_graph = bool(group.get("differentiable"))
        self.params: list[Tensor] = list(group["params"])
        self.values = values
        self.moving = any(map(_may_change_in_place, values[:-1]))
        hyper = {name: _plain(group[name], keep_graph) for name in rule.hyperparameters}
        around = {name: _plain(group.get(name, other), keep_graph) for name, other in _AROUND.items()}
        self.hyper = hyper
        self.inputs = {name: hyper[name] for name in rule.inputs}
        self.present = rule.present(hyper)
        self.scale = -1.0 if around["maximize"] else 1.0
        self.keep: Any = 1.0
        self.l2: Any = 0.0
        decay = around["weight_decay"]
        if isinstance(decay, Tensor) or decay != 0:
            if around["decoupled_weight_decay"]:
                self.keep = 1 - _plain(group["lr"], keep_graph) * decay
            else:
                self.l2 = decay

    def shape(self) -> tuple[Any, ...]:
        """What kernels depend on."""
        return (
            self.present,
            self.scale != 1,
            isinstance(self.keep, Tensor) or self.keep != 1,
            isinstance(self.l2, Tensor) or self.l2 != 0,
        )

    def row(self, rule: Rule, index: int, t: int) -> Row:
        """The scalars of this group at step t."""
        return Row(index, t, rule.scalars(t, **self.inputs), self.scale, self.keep, self.l2)


def reader(rule: Rule, defaults: Mapping[str, Any]) -> itemgetter[Any]:
    """Reads from a group every option that the step depends on, as one tuple."""
    names = [n for n in (*rule.hyperparameters, *_AROUND) if n in defaults]
    return itemgetter(*names, "params")


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


def name_of(group: Mapping[str, Any], number: int, i: int) -> str:
    """A parameter's name in messages."""
    if "param_names" in group:
        return str(group["param_names"][i])
    return f"group {number}, parameter {i} {tuple(group['params'][i].shape)}"


def _refuse_gradient(optimizer: Optimizer, group: Mapping[str, Any], param: Tensor, grad: Tensor, name: str) -> None:
    """Raise where this algorithm cannot use this gradient."""
    rule, kind = optimizer.rule, type(optimizer).__name__
    if grad.layout != torch.strided and not rule.sparse:
        raise RuntimeError(f"{kind} does not support sparse gradients{optimizer._instead_of_sparse} ({name})")
    if grad.layout != torch.strided and group.get("weight_decay", 0) != 0:
        raise RuntimeError(f"weight_decay option is not compatible with sparse gradients ({name})")
    if grad.shape != param.shape:
        raise RuntimeError(f"{name}: the gradient has shape {tuple(grad.shape)}, the parameter {tuple(param.shape)}")
    devices = _get_capturable_supported_devices()
    if group.get("capturable") and not torch.compiler.is_compiling() and param.device.type not in devices:
        raise AssertionError(
            f"If capturable=True, params and state_steps must be on supported devices: {devices}. "
            f"{name} is on {param.device}: leave capturable=False there"
        )


class Collection:
    """Jobs for every parameter with a gradient; new state is kept aside until the step has run.

    Args:
        optimizer: whose groups to go through.
        with_idle: take parameters without a gradient, too, as if they had one.
    """

    def __init__(self, optimizer: Optimizer, with_idle: bool = False) -> None:
        self.optimizer = optimizer
        self.jobs: list[Job] = []
        self.idle: list[Tensor] = []
        self.groups: list[Group] = []
        self.new_state: dict[Tensor, dict[str, Tensor]] = {}
        self._rows: dict[tuple[int, int], Row] = {}
        self._times: dict[Tensor, int] = {}  # a parameter may stand in a group twice
        for number, group in enumerate(optimizer.param_groups):
            optimizer._check_group(group)
            known = Group(optimizer.rule, group, optimizer._read(group))
            self.groups.append(known)
            for i, param in enumerate(known.params):
                grad = param.detach() if with_idle and param.grad is None else param.grad
                if grad is None:
                    self.idle.append(param)
                else:
                    name = name_of(group, number, i)
                    _refuse_gradient(optimizer, group, param, grad, name)
                    self.jobs.append(self._job(group, known, number, param, grad, name))

    def _job(self, group: Mapping[str, Any], known: Group, number: int, param: Tensor, grad: Tensor, name: str) -> Job:
        rule, state = self.optimizer.rule, self.optimizer.state.get(param, {})
        new = self.new_state.setdefault(param, {})
        again = self._times.get(param, 0)
        self._times[param] = again + 1
        buffers: list[Tensor | None] = []
        for key, buffer in rule.buffers.items():
            if key not in known.present:
                buffers.append(None)
                continue
            tensor = state.get(key)
            if tensor is None:
                tensor = new.get(key)
            if tensor is None:
                init = known.hyper[buffer.init] if isinstance(buffer.init, str) else buffer.init
                tensor = new[key] = _filled(param, float(init))
            elif tensor.shape != param.shape:
                raise RuntimeError(
                    f"{name}: state {key!r} has shape {tuple(tensor.shape)}, the parameter {tuple(param.shape)}; "
                    "was the parameter replaced, or a checkpoint of another model loaded?"
                )
            buffers.append(tensor)
        step = None
        if rule.counts_steps:
            step = state.get("step", new.get("step"))
            if not isinstance(step, Tensor):
                on_device = group.get("capturable") or group.get("fused")
                step = new["step"] = torch.tensor(
                    float(step or 0),
                    dtype=_get_scalar_dtype(group.get("fused")),
                    device=param.device if on_device else "cpu",
                )
            t = int(step.item()) + 1 + again
        else:
            t = 1 if any(new.get(key) is not None for key in known.present) and not again else 2
        if (number, t) not in self._rows:
            self._rows[number, t] = known.row(rule, number, t)
        return Job(param, grad, tuple(buffers), step, self._rows[number, t], name)


def _filled(param: Tensor, value: float) -> Tensor:
    """State like the parameter; every real number in it is `value`."""
    tensor = torch.zeros_like(param, memory_format=torch.preserve_format, requires_grad=False)
    if value:
        (torch.view_as_real(tensor) if tensor.is_complex() else tensor).fill_(value)
    return tensor


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
