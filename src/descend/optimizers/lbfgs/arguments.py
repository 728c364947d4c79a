"""Checks of what `descend.LBFGS` is given: each message names the argument, its value and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import checks
from .search import SEARCHES

SOLVER_OPTIONS = (
    "max_iter", "max_eval", "tolerance_grad", "tolerance_change", "history_size", "line_search_fn", "maximize", "rtol",
    "reuse_eval",
)  # fmt: skip
"""Options of the whole problem: the same in all groups."""


def check(group: Mapping[str, Any]) -> None:
    """Refuse bad values of a group's options.

    Raises:
        TypeError: of the wrong kind.
        ValueError: out of range.
    """
    checks.number("Invalid learning rate", "lr", group["lr"], tensor=True)
    for name in ("max_iter", "max_eval", "history_size"):
        _count(name, group[name])
    for name in ("tolerance_grad", "tolerance_change"):
        checks.number(f"Invalid {name}", name, group[name])
    if group.get("rtol") is not None:
        value = group["rtol"]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"Invalid rtol: {value!r} (rtol must be a number, math.inf or None)")
        if not value >= 0:
            raise ValueError(
                f"Invalid rtol: {value} (rtol must be >= 0; math.inf leaves the absolute tolerances alone)"
            )
    for name in ("maximize", "reuse_eval"):
        if not isinstance(group.get(name, False), bool):
            raise TypeError(f"Invalid {name}: {group[name]!r} ({name} must be True or False)")
    search = group["line_search_fn"]
    if search is not None and search not in SEARCHES:
        allowed = ", ".join(map(repr, SEARCHES))
        raise ValueError(f"Invalid line_search_fn: {search!r} (line_search_fn must be None, {allowed})")
    if group.get("bounds") is not None:
        bounds = group["bounds"]
        if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
            raise TypeError(f"Invalid bounds: {bounds!r} (bounds must be a pair: lower, upper)")
        if search is None:
            raise ValueError("bounds need a line search: line_search_fn='strong_wolfe'")


def _count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"Invalid {name}: {value!r} ({name} must be an integer >= 1)")
    if value < 1:
        raise ValueError(f"Invalid {name}: {value} ({name} must be an integer >= 1)")


def check_same(groups: Sequence[Mapping[str, Any]]) -> None:
    """Refuse groups that differ in what concerns the whole problem.

    Raises:
        ValueError: they do.
    """
    for number, group in enumerate(groups):
        for name in SOLVER_OPTIONS:
            if group.get(name) != groups[0].get(name) and (group.get(name) or groups[0].get(name)):
                raise ValueError(
                    f"Invalid {name} in group {number}: {group.get(name)!r} ({name} concerns all parameters together: "
                    f"it must be the same in all groups, group 0 has {groups[0].get(name)!r}; lr and bounds may differ)"
                )


def bounds_of(group: Mapping[str, Any], number: int) -> list[tuple[Tensor, Tensor] | None]:
    """Lower and upper bounds of each parameter of a group, in its shape; None without any.

    Raises:
        TypeError, ValueError: they do not fit the parameters, or a lower bound is above an upper one.
    """
    params = group["params"]
    if group.get("bounds") is None:
        return [None] * len(params)
    sides = []
    for name, given, default in zip(("lower", "upper"), group["bounds"], (-math.inf, math.inf), strict=True):
        values = list(given) if isinstance(given, (list, tuple)) else [given] * len(params)
        if len(values) != len(params):
            raise ValueError(
                f"Invalid bounds of group {number}: {len(values)} {name} bounds for {len(params)} parameters"
            )
        sides.append([_full(value, p, name, number, default) for value, p in zip(values, params, strict=True)])
    for i, (low, high) in enumerate(zip(*sides, strict=True)):
        if not bool((low <= high).all()):
            raise ValueError(
                f"Invalid bounds of group {number}, parameter {i}: a lower bound is above an upper one, or NaN"
            )
    return list(zip(*sides, strict=True))


def _full(value: Any, p: Tensor, name: str, number: int, default: float) -> Tensor:
    if p.is_complex():
        raise ValueError(f"Invalid bounds of group {number}: complex parameters have no order")
    if value is None:
        value = default
    if not isinstance(value, (int, float, Tensor)):
        raise TypeError(
            f"Invalid bounds of group {number}: {value!r} (a {name} bound must be None, a number, a Tensor, or a list "
            "with one of these for each parameter)"
        )
    tensor = torch.as_tensor(value, dtype=p.dtype, device=p.device)
    try:
        return tensor.detach().expand(p.shape)
    except RuntimeError:
        raise ValueError(
            f"Invalid bounds of group {number}: a {name} bound of shape {tuple(tensor.shape)} does not fit a parameter "
            f"of shape {tuple(p.shape)}"
        ) from None
