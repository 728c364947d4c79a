"""The time a comparison may take: how long a step is, how much is left, when to stop."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median
from time import perf_counter

from ..contenders import Contender
from ..problem import Problem
from ..trial import Trial

WARM_UP = 3  # steps that also compile kernels and fill caches
MEASURED = 20
CHUNK = 4
MEASURING = 1.0  # seconds at most, for each optimizer
MARGIN = 1.15  # a plan is to fit even if steps turn out to be so much slower


class OutOfTime(Exception):
    """The budget is spent; what is recorded until now is the result."""


class Budget:
    """A hard limit, and what is known about the speed of every optimizer.

    Args:
        minutes: of everything, earlier parts of a resumed comparison included; None for no limit.
        spent: seconds that those parts took.
    """

    def __init__(self, minutes: float | None, spent: float = 0.0) -> None:
        self.seconds = math.inf if minutes is None else 60.0 * minutes
        self._begin = perf_counter() - spent
        self._measured: dict[str, float] = {}
        self._seen: dict[str, tuple[float, float]] = {}

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return perf_counter() - self._begin

    @property
    def left(self) -> float:
        """Seconds; negative once the time is up."""
        return self.seconds - self.elapsed

    @property
    def deadline(self) -> float | None:
        """As a value of time.perf_counter(); None for no limit."""
        return None if math.isinf(self.seconds) else self._begin + self.seconds

    def check(self) -> None:
        """Stop here if the time is up.

        Raises:
            OutOfTime: it is.
        """
        if self.left <= 0:
            raise OutOfTime

    def expect(self, label: str, seconds_per_step: float) -> None:
        """What was measured before the start."""
        self._measured[label] = seconds_per_step

    def note(self, label: str, steps: float, seconds: float) -> None:
        """What work has really taken, everything included."""
        before = self._seen.get(label, (0.0, 0.0))
        self._seen[label] = (before[0] + steps, before[1] + seconds)

    def seconds_for(self, label: str, steps: float) -> float:
        """How long so many steps of an optimizer will take: by what has been seen, or else by what was measured."""
        seen, seconds = self._seen.get(label, (0.0, 0.0))
        if seen >= MEASURED:
            return steps * seconds / seen
        return steps * self._measured.get(label, 0.0)


def measure(problem: Problem, contender: Contender, lr: float, seed: int, steps: int) -> float:
    """Seconds per step of a full run, from its first steps and one look at the held-out data, shared out.

    Args:
        problem: what is trained.
        contender: with what.
        lr: a rate at which little can go wrong.
        seed: of the run, which is thrown away.
        steps: of a full run.
    """
    trial = Trial(problem, contender, lr, seed, total_steps=steps)
    trial.run(1)  # may load and compile, which says nothing of the others
    end = perf_counter() + MEASURING
    trial.run(min(WARM_UP, steps), end)
    begin = perf_counter()
    problem.evaluate(trial.model if trial.status != "failed" else problem.new_model(seed))
    look = perf_counter() - begin
    first = trial.step
    beside: list[float] = []
    goal = first + min(MEASURED, steps)
    while trial.status == "unfinished" and trial.step < goal and (not beside or perf_counter() < end):
        before, looks, trained, begin = trial.step, len(trial.evaluations), trial.seconds, perf_counter()
        trial.run(min(goal, before + CHUNK), max(end, begin + 0.1))
        wall = perf_counter() - begin - look * (len(trial.evaluations) - looks)
        if trial.step > before:
            beside.append(max(0.0, wall - (trial.seconds - trained)) / (trial.step - before))
    if not beside:  # one step is longer than we measure, or nothing runs at all
        return trial.seconds / max(1, trial.step)
    # Kernels are compiled and libraries loaded when they are first needed: a median does not mind a few such steps.
    points = trial.losses[-(trial.step - first) - 1 :]
    paces = [(b.seconds - a.seconds) / (b.step - a.step) for a, b in pairwise(points)]
    return (median(paces) if paces else trial.seconds / trial.step) + median(beside) + look * LOOKS / steps


LOOKS = 16
"""How often a full run looks at held-out data: ten times, and at the ends of three rungs."""
