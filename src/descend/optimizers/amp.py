"""torch.amp.GradScaler's protocol for optimizers that unscale gradients themselves (`fused=True`)."""

from __future__ import annotations

from typing import Any

import torch


def skips(optimizer: Any) -> bool:
    """Apply what GradScaler left on the optimizer: unscale the gradients, or say that this step is to be skipped.

    Args:
        optimizer: with `found_inf` (a Tensor, not 0: skip) and `grad_scale` (a Tensor, or None: unscaled already), if a
            GradScaler called it.

    Returns:
        True if the step must leave parameters, state and step counts as they are.
    """
    found_inf, scale = getattr(optimizer, "found_inf", None), getattr(optimizer, "grad_scale", None)
    if found_inf is not None and float(found_inf) != 0:
        return True
    if scale is not None:
        inverse = 1.0 / float(scale)
        with torch.no_grad():
            for group in optimizer.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.grad.mul_(inverse)
    return False
