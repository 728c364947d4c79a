"""The schedulers that the tests of lr_scheduler run, as functions of the module (ours or torch's) and an optimizer.

`closed` is an independent closed form in float64: the rate of epoch k for a base rate. None where there is none: a
ReduceLROnPlateau depends on metrics.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

import descend as optim

BASE = 0.1


def inverse(k: int) -> float:
    """A function of this module, which a state_dict can name."""
    return 1 / (1 + k / 50)


def shrinking(k: int, by: float) -> float:
    return 1 - by / (1 + k)


@dataclass(frozen=True)
class Case:
    """One scheduler; `build(module, optimizer)` makes it, `closed(k, base)` says its rate."""

    name: str
    build: Callable[[Any, Any], Any]
    closed: Callable[[int, float], float] | None = None
    metrics: bool = False  # step() takes a metric

    def __str__(self) -> str:
        return self.name


def cosine(k: float, n: float) -> float:
    return (1 + math.cos(math.pi * k / n)) / 2


def product(k: int) -> float:
    return math.prod(shrinking(j, 0.5) for j in range(1, k + 1))


def restarts(k: int, base: float) -> float:
    begin, length = 0, 300
    while k >= begin + length:
        begin, length = begin + length, 2 * length
    return 1e-3 + (base - 1e-3) * cosine(k - begin, length)


def one_cycle(k: int, linear: bool = False) -> float:
    first, top, last, up, end = 0.5 / 25, 0.5, 0.5 / 25 / 1e4, 0.3 * 12000 - 1, 11999
    low, high, x = (first, top, k / up) if k <= up else (top, last, (k - up) / (end - up))
    return low + (high - low) * x if linear else high + (low - high) * cosine(x, 1)


def triangle(k: int, up: int, down: int) -> tuple[int, float]:
    cycle, at = divmod(k, up + down)
    return cycle + 1, at / up if at <= up else (up + down - at) / down


def chain(k: int, base: float) -> float:
    return base * (0.5 if k < 20 else 1.0) * 0.999**k * 0.5 ** (k // 1000)


def sequence(k: int, base: float) -> float:
    if k < 50:
        return base * (0.1 + 0.9 * min(k / 30, 1))
    if k < 2000:
        return base * 0.999 ** (k - 50)
    return base * cosine(k - 2000, 9000)


def cyclic(module: Any, optimizer: Any, **options: Any) -> Any:
    momentum = any(key in optimizer.defaults for key in ("momentum", "betas"))
    return module.CyclicLR(optimizer, 0.01, 0.3, 37, 63, cycle_momentum=momentum, **options)


def sequential(module: Any, optimizer: Any) -> Any:
    warmup = module.LinearLR(optimizer, 0.1, total_iters=30)
    parts = [warmup, module.ExponentialLR(optimizer, 0.999), module.CosineAnnealingLR(optimizer, 9000)]
    return module.SequentialLR(optimizer, parts, [50, 2000])


def chained(module: Any, optimizer: Any) -> Any:
    first = module.ConstantLR(optimizer, 0.5, 20)
    return module.ChainedScheduler([first, module.ExponentialLR(optimizer, 0.999), module.StepLR(optimizer, 1000, 0.5)])


CASES = [
    Case("LambdaLR", lambda m, o: m.LambdaLR(o, inverse), lambda k, b: b * inverse(k)),
    Case(
        "MultiplicativeLR", lambda m, o: m.MultiplicativeLR(o, partial(shrinking, by=0.5)), lambda k, b: b * product(k)
    ),
    Case("StepLR", lambda m, o: m.StepLR(o, 300, 0.7), lambda k, b: b * 0.7 ** (k // 300)),
    Case(
        "MultiStepLR",
        lambda m, o: m.MultiStepLR(o, [30, 4000, 4000, 80], 0.5),
        lambda k, b: b * 0.5 ** sum(k >= n for n in (30, 80, 4000, 4000)),
    ),
    Case("ConstantLR", lambda m, o: m.ConstantLR(o, 0.3, 11), lambda k, b: b * (0.3 if k < 11 else 1)),
    Case("LinearLR", lambda m, o: m.LinearLR(o, 0.2, 0.7, 900), lambda k, b: b * (0.2 + 0.5 * min(k / 900, 1))),
    Case("ExponentialLR", lambda m, o: m.ExponentialLR(o, 0.999), lambda k, b: b * 0.999**k),
    Case("PolynomialLR", lambda m, o: m.PolynomialLR(o, 7000, 1.5), lambda k, b: b * max(1 - k / 7000, 0) ** 1.5),
    Case(
        "CosineAnnealingLR",
        lambda m, o: m.CosineAnnealingLR(o, 700, 1e-3),
        lambda k, b: 1e-3 + (b - 1e-3) * cosine(k % 1400, 700),
    ),
    Case("CosineAnnealingWarmRestarts", lambda m, o: m.CosineAnnealingWarmRestarts(o, 300, 2, 1e-3), restarts),
    Case("OneCycleLR", lambda m, o: m.OneCycleLR(o, 0.5, 12000), lambda k, b: one_cycle(k)),
    Case(
        "OneCycleLR-linear",
        lambda m, o: m.OneCycleLR(o, 0.5, epochs=12, steps_per_epoch=1000, anneal_strategy="linear"),
        lambda k, b: one_cycle(k, True),
    ),
    Case("CyclicLR", cyclic, lambda k, b: 0.01 + 0.29 * triangle(k, 37, 63)[1]),
    Case(
        "CyclicLR-exp_range",
        partial(cyclic, mode="exp_range", gamma=0.999),
        lambda k, b: 0.01 + 0.29 * triangle(k, 37, 63)[1] * 0.999**k,
    ),
    Case("SequentialLR", sequential, sequence),
    Case("ChainedScheduler", chained, chain),
    Case("ReduceLROnPlateau", lambda m, o: m.ReduceLROnPlateau(o, factor=0.9, patience=3, cooldown=2), metrics=True),
]


def optimizer(module: Any = optim, cls: str = "SGD", lr: Any = BASE, groups: int = 1, **options: Any) -> Any:
    """An optimizer of descend or of torch.optim on small parameters, of one group or several with different rates."""
    options = {"momentum": 0.9, **options} if cls == "SGD" else options
    params = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": lr * (i + 1)} for i in range(groups)]
    return getattr(module, cls)(params, lr=lr, **options)


def metric(k: int) -> float:
    """Improves for a while now and then."""
    return 1 / (1 + k // 10) + 0.01 * math.sin(k)


def advance(case: Case, scheduler: Any, opt: Any) -> None:
    """One step of the optimizer, without gradients, and of the scheduler."""
    opt.step()
    scheduler.step(*([metric(scheduler.last_epoch)] if case.metrics else []))


def lrs(opt: Any) -> list[float]:
    return [float(group["lr"]) for group in opt.param_groups]
