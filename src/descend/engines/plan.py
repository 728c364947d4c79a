"""Sends every tensor to an engine: launches of compiled kernels, and what is left to the eager engine."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from enum import Enum

from torch import Tensor

from ..rules import Rule
from . import cpu, eager, measures
from .job import NO_GUARD, Guard, Job, Row
from .launch import Launch

_warned = False


def _warn(reason: str) -> None:
    """Say once a process that everything runs on torch operations, and why."""
    global _warned  # noqa: PLW0603  (once a process is what is meant)
    if not _warned:
        _warned = True
        warnings.warn(
            f"descend: no native kernels, so optimizers run on torch operations (same numbers, slower): {reason}",
            stacklevel=6,
        )


def choose(jobs: Sequence[Job], only_eager: str = "", spans: Sequence[tuple[int, int, int]] | None = None) -> list[str]:
    """For each job, why it runs eagerly; empty if the CPU engine takes it.

    Args:
        jobs: what is to be updated.
        only_eager: a reason to run everything eagerly, or empty.
        spans: the memory that the jobs write to (`cpu.written`), if it is known already.
    """
    reasons = [only_eager or cpu.refusal(job) for job in jobs]
    if not all(reasons):
        for i in cpu.shared_memory(jobs, cpu.written(jobs) if spans is None else spans):
            reasons[i] = reasons[i] or "shares memory with another parameter or its state"
    return reasons


class Outcome(Enum):
    """How a step ended. CHANGED and SKIPPED have changed nothing."""

    DONE = 0
    CHANGED = 1  # something is not as it was when the plan was made
    SKIPPED = 2  # a gradient is NaN or infinite, and such steps are to be left out


class Plan:
    """One optimizer step, ready to run.

    Args:
        rule: the algorithm.
        jobs: everything to update, in order.
        idle: parameters without a gradient.
        only_eager: a reason to run everything eagerly, or empty.
        required: native kernels that cannot be had are an error, not a warning.
        guard: what is asked of all gradients together.
    """

    def __init__(
        self,
        rule: Rule,
        jobs: Sequence[Job],
        idle: Sequence[Tensor],
        only_eager: str = "",
        required: bool = False,
        guard: Guard = NO_GUARD,
    ) -> None:
        if not only_eager and cpu.usable():
            if required:
                raise RuntimeError(f"engine='cpu' cannot run: {cpu.usable()}")
            _warn(cpu.usable())
        self.rule, self.guard, self.jobs = rule, guard, list(jobs)
        self.rows: list[Row] = list({id(job.row): job.row for job in jobs}.values())
        spans = [] if only_eager else cpu.written(jobs)
        reasons = choose(jobs, only_eager, spans)
        self.eager = [job for job, reason in zip(jobs, reasons, strict=True) if reason]
        self.eager_statistics: list[list[float]] = []
        buckets: dict[object, list[Job]] = {}
        for job, reason in zip(jobs, reasons, strict=True):
            if not reason:
                buckets.setdefault(cpu.variant_key(rule, job), []).append(job)
        watched = list(idle)  # one launch is enough to watch them
        self.launches: list[Launch] = []
        for bucket in buckets.values():
            try:
                self.launches.append(Launch(rule, bucket, watched, spans, guard))
                watched = []
            except Exception as error:  # whatever Numba, LLVM or the disk may raise: the numbers do not depend on them
                if required:
                    raise RuntimeError(f"engine='cpu' cannot run: {error}") from error
                _warn(f"{type(error).__name__}: {error}")
                chosen = {id(job) for job in (*self.eager, *bucket)}
                self.eager = [job for job in jobs if id(job) in chosen]

    @property
    def reusable(self) -> bool:
        """Whether native code notices every change that would make this plan wrong."""
        return bool(self.launches) and not self.eager

    def run(self, new_scalars: bool = True) -> Outcome:
        """Update everything, or nothing.

        Args:
            new_scalars: the rows' scalars have changed since the last run.

        Raises:
            RuntimeError: a gradient is NaN or infinite, and that is to be an error.
        """
        launches = self.launches
        if new_scalars and not all([launch.pack() for launch in launches]):
            return Outcome.CHANGED
        if self.guard.first_pass:
            return self._run_guarded()
        if len(launches) == 1 and not self.eager:
            return Outcome.DONE if launches[0].run() else Outcome.CHANGED
        if not all(launch.check() for launch in launches):
            return Outcome.CHANGED
        self._run_eager()
        for launch in launches:
            launch.run()
        return Outcome.DONE

    def _run_eager(self) -> None:
        self.eager_statistics = eager.run(self.rule, self.eager, self.guard.stats)

    def _run_guarded(self) -> Outcome:
        """Read all gradients first: for their norm, and for what is not finite."""
        squares = [launch.squares() for launch in self.launches]
        if None in squares:
            return Outcome.CHANGED
        eagerly = [measures.squares(job.grad, job.row.clip) for job in self.eager]
        total = measures.total([*filter(None, squares), *eagerly])
        if not math.isfinite(total) and self.guard.nonfinite != "propagate":
            if measures.leaves_out(self.guard.nonfinite, ((job.name, job.param.grad) for job in self.jobs)):
                return Outcome.SKIPPED
        if self.guard.clip_norm is not None and not self._clip(total, self.guard.clip_norm):
            return Outcome.CHANGED
        self._run_eager()
        if not all([launch.after_check() for launch in self.launches]):
            return Outcome.CHANGED
        return Outcome.DONE

    def _clip(self, total: float, limit: float) -> bool:
        """Scale all gradients so that their norm is at most the limit; False if another kernel is needed."""
        norm = measures.norm(
            total, lambda: [(g, job.row.clip) for job in self.jobs if (g := job.param.grad) is not None]
        )
        factor = measures.factor(limit, norm)
        if all(row.factor == factor for row in self.rows):
            return True
        for row in self.rows:
            row.factor = factor
        return all([launch.pack() for launch in self.launches])

    def statistics(self) -> list[tuple[Job, list[float]]]:
        """For each parameter of the last step, what `layout.STATISTICS` names."""
        result = list(zip(self.eager, self.eager_statistics, strict=True))
        for launch in self.launches:
            result += [
                (job, list(map(float, sums))) for job, sums in zip(launch.jobs, launch.statistics(), strict=True)
            ]
        order = {id(job): i for i, job in enumerate(self.jobs)}
        return sorted(result, key=lambda entry: order[id(entry[0])])
