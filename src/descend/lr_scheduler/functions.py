"""Functions in a state_dict: as plain data, where they can be written down as such.

torch keeps the attributes of callable objects and drops functions. Beside that, in an entry of its own, a function of a
module is kept by its name and a functools.partial of one by its name and plain arguments: no pickled code, so that
`torch.load(weights_only=True)` reads the checkpoint. When it is loaded, a name counts only if its module is loaded.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

from .rates import copied

_PLAIN = (int, float, bool, str, type(None))


def attributes(function: Any) -> dict[str, Any] | None:
    """What torch keeps: the attributes of a callable object; None for a function."""
    if isinstance(function, types.FunctionType) or not hasattr(function, "__dict__"):
        return None
    return dict(function.__dict__)


def written(function: Any) -> dict[str, Any] | None:
    """The function as plain data; None where it has no name to be found by, or other than plain arguments."""
    if isinstance(function, functools.partial):
        inner = written(function.func)
        values = [*function.args, *function.keywords.values()]
        if inner is None or "args" in inner or not all(isinstance(value, _PLAIN) for value in values):
            return None
        return {**inner, "args": list(function.args), "keywords": dict(function.keywords)}
    name, module = getattr(function, "__qualname__", ""), getattr(function, "__module__", None)
    if isinstance(function, type) or module is None or _found(module, name) is not function:
        return None
    return {"module": module, "name": name}


def _found(module: str, name: str) -> Any:
    """A name of a module that is loaded."""
    value: Any = sys.modules.get(module)
    for part in name.split("."):
        value = getattr(value, part, None)
    return value


def read(own: Any, kept: dict[str, Any] | None, data: dict[str, Any] | None) -> Any:
    """The function of a checkpoint: by name if it is found, else the scheduler's own with the attributes of the saved.

    Args:
        own: the function that the scheduler was constructed with.
        kept: what `attributes` returned.
        data: what `written` returned.
    """
    if data is not None:
        function = _found(data["module"], data["name"])
        if isinstance(function, (types.FunctionType, types.BuiltinFunctionType)):
            return functools.partial(function, *data["args"], **data["keywords"]) if "args" in data else function
    if kept is not None and hasattr(own, "__dict__") and not isinstance(own, types.FunctionType):
        own.__dict__.update(copied(kept))
    return own


def put(state: dict[str, Any], key: str, functions: Sequence[Callable[..., Any]]) -> None:
    """Write functions into a state: under `key` as torch does, under another one as plain data."""
    state[key] = [copied(attributes(function)) for function in functions]
    state[f"_{key}_written"] = [written(function) for function in functions]


def take(state: dict[str, Any], key: str, functions: Sequence[Callable[..., Any]]) -> list[Callable[..., Any]]:
    """Read them back, and remove both entries."""
    kept = state.pop(key, None) or [None] * len(functions)
    data = state.pop(f"_{key}_written", None) or [None] * len(functions)
    return [read(*every) for every in zip(functions, kept, data, strict=True)]
