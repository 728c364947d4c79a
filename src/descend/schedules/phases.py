"""Schedules of several phases that belong together: one cycle, cosines with restarts, warm-up, plateau and decay."""

from __future__ import annotations

import math
from dataclasses import dataclass

from . import checks
from .base import Schedule
from .shapes import between, half_cosine


@dataclass(frozen=True)
class OneCycle(Schedule):
    r"""Up to a peak and down to almost nothing, once, over `steps` steps: torch's OneCycleLR.

    With :math:`u = \max(\text{pct\_start} \cdot \text{steps} - 1, 0)` and :math:`d = \text{steps} - 1`, from
    peak / div_factor at step 0 up to peak at step u, and down to peak / div_factor / final_div_factor at step d, the
    last of the run; it stays there. With three_phase down to peak / div_factor at step 2u, and further down from there.
    A phase of no length is left out.

    Args:
        peak: the largest value.
        steps: number of steps of the whole cycle, > 0.
        pct_start: share of the cycle that is spent going up, in [0, 1]; at most 0.5 with three_phase.
        div_factor: peak / first value, > 0.
        final_div_factor: first / last value, > 0.
        anneal_strategy: "cos" or "linear".
        three_phase: go down as fast as up, and then to the last value.

    Raises:
        ValueError: an argument is not as above.

    Example:
        >>> from descend.schedules import OneCycle
        >>> cycle = OneCycle(1.0, 8, pct_start=0.5, div_factor=4.0, final_div_factor=1.0, anneal_strategy="linear")
        >>> [round(value, 4) for value in cycle(range(9))]
        [0.25, 0.5, 0.75, 1.0, 0.8125, 0.625, 0.4375, 0.25, 0.25]

    Source: Smith & Topin 2017, arXiv:1708.07120, with the defaults and the phases of torch.
    """

    peak: float
    steps: float
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    anneal_strategy: str = "cos"
    three_phase: bool = False

    def __post_init__(self) -> None:
        checks.value(self, "peak")
        checks.steps(self, "steps", positive=True)
        most = 0.5 if self.three_phase else 1.0
        checks.value(self, "pct_start", f"a number in [0, {most:g}]", lambda number: 0 <= number <= most)
        for name in ("div_factor", "final_div_factor"):
            checks.value(self, name, "a finite number > 0", lambda number: number > 0)
        checks.choice(self, "anneal_strategy", ("cos", "linear"))
        checks.put(self, "three_phase", bool(self.three_phase))

    def at(self, step: float) -> float:
        """The value at a step >= 0."""
        first = self.peak / self.div_factor
        last = first / self.final_div_factor
        top, end = max(self.pct_start * self.steps - 1, 0.0), max(self.steps - 1, 0)
        if step <= top:
            return self._between(first, self.peak, 0.0, top, step)
        if self.three_phase:
            middle = max(2 * self.pct_start * self.steps - 2, 0.0)
            if step <= middle:
                return self._between(self.peak, first, top, middle, step)
            return self._between(first, last, middle, end, step)
        return self._between(self.peak, last, top, end, step)

    def _between(self, start: float, end: float, begin: float, finish: float, step: float) -> float:
        """On the way from one value to another, which it takes from step `begin` to step `finish`."""
        if step >= finish:
            return end
        n = finish - begin
        way = half_cosine if self.anneal_strategy == "cos" else between
        return way(start, end, (step - begin) / n, (finish - step) / n)

    def _span(self) -> float:
        return 1.05 * self.steps


@dataclass(frozen=True)
class CosineRestarts(Schedule):
    r"""Half periods of a cosine, again and again from `start`, each `factor` times as long as the one before.

    .. math::
        \text{end} + (\text{start} - \text{end}) \frac{1 + \cos(\pi\, t_i / T_i)}{2}, \quad
        T_i = \text{steps} \cdot \text{factor}^i

    with :math:`t_i` the steps since restart i. It never reaches `end`: the step that would is the first of the next.

    Args:
        start: value after each restart.
        end: value that each period comes down to.
        steps: length of the first period, > 0.
        factor: >= 1; how much longer each period is than the one before.

    Raises:
        ValueError: a value is NaN or infinite, `steps` not positive, or `factor` less than 1.

    Example:
        >>> from descend.schedules import CosineRestarts
        >>> [round(value, 4) for value in CosineRestarts(1.0, 0.0, steps=2, factor=2)(range(7))]
        [1.0, 0.5, 1.0, 0.8536, 0.5, 0.1464, 1.0]

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983 (SGDR), eq. 5.
    """

    start: float
    end: float
    steps: float
    factor: float = 1

    def __post_init__(self) -> None:
        checks.value(self, "start")
        checks.value(self, "end")
        checks.steps(self, "steps", positive=True)
        checks.value(self, "factor", "a finite number >= 1", lambda number: number >= 1)

    def at(self, step: float) -> float:
        """The value at a step >= 0."""
        begin, length = self._period(step)
        t = step - begin
        return half_cosine(self.start, self.end, t / length, (length - t) / length)

    def _period(self, step: float) -> tuple[float, float]:
        """First step and length of the period that a step is in, without going through those before it."""
        n, q = self.steps, self.factor
        if q == 1:
            t = step % n
            return step - t, n
        i = max(int(math.log1p(step / n * (q - 1)) / math.log(q)), 0)
        # The logarithm may be off by a rounding error where a period begins.
        if self._begin(i) > step:
            i -= 1
        elif self._begin(i + 1) <= step:
            i += 1
        begin = self._begin(i)
        return begin, self._begin(i + 1) - begin

    def _begin(self, i: int) -> float:
        """The step of restart i: steps (factor^i - 1) / (factor - 1)."""
        q = self.factor
        if q.is_integer() and isinstance(self.steps, int):
            q = int(q)
            before: int = (q**i - 1) // (q - 1)
            return self.steps * before
        return self.steps * math.expm1(i * math.log(q)) / (q - 1)

    def _span(self) -> float:
        return self._begin(3) if self.factor > 1 else 3 * self.steps


@dataclass(frozen=True)
class WarmupStableDecay(Schedule):
    r"""A linear warm-up, a plateau that can be as long as the run, and a decay at its end.

    .. math::
        \text{peak} \cdot \begin{cases} (t + 1) / w & t < w \\ 1 & t < w + s \\
        \text{from 1 to end / peak} & t < w + s + d \end{cases}

    Args:
        peak: value on the plateau.
        warmup_steps: w >= 0; the first step has peak / w, the last of the warm-up all of it.
        stable_steps: s >= 0.
        decay_steps: d >= 0; 0: `end` at once.
        end: value from step w + s + d on.
        decay: shape of the decay, with x from 0 to 1 the share of it that is over and y what is left of peak - end:
            "linear" (y = 1 - x), "cosine" (y = (1 + cos(pi x)) / 2) or "sqrt" (y = 1 - sqrt(x)).

    Raises:
        ValueError: a value is NaN or infinite, a number of steps negative, or `decay` not one of these.

    Example:
        >>> from descend.schedules import WarmupStableDecay
        >>> WarmupStableDecay(1.0, 2, 3, 4)(range(10))
        [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]

    Source: Hu et al. 2024, arXiv:2404.06395 (MiniCPM), eq. 1; Haegele et al. 2024, arXiv:2405.18392, for 1 - sqrt.
    """

    peak: float
    warmup_steps: float
    stable_steps: float
    decay_steps: float
    end: float = 0.0
    decay: str = "linear"

    def __post_init__(self) -> None:
        checks.value(self, "peak")
        for name in ("warmup_steps", "stable_steps", "decay_steps"):
            checks.steps(self, name)
        checks.value(self, "end")
        checks.choice(self, "decay", ("linear", "cosine", "sqrt"))

    def at(self, step: float) -> float:
        """The value at a step >= 0."""
        if step < self.warmup_steps:
            return self.peak * min((step + 1) / self.warmup_steps, 1.0)
        t, n = step - self.warmup_steps - self.stable_steps, self.decay_steps
        if t < 0:
            return self.peak
        if t >= n:
            return self.end
        if self.decay == "cosine":
            return half_cosine(self.peak, self.end, t / n, (n - t) / n)
        if self.decay == "sqrt":
            x = math.sqrt(t / n)
            return between(self.peak, self.end, x, (n - t) / n / (1 + x))
        return between(self.peak, self.end, t / n, (n - t) / n)

    def _span(self) -> float:
        return 1.05 * (self.warmup_steps + self.stable_steps + self.decay_steps) or 1
