"""`compare`: which optimizer, and at which learning rate, on the user's own model."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

import descend

from .. import sources
from ..contenders import Contender
from ..exporting import git_revision
from ..isolation import untouched
from ..records import Candidate, Conditions, Run, to_plain
from . import plan as planning
from .budget import MARGIN, Budget, OutOfTime, measure
from .halving import Search, always_tried
from .journal import Journal
from .lanes import Lanes
from .plan import Plan
from .result import Comparison
from .settings import Settings, gather


class NothingLearned(RuntimeError):
    """Every run failed: there is nothing to compare. The cause is the first exception."""


def compare(
    source_or_model: str | nn.Module | Callable[[], nn.Module],
    loader: Iterable[Any] | None = None,
    loss_fn: Callable[..., Tensor] | None = None,
    *,
    optimizers: Any = None,
    step: Callable[[nn.Module, Any], Tensor] | None = None,
    val: Iterable[Any] | Callable[[nn.Module], Any] | None = None,
    metric: Callable[..., Any] | None = None,
    lrs: Any = "auto",
    steps: int | None = None,
    minutes: float | None = 5,
    seeds: int = 2,
    goal: float | None = None,
    schedule: str = "constant",
    out: str | PathLike[str] | None = None,
    resume: bool = False,
    fresh: bool = False,
    progress: Any = "auto",
    seed: int = 0,
    threads: int | None = None,
    on_result: Callable[[Run], object] | None = None,
) -> Comparison:
    """Train copies of a model with several optimizers at many learning rates, and rank the optimizers at their best.

    Each optimizer gets a grid of rates of its own, half a decade apart, around what a short test suggests. All of them
    are trained for a tenth of the steps, the better ones to a third, the best to the end, each going on from where it
    was. The grid grows while its best rate is at an edge, and is refined around the best one at last. The constructor's
    default and the rate of the quick-reference table are trained to the end in any case. Runs of a seed have the same
    initial weights and the same batches in the same order, so that they differ by the optimizer alone.

    Nothing of yours is changed: not the model, not its gradients, no state of random numbers. Nothing is written unless
    you name a directory.

    Args:
        source_or_model: a module, a function of no arguments that makes one, or the name of a setup: `"demo:digits"`,
            `"train.py:setup"`, `"package.module:setup"`. Arguments given here win over those of the setup.
        loader: batches to train on, anything that can be iterated anew; None where `step` needs no batch.
        loss_fn: called as `loss_fn(model(inputs), targets)`.
        optimizers: names (`"adamw"`, `"sgd(momentum=0.9)"`, `"torch.Adam"`, `"package.module:Class"`), classes,
            partials, optimizers of the model, functions `(params, lr) -> optimizer`, one or several. Default: sgd,
            adamw and rmsprop.
        step: instead of `loss_fn`: `step(model, batch)` returns the loss.
        val: held-out batches, or a function `val(model)` that returns a loss; runs are ranked by it. Default: the
            training loss.
        metric: one more number to report of the held-out data, called as `loss_fn` or `step` is.
        lrs: `"auto"`, rates to try with every optimizer, or a dict of them by optimizer.
        steps: evaluations of loss and gradient in a full run. Default: two epochs, at least 200 and at most 2000.
        minutes: a hard limit for everything; what is left out to keep it is said. None: no limit.
        seeds: how many seeds the best few rates of every optimizer get.
        goal: a loss; how soon it is reached is reported.
        schedule: of the learning rate: `"constant"`, `"linear"`, `"cosine"`.
        out: a directory for `runs.jsonl`, which holds everything, and while it goes on for checkpoints.
        resume: go on with the comparison in `out`: what is done is not done again, even after `kill -9`. The time it
            took until then counts.
        fresh: delete the comparison in `out` first.
        progress: `"auto"` (a display that suits the terminal or notebook), None, or a function that gets lines.
        seed: the first of the seeds.
        threads: of torch meanwhile. Default: the setup's, or as many as now.
        on_result: called with every run (`descend.tools.Run`) that has ended.

    Returns:
        The result: print it, `.best`, `.table()`, `.plot()`, `.to_html(file)`. After Ctrl-C what there is until then,
        with `.interrupted` set.

    Raises:
        ValueError: an argument cannot be used, or `out` holds another comparison.
        TypeError: an argument is of a type that cannot be used.
        NothingLearned: every run failed; the cause is the first exception.

    Example:
        >>> import torch
        >>> from descend import tools
        >>> x = torch.linspace(-1, 1, 64)[:, None]
        >>> data = [(x, 3 * x + 1)]
        >>> model, loss_fn = torch.nn.Linear(1, 1), torch.nn.MSELoss()
        >>> result = tools.compare(model, data, loss_fn, optimizers=["sgd", "adamw"], steps=150, progress=None)
        >>> result.best.loss < 1e-3
        True
    """
    began = perf_counter()
    explicit = dict(loader=loader, loss_fn=loss_fn, step=step, val=val, metric=metric, steps=steps, goal=goal)
    explicit |= dict(optimizers=optimizers, threads=threads)
    given: dict[str, Any] = {}
    if isinstance(source_or_model, str):
        given = sources.resolve(source_or_model, seed if isinstance(seed, int) else 0)
        if loss_fn is not None:  # the caller's loss replaces the setup's, whichever way that one was given
            given.pop("step", None)
        elif step is not None:
            given.pop("loss_fn", None)
    else:
        given["model"] = source_or_model
    given |= {name: value for name, value in explicit.items() if value is not None}
    given |= dict(lrs=lrs, minutes=minutes, seeds=seeds, schedule=schedule, seed=seed)
    from .. import progress as display

    with untouched(given.get("loader"), given.get("val"), threads=_threads(given)):
        settings = gather(given)
        shown = display.make(progress)
        try:
            journal = Journal(out, settings.config(given.get("threads")), resume=resume, fresh=fresh)
            try:
                return _Work(settings, journal, shown, on_result, began).result()
            finally:
                journal.close()
        finally:
            shown.close()


def _threads(given: Mapping[str, Any]) -> int | None:
    threads = given.get("threads")
    if threads is not None and (not isinstance(threads, int) or isinstance(threads, bool) or threads < 1):
        raise ValueError(f"threads must be a whole number of at least 1, got {threads!r}")
    return threads


@dataclass
class _Work:
    """One call of `compare`, its arguments checked."""

    settings: Settings
    journal: Journal
    shown: Any
    on_result: Callable[[Run], object] | None
    began: float  # loading the data counts

    def result(self) -> Comparison:
        """Plan, search, and put the result together; an interruption ends the search, and not the rest."""
        settings, journal = self.settings, self.journal
        self.versions = _versions()
        wanted = Plan(
            settings.steps,
            settings.seeds,
            test_steps=planning.steps_of_test(settings.steps),
            test_cost=planning.cost_of_test(settings.problem.batch_size),
        )
        self.already = journal.was_complete
        self.budget = Budget(settings.minutes, journal.elapsed + perf_counter() - self.began)
        self.lanes = self._lanes(wanted)
        self.search: Search | None = None
        interrupted = False
        late: tuple[str, ...] = ()
        try:
            journal.begin(to_plain(self._conditions()), [to_plain(c) for c in self._candidates()])
            speeds: dict[str, float] = {}
            plan = self._plan(wanted, speeds)
            self.lanes = self._lanes(plan)
            self.lanes.expected = {c.label: self._steps(c, plan, most=True) for c in settings.contenders}
            self._note()
            self.shown.plan(self._lines(plan, speeds))
            self.search = Search(self.lanes, settings.contenders, settings.given)
            self.search.run()
        except OutOfTime:
            late = (f"stopped after {self._minutes()}: what was not finished by then is missing",)
        except KeyboardInterrupt:
            interrupted = True
        try:
            return self._finish(interrupted, late)
        except KeyboardInterrupt:
            if interrupted:  # the second one: whoever presses it twice means it
                raise
            return self._finish(True, late)

    def _finish(self, interrupted: bool, late: tuple[str, ...]) -> Comparison:
        runs = self.lanes.close()
        if runs and all(run.status == "failed" for run in runs):
            self.journal.end(interrupted, False, self.budget.elapsed)
            first = runs[0]
            raise NothingLearned(
                f"every run failed; the first, {first.optimizer} at {first.lr:.3g}: {first.message}"
            ) from self.lanes.error
        self._note(late)
        complete = not interrupted and not late
        self.journal.end(interrupted, complete, self.budget.elapsed)
        seconds = self.journal.elapsed if self.already else self.budget.elapsed
        candidates = tuple(self._candidates())
        builders = {contender.label: _builder(contender) for contender in self.settings.contenders}
        return Comparison(self._conditions(late), candidates, ordered(runs, candidates), interrupted, seconds, builders)

    def _lanes(self, plan: Plan) -> Lanes:
        settings = self.settings
        return Lanes(
            settings.problem,
            plan,
            self.journal,
            self.budget,
            self.shown,
            seed=settings.seed,
            schedule=settings.schedule,
            on_result=self.on_result,
        )

    # --------------------------------------------------------------------------------------------------- the plan

    def _plan(self, wanted: Plan, speeds: dict[str, float]) -> Plan:
        """Measure the first steps of every optimizer, and cut what does not fit into the time."""
        settings, budget = self.settings, self.budget

        def decide() -> dict[str, Any]:
            found = {}
            for contender in settings.contenders:
                budget.check()
                starts = contender.rates or settings.given.get(contender.label) or always_tried(contender) or (1e-3,)
                found[contender.label] = measure(settings.problem, contender, starts[0], settings.seed, settings.steps)

            def seconds(plan: Plan) -> float:
                return MARGIN * sum(found[c.label] * self._steps(c, plan) for c in settings.contenders)

            grids = any(c.rates is None and c.label not in settings.given for c in settings.contenders)
            least = planning.FEWEST_POINTS if grids else wanted.points
            plan = planning.fit(wanted, seconds, budget.left, least)
            return {
                "steps": plan.steps,
                "seeds": plan.seeds,
                "points": plan.points,
                "test_steps": plan.test_steps,
                "test_cost": plan.test_cost,
                "cuts": list(plan.cuts),
                "seconds per step": found,
            }

        decided = dict(self.journal.decide("plan", decide, budget.elapsed))
        for label, pace in decided.pop("seconds per step").items():
            speeds[label] = pace
            budget.expect(label, pace)
        return Plan(**{**decided, "cuts": tuple(decided["cuts"])})

    def _steps(self, contender: Contender, plan: Plan, most: bool = False) -> float:
        """What an optimizer takes; with `most`, what it takes if all that may be added is."""
        if contender.rates is not None:
            return plan.cost(len(contender.rates), tests=False)
        always = always_tried(contender)
        if contender.label in self.settings.given:
            return plan.cost(len({*self.settings.given[contender.label], *always}), len(always), tests=False)
        steps = plan.cost(plan.points, len(always))
        return max(steps, min(steps + 2 * plan.steps, planning.allowance(plan.seeds) * plan.steps)) if most else steps

    def _lines(self, plan: Plan, speeds: Mapping[str, float]) -> list[str]:
        """What will be done, for people."""
        settings, problem = self.settings, self.settings.problem
        threads = torch.get_num_threads()
        batch = f", batches of {problem.batch_size}" if problem.batch_size else ""
        lines = [
            f"{problem.name}: {problem.parameters:,} parameters{batch}, {problem.device} "
            f"({threads} thread{'s' if threads > 1 else ''}), ranked by {problem.objective}"
        ]
        if settings.chosen:
            lines.append(f"{settings.steps} steps a run: {settings.chosen}; say steps= for another length")
        counts = {c.label: len(c.rates or settings.given.get(c.label, ())) or plan.points for c in settings.contenders}
        each = ", ".join(f"{label}: {count} rates" for label, count in counts.items())
        halved = ""
        if len(plan.rungs) > 1:
            kept = [planning.survivors(k, len(plan.rungs), max(counts.values())) for k in range(len(plan.rungs) - 1)]
            halved = f" ({' -> '.join(map(str, [max(counts.values()), *kept]))} of each)"
        lines.append(
            f"plan: {each}; rungs of {'/'.join(map(str, plan.rungs))} steps{halved}, "
            f"{plan.seeds} seed{'s' if plan.seeds > 1 else ''} for the best"
        )
        pace = ", ".join(f"{1000 * each:.2g}" for each in speeds.values())
        limit = f" of at most {self._minutes()}" if settings.minutes is not None else ""
        seconds = sum(speeds[label] * steps for label, steps in self.lanes.expected.items())
        lines.append(f"about {seconds:.0f} s{limit}, by {pace} ms a step")
        return lines + [f"cut to fit: {cut}" for cut in plan.cuts]

    def _minutes(self) -> str:
        seconds = self.budget.seconds
        return f"{seconds / 60:.3g} min" if seconds >= 60 else f"{seconds:.3g} s"

    # ------------------------------------------------------------------------------------------------- the result

    def _candidates(self) -> list[Candidate]:
        suggested = {} if self.search is None else self.search.suggested
        return [replace(c.candidate, suggested_lr=suggested.get(c.label)) for c in self.settings.contenders]

    def _conditions(self, late: tuple[str, ...] = ()) -> Conditions:
        settings, problem, plan = self.settings, self.settings.problem, self.lanes.plan
        return Conditions(
            name=problem.name,
            title=problem.title,
            parameters=problem.parameters,
            batch=problem.batch_size,
            device=str(problem.device),
            threads=torch.get_num_threads(),
            rungs=plan.rungs,
            seeds=plan.seeds,
            seed=settings.seed,
            objective=problem.objective,
            metric=problem.metric_name,
            goal=settings.goal,
            schedule=settings.schedule,
            stacked=dict(self.lanes.stacked),
            cuts=(*plan.cuts, *(() if self.search is None else self.search.skipped), *late),
            versions=self.versions,
        )

    def _note(self, late: tuple[str, ...] = ()) -> None:
        self.journal.conditions(to_plain(self._conditions(late)), [to_plain(c) for c in self._candidates()])


def ordered(runs: Iterable[Run], candidates: Sequence[Candidate]) -> tuple[Run, ...]:
    """By optimizer as given, then by seed and rate: an order that does not depend on what was trained when."""
    places = {candidate.label: place for place, candidate in enumerate(candidates)}
    return tuple(sorted(runs, key=lambda run: (places[run.optimizer], run.seed, run.lr)))


def _versions() -> dict[str, str]:
    """Of what the numbers depend on; the commit too, if the work is done in a repository."""
    found = {"descend": descend.__version__, "torch": str(torch.__version__), "python": platform.python_version()}
    revision = git_revision()
    return found if revision is None else {**found, "git": revision}


def _builder(contender: Contender) -> Callable[[Any, float], Any]:
    """Builds the optimizer from parameters and a rate; one that was given as an instance keeps its groups."""

    def build(params: Iterable[Any], lr: float) -> Any:
        members = list(params)
        if contender.instance is None:
            return contender.make(members, lr)
        groups = [group["params"] for group in contender.instance.param_groups]
        own = {id(p) for group in groups for p in group}
        if not own <= {id(p) for p in members if isinstance(p, Tensor)}:  # it may have left some out, frozen ones
            raise ValueError(f"{contender.label}: its groups are those of the model that you gave; pass that model")
        model = nn.Module()
        places = {name: p for names, group in zip(contender.names, groups, strict=True)
                  for name, p in zip(names, group, strict=True)}  # fmt: skip
        model.named_parameters = lambda *_, **__: iter(places.items())  # type: ignore[method-assign]
        (optimizer,) = contender.build(model, lr)
        return optimizer

    return build
