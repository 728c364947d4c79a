"""A step that is taken only to make state: torch.distributed.checkpoint takes one before it saves or loads.

It sets every gradient to zero and every learning rate to 0, steps an optimizer without state, and puts them back
(`_init_optim_state`). torch.optim counts that step, and Rprop and ASGD derive state from the rate of 0, so that saving
a fresh optimizer changes how it trains. Here state is made as the first step would make it, with a count of 0, and
unless somebody writes to it, the first real step makes it anew: training goes on as if the step had never been.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .base import Optimizer


def only_prepares(optimizer: Optimizer) -> bool:
    """Whether a step is such a one: no state yet, every learning rate 0, no gradient with anything but zeros in it.

    Such a step moves no parameter. Only the first step of a warm-up from 0 pays for the look at the gradients, and
    it ends at the first one that is not zero.
    """
    groups = optimizer.param_groups
    if any(not isinstance(state, dict) or state for state in optimizer.state.values()):
        return False
    if not all("lr" in group and _is_zero(group["lr"]) for group in groups):
        return False
    grads = [p.grad for group in groups for p in group["params"] if p.grad is not None]
    return all(g.layout == torch.strided and _is_zero(g) for g in grads)


def _is_zero(value: Any) -> bool:
    if not isinstance(value, Tensor):
        return bool(value == 0)
    if value.is_meta or torch._C._functorch.maybe_get_level(value) >= 0:
        return False
    try:
        found = (value != 0).any()
        return not (found.full_tensor() if hasattr(found, "full_tensor") else found).item()
    except Exception:  # a tensor without values, in tracing for example
        return False


def prepare(optimizer: Optimizer, new_state: dict[Tensor, dict[str, Tensor]]) -> None:
    """Keep the state that such a step made, and remember that it means nothing yet."""
    rule = optimizer.rule
    first = {key: buffer.init for key, buffer in rule.buffers.items()} | dict(rule.memory)
    for group in optimizer.param_groups:
        for param in group["params"]:
            new = new_state.get(param, {})
            for key in new:
                if first.get(key) == "lr":  # in case it is saved: the rate of 0 is not the user's
                    new[key].fill_(group.get("initial_lr", optimizer.defaults["lr"]))
            if new:
                optimizer.state[param].update(new)
    optimizer._prepared = {
        param: (optimizer.state[param], {key: (t, t._version) for key, t in new.items()})
        for param, new in new_state.items()
        if new
    }


def _untouched(state: Any, made: Any, tensors: dict[str, tuple[Tensor, int]]) -> bool:
    return (
        state is made
        and len(made) == len(tensors)
        and all(made.get(key) is t and t._version == version for key, (t, version) in tensors.items())
    )


@contextlib.contextmanager
def prepared_state_forgotten(optimizer: Optimizer) -> Iterator[None]:
    """Drop state that only a step of this kind made, if nobody has written to it; it is back if the step raises."""
    prepared, optimizer._prepared = optimizer._prepared or {}, None
    state = optimizer.state
    unused = {param: made for param, (made, old) in prepared.items() if _untouched(state.get(param), made, old)}
    for param in unused:
        del state[param]
    try:
        yield
    except BaseException:
        state.update(unused)
        optimizer._prepared = prepared
        raise
