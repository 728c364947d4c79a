"""The search for every optimizer's best rate: a grid, halved twice, extended and refined where that pays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..contenders import Contender
from ..records import Origin
from . import plan as planning
from .lanes import Lane, Lanes

EXTENSIONS = 8
"""Rates tried beyond the first grid of an optimizer, at most, at the first rung and again at the last."""

CLOSE = 0.3
"""Within this share of the best loss a rate is close to it: it may be a third finalist, or get a second chance."""


def always_tried(contender: Contender) -> tuple[float, ...]:
    """The constructor's default and the table's rate: what one would have taken without a search."""
    known = (contender.candidate.default_lr, contender.candidate.table_lr)
    return tuple(sorted({lr for lr in known if lr is not None and 0 < lr < math.inf}))


class Search:
    """One comparison's search.

    Args:
        lanes: what trains.
        contenders: the optimizers.
        given: by label, the only rates to try, beside the ones always tried; the others get a grid.
    """

    def __init__(self, lanes: Lanes, contenders: Sequence[Contender], given: Mapping[str, Sequence[float]]) -> None:
        self.lanes, self.plan, self.journal, self.budget = lanes, lanes.plan, lanes.journal, lanes.budget
        self.contenders, self.given = contenders, given
        self.suggested: dict[str, float | None] = {}
        self.skipped: list[str] = []  # what there was no time for, a line each

    def run(self) -> None:
        """Everything, all optimizers rung by rung: if time runs out, none of them is without a result.

        Raises:
            OutOfTime: it has run out.
        """
        for contender in self.contenders:
            self._first_rung(contender)
        for rung in range(1, len(self.plan.rungs) - 1):
            for contender in self.contenders:
                self.lanes.advance(self._survivors(contender, rung - 1), rung)
        self._last_rung()
        for contender in self.contenders:
            self._bracket(contender)
            self._second_chances(contender)
        for contender in self.contenders:
            self._refine(contender)
        self.lanes.settle()
        self._further_seeds()

    # --------------------------------------------------------------------------------------------------- the rungs

    def _first_rung(self, contender: Contender) -> None:
        for lr in self._rates(contender):
            self._lane(contender, lr, "grid")
        label = contender.label
        keep = self._keep(contender, 0)
        self.lanes.advance(self.lanes.of(label), 0, keep)
        for _ in range(EXTENSIONS if self._searched(contender) else 0):
            missing = self._beyond(contender)
            if not missing:
                break
            for lr in missing:
                self._lane(contender, lr, "extension")
            self.lanes.advance(self.lanes.of(label), 0, keep)

    def _rates(self, contender: Contender) -> tuple[float, ...]:
        label = contender.label
        if contender.rates is not None:
            return contender.rates
        always = always_tried(contender)
        if label in self.given:
            return tuple(sorted({*self.given[label], *always}))
        tested = self.journal.decide(f"range test {label}", lambda: self._range_test(contender), self.budget.elapsed)
        self.suggested[label] = tested["lr"]
        self.lanes.steps[label] = self.lanes.steps.get(label, 0.0) + tested["steps"]
        return planning.grid(tested["lr"], self.plan.points, always)

    def _range_test(self, contender: Contender) -> dict[str, Any]:
        """What it suggests and what it cost, in steps of training. Without an answer the grid is wide."""
        steps, cost = self.plan.test_steps, self.plan.test_cost
        if not steps or self.budget.seconds_for(contender.label, steps * cost) > self.budget.left:
            return {"lr": None, "steps": 0.0}
        self.budget.check()
        from ..finding.range_test import range_test

        try:
            test = range_test(self.lanes.problem, contender, seed=self.lanes.seed, steps=steps)
        except Exception:  # whatever is wrong here goes wrong in the runs as well, which record it
            return {"lr": None, "steps": 0.0}
        lr = None if test.argmin is None else test.argmin / 4
        spent = cost * len(test.rates) + len(test.after)
        return {"lr": lr if lr is not None and 0 < lr < math.inf else None, "steps": spent}

    def _lane(self, contender: Contender, lr: float, origin: Origin) -> Lane:
        """The lane of the first seed; a rate that is always tried is called so, wherever it comes from."""
        always = contender.rates is None and lr in always_tried(contender)
        return self.lanes.lane(contender, lr, 0, "default" if always else origin, always)

    def _losses(self, contender: Contender, rung: int) -> dict[float, float]:
        """By rate, at the end of a rung, of the first seed: inf where it diverged before, nan where it failed."""
        losses = {}
        for lane in self.lanes.of(contender.label):
            run = lane.run
            if run.status in ("diverged", "failed"):
                losses[lane.lr] = run.loss
            elif run.rung >= rung:
                losses[lane.lr] = run.rung_losses[rung]
        return losses

    def _beyond(self, contender: Contender) -> tuple[float, ...]:
        """The next rates if the best one of the first rung is at an edge, or if all of them have diverged."""
        losses = self._losses(contender, 0)
        best = planning.best_first(losses)
        if best:
            return planning.next_rates(best[0], losses)
        if any(math.isinf(loss) for loss in losses.values()):
            return tuple(lr for lr in planning.next_rates(min(losses), losses) if lr < min(losses))
        return ()

    def _keep(self, contender: Contender, rung: int) -> int:
        points = len(self.lanes.of(contender.label))
        if contender.label not in self.given and contender.rates is None:
            points = min(points, self.plan.points)
        return planning.survivors(rung, len(self.plan.rungs), points)

    def _survivors(self, contender: Contender, rung: int) -> list[Lane]:
        """Those that go on after a rung, best first, then the ones always tried; the others are stopped."""
        lanes = {lane.lr: lane for lane in self.lanes.of(contender.label) if lane.run.rung >= rung and not lane.over}
        order = planning.best_first({lr: lane.run.rung_losses[rung] for lr, lane in lanes.items()})
        best = order[: self._keep(contender, rung)]
        kept = [lanes[lr] for lr in best] + [lanes[lr] for lr in order if lr not in best and lanes[lr].always]
        self.lanes.stop(lane for lane in lanes.values() if lane not in kept)
        return kept

    def _last_rung(self) -> None:
        last = len(self.plan.rungs) - 1
        if not last:
            return
        queues = []
        for contender in self.contenders:
            kept = self._survivors(contender, last - 1)
            # Copies that train together must start together.
            together = self.lanes.stacked.get(contender.label, "").startswith("yes")
            queues.append([kept] if together else [[lane] for lane in kept])
        for lanes in planning.interleaved(queues):
            self.lanes.advance(lanes, last)

    # ------------------------------------------------------------------------------------------- around the best one

    def _affords(self, lane: Lane) -> bool:
        """Whether bringing it to the end is within the optimizer's allowance, and within the time by what is known."""
        label, steps, seeds = lane.contender.label, self.plan.steps, self.plan.seeds
        reserved = (seeds - 1) * planning.FINALISTS * steps
        spent = self.lanes.steps.get(label, 0.0)
        further = steps - lane.run.steps
        if spent + further + reserved > planning.allowance(seeds) * steps:
            return False

        def in_time() -> bool:
            rest = sum(self.budget.seconds_for(other.label, reserved) for other in self.contenders)
            return self.budget.seconds_for(label, further) + rest < self.budget.left

        return bool(self.journal.decide(f"{label} at {lane.lr!r} to the end", in_time, self.budget.elapsed))

    def _searched(self, contender: Contender) -> bool:
        return contender.rates is None and contender.label not in self.given

    def _bracket(self, contender: Contender) -> None:
        """Go on while a neighbour of the best rate has not been seen to the end: it was stopped early, or is new."""
        last = len(self.plan.rungs) - 1
        for _ in range(EXTENSIONS if self._searched(contender) else 0):
            losses = self._losses(contender, last)
            best = planning.best_first(losses)
            missing = planning.next_rates(best[0], losses) if best else ()
            for lr in missing:
                known = [lane for lane in self.lanes.of(contender.label) if planning.near(lane.lr, lr)]
                lane = known[0] if known else self._lane(contender, lr, "extension")
                if not self._affords(lane):
                    return
                lane.stopped = False
                self.lanes.advance([lane], last)
            if not missing:
                return

    def _second_chances(self, contender: Contender) -> None:
        """Those that were stopped last although they were close to the best then: short runs mislead."""
        last = len(self.plan.rungs) - 1
        if not self._searched(contender) or not last:
            return
        losses = self._losses(contender, last - 1)
        best = planning.best_first(losses)[:1]
        stopped = {lane.lr: lane for lane in self.lanes.of(contender.label) if lane.stopped and not lane.over}
        for lr in planning.best_first({lr: losses[lr] for lr in stopped if lr in losses}):
            lane = stopped[lr]
            if not self._close(losses[lr], losses[best[0]]) or not self._affords(lane):
                return
            lane.stopped = False
            self.lanes.advance([lane], last)

    @staticmethod
    def _close(loss: float, best: float) -> bool:
        return loss <= best + CLOSE * abs(best)

    def _refine(self, contender: Contender) -> None:
        """Between the best rate and its neighbours."""
        last = len(self.plan.rungs) - 1
        losses = self._losses(contender, last)
        best = planning.best_first(losses)
        if not best or not self._searched(contender):
            return
        for lr in planning.refined(best[0], losses):
            lane = self._lane(contender, lr, "refinement")
            if not self._affords(lane):
                return
            self.lanes.advance([lane], last)

    def _further_seeds(self) -> None:
        """The same further seeds for the best few rates of every optimizer."""
        last = len(self.plan.rungs) - 1
        finalists = [self._finalists(contender) for contender in self.contenders]
        for seed in range(1, self.plan.seeds):
            for contender, lr in planning.interleaved(finalists):
                label = contender.label

                def in_time(label: str = label) -> bool:
                    return self.budget.seconds_for(label, self.plan.steps) < self.budget.left

                if self.journal.decide(f"seed {seed} of {label} at {lr!r}", in_time, self.budget.elapsed):
                    self.lanes.advance([self.lanes.lane(contender, lr, seed, self._origin(contender, lr))], last)
                else:
                    self.skipped.append(f"no seed {seed} for {label} at {lr:.3g}")

    def _origin(self, contender: Contender, lr: float) -> Origin:
        return self.lanes.lane(contender, lr, 0, "grid").origin

    def _finalists(self, contender: Contender) -> list[tuple[Contender, float]]:
        """The best rates: two, and a third one that is close if the allowance suffices."""
        losses = self._losses(contender, len(self.plan.rungs) - 1)
        order = planning.best_first(losses)
        chosen = order[: planning.FINALISTS]
        steps, seeds = self.plan.steps, self.plan.seeds
        affordable = planning.allowance(seeds) * steps - self.lanes.steps.get(contender.label, 0.0)
        for lr in order[planning.FINALISTS : planning.FINALISTS + 1]:
            if self._close(losses[lr], losses[order[0]]) and (seeds - 1) * (len(chosen) + 1) * steps <= affordable:
                chosen.append(lr)
        return [(contender, lr) for lr in chosen]
