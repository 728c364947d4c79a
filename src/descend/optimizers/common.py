"""Options that every optimizer takes beside torch's: absent from groups and checkpoints unless they are used."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..engines.job import NO_GUARD, Guard
from . import keeping

if TYPE_CHECKING:
    import torch
    from typing_extensions import TypedDict

    class Common(TypedDict, total=False):
        """Keyword-only options of every optimizer; see `descend.Optimizer`."""

        engine: str
        clip_grad_norm: float | None
        clip_grad_value: float | None
        nonfinite: str
        stats: bool
        state_dtype: str | torch.dtype | Mapping[str, str | torch.dtype] | None
        rounding: str | None
        master: str | None
        seed: int


# Value of an option that is not used.
UNUSED: dict[str, Any] = {
    "clip_grad_norm": None,
    "clip_grad_value": None,
    "nonfinite": "propagate",
    "stats": False,
    "state_dtype": None,
    "rounding": None,
    "master": None,
    "seed": 0,
}
# Those that concern all gradients of a step together: equal in all groups.
SHARED = ("clip_grad_norm", "nonfinite", "stats")
# How things are kept: an optimizer's own say counts when a checkpoint is loaded.
KEPT = ("state_dtype", "rounding", "master")
_NONFINITE = ("propagate", "skip", "raise")


def show_in_signature(cls: type) -> None:
    """Name the options in the signature of a class that takes them as `**common`, for help() and editors."""
    function = cls.__dict__.get("__init__")
    if function is None or "common" not in function.__code__.co_varnames:
        return
    parameters = list(inspect.signature(function).parameters.values())
    if parameters[-1].name == "common" and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD:
        options = {"engine": "auto", **UNUSED}
        parameters[-1:] = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value) for name, value in options.items()
        ]
        function.__signature__ = inspect.Signature(parameters)


def used(cls: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given a value of their own.

    Raises:
        TypeError: there is no such option.
    """
    for name in options:
        if name not in UNUSED:
            close = difflib.get_close_matches(name, [*UNUSED, "engine"], 1)
            hint = f": did you mean {close[0]!r}?" if close else f" (options of every optimizer: {', '.join(UNUSED)})"
            raise TypeError(f"{cls.__name__}() got an unexpected keyword argument {name!r}{hint}")
    return {name: value for name, value in options.items() if not _is(value, UNUSED[name])}


def _is(value: Any, unused: Any) -> bool:
    return value is unused or (type(value) is type(unused) and isinstance(unused, (str, int)) and bool(value == unused))


def check(group: Mapping[str, Any], buffers: Collection[str]) -> None:
    """Refuse values that are not allowed.

    Args:
        group: a parameter group.
        buffers: names of the state that may be kept in low precision.

    Raises:
        ValueError: the message names the option, its value and what is allowed.
    """
    for name in ("clip_grad_norm", "clip_grad_value"):
        value = group.get(name)
        if value is not None and not (
            isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf
        ):
            raise ValueError(f"Invalid {name}: {value!r} ({name} must be a finite number >= 0, or None)")
    if group.get("nonfinite", "propagate") not in _NONFINITE:
        raise ValueError(
            f"Invalid nonfinite: {group['nonfinite']!r} (nonfinite must be {', '.join(map(repr, _NONFINITE))})"
        )
    if not isinstance(group.get("stats", False), bool):
        raise ValueError(f"Invalid stats: {group['stats']!r} (stats must be True or False)")

    _one_of(group, "rounding", (None, "stochastic", "kahan"))
    _one_of(group, "master", (None, "split"))
    if group.get("rounding") is not None and group.get("master") is not None:
        raise ValueError(
            f"Invalid rounding: {group['rounding']!r} "
            "(rounding must be None with master='split', which keeps every bit)"
        )
    seed = group.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError(f"Invalid seed: {seed!r} (seed must be an integer)")
    keeping.check_state_dtype(group.get("state_dtype"), buffers)


def _one_of(group: Mapping[str, Any], name: str, allowed: tuple[Any, ...]) -> None:
    value = group.get(name)
    if value not in allowed:
        raise ValueError(f"Invalid {name}: {value!r} ({name} must be {', '.join(map(repr, allowed))})")


def complete(defaults: dict[str, Any], groups: Sequence[dict[str, Any]]) -> None:
    """Where one group uses an option, the others hold it, too."""
    keys: set[Any] = set().union(*groups) & UNUSED.keys()
    for name in keys - defaults.keys():
        defaults[name] = UNUSED[name]
    for name in UNUSED.keys() & defaults.keys():
        for group in groups:
            group.setdefault(name, defaults[name])


def guard(groups: Sequence[Mapping[str, Any]]) -> Guard:
    """What is asked of all gradients together.

    Raises:
        ValueError: groups differ in it.
    """
    if not any(name in groups[0] for name in SHARED):
        return NO_GUARD
    values = {name: groups[0].get(name, UNUSED[name]) for name in SHARED}
    for number, group in enumerate(groups):
        for name, value in values.items():
            if group.get(name, UNUSED[name]) != value:
                raise ValueError(
                    f"Invalid {name} in group {number}: {group.get(name)!r} ({name} concerns all gradients together: "
                    f"it must be the same in all groups, group 0 has {value!r})"
                )
    norm = values["clip_grad_norm"]
    return Guard(None if norm is None else float(norm), values["nonfinite"], values["stats"])
