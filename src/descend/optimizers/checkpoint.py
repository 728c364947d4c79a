"""Loading checkpoints: of descend and of torch.optim, by name where both sides have names, all or nothing."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim.optimizer import _get_scalar_dtype

from ..engines.eager import is_exact
from ..storage.kept import load_kept
from . import keeping
from .common import KEPT, UNUSED
from .scheduled import COUNT
from .scheduling import resume

if TYPE_CHECKING:
    from .base import Optimizer

_CONSTANT = frozenset({float, int, bool, str, type(None)})


@contextlib.contextmanager
def without_orphans(optimizer: Optimizer) -> Iterator[None]:
    """Meanwhile the optimizer holds no state of tensors that are in none of its groups: torch cannot number them."""
    known = {id(p) for group in optimizer.param_groups for p in group["params"]}
    orphans = [p for p in optimizer.state if isinstance(p, Tensor) and id(p) not in known]
    kept = {p: optimizer.state.pop(p) for p in orphans}
    try:
        yield
    finally:
        optimizer.state.update(kept)


def load(optimizer: Optimizer, state_dict: dict[str, Any]) -> None:
    """See `Optimizer.load_state_dict`."""
    state_dict = state_dict.copy()
    for before in optimizer._optimizer_load_state_dict_pre_hooks.values():
        result = before(optimizer, state_dict)
        if result is not None:
            state_dict = result
    groups, saved = optimizer.param_groups, _copied(state_dict["param_groups"])
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
    with torch.no_grad():
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
    for group, other in zip(groups, saved, strict=True):
        if other.get("state_dtype") is not None and group.get("state_dtype") is None:
            _widen(optimizer, group["params"], state)
        for name in KEPT:  # how state is kept is this optimizer's own: the next step converts
            other.pop(name, None)
            if name in group:
                other[name] = group[name]
    resume(optimizer, saved, state)
    _check(optimizer, saved)
    optimizer.__setstate__({"state": state, "param_groups": saved})
    for after in optimizer._optimizer_load_state_dict_post_hooks.values():
        after(optimizer)


def _widen(optimizer: Optimizer, params: list[Tensor], state: dict[Any, Any]) -> None:
    """Buffers that were kept in low precision become what torch would hold; codes are left to the next step."""
    for p in params:
        for name in optimizer.rule.buffers:
            held = state.get(p, {})
            if isinstance(held.get(name), Tensor) and keeping.scale_key(name) not in held:
                held[name] = held[name].to(p.dtype)


def as_torch(optimizer: Optimizer, state_dict: dict[str, Any]) -> dict[str, Any]:
    """A state dict as torch.optim would write it: buffers of plain numbers, and no option that torch has not."""
    known = {key: param for param, key in _numbered(optimizer).items()}
    buffers, state = optimizer.rule.buffers, {}
    for key, entries in state_dict["state"].items():
        plain = dict(entries)
        for name in (*map(keeping.scale_key, buffers), *keeping.REST.values()):
            plain.pop(name, None)
        for name, buffer in buffers.items():
            words = entries.get(keeping.scale_key(name))
            if isinstance(words, Tensor):
                plain[name] = load_kept(keeping.kind_now(entries[name], words, buffer), entries[name], words)
            elif name in entries and key in known and entries[name].dtype != known[key].dtype:
                plain[name] = entries[name].to(known[key].dtype)
        state[key] = plain
    ours = (*UNUSED, keeping.DRAWS, COUNT)
    groups = [{k: v for k, v in group.items() if k not in ours} for group in state_dict["param_groups"]]
    return {**state_dict, "state": state, "param_groups": groups}


def _numbered(optimizer: Optimizer) -> dict[Tensor, int]:
    """Parameters with their numbers in a state dict."""
    params = dict.fromkeys(p for group in optimizer.param_groups for p in group["params"])
    return {p: i for i, p in enumerate(params)}


def _is_constant(value: Any) -> bool:
    """Whether a copy of the value would be the value itself; the common kinds only, since deepcopy knows them all."""
    return type(value) in _CONSTANT or (type(value) is tuple and all(type(v) in _CONSTANT for v in value))


def _copied(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Groups whose values may be changed without changing the checkpoint; a Tensor that several share stays shared."""
    memo: dict[int, Any] = {}
    return [
        {
            key: list(value) if key == "params" else value if _is_constant(value) else deepcopy(value, memo)
            for key, value in group.items()
        }
        for group in groups
    ]


def _check(optimizer: Optimizer, saved: list[dict[str, Any]]) -> None:
    """Refuse bad values, once for all groups whose options are equal."""
    options, known = {**optimizer.defaults, **optimizer._later_options}, set()
    for group in saved:
        full = {**options, **group}
        try:
            values = tuple([value for key, value in full.items() if key not in ("params", "param_names")])
            if values in known:
                continue
            known.add(values)
        except TypeError:  # a list among them
            pass
        optimizer._check_options(full)


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
    required, shapes = optimizer._expected_state(param)
    for key in required:
        if key not in saved and saved:
            raise ValueError(
                f"loaded state dict has no {key!r} for parameter {name}, only {sorted(map(str, saved))}: "
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
        elif key in optimizer.rule.memory:  # torch's loading casts these to the parameter's dtype
            result[key] = value.to(dtype=_get_scalar_dtype(group.get("fused")), device=param.device, copy=True)
        elif key in shapes:
            if value.shape != shapes[key]:
                raise ValueError(
                    f"loaded state dict does not fit parameter {name}: {key!r} has shape {tuple(value.shape)} "
                    f"in the checkpoint, the parameter has shape {tuple(param.shape)}"
                    + (f", which needs {tuple(shapes[key])}" if shapes[key] != param.shape else "")
                )
            result[key] = (
                _like(param, value) if value.shape == param.shape else value.detach().to(param.device, copy=True)
            )
        elif value.shape == param.shape:
            result[key] = _like(param, value)
        else:
            result[key] = value.detach().to(param.device, copy=True)
    return result


def _like(param: Tensor, value: Tensor) -> Tensor:
    """A copy of the value in the parameter's layout, which kernels can then run through."""
    if is_exact(param) and is_exact(value) and value.layout == torch.strided:
        if value.stride() == param.stride() and value.device == param.device and not value.is_complex():
            return value.clone()
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
