"""Checks of arguments: messages name the scheduler, the argument, its value and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any


def number(
    owner: object,
    name: str,
    value: Any,
    allowed: str = "a finite number",
    accept: Callable[[float], bool] | None = None,
) -> None:
    """Refuse what is no finite number (a Tensor of one element is one), or is not accepted.

    Raises:
        TypeError: not a number.
        ValueError: NaN, infinite, or not accepted.
    """
    if isinstance(value, (str, bytes, bool, complex)) or not hasattr(value, "__float__"):
        raise TypeError(text(owner, name, value, f"{allowed}, not {type(value).__name__}"))
    found = float(value)
    if not math.isfinite(found) or (accept is not None and not accept(found)):
        raise ValueError(text(owner, name, value, allowed))


def whole(owner: object, name: str, value: Any, least: int, prefix: str = "") -> None:
    """Refuse what is no whole number of at least `least`; floats like 10.0 are whole.

    Args:
        owner: the scheduler under construction.
        name: of the argument.
        value: of the argument.
        least: the smallest value that is allowed.
        prefix: torch's words, where it has some, to come first.
    """
    if isinstance(value, (str, bytes, bool, complex)) or not hasattr(value, "__float__"):
        kind = ValueError if prefix else TypeError
        raise kind(prefix + text(owner, name, value, f"a whole number >= {least}, not {type(value).__name__}"))
    if not math.isfinite(float(value)) or value < least or value != int(value):
        raise ValueError(prefix + text(owner, name, value, f"a whole number >= {least}"))


def choice(owner: object, name: str, value: Any, allowed: Sequence[str], prefix: str = "") -> None:
    """Refuse a word that is not among those allowed."""
    if value not in allowed:
        raise ValueError(prefix + text(owner, name, repr(value), " or ".join(map(repr, allowed))))


def numbers(owner: object, name: str, values: Iterable[Any], allowed: str, accept: Callable[[float], bool]) -> None:
    """Refuse a list, one value for each group, if one of them is refused by `number`."""
    for i, value in enumerate(values):
        number(owner, f"{name}[{i}]", value, allowed, accept)


def text(owner: object, name: str, value: Any, allowed: str) -> str:
    """The message."""
    argument = name.split("[", maxsplit=1)[0]
    return f"Invalid {name} of {type(owner).__name__}: {value} ({argument} must be {allowed})"
