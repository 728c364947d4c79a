"""Bytes of parameters, gradients and state, counted from shapes: nothing is allocated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim.optimizer import _get_scalar_dtype

from ..storage import compute_dtype
from ..storage.parameters import rest_dtype
from . import keeping
from .collecting import name_of
from .resolved import Options

if TYPE_CHECKING:
    from .base import Optimizer


@dataclass(frozen=True)
class Memory:
    """Bytes that training needs beside activations.

    Attributes:
        parameters: the parameters themselves.
        gradients: one for every parameter that needs one, in its dtype.
        state: what the optimizer keeps once every parameter has been updated.
    """

    parameters: int
    gradients: int
    state: int

    @property
    def total(self) -> int:
        """All together."""
        return self.parameters + self.gradients + self.state

    def __str__(self) -> str:
        parts = (("parameters", self.parameters), ("gradients", self.gradients), ("state", self.state))
        return ", ".join(f"{name} {_readable(size)}" for name, size in parts) + f", total {_readable(self.total)}"


def _readable(size: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:,.0f} bytes" if unit == "bytes" else f"{size:,.1f} {unit}"


def memory_of(optimizer: Optimizer) -> Memory:
    """See `Optimizer.memory`."""
    parameters = gradients = state = 0
    for number, group in enumerate(optimizer.param_groups):
        options = Options(optimizer.rule, group) if hasattr(optimizer.rule, "inputs") else None
        for i, param in enumerate(group["params"]):
            parameters += param.nbytes
            gradients += param.nbytes if param.requires_grad else 0
            if options is None:
                shapes = optimizer._expected_state(param)[1]
                state += sum(shape.numel() for shape in shapes.values()) * param.element_size()
            else:
                state += _state(param, options, name_of(group, number, i))
            numbers = len(optimizer.rule.numbers)
            state += numbers * _get_scalar_dtype(group.get("fused")).itemsize
    if "history_size" in optimizer.param_groups[0]:
        state = _pairs(optimizer, optimizer.param_groups[0]["history_size"])
    return Memory(parameters, gradients, state)


def _pairs(optimizer: Optimizer, m: int) -> int:
    """Bytes of L-BFGS with a full history: two vectors a pair, one pair in the making, three vectors, and products."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    size = sum(_computed_bytes(p) for p in params)
    return (2 * m + 5) * size + (2 * m + 4) * (m + 1) * 8


def _computed_bytes(param: Tensor) -> int:
    """Bytes of a parameter's values in the dtype that is computed with."""
    return param.numel() * (2 if param.is_complex() else 1) * compute_dtype(param.dtype).itemsize


def _state(param: Tensor, options: Options, name: str) -> int:
    """Bytes of a parameter's buffers, and of what is kept beside it."""
    size = 0
    for key in options.present:
        format = options.formats.get(key)
        size += param.nbytes if format is None else format.nbytes(param.numel())
    if options.low:
        mode = keeping.mode_of(keeping.parameter_kind(param, *options.rounding, name))
        size += 0 if mode is None else param.numel() * rest_dtype(mode, param.dtype).itemsize
    return size


def memory(model: torch.nn.Module | Iterable[Tensor], optimizer: Any, **options: Any) -> Memory:
    """Bytes that training a model with an optimizer needs beside activations, before anything is allocated.

    Args:
        model: a module, or its parameters; on the meta device, if it is not to be allocated either.
        optimizer: an optimizer class of descend.
        options: what it is to be made with.

    Returns:
        Bytes of parameters, gradients and state.

    Example:
        >>> import torch, descend
        >>> model = torch.nn.Linear(1024, 1024, device="meta")
        >>> print(descend.memory(model, descend.AdamW))
        parameters 4.0 MiB, gradients 4.0 MiB, state 8.0 MiB, total 16.0 MiB
        >>> print(descend.memory(model, descend.AdamW, state_dtype="int8"))
        parameters 4.0 MiB, gradients 4.0 MiB, state 2.1 MiB, total 10.1 MiB
    """
    params = list(model.parameters() if isinstance(model, torch.nn.Module) else model)
    if not isinstance(optimizer, type):
        raise TypeError(f"Invalid optimizer: {optimizer!r} (optimizer must be a class, such as descend.AdamW)")
    like = [torch.nn.Parameter(torch.empty_like(p, device="meta"), requires_grad=p.requires_grad) for p in params]
    found: Memory = optimizer(like, **options).memory()
    return found
