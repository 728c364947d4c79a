"""How schedules are put together: constants, functions, one after another, with a ramp before, multiplied."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from . import checks
from .base import Schedule


@dataclass(frozen=True)
class Constant(Schedule):
    """The same value at every step.

    Args:
        value: a finite number.

    Raises:
        ValueError: it is NaN or infinite.

    Example:
        >>> from descend.schedules import Constant
        >>> Constant(0.1)(123)
        0.1
    """

    value: float

    def __post_init__(self) -> None:
        checks.value(self, "value")

    def at(self, step: float) -> float:
        """The value."""
        return self.value

    def _span(self) -> float:
        return 100


@dataclass(frozen=True)
class Function(Schedule):
    """Any Python function of the step as a schedule; `function(step)` must depend on nothing but the step.

    Args:
        function: takes the step, a number >= 0, and returns a number.

    Raises:
        TypeError: it cannot be called; or, when the schedule is evaluated, it returned something that is no number.

    Pickles, compares and hashes as the function does: use a function of a module for what is to be pickled.

    Example:
        >>> from descend.schedules import Function
        >>> Function(lambda step: 0.1 / (1 + step / 100)).warmup(10)(110)
        0.05
    """

    function: Callable[[float], float]

    def __post_init__(self) -> None:
        if not callable(self.function):
            kind = type(self.function).__name__
            raise TypeError(f"Invalid function of Function: {self.function!r} (function must be callable, not {kind})")

    def at(self, step: float) -> float:
        """What the function returns, as a float."""
        value = self.function(step)
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{self!r} returned {value!r} at step {step}, which is not a number") from error


@dataclass(frozen=True, repr=False)
class Piecewise(Schedule):
    """Several schedules, one after another; `.then` makes these.

    Args:
        parts: schedules, numbers (which are held) or functions of the step: one more than milestones.
        milestones: the steps at which the second, the third, ... part takes over, in increasing order. Each part starts
            with its own step 0. A part between two equal milestones is left out.

    Raises:
        ValueError: milestones are not in order, or not one fewer than parts.
        TypeError: a part is none of these.

    `parts[i](step - milestones[i - 1])`, where i is the number of milestones <= step. O(log parts).

    Example:
        >>> from descend.schedules import Linear, Piecewise
        >>> schedule = Piecewise([0.1, 0.01, Linear(0.01, 0.0, steps=2)], milestones=[2, 4])
        >>> schedule(range(7))
        [0.1, 0.1, 0.01, 0.01, 0.01, 0.005, 0.0]
        >>> schedule
        Constant(value=0.1).then(0.01, after=2).then(Linear(start=0.01, end=0.0, steps=2), after=4)
    """

    parts: tuple[Schedule, ...]
    milestones: tuple[float, ...]

    def __post_init__(self) -> None:
        checks.milestones(self, ordered=True)
        checks.put(self, "parts", tuple(map(as_schedule, self.parts)))
        if len(self.parts) != len(self.milestones) + 1:
            raise ValueError(
                f"Invalid milestones of Piecewise: {self.milestones} (there must be one fewer than parts, of which "
                f"there are {len(self.parts)})"
            )

    def at(self, step: float) -> float:
        """The value at a step >= 0."""
        i = bisect_right(self.milestones, step)
        return self.parts[i].at(step - self.milestones[i - 1] if i else step)

    def _span(self) -> float:
        return (self.milestones[-1] if self.milestones else 0) + self.parts[-1]._span()

    def __repr__(self) -> str:
        first, *others = self.parts
        text = first._written() if others else f"Piecewise(({first!r},), ())"
        for part, after in zip(others, self.milestones, strict=True):
            text += f".then({part.value if isinstance(part, Constant) else part!r}, after={after})"
        return text


@dataclass(frozen=True, repr=False)
class Warmup(Schedule):
    """A linear ramp to the value a schedule starts with, and then the schedule: see :meth:`Schedule.warmup`.

    Args:
        schedule: what to ramp up to.
        steps: length of the ramp, > 0.
    """

    schedule: Schedule
    steps: float

    def at(self, step: float) -> float:
        """The value at a step >= 0."""
        if step >= self.steps:
            return self.schedule.at(step - self.steps)
        return self.schedule.at(0) * min((step + 1) / self.steps, 1.0)

    def _span(self) -> float:
        return self.steps + self.schedule._span()

    def __repr__(self) -> str:
        return f"{self.schedule._written()}.warmup({self.steps})"


@dataclass(frozen=True, repr=False)
class Product(Schedule):
    """The product of schedules, each at the same step: `schedule * schedule`, `schedule * number`, `number * schedule`.

    Args:
        factors: two or more schedules; a number is a :class:`Constant`.
    """

    factors: tuple[Schedule, ...]

    def at(self, step: float) -> float:
        """The value at a step >= 0."""
        return math.prod([factor.at(step) for factor in self.factors])

    def _span(self) -> float:
        moving = [factor._span() for factor in self.factors if not isinstance(factor, Constant)]
        return max(moving, default=self.factors[0]._span())

    def __repr__(self) -> str:
        first, *others = self.factors
        texts = [repr(factor.value) if isinstance(factor, Constant) else repr(factor) for factor in others]
        return " * ".join([repr(first), *texts])

    def _written(self) -> str:
        return f"({self!r})"


def as_schedule(value: Schedule | float | Callable[[float], float]) -> Schedule:
    """A schedule itself, a number as a :class:`Constant`, a function of the step as a :class:`Function`.

    Raises:
        TypeError: it is none of these.
        ValueError: a number is NaN or infinite.
    """
    if isinstance(value, Schedule):
        return value
    if callable(value):
        return Function(value)
    if isinstance(value, (bool, str, bytes)) or not hasattr(value, "__float__"):
        raise TypeError(
            f"Invalid schedule: {value!r} (it must be a Schedule, a number or a function of the step, "
            f"not {type(value).__name__})"
        )
    return Constant(value)
