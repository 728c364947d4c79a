"""Norms and counts over gradients, with torch operations in float64: what reductions.py does in kernels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from ..storage import load


def _wide(tensor: Tensor) -> Tensor:
    """The values as real float64; a sparse tensor's are those it holds."""
    if tensor.layout != torch.strided:
        tensor = tensor.coalesce().values() if tensor.layout == torch.sparse_coo else tensor.to_dense()
    return load(tensor.detach(), torch.float64)


def _clipped(grad: Tensor, clip: float) -> Tensor:
    return _wide(grad) if clip == math.inf else _wide(grad).clamp(-clip, clip)


def squares(grad: Tensor, clip: float) -> float:
    """The sum of squares of a gradient, after clipping to [-clip, clip]."""
    return float(_clipped(grad, clip).square().sum())


def large_norm(grads: Sequence[tuple[Tensor, float]]) -> float:
    """The norm of all gradients (with their limits) whose squares are too large for float64, or not finite."""
    values = [x for x in (_clipped(grad, clip) for grad, clip in grads) if x.numel()]
    largest = [float(x.abs().max()) for x in values]
    if any(math.isnan(x) for x in largest):
        return math.nan
    most = max(largest, default=0.0)
    if most in (0.0, math.inf):
        return most
    return most * math.sqrt(math.fsum(float((x / most).square().sum()) for x in values))


def total(squares: Iterable[float]) -> float:
    """The sum of sums of squares; infinite if float64 cannot hold it."""
    try:
        return math.fsum(squares)
    except OverflowError:
        return math.inf


def norm(total: float, grads: Callable[[], Sequence[tuple[Tensor, float]]]) -> float:
    """The norm of gradients with this sum of squares.

    Args:
        total: from `total`.
        grads: gives the gradients with their limits, which are looked at again where the sum is not finite.
    """
    return math.sqrt(total) if math.isfinite(total) else large_norm(grads())


def factor(limit: float, norm: float) -> float:
    """What to multiply gradients with, so that their norm is at most `limit`: as torch's clip_grad_norm_."""
    value = limit / (norm + 1e-6)
    return 1.0 if value > 1 else value


def is_finite(grad: Tensor | None) -> bool:
    """Whether a gradient holds neither NaN nor infinity."""
    return grad is None or bool(_wide(grad).isfinite().all())


def leaves_out(nonfinite: str, grads: Iterable[tuple[str, Tensor | None]]) -> bool:
    """Whether a step with these gradients, by name, is to be skipped because of NaN or infinity.

    Raises:
        RuntimeError: `nonfinite` is "raise" and there is such a gradient.
    """
    names = [name for name, grad in grads if not is_finite(grad)]
    if names and nonfinite == "raise":
        more, several = " ..." if len(names) > 8 else "", len(names) > 1
        what = f"gradients of {len(names)} parameters are" if several else "the gradient of 1 parameter is"
        listed = ", ".join(names[:8])
        raise RuntimeError(f"{what} NaN or infinite: {listed}{more}. Nothing was updated (nonfinite='raise')")
    return bool(names)


def statistics(grad: Tensor, before: Tensor, new: Tensor) -> list[float]:
    """What `layout.STATISTICS` names, of one parameter: its gradient, its value before the step, and after."""
    p, wide = load(new.detach(), torch.float64), _wide(grad)
    update = p - load(before, torch.float64)
    zeros = p.numel() - wide.count_nonzero()
    nonfinite = wide.numel() - wide.isfinite().sum()
    return [float(x) for x in (wide.square().sum(), update.square().sum(), p.square().sum(), zeros, nonfinite)]
