"""What the pictures and the page read of a result, and the small sums that they share.

The two protocols name all that is read: whatever has these attributes can be drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..records import Candidate, Conditions, Entry, Run, spell


class Compared(Protocol):
    """What is read of a comparison."""

    @property
    def conditions(self) -> Conditions: ...  # noqa: D102
    @property
    def candidates(self) -> Sequence[Candidate]: ...  # noqa: D102
    @property
    def runs(self) -> Sequence[Run]: ...  # noqa: D102
    @property
    def entries(self) -> Sequence[Entry]: ...  # noqa: D102
    @property
    def interrupted(self) -> bool: ...  # noqa: D102
    @property
    def seconds(self) -> float: ...  # noqa: D102


class RangeTested(Protocol):
    """What is read of one range test."""

    @property
    def rates(self) -> Sequence[float]: ...  # noqa: D102
    @property
    def losses(self) -> Sequence[float]: ...  # noqa: D102
    @property
    def probe(self) -> Sequence[float]: ...  # noqa: D102
    @property
    def stop(self) -> str: ...  # noqa: D102
    @property
    def argmin(self) -> float | None: ...  # noqa: D102


class Found(Protocol):
    """What is read of a learning rate that was found."""

    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def line(self) -> str: ...  # noqa: D102
    @property
    def lr(self) -> float | None: ...  # noqa: D102
    @property
    def interval(self) -> tuple[float, float] | None: ...  # noqa: D102
    @property
    def confidence(self) -> str: ...  # noqa: D102
    @property
    def reason(self) -> str: ...  # noqa: D102
    @property
    def suggestions(self) -> Mapping[str, float | None]: ...  # noqa: D102
    @property
    def tests(self) -> Sequence[RangeTested]: ...  # noqa: D102


@dataclass(frozen=True)
class RatePoint:
    """An optimizer at one learning rate.

    Attributes:
        lr: the rate.
        loss: mean over the seeds of the last rung it reached; inf: diverged; nan: failed.
        low: the smallest of those seeds.
        high: the largest.
        full: whether it was trained to the end.
    """

    lr: float
    loss: float
    low: float
    high: float
    full: bool


def numbers(comparison: Compared) -> dict[str, int]:
    """By label, the number that gives a candidate its colour and marker: the same in every picture."""
    return {candidate.label: number for number, candidate in enumerate(comparison.candidates)}


def candidate_of(comparison: Compared, label: str) -> Candidate:
    """The candidate of that label."""
    return next(candidate for candidate in comparison.candidates if candidate.label == label)


def runs_at(comparison: Compared, entry: Entry, lr: float) -> list[Run]:
    """The runs of an entry's optimizer at one rate, by seed."""
    runs = [run for run in comparison.runs if run.optimizer == entry.label and run.lr == lr]
    return sorted(runs, key=lambda run: run.seed)


def rate_points(comparison: Compared, entry: Entry) -> list[RatePoint]:
    """Every rate tried for an entry, increasing."""
    last = len(comparison.conditions.rungs) - 1
    points = []
    for lr, loss, rung in entry.by_lr:
        reached = [run.rung_losses[rung] for run in runs_at(comparison, entry, lr) if 0 <= rung < len(run.rung_losses)]
        finite = [value for value in reached if math.isfinite(value)] or [loss]
        points.append(RatePoint(lr, loss, min(finite), max(finite), rung >= last))
    return points


def found_best(entry: Entry) -> bool:
    """Whether the entry has a best rate: not all diverged or failed."""
    return math.isfinite(entry.loss)


def use_line(comparison: Compared) -> str | None:
    """The line to paste: the best optimizer at its best rate; None if nothing has been trained to a finite loss."""
    for entry in comparison.entries:
        if found_best(entry):
            return candidate_of(comparison, entry.label).constructor(entry.lr)
    return None


def short(value: float) -> str:
    """A loss in three digits: 0.088, 2.18, 1.2e-05."""
    return f"{value:.3g}"


def spread_of(entry: Entry) -> str:
    """` ±0.004`, in the digits of the loss; empty with one seed."""
    if not math.isfinite(entry.sd):
        return ""
    return f" ±{entry.sd:.1g}"


def rank_text(entry: Entry) -> str:
    """`1=` where the rank is shared."""
    return f"{entry.rank}{'=' if entry.tied else ''}"


def conditions_text(conditions: Conditions) -> str:
    """`demo:digits, 440 steps, 2 seeds`."""
    seeds = f"{conditions.seeds} seed{'s' if conditions.seeds != 1 else ''}"
    return f"{conditions.name}, {conditions.steps} steps, {seeds}"


def interval_text(low: float, high: float) -> str:
    """`0.03 to 0.1`, or the one number that both are."""
    return spell(low) if low == high else f"{spell(low)} to {spell(high)}"
