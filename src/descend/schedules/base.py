"""What every schedule can do.

A schedule is a frozen dataclass and a pure function of the step: step 0 is the first step of the optimizer, and any
step is computed directly, without the ones before it. So there is nothing to save, to resume or to get out of step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Schedule:
    """Base of all schedules: a function of the step that prints, compares, hashes, pickles, composes and draws itself.

    A schedule of your own is a frozen dataclass with a method `at`; for a plain function see :class:`Function`.

    Example:
        >>> from dataclasses import dataclass
        >>> from descend.schedules import Schedule
        >>> @dataclass(frozen=True)
        ... class Reciprocal(Schedule):
        ...     start: float
        ...     def at(self, step):
        ...         return self.start / (1 + step)
        >>> schedule = Reciprocal(0.5).warmup(4)
        >>> schedule([0, 1, 2, 3, 4, 5])
        [0.125, 0.25, 0.375, 0.5, 0.5, 0.25]
    """

    __array_ufunc__ = None  # numpy.float64(2) * schedule asks the schedule instead of making an array of it

    def at(self, step: float) -> float:
        """The value at one step >= 0, an int or a float. Subclasses give this; to evaluate, call the schedule."""
        raise NotImplementedError

    @overload
    def __call__(self, step: float) -> float: ...
    @overload
    def __call__(self, step: Sequence[float]) -> list[float]: ...
    @overload
    def __call__(self, step: Any) -> Any: ...
    def __call__(self, step: Any) -> Any:
        """The value at a step, or at each of several.

        Args:
            step: a number >= 0, whole or not; 0 is the first step of the optimizer. Or a list, a tuple or a range of
                them, a NumPy array or a torch Tensor.

        Returns:
            A float; for a list, tuple or range a list; for an array or a Tensor the same in float64, with its shape
            and on its device.

        Raises:
            ValueError: a step is negative or NaN.
            TypeError: it is not a number.
        """
        if type(step) is int or type(step) is float:
            if step >= 0:
                return self.at(step)
            raise ValueError(f"Invalid step: {step} (a step must be a number >= 0; 0 is the first)")
        from .arrays import each

        return each(self, step)

    def then(self, other: Schedule | float | Callable[[float], float], *, after: float) -> Schedule:
        """This schedule before step `after`, and another one from there on, which starts with its own step 0.

        Args:
            other: a schedule; or a number, which is held; or a function of the step.
            after: for how many steps this schedule is in force, counted from its own beginning.

        Returns:
            `self(step)` for step < after, `other(step - after)` else.

        Raises:
            ValueError: `after` is negative, NaN or infinite.

        Example:
            >>> from descend.schedules import Constant, Linear
            >>> Constant(0.1).then(Linear(0.1, 0.0, steps=2), after=3)([0, 2, 3, 4, 5, 6])
            [0.1, 0.1, 0.1, 0.05, 0.0, 0.0]
        """
        from . import checks
        from .composed import Piecewise, as_schedule

        number = checks.step_number(self, "after", after)
        parts, milestones = (self.parts, self.milestones) if isinstance(self, Piecewise) else ((self,), ())
        kept = sum(1 for milestone in milestones if milestone < number)  # later parts would never be reached
        return Piecewise((*parts[: kept + 1], as_schedule(other)), (*milestones[:kept], number))

    def warmup(self, steps: float) -> Schedule:
        """A linear ramp to the value that this schedule starts with, before it starts.

        The ramp takes its own steps: whatever this schedule does, it does `steps` steps later. There is no step with a
        rate of 0: the first one has 1/steps of the starting value, the last one all of it.

        Args:
            steps: length of the ramp; 0 leaves the schedule as it is.

        Returns:
            `self(0) * (step + 1) / steps` for step < steps, `self(step - steps)` else.

        Raises:
            ValueError: `steps` is negative, NaN or infinite.

        Example:
            >>> from descend.schedules import Linear
            >>> Linear(1.0, 0.0, steps=2).warmup(4)([0, 1, 2, 3, 4, 5, 6])
            [0.25, 0.5, 0.75, 1.0, 1.0, 0.5, 0.0]
        """
        from . import checks
        from .composed import Warmup

        number = checks.step_number(self, "warmup", steps)
        return Warmup(self, number) if number else self

    def __mul__(self, other: Schedule | float) -> Schedule:
        from .composed import Constant, Product

        if not isinstance(other, Schedule):
            if isinstance(other, (bool, str, bytes)) or not hasattr(other, "__float__"):
                return NotImplemented
            other = Constant(other)
        left = self.factors if isinstance(self, Product) else (self,)
        right = other.factors if isinstance(other, Product) else (other,)
        return Product((*left, *right))

    __rmul__ = __mul__

    def plot(
        self, steps: float | None = None, *, axes: Axes | None = None, label: str | None = None, file: Any = None
    ) -> Axes:
        """Draw the value over the step. Needs matplotlib.

        Args:
            steps: how many steps to draw; by default all until the schedule stays as it is, or enough to see its shape.
            axes: matplotlib axes to draw on, those of another schedule for example; by default those of a new figure.
            label: of the curve, for a legend; None: no legend.
            file: where to save the figure (a path, whose suffix chooses the format, or a file); None: nowhere.

        Returns:
            The axes; their `.figure` is the picture.

        Raises:
            ImportError: matplotlib is not installed.
            ValueError: `steps` is not a number > 0.
        """
        from . import checks
        from .plots import draw

        number = checks.step_number(self, "plot", self._span() if steps is None else steps, positive=True)
        return draw(self, number, axes, label, file)

    def _span(self) -> float:
        """How many steps a picture shows if nobody says."""
        return 1000

    def _written(self) -> str:
        """Its text where a method is called on it."""
        return repr(self)
