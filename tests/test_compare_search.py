"""The search of `compare`: what is tried, what goes on, what it costs, and that the best rate is found."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from time import perf_counter
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import descend
from descend.tools.comparing import NothingLearned, compare, lanes, plan
from descend.tools.comparing.budget import Budget, OutOfTime
from descend.tools.comparing.halving import Search
from descend.tools.comparing.journal import Journal
from descend.tools.comparing.settings import gather, given_rates, usual_steps
from descend.tools.contenders import Contender
from descend.tools.records import Candidate, Point, Run

RATES = st.floats(1e-9, 1e3)
GRID = st.integers(plan.LOWEST, plan.HIGHEST).map(plan.rate)

# ----------------------------------------------------------------------------------------------------------- numbers


@given(GRID)
def test_rates_of_the_grid_are_short_numbers_and_know_their_place(lr: float):
    mantissa, _, _ = f"{lr:e}".partition("e")
    assert mantissa in ("1.000000", "3.160000")
    assert plan.rate(int(plan.place(lr))) == lr


@given(st.one_of(st.none(), RATES), st.integers(3, 11), st.lists(RATES, max_size=2))
def test_a_grid_is_increasing_keeps_what_is_always_tried_and_has_no_two_rates_that_tell_the_same(
    centre: float | None, points: int, always: list[float]
):
    rates = plan.grid(centre, points, always)
    assert list(rates) == sorted(set(rates)) and set(always) <= set(rates)
    assert len(rates) <= points + 2 + len(always)
    for low, high in pairwise(rates):
        assert not plan.near(low, high) or (low in always and high in always)


def test_a_grid_surrounds_the_suggestion():
    rates = plan.grid(0.0025)
    assert rates == (3.16e-05, 0.0001, 0.000316, 0.001, 0.00316, 0.01, 0.0316, 0.1, 0.316)
    assert plan.grid(None) == tuple(plan.rate(k) for k in range(-10, 1))
    assert plan.grid(0.0025, 3, always=[0.003, 0.1]) == (0.001, 0.003, 0.01, 0.1)  # 0.003 in place of 0.00316


@given(RATES, st.lists(RATES, max_size=8))
def test_what_is_missing_beside_the_best_is_on_the_grid_and_then_no_longer_missing(best: float, others: list[float]):
    tried = {best, *others}
    for _ in range(2 * (plan.HIGHEST - plan.LOWEST)):
        missing = plan.next_rates(best, tried)
        if not missing:
            break
        assert len(missing) <= 2 and not tried & set(missing)
        for lr in missing:
            assert plan.LOWEST <= plan.place(lr) <= plan.HIGHEST
            assert 0.25 <= abs(plan.place(lr) - plan.place(best)) <= 1.25
        tried |= set(missing)
    assert plan.next_rates(best, tried) == ()


@given(st.dictionaries(GRID, st.floats(0.0, 10.0), min_size=1))
def test_refinements_are_new_and_on_both_sides(losses: dict[float, float]):
    best = plan.best_first(losses)[0]
    around = plan.refined(best, losses)
    assert len(around) == 2 and min(around) < best < max(around)
    assert all(1.7 < max(lr / best, best / lr) < 1.9 for lr in around)  # 10 ** 0.25 = 1.78, in three digits
    assert not set(around) & set(losses)


def test_the_more_promising_side_is_refined_first():
    assert plan.refined(0.1, {0.0316: 3.0, 0.1: 1.0, 0.316: 2.0}) == (0.178, 0.0562)
    assert plan.refined(0.1, {0.0316: 3.0, 0.1: 1.0, 0.316: math.inf}) == (0.0562, 0.178)


@given(st.integers(1, 10**7))
def test_rungs_increase_and_end_with_all_steps(steps: int):
    ends = plan.rungs(steps)
    assert list(ends) == sorted(set(ends)) and ends[0] >= 1 and ends[-1] == steps


@given(st.integers(1, 40), st.integers(2, 3))
def test_never_fewer_than_two_go_on_and_never_more_than_there_were(points: int, rungs: int):
    kept = [plan.survivors(rung, rungs, points) for rung in range(rungs - 1)]
    assert all(kept[k] >= kept[k + 1] for k in range(len(kept) - 1)) and 2 <= kept[-1] <= 3
    assert [plan.survivors(rung, 3, 9) for rung in (0, 1)] == [4, 3]


@given(st.integers(1, 5000), st.integers(1, 5), st.floats(1e-6, 10.0), st.floats(0.1, 1000.0), st.sampled_from([3, 9]))
def test_a_plan_is_cut_in_order_until_it_fits(steps: int, seeds: int, pace: float, available: float, least: int):
    wanted = plan.Plan(steps, seeds, test_steps=plan.steps_of_test(steps))

    def seconds(p: plan.Plan) -> float:
        return pace * p.cost(p.points, 1)

    cut = plan.fit(wanted, seconds, available, least)
    assert plan.fit(wanted, seconds, available, least) == cut
    if seconds(wanted) <= available:
        assert cut == wanted
        return
    # Seeds are cut only once the grid is as small as may be, and steps only once there is one seed.
    assert cut.seeds == seeds or cut.points == least
    assert cut.steps == steps or (cut.seeds == 1 and cut.points == least)
    assert seconds(cut) <= available or (cut.steps <= plan.FEWEST_STEPS and cut.seeds == 1 and cut.points == least)
    assert len(cut.cuts) == (cut.points < wanted.points) + (cut.seeds < seeds) + (cut.steps < steps)


def test_the_plan_costs_a_third_of_a_full_grid():
    """With two seeds: 13 rates half a decade apart take 26 runs; ours with all that may be added, 9."""
    usual = plan.Plan(440, 2, test_steps=plan.steps_of_test(440), test_cost=plan.cost_of_test(64))
    assert usual.cost(9, always=2) <= plan.allowance(2) * 440 <= 0.35 * 26 * 440


# ---------------------------------------------------------------------------------------------------- made-up runs

Loss = Callable[[float, int, int], float]


class MadeUp:
    """Stands for a Trial: its loss is a known function of rate, step and seed."""

    loss: Loss
    pace = 0.0
    made: list["MadeUp"]

    def __init__(self, problem: Any, contender: Any, lr: float, seed: int, *, origin: Any, total_steps: int, **_: Any):
        self.contender, self.lr, self.seed, self.origin = contender, lr, seed, origin
        self.step, self.rung, self.rung_losses, self.status, self.message = 0, -1, [], "unfinished", ""
        self.calls: list[int] = []
        MadeUp.made.append(self)

    def run(self, until: int, deadline: float | None = None) -> None:
        self.calls.append(until)
        while self.step < until and self.status == "unfinished":
            if deadline is not None and perf_counter() > deadline:
                return
            begin = perf_counter()
            while perf_counter() - begin < MadeUp.pace:
                pass
            self.step += 1
            try:
                if not math.isfinite(MadeUp.loss(self.lr, self.step, self.seed)):
                    self.status, self.message = "diverged", "made up"
            except ArithmeticError as error:
                self.status, self.message, self.error = "failed", str(error), error

    def close_rung(self, rung: int) -> float:
        bad = {"diverged": math.inf, "failed": math.nan}
        self.rung = rung
        self.rung_losses.append(bad[self.status] if self.status in bad else MadeUp.loss(self.lr, self.step, self.seed))
        return self.rung_losses[-1]

    def record(self, status: Any = None) -> Run:
        ended = self.status if self.status != "unfinished" or status is None else status
        loss = self.rung_losses[-1] if self.rung_losses else math.nan
        curve = (Point(self.step, 0.0, loss),)
        return Run(
            self.contender.label, self.lr, self.seed, self.origin, ended, self.rung, self.step, loss,
            tuple(self.rung_losses), curve=curve,
        )  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        return {}


class Silent:
    def __init__(self) -> None:
        self.results: list[Run] = []

    def plan(self, lines: Any) -> None: ...
    def update(self, *args: Any, **line: Any) -> None: ...
    def result(self, run: Run) -> None:
        self.results.append(run)


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Search, dict[str, dict[float, Run]]]]:
    """Runs a search over made-up losses; returns it and the runs of the first seed, by label and rate."""
    monkeypatch.setattr(lanes, "Trial", MadeUp)
    monkeypatch.setattr(lanes.Lanes, "_worth_stacking", lambda self, group: False)
    MadeUp.made = []
    MadeUp.pace = 0.0

    def go(
        loss: Loss,
        *,
        entrants: tuple[Contender, ...] = (entrant("a"),),
        steps: int = 100,
        seeds: int = 2,
        suggestion: float | None = 1e-2,
        given: dict[str, tuple[float, ...]] | None = None,
        budget: Budget | None = None,
        late: bool = False,
    ) -> tuple[Search, dict[str, dict[float, Run]]]:
        MadeUp.loss = staticmethod(loss)  # type: ignore[assignment]
        tested = {"lr": suggestion, "steps": 0.0}
        monkeypatch.setattr(Search, "_range_test", lambda self, contender: tested)
        shown = Silent()
        work = lanes.Lanes(object(), plan.Plan(steps, seeds), Journal(None, {}), budget or Budget(None), shown)  # type: ignore[arg-type]
        one = Search(work, entrants, given or {})
        if late:
            with pytest.raises(OutOfTime):
                one.run()
        else:
            one.run()
        runs = work.close()
        assert sorted(map(repr, shown.results)) == sorted(repr(r) for r in runs if r.status != "unfinished")
        by_label: dict[str, dict[float, Run]] = {}
        for run in runs:
            if run.seed == 0:
                by_label.setdefault(run.optimizer, {})[run.lr] = run
        return one, by_label

    return go


def entrant(label: str, default: float | None = None, table: float | None = None, **options: Any) -> Contender:
    candidate = Candidate(label, f"{label}(lr={{lr}})", default, table)
    return Contender(candidate, lambda params, lr: [], label, **options)


def bowl(best: float, floor: float = 0.1) -> Loss:
    """A parabola over log lr that deepens with the steps; above 30 times the best rate it diverges."""

    def loss(lr: float, step: int, seed: int) -> float:
        if lr > 30 * best:
            return math.inf
        return floor + 0.2 * math.log10(lr / best) ** 2 * (1 + 1 / step) + 1 / step

    return loss


@pytest.mark.parametrize("best", [1e-7, 3.16e-5, 0.01, 0.2, 100.0])
@pytest.mark.parametrize("suggestion", [1e-2, None])
def test_the_best_rate_is_found_wherever_it_is(search: Any, best: float, suggestion: float | None):
    """Refined grids are a factor of 1.78 apart, so the nearest point is within 1.34; decades away, edges move there."""
    _, runs = search(bowl(best), suggestion=suggestion, entrants=(entrant("a", 1e-3),))
    ended = {lr: run.loss for lr, run in runs["a"].items() if run.status == "finished"}
    found = min(ended, key=lambda lr: ended[lr])
    assert max(found / best, best / found) < 1.4
    assert {run.origin for run in runs["a"].values()} >= {"grid", "refinement", "default"}


def test_halving_keeps_four_then_three_and_runs_go_on_from_where_they_are(search: Any):
    _, runs = search(bowl(0.01), given={"a": tuple(plan.grid(0.01))}, seeds=1)
    states = [(run.status, run.steps) for run in runs["a"].values()]
    assert sorted(s for s in states if s[0] != "diverged") == sorted(
        [("stopped", 10)] * 3 + [("stopped", 33)] + [("finished", 100)] * 3
    )
    assert sum(run.status == "diverged" for run in runs["a"].values()) == 2
    # One trial per rate, never a second one: nobody starts again.
    assert len(MadeUp.made) == len(runs["a"])
    assert all(trial.calls == sorted(trial.calls) for trial in MadeUp.made)


def test_a_slow_starter_that_ends_best_survives(search: Any):
    """The loss of rates at the upper end falls fast and ends high: short runs prefer a rate three times too large."""

    def drift(lr: float, step: int, seed: int) -> float:
        now = 0.01 * 10 ** (1 - min(1.0, step / 100))  # the best rate of a run of this length
        return 0.1 + math.log10(lr / now) ** 2 + 1 / step

    _, runs = search(drift)
    ended = {lr: run.loss for lr, run in runs["a"].items() if run.status == "finished"}
    assert min(ended, key=lambda lr: ended[lr]) == 0.01


def test_a_rate_that_was_stopped_last_and_was_close_then_gets_a_second_chance(search: Any):
    def late(lr: float, step: int, seed: int) -> float:
        away = abs(plan.place(lr) - plan.place(0.01))
        if step > 40:
            return 0.1 if lr == 0.001 else 0.5 + 0.1 * away
        return 1.0 + 0.1 * away

    one, runs = search(late)
    assert (runs["a"][0.001].status, runs["a"][0.001].loss) == ("finished", 0.1)
    assert ("a", 0.001, 1) in one.lanes.all  # and so it is a finalist
    (trial,) = [trial for trial in MadeUp.made if trial.lr == 0.001 and trial.seed == 0]
    assert trial.calls == [10, 33, 100]  # it went on from where it was


def test_default_and_table_are_trained_to_the_end_for_one_seed(search: Any):
    one, runs = search(bowl(1.0), entrants=(entrant("a", default=1e-4, table=3e-3),), suggestion=1.0)
    for lr in (1e-4, 3e-3):
        assert (runs["a"][lr].origin, runs["a"][lr].status) == ("default", "finished")
        assert ("a", lr, 1) not in one.lanes.all
    assert 0.00316 not in runs["a"]  # 0.003 tells the same


def test_all_optimizers_get_the_same_further_seeds(search: Any):
    entrants = (entrant("a"), entrant("b"), entrant("c", rates=(1.0,)))
    one, _ = search(bowl(0.01), entrants=entrants, seeds=3)
    by_label: dict[str, dict[float, set[int]]] = {}
    for label, lr, seed in one.lanes.all:
        by_label.setdefault(label, {}).setdefault(lr, set()).add(seed)
    for label in ("a", "b"):
        full = [seeds for seeds in by_label[label].values() if len(seeds) > 1]
        assert 2 <= len(full) <= 3 and all(seeds == {0, 1, 2} for seeds in full)
    assert by_label["c"] == {1.0: {0}}  # it diverges there, and nothing else is tried


def test_ties_prefer_the_smaller_rate_and_end(search: Any):
    _, runs = search(lambda lr, step, seed: 1.0)
    assert min(runs["a"]) < 1e-4  # the best of equals is at the lower edge, which is moved EXTENSIONS times at most
    assert sum(run.origin == "extension" for run in runs["a"].values()) <= 16


def test_a_grid_that_diverges_as_a_whole_is_extended_downwards(search: Any):
    _, runs = search(bowl(1e-6), suggestion=1.0)
    assert any(run.status == "finished" and run.lr < 1e-5 for run in runs["a"].values())


def test_a_failing_optimizer_does_not_stop_the_others(search: Any):
    def loss(lr: float, step: int, seed: int) -> float:
        if step > 20:
            raise ArithmeticError("division by nothing")
        return bowl(0.01)(lr, step, seed)

    one, runs = search(loss, entrants=(entrant("a"), entrant("b")))
    assert set(runs) == {"a", "b"}
    failed = [run for run in runs["b"].values() if run.status == "failed"]
    assert len(failed) == 4 and all(math.isnan(run.loss) for run in failed)
    assert isinstance(one.lanes.error, ArithmeticError)


@pytest.mark.parametrize("best", [3.16e-5, 0.01, 0.2])
def test_the_cost_stays_within_the_allowance(search: Any, best: float):
    one, _ = search(bowl(best), steps=440, entrants=(entrant("a", 1e-3, 0.1),))
    assert one.lanes.steps["a"] == sum(lane.run.steps for lane in one.lanes.all.values())
    assert one.lanes.steps["a"] <= 0.35 * 26 * 440


def test_a_deadline_holds_and_leaves_something_of_every_optimizer(search: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(MadeUp, "pace", 1e-3)
    budget = Budget(0.4 / 60)
    entrants = (entrant("a"), entrant("b"))
    begin = perf_counter()
    _, runs = search(bowl(0.01), entrants=entrants, budget=budget, late=True)
    assert perf_counter() - begin < 0.6  # 0.4 s and the time to stop
    assert all(any(run.rung >= 0 for run in runs[label].values()) for label in ("a", "b"))
    assert any(run.status == "unfinished" for label in runs for run in runs[label].values())


def test_what_there_is_no_time_for_is_said(search: Any):
    budget = Budget(1.0)
    budget.expect("a", 1.0)  # as if a step took a second, as far as plans go
    budget.note = lambda *_: None  # type: ignore[method-assign]
    one, runs = search(bowl(0.01), budget=budget)
    assert not any(run.origin == "refinement" for run in runs["a"].values())
    assert len(one.skipped) == 2 and one.skipped[0] == "no seed 1 for a at 0.01"


# --------------------------------------------------------------------------------------------------------- arguments


def test_lrs_are_for_all_or_by_optimizer():
    entrants = (entrant("SGD momentum=0.9"), entrant("AdamW"))
    assert given_rates("auto", entrants) == {}
    assert given_rates([0.1, 0.01, 0.1], entrants) == dict.fromkeys(("SGD momentum=0.9", "AdamW"), (0.01, 0.1))
    assert given_rates({"adamw": [1e-3]}, entrants) == {"AdamW": (1e-3,)}


ARGUMENTS: dict[str, Any] = dict(
    model=torch.nn.Linear(2, 1), loader=[(torch.ones(3, 2), torch.ones(3, 1))], loss_fn=torch.nn.MSELoss(),
    lrs="auto", minutes=5, seeds=2, seed=0, schedule="constant",
)  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(minutes=0), "minutes must be a positive number"),
        (dict(minutes=math.nan), "minutes must be a positive number"),
        (dict(seeds=0), "seeds must be a whole number of at least 1, got 0"),
        (dict(seeds=True), "seeds must be a whole number"),
        (dict(steps=0), "steps must be a whole number of at least 1, got 0"),
        (dict(steps=10.0), "steps must be a whole number"),
        (dict(threads=0), "threads must be a whole number"),
        (dict(goal=math.inf), "goal must be a loss"),
        (dict(schedule="step"), "schedule must be one of constant, linear, cosine, got 'step'"),
        (dict(lrs=[]), "lrs: there must be at least one"),
        (dict(lrs=[0.1, -1]), "lrs: learning rates are positive and finite, got -1"),
        (dict(lrs={"sgd": ["x"]}), r"lrs\['sgd'\]: learning rates are positive"),
        (dict(lrs={"lion": [1e-3]}), "no optimizer is called 'lion'; those that take part are SGD"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_runs(wrong: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        gather({**ARGUMENTS, **wrong})
    with pytest.raises(TypeError, match='lrs must be "auto", a list of learning rates'):
        gather({**ARGUMENTS, "lrs": "many"})


def test_steps_are_two_epochs_within_bounds():
    assert usual_steps([0] * 300) == (600, "2 epochs of 300 batches")
    assert usual_steps([0]) == (200, "200 epochs of 1 batch") and usual_steps([0] * 9000)[0] == 2000
    assert usual_steps(None) == (500, "full batch") and usual_steps(iter(()))[0] == 500


# -------------------------------------------------------------------------------------------------------- real runs


def tiny() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 4, generator=generator)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]]) + 0.1 * torch.randn(64, 1, generator=generator)
    model = torch.nn.Linear(4, 1)
    return dict(
        source_or_model=model, loader=list(zip(x.split(16), y.split(16), strict=True)), loss_fn=torch.nn.MSELoss(),
        progress=None, threads=1,
    )  # fmt: skip


def test_ours_and_torchs_optimizers_give_the_same_numbers():
    """The fused kernels round as torch's do up to 1e-5 of a loss after 40 steps of a linear model."""
    pairs = [partial(m.SGD, momentum=0.9) for m in (descend, torch.optim)] + [descend.AdamW, torch.optim.AdamW]
    result = compare(**tiny(), optimizers=pairs, lrs=[1e-3, 1e-2, 1e-1], steps=40, seeds=2, val=tiny()["loader"])
    losses = {(run.optimizer, run.lr, run.seed): run.loss for run in result.runs}
    ours = {key: loss for key, loss in losses.items() if not key[0].startswith("torch.")}
    assert len(ours) * 2 == len(losses) >= 16
    for (label, lr, seed), loss in ours.items():
        assert losses[f"torch.{label}", lr, seed] == pytest.approx(loss, rel=1e-5)


def test_the_best_rate_of_a_tiny_model_beats_the_default_and_the_users_things_are_as_before():
    given = tiny()
    model = given["source_or_model"]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(5)
    random = torch.get_rng_state()
    told: list[Run] = []
    result = compare(**given, optimizers=["sgd", "adamw"], steps=60, goal=0.5, on_result=told.append)
    assert result.best.loss < 0.05 and not result.interrupted and result.conditions.rungs == (6, 20, 60)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert sorted(map(repr, told)) == sorted(map(repr, result.runs))
    for candidate in result.candidates:
        assert candidate.suggested_lr is not None
        ended = {run.lr for run in result.runs if run.optimizer == candidate.label and run.status == "finished"}
        assert {candidate.default_lr, candidate.table_lr} <= ended


def test_minutes_are_kept_and_cuts_are_told():
    def slow(model: torch.nn.Module, batch: Any) -> torch.Tensor:
        begin = perf_counter()
        while perf_counter() - begin < 2e-3:
            pass
        return ((model(batch[0]) - batch[1]) ** 2).mean()

    given = {**tiny(), "loss_fn": None, "step": slow}
    begin = perf_counter()
    result = compare(**given, optimizers=["sgd", "adamw"], steps=1000, minutes=1.5 / 60)
    assert perf_counter() - begin < 2.0  # 1.5 s, one step and the time to put the result together
    cuts = result.conditions.cuts
    assert cuts[0] == "grids of 3 learning rates instead of 9" and cuts[1] == "1 seed instead of 2"
    assert cuts[2].endswith(" steps instead of 1000") and result.conditions.steps < 1000
    assert math.isfinite(result.best.loss)


def test_if_every_run_fails_the_first_reason_is_told():
    def broken(model: torch.nn.Module, batch: Any) -> torch.Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(NothingLearned, match=r"every run failed; the first, SGD.*mat1 and mat2 shapes") as caught:
        compare(**{**tiny(), "loss_fn": None, "step": broken}, steps=20)
    assert "mat1 and mat2" in str(caught.value.__cause__)


def test_an_optimizer_that_cannot_be_built_is_one_row_without_a_loss():
    def builder(params: Any, lr: float) -> torch.optim.Optimizer:
        raise RuntimeError("not today")

    result = compare(**tiny(), optimizers=["adamw", builder], steps=20, lrs=[0.1])
    failed = [run for run in result.runs if run.optimizer == "builder"]
    assert failed and all(run.status == "failed" and "not today" in run.message for run in failed)
    assert result.best.label == "AdamW" and replace(result.best, rank=1) == result.best
