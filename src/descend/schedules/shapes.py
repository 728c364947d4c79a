"""The simple shapes: from one value to another, powers of a factor, the inverse square root."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

from . import checks
from .base import Schedule


def between(start: float, end: float, share: float, rest: float) -> float:
    """The value that is `share` of the way from start to end; `rest` is 1 - share, computed with as little error.

    Counted from the nearer end, so that both ends are met exactly and small values near them are precise.
    """
    return start + (end - start) * share if share <= rest else end + (start - end) * rest


def half_cosine(start: float, end: float, x: float, rest: float) -> float:
    """From start (x = 0) to end (x = 1) along half a period of a cosine; `rest` is 1 - x.

    (1 - cos(pi x)) / 2 is written as sin^2(pi x / 2), which keeps its digits where the cosine is close to 1.
    """
    return between(start, end, math.sin(math.pi / 2 * x) ** 2, math.sin(math.pi / 2 * rest) ** 2)


def power(base: float, exponent: float) -> float:
    """The power of a base >= 0; infinity where it is too large for a float."""
    try:
        return float(base**exponent)
    except OverflowError:
        return math.inf


@dataclass(frozen=True)
class Linear(Schedule):
    r"""A straight line.

    .. math:: \text{start} + (\text{end} - \text{start}) \min(t / \text{steps}, 1)

    Args:
        start: value at step 0.
        end: value from step `steps` on.
        steps: number of steps on the way, >= 0; 0: `end` at once.

    Raises:
        ValueError: a value is NaN or infinite, or `steps` negative.

    Example:
        >>> from descend.schedules import Linear
        >>> Linear(1.0, 0.0, steps=4)(range(6))
        [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """

    start: float
    end: float
    steps: float

    def __post_init__(self) -> None:
        checks.value(self, "start")
        checks.value(self, "end")
        checks.steps(self, "steps")

    def at(self, step: float) -> float:
        """The value at a step >= 0."""
        n = self.steps
        return self.end if step >= n else between(self.start, self.end, step / n, (n - step) / n)

    def _span(self) -> float:
        return 1.1 * self.steps or 1


@dataclass(frozen=True)
class Cosine(Schedule):
    r"""Half a period of a cosine, once; it stays at `end`.

    .. math:: \text{end} + (\text{start} - \text{end}) \frac{1 + \cos(\pi \min(t / \text{steps}, 1))}{2}

    Args:
        start: value at step 0.
        end: value from step `steps` on.
        steps: number of steps on the way, >= 0; 0: `end` at once.

    Raises:
        ValueError: a value is NaN or infinite, or `steps` negative.

    Example:
        >>> from descend.schedules import Cosine
        >>> [round(value, 4) for value in Cosine(1.0, 0.0, steps=4)(range(6))]
        [1.0, 0.8536, 0.5, 0.1464, 0.0, 0.0]

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5, without restarts; see :class:`CosineRestarts`.
    """

    start: float
    end: float
    steps: float

    def __post_init__(self) -> None:
        checks.value(self, "start")
        checks.value(self, "end")
        checks.steps(self, "steps")

    def at(self, step: float) -> float:
        """The value at a step >= 0."""
        n = self.steps
        return self.end if step >= n else half_cosine(self.start, self.end, step / n, (n - step) / n)

    def _span(self) -> float:
        return 1.1 * self.steps or 1


@dataclass(frozen=True)
class Polynomial(Schedule):
    r"""A power of the share of steps that are left.

    .. math:: \text{end} + (\text{start} - \text{end}) (1 - \min(t / \text{steps}, 1))^{\text{power}}

    Args:
        start: value at step 0.
        end: value from step `steps` on.
        steps: number of steps on the way, >= 0; 0: `end` at once.
        power: > 0; 1 is a straight line.

    Raises:
        ValueError: a value is NaN or infinite, `steps` negative, or `power` not positive.

    Example:
        >>> from descend.schedules import Polynomial
        >>> Polynomial(1.0, 0.0, steps=4, power=2.0)(range(6))
        [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """

    start: float
    end: float
    steps: float
    power: float = 1.0

    def __post_init__(self) -> None:
        checks.value(self, "start")
        checks.value(self, "end")
        checks.steps(self, "steps")
        checks.value(self, "power", "a finite number > 0", lambda number: number > 0)

    def at(self, step: float) -> float:
        """The value at a step >= 0."""
        n = self.steps
        if step >= n:
            return self.end
        rest = ((n - step) / n) ** self.power
        return between(self.start, self.end, 1 - rest, rest)

    def _span(self) -> float:
        return 1.1 * self.steps or 1


def _factor(schedule: Schedule) -> None:
    checks.value(schedule, "gamma", "a finite number >= 0", lambda number: number >= 0)


@dataclass(frozen=True)
class Exponential(Schedule):
    r"""A constant factor per `every` steps, applied smoothly; :class:`Step` applies it all at once.

    .. math:: \text{start} \cdot \text{gamma}^{t / \text{every}}

    Args:
        start: value at step 0.
        gamma: factor, >= 0.
        every: number of steps, > 0, in which the value changes by that factor.

    Raises:
        ValueError: a value is NaN or infinite, `gamma` negative, or `every` not positive.

    Example:
        >>> from descend.schedules import Exponential
        >>> Exponential(1.0, gamma=0.25, every=2)(range(5))
        [1.0, 0.5, 0.25, 0.125, 0.0625]
    """

    start: float
    gamma: float
    every: float = 1

    def __post_init__(self) -> None:
        checks.value(self, "start")
        _factor(self)
        checks.steps(self, "every", positive=True)

    def at(self, step: float) -> float:
        """The value at a step >= 0."""
        return self.start * power(self.gamma, step / self.every)

    def _span(self) -> float:
        """Until 1 % is left, or a hundredfold is reached."""
        rate = abs(math.log(self.gamma)) if self.gamma > 0 else math.inf
        return min(self.every * max(1.0, math.log(100) / rate), 1e9) if rate else 10 * self.every


@dataclass(frozen=True)
class Step(Schedule):
    r"""Steps down by a factor, every so many steps.

    .. math:: \text{start} \cdot \text{gamma}^{\lfloor t / \text{every} \rfloor}

    Args:
        start: value until step `every`.
        every: number of steps between two changes, > 0.
        gamma: factor, >= 0.

    Raises:
        ValueError: a value is NaN or infinite, `gamma` negative, or `every` not positive.

    Example:
        >>> from descend.schedules import Step
        >>> Step(1.0, every=2, gamma=0.5)(range(6))
        [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """

    start: float
    every: float
    gamma: float = 0.1

    def __post_init__(self) -> None:
        checks.value(self, "start")
        checks.steps(self, "every", positive=True)
        _factor(self)

    def at(self, step: float) -> float:
        """The value at a step >= 0."""
        return self.start * power(self.gamma, step // self.every)

    def _span(self) -> float:
        return 4 * self.every


@dataclass(frozen=True)
class MultiStep(Schedule):
    r"""Steps down by a factor at given steps.

    .. math:: \text{start} \cdot \text{gamma}^{\#\{m \in \text{milestones}: m \le t\}}

    Args:
        start: value until the first milestone.
        milestones: steps at which the value changes, >= 0, in any order; one that is there twice counts twice.
        gamma: factor, >= 0.

    Raises:
        ValueError: a value is NaN or infinite, a milestone or `gamma` negative.

    Example:
        >>> from descend.schedules import MultiStep
        >>> MultiStep(1.0, milestones=[2, 3], gamma=0.5)(range(5))
        [1.0, 1.0, 0.5, 0.25, 0.25]
    """

    start: float
    milestones: tuple[float, ...]
    gamma: float = 0.1

    def __post_init__(self) -> None:
        checks.value(self, "start")
        checks.milestones(self, ordered=False)
        _factor(self)

    def at(self, step: float) -> float:
        """The value at a step >= 0."""
        return self.start * power(self.gamma, bisect_right(self.milestones, step))

    def _span(self) -> float:
        return 1.25 * self.milestones[-1] if self.milestones and self.milestones[-1] else 100


@dataclass(frozen=True)
class InverseSqrt(Schedule):
    r"""A linear warm-up, then one over the square root of the step: the schedule of the Transformer.

    .. math:: \text{peak} \cdot \min\left(\frac{t + 1}{n}, \sqrt{\frac{n}{t + 1}}\right) \text{ with n = warmup\_steps}

    Args:
        peak: the largest value, at step `warmup_steps` - 1.
        warmup_steps: number of steps of the warm-up, > 0; 1: none.

    Raises:
        ValueError: `peak` is NaN or infinite, or `warmup_steps` not positive.

    Example:
        >>> from descend.schedules import InverseSqrt
        >>> InverseSqrt(1.0, warmup_steps=4)([0, 1, 2, 3, 15, 63])
        [0.25, 0.5, 0.75, 1.0, 0.5, 0.25]

    Source: Vaswani et al. 2017, arXiv:1706.03762, eq. 3, where peak = d_model^-0.5 warmup_steps^-0.5.
    """

    peak: float
    warmup_steps: float

    def __post_init__(self) -> None:
        checks.value(self, "peak")
        checks.steps(self, "warmup_steps", positive=True)

    def at(self, step: float) -> float:
        """The value at a step >= 0."""
        n, t = self.warmup_steps, step + 1
        return self.peak * (t / n if t < n else math.sqrt(n / t))

    def _span(self) -> float:
        return 10 * self.warmup_steps
