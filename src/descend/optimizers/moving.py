"""`optimizer.to(device)`: state follows the parameters to another device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .base import Optimizer


def move(optimizer: Optimizer, device: torch.device | str | int | None) -> None:
    """See `Optimizer.to`."""
    options = {p: group for group in optimizer.param_groups for p in group["params"]}
    for param, state in optimizer.state.items():
        if not (isinstance(param, Tensor) and isinstance(state, dict)):
            continue
        group = options.get(param, {})
        target = param.device if device is None else device
        # torch keeps step counts on the CPU, where reading them waits for no device.
        stays = () if group.get("capturable") or group.get("fused") else ("step",)
        for key, value in state.items():
            if isinstance(value, Tensor) and key not in stays:
                state[key] = value.to(target)
