"""Checks of a schedule's arguments: each message names the schedule, the argument, its value and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any


def put(schedule: object, name: str, value: object) -> None:
    """Set a field of a frozen dataclass, during its construction."""
    object.__setattr__(schedule, name, value)


def _refuse(kind: type[Exception], schedule: object, name: str, value: object, allowed: str) -> Exception:
    text = str(value) if isinstance(value, (int, float)) else f"{value!r}"
    return kind(f"Invalid {name} of {type(schedule).__name__}: {text} ({name} must be {allowed})")


def _as_number(schedule: object, name: str, value: Any, allowed: str) -> float:
    """The argument as a Python number: an int where it is whole and was not meant as a value."""
    if type(value) is float or type(value) is int:
        return value
    if isinstance(value, (bool, str, bytes, complex)) or not hasattr(value, "__float__"):
        raise _refuse(TypeError, schedule, name, value, f"{allowed}, not {type(value).__name__}")
    try:
        return float(value)
    except (TypeError, ValueError) as error:  # an array of several elements, for example
        raise _refuse(TypeError, schedule, name, value, f"{allowed}, not {type(value).__name__}") from error


def value(
    schedule: object,
    name: str,
    allowed: str = "a finite number",
    accept: Callable[[float], bool] = lambda number: True,
) -> None:
    """Refuse a field that is not a finite number, or not accepted; keep it as a float.

    Args:
        schedule: a frozen dataclass under construction.
        name: the field.
        allowed: what is accepted, in words.
        accept: whether a number is.

    Raises:
        TypeError: not a number.
        ValueError: NaN, infinite, or not accepted.
    """
    given = getattr(schedule, name)
    number = _as_number(schedule, name, given, allowed)
    if not (_is_finite(number) and accept(number)):
        raise _refuse(ValueError, schedule, name, given, allowed)
    put(schedule, name, float(number))


def steps(schedule: object, name: str, positive: bool = False) -> None:
    """Refuse a field that is not a number of steps, finite and >= 0 (> 0 if `positive`); keep it, whole ones as an int.

    Raises:
        TypeError: not a number.
        ValueError: NaN, infinite or negative; or 0, if `positive`.
    """
    put(schedule, name, step_number(schedule, name, getattr(schedule, name), positive))


def step_number(schedule: object, name: str, given: Any, positive: bool = False) -> float:
    """A number of steps as `steps` keeps it."""
    allowed = f"a number of steps {'>' if positive else '>='} 0"
    number = _as_number(schedule, name, given, allowed)
    if not _is_finite(number) or number < 0 or (positive and number == 0):
        raise _refuse(ValueError, schedule, name, given, allowed)
    return int(number) if number == int(number) else number


def milestones(schedule: object, ordered: bool) -> None:
    """Refuse `milestones` that are not numbers of steps, or not in order if they must be; keep a tuple of them."""
    given = schedule.milestones  # type: ignore[attr-defined]
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise _refuse(TypeError, schedule, "milestones", given, "a sequence of numbers of steps")
    found = tuple([step_number(schedule, f"milestones[{i}]", number) for i, number in enumerate(given)])
    if ordered and any(a > b for a, b in pairwise(found)):
        raise _refuse(ValueError, schedule, "milestones", found, "in increasing order")
    put(schedule, "milestones", tuple(sorted(found)))


def choice(schedule: object, name: str, allowed: tuple[str, ...]) -> None:
    """Refuse a field that is none of the words."""
    given = getattr(schedule, name)
    if given not in allowed:
        raise _refuse(ValueError, schedule, name, given, " or ".join(map(repr, allowed)))


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an int beyond the range of floats
        return False
