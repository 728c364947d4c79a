"""Bounds on the variables: a quasi-Newton step within the free ones, projected, then searched along.

Fixed are the variables at a bound whose gradient points out. The step minimises the quadratic model with them held (the
inverse of H restricted to the others, by Sherman, Morrison and Woodbury, from the masked Gram matrix of the history),
and is projected onto the box; the line search goes along that segment, within the box (Morales and Nocedal 2011, ACM
TOMS 38(1), article 7, without their search for a Cauchy point, which is sequential in the variables). Everything is a
fixed number of operations on whole vectors.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from . import flat

if TYPE_CHECKING:
    from .flat import Bucket
    from .solver import Solver


class Box:
    """The bounds of all buckets."""

    def __init__(self, buckets: list[Bucket], lower: list[Tensor], upper: list[Tensor]) -> None:
        self.buckets = buckets
        self.lower, self.upper = lower, upper
        for bucket, low, high in zip(buckets, lower, upper, strict=True):
            bucket.lower, bucket.upper = low, high

    def project(self) -> None:
        """Move x into the box."""
        for bucket in self.buckets:
            torch.clamp(bucket.x, bucket.lower, bucket.upper, out=bucket.x)

    def largest(self) -> float:
        """The largest element of the projected gradient, the step that the box leaves of -g."""
        return max(float((_clamped(b, b.x - b.g0) - b.x).abs().max()) for b in self.buckets)

    def direct(self, solver: Solver, fresh: bool, lr: float) -> tuple[float, float]:
        """Set d to a step within the box that leads down.

        Returns:
            The first step to try and the longest that stays in the box; zeros if the projected gradient is zero.
        """
        masks = list(map(_fixed, self.buckets, self.lower, self.upper))
        first = lr
        if not fresh:
            self._quasi_newton(solver, masks)
            for bucket in self.buckets:
                bucket.d.copy_(_clamped(bucket, bucket.x + bucket.d) - bucket.x)
            dd, slope = solver.direction_numbers()
            if not (math.isfinite(slope) and slope < 0 and slope <= -1e-10 * math.sqrt(dd) * self._free_length(masks)):
                self._quasi_newton(solver, masks)
                self._truncate()
                dd, slope = solver.direction_numbers()
                if not (math.isfinite(slope) and slope < 0):
                    solver.forget()
                    fresh = True
        if fresh:
            length = self._free_length(masks)
            if length == 0:
                return 0.0, 0.0
            # As far as -g, but no farther than x is from 0: a huge gradient says nothing about which bounds matter.
            reach = max(1.0, flat.euclidean([b.x for b in self.buckets]))
            for bucket in self.buckets:
                bucket.steepest(min(1.0, reach / length))
                bucket.d.copy_(_clamped(bucket, bucket.x + bucket.d) - bucket.x)
            length = flat.euclidean([b.d for b in self.buckets])
            if length == 0:  # the gradient is lost in the rounding of x
                return 0.0, 0.0
            first = min(1.0, 1.0 / length) * lr
        longest = self._longest()
        return min(first, longest), longest

    def _free_length(self, masks: list[Tensor]) -> float:
        return flat.euclidean([b.g0 * (1 - m) for b, m in zip(self.buckets, masks, strict=True)])

    def _truncate(self) -> None:
        """d, shortened until it ends in the box."""
        step = min(1.0, self._longest())
        for bucket in self.buckets:
            bucket.d.mul_(step)

    def _longest(self) -> float:
        """How far x + t d stays in the box."""
        longest = math.inf
        for b, lower, upper in zip(self.buckets, self.lower, self.upper, strict=True):
            room = torch.where(b.d > 0, upper - b.x, lower - b.x)
            longest = min(longest, float(torch.where(b.d != 0, room / b.d, math.inf).min()))
        return max(longest, 0.0)

    def _quasi_newton(self, solver: Solver, masks: list[Tensor]) -> None:
        """Set d to the minimiser of the quadratic model with the fixed variables held."""
        history = solver.history
        gamma = history.gamma
        size = 2 * history.slots
        unit = np.ones(size)
        unit[1::2] = gamma
        gram, crossing = np.zeros((size, size)), np.zeros(size)
        any_fixed = False
        for bucket, mask in zip(self.buckets, masks, strict=True):
            if not bool(mask.any()):
                continue
            any_fixed = True
            rows = bucket.rows
            weight = mask
            if bucket.scale is not None:
                weight = torch.where(bucket.scale > 0, mask / bucket.scale, torch.zeros_like(mask))
            gram[:rows, :rows] += (bucket.used * weight @ bucket.used_t).double().cpu().numpy()
            crossing[:rows] += (bucket.used @ (mask * bucket.g0)).double().cpu().numpy()
        if not any_fixed:
            solver.direct()
            return
        middle = history.middle()
        alive = np.repeat(history.sy > 0, 2)
        gram = np.where(np.outer(alive, alive), gram, 0.0) * np.outer(unit, unit)
        p = np.where(alive, history.products, 0.0) * unit
        crossing = np.where(alive, crossing, 0.0) * unit
        n_p = middle @ p
        q = gamma * crossing + gram @ n_p
        z = np.linalg.solve(gamma * np.eye(size) + middle @ gram, middle @ q)
        r = p - crossing - gram @ (n_p - z) / gamma
        coefficients: Any = -(middle @ r) * unit
        for bucket, mask in zip(self.buckets, masks, strict=True):
            bucket.quasi_newton(gamma, coefficients)
            bucket.d.mul_(1 - mask)


def _clamped(bucket: Bucket, x: Tensor) -> Tensor:
    return torch.clamp(x, bucket.lower, bucket.upper)


def _fixed(b: Bucket, lower: Tensor, upper: Tensor) -> Tensor:
    """1 where a variable is at a bound that the gradient holds it to, else 0."""
    return (((b.x <= lower) & (b.g0 > 0)) | ((b.x >= upper) & (b.g0 < 0))).to(b.dtype)
