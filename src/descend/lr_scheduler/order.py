"""Whether the optimizer has stepped before its scheduler: the warning about the wrong order, without false alarms.

torch replaces `optimizer.step` on the instance to see it called, and warns whenever it was not: also when GradScaler
skipped the first step, and when somebody else replaced it. Here a step hook watches, which every way to step runs; it
leaves when it has seen a step. And nothing is said where a step was skipped on purpose.
"""

from __future__ import annotations

import gc
import warnings
from typing import Any

import torch
from torch.optim import Optimizer

from ..optimizers import Optimizer as OurOptimizer

ORDER_WARNING = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. "
    "In PyTorch 1.1.0 and later, you should call them in the opposite order: "
    "`optimizer.step()` before `lr_scheduler.step()`.  Failure to do this "
    "will result in PyTorch skipping the first value of the learning rate schedule. "
    "See more details at "
    "https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"
)


def _stepped(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    """Step hook: the optimizer has stepped. `_opt_called` is torch's name for it, which torch's schedulers read."""
    optimizer._opt_called = True  # type: ignore[attr-defined]
    if isinstance(optimizer, OurOptimizer):  # torch's run through the live dictionary of hooks: theirs stays
        _forget(optimizer)


def _hooks(optimizer: Optimizer) -> dict[int, Any]:
    """The optimizer's step hooks; none for wrappers that never called torch's constructor."""
    hooks: dict[int, Any] = getattr(optimizer, "_optimizer_step_post_hooks", {})
    return hooks


def _forget(optimizer: Optimizer) -> None:
    hooks = _hooks(optimizer)
    for key in [key for key, hook in hooks.items() if hook is _stepped]:
        del hooks[key]


def watch(optimizer: Optimizer) -> None:
    """Notice the optimizer's next step, unless it has stepped or is watched already."""
    if not hasattr(optimizer, "_optimizer_step_post_hooks") or getattr(optimizer, "_opt_called", False):
        return
    if _stepped not in _hooks(optimizer).values():
        optimizer.register_step_post_hook(_stepped)


def warn_if_early(optimizer: Optimizer, stacklevel: int) -> None:
    """Warn if the optimizer has not stepped although it was watched, and no skipped step explains it."""
    watched = _stepped in _hooks(optimizer).values()
    called = getattr(optimizer, "_opt_called", False)
    if watched and not called and not _skipped(optimizer):
        warnings.warn(ORDER_WARNING, UserWarning, stacklevel=stacklevel + 1)
    if watched:
        _forget(optimizer)


def _skipped(optimizer: Optimizer) -> bool:
    """Whether a step was probably skipped: gradients are not finite, or a GradScaler is in use.

    A skipping GradScaler leaves no trace on the optimizer, and `zero_grad` may have removed the gradients. So it is
    looked for among all objects: a search of some milliseconds, where a warning is the alternative, once.
    """
    grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    dense = [g._values() if g.layout == torch.sparse_coo else g for g in grads if not g.is_meta]
    if any(not bool(torch.isfinite(g).all()) for g in dense):
        return True
    scalers = [o for o in gc.get_objects() if issubclass(type(o), torch.amp.GradScaler)]
    return any(s._enabled and s._scale is not None for s in scalers)
