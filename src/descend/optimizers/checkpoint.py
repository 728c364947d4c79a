"""Loading checkpoints: of descend and of torch.optim, by name where both sides have names, all or nothing."""

from __future__ import annotations

from collections import defaultdict
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim.optimizer import _get_scalar_dtype

from ..engines.eager import is_exact

if TYPE_CHECKING:
    from .base import Optimizer


def load(optimizer: Optimizer, state_dict: dict[str, Any]) -> None:
    """See `Optimizer.load_state_dict`."""
    state_dict = state_dict.copy()
    for before in optimizer._optimizer_load_state_dict_pre_hooks.values():
        result = before(optimizer, state_dict)
        if result is not None:
            state_dict = result
    groups, saved = optimizer.param_groups, deepcopy(state_dict["param_groups"])
    if len(groups) != len(saved):
        raise ValueError(
            "loaded state dict has a different number of parameter groups "
            f"({len(saved)} in the checkpoint, {len(groups)} in the optimizer)"
        )
    for i, (group, other) in enumerate(zip(groups, saved, strict=True)):
        if len(group["params"]) != len(other["params"]):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group "
                f"(group {i}: {len(other['params'])} parameters in the checkpoint, "
                f"{len(group['params'])} in the optimizer)"
            )
    targets = _match(groups, saved)
    state: defaultdict[Any, Any] = defaultdict(dict)
    for key, value in state_dict["state"].items():
        if key in targets:
            param, group, name = targets[key]
            state[param] = _state(optimizer, param, group, name, value)
        else:
            state[key] = value
    for group, other in zip(groups, saved, strict=True):
        other["params"] = group["params"]
        if "param_names" in group:
            other["param_names"] = group["param_names"]
        checked = {**optimizer.defaults, **optimizer._later_options, **other}
        optimizer._check_group(checked)
    optimizer.__setstate__({"state": state, "param_groups": saved})
    for after in optimizer._optimizer_load_state_dict_post_hooks.values():
        after(optimizer)


def _match(groups: list[dict[str, Any]], saved: list[dict[str, Any]]) -> dict[Any, tuple[Tensor, dict[str, Any], str]]:
    """For each parameter id of the checkpoint: the parameter, its group as saved, and its name for messages."""
    by_name = all("param_names" in group for group in (*groups, *saved))
    found: dict[Any, tuple[Tensor, dict[str, Any], str]] = {}
    if not by_name:
        for number, (group, other) in enumerate(zip(groups, saved, strict=True)):
            names = group.get("param_names") or [f"group {number}, parameter {i}" for i in range(len(group["params"]))]
            for key, param, name in zip(other["params"], group["params"], names, strict=True):
                found.setdefault(key, (param, other, name))
        return found
    ids = {name: key for other in saved for name, key in zip(other["param_names"], other["params"], strict=True)}
    ours = {name for group in groups for name in group["param_names"]}
    if ours != set(ids):
        lacks, extra = sorted(ours - set(ids)), sorted(set(ids) - ours)
        raise ValueError(
            "loaded state dict has other parameter names: "
            f"not in the checkpoint: {lacks[:5]}, only in the checkpoint: {extra[:5]}. Rename them in a "
            "load_state_dict pre-hook, or delete 'param_names' from the checkpoint's groups to load by position"
        )
    for group, other in zip(groups, saved, strict=True):
        for name, param in zip(group["param_names"], group["params"], strict=True):
            found[ids[name]] = (param, other, name)
    return found


def _state(optimizer: Optimizer, param: Tensor, group: dict[str, Any], name: str, saved: Any) -> Any:
    """One parameter's state: copied, on the parameter's device and in its layout, in the dtype it was saved in."""
    if not isinstance(saved, dict):
        return deepcopy(saved)
    buffers = optimizer.rule.buffers
    lacks = [key for key, buffer in buffers.items() if buffer.when is None and key not in saved]
    if saved and lacks:
        raise ValueError(
            f"loaded state dict has no {lacks[0]!r} for parameter {name}, only {sorted(map(str, saved))}: "
            f"is it the checkpoint of another optimizer than {type(optimizer).__name__}?"
        )
    result: dict[Any, Any] = {}
    for key, value in saved.items():
        if not isinstance(value, Tensor):
            result[key] = deepcopy(value)
        elif key == "step":
            on_device = group.get("capturable") or group.get("fused")
            result[key] = (
                value.to(dtype=torch.float32, device=param.device, copy=True) if on_device else value.detach().clone()
            )
        elif key in buffers:
            if value.shape != param.shape:
                raise ValueError(
                    f"loaded state dict does not fit parameter {name}: {key!r} has shape {tuple(value.shape)} "
                    f"in the checkpoint, the parameter has shape {tuple(param.shape)}"
                )
            result[key] = _like(param, value)
        else:
            result[key] = value.detach().to(param.device, copy=True)
    return result


def _like(param: Tensor, value: Tensor) -> Tensor:
    if is_exact(param) and is_exact(value) and value.layout == torch.strided:
        with torch.no_grad():
            return torch.empty_like(
                param, dtype=value.dtype, memory_format=torch.preserve_format, requires_grad=False
            ).copy_(value)
    return value.detach().to(param.device, copy=True)


def numbers_as_tensors(optimizer: Optimizer) -> None:
    """Old checkpoints hold step counts as Python numbers; make them tensors, as torch does."""
    for group in optimizer.param_groups:
        for param in group["params"]:
            state = optimizer.state.get(param)
            for key in optimizer.rule.numbers:
                if state and not isinstance(state.get(key), Tensor):
                    device = param.device if group.get("capturable") or group.get("fused") else "cpu"
                    dtype = _get_scalar_dtype(group.get("fused"))
                    first = optimizer.rule.memory.get(key, 0.0)
                    value = state.get(key, group[first] if isinstance(first, str) else first)
                    state[key] = torch.tensor(float(value), dtype=dtype, device=device)
