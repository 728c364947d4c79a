"""The ranking: every optimizer at its best learning rate, from the records of the runs and nothing else.

`rank` says how everything is defined. It depends neither on the order of the runs nor on the unit of the loss, and it
takes what there is: losses may be negative, infinite or nan, and runs may be missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from ..records import Candidate, Conditions, Entry, Point, Run
from . import remarks

WINDOW = 0.10
"""The share of the best loss by which a rate in the window may be worse."""

CLOSE = 0.05
"""With one seed, losses this close are tied: what another seed changes on the demos (0.086 ± 0.004 on demo:digits)."""


def rank(conditions: Conditions, candidates: Sequence[Candidate], runs: Iterable[Run]) -> tuple[Entry, ...]:
    """Rank the optimizers, each at the best rate found for it.

    The level: the rung at whose end runs are compared, the last one where the comparison is complete. If it was broken
    off, the last rung to which every optimizer has brought a run (those with no run that could go on do not count, nor
    do those that have not come to the end of a rung). A note says so then.

    Losses: a run counts with its loss at the level; inf if it diverged, then or later; it does not count if it failed
    or was stopped before.

    Best rate: the lowest mean over its seeds. Where seeds differ in number, a rate with fewer of them is better only
    if it is so over the seeds that both have. A rate that diverged from one seed is no candidate. Among equals, the
    smaller one.

    Order and ties: by the mean over the seeds that all have. A row is tied with the first one of its rank if their
    difference is noise: with d the paired differences over n common seeds, |mean d| <= 2 sd(d) / sqrt(n). With one
    common seed: |d| <= max(5 % of the better loss, 2 standard errors of the two means over the last tenth). Ties do
    not chain: all rows of a rank are tied with its first. Optimizers without a finite loss come last, tied with each
    other.

    Window: the tried rates around the best one, without gaps, whose loss, paired as above, is at most max(10 % of
    |best loss|, 2 sd over seeds) above it. It is open at an end if no rate was tried beyond it, or if the one there was
    stopped early while it would still have been inside.

    Sensitivity: the mean of min(loss, loss at the start) - best loss over the other rates within one decade that have
    a loss at the level or diverged.

    Default and table: the loss at these rates; None if they were not trained to the level.

    Time: milliseconds a step is the median over the optimizer's longest runs. The goal is reached where the straight
    line between two evaluations (without held-out data: points of the training curve) crosses it.

    Drift: for every rung, the best rate by the first seed's losses at its end; nan where there is none.

    Args:
        conditions: what was trained; rungs, seeds, goal and objective are used.
        candidates: what takes part; each gets a row.
        runs: in any order; a later record of the same optimizer, rate and seed replaces an earlier one.

    Returns:
        The rows, best first.

    Example:
        >>> conditions = Conditions("line", "", 2, None, "cpu", 1, (10,), 1, 0, "train loss")
        >>> entrants = [Candidate(name, f"{name}(model.parameters(), lr={{lr}})") for name in ("A", "B")]
        >>> runs = [Run(name, lr, 0, rung=0, steps=10, loss=loss, rung_losses=(loss,))
        ...         for name, lr, loss in (("A", 0.1, 2.0), ("A", 0.2, 1.5), ("B", 0.1, 1.0))]
        >>> [(entry.rank, entry.label, entry.lr, entry.loss) for entry in rank(conditions, entrants, runs)]
        [(1, 'B', 0.1, 1.0), (2, 'A', 0.2, 1.5)]
    """
    by_label: dict[str, dict[tuple[float, int], Run]] = {candidate.label: {} for candidate in candidates}
    for run in runs:
        if run.optimizer in by_label:
            by_label[run.optimizer][run.lr, run.seed] = run
    # By rate and seed: sums do not depend on what was recorded when.
    trained = {label: [found[key] for key in sorted(found)] for label, found in by_label.items()}
    level = _level(len(conditions.rungs) - 1, list(trained.values()))
    rows = [Row(conditions, candidate, trained[candidate.label], level) for candidate in candidates]
    ordered = _in_order(rows)
    entries: list[Entry] = []
    for place, row in enumerate(ordered):
        shared = bool(entries) and _tied(ordered[entries[-1].rank - 1], row)  # the first row of a rank is at its place
        entries.append(row.entry(entries[-1].rank if shared else place + 1))
    ranks = [entry.rank for entry in entries]
    return tuple(replace(entry, tied=ranks.count(entry.rank) > 1) for entry in entries)


def _level(last: int, all_runs: Sequence[Sequence[Run]]) -> int:
    """The rung at whose end runs are compared: all optimizers that still had a way to go must have been there."""
    level = last
    for runs in all_runs:
        there = max((run.rung for run in runs if run.status not in ("diverged", "failed")), default=-1)
        if there >= 0 and any(run.status == "unfinished" for run in runs):
            level = min(level, there)
    return level


def loss_at(run: Run, level: int) -> float | None:
    """A run's loss at the end of a rung: inf if it diverged, nan if it failed, None if it has not been there."""
    if run.status == "diverged":
        return math.inf
    if run.status == "failed":
        return math.nan
    return run.rung_losses[level] if 0 <= level < len(run.rung_losses) else None


def mean(values: Sequence[float]) -> float:
    """The mean; nan of nothing, and of what holds a nan."""
    if not values or any(value != value for value in values):
        return math.nan
    if not all(map(math.isfinite, values)):
        return sum(values)
    return math.fsum(value / len(values) for value in values)


def deviation(values: Sequence[float]) -> float:
    """The standard deviation, n - 1 below; nan of fewer than two values, and where one is not finite."""
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return math.nan
    centre = mean(values)
    return math.hypot(*(value - centre for value in values)) / math.sqrt(len(values) - 1)


@dataclass
class Row:
    """One optimizer: its runs by rate, and what follows from them.

    Attributes:
        conditions: of the comparison.
        candidate: the optimizer.
        runs: its own, by rate and seed.
        level: the rung whose losses count.
        losses: by rate and seed, at the level.
        best: the best rate; None if none is finite.
    """

    conditions: Conditions
    candidate: Candidate
    runs: list[Run]
    level: int
    losses: dict[float, dict[int, float]] = field(init=False)
    best: float | None = field(init=False)

    def __post_init__(self) -> None:
        self.losses = {}
        for run in self.runs:
            loss = loss_at(run, self.level)
            if loss is not None:
                self.losses.setdefault(run.lr, {})[run.seed] = loss
        self.best = _best(self.losses)

    @property
    def best_losses(self) -> dict[int, float]:
        """By seed, at the best rate."""
        return {} if self.best is None else self.losses[self.best]

    @property
    def best_runs(self) -> list[Run]:
        """At the best rate, those that count."""
        return [run for run in self.runs if run.lr == self.best and run.seed in self.best_losses]

    @property
    def loss(self) -> float:
        """At the best rate, mean over seeds; inf if all diverged, nan if all failed or nothing was trained."""
        if self.best is not None:
            return mean(list(self.best_losses.values()))
        return math.inf if any(run.status == "diverged" for run in self.runs) else math.nan

    @property
    def margin(self) -> float:
        """How much worse than the best a rate in the window may be."""
        spread = deviation(list(self.best_losses.values()))
        return max(WINDOW * abs(self.loss), 0.0 if spread != spread else 2 * spread)

    def entry(self, place: int) -> Entry:
        """The row of the ranking, at a rank."""
        window, window_open = self._window()
        metrics = [run.metric for run in self.best_runs if run.metric is not None]
        steps, seconds = self._goal()
        drift = tuple(self._best_after(rung) for rung in range(self.level + 1))
        return Entry(
            rank=place,
            tied=False,
            label=self.candidate.label,
            lr=math.nan if self.best is None else self.best,
            loss=self.loss,
            sd=deviation(list(self.best_losses.values())),
            metric=mean(metrics) if metrics and self.conditions.metric else None,
            default=self._known(self.candidate.default_lr),
            table=self._known(self.candidate.table_lr),
            window=window,
            window_open=window_open,
            sensitivity=self._sensitivity(),
            ms_per_step=self._pace(),
            goal_steps=steps,
            goal_seconds=seconds,
            by_lr=self._by_lr(),
            drift=drift,
            notes=remarks.notes(self, window, window_open, drift),
        )

    # -------------------------------------------------------------------------------------------------- the window

    def _window(self) -> tuple[tuple[float, float], tuple[bool, bool]]:
        if self.best is None:
            return (math.nan, math.nan), (False, False)
        tried = sorted({run.lr for run in self.runs if run.rung >= 0 or run.status in ("diverged", "failed")})
        place = tried.index(self.best)
        low, below = self._end(tried[place::-1])
        high, above = self._end(tried[place:])
        return (low, high), (below, above)

    def _end(self, rates: Sequence[float]) -> tuple[float, bool]:
        """The last rate of the window in one direction, the best one first, and whether it is open there."""
        end = rates[0]
        for lr in rates[1:]:
            if lr not in self.losses:
                return end, self._was_inside(lr)
            if not self._excess(lr) <= self.margin:
                return end, False
            end = lr
        return end, True

    def _excess(self, lr: float) -> float:
        """How much worse a rate is than the best one."""
        return difference(self.losses[lr], self.best_losses)

    def _was_inside(self, lr: float) -> bool:
        """Whether a rate that was stopped early was inside the window at the end of its last rung."""
        rung = max((run.rung for run in self.runs if run.lr == lr), default=-1)
        if rung < 0:
            return True
        then = {run.seed: run.rung_losses[rung] for run in self.runs if run.lr == lr and run.rung == rung}
        best = {run.seed: run.rung_losses[rung] for run in self.best_runs}
        allowed = max(WINDOW * abs(mean(list(best.values()))), self.margin)
        return difference(then, best) <= allowed

    # -------------------------------------------------------------------------------------------- the other numbers

    def _known(self, lr: float | None) -> tuple[float, float] | None:
        """A rate that one would have taken without a search, and its loss."""
        for tried, losses in self.losses.items():
            if lr is not None and math.isclose(tried, lr, rel_tol=1e-9):
                return lr, mean(list(losses.values()))
        return None

    def _sensitivity(self) -> float:
        if self.best is None:
            return math.nan
        starts = [curve[0].loss for run in self.runs for curve in [run.evaluations or run.curve] if curve]
        start = median(starts) if starts else math.inf
        losses = []
        for lr, by_seed in self.losses.items():
            loss = min(mean(list(by_seed.values())), start)
            if lr != self.best and abs(math.log10(lr / self.best)) <= 1 + 1e-9 and math.isfinite(loss):
                losses.append(loss - self.loss)
        return mean(losses)

    def _pace(self) -> float:
        timed = [run for run in self.runs if run.steps > 0 and run.status != "failed"]
        longest = max((run.rung for run in timed), default=0)
        return median([1000 * run.seconds / run.steps for run in timed if run.rung == longest] or [math.nan])

    def _goal(self) -> tuple[float | None, float | None]:
        """Steps and seconds to the goal, mean over the seeds of the best rate."""
        goal = self.conditions.goal
        if goal is None or self.best is None:
            return None, None
        reached = [crossing(run.evaluations or run.curve, goal) for run in self.best_runs]
        if any(found is None for found in reached):
            return None, None
        found = [point for point in reached if point is not None]
        return mean([point[0] for point in found]), mean([point[1] for point in found])

    def _best_after(self, rung: int) -> float:
        """The best rate at the end of a rung, for the first seed."""
        first = min((run.seed for run in self.runs), default=0)
        losses = {}
        for run in self.runs:
            if run.seed == first and rung < len(run.rung_losses) and math.isfinite(run.rung_losses[rung]):
                losses[run.lr] = run.rung_losses[rung]
        return min(losses, key=lambda lr: (losses[lr], lr), default=math.nan)

    def _by_lr(self) -> tuple[tuple[float, float, int], ...]:
        found = []
        for lr in sorted({run.lr for run in self.runs}):
            runs = [run for run in self.runs if run.lr == lr]
            rung = max(run.rung for run in runs)
            ended = [loss_at(run, rung) for run in runs]
            losses = [loss for loss in ended if loss is not None]
            if losses and (rung >= 0 or not all(map(math.isfinite, losses))):
                found.append((lr, mean(losses), rung))
        return tuple(found)


def difference(losses: Mapping[int, float], others: Mapping[int, float]) -> float:
    """The mean difference, over the seeds that both have; of the means if they have none in common."""
    common = sorted(losses.keys() & others.keys())
    if not common:
        return mean(list(losses.values())) - mean(list(others.values()))
    return mean([losses[seed] - others[seed] for seed in common])


def _best(losses: Mapping[float, Mapping[int, float]]) -> float | None:
    """The best rate: of those with most seeds the lowest mean, unless a rate with fewer seeds is better over these."""
    means = {lr: mean(list(by_seed.values())) for lr, by_seed in losses.items()}
    order = sorted((lr for lr in means if math.isfinite(means[lr])), key=lambda lr: (-len(losses[lr]), means[lr], lr))
    if not order:
        return None
    best = order[0]
    for lr in order[1:]:
        fewer = len(losses[lr]) < len(losses[best])
        if fewer and losses[lr].keys() & losses[best].keys() and difference(losses[lr], losses[best]) < 0:
            best = lr
    return best


def crossing(points: Sequence[Point], goal: float) -> tuple[float, float] | None:
    """Steps and seconds at which a curve first is at the goal, on a straight line between its points."""
    before: Point | None = None
    for point in points:
        if point.loss <= goal:
            if before is None or not math.isfinite(before.loss) or not math.isfinite(point.loss):
                return float(point.step), point.seconds
            share = (before.loss - goal) / (before.loss - point.loss)
            steps = before.step + share * (point.step - before.step)
            return steps, before.seconds + share * (point.seconds - before.seconds)
        before = point
    return None


# ------------------------------------------------------------------------------------------------------ order and ties


def _in_order(rows: Sequence[Row]) -> list[Row]:
    """Best first; those without a best rate last, what diverged before what failed."""
    seeds = [set(row.best_losses) for row in rows if row.best is not None]
    common = set.intersection(*seeds) if seeds else set()

    def key(row: Row) -> tuple[int, float, float]:
        if row.best is None:
            return (1 if math.isinf(row.loss) else 2), 0.0, 0.0
        return 0, mean([row.best_losses[seed] for seed in common or row.best_losses]), row.loss

    return sorted(rows, key=key)


def _tied(leader: Row, row: Row) -> bool:
    """Whether the difference to the first of a rank is noise."""
    if leader.best is None or row.best is None:
        return leader.best is row.best and math.isinf(leader.loss) == math.isinf(row.loss)
    common = sorted(leader.best_losses.keys() & row.best_losses.keys())
    pairs = [row.best_losses[seed] - leader.best_losses[seed] for seed in common] or [row.loss - leader.loss]
    if len(pairs) > 1:
        return abs(mean(pairs)) <= 2 * deviation(pairs) / math.sqrt(len(pairs))
    first = [run for each in (leader, row) for run in each.best_runs[:1]]
    errors = math.hypot(*(_error(run, row.level, row.conditions) for run in first))
    return abs(pairs[0]) <= max(CLOSE * min(abs(leader.loss), abs(row.loss)), 2 * errors)


def _error(run: Run, level: int, conditions: Conditions) -> float:
    """The standard error of a run's loss, from the spread of what it is the mean of; 0 if that is not known."""
    end = min(run.steps, conditions.rungs[level]) if run.rung > level else run.steps
    points = run.evaluations or run.curve
    last = [point.loss for point in points if 0.9 * end < point.step <= end]
    spread = deviation(last)
    return 0.0 if spread != spread else spread / math.sqrt(len(last))
