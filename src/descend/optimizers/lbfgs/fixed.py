"""L-BFGS without a line search, step for step as torch.optim.LBFGS.

It has torch's step lengths, its stops, and its last move, which is not evaluated. The one thing added is that a move to
where the loss is not finite is taken back and made shorter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .result import LBFGSResult, Status
from .solver import Solver
from .trial import Options

MOST_CONTRACTIONS = 30


def minimise(
    solver: Solver, options: Options, closure: Callable[[], Any], callback: Callable[[LBFGSResult], Any] | None
) -> Status:
    """Iterate until something says stop.

    Args:
        solver: f, gradient and products at x are known.
        options: of this call of `step`.
        closure: the user's.
        callback: called after each iteration; a true value stops.
    """
    if solver.largest <= options.tolerance_grad:
        return Status.CONVERGED_GRADIENT
    while True:
        solver.iterations += 1
        solver.n_iter += 1
        t = options.lr
        history = solver.history
        if solver.n_iter == 1 or (solver.restarted and not history.order):
            solver.steepest()
            total = sum(float(bucket.g0.abs().sum()) for bucket in solver.buckets)
            t *= min(1.0, 1.0 / total)
        else:
            solver.direct()
        solver.restarted = False
        dd, slope = solver.direction_numbers()
        if not slope <= -options.tolerance_change:
            return Status.CONVERGED_CHANGE if slope <= 0 else Status.PRECISION
        solver.t, before = t, solver.f
        if solver.iterations == options.max_iter:
            for bucket in solver.buckets:
                bucket.move(t)
                bucket.arrive()
            solver.pending, solver.known, solver.pending_length = True, False, math.sqrt(dd)
            status = Status.MAX_ITER
            if callback is not None and callback(solver.result(status, False)):
                status = Status.CALLBACK
            return status
        status_or_none = _move(solver, options, closure, t)
        if status_or_none is not None:
            return status_or_none
        if callback is not None and callback(solver.result(Status.MAX_ITER)):
            return Status.CALLBACK
        if solver.evals >= options.max_eval:
            return Status.MAX_EVAL
        if solver.largest <= options.tolerance_grad:
            return Status.CONVERGED_GRADIENT
        longest = max(float(bucket.d.abs().max()) for bucket in solver.buckets)
        if solver.t * longest <= options.tolerance_change or abs(solver.f - before) < options.tolerance_change:
            return Status.CONVERGED_CHANGE


def _move(solver: Solver, options: Options, closure: Callable[[], Any], t: float) -> Status | None:
    """Move by t d, or by less where that is not finite."""
    for _ in range(MOST_CONTRACTIONS):
        if solver.evals >= options.max_eval:
            solver.stay()
            return Status.MAX_EVAL
        trial = solver.evaluate(closure, t)
        if trial.finite:
            solver.arrive(trial)
            return None
        solver.nonfinite += 1
        t *= 0.1
    solver.stay()
    solver.forget()
    solver.restarted = True
    return Status.NONFINITE_STEP
