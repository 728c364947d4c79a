"""Evaluation at several steps: lists, NumPy arrays and torch Tensors, without importing NumPy or torch.

Who passes an array has imported its library, so it is looked up among the modules that are loaded. Elements are
computed one by one, with the code of a single step: an array holds exactly the values that single calls return.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def each(schedule: Callable[[Any], Any], steps: Any) -> Any:
    """See `Schedule.__call__`."""
    if isinstance(steps, (list, tuple, range)):
        return [schedule(step) for step in steps]
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(steps, torch.Tensor):
        values = [schedule(step) for step in steps.detach().reshape(-1).tolist()]
        return torch.tensor(values, dtype=torch.float64, device=steps.device).reshape(steps.shape)
    if numpy is not None and isinstance(steps, numpy.ndarray):
        values = [schedule(step) for step in steps.reshape(-1).tolist()]
        return numpy.array(values, dtype=numpy.float64).reshape(steps.shape)
    if isinstance(steps, (str, bytes, complex)) or not (hasattr(steps, "__index__") or hasattr(steps, "__float__")):
        raise TypeError(
            f"Invalid step: {steps!r} (a step must be a number >= 0, or a list, an array or a Tensor of them, "
            f"not {type(steps).__name__})"
        )
    return schedule(int(steps) if hasattr(steps, "__index__") else float(steps))
