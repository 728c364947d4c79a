"""What a step is to do: one job for every parameter with a gradient, refused as a whole if any cannot be done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim.optimizer import _get_capturable_supported_devices, _get_scalar_dtype

from ..engines.job import Job, Row
from .resolved import Group

if TYPE_CHECKING:
    from .base import Optimizer


def name_of(group: Mapping[str, Any], number: int, i: int) -> str:
    """A parameter's name in messages."""
    if "param_names" in group:
        return str(group["param_names"][i])
    return f"group {number}, parameter {i} {tuple(group['params'][i].shape)}"


def _refuse_parameter(param: Tensor, name: str) -> None:
    """Raise where torch would only after other parameters have been written."""
    if param.layout == torch.strided and any(
        n > 1 and s == 0 for n, s in zip(param.shape, param.stride(), strict=True)
    ):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            f"Please clone() the tensor before performing the operation. ({name} is an expanded tensor)"
        )
    if param.is_inference() and not torch.is_inference_mode_enabled():
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed. "
            f"You can make a clone to get a normal tensor ({name})"
        )
    if torch.is_grad_enabled() and param.is_leaf and param.requires_grad:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation. "
            f"With differentiable=True, give clones of the parameters ({name})"
        )


def _refuse_gradient(optimizer: Optimizer, group: Mapping[str, Any], param: Tensor, grad: Tensor, name: str) -> None:
    """Raise where this algorithm cannot use this gradient."""
    if grad.layout != torch.strided and optimizer.rule.sparse is None:
        refusal = optimizer._refuses_sparse or f"{type(optimizer).__name__} does not support sparse gradients"
        raise RuntimeError(f"{refusal} ({type(optimizer).__name__}, {name})")
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
                    _refuse_parameter(param, name)
                    _refuse_gradient(optimizer, group, param, grad, name)
                    self.jobs.append(self._job(group, known, number, param, grad, name))

    def _job(self, group: Mapping[str, Any], known: Group, number: int, param: Tensor, grad: Tensor, name: str) -> Job:
        rule, state = self.optimizer.rule, self.optimizer.state.get(param, {})
        new = self.new_state.setdefault(param, {})
        again = self._times.get(param, 0)
        self._times[param] = again + 1
        step = self._step(group, param, state, new)
        buffers = [self._buffer(key, known, param, state, new, name) for key in rule.buffers]
        if step is not None:
            t = int(step.item()) + 1 + again
        else:
            t = 1 if new else 2
        if (number, t) not in self._rows:
            self._rows[number, t] = known.row(rule, number, t)
        return Job(param, grad, tuple(buffers), step, self._rows[number, t], name)

    def _step(
        self, group: Mapping[str, Any], param: Tensor, state: Mapping[str, Any], new: dict[str, Tensor]
    ) -> Tensor | None:
        """The parameter's step count, made if it is not there (first, as torch orders state)."""
        if not self.optimizer.rule.counts_steps:
            return None
        step = state.get("step", new.get("step"))
        if not isinstance(step, Tensor):
            device = param.device if group.get("capturable") or group.get("fused") else "cpu"
            new["step"] = torch.tensor(float(step or 0), dtype=_get_scalar_dtype(group.get("fused")), device=device)
            return new["step"]
        return step

    def _buffer(
        self, key: str, known: Group, param: Tensor, state: Mapping[str, Any], new: dict[str, Tensor], name: str
    ) -> Tensor | None:
        """One of the parameter's buffers, made if it is switched on and not there."""
        if key not in known.present:
            return None
        tensor = state.get(key)
        if tensor is None:
            tensor = new.get(key)
        if tensor is None:
            init = self.optimizer.rule.buffers[key].init
            tensor = new[key] = _filled(param, float(known.hyper[init] if isinstance(init, str) else init))
        elif tensor.shape != param.shape:
            raise RuntimeError(
                f"{name}: state {key!r} has shape {tuple(tensor.shape)}, the parameter {tuple(param.shape)}; "
                "was the parameter replaced, or a checkpoint of another model loaded?"
            )
        return tensor


def _filled(param: Tensor, value: float) -> Tensor:
    """State like the parameter; every real number in it is `value`."""
    tensor = torch.zeros_like(param, memory_format=torch.preserve_format, requires_grad=False)
    if value:
        (torch.view_as_real(tensor) if tensor.is_complex() else tensor).fill_(value)
    return tensor
