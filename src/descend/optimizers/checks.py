"""Checks of what users pass: each message names the argument, its value and what is allowed, in torch's words first."""

from __future__ import annotations

import difflib
import math
import sys
import warnings
from collections.abc import Iterable, Mapping
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

_NICKNAMES = {"learning_rate": "lr", "wd": "weight_decay", "mu": "momentum", "epsilon": "eps"}


def number(
    text: str, name: str, value: Any, below: float = math.inf, most: float = math.inf, tensor: bool = False
) -> None:
    """Refuse a hyperparameter that is not a finite number in [0, below) and [0, most].

    Args:
        text: torch's wording, followed by the value.
        name: the argument.
        value: a number, or a one-element Tensor if `tensor`.
        below: upper bound, exclusive.
        most: upper bound, inclusive.
        tensor: whether torch allows a Tensor here.

    Raises:
        TypeError: not a number.
        ValueError: out of range, NaN or infinite; or a Tensor of several elements.
    """
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ValueError(f"Tensor {name} must be 1-element, got shape {tuple(value.shape)}")
    allowed = (
        f"0 <= {name} < {below:g}"
        if below != math.inf
        else f"0 <= {name} <= {most:g}"
        if most != math.inf
        else "a finite number >= 0"
    )
    plain = _as_float(text, name, value, tensor)
    if not 0.0 <= plain < below or plain > most:
        raise ValueError(f"{text}: {value} ({name} must be {allowed})")


def finite(text: str, name: str, value: Any) -> None:
    """Refuse a hyperparameter that is not a finite number."""
    if not math.isfinite(_as_float(text, name, value, False)):
        raise ValueError(f"{text}: {value} ({name} must be a finite number)")


def _as_float(text: str, name: str, value: Any, tensor: bool) -> float:
    if type(value) is float:
        return value
    if isinstance(value, Tensor):
        return float(value.detach())
    if isinstance(value, (int, float)) or hasattr(value, "__float__"):
        return float(value)
    kinds = "a float or a one-element Tensor" if tensor else "a float"
    hint = ": wrap it in descend.schedules.Function" if isinstance(value, FunctionType) else ""
    raise TypeError(f"{text}: {value!r} ({name} must be {kinds}, got {type(value).__name__}{hint})")


def warn(message: str) -> None:
    """Warn where the user's own code called torch or descend."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("descend", "torch"):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


def betas(value: Any) -> None:
    """Refuse betas other than two numbers, or two one-element Tensors, in [0, 1)."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError(f"Invalid betas: {value!r} (betas must be a pair (beta1, beta2) with 0 <= beta < 1)")
    for i, beta in enumerate(value):
        if isinstance(beta, Tensor) and beta.numel() != 1:
            raise ValueError(f"Tensor betas[{i}] must be 1-element, got shape {tuple(beta.shape)}")
        number(f"Invalid beta parameter at index {i}", f"betas[{i}]", beta, below=1.0, tensor=True)
    if isinstance(value[0], Tensor) != isinstance(value[1], Tensor):
        raise ValueError(f"betas must be either both floats or both Tensors, got {value!r}")


def hints(fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
    """Refuse the combinations of implementation hints that torch refuses."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`: pass one of them")
    if fused and foreach:
        raise RuntimeError(
            "`fused` and `foreach` cannot be `True` together. Both are only hints here: pass one of them"
        )


def parameters(params: Any) -> list[Any]:
    """The first argument of every optimizer as a list.

    Raises:
        TypeError: a Tensor, a Module or something that cannot be iterated was passed.
        ValueError: it is empty.
    """
    text = "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
    if isinstance(params, Tensor):
        raise TypeError(text + torch.typename(params) + ": pass [tensor]")
    if isinstance(params, torch.nn.Module):
        raise TypeError(
            f"{text}the module {type(params).__name__}: pass module.parameters() or module.named_parameters()"
        )
    if isinstance(params, Mapping):
        raise TypeError(
            f"{text}a {type(params).__name__} with keys {list(params)[:3]}: for one parameter group pass [group], "
            "for a dict of named parameters pass its items()"
        )
    if not isinstance(params, Iterable):
        raise TypeError(text + torch.typename(params))
    result = list(params)
    if not result:
        raise ValueError("optimizer got an empty parameter list: is the model empty, or its parameters() used up?")
    return result


def group_keys(group: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse a key that looks like a misspelled option; other unknown keys are the user's own and stay."""
    known = list(known)
    for key in group:
        if isinstance(key, str) and key not in known and key not in ("params", "param_names"):
            low = key.lower()
            close = difflib.get_close_matches(low, known, 1, 0.85)
            meant = [_NICKNAMES[low]] if _NICKNAMES.get(low) in known else close
            if meant:
                raise ValueError(
                    f"parameter group has the unknown key {key!r}: did you mean {meant[0]!r}? "
                    f"(options: {', '.join(known)})"
                )


def tensors(params: list[Any], differentiable: bool) -> tuple[list[Tensor], list[str]]:
    """Split the entries of a group into tensors and names.

    Raises:
        TypeError: an entry is not a Tensor.
        ValueError: some have names and others do not; or a Tensor is not a leaf.
    """
    names = [entry[0] for entry in params if isinstance(entry, tuple)]
    found = [entry[1] if isinstance(entry, tuple) else entry for entry in params]
    if names and len(names) != len(found):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing "
            f"({len(found) - len(names)} of {len(found)})"
        )
    for i, tensor in enumerate(found):
        label = f"{names[i]!r}" if names else f"number {i}"
        if not isinstance(tensor, Tensor):
            hint = ": pass module.parameters()" if isinstance(tensor, torch.nn.Module) else ""
            kind = torch.typename(tensor)
            raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {kind} ({label}){hint}")
        if not differentiable and not (tensor.is_leaf or tensor.retains_grad):
            raise ValueError(f"can't optimize a non-leaf Tensor ({label}): it was computed from others; optimize those")
    return found, names
