"""Clipping, the guard against NaN and statistics for optimizers that are not rules: around their step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..engines import measures
from ..engines.job import Job, Row
from . import common
from .collecting import name_of

if TYPE_CHECKING:
    from .base import Optimizer


def guarded(optimizer: Optimizer, step: Callable[[], None]) -> None:
    """Run the step with clipped gradients in place of the given ones, or leave it out.

    Raises:
        RuntimeError: a gradient is NaN or infinite, and that is to be an error.
    """
    groups = optimizer.param_groups
    if not common.UNUSED.keys() & optimizer.defaults.keys():
        step()
        return
    guard = common.guard(groups)
    found: list[tuple[Tensor, Tensor, float, str]] = []
    for number, group in enumerate(groups):
        limit = math.inf if group.get("clip_grad_value") is None else float(group["clip_grad_value"])
        named = ((p, name_of(group, number, i)) for i, p in enumerate(group["params"]))
        found += [(p, p.grad, limit, name) for p, name in named if p.grad is not None]
    factor = 1.0
    with torch.no_grad():
        if guard.first_pass:
            total = measures.total(measures.squares(grad, limit) for _, grad, limit, _ in found)
            if not math.isfinite(total) and guard.nonfinite != "propagate":
                if measures.leaves_out(guard.nonfinite, ((name, grad) for _, grad, _, name in found)):
                    optimizer.skipped_steps += 1
                    return
            if guard.clip_norm is not None:
                norm = measures.norm(total, lambda: [(grad, limit) for _, grad, limit, _ in found])
                factor = measures.factor(guard.clip_norm, norm)
        before = [p.detach().clone() for p, *_ in found] if guard.stats else []
        try:
            for p, grad, limit, _ in found:
                if limit != math.inf or factor != 1:
                    p.grad = _clipped(grad, limit, factor)
            step()
        finally:
            for p, grad, _, _ in found:
                p.grad = grad
        if guard.stats:
            sums: list[tuple[Any, list[float]]] = []
            for (p, grad, _, name), old in zip(found, before, strict=True):
                sums.append((Job(p, grad, (), (), Row([], 0, {}, {}), name), measures.statistics(grad, old, p)))
            optimizer._stats_of = lambda: sums


def _clipped(grad: Tensor, limit: float, factor: float) -> Tensor:
    if grad.layout != torch.strided:
        grad = grad.coalesce()
        values = _clipped(grad.values(), limit, factor)
        return torch.sparse_coo_tensor(grad.indices(), values, grad.shape, is_coalesced=True, check_invariants=False)
    return (grad if limit == math.inf else grad.clamp(-limit, limit)) * factor
