"""Learning rates in an optimizer's groups: floats, or Tensors that are written in place, as torch does."""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

Rate = float | Tensor


def copied(value: Any) -> Any:
    """A copy of a value that a state_dict or a list of rates can hold: containers and Tensors are not shared."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, Counter):
        return Counter(value)
    if type(value) is dict:
        return {key: copied(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(copied, value))
    return value


def of_groups(optimizer: Optimizer, key: str) -> list[Any]:
    """group[key] of every group; Tensors are copied."""
    values = [group[key] for group in optimizer.param_groups]
    return [value if type(value) is float else copied(value) for value in values]


def put(group: dict[str, Any], key: str, value: Rate) -> Rate:
    """Write group[key], a Tensor in place; returns what to remember as written: the same float, or a copy."""
    current = group[key]
    if type(current) is float:  # before the question about Tensors, which costs more
        group[key] = value
        return value
    if isinstance(current, Tensor):
        current.fill_(float(value))
        return current.detach().clone()
    group[key] = value
    return value


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value for each group: a list of as many, or one for all.

    Raises:
        ValueError: a list of another length.
    """
    groups = optimizer.param_groups
    if not isinstance(value, (list, tuple)):
        return [copied(value) for _ in groups]
    if len(value) != len(groups):
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. "
            f"{name} has {len(value)} values, param_groups has {len(groups)}."
        )
    return list(map(copied, value))


def initial(optimizer: Optimizer, last_epoch: int) -> None:
    """See that every group has its `initial_lr`, the rate that schedules scale.

    Raises:
        KeyError: it is missing although training is said to go on (last_epoch >= 0).
    """
    for i, group in enumerate(optimizer.param_groups):
        if last_epoch == -1:
            group.setdefault("initial_lr", copied(group["lr"]))
        elif "initial_lr" not in group:
            raise KeyError(
                f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with "
                "last_epoch >= 0.\nThis typically happens when:\n"
                "1. You're trying to resume training from a checkpoint but haven't properly loaded the "
                "optimizer state\n"
                "2. You're using last_epoch >= 0 for a fresh training run (not recommended)"
            )
