"""What a step is to do: one job for every parameter with a gradient, refused as a whole if any cannot be done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim.optimizer import _get_capturable_supported_devices, _get_scalar_dtype

from ..engines.job import Job, Row
from ..storage.blocks import block_count
from ..storage.kept import is_dithered, kind_of
from . import common, keeping
from .resolved import Options, Resolver

if TYPE_CHECKING:
    from .base import Optimizer


def name_of(group: Mapping[str, Any], number: int, i: int) -> str:
    """A parameter's name in messages."""
    if "param_names" in group:
        return str(group["param_names"][i])
    return f"group {number}, parameter {i} {tuple(group['params'][i].shape)}"


def refuse_parameter(param: Tensor, name: str) -> None:
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
        memory = "".join(f", {key}s" for key in reversed(tuple(optimizer.rule.memory)))
        memory += "," if memory else ""
        raise AssertionError(
            f"If capturable=True, params{memory} and state_steps must be on supported devices: {devices}. "
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
        self.new_state: dict[Tensor, dict[str, Any]] = {}
        self._rows: dict[Any, Row] = {}
        self._times: dict[Tensor, int] = {}  # a parameter may stand in a group twice
        common.complete(optimizer.defaults, optimizer.param_groups)
        self.values = [optimizer._read(group) for group in optimizer.param_groups]
        resolver = Resolver(optimizer)
        self.options = [
            resolver.options(group, values) for group, values in zip(optimizer.param_groups, self.values, strict=True)
        ]
        blocks, low = 0, any(options.low for options in self.options)
        for number, group in enumerate(optimizer.param_groups):
            for i, param in enumerate(group["params"]):
                grad = param.detach() if with_idle and param.grad is None else param.grad
                if grad is None:
                    self.idle.append(param)
                else:
                    name = name_of(group, number, i)
                    refuse_parameter(param, name)
                    _refuse_gradient(optimizer, group, param, grad, name)
                    self.jobs.append(self._job(number, group, param, grad, name, blocks))
                if low:  # parameters without a gradient count, too: random bits go by the place in the whole
                    blocks += block_count(param.numel())

    def _job(self, number: int, group: dict[str, Any], param: Tensor, grad: Tensor, name: str, blocks: int) -> Job:
        rule, options, state = self.optimizer.rule, self.options[number], self.optimizer.state.get(param, {})
        new = self.new_state.setdefault(param, {})
        again = self._times.get(param, 0)
        self._times[param] = again + 1
        numbers = tuple(self._number(key, options, group, param, state, new) for key in rule.numbers)
        begins = not state and not new  # nothing is there yet, not even a number
        kept = [self._buffer(key, options, param, state, new, name) for key in rule.buffers]
        begins = begins or any(new.get(key) is not None and key not in state for key in rule.buffers)
        held = [tensor.item() for tensor in numbers]
        if rule.counts_steps:
            t = int(held[0]) + 1 + again
        else:
            t = 1 if begins else 2
        memory = dict(zip(rule.memory, held[rule.counts_steps :], strict=True))
        key = (id(options), t, *memory.values())
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = options.row(rule, number, t, memory)
        elif row.members[-1] != number:
            row.members.append(number)
        buffers = tuple(tensor for tensor, _, _ in kept)
        if not options.low:
            new.update(dict.fromkeys(state.keys() & set(keeping.REST.values())))
            return Job(param, grad, buffers, numbers, row, name)
        keeping.refuse(param, name)
        kind = keeping.parameter_kind(param, *options.rounding, name)
        kinds = (kind, *(kind for _, _, kind in kept))
        row.draw = t
        if not rule.counts_steps and any(map(is_dithered, filter(None, kinds))):
            row.draw = group.setdefault(keeping.DRAWS, 0) + 1
        rest, words = keeping.rest(param, kind, state, new), tuple(words for _, words, _ in kept)
        return Job(param, grad, buffers, numbers, row, name, kinds, words, rest, blocks)

    def _number(
        self,
        key: str,
        options: Options,
        group: Mapping[str, Any],
        param: Tensor,
        state: Mapping[str, Any],
        new: dict[str, Tensor],
    ) -> Tensor:
        """A number that the parameter keeps, its step count for example, made if it is not there."""
        value = state.get(key, new.get(key))
        if isinstance(value, Tensor):
            return value
        if value is None:
            first = self.optimizer.rule.memory.get(key, 0.0)
            value = options.hyper[first] if isinstance(first, str) else first
        on_device = group.get("capturable") or group.get("fused") or key in self.optimizer.rule.memory
        dtype = _get_scalar_dtype(group.get("fused"))
        new[key] = torch.tensor(as_float(value), dtype=dtype, device=param.device if on_device else "cpu")
        return new[key]

    def _buffer(
        self, key: str, options: Options, param: Tensor, state: Mapping[str, Any], new: dict[str, Any], name: str
    ) -> tuple[Tensor | None, Tensor | None, str | None]:
        """One of the parameter's buffers, its block numbers and its kind, made if it is switched on and not there."""
        if key not in options.present:
            return None, None, None
        buffer, format, scale = self.optimizer.rule.buffers[key], options.formats.get(key), keeping.scale_key(key)
        found = state if state.get(key) is not None and new.get(key) is None else new
        tensor, words = found.get(key), found.get(scale)
        if tensor is None:
            init = as_float(options.hyper[buffer.init] if isinstance(buffer.init, str) else buffer.init)
            tensor, words = (_filled(param, init), None) if format is None else keeping.make(param, format, init)
            new[key] = tensor
            if words is not None:
                new[scale] = words
        elif tensor.shape != param.shape:
            raise RuntimeError(
                f"{name}: state {key!r} has shape {tuple(tensor.shape)}, the parameter {tuple(param.shape)}; "
                "was the parameter replaced, or a checkpoint of another model loaded?"
            )
        elif format is not None or words is not None:
            other = keeping.converted(param, tensor, words, buffer, format)
            if other is not None:
                tensor, words = other
                new[key], new[scale] = other
        kind = kind_of(format) if format is not None else keeping.kind_now(tensor, words, buffer)
        return tensor, words, kind


def as_float(value: Any) -> float:
    """A hyperparameter as a number, also where it is a Tensor that a gradient flows to."""
    return float(value.item() if isinstance(value, Tensor) else value)


def _filled(param: Tensor, value: float) -> Tensor:
    """State like the parameter; every real number in it is `value`."""
    tensor = torch.zeros_like(param, memory_format=torch.preserve_format, requires_grad=False)
    if value:
        (torch.view_as_real(tensor) if tensor.is_complex() else tensor).fill_(value)
    return tensor
