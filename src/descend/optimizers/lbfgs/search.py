"""Along a direction: which step to evaluate next, which to accept, and what to do about NaN.

The interpolation is Moré and Thuente's or Hager and Zhang's. Accepted is what satisfies the strong Wolfe conditions,
or, where values differ by rounding only, Hager and Zhang's approximate ones, which rest on slopes. A trial that is not
finite makes the next one shorter and is never gone past again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from . import flat
from .hager_zhang import hager_zhang
from .more_thuente import DECREASE, Search, more_thuente
from .solver import Solver
from .trial import Options, Trial

CURVATURE = 0.9
APPROXIMATE = 0.8  # 1 - 2 delta with Hager and Zhang's delta of 0.1
MOST_TRIALS = 25
MOST_CONTRACTIONS = 30
ENOUGH = 5  # trials in a row that come no nearer to f0 from above
SEARCHES: dict[str, Callable[[float, float, float, float], Search]] = {
    "strong_wolfe": more_thuente,
    "more_thuente": more_thuente,
    "hager_zhang": hager_zhang,
}


class Found:
    """How a search ended.

    Attributes:
        trial: the accepted one, which is what the solver has evaluated last; None if there is none.
        uphill: its value is higher than that at 0, by no more than rounding errors allow.
        out_of_budget: there was no evaluation left.
        noisy: it was accepted against its value, which is within the noise that was seen.
        downhill: whether the direction led down.
        saw_finite: whether any trial was finite.
    """

    __slots__ = ("downhill", "noisy", "out_of_budget", "saw_finite", "trial", "uphill")

    def __init__(self) -> None:
        self.trial: Trial | None = None
        self.uphill = self.noisy = self.out_of_budget = self.saw_finite = False
        self.downhill = True


class _Line:
    """What is known of the loss along the direction.

    Attributes:
        kept: the best finite trial that was not accepted, its gradient held by the buckets.
        seen: all of those.
        excess: how far values were found above what slopes tell of, where no smooth function would be.
        idle: trials in a row that came no nearer to f0 from above.
    """

    def __init__(self, solver: Solver, slope0: float, allowance: float) -> None:
        self.solver, self.slope0, self.allowance = solver, slope0, allowance
        self.f0, self.noise = solver.f, solver.noise
        self.kept: Trial | None = None
        self.seen: list[Trial] = []
        self.excess, self.idle, self.nearest = 0.0, 0, math.inf

    def accepts(self, trial: Trial) -> bool:
        """Wolfe's conditions, or the approximate ones."""
        t, f, slope, f0, slope0 = trial.t, trial.f, trial.slope, self.f0, self.slope0
        if f > f0 and 1.5 * slope0 <= slope <= 0.5 * slope0:
            self.excess = max(self.excess, f - self.implied(trial))  # it fell at both ends
        if f <= f0 + DECREASE * t * slope0 and abs(slope) <= -CURVATURE * slope0:
            return True
        return f <= f0 + self.blur and CURVATURE * slope0 <= slope <= -APPROXIMATE * slope0

    @property
    def blur(self) -> float:
        """Differences of values that mean nothing."""
        return max(self.noise, min(self.allowance, self.excess))

    def implied(self, trial: Trial) -> float:
        """The value that slopes tell of."""
        return self.f0 + 0.5 * trial.t * (self.slope0 + trial.slope)

    def note(self, trial: Trial) -> float:
        """Remember a trial that was not accepted.

        Returns:
            Its value for interpolation: below the noise slopes say more than values.
        """
        f, f0 = trial.f, self.f0
        if f <= f0 + self.allowance and (self.kept is None or _better(trial, self.kept, self.noise)):
            self.kept = trial
            for bucket in self.solver.buckets:
                bucket.keep()
        self.seen.append(trial)
        if f < f0 or f - f0 < 0.5 * self.nearest:
            self.nearest, self.idle = max(f - f0, 0.0), 0
        else:
            self.idle += 1
        return self.implied(trial) if abs(f - f0) <= self.blur else f

    def useful(self) -> Trial | None:
        """The best trial if it is worth a step: lower, or at the noise floor and somewhere else."""
        kept = self.kept
        if kept is None or kept.f < self.f0:
            return kept
        return None if self.allowance == 0 or (kept.f == self.f0 and kept.slope == self.slope0) else kept

    def hidden_by_noise(self) -> Trial | None:
        """The trial that slopes recommend, if values differ by no more than their noise, as the shortest steps show it.

        A smooth function meets its tangent there; what is left is noise. (Wrong gradients and kinks leave ever less.)
        """
        if self.allowance == 0 or len(self.seen) < 3:
            return None
        f0, slope0 = self.f0, self.slope0
        shortest = sorted(self.seen, key=lambda trial: trial.t)[:3]
        noise = max(abs(trial.f - f0 - trial.t * slope0) for trial in shortest)
        fit = [
            trial
            for trial in self.seen
            if trial.f <= f0 + 3 * noise
            and abs(trial.slope) <= -CURVATURE * slope0
            and -0.5 * trial.t * slope0 <= 10 * noise
        ]
        return min(fit, key=lambda trial: abs(trial.slope), default=None)


def search(
    solver: Solver, options: Options, closure: Callable[[], Any], t: float, allowance: float, longest: float = math.inf
) -> Found:
    """Find a step along the solver's direction.

    Args:
        solver: with direction set and its numbers asked for.
        options: of this call of step.
        closure: the user's.
        t: first step to try.
        allowance: how much higher than f a value may be that is accepted when nothing lower is found.
        longest: step that must not be exceeded.
    """
    found = Found()
    line: _Line | None = None
    trials = contractions = 0
    base = 0.0  # the longest step below that was finite and not uphill
    limit = longest
    t = min(t, longest)
    while trials < MOST_TRIALS and contractions < MOST_CONTRACTIONS:
        if solver.evals >= options.max_eval:
            found.out_of_budget = True
            break
        trial = solver.evaluate(closure, t)
        if line is None:
            slope0 = float(trial.numbers[flat.SLOPE0])
            if not (slope0 < 0 and math.isfinite(slope0)):
                found.downhill = False
                return found
            line = _Line(solver, slope0, allowance)
            method = SEARCHES[options.line_search_fn or "strong_wolfe"](line.f0, slope0, t, line.noise)
            next(method)
        if not trial.finite:
            solver.nonfinite += 1
            contractions += 1
            limit = base + 0.95 * (t - base)
            t = base + (0.5 if found.saw_finite else 0.1) * (t - base)
            continue
        found.saw_finite = True
        trials += 1
        if line.accepts(trial):
            found.trial, found.uphill = trial, trial.f > line.f0
            return found
        value = line.note(trial)
        if trial.f <= line.f0 and base < t < limit:
            base = t
        if line.idle >= ENOUGH:
            break
        try:
            t = method.send((t, value, trial.slope, limit))
        except StopIteration:
            break
        if t == trial.t:
            break
    if line is not None:
        _settle(solver, options, closure, line, found, trial)
    return found


def _settle(
    solver: Solver, options: Options, closure: Callable[[], Any], line: _Line, found: Found, last: Trial
) -> None:
    """No trial was accepted: take the best of them if it is worth a step."""
    kept = line.useful()
    if kept is None and solver.evals < options.max_eval:
        again = line.hidden_by_noise()
        if again is not None:
            last = solver.evaluate(closure, again.t)
            found.noisy = True
            kept = last if last.finite else None
    if kept is None:
        return
    if last is not kept:
        for bucket in solver.buckets:
            bucket.recall(kept.t, solver.history.spare)
    found.trial, found.uphill = kept, kept.f >= line.f0


def _better(a: Trial, b: Trial, noise: float) -> bool:
    """Whether a is to be preferred: by its value, or where rounding blurs that, by its slope."""
    return a.f < b.f if abs(a.f - b.f) > noise else abs(a.slope) < abs(b.slope)
