"""The runs of a comparison while it goes on: advanced rung by rung, looked up where the journal has them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from time import perf_counter
from typing import Any

from ..contenders import Contender
from ..problem import Problem
from ..progress import Progress
from ..records import Origin, Run
from ..trial import Trial
from .budget import Budget
from .journal import Journal, Key
from .plan import Plan

SLICE = 0.5
"""Seconds after which a long run shows that it is still there."""


LONG = 0.02
"""Seconds of a step, from which on what a batched run saves is not worth looking for: dozens of steps."""


class Lane:
    """One run, alive or put away.

    Attributes:
        contender: what trains.
        lr: the rate.
        seed: counted from 0.
        origin: why this rate is tried.
        always: whether it goes on to the end even if it is not among the best.
        run: the latest record.
        trial: the run itself while it may go on; None before it starts, after its end, and where the journal knew it.
        stopped: whether it does not go on.
        worked: whether it has been trained by this call; what the journal knew has been shown before.
        told: whether its end has been shown.
    """

    def __init__(self, contender: Contender, lr: float, seed: int, origin: Origin, always: bool) -> None:
        self.contender, self.lr, self.seed, self.origin, self.always = contender, lr, seed, origin, always
        self.run = Run(contender.label, lr, seed, origin=origin, status="unfinished")
        self.trial: Trial | None = None
        self.stopped = False
        self.worked = self.told = False

    @property
    def key(self) -> Key:
        """Label, rate and seed."""
        return self.contender.label, self.lr, self.seed

    @property
    def over(self) -> bool:
        """Whether it cannot go on."""
        return self.run.status in ("diverged", "failed", "finished")


class Lanes:
    """All runs of a comparison.

    Args:
        problem: what is trained.
        plan: steps and rungs.
        journal: what is done already, and where to note what will be.
        budget: when to stop.
        shown: the display.
        seed: the first one; further seeds count up from it.
        schedule: of the learning rate.
        on_result: called with every run that has ended.
    """

    def __init__(
        self,
        problem: Problem,
        plan: Plan,
        journal: Journal,
        budget: Budget,
        shown: Progress,
        *,
        seed: int = 0,
        schedule: str = "constant",
        on_result: Callable[[Run], object] | None = None,
    ) -> None:
        self.problem, self.plan, self.journal, self.budget, self.shown = problem, plan, journal, budget, shown
        self.seed, self.schedule, self.on_result = seed, schedule, on_result
        self.rungs = plan.rungs
        self.all: dict[Key, Lane] = {}
        self.stacked: dict[str, str] = {}  # by label: whether copies were trained in one run, and why
        self._not_worth: dict[str, int] = {}  # by label: so many copies, and fewer, are faster one by one
        self.steps: dict[str, float] = {}  # by label: what has been spent, looked-up runs included
        self.expected: dict[str, float] = {}  # by label: steps of everything planned, whatever may be added included
        self.error: Exception | None = None  # the first one
        self._running: list[Lane] = []

    def lane(self, contender: Contender, lr: float, seed: int, origin: Origin, always: bool = False) -> Lane:
        """The lane of a rate and seed, new if there is none."""
        key = (contender.label, lr, seed)
        if key not in self.all:
            self.all[key] = Lane(contender, lr, seed, origin, always)
        return self.all[key]

    def of(self, label: str, seed: int = 0) -> list[Lane]:
        """All lanes of an optimizer and seed."""
        return [lane for lane in self.all.values() if lane.contender.label == label and lane.seed == seed]

    # -------------------------------------------------------------------------------------------------- advancing

    def advance(self, lanes: Iterable[Lane], rung: int, keep: int | None = None) -> None:
        """Train lanes to the end of a rung, counted from 0, through those before it.

        Args:
            lanes: those that are over or have been there are left alone.
            rung: where to.
            keep: how many of them can go on afterwards, where that is known: the others are put away as they come in.

        Raises:
            OutOfTime: the time is up; what was under way is recorded as unfinished.
        """
        lanes = list(lanes)
        for at in range(rung + 1):
            waiting = [lane for lane in lanes if not lane.over and lane.run.rung == at - 1]
            done = len(lanes) - len(waiting)
            for group in self._groups(waiting):
                together = len(group) > 1 and self._worth_stacking(group)
                for batch in [group] if together else [[lane] for lane in group]:
                    self._tell(lanes, at, done)
                    self._go(batch, at, lanes, keep)
                    done += len(batch)
            if waiting:
                self._tell(lanes, at, done)

    def _groups(self, lanes: list[Lane]) -> list[list[Lane]]:
        """Lanes of the same optimizer and seed, which could be trained in one batched run."""
        groups: dict[tuple[str, int], list[Lane]] = {}
        for lane in lanes:
            groups.setdefault((lane.contender.label, lane.seed), []).append(lane)
        return list(groups.values())

    def _worth_stacking(self, group: list[Lane]) -> bool:
        """Asked once for an optimizer and a number of copies; fewer copies gain less, so a no holds for them, too."""
        label = group[0].contender.label
        if len(group) <= self._not_worth.get(label, 0):
            return False

        def ask() -> list[Any]:
            from . import stacked

            self.budget.check()
            pace = self.budget.seconds_for(label, 1)
            if pace > LONG:
                return [False, f"no: with {1000 * pace:.0f} ms a step there is nothing to gain"]
            trials = [self._wake(lane) for lane in group]
            if any(trial.status != "unfinished" for trial in trials):
                return [False, "no: a run could not start"]
            worth, why = stacked.worth_it(self.problem, trials)
            return [bool(worth), why]

        worth, why = self.journal.decide(f"stacked {label} x{len(group)}", ask, self.budget.elapsed)
        if worth or label not in self.stacked:
            self.stacked[label] = why if why.startswith(("yes", "no")) else f"{'yes' if worth else 'no'}: {why}"
        if not worth:
            self._not_worth[label] = len(group)
        return bool(worth)

    def _go(self, batch: list[Lane], rung: int, among: list[Lane], keep: int | None) -> None:
        """Bring a batch of lanes to the end of a rung, or look up that it has been there."""
        for lane in batch:
            run = self.journal.recall(lane.key, rung)
            if run is not None:
                lane.trial = None
                self._count(lane, run)
        batch = [lane for lane in batch if lane.run.rung < rung]
        if not batch:
            return
        self.budget.check()
        begin, before = perf_counter(), sum(lane.run.steps for lane in batch)
        self._running = batch
        self._train(batch, rung)
        for lane in batch:
            assert lane.trial is not None
            lane.trial.close_rung(rung)
            self.error = self.error or getattr(lane.trial, "error", None)
            self._count(lane, self._record(lane, "finished" if rung == len(self.rungs) - 1 else "unfinished"))
        steps = sum(lane.run.steps for lane in batch) - before
        self.budget.note(batch[0].contender.label, steps, perf_counter() - begin)
        put_away = self._put_away(among, rung, keep)
        for lane in batch:
            if lane.trial is not None:
                self._save(lane)
        self.journal.runs([lane.run for lane in batch], rung, self.budget.elapsed)
        self._running = []
        for lane in [*batch, *put_away]:
            self.journal.forget(lane.key, rung + 1 if lane.trial is None else rung)
        for lane in batch:
            lane.worked = True
            if lane.over:
                self._ended(lane)

    def _train(self, batch: list[Lane], rung: int) -> None:
        """Wake and train; a trial that does not get there in time ends the comparison."""
        until, deadline = self.rungs[rung], self.budget.deadline
        trials = [self._wake(lane) for lane in batch]
        if len(trials) > 1:
            from . import stacked

            stacked.run(trials, until, deadline)
        for trial in trials:
            while trial.status == "unfinished" and trial.step < until:
                self.budget.check()
                now = perf_counter() + SLICE
                trial.run(until, now if deadline is None else min(deadline, now))
                self._tick()

    def _wake(self, lane: Lane) -> Trial:
        """The lane's trial, as it was at the end of its last rung: from a checkpoint, or trained anew."""
        if lane.trial is None:
            seed, steps = self.seed + lane.seed, self.rungs[-1]
            trial = Trial(
                self.problem,
                lane.contender,
                lane.lr,
                seed,
                origin=lane.origin,
                total_steps=steps,
                schedule=self.schedule,
            )
            lane.trial = trial
            state = self.journal.load(lane.key, lane.run.rung)
            if state is not None and trial.status == "unfinished":
                trial.load_state_dict(state)
            for rung in range(trial.rung + 1, lane.run.rung + 1):
                while trial.status == "unfinished" and trial.step < self.rungs[rung]:
                    self.budget.check()
                    trial.run(self.rungs[rung], self.budget.deadline)
                trial.close_rung(rung)
        return lane.trial

    def _record(self, lane: Lane, status: Any) -> Run:
        assert lane.trial is not None
        return replace(lane.trial.record(status), seed=lane.seed)

    def _count(self, lane: Lane, run: Run) -> None:
        label = lane.contender.label
        self.steps[label] = self.steps.get(label, 0.0) + run.steps - lane.run.steps
        lane.run = run
        if lane.over:
            lane.trial = None

    def _save(self, lane: Lane) -> None:
        """Keep what continuing needs. An optimizer that cannot be saved starts anew after an interruption."""
        assert lane.trial is not None
        if self.journal.directory is not None:
            try:
                self.journal.save(lane.key, lane.run.rung, lane.trial.state_dict())
            except OSError:
                raise
            except Exception:
                return

    def _put_away(self, among: list[Lane], rung: int, keep: int | None) -> list[Lane]:
        """Let go of the trials that cannot be among the best any more; returns their lanes."""
        if keep is None or rung > 0:  # after the first rung few are left, and one may be wanted again
            return []
        there = [lane for lane in among if lane.run.rung == rung and not lane.over]
        there.sort(key=lambda lane: (lane.run.loss, lane.lr))
        gone = [lane for lane in there[keep:] if not lane.always and lane.trial is not None]
        for lane in gone:
            lane.trial = None
        return gone

    # -------------------------------------------------------------------------------------------------- the ends

    def stop(self, lanes: Iterable[Lane]) -> None:
        """These do not go on."""
        lanes = [lane for lane in lanes if not lane.over and not lane.stopped]
        for lane in lanes:
            lane.stopped = True
            lane.trial = lane.trial if lane.run.rung > 0 else None
        self.journal.stopped(lane.key for lane in lanes)

    def settle(self) -> None:
        """Those that were stopped stay so: show them."""
        for lane in self.all.values():
            if lane.stopped and not lane.over:
                lane.run = replace(lane.run, status="stopped")
                lane.trial = None
                self._ended(lane)

    def close(self) -> tuple[Run, ...]:
        """The records of all runs; what was under way is noted as unfinished."""
        broken = []
        for lane in self._running:
            if lane.trial is not None and lane.trial.step > lane.run.steps:
                lane.run = self._record(lane, "unfinished")
                broken.append(lane.run)
        self._running = []
        if broken:
            self.journal.runs(broken, None, self.budget.elapsed)
        self.settle()
        for lane in self.all.values():
            lane.trial = None
        return tuple(lane.run for lane in self.all.values() if lane.run.steps or lane.over)

    def _ended(self, lane: Lane) -> None:
        if lane.worked and not lane.told:
            lane.told = True
            self.shown.result(lane.run)
            if self.on_result is not None:
                self.on_result(lane.run)

    # ------------------------------------------------------------------------------------------------- the display

    def _tell(self, lanes: list[Lane], rung: int, done: int) -> None:
        runs = [lane.run for lane in lanes]
        losses = [(run.loss, run.lr) for run in runs if run.rung >= rung and math.isfinite(run.loss)]
        best = min(losses) if losses else None
        self._line: Mapping[str, Any] = dict(
            label=lanes[0].contender.label,
            rung=rung + 1,
            rungs=len(self.rungs),
            done=done,
            total=len(lanes),
            best=None if best is None else (best[1], best[0]),
            diverged=sum(lane.run.status == "diverged" for lane in self.all.values()),
        )
        self._tick()

    def _tick(self) -> None:
        """Show the same line with the time of now."""
        waiting = {label: max(0.0, steps - self.steps.get(label, 0.0)) for label, steps in self.expected.items()}
        seconds = sum(self.budget.seconds_for(label, steps) for label, steps in waiting.items())
        left = max(0.0, min(seconds, self.budget.left))
        self.shown.update(**self._line, elapsed=self.budget.elapsed, left=left)
