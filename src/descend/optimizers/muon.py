"""Muon: momentum whose matrix is made nearly orthogonal, all matrices of one shape at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from ..schedules import Schedule
from ..storage import compute_dtype
from . import checks
from .batches import Batch
from .whole import Method, WholeTensorOptimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .common import Common

_ELEMENTS = 1 << 22  # of a batch: enough to keep every core busy, while temporaries stay small beside the parameters


class Muon(WholeTensorOptimizer):
    r"""Muon: steps along the orthogonal factor of the momentum, for weight matrices of hidden layers.

    .. math::
        b_t = \mu b_{t-1} + (1-\mu)\, g_t, \quad \tilde b_t = \mu b_t + (1-\mu)\, g_t \text{ (Nesterov)}, \quad
        p_t = (1 - \gamma\lambda)\, p_{t-1} - \gamma_{\text{adj}}\, \text{NS}_k(\tilde b_t)

    :math:`\text{NS}_k` divides by the Frobenius norm and takes :math:`k` steps
    :math:`X \leftarrow a X + (b A + c A^2) X` with :math:`A = X X^\top`, in bfloat16 as in torch: singular values end
    up around 1. Embeddings, output layers, biases and norms belong to another optimizer, such as AdamW.

    Args:
        params: real matrices, (name, matrix) pairs, or dicts of groups.
        lr: :math:`\gamma`, a finite number >= 0 or a one-element Tensor.
        weight_decay: :math:`\lambda`, a finite number >= 0; the share of a parameter lost per step is lr times this.
        momentum: :math:`\mu` in [0, 1].
        nesterov: look ahead by one momentum step; if not, :math:`\tilde b_t = b_t`.
        ns_coefficients: :math:`(a, b, c)`.
        eps: least norm to divide by, >= 0.
        ns_steps: :math:`k`, an integer in [0, 100).
        adjust_lr_fn: "original" or None: :math:`\gamma_{\text{adj}} = \gamma \sqrt{\max(1, r/c)}` for r rows and c
            columns; "match_rms_adamw": :math:`0.2\, \gamma \sqrt{\max(r, c)}`, for a rate and decay tuned for AdamW.
        flatten: take parameters of more than two dimensions, convolutions for example, as matrices of shape
            (shape[0], rest). torch refuses them, and so does this class unless asked.
        common: ``clip_grad_norm`` and the other options of every optimizer: see :class:`descend.Optimizer`.

    Raises:
        ValueError: a parameter is no matrix; a value out of range, NaN or infinite. At construction and when a group is
            added.

    State: ``momentum_buffer``, like the gradient.

    Example:
        >>> import torch, descend
        >>> w = torch.nn.Parameter(torch.eye(2))
        >>> optimizer = descend.Muon([w], lr=0.1, weight_decay=0)
        >>> (w ** 2).sum().backward(); optimizer.step(); w.data
        tensor([[0.8875, 0.0000],
                [0.0000, 0.8875]])

    Source: Jordan et al. 2024, kellerjordan.github.io/posts/muon; Liu et al. 2025, arXiv:2502.16982 (the decay, and
    match_rms_adamw).
    """

    rule = Method(
        "b <- mu b + (1 - mu) g;  u = mu b + (1 - mu) g if nesterov else b;  X = u / max(|u|, eps);\n"
        "ns_steps times A = X X^T, X <- a X + (b A + c A A) X;  p <- (1 - lr weight_decay) p - adjusted_lr X"
    )
    _later_options: ClassVar[dict[str, Any]] = {}
    _flatten: bool = False

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor | Schedule = 1e-3,
        weight_decay: float | Schedule = 0.1,
        momentum: float | Schedule = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float | Schedule, float | Schedule, float | Schedule] = (3.4445, -4.7750, 2.0315),
        eps: float | Schedule = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
        *,
        flatten: bool = False,
        **common: Unpack[Common],
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        if flatten:
            self._flatten = True
        self._check_group(defaults)
        super().__init__(params, defaults, **common)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return {**state, "_flatten": True} if self._flatten else state

    def _check_group(self, group: dict[str, Any]) -> None:
        checks.number("Learning rate should be >= 0 but is", "lr", group["lr"], tensor=True)
        checks.number("momentum should be >= 0 but is", "momentum", group["momentum"], most=1.0)
        checks.number("weight decay should be >= 0 but is", "weight_decay", group["weight_decay"])
        coefficients, steps, adjust = group["ns_coefficients"], group["ns_steps"], group["adjust_lr_fn"]
        if not isinstance(coefficients, (tuple, list)) or len(coefficients) != 3:
            raise ValueError(f"Coefficients must be a tuple of exactly 3 values, got ns_coefficients={coefficients!r}")
        for i, coefficient in enumerate(coefficients):
            checks.finite("Coefficients must be finite but one is", f"ns_coefficients[{i}]", coefficient)
        checks.number("epsilon should be >= 0 but is", "eps", group["eps"])
        if not isinstance(steps, int) or steps < 0:
            raise ValueError(f"Number of steps must be an integer >= 0, got ns_steps={steps!r}")
        if steps >= 100:
            raise ValueError(f"Number of steps must be less than 100 for computational efficiency: ns_steps={steps}")
        if adjust not in (None, "original", "match_rms_adamw"):
            raise ValueError(
                f"Adjust learning rate function {adjust} is not supported "
                "(adjust_lr_fn must be None, 'original' or 'match_rms_adamw')"
            )
        for i, p in enumerate(group.get("params", ())):
            if p.ndim < 2 or (p.ndim > 2 and not self._flatten):
                hint = "flatten=True takes it as a matrix" if p.ndim > 2 else "give it to another optimizer"
                raise ValueError(
                    f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()} "
                    f"({repr(group['param_names'][i]) if 'param_names' in group else f'number {i}'}: {hint})"
                )

    def _shapes(self, shape: torch.Size) -> dict[str, torch.Size]:
        return {"momentum_buffer": shape}

    def _most(self, param: Tensor) -> int:
        return max(1, _ELEMENTS // max(1, param.numel()))

    def _update(self, batch: Batch) -> None:
        options, params, (buffers,) = batch.options, batch.params, batch.state
        lr, momentum, first = options["lr"], options["momentum"], params[0]
        if first.numel() == 0:
            return
        # Torch's own operations in torch's order, so that the numbers are the same to the bit where they can be: what
        # bfloat16 makes of a last bit is many thousand times larger.
        grads = [g if g.dtype == b.dtype else g.to(b.dtype) for g, b in zip(batch.grads, buffers, strict=True)]
        torch._foreach_lerp_(buffers, grads, 1 - momentum)
        updates = list(torch._foreach_lerp(grads, buffers, momentum)) if options["nesterov"] else buffers
        if first.ndim > 2:
            updates = [u.reshape(len(u), -1) for u in updates]
        rows, columns = updates[0].shape
        updates = orthogonal(updates, options["ns_coefficients"], options["ns_steps"], options["eps"])
        if first.ndim > 2:
            updates = [u.reshape(first.shape) for u in updates]
        dtype = compute_dtype(first.dtype)
        values = params if first.dtype == dtype else [p.to(dtype) for p in params]
        torch._foreach_mul_(values, 1 - lr * options["weight_decay"])
        torch._foreach_add_(values, updates, alpha=-_adjusted(lr, options["adjust_lr_fn"], rows, columns))
        if values is not params:
            torch._foreach_copy_(params, values)


def _adjusted(lr: float, adjust_lr_fn: str | None, rows: int, columns: int) -> float:
    """The rate for a matrix of this shape."""
    if adjust_lr_fn == "match_rms_adamw":
        return lr * (0.2 * math.sqrt(max(rows, columns)))
    return lr * math.sqrt(max(1, rows / columns))


def orthogonal(
    matrices: list[Tensor], coefficients: tuple[float, float, float], steps: int, eps: float
) -> list[Tensor]:
    """For each of some matrices of one shape, one in bfloat16 with the same singular vectors and values around 1.

    Args:
        matrices: of any floating dtype; not modified.
        coefficients: (a, b, c) of X <- a X + (b A + c A A) X with A = X X^T.
        steps: how many such steps (Newton-Schulz).
        eps: least Frobenius norm to divide by.
    """
    a, b, c = coefficients
    x = torch.stack([m.bfloat16() for m in matrices])  # a copy, also of what is bfloat16 already
    norms = torch.stack(torch._foreach_norm(list(x.unbind(0))))
    x.div_(norms.clamp_(min=eps).view(-1, 1, 1))
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    for _ in range(steps):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return list((x.mT if tall else x).unbind(0))
