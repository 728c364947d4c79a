"""Suite E: situations in which an L-BFGS used by people gets stuck, returns NaN, or raises, each as a check.

A check gets a function that makes an optimizer for a list of parameters (with options of its choice) and returns what
it saw; it passes or fails by what happened to the parameters and by how many evaluations it took. So torch.optim.LBFGS
goes through the same checks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from lbfgs_problems.mgh import MGH
from torch import Tensor

import descend

Make = Callable[..., Any]  # torch.optim.Optimizer; its step is annotated for closures that return a float
ROSENBROCK = MGH[0]


@dataclass(frozen=True)
class Outcome:
    """Whether a check passed, and the numbers it decided by."""

    passed: bool
    seen: str


class Counted:
    """A closure over one parameter that counts its calls and keeps the values."""

    def __init__(self, x: Tensor, fun: Callable[[Tensor], Tensor], limit: int = 3000) -> None:
        self.x = x
        self.fun = fun
        self.values: list[float] = []
        self.at_nan = 0
        self.limit = limit

    def __call__(self) -> Tensor:
        """One evaluation."""
        if len(self.values) >= self.limit:
            raise RuntimeError(f"{self.limit} evaluations")
        self.at_nan += not bool(torch.isfinite(self.x).all())
        self.x.grad = None
        f = self.fun(self.x)
        f.backward()
        self.values.append(f.item())
        return f

    def first_below(self, limit: float) -> int | None:
        """How many evaluations until the value was at most `limit`."""
        return next((count for count, v in enumerate(self.values, start=1) if v <= limit), None)


def leaf(*values: float) -> Tensor:
    """A float64 leaf."""
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def solves(
    make: Make, start: Tensor, fun: Callable[[Tensor], Tensor], solution: list[float], evaluations: int
) -> Outcome:
    """The parameter ends within 1e-5 of the solution, after at most so many evaluations, none of them at NaN."""
    closure = Counted(start, fun)
    make([start], max_iter=evaluations, max_eval=evaluations).step(closure)
    error = max(abs(a - b) for a, b in zip(start.tolist(), solution, strict=True))
    calls = len(closure.values)
    seen = f"x = {start.tolist()}, {calls} evaluations, {closure.at_nan} of them at a point that is not finite"
    return Outcome(error <= 1e-5 and calls <= evaluations and closure.at_nan == 0, seen)


def nan_region(make: Make) -> Outcome:
    """Item 1: -log(1-x) - 3x is NaN beyond 1; its minimum is at 2/3, and the first step from 0.6 leaves the domain."""
    return solves(make, leaf(0.6), lambda x: (-torch.log(1 - x) - 3 * x).sum(), [2 / 3], 50)


def nan_beside_a_root(make: Make) -> Outcome:
    """Item 1: 50x - 2 sqrt(x) is NaN below 0, with its minimum at 1/2500 and a first step of length 1 from 0.5."""
    return solves(make, leaf(0.5), lambda x: (50 * x - 2 * torch.sqrt(x)).sum(), [1 / 2500], 60)


def infinite_wall(make: Make) -> Outcome:
    """Item 2: 1/(1-x) - 3x is infinite from 1 on; its minimum is at 1 - 1/sqrt(3)."""

    def fun(x: Tensor) -> Tensor:
        return torch.where(x < 1, 1 / (1 - x) - 3 * x, math.inf).sum()

    return solves(make, leaf(-4.0), fun, [1 - 1 / math.sqrt(3)], 60)


def not_finite_in_float32(make: Make) -> Outcome:
    """Item 1: Meyer's and Osborne's problems in float32; the point left behind is finite and the best one seen."""
    seen, passed = [], True
    for problem in (MGH[9], MGH[16]):
        x = problem.start.float().clone().requires_grad_()
        closure = Counted(x, problem.fun)
        make([x], max_iter=1000, max_eval=1000).step(closure)
        best = min((v for v in closure.values if math.isfinite(v)), default=math.nan)
        final = problem.fun(x.detach()).item()
        passed &= bool(torch.isfinite(x).all()) and final <= best
        seen.append(f"{problem.name}: f = {final:.6g} after {len(closure.values)}, best {best:.6g}")
    return Outcome(passed, "; ".join(seen))


def exact_budget(make: Make) -> Outcome:
    """Item 3: max_eval is never exceeded."""
    calls = {}
    for limit in (1, 2, 3, 4, 5, 7, 10, 25):
        x = ROSENBROCK.start.clone().requires_grad_()
        closure = Counted(x, ROSENBROCK.fun)
        make([x], max_iter=100, max_eval=limit).step(closure)
        calls[limit] = len(closure.values)
    return Outcome(all(count <= limit for limit, count in calls.items()), f"calls by max_eval: {calls}")


def failure_is_told_and_not_permanent(make: Make) -> Outcome:
    """Item 5: at the kink of |x| no step decreases. That is said, costs little, and a new objective is then solved."""
    x = leaf(0.3)
    optimizer = make([x], max_iter=20)
    kink = Counted(x, lambda x: x.abs().sum())
    per_step = []
    for _ in range(8):
        before = len(kink.values)
        optimizer.step(kink)
        per_step.append(len(kink.values) - before)
    at_kink, best = abs(x.item()), min(kink.values)
    result = getattr(optimizer, "result", None)
    status = "silent" if result is None else result.status.name
    parabola = Counted(x, lambda x: ((x - 3) ** 2).sum())
    for _ in range(3):
        optimizer.step(parabola)
    seen = f"evaluations a step {per_step}, |x| = {at_kink:.2g}, {status}; then (x-3)^2: x = {x.item():.9g}"
    told = status != "silent" and not status.startswith("CONVERGED")
    # A restart along the gradient doubles the trials of one failed search, which are 25 at most.
    passed = told and at_kink <= min(best, 1e-6) and max(per_step[1:]) <= 50 and abs(x.item() - 3) <= 1e-6
    return Outcome(passed, seen)


def restart_after_a_misleading_history(make: Make) -> Outcome:
    """Item 5: after steps on one objective another one takes over, for which every stored pair is wrong."""
    x = leaf(1.0, 1.0)
    optimizer = make([x], max_iter=20)
    valley = Counted(x, lambda x: (torch.tensor([1e6, 1e-6], dtype=torch.float64) * (x - 2) ** 2).sum())
    for _ in range(3):
        optimizer.step(valley)
    turned = Counted(x, lambda x: (torch.tensor([1e-2, 1e4], dtype=torch.float64) * (x + 1) ** 2).sum())
    for _ in range(10):
        optimizer.step(turned)
    error = (x.detach() + 1).abs().max().item()
    return Outcome(error <= 1e-4, f"distance to the new minimum {error:.2g} after {len(turned.values)} evaluations")


def scaled(f_scale: float, x_scale: float) -> Callable[[Make], Outcome]:
    """Item 6: Rosenbrock times `f_scale`, with variables in units of `x_scale`, to 1e-10 within 70 evaluations."""

    def check(make: Make) -> Outcome:
        x = (ROSENBROCK.start * x_scale).requires_grad_()
        closure = Counted(x, lambda x: f_scale * ROSENBROCK.fun(x / x_scale))
        make([x], max_iter=1000, max_eval=1000).step(closure)
        count = closure.first_below(1e-10 * closure.values[0])
        left = min(closure.values) / closure.values[0]
        return Outcome(
            count is not None and count <= 70, f"{count} evaluations, {len(closure.values)} in all, {left:.1e} left"
        )

    return check


def moved_between_steps(make: Make) -> Outcome:
    """Item 9: the parameter is set elsewhere between steps; from there it takes 1.5 times a new optimizer at most."""

    def evaluations(optimizer: Any, x: Tensor) -> int:
        closure = Counted(x, ROSENBROCK.fun)
        while closure.first_below(1e-10 * 24.2) is None and len(closure.values) < 300:
            optimizer.step(closure)
        return len(closure.values)

    starts = [factor * ROSENBROCK.start for factor in (1.0, 3.0, 1.0, -2.0)]
    alone = []
    for start in starts:
        x = start.clone().requires_grad_()
        alone.append(evaluations(make([x], max_iter=5), x))
    x = ROSENBROCK.start.clone().requires_grad_()
    optimizer = make([x], max_iter=5)
    optimizer.step(Counted(x, ROSENBROCK.fun))
    moved = []
    for start in starts:
        with torch.no_grad():
            x.copy_(start)
        moved.append(evaluations(optimizer, x))
    passed = all(count <= 1.5 * own for count, own in zip(moved, alone, strict=True))
    return Outcome(passed, f"evaluations of a new optimizer {alone}, after a move {moved}")


def history_size_changed(make: Make) -> Outcome:
    """Item 10: history_size may shrink and grow between steps."""
    x = ROSENBROCK.start.clone().requires_grad_()
    optimizer = make([x], max_iter=6, history_size=8)
    closure = Counted(x, ROSENBROCK.fun)
    try:
        for size in (8, 3, 12, 1, 20, 20, 20, 20, 20, 20):
            optimizer.param_groups[0]["history_size"] = size
            optimizer.step(closure)
    except IndexError as error:
        return Outcome(False, f"IndexError: {error}")
    return Outcome(min(closure.values) <= 1e-10, f"f = {min(closure.values):.1e} after {len(closure.values)}")


def gradients_of_any_layout(make: Make) -> Outcome:
    """Item 11: a channels_last weight, whose gradient cannot be viewed flat, ends where a contiguous one does."""
    ends = []
    for layout in (torch.contiguous_format, torch.channels_last):
        generator = torch.Generator().manual_seed(0)
        image = torch.randn(2, 3, 8, 8, generator=generator, dtype=torch.float64)
        weight = 0.1 * torch.randn(4, 3, 3, 3, generator=generator, dtype=torch.float64)
        p = weight.contiguous(memory_format=layout).requires_grad_()
        optimizer = make([p], max_iter=15)

        def closure(p: Tensor = p, image: Tensor = image) -> Tensor:
            p.grad = None
            f = ((torch.nn.functional.conv2d(image, p) - 1) ** 2).mean()
            f.backward()
            return f

        try:
            optimizer.step(closure)
        except RuntimeError as error:
            return Outcome(False, f"RuntimeError: {str(error).splitlines()[0][:60]}")
        ends.append(p.detach().clone(memory_format=torch.contiguous_format))
    difference = (ends[0] - ends[1]).abs().max().item()
    return Outcome(difference <= 1e-8, f"largest difference {difference:.1e}")


SCALES = (1e-8, 1e-6, 1e-4, 1e8)
CHECKS: dict[str, Callable[[Make], Outcome]] = {
    "1 NaN beyond a logarithm's domain": nan_region,
    "1 NaN beside a root": nan_beside_a_root,
    "1 float32 overflow (Meyer, Osborne 1)": not_finite_in_float32,
    "2 infinite wall": infinite_wall,
    "3 max_eval is exact": exact_budget,
    "5 a failed search is told, and not permanent": failure_is_told_and_not_permanent,
    "5 a misleading history is dropped": restart_after_a_misleading_history,
    **{f"6 Rosenbrock, f times {s:g}": scaled(s, 1.0) for s in SCALES},
    **{f"6 Rosenbrock, x times {s:g}": scaled(1.0, s) for s in SCALES},
    "9 parameters moved between steps": moved_between_steps,
    "10 history_size changed": history_size_changed,
    "11 gradients of any layout": gradients_of_any_layout,
}


def run(make: Make) -> dict[str, Outcome]:
    """Every check; an exception counts as a failure."""
    outcomes = {}
    for name, check in CHECKS.items():
        try:
            outcomes[name] = check(make)
        except Exception as error:  # whatever it raises, the check did not pass
            outcomes[name] = Outcome(False, f"{type(error).__name__}: {str(error)[:100]}")
    return outcomes


def torch_lbfgs(params: list[Tensor], **options: Any) -> torch.optim.Optimizer:
    """The rival, with its better line search."""
    return torch.optim.LBFGS(params, line_search_fn="strong_wolfe", **options)


def descend_lbfgs(params: list[Tensor], **options: Any) -> torch.optim.Optimizer:
    """Ours, asked for the same."""
    return descend.LBFGS(params, line_search_fn="strong_wolfe", **options)
