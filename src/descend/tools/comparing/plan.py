"""What a comparison runs: rates, rungs, survivors, and what is left out when the time does not suffice. Numbers only.

A full grid of 13 rates half a decade apart and two seeds is 26 full runs for each optimizer. The plan costs a third of
it at most: a grid of 9 around what a short test suggests, most of it trained for a tenth of the steps only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

POINTS = 9
"""Of the first grid of an optimizer."""

FEWEST_POINTS = 3
FEWEST_STEPS = 20
LOWEST, HIGHEST = -20, 8  # half-decades: rates from 1e-10 to 1e4
WIDE = (1e-5, 1.0)
"""The grid where no short test has an answer."""

FINALISTS = 2
"""Rates of an optimizer that get further seeds; a third one if it is close."""


def rate(half_decades: int) -> float:
    """A rate of the grid, 1e-k or 3.16e-k, as short as one would type it.

    Example:
        >>> [rate(k) for k in (-6, -5, -4, -1, 0, 1)]
        [0.001, 0.00316, 0.01, 0.316, 1.0, 3.16]
    """
    return float(f"{10 ** (half_decades / 2):.3g}")


def place(lr: float) -> float:
    """Where a rate is, in half-decades; a whole number for rates of the grid.

    Example:
        >>> place(0.001), place(0.00316), round(place(0.003), 2)
        (-6.0, -5.0, -5.05)
    """
    exact = 2 * math.log10(lr)
    return float(round(exact)) if abs(exact - round(exact)) < 0.01 else exact


def near(a: float, b: float) -> bool:
    """Whether two rates are so close that trying both tells nothing: 0.003 and 0.00316, up to a factor of 1.3."""
    return abs(place(a) - place(b)) < 0.25


def grid(centre: float | None, points: int = POINTS, always: Iterable[float] = ()) -> tuple[float, ...]:
    """The first rates of an optimizer, increasing.

    Args:
        centre: what a short test suggests; None for the wide grid, thinned where fewer points are allowed.
        points: how many.
        always: rates that are tried whatever happens: a point of the grid near one of them makes way for it.
    """
    if centre is None:
        low, high = (round(place(lr)) for lr in WIDE)
        count = min(points + 2, high - low + 1)
        places = sorted({round(low + (high - low) * k / max(1, count - 1)) for k in range(count)})
    else:
        first = min(max(round(place(centre)) - points // 2, LOWEST), HIGHEST - points + 1)
        places = list(range(first, first + points))
    fixed = sorted(set(always))
    return tuple(sorted([*fixed, *(rate(k) for k in places if not any(near(rate(k), lr) for lr in fixed))]))


def next_rates(best: float, tried: Iterable[float]) -> tuple[float, ...]:
    """Rates that are missing beside the best one: none if one has been tried within half a decade on both sides.

    Example:
        >>> next_rates(0.1, [0.001, 0.01, 0.1]), next_rates(0.01, [0.00316, 0.01, 0.03])
        ((0.0316, 0.316), ())
    """
    here = place(best)
    others = [place(lr) - here for lr in tried if not near(lr, best)]
    missing = []
    for way in (-1, 1):
        if any(0 < way * distance <= 1.25 for distance in others):
            continue
        step = math.floor(way * here) + 1  # the next whole number that way
        step += step - way * here < 0.25
        if LOWEST <= way * step <= HIGHEST:
            missing.append(rate(way * step))
    return tuple(missing)


def refined(best: float, losses: Mapping[float, float]) -> tuple[float, ...]:
    """Rates a factor of 1.8 to either side of the best, the more promising side first.

    Args:
        best: the rate.
        losses: of the rates tried, which say what the more promising side is.
    """
    around = []
    for way in (-1, 1):
        lr = float(f"{10 ** ((place(best) + way / 2) / 2):.3g}")
        beside = [loss for other, loss in losses.items() if 0 < way * (place(other) - place(best)) <= 1.25]
        if not any(near(lr, other) for other in losses):
            around.append((min((loss for loss in beside if math.isfinite(loss)), default=math.inf), lr))
    return tuple(lr for _, lr in sorted(around))


def best_first(losses: Mapping[float, float]) -> list[float]:
    """Rates by loss, the smaller rate first among equals; without those that diverged (inf) or failed (nan)."""
    return sorted((lr for lr, loss in losses.items() if math.isfinite(loss)), key=lambda lr: (losses[lr], lr))


def rungs(steps: int) -> tuple[int, ...]:
    """Steps at the end of each rung: a tenth, a third, all of them; fewer rungs where there are few steps.

    Example:
        >>> rungs(440), rungs(4), rungs(1)
        ((44, 147, 440), (1, 4), (1,))
    """
    return tuple(sorted({max(1, round(steps / 10)), max(1, round(steps / 3)), steps}))


def survivors(rung: int, rungs: int, points: int) -> int:
    """How many rates of an optimizer go on after a rung, counted from 0: 9 -> 4 -> 3, never fewer than 2.

    Args:
        rung: the one that has ended.
        rungs: how many there are.
        points: rates in the first one.
    """
    if rung == rungs - 2:
        return min(3, max(2, math.ceil(points / 3)))
    return min(4, max(2, math.ceil(4 * points / 9)))


def allowance(seeds: int) -> float:
    """Full runs that an optimizer may cost, whatever is to be refined: 9 with two seeds, 35 % of the full grid's 26."""
    return 5.0 + 2.0 * seeds


@dataclass(frozen=True)
class Plan:
    """What is to be run.

    Attributes:
        steps: of a full run.
        seeds: that the best few rates of every optimizer get.
        points: of the first grid.
        test_steps: of the short test that centres the grid; 0 for none.
        test_cost: of one of them, in steps of training: it looks at a probe beside.
        cuts: what was left out to stay within the time, a line each.
    """

    steps: int
    seeds: int
    points: int = POINTS
    test_steps: int = 0
    test_cost: float = 1.0
    cuts: tuple[str, ...] = ()

    @property
    def rungs(self) -> tuple[int, ...]:
        """Steps at the end of each rung."""
        return rungs(self.steps)

    def cost(self, points: int, always: int = 0, tests: bool = True) -> float:
        """Steps that an optimizer takes, before anything is extended or refined.

        Args:
            points: rates in the first rung, those that are always tried included.
            always: how many of them go on to the end even if they are not among the best.
            tests: whether a short test centres the grid.
        """
        ends = self.rungs
        total = float(points * ends[0])
        for rung in range(1, len(ends)):
            keep = survivors(rung - 1, len(ends), points)
            total += min(points, keep + always / 2) * (ends[rung] - ends[rung - 1])
        total += (self.seeds - 1) * min(FINALISTS, points) * self.steps
        return total + (self.test_cost * self.test_steps if tests else 0)


def cost_of_test(batch: int | None) -> float:
    """What a step of the short test costs: one of training, and forward passes, a third each, over 256 examples.

    Args:
        batch: examples in one; None where there is no loader.
    """
    return 1.0 + (1 if batch is None else math.ceil(256 / max(1, batch))) / 3


def steps_of_test(steps: int) -> int:
    """Of the short test, for runs of so many steps: 100, and never more than a fifth of a run."""
    return min(100, max(30, steps // 5)) if steps >= 60 else 0


def fit(plan: Plan, seconds: Callable[[Plan], float], available: float, least_points: int = FEWEST_POINTS) -> Plan:
    """Cut a plan until it fits: the grid first, then the seeds, then the steps.

    Args:
        plan: what is wanted.
        seconds: how long a plan takes.
        available: seconds.
        least_points: the smallest grid; `plan.points` where the user said which rates to try.
    """
    if seconds(plan) <= available:
        return plan
    wanted = plan
    while plan.points > least_points and seconds(plan) > available:
        plan = replace(plan, points=max(least_points, plan.points - 2))
    while plan.seeds > 1 and seconds(plan) > available:
        plan = replace(plan, seeds=plan.seeds - 1)
    while plan.steps > FEWEST_STEPS and seconds(plan) > available:
        fewer = max(FEWEST_STEPS, min(plan.steps - 1, int(plan.steps * max(0.5, available / seconds(plan)))))
        plan = replace(plan, steps=fewer, test_steps=min(plan.test_steps, steps_of_test(fewer)))
    return replace(plan, cuts=(*plan.cuts, *differences(wanted, plan)))


def differences(wanted: Plan, plan: Plan) -> tuple[str, ...]:
    """What a plan lacks of the one that was wanted, a line each."""
    lines = []
    if plan.points < wanted.points:
        lines.append(f"grids of {plan.points} learning rates instead of {wanted.points}")
    if plan.seeds < wanted.seeds:
        lines.append(f"{plan.seeds} seed{'s' if plan.seeds > 1 else ''} instead of {wanted.seeds}")
    if plan.steps < wanted.steps:
        lines.append(f"{plan.steps} steps instead of {wanted.steps}")
    return tuple(lines)


def interleaved(lists: Sequence[Sequence]) -> list:
    """The first of every list, then the second of every list: time that runs out is then missing evenly."""
    longest = max(map(len, lists), default=0)
    return [items[k] for k in range(longest) for items in lists if k < len(items)]
