"""`swap_in_optimizer_params_and_state`: other parameters and state for a while, as torch.optim has it since 2.13."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

_NAME = "swap_in_optimizer_params_and_state"


@contextlib.contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: torch.optim.Optimizer, swapin_parameters: Mapping[str, Tensor], swapin_optim_state: dict[str, Any]
) -> Iterator[None]:
    """Let an optimizer, of descend or of torch, work on other parameters and state; afterwards it is as it was.

    Unlike torch's, it also serves optimizers that have no state yet, plain SGD for example.

    Args:
        optimizer: hooks, step and everything else see the values swapped in.
        swapin_parameters: by name, in the order of the optimizer's parameters.
        swapin_optim_state: laid out as by `optimizer.state_dict()`. Tensors are changed in place; whatever else happens
            to the state meanwhile is lost.

    Raises:
        RuntimeError: parameters or state do not fit the optimizer's groups; it says how. Nothing is changed then.
    """
    state, groups = _checked(optimizer, list(swapin_parameters.values()), swapin_optim_state)
    before, originals = optimizer.state, [dict(group) for group in optimizer.param_groups]
    try:
        optimizer.state = defaultdict(dict)
        for group, (other, params) in zip(optimizer.param_groups, groups, strict=True):
            group.update({**other, "params": params})
            for param, number in zip(params, other["params"], strict=True):
                optimizer.state[param] = dict(state.get(number, {}))
        yield
    finally:
        for group, original in zip(optimizer.param_groups, originals, strict=True):
            group.clear()
            group.update(original)
        optimizer.state = before


def _checked(
    optimizer: torch.optim.Optimizer, tensors: list[Tensor], saved: Any
) -> tuple[dict[Any, Any], list[tuple[dict[str, Any], list[Tensor]]]]:
    """The state by number, and for every group its new options and parameters."""
    if not isinstance(saved, dict):
        raise RuntimeError(f"{_NAME} requires a DCP-style optimizer state_dict, got {type(saved).__name__}.")
    state, groups = saved.get("state"), saved.get("param_groups")
    if not isinstance(state, dict):
        raise RuntimeError(
            f"{_NAME} requires swapin_optim_state['state'] to be a dict mapping packed parameter ids to per-param "
            f"state dicts, got {type(state).__name__}."
        )
    if any(isinstance(key, Tensor) for key in state):
        raise RuntimeError(f"{_NAME} requires optimizer.state_dict()-style state keyed by packed parameter ids.")
    if not all(isinstance(entry, dict) for key, entry in state.items() if isinstance(key, int)):
        raise RuntimeError(f"{_NAME} requires per-parameter optimizer state entries to be dictionaries.")
    if not isinstance(groups, list):
        raise RuntimeError(
            f"{_NAME} requires swapin_optim_state['param_groups'] to be a list of param-group dicts, "
            f"got {type(groups).__name__}."
        )
    if len(groups) != len(optimizer.param_groups):
        raise RuntimeError(
            "swapin_optim_state has a different number of parameter groups than the live optimizer: "
            f"{len(groups)}, not {len(optimizer.param_groups)}."
        )
    result, used = [], 0
    for i, (group, other) in enumerate(zip(optimizer.param_groups, groups, strict=True)):
        numbers = _numbers(i, group, other)
        if used + len(numbers) > len(tensors):
            raise RuntimeError(
                f"{_NAME} requires the explicit parameter state to match optimizer.param_groups ordering: "
                f"{len(tensors)} tensors are too few for group {i}."
            )
        result.append((other, tensors[used : used + len(numbers)]))
        used += len(numbers)
    extra = set(state).difference(*(other["params"] for other in groups))
    if extra:
        raise RuntimeError(
            f"{_NAME} requires swapin_optim_state['state'] to be keyed only by packed parameter ids from "
            f"param_groups[*]['params']; got extra keys {sorted(extra, key=str)!r}."
        )
    return state, result


def _numbers(i: int, group: dict[str, Any], other: Any) -> list[int]:
    """The parameter numbers of a saved group, which must have the keys and the length of the live one."""
    if not isinstance(other, dict):
        raise RuntimeError(f"{_NAME} requires each optimizer param group to be a dictionary.")
    numbers = other.get("params")
    if not isinstance(numbers, list) or not all(isinstance(number, int) for number in numbers):
        raise RuntimeError(
            f"{_NAME} requires optimizer.state_dict()-style param_groups[*]['params'] entries keyed by packed "
            "parameter ids."
        )
    if len(numbers) != len(group["params"]):
        raise RuntimeError(
            f"swapin_optim_state param group {i} has a different number of params than the live optimizer param "
            f"group: {len(numbers)}, not {len(group['params'])}."
        )
    swapped, live = [key for key in other if key not in group], [key for key in group if key not in other]
    if swapped or live:
        raise RuntimeError(
            f"{_NAME} requires optimizer.state_dict()-style param group keys to exactly match the live optimizer group "
            f"keys for group {i}. Keys only in swap-in: {swapped}. Keys only in live: {live}."
        )
    return numbers
