"""Solvers under one roof: each minimises a problem, and every evaluation it makes is recorded in float64.

A run is judged by what it evaluated, not by what the solver says about itself. The budget is exact: the evaluation
after the last one allowed is refused, whatever limit the solver was given.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from lbfgs_problems import Problem
from torch import Tensor

import descend


class BudgetSpent(Exception):
    """The run has had all its evaluations."""


class Recorder:
    """The objective of a problem in one dtype, counting its evaluations and keeping their values in float64."""

    def __init__(self, problem: Problem, dtype: torch.dtype, budget: int) -> None:
        self.problem = problem
        self.dtype = dtype
        self.budget = budget
        self.values: list[float] = []
        self.seen: list[float] = []  # the same as the solver gets them
        self.infeasible = 0

    def __call__(self, x: Tensor) -> Tensor:
        """The objective at `x` for autograd.

        Raises:
            BudgetSpent: instead of one evaluation too many.
        """
        if len(self.values) >= self.budget:
            raise BudgetSpent
        f = self.problem.fun(x)
        self.seen.append(f.item())
        self.values.append(self.seen[-1] if x.dtype == torch.float64 else self.problem.value(x))
        if self.problem.bounds is not None:
            lower, upper = self.problem.bounds
            if not bool(((x.detach() >= lower) & (x.detach() <= upper)).all()):
                self.infeasible += 1
                self.values[-1] = math.inf  # a value from out of bounds solves nothing
        return f


@dataclass(frozen=True)
class Trace:
    """What one run did.

    Attributes:
        values: the objective at every point it evaluated, in float64 and in order.
        final: the objective at the point it left behind; NaN where that point is not finite.
        worse: whether that is NaN, or higher than the lowest value it saw, both in the dtype it works in.
        status: what the solver said at the end.
        infeasible: how many of the evaluated points were out of bounds.
        target: of the problem's minima the one it ended at; None where none is known.
        gaps: how much of the way to it was left at each evaluation.
    """

    problem: Problem = field(repr=False)
    values: tuple[float, ...] = field(repr=False)
    final: float
    status: str
    worse: bool
    infeasible: int = 0

    @property
    def best(self) -> float:
        """The lowest finite value it saw."""
        return min((v for v in self.values if math.isfinite(v)), default=math.nan)

    @property
    def evaluations(self) -> int:
        """How many there were."""
        return len(self.values)

    def reached(self, tau: float) -> int | None:
        """How many evaluations until the gap was at most `tau`; None if it never was."""
        target = self.problem.target(self.best)
        start = self.problem.value(self.problem.start)
        limit = target + tau * (start - target)
        return next((count for count, v in enumerate(self.values, start=1) if v <= limit), None)

    @property
    def gap(self) -> float:
        """The gap at the best point."""
        return self.problem.gap(self.best, self.problem.target(self.best))


Solver = Callable[[Problem, torch.dtype, int], Trace]


def parameter(problem: Problem, dtype: torch.dtype) -> Tensor:
    """The start as a leaf of that dtype."""
    return problem.start.to(dtype).clone().requires_grad_()


def closure_of(recorder: Recorder, x: Tensor) -> Callable[[], Tensor]:
    """What `step` is called with."""

    def closure() -> Tensor:
        x.grad = None
        f = recorder(x)
        f.backward()
        return f

    return closure


def finish(recorder: Recorder, x: Tensor, status: str) -> Trace:
    """The trace of a run that left `x` behind."""
    finite = bool(torch.isfinite(x).all())
    final = recorder.problem.value(x) if finite else math.nan
    with torch.no_grad():
        own = recorder.problem.fun(x.detach().to(recorder.dtype)).item()
    best = min((v for v in recorder.seen if math.isfinite(v)), default=math.nan)
    # Within ten roundings values are equal: a search that accepts by slopes cannot tell them apart, nor should it.
    worse = not (finite and own <= best + 10 * torch.finfo(recorder.dtype).eps * abs(best))
    return Trace(recorder.problem, tuple(recorder.values), final, status, worse, recorder.infeasible)


def torch_lbfgs(options: Mapping[str, Any], *, repeat: bool = False) -> Solver:
    """torch.optim.LBFGS: one call of `step`, or calls of 20 iterations until one does nothing more."""

    def run(problem: Problem, dtype: torch.dtype, budget: int) -> Trace:
        x = parameter(problem, dtype)
        recorder = Recorder(problem, dtype, budget)
        limits = {} if repeat else {"max_iter": budget, "max_eval": budget}
        optimizer = torch.optim.LBFGS([x], **{**limits, **options})
        closure = closure_of(recorder, x)
        try:
            while True:
                before = recorder.values[-1:], len(recorder.values)
                optimizer.step(closure)
                if not repeat or (len(recorder.values) - before[1] <= 2 and recorder.values[-1:] == before[0]):
                    break
        except BudgetSpent:
            return finish(recorder, x, "budget")
        return finish(recorder, x, "silent")

    return run


def scipy_lbfgsb(options: Mapping[str, Any]) -> Solver:
    """scipy.optimize.minimize(method="L-BFGS-B"); it computes in float64 and sees an objective of the given dtype."""
    from scipy import optimize

    def run(problem: Problem, dtype: torch.dtype, budget: int) -> Trace:
        recorder = Recorder(problem, dtype, budget)

        def value_and_gradient(v: Any) -> tuple[float, Any]:
            x = torch.tensor(v, dtype=dtype, requires_grad=True)
            f = recorder(x)
            f.backward()
            assert x.grad is not None
            return f.item(), x.grad.double().numpy()

        bounds = None if problem.bounds is None else list(zip(*(b.tolist() for b in problem.bounds), strict=True))
        settings = {"maxfun": budget, "maxiter": budget, "maxcor": 10, **options}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scipy divides by zero when it builds the inverse Hessian it returns
            try:
                found = optimize.minimize(
                    value_and_gradient,
                    problem.start.numpy(),
                    jac=True,
                    method="L-BFGS-B",
                    bounds=bounds,
                    options=settings,
                )
            except BudgetSpent:
                return Trace(problem, tuple(recorder.values), recorder.values[-1], "budget", False, recorder.infeasible)
        return finish(recorder, torch.tensor(found.x), str(found.message))

    return run


def descend_lbfgs(options: Mapping[str, Any]) -> Solver:
    """descend.LBFGS: one call of `step`; a problem's bounds are passed on."""

    def run(problem: Problem, dtype: torch.dtype, budget: int) -> Trace:
        x = parameter(problem, dtype)
        recorder = Recorder(problem, dtype, budget)
        settings: dict[str, Any] = {"max_iter": budget, "max_eval": budget, **options}
        if problem.bounds is not None:
            settings["bounds"] = tuple(b.to(dtype) for b in problem.bounds)
        optimizer = descend.LBFGS([x], **settings)
        try:
            optimizer.step(closure_of(recorder, x))
        except BudgetSpent:
            return finish(recorder, x, "one evaluation too many")
        assert optimizer.result is not None
        return finish(recorder, x, optimizer.result.status.name)

    return run


TIGHT: dict[str, Any] = {"tolerance_grad": 0.0, "tolerance_change": 0.0}
SCIPY_TIGHT: dict[str, Any] = {"ftol": 0.0, "gtol": 0.0}
WOLFE: dict[str, Any] = {"line_search_fn": "strong_wolfe"}
TEN: dict[str, Any] = {"history_size": 10}


def solvers() -> dict[str, Solver]:
    """Every solver and setting that is compared, by name."""
    return {
        "torch None": torch_lbfgs(TEN),
        "torch": torch_lbfgs({**TEN, **WOLFE}),
        "torch default": torch_lbfgs(WOLFE, repeat=True),
        "torch tight": torch_lbfgs({**TEN, **WOLFE, **TIGHT}),
        "torch tight m=100": torch_lbfgs({**WOLFE, **TIGHT, "history_size": 100}),
        "scipy": scipy_lbfgsb({}),
        "scipy tight": scipy_lbfgsb(SCIPY_TIGHT),
        "scipy tight m=100": scipy_lbfgsb({**SCIPY_TIGHT, "maxcor": 100}),
        "descend default": descend_lbfgs(WOLFE),
        "descend 1e-13": descend_lbfgs({**TEN, **WOLFE, "tolerance_grad": 0.0, "tolerance_change": 1e-13}),
        "descend tight": descend_lbfgs({**TEN, **WOLFE, **TIGHT}),
        "descend tight m=100": descend_lbfgs({**WOLFE, **TIGHT, "history_size": 100}),
    }


@dataclass(frozen=True)
class Score:
    """A solver on a suite.

    Attributes:
        solved: how many problems to each tolerance.
        sums: evaluations until that, an unsolved problem counting as the whole budget.
        spent: all evaluations.
        not_finite: runs that left a point behind that is not finite.
        worse: runs that left a point behind worse than the best they saw.
    """

    solved: Mapping[float, int]
    sums: Mapping[float, int]
    spent: int
    not_finite: int
    worse: int


def score(traces: Mapping[str, Trace], budget: int, taus: tuple[float, ...] = (1e-4, 1e-6, 1e-10)) -> Score:
    """Adds up the traces of one solver, by problem."""
    counts = {tau: [trace.reached(tau) for trace in traces.values()] for tau in taus}
    return Score(
        solved={tau: sum(c is not None for c in found) for tau, found in counts.items()},
        sums={tau: sum(budget if c is None else c for c in found) for tau, found in counts.items()},
        spent=sum(trace.evaluations for trace in traces.values()),
        not_finite=sum(not math.isfinite(trace.final) for trace in traces.values()),
        worse=sum(trace.worse for trace in traces.values()),
    )
