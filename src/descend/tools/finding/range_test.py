"""One range test: a short training whose learning rate grows from step to step, and a fixed probe batch after each.

It trains a copy. What it reads is not the loss of the batch just trained on, which is as noisy as batches are, but the
loss on the same few batches every time, in eval mode and without any smoothing: so one step can be compared with the
next, and the minimum is where it seems to be.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch.optim import Optimizer

from ..contenders import Contender
from ..isolation import RandomState
from ..problem import Problem
from ..streams import Stream, size_of
from ..trial import Trial
from . import rules

PROBE, PROBE_BATCHES = 256, 8
"""What is probed: batches until they have so many examples, one at least, and not more batches than this."""

LR_MIN, LR_MAX, STEPS = 1e-6, 10.0, 100

WIDER = 1000.0
"""A test goes on beyond its last rate, up to so many times it, while the loss still falls."""

EDGE = 3
"""A minimum within so many points of an end of the range is none."""

ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class RangeTest:
    """What one range test saw.

    Attributes:
        rates: of each step, increasing.
        losses: of each step's batch, before its update.
        probe: the loss on the probe batch, after it.
        stop: why it ended: "diverged" (a loss was not finite), "4x best" (the probe loss was beyond four times its
            best), or "" if neither came.
        argmin: the rate of the lowest probe loss; None if the test gives no answer, which `reason` then explains.
        start: the probe loss before the first step.
        seed: of data and weights.
        planned: how many steps there would have been.
        after: (rate, loss) of steps after the stop, which only the rules of other libraries look at.
        reason: why there is no answer: "flat" (the probe loss hardly fell), "top" or "bottom" (it was lowest at an end
            of the range), "diverged at once"; empty if there is one.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    probe: tuple[float, ...]
    stop: str
    argmin: float | None
    start: float = math.nan
    seed: int = 0
    planned: int = STEPS
    after: tuple[tuple[float, float], ...] = ()
    reason: str = ""

    @property
    def descent(self) -> float:
        """By which share of its start the probe loss fell; nan if no probe loss is finite."""
        at = rules.lowest(self.probe)
        if at is None or not math.isfinite(self.start):
            return math.nan
        return (self.start - self.probe[at]) / abs(self.start) if self.start else 0.0

    def classic(self) -> dict[str, float | None]:
        """What the rules of other libraries say to this run: see `rules.classic`."""
        rates = [*self.rates, *(rate for rate, _ in self.after)]
        losses = [*self.losses, *(loss for _, loss in self.after)]
        return rules.classic(rates, losses, self.planned)


def range_test(
    problem: Problem,
    contender: Contender,
    *,
    seed: int = 0,
    steps: int = STEPS,
    lr_min: float = LR_MIN,
    lr_max: float = LR_MAX,
) -> RangeTest:
    """Train a copy of the model with a learning rate that grows exponentially, and watch the loss on a probe batch.

    Args:
        problem: what to train.
        contender: what with; groups keep the ratios of their rates.
        seed: of the order of the data, of dropout, and of the weights where the problem makes its models anew.
        steps: how many, from `lr_min` to `lr_max`.
        lr_min: the rate of the first step.
        lr_max: the rate of the last one; it goes on, up to 1000 times as much, while the loss still falls.

    Returns:
        The curves, and the rate where the probe loss was lowest.

    Raises:
        ValueError: the optimizer has no learning rate that could be changed.
    """
    walk = Walk(problem, contender, seed=seed, steps=steps, lr_min=lr_min)
    start = best = walk.probe()
    rates: list[float] = []
    losses: list[float] = []
    probe: list[float] = []
    after: list[tuple[float, float]] = []
    stop = ""
    for rate in rates_of(steps, lr_min, lr_max):
        if rate > lr_max * ROUNDING and (stop or not still_falling(rates, probe)):
            break
        loss = walk.step(rate)
        if stop:
            # fastai's average lags behind by many steps, and its rules need the ones in between.
            after.append((rate, loss))
            curve = rules.smoothed([*losses, *(value for _, value in after)])
            if not math.isfinite(loss) or curve[-1] > 4 * min(curve):
                break
            continue
        value = walk.probe() if math.isfinite(loss) else math.nan
        rates.append(rate)
        losses.append(loss)
        probe.append(value)
        if not (math.isfinite(loss) and math.isfinite(value)):
            stop = "diverged"
            break
        best = min(best, value)
        if rules.too_high(value, best, start):
            stop = "4x best"
    argmin, reason = judged(rates, probe, start, stop)
    return RangeTest(tuple(rates), tuple(losses), tuple(probe), stop, argmin, start, seed, steps, tuple(after), reason)


def rates_of(steps: int, lr_min: float, lr_max: float) -> Iterator[float]:
    """The rates of a test: `steps` from lr_min to lr_max, then on in the same ratio to WIDER times as much."""
    ratio = (lr_max / lr_min) ** (1 / max(1, steps - 1))
    for i in range(steps):
        yield lr_min * ratio**i
    rate = lr_max * ratio
    while rate <= lr_max * WIDER * ROUNDING:
        yield rate
        rate *= ratio


def still_falling(rates: list[float], probe: list[float]) -> bool:
    """Whether the lowest loss lies within the last half decade, so that a lower one may follow."""
    at = rules.lowest(probe)
    return at is not None and rates[-1] < rates[at] * 10**0.5 * ROUNDING


def judged(rates: list[float], probe: list[float], start: float, stop: str) -> tuple[float | None, str]:
    """The rate of the lowest probe loss, or None and why it means nothing."""
    at = rules.lowest(probe)
    if at is None or not math.isfinite(start):
        return None, "diverged at once"
    fell = start - probe[at]
    if at < EDGE and any(value > start + rules.FLAT * abs(start) for value in probe[:EDGE]):
        return None, "bottom"
    if fell < rules.FLAT * abs(start):
        return None, "flat" if stop or max(probe) - start > fell else "top"
    if not stop and at >= len(probe) - EDGE:
        return None, "top"
    if at < EDGE:
        return None, "bottom"
    return rates[at], ""


class Walk:
    """A training whose rate is set before every step, with the probe beside it.

    Random numbers of training go on from step to step; whatever was drawn in between, outside, does not shift them.
    """

    def __init__(self, problem: Problem, contender: Contender, *, seed: int, steps: int, lr_min: float) -> None:
        self.trial = Trial(problem, contender, lr_min, seed, total_steps=steps)
        if self.trial.status == "failed":
            raise_from(self.trial)
        check_rates(self.trial.optimizers, contender.label)
        self._ratios = [float(group["lr"]) / lr_min for group in groups_of(self.trial.optimizers)]
        self._stream = problem.stream(seed)
        self._probed = copy.copy(problem)
        self._probed.val, self._probed.metric = list(probe_batches(self._stream)), None
        self._probed._held_out = None  # what the problem may have kept of its own held-out data

    def step(self, rate: float) -> float:
        """One update at a rate; returns the loss of its batch before it, nan if the weights had become useless.

        Raises:
            ValueError: the optimizer sets its rate itself.
        """
        trial = self.trial
        batch = self._stream.batch(trial.updates)
        outside = RandomState.now()
        trial._random.restore()
        try:
            if trial.updates:  # the first step is made at the rate that the optimizer was built with
                for group, ratio in zip(groups_of(trial.optimizers), self._ratios, strict=True):
                    set_rate(group, rate * ratio)
            loss = trial._advance(batch)
        except Exception as error:
            # Not every loss can be computed from weights that are not finite: eigenvalues, sampling, a user's check.
            if all(bool(p.isfinite().all()) for p in trial.model.parameters()):
                trial.fail(error)
                raise_from(trial)
            return math.nan
        finally:
            trial._random = RandomState.now()
            outside.restore()
        if not trial.updates:
            check_kept(trial.optimizers, self._ratios, rate, trial.contender.label)
        trial.updates += 1
        return loss

    def probe(self) -> float:
        """The loss on the probe batch, in eval mode."""
        return self._probed.evaluate_with(self.trial.model, self.trial.optimizers)[0]


def probe_batches(stream: Stream) -> Iterator[Any]:
    """The first batches: the test trains on them at rates too small to learn them by heart."""
    examples = number = 0
    while examples < PROBE and number < PROBE_BATCHES:
        batch = stream.batch(number)
        yield batch
        size = size_of(batch)
        if size is None:  # full batch, or nothing that has a first dimension
            break
        examples += size
        number += 1


def groups_of(optimizers: list[Optimizer]) -> list[dict[str, Any]]:
    """All parameter groups."""
    return [group for optimizer in optimizers for group in optimizer.param_groups]


def set_rate(group: dict[str, Any], rate: float) -> None:
    """Set a group's rate; one that is a tensor stays the tensor that a compiled step has seen."""
    if isinstance(group["lr"], torch.Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def check_rates(optimizers: list[Optimizer], label: str) -> None:
    """Refuse an optimizer whose rate cannot be read, or is not what its steps follow.

    Raises:
        ValueError: it says why.
    """
    for group in groups_of(optimizers):
        if group.get("lr") is None:
            raise ValueError(f"{label} has no learning rate (lr) in its parameter groups, so there is nothing to find")
        if "d0" in group or "d_coef" in group:
            raise ValueError(
                f"{label} estimates its learning rate itself (its groups hold d0): leave lr at 1, or compare it with "
                "others by tools.compare"
            )
        if "etas" in group:
            raise ValueError(
                f"{label} uses its learning rate in the first step only, as the start of its own step sizes: there is "
                "nothing to find; try a few with tools.compare"
            )


def check_kept(optimizers: list[Optimizer], ratios: list[float], rate: float, label: str) -> None:
    """Refuse an optimizer that has changed its rate in its step: it follows a schedule of its own.

    Raises:
        ValueError: it says so.
    """
    for group, ratio in zip(groups_of(optimizers), ratios, strict=True):
        # A rate may be a float32 tensor.
        if not math.isclose(float(group["lr"]), rate * ratio, rel_tol=1e-6):
            raise ValueError(f"{label} sets its learning rate itself in step(); build it without a schedule")


def raise_from(trial: Trial) -> NoReturn:
    """Raise what ended a trial."""
    assert trial.error is not None
    raise trial.error
