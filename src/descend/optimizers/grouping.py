"""`optimizer.add_param_group`, a group checked as a whole before it is added, and `optimizer.zero_grad`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import optimizer as torch_optimizer

from . import checks, common, scheduling

if TYPE_CHECKING:
    from .base import Optimizer


def add(optimizer: Optimizer, param_group: dict[str, Any]) -> None:
    """See `Optimizer.add_param_group`."""
    if not isinstance(param_group, dict):
        raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
    if "params" not in param_group:
        raise KeyError(f"params: a parameter group needs the key 'params', got {list(param_group)}")
    group = dict(param_group)
    params = group["params"]
    if isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but "
            "the ordering of tensors in sets will change between runs. Please use a list instead."
        )
    if isinstance(params, torch.nn.Module):
        checks.parameters(params)
    entries = [params] if isinstance(params, Tensor) else list(params)
    found, names = checks.tensors(entries, bool(optimizer.defaults.get("differentiable")))
    group["params"] = found
    if names:
        group["param_names"] = names
    for name, default in optimizer.defaults.items():
        if default is torch_optimizer.required and name not in group:
            raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
        group.setdefault(name, default)
    checks.group_keys(group, [*optimizer.defaults, *common.UNUSED])
    scheduling.enlist(optimizer, param_group, group)
    optimizer._check_options(group)
    unique = set(found)
    if len(unique) != len(found):
        checks.warn(
            "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; "
            "see github.com/pytorch/pytorch/issues/40967 for more information"
        )
    if optimizer.param_groups and ("param_names" in group) != ("param_names" in optimizer.param_groups[0]):
        raise ValueError(
            "all optimizer param groups should be with/without names. cannot add param group "
            f"{'with' if names else 'without'} names to the optimizer"
        )
    seen = optimizer._seen if optimizer._seen is not None else {p for g in optimizer.param_groups for p in g["params"]}
    if not seen.isdisjoint(unique):
        raise ValueError("some parameters appear in more than one parameter group")
    seen |= unique
    untrained = [i for i, p in enumerate(found) if not p.requires_grad and not isinstance(p, torch.nn.Parameter)]
    if untrained and not optimizer.defaults.get("differentiable"):
        which = ", ".join(repr(names[i]) if names else f"number {i} {tuple(found[i].shape)}" for i in untrained[:5])
        checks.warn(f"tensors that need no gradient were given to {type(optimizer).__name__}: {which}")
    optimizer.param_groups.append(group)
    if not optimizer.defaults.keys() >= common.UNUSED.keys() & group.keys():
        common.complete(optimizer.defaults, optimizer.param_groups)


def zero_grad(optimizer: Optimizer, set_to_none: bool) -> None:
    """See `Optimizer.zero_grad`."""
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p.grad is not None:
                if set_to_none:
                    p.grad = None
                else:
                    if p.grad.grad_fn is not None:
                        p.grad.detach_()
                    else:
                        p.grad.requires_grad_(False)
                    p.grad.zero_()
