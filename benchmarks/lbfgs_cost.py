"""What an iteration costs beside the closure: time, torch operations, and waits for a device.

Times: every contender makes the same number of iterations on the same ill-conditioned function, in turns; the closure's
own time is taken off. Operations: everything that reaches torch's dispatcher outside the closure, per iteration; a wait
is any operation that brings a tensor's value to Python (`.item()`, `.tolist()`, `bool(t)`, a copy to the host).
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import descend

WARM_UP, TIMED = 5, 60


class Valley:
    """f(x) = sum(c x^2 / 2 + x^4 / 4) with c from 1e-3 to 1: far from solved after 160 iterations.

    The gradient is written by hand into preallocated `.grad`s, so that the closure is short and its time is known.
    """

    def __init__(self, n: int, tensors: int, dtype: torch.dtype) -> None:
        if n % tensors:
            raise ValueError(f"{n} elements cannot be split evenly over {tensors} tensors")
        generator = torch.Generator().manual_seed(0)
        flat = torch.logspace(-3, 0, n, dtype=torch.float64)[torch.randperm(n, generator=generator)].to(dtype)
        self.curvatures = list(flat.chunk(tensors))
        self.params = [torch.ones_like(c).requires_grad_() for c in self.curvatures]
        self.evaluations = 0
        self.seconds = 0.0

    def __call__(self) -> Tensor:
        """Loss and gradients, on the closure's clock."""
        begin = perf_counter()
        self.evaluations += 1
        total = None
        with torch.no_grad():
            for p, c in zip(self.params, self.curvatures, strict=True):
                square = p * p
                p.grad = p * (c + square)
                part = torch.dot(square, c / 2 + square / 4)
                total = part if total is None else total + part
        self.seconds += perf_counter() - begin
        assert total is not None
        return total

    def flat(self, v: Any) -> tuple[float, Any]:
        """The same for scipy."""
        with torch.no_grad():
            self.params[0].copy_(torch.from_numpy(v))
        loss = self()
        begin = perf_counter()
        assert self.params[0].grad is not None
        gradient = self.params[0].grad.double().numpy()
        self.seconds += perf_counter() - begin
        return loss.item(), gradient


@dataclass(frozen=True)
class Shape:
    """What is timed: `skip` iterations first, so that the history has so many pairs, then TIMED."""

    label: str
    n: int
    history: int
    tensors: int = 1
    dtype: torch.dtype = torch.float64
    skip: int = 0
    scipy: bool = True
    rounds: int = 15


SHAPES = (
    Shape("n=100 m=10", 100, 10),
    Shape("n=100 m=100", 100, 100),
    Shape("n=100 m=10, 20 tensors", 100, 10, tensors=20, scipy=False),
    Shape("n=1e4 m=10", 10_000, 10, rounds=9),
    Shape("n=1e4 m=100 full", 10_000, 100, skip=100, rounds=7),
    Shape("n=1e4 m=100 full float32", 10_000, 100, dtype=torch.float32, skip=100, rounds=7),
    Shape("n=1e6 m=10 float32", 1_000_000, 10, dtype=torch.float32, rounds=3),
)
CLASSES: dict[str, Callable[..., Any]] = {"torch": torch.optim.LBFGS, "descend": descend.LBFGS}
OPTIONS: dict[str, Any] = {"line_search_fn": "strong_wolfe", "tolerance_grad": 0.0, "tolerance_change": 0.0}


def iterations_of(optimizer: Any) -> int:
    """How many iterations an optimizer has made in all its life, both classes keeping it where torch does."""
    return int(optimizer.state[optimizer.param_groups[0]["params"][0]]["n_iter"])


def seconds_per_iteration(shape: Shape, name: str) -> float:
    """One run of an optimizer class: seconds per iteration without the closure."""
    valley = Valley(shape.n, shape.tensors, shape.dtype)
    optimizer = CLASSES[name](valley.params, history_size=shape.history, **OPTIONS)
    if shape.skip:
        optimizer.param_groups[0].update(max_iter=shape.skip, max_eval=10 * shape.skip)
        optimizer.step(valley)
    optimizer.param_groups[0].update(max_iter=TIMED, max_eval=10 * TIMED)
    closure_before, iterations_before = valley.seconds, iterations_of(optimizer) if shape.skip else 0
    begin = perf_counter()
    optimizer.step(valley)
    took = perf_counter() - begin - (valley.seconds - closure_before)
    iterations = iterations_of(optimizer) - iterations_before
    if iterations < TIMED // 2:
        raise RuntimeError(f"{name} on {shape.label} stopped after {iterations} iterations; there is nothing to time")
    return took / iterations


def scipy_seconds_per_iteration(shape: Shape) -> float:
    """The same for scipy's L-BFGS-B; the iterations before are timed alone and taken off."""
    from scipy import optimize

    def run(iterations: int) -> float:
        valley = Valley(shape.n, 1, shape.dtype)
        start = valley.params[0].detach().double().numpy().copy()
        options = {"maxiter": iterations, "maxfun": 10**6, "maxcor": shape.history, "ftol": 0.0, "gtol": 0.0}
        begin = perf_counter()
        optimize.minimize(valley.flat, start, jac=True, method="L-BFGS-B", options=options)
        return perf_counter() - begin - valley.seconds

    return (run(shape.skip + TIMED) - (run(shape.skip) if shape.skip else 0.0)) / TIMED


def times(shape: Shape) -> dict[str, float]:
    """Median seconds per iteration of every contender, interleaved, on one thread (scipy's BLAS, too)."""
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    samples: dict[str, list[float]] = {}
    try:
        with threadpool_limits(1):
            for _ in range(shape.rounds):
                gc.collect()
                for name in CLASSES:
                    samples.setdefault(name, []).append(seconds_per_iteration(shape, name))
                if shape.scipy:
                    samples.setdefault("scipy", []).append(scipy_seconds_per_iteration(shape))
    finally:
        torch.set_num_threads(threads)
    return {name: statistics.median(values) for name, values in samples.items()}


class Operations(TorchDispatchMode):
    """Counts what reaches the dispatcher, and which of it waits for a device."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.waits = 0
        self.paused = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not self.paused:
            self.count += 1
            self.waits += func.overloadpacket is torch.ops.aten._local_scalar_dense
        return func(*args, **(kwargs or {}))


READS_TO_HOST = ("tolist", "numpy", "cpu")
"""Methods that read a tensor's values without reaching the dispatcher, at least on a CPU."""


@dataclass(frozen=True)
class Launches:
    """Per iteration, over TIMED of them: operations, waits, and evaluations."""

    operations: float
    waits: float
    evaluations: float


def launches(name: str, history: int, tensors: int = 1) -> Launches:
    """Operations and waits of one `step` of TIMED iterations with a full history, outside the closure."""
    valley = Valley(1000, tensors, torch.float64)
    optimizer = CLASSES[name](valley.params, history_size=history, **OPTIONS)
    optimizer.param_groups[0].update(max_iter=history + WARM_UP, max_eval=10 * (history + WARM_UP))
    optimizer.step(valley)
    optimizer.param_groups[0].update(max_iter=TIMED, max_eval=10 * TIMED)
    counter = Operations()
    before, iterations_before = valley.evaluations, iterations_of(optimizer)

    def closure() -> Tensor:
        counter.paused = True
        try:
            return valley()
        finally:
            counter.paused = False

    def counting(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Tensor, *args: Any, **kwargs: Any) -> Any:
            counter.waits += not counter.paused
            return method(self, *args, **kwargs)

        return call

    originals = {method: getattr(Tensor, method) for method in READS_TO_HOST}
    for method, original in originals.items():
        setattr(Tensor, method, counting(original))
    try:
        with counter:
            optimizer.step(closure)
    finally:
        for method in originals:
            delattr(Tensor, method)
    iterations = iterations_of(optimizer) - iterations_before
    evaluations = valley.evaluations - before
    return Launches(counter.count / iterations, counter.waits / iterations, evaluations / iterations)
