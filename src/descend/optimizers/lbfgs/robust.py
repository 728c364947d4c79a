"""L-BFGS with a line search: the iteration, its stops, and what happens when a search fails.

Failures are met one after another: the lowest value seen along the direction is taken if it is below the iterate's;
at the noise floor a few steps may lead uphill by rounding errors, while the best point is kept; then the history is
dropped and the gradient tried; then it is over, at the best point.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from . import flat
from .result import LBFGSResult, Status
from .search import search
from .solver import Solver
from .trial import Options

UNSAFE_STEPS = 5  # in a row that may lead uphill at the noise floor
UNSAFE = 100.0  # how many times the noise of a loss they may lead uphill
PATIENCE = 8  # iterations without a new best loss or a gradient half as large
PROMISE = 1e-3  # share of the rounding error of the loss; a step that promises less, and gains nothing, is the last


def minimise(
    solver: Solver, options: Options, closure: Callable[[], Any], callback: Callable[[LBFGSResult], Any] | None
) -> Status:
    """Iterate until something says stop; the point left is the best one seen.

    Args:
        solver: f, gradient and products at x are known.
        options: of this call of `step`.
        closure: the user's.
        callback: called after each iteration; a true value stops.
    """
    if solver.largest == 0:
        return Status.CONVERGED_GRADIENT
    stops = Stops(solver, options)
    if stops.gradient_is_small():
        return Status.CONVERGED_GRADIENT
    try:
        while True:
            status = _iterate(solver, options, closure, stops)
            if status is None and callback is not None and callback(solver.result(Status.MAX_ITER)):
                status = Status.CALLBACK
            if status is None and solver.iterations >= options.max_iter:
                status = Status.MAX_ITER
            if status is None and solver.evals >= options.max_eval:
                status = Status.MAX_EVAL
            if status is not None:
                return status
    finally:
        stops.restore_best()


def _iterate(solver: Solver, options: Options, closure: Callable[[], Any], stops: Stops) -> Status | None:
    """One step, or the reason that there is none."""
    while True:
        history, box = solver.history, solver.box
        fresh = not history.order
        longest = math.inf
        t = options.lr
        if box is not None:
            t, longest = box.direct(solver, fresh, options.lr)
            if longest == 0.0:
                return Status.CONVERGED_GRADIENT
        elif fresh:
            length = solver.steepest()
            t = min(1.0, 1.0 / length) * options.lr
        else:
            solver.direct()
        solver.measure_direction()
        uphill_left = UNSAFE_STEPS - stops.unsafe
        found = search(solver, options, closure, t, UNSAFE * solver.noise if uphill_left > 0 else 0.0, longest)
        trial = found.trial
        if trial is not None and found.uphill and not found.noisy and not fresh and not stops.at_noise_floor(trial):
            trial = None
        if trial is not None:
            if found.uphill:
                stops.remember_best()
                stops.unsafe += 1
            before = solver.f
            solver.arrive(trial)
            solver.iterations += 1
            solver.n_iter += 1
            return stops.after(trial, before)
        solver.stay()
        if found.out_of_budget:
            return Status.MAX_EVAL
        if fresh:
            if not found.saw_finite and found.downhill:
                return Status.NONFINITE_STEP
            return Status.PRECISION if stops.promises_nothing() else Status.LINE_SEARCH_FAILED
        stops.note_promise()
        solver.forget()


class Stops:
    """The tests of one call of `step`, and the best point."""

    def __init__(self, solver: Solver, options: Options) -> None:
        self.solver, self.options = solver, options
        self.rtol = options.tolerance_change if options.rtol is None else options.rtol
        self.rtol_grad = options.tolerance_grad if options.rtol is None else options.rtol
        self.unsafe = self.small_changes = self.idle = 0
        self.lowest, self.smallest = solver.f, solver.largest
        self.promised = math.inf
        self.best_f: float | None = None
        self.best_largest = 0.0
        solver.largest_ever = max(solver.largest_ever, solver.largest)

    def gradient_is_small(self) -> bool:
        """Torch's test, and the same relative to the largest gradient."""
        largest = self.solver.largest
        return largest <= self.options.tolerance_grad and largest <= self.rtol_grad * self.solver.largest_ever

    def at_noise_floor(self, trial: Any) -> bool:
        """Whether the step promised no more than what rounding may hide."""
        solver = self.solver
        return 0.5 * trial.t * abs(float(trial.numbers[flat.SLOPE0])) <= UNSAFE * solver.noise

    def note_promise(self) -> None:
        """Remember what the quadratic model promised along a quasi-Newton direction whose search failed."""
        self.promised = 0.5 * abs(float(self.solver.read()[flat.SLOPE0]))

    def promises_nothing(self) -> bool:
        """Whether the model promised no more than rounding of the loss, and of the parameters, can hide."""
        solver = self.solver
        hidden = 10.0 * solver.eps * sum(float((b.g0 * b.x).abs().sum()) for b in solver.buckets)
        return min(self.promised, 0.5 * abs(float(solver.read()[flat.SLOPE0]))) <= solver.noise + hidden

    def after(self, trial: Any, before: float) -> Status | None:
        """Whether to stop after a step."""
        solver = self.solver
        f, largest = solver.f, solver.largest
        solver.largest_ever = max(solver.largest_ever, largest)
        size = max(abs(f), abs(before))
        change = abs(f - before)
        slope0 = float(trial.numbers[flat.SLOPE0])
        if self.gradient_is_small():
            return Status.CONVERGED_GRADIENT
        if largest == 0:
            return Status.CONVERGED_GRADIENT
        if change <= self.rtol * size and self.rtol > 0:
            self.small_changes += 1
            if self.small_changes == 2:
                return Status.CONVERGED_CHANGE
        else:
            self.small_changes = 0
        if f < self.lowest - solver.loss_eps * abs(self.lowest) or largest < 0.5 * self.smallest:
            self.idle = 0
        else:
            self.idle += 1
        if f < self.lowest:
            self.unsafe = 0
            self.best_f = None
        self.lowest, self.smallest = min(self.lowest, f), min(self.smallest, largest)
        promise = 0.5 * abs(slope0)  # of the quadratic model, whatever step was taken
        if self.idle >= (1 if promise <= PROMISE * solver.loss_eps * size else PATIENCE):
            return Status.PRECISION
        return None

    def remember_best(self) -> None:
        """Before a step uphill: keep x, unless a better point is kept already."""
        if self.best_f is None:
            self.best_f, self.best_largest = self.solver.f, self.solver.largest
            for bucket in self.solver.buckets:
                if bucket.best is None:
                    bucket.best = bucket.new(bucket.n)
                bucket.best.copy_(bucket.x)

    def restore_best(self) -> None:
        """Go back to the best point if the iterate is not it."""
        solver = self.solver
        if self.best_f is not None and self.best_f < solver.f:
            solver.f, solver.largest, solver.known = self.best_f, self.best_largest, False
            for bucket in solver.buckets:
                assert bucket.best is not None
                bucket.x.copy_(bucket.best)
            solver.stay()
