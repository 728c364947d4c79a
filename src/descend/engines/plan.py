"""Sends every tensor to an engine: launches of compiled kernels, and what is left to the eager engine."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from torch import Tensor

from ..rules import Rule
from . import cpu, eager
from .job import Job, Row

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


class Plan:
    """One optimizer step, ready to run.

    Args:
        rule: the algorithm.
        jobs: everything to update, in order.
        idle: parameters without a gradient.
        only_eager: a reason to run everything eagerly, or empty.
        required: native kernels that cannot be had are an error, not a warning.
    """

    def __init__(
        self, rule: Rule, jobs: Sequence[Job], idle: Sequence[Tensor], only_eager: str = "", required: bool = False
    ) -> None:
        if not only_eager and cpu.usable():
            if required:
                raise RuntimeError(f"engine='cpu' cannot run: {cpu.usable()}")
            _warn(cpu.usable())
        self.rule = rule
        self.rows: list[Row] = list({id(job.row): job.row for job in jobs}.values())
        spans = [] if only_eager else cpu.written(jobs)
        reasons = choose(jobs, only_eager, spans)
        self.eager = [job for job, reason in zip(jobs, reasons, strict=True) if reason]
        buckets: dict[object, list[Job]] = {}
        for job, reason in zip(jobs, reasons, strict=True):
            if not reason:
                buckets.setdefault(cpu.variant_key(rule, job), []).append(job)
        watched = list(idle)  # one launch is enough to watch them
        self.launches = []
        for bucket in buckets.values():
            try:
                self.launches.append(cpu.Launch(rule, bucket, watched, spans))
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

    def run(self, new_scalars: bool = True) -> bool:
        """Update everything; False, with nothing changed, if something is not as it was when the plan was made.

        Args:
            new_scalars: the rows' scalars have changed since the last run.
        """
        launches = self.launches
        if new_scalars:
            for launch in launches:
                if not launch.pack():
                    return False
        if len(launches) == 1 and not self.eager:
            return launches[0].run()
        if not all(launch.run(check_only=True) for launch in launches):
            return False
        eager.run(self.rule, self.eager)
        for launch in launches:
            launch.run()
        return True
