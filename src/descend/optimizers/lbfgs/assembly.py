"""A solver for the parameters of an optimizer: buckets by device and precision, scales and bounds laid out alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..collecting import name_of, refuse_parameter
from .arguments import bounds_of
from .bounds import Box
from .flat import Bucket, compute_dtype
from .solver import Solver


def build(groups: Sequence[dict[str, Any]], scales: Sequence[float] | None, history_size: int) -> Solver:
    """A solver without a history.

    Args:
        groups: of the optimizer.
        scales: of each group's share of a step; None: all alike.
        history_size: how many pairs it keeps.

    Raises:
        RuntimeError: a parameter cannot be written to.
    """
    sign = -1.0 if groups[0].get("maximize", False) else 1.0
    found: dict[Any, list[tuple[Tensor, float, Any]]] = {}
    bounded = False
    for number, group in enumerate(groups):
        for i, (p, pair) in enumerate(zip(group["params"], bounds_of(group, number), strict=True)):
            refuse_parameter(p, name_of(group, number, i))
            bounded |= pair is not None
            item = (p, 1.0 if scales is None else scales[number], pair)
            found.setdefault((p.device, compute_dtype(p.dtype)), []).append(item)
    buckets = [
        Bucket([p for p, _, _ in items], sign, None if scales is None else [s for _, s, _ in items])
        for items in found.values()
    ]
    if not bounded:
        return Solver(buckets, history_size, None)
    lower, upper = (
        [_flat(items, side, default, bucket) for bucket, items in zip(buckets, found.values(), strict=True)]
        for side, default in enumerate((-math.inf, math.inf))
    )
    return Solver(buckets, history_size, Box(buckets, lower, upper))


def _flat(items: Sequence[tuple[Tensor, float, Any]], side: int, default: float, bucket: Bucket) -> Tensor:
    """One side of the bounds as a flat vector."""
    size = [2 * p.numel() if p.is_complex() else p.numel() for p, _, _ in items]
    return torch.cat(
        [
            bucket.new(n) + default if pair is None else pair[side].reshape(-1).to(bucket.dtype)
            for n, (_, _, pair) in zip(size, items, strict=True)
        ]
    )
