"""Momentum that moves against the rate, in CyclicLR and OneCycleLR: an optimizer's `momentum`, or its first beta."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from . import checks, rates


def uses_beta1(optimizer: Optimizer) -> bool:
    """Whether the optimizer's momentum is the first of its `betas`.

    Raises:
        ValueError: it has neither.
    """
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
    return "betas" in optimizer.defaults


def put(group: dict[str, Any], beta1: bool, value: float) -> None:
    """Set a group's momentum; a Tensor in place."""
    if not beta1:
        if type(group["momentum"]) is float:
            group["momentum"] = value
        else:
            rates.put(group, "momentum", value)
    else:
        first, *others = group["betas"]
        if isinstance(first, Tensor):
            first.fill_(value)
        else:
            group["betas"] = (value, *others)


def get(group: dict[str, Any], beta1: bool) -> Any:
    """A group's momentum."""
    return rates.copied(group["betas"][0] if beta1 else group["momentum"])


def prepare(
    owner: object, optimizer: Optimizer, base: Any, top: Any, last_epoch: int
) -> tuple[bool, list[float], list[float]]:
    """Check the bounds, and write them and the start into the groups, as torch does.

    Returns:
        Whether it is the first beta; the lower and the upper bound of each group.

    Raises:
        ValueError: the optimizer has no momentum, or a bound is not in [0, 1).
    """
    beta1 = uses_beta1(optimizer)
    tops, bases = rates.per_group("max_momentum", optimizer, top), rates.per_group("base_momentum", optimizer, base)
    for name, values in (("max_momentum", tops), ("base_momentum", bases)):
        checks.numbers(owner, name, values, "in [0, 1)", lambda value: 0 <= value < 1)
    if last_epoch == -1:
        for group, high in zip(optimizer.param_groups, tops, strict=True):
            if not beta1 and float(group["momentum"]) == 0 and high:
                warnings.warn(
                    f"{type(owner).__name__} sets the optimizer's momentum, which is 0, to {high}; "
                    "cycle_momentum=False leaves it, and momentum=... of the optimizer says that it is meant",
                    UserWarning,
                    stacklevel=4,
                )
                break
        for group, high, low in zip(optimizer.param_groups, tops, bases, strict=True):
            put(group, beta1, high)
            group["max_momentum"], group["base_momentum"] = high, low
    return beta1, bases, tops


def of_new_group(owner: object, name: str, values: Sequence[Any], group: dict[str, Any]) -> Any:
    """The value of an option for a group that was added: its own, or the one that all others share.

    Raises:
        ValueError: the others differ, and the group does not say.
    """
    if name in group:
        return group[name]
    if any(value != values[0] for value in values):
        raise ValueError(
            f"{type(owner).__name__} has a {name} for each parameter group: {list(values)}; "
            f"the group that was added needs the key {name!r}"
        )
    return rates.copied(values[0])
