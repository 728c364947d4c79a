"""Averages in half precision: what is kept in float32 beside them, and when it holds.

An average moves by (1 - decay) of its distance to the model. From 1 towards 2 at decay 0.999 that is 0.001, less than
half a unit in the last place of a bfloat16 number: rounded after each update, the average never moves. So the unrounded
average is kept in float32; the module's own tensor is that, rounded.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import Module


def wide(dtype: torch.dtype) -> torch.dtype | None:
    """The dtype in which an average of this dtype is kept beside; None if it needs none."""
    if not (dtype.is_floating_point or dtype.is_complex) or torch.finfo(dtype).bits >= 32:
        return None
    return torch.complex64 if dtype.is_complex else torch.float32


@functools.cache
def rounding(dtype: torch.dtype) -> tuple[float, float]:
    """How far a rounded value is from the unrounded one at most: relative to itself, and near zero."""
    info = torch.finfo(dtype)
    return info.eps / 2, info.smallest_normal * info.eps / 2


def synced(stored: Tensor, exact: Tensor, dtype: torch.dtype) -> Tensor:
    """The unrounded average, and where it is not what was stored, what was stored: the same test as in the rule.

    Args:
        stored: the rounded average.
        exact: the unrounded one.
        dtype: to which it was rounded.
    """
    p, e = stored.detach().to(exact.dtype), exact.to(stored.device)
    if p.is_complex():
        return torch.view_as_complex(_choose(torch.view_as_real(p), torch.view_as_real(e), *rounding(dtype)))
    return _choose(p, e, *rounding(dtype))


def _choose(p: Tensor, exact: Tensor, near: float, tiny: float) -> Tensor:
    return torch.where((exact - p).abs() <= near * p.abs() + tiny, exact, p)


def beside(stored: Tensor, kept: Tensor | None) -> Tensor | None:
    """What is to be kept beside an average, laid out like it: what is kept already, if it fits; else the average.

    Args:
        stored: the average, or a view of it.
        kept: what is kept so far, perhaps on another device, or None.
    """
    dtype = wide(stored.dtype)
    if dtype is None or stored.layout != torch.strided:
        return None
    if kept is None or kept.shape != stored.shape or kept.dtype != dtype:
        return torch.empty_like(stored, dtype=dtype, requires_grad=False).copy_(stored)
    if kept.device != stored.device or kept.stride() != stored.stride():
        return torch.empty_like(stored, dtype=dtype, requires_grad=False).copy_(kept)
    return kept


def named_tensors(module: Module) -> Iterator[tuple[str, str, Tensor]]:
    """(name, first name of the same tensor, tensor) of all parameters and buffers; tied ones under every name."""
    first: dict[int, str] = {}
    for listed in (module.named_parameters(remove_duplicate=False), module.named_buffers(remove_duplicate=False)):
        for name, tensor in listed:
            yield name, first.setdefault(id(tensor), name), tensor
