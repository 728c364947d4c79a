"""Step hooks and profiler ranges, around the step of every class; they cost nothing while there are none."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch.optim import optimizer as torch_optimizer

if TYPE_CHECKING:
    from .base import Optimizer

_global_pre_hooks = torch_optimizer._global_optimizer_pre_hooks
_global_post_hooks = torch_optimizer._global_optimizer_post_hooks
profiling = torch.autograd._profiler_enabled  # type: ignore[attr-defined]


def hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """Run step hooks and profiler ranges around a class's step, once however many overriding steps call each other."""

    @functools.wraps(step)
    def wrapper(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        profiled = profiling()
        if (
            not profiled
            and not self._optimizer_step_pre_hooks
            and not self._optimizer_step_post_hooks
            and not _global_pre_hooks
            and not _global_post_hooks
        ):
            return step(self, *args, **kwargs)
        if self._in_hooks:
            return step(self, *args, **kwargs)
        self._in_hooks = True
        try:
            if not profiled:  # a range costs 30 us in a training loop, and nobody would see it
                return _between_hooks(step, self, args, kwargs)
            with torch.autograd.profiler.record_function(f"Optimizer.step#{type(self).__name__}.step"):
                return _between_hooks(step, self, args, kwargs)
        finally:
            self._in_hooks = False

    wrapper.hooked = True  # type: ignore[attr-defined]
    return wrapper


def _between_hooks(step: Callable[..., Any], self: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Global hooks before the optimizer's own ones, and after the step the other way round, as torch has them."""
    args = (self, *args)
    for before in (*_global_pre_hooks.values(), *self._optimizer_step_pre_hooks.values()):
        result = before(self, args, kwargs)
        if result is not None:
            if not (isinstance(result, tuple) and len(result) == 2):
                raise RuntimeError(f"{step} must return None or a tuple of (new_args, new_kwargs), but got {result}.")
            args, kwargs = result
    out = step(*args, **kwargs)
    self._optimizer_step_code()
    for after in (*self._optimizer_step_post_hooks.values(), *_global_post_hooks.values()):
        after(self, args, kwargs)
    return out
