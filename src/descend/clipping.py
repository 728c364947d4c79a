"""`clip_grad_norm_`: torch's function, in one launch that reads and one that writes."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from .engines import gradients

__all__ = ["clip_grad_norm_"]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    r"""Scale gradients in place so that their common norm is at most `max_norm`.

    .. math::
        g \leftarrow g \cdot \min\Big(1, \frac{c}{\|g\|_2 + 10^{-6}}\Big)

    As :func:`torch.nn.utils.clip_grad_norm_`. The norm is summed in float64, in an order that does not depend on the
    number of threads, and gradients whose norm is small enough are not written. An optimizer's own option
    ``clip_grad_norm`` does the same without writing gradients at all.

    Args:
        parameters: a Tensor or an iterable of Tensors; those without a gradient are left out.
        max_norm: :math:`c`, a number >= 0.
        norm_type: order p of the norm; other than 2, and tensors that are not plain ones on the CPU, are left to torch.
        error_if_nonfinite: raise if the norm is NaN or infinite, instead of scaling by it.
        foreach: hint for torch's implementation.

    Returns:
        The norm before clipping, a Tensor without dimensions: float64 for float64 gradients, else float32.

    Raises:
        RuntimeError: the norm is NaN or infinite and `error_if_nonfinite` is set. Nothing is changed then.

    Example:
        >>> import torch, descend
        >>> w = torch.nn.Parameter(torch.zeros(2))
        >>> w.grad = torch.tensor([3.0, 4.0])
        >>> descend.clip_grad_norm_([w], max_norm=1.0), w.grad
        (tensor(5.), tensor([0.6000, 0.8000]))

    Source: Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063, Alg. 1.
    """
    params = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    grads = [p.grad for p in params if p.grad is not None]
    limit = float(max_norm)
    plain = float(norm_type) == 2.0 and 0 <= limit < math.inf and bool(grads)
    if not plain or torch.compiler.is_compiling() or not gradients.takes(grads):
        return torch.nn.utils.clip_grad_norm_(params, max_norm, norm_type, error_if_nonfinite, foreach)
    norm = gradients.clip(grads, limit, error_if_nonfinite)
    return torch.tensor(norm, dtype=torch.float64 if grads[0].dtype == torch.float64 else torch.float32)
