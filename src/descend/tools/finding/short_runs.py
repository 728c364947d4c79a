"""Short trainings at constant rates around what a range test names: the check that a guess was one.

A range test reads a rate off a training in which every rate had a few steps, after all the smaller ones. What counts
is how a training goes that has one rate from its start, so a few rates half a decade apart get one each, and more are
added while the best is at an edge. Nothing is drawn anew between them: same weights, same batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..contenders import Contender
from ..problem import Problem
from ..trial import Trial

APART = math.sqrt(10)
"""Between neighbouring rates."""

MOST = 9
"""Rates that are tried at most."""

DRIFT = 2.0


@dataclass(frozen=True)
class ShortRun:
    """A short training at one rate.

    Attributes:
        lr: the rate.
        loss: on held-out data at its end; without such data the mean training loss of its second half, which averages
            over batches. inf if it diverged.
        steps: evaluations of loss and gradient.
        half: the loss after half of the steps; nan where it is not known.
    """

    lr: float
    loss: float
    steps: int
    half: float = math.nan


def short_runs(
    problem: Problem,
    contender: Contender,
    center: float,
    *,
    seed: int,
    steps: int,
    tell: Callable[[ShortRun], None] = lambda run: None,
) -> tuple[ShortRun, ...]:
    """Train at `center` and at half a decade above and below, and on until the best one has neighbours.

    Args:
        problem: what to train.
        contender: what with.
        center: the rate to begin with.
        seed: of weights, data and dropout.
        steps: evaluations of loss and gradient in each.
        tell: called with each that is done.

    Returns:
        In the order of their rates.
    """
    done: dict[int, ShortRun] = {}

    def run(place: int) -> None:
        trial = Trial(problem, contender, center * APART**place, seed, total_steps=steps)
        losses = []
        for rung, until in enumerate((steps // 2, steps)):
            trial.run(until)
            if trial.status == "failed":
                assert trial.error is not None
                raise trial.error
            losses.append(objective(trial, rung))
        done[place] = ShortRun(trial.lr, losses[1], trial.step, losses[0])
        tell(done[place])

    for place in (0, 1, -1):
        run(place)
    while len(done) < MOST:
        places = sorted(done)
        best = best_place([done[place].loss for place in places])
        if best is None or best == 0:
            run(places[0] - 1)
        elif best == len(places) - 1:
            run(places[-1] + 1)
        else:
            break
    return tuple(done[place] for place in sorted(done))


def objective(trial: Trial, rung: int) -> float:
    """What runs are compared by."""
    loss = trial.close_rung(rung)
    if math.isfinite(loss) and trial.problem.val is None:
        second_half = [point.loss for point in trial.losses if point.step > trial.step / 2]
        return math.fsum(second_half) / len(second_half)
    return loss


def best_place(losses: Sequence[float]) -> int | None:
    """Where the lowest loss is; None if every run has diverged."""
    finite = [(loss, place) for place, loss in enumerate(losses) if math.isfinite(loss)]
    return min(finite)[1] if finite else None


def vertex(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """The rate at the vertex of the parabola through the best and its neighbours, over the logarithm of the rate.

    It lies within a quarter of a decade of the best. Where a neighbour diverged or is missing, the best itself; None
    if every run diverged.
    """
    best = best_place(losses)
    if best is None:
        return None
    below, above = (losses[k] if 0 <= k < len(losses) else math.inf for k in (best - 1, best + 1))
    bend = below + above - 2 * losses[best]
    if not math.isfinite(bend) or bend <= 0:
        return rates[best]
    return rates[best] * APART ** ((below - above) / (2 * bend))


def best_rate(runs: Sequence[ShortRun], held_out: bool) -> float | None:
    """The rate that short runs speak for; None if all of them diverged.

    The longer one trains, the lower is the best rate (arXiv:1803.02021), and trainings are longer than short runs. On
    held-out data that shows early: where the best rate fell from the first half to the whole, it is lowered by the same
    factor once more, by DRIFT at most. Training losses do not show it; and where the best rate rose, nothing is added,
    since a rate that is too high breaks what one that is too low only slows down.
    """
    rates = [run.lr for run in runs]
    whole = vertex(rates, [run.loss for run in runs])
    half = vertex(rates, [run.half for run in runs])
    if whole is None or half is None or not held_out:
        return whole
    return whole * min(1.0, max(1 / DRIFT, whole / half))
