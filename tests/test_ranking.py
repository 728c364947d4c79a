"""The ranking of a comparison: cases worked out by hand, and what must hold for all of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from descend.tools.comparing.ranking import crossing, rank
from descend.tools.records import Candidate, Conditions, Entry, Point, Run, Status

inf, nan = math.inf, math.nan
Losses = Mapping[str, Mapping[float, float | Sequence[float]]]


def conditions(rungs: tuple[int, ...] = (100,), seeds: int = 1, goal: float | None = None) -> Conditions:
    return Conditions("problem", "", 10, 4, "cpu", 1, rungs, seeds, 0, "val loss", goal=goal)


def candidate(label: str, default: float | None = None, table: float | None = None) -> Candidate:
    return Candidate(label, f"{label}(model.parameters(), lr={{lr}})", default, table)


def run(
    label: str, lr: float, seed: int, *ends: float, rungs: tuple[int, ...] = (100,), status: Status | None = None
) -> Run:
    """A run with these losses at the ends of its rungs."""
    loss, steps = ends[-1] if ends else nan, rungs[len(ends) - 1] if ends else 5
    ended: Status = "finished" if len(ends) == len(rungs) else "stopped"
    ended = "diverged" if loss == inf else "failed" if ends and math.isnan(loss) else status or ended
    return Run(label, lr, seed, "grid", ended, len(ends) - 1, steps, loss, tuple(ends), None, steps / 1000)


def ranked(losses: Losses, seeds: int = 1, **known: float) -> dict[str, Entry]:
    """Rows by label, of full runs: {label: {rate: loss of the first seed, or of all}}."""
    runs = []
    for label, by_lr in losses.items():
        for lr, values in by_lr.items():
            each = values if isinstance(values, Sequence) else [values]
            runs += [run(label, lr, seed, loss) for seed, loss in enumerate(each)]
    entries = rank(conditions(seeds=seeds), [candidate(label, **known) for label in losses], runs)
    return {entry.label: entry for entry in entries}


def places(entries: Mapping[str, Entry]) -> list[tuple[int, bool, str]]:
    return [(entry.rank, entry.tied, entry.label) for entry in entries.values()]


# ---------------------------------------------------------------------------------------------------------- best rate


def test_the_best_rate_has_the_lowest_mean():
    entry = ranked({"A": {0.01: [0.4, 0.5], 0.1: [0.3, 0.5], 1.0: [0.6, 0.7]}}, seeds=2)["A"]
    assert (entry.lr, entry.loss) == (0.1, 0.4)
    assert entry.sd == pytest.approx(math.sqrt(2) / 10)  # of 0.3 and 0.5
    assert entry.by_lr == ((0.01, 0.45, 0), (0.1, 0.4, 0), (1.0, pytest.approx(0.65), 0))


def test_a_lucky_first_seed_does_not_win_against_two_seeds():
    # The mean of 0.1 is 0.4, so by means alone 0.38 would be better; but that is of seed 0, where 0.1 has 0.3.
    assert ranked({"A": {0.01: 0.38, 0.1: [0.3, 0.5], 1.0: [0.6, 0.7]}}, seeds=2)["A"].lr == 0.1
    # Paired over the seed that both have, 0.01 is better.
    assert ranked({"A": {0.01: 0.29, 0.1: [0.3, 0.5], 1.0: [0.6, 0.7]}}, seeds=2)["A"].lr == 0.01


def test_equal_losses_take_the_smaller_rate():
    assert ranked({"A": {1.0: 0.5, 0.1: 0.5, 0.01: 0.7}})["A"].lr == 0.1


def test_a_rate_that_diverged_from_one_seed_is_not_the_best():
    entry = ranked({"A": {0.01: [0.4, 0.5], 0.1: [0.1, inf]}}, seeds=2)["A"]
    assert entry.lr == 0.01
    assert entry.by_lr[1] == (0.1, inf, 0)
    assert "diverges from 0.1 on (10x the best rate)" in entry.notes


def test_negative_losses_and_zero():
    entries = ranked({"A": {0.01: -3.0, 0.1: -5.0, 1.0: -4.6}, "B": {0.1: 0.0, 1.0: 0.0}})
    assert places(entries) == [(1, False, "A"), (2, False, "B")]
    assert entries["A"].window == (0.1, 1.0)  # -5 + 10 % of 5 is -4.5
    assert entries["A"].window_open == (False, True)
    assert (entries["B"].lr, entries["B"].window) == (0.1, (0.1, 1.0))


def test_a_failed_run_is_nan_and_never_the_best():
    entry = ranked({"A": {0.01: nan, 0.1: 0.5, 1.0: nan}})["A"]
    assert (entry.lr, entry.loss) == (0.1, 0.5)
    assert [math.isnan(loss) for _, loss, _ in entry.by_lr] == [True, False, True]
    assert "2 runs failed, first at 0.01: no message" in entry.notes


def test_optimizers_that_never_worked_come_last():
    entries = ranked({"F": {0.1: nan}, "D": {0.1: inf, 1.0: inf}, "A": {0.1: 9.0}, "E": {0.1: inf}})
    assert places(entries) == [(1, False, "A"), (2, True, "D"), (2, True, "E"), (4, False, "F")]
    assert entries["D"].loss == inf
    assert math.isnan(entries["F"].loss)
    assert all(math.isnan(entries[label].lr) for label in "DEF")
    assert all(math.isnan(entries[label].decades) for label in "DEF")
    assert entries["D"].notes == ("every run diverged",)
    assert entries["F"].notes == ("every run failed, first at 0.1: no message",)


def test_a_later_record_of_the_same_run_replaces_the_earlier_one():
    runs = [run("A", 0.1, 0, 0.9), run("A", 0.1, 0, 0.2)]
    assert rank(conditions(), [candidate("A")], runs)[0].loss == 0.2


def test_losses_near_the_largest_float_do_not_overflow():
    entry = ranked({"A": {0.1: [1.5e308, 1.7e308]}}, seeds=2)["A"]
    assert entry.loss == pytest.approx(1.6e308)
    assert entry.sd == pytest.approx(0.1e308 * math.sqrt(2))


# ----------------------------------------------------------------------------------------------------------- ties


def test_paired_differences_decide_about_ties():
    # B - A: +0.01 and +0.03: mean 0.02, sd of the mean 0.01: 0.02 <= 0.02 is a tie. C - A: +0.02, +0.03: 0.025 > 0.01.
    entries = ranked({"A": {0.1: [1.0, 1.0]}, "B": {0.1: [1.0078125, 1.0234375]}, "C": {0.1: [1.02, 1.03]}}, seeds=2)
    assert places(entries) == [(1, True, "A"), (1, True, "B"), (3, False, "C")]


def test_losses_that_vary_together_are_told_apart():
    """Both vary by 0.5 from seed to seed, but B is worse by 0.01 every time: pairs see it, means do not."""
    entries = ranked({"B": {0.1: [1.01, 1.51, 2.01]}, "A": {0.1: [1.0, 1.5, 2.0]}}, seeds=3)
    assert places(entries) == [(1, False, "A"), (2, False, "B")]


def test_ties_do_not_chain():
    # With one seed 5 % is a tie: B with A, C with B, but C not with A; D is tied with C, the first of its rank.
    entries = ranked({"C": {0.1: 1.08}, "B": {0.1: 1.04}, "D": {0.1: 1.1}, "A": {0.1: 1.0}})
    assert places(entries) == [(1, True, "A"), (1, True, "B"), (3, True, "C"), (3, True, "D")]


def test_with_one_seed_the_spread_of_the_last_evaluations_counts_as_noise():
    def noisy(label: str, loss: float, spread: float) -> Run:
        points = tuple(Point(step, step / 1000, loss + spread * sign) for step, sign in ((92, -1), (96, 0), (100, 1)))
        early = (Point(0, 0.0, 9.0), Point(50, 0.05, 5.0))  # not of the last tenth
        return replace(run(label, 0.1, 0, loss), evaluations=early + points)

    entrants = [candidate("A"), candidate("B")]
    # Standard errors 0.1 / sqrt(3) each, so 2 of their difference are 0.163.
    for second, tied in ((1.16, True), (1.17, False)):
        entries = rank(conditions(), entrants, [noisy("A", 1.0, 0.1), noisy("B", second, 0.1)])
        assert entries[1].tied is tied
    entries = rank(conditions(), entrants, [noisy("A", 1.0, 0.001), noisy("B", 1.06, 0.001)])
    assert not entries[1].tied
    assert "one seed only: differences within 5 % count as ties" in entries[0].notes


def test_the_order_is_by_the_seeds_that_all_have():
    # A's second seed is a hard one. For seed 0, which both have, A is better.
    entries = ranked({"B": {0.1: 0.6}, "A": {0.1: [0.5, 0.9]}}, seeds=2)
    assert places(entries) == [(1, False, "A"), (2, False, "B")]
    assert entries["B"].notes[0] == "1 of 2 seeds"


# ------------------------------------------------------------------------------------------------- window, sensitivity


def test_the_window_has_no_gaps():
    losses = {1e-4: 1.05, 1e-3: 2.0, 1e-2: 1.09, 0.1: 1.0, 1.0: 1.09, 10.0: 1.11}
    entry = ranked({"A": losses})["A"]
    assert (entry.window, entry.window_open) == ((0.01, 1.0), (False, False))
    assert entry.decades == pytest.approx(2)


def test_two_standard_deviations_widen_the_window():
    # sd of 0.9 and 1.1 is 0.141: up to 1.283. Paired with seed 0 (0.9): 1.1 is 0.2 worse, 1.2 is 0.3 worse.
    entry = ranked({"A": {0.01: 1.2, 0.1: [0.9, 1.1], 1.0: 1.1}}, seeds=2)["A"]
    assert (entry.window, entry.window_open) == ((0.1, 1.0), (False, True))


def test_a_window_of_one_point_says_how_far_the_next_rate_is():
    entry = ranked({"A": {0.01: 1.2, 0.018: 1.0, 0.1: 3.0}})["A"]
    assert entry.window == (0.018, 0.018)
    assert "window is one grid point: a rate 1.8x off is outside" in entry.notes
    assert not any("largest" in note or "smallest" in note for note in entry.notes)


@pytest.mark.parametrize(("best", "way"), [(0.01, "smallest"), (1.0, "largest")])
def test_the_best_rate_at_an_edge_is_noted(best: float, way: str):
    losses = {lr: 1.0 if lr == best else 2.0 for lr in (0.01, 0.1, 1.0)}
    entry = ranked({"A": losses})["A"]
    assert entry.window_open == (way == "smallest", way == "largest")
    assert any(f"the best rate is the {way} that was tried" in note for note in entry.notes)


def test_beyond_the_window_lies_a_rate_that_diverged_or_was_stopped():
    rungs = (10, 100)
    runs = [
        run("A", 0.01, 0, 1.8, rungs=rungs),  # stopped, 10 % of 1.7 is 0.17: it was inside then
        run("A", 0.1, 0, 1.7, 0.5, rungs=rungs),
        run("A", 1.0, 0, 2.0, rungs=rungs),  # stopped, and outside then
    ]
    (entry,) = rank(conditions(rungs), [candidate("A")], runs)
    assert (entry.window, entry.window_open) == ((0.1, 0.1), (True, False))
    assert entry.by_lr == ((0.01, 1.8, 0), (0.1, 0.5, 1), (1.0, 2.0, 0))
    (entry,) = rank(conditions(rungs), [candidate("A")], [*runs[1:], run("A", 0.01, 0, inf, rungs=rungs)])
    assert entry.window_open == (False, False)
    assert "diverged at 0.01, below the best rate" in entry.notes


def test_sensitivity_counts_rates_within_a_decade_and_no_more_than_the_start():
    start = (Point(0, 0.0, 2.0),)
    losses = {0.001: 1.9, 0.01: 1.5, 0.1: 1.0, 0.316: 1.25, 1.0: inf}
    runs = [replace(run("A", lr, 0, loss), evaluations=start) for lr, loss in losses.items()]
    (entry,) = rank(conditions(), [candidate("A")], runs)
    assert entry.sensitivity == pytest.approx((0.5 + 0.25 + 1.0) / 3)
    assert math.isnan(ranked({"A": {0.1: 1.0}})["A"].sensitivity)


# -------------------------------------------------------------------------------------------------- the other numbers


def test_what_the_default_and_the_table_would_have_cost():
    entry = ranked({"A": {0.001: 0.9, 0.1: 0.2, 1.0: inf}}, default=0.001, table=1.0)["A"]
    assert (entry.default, entry.table) == ((0.001, 0.9), (1.0, inf))
    assert ranked({"A": {0.1: 0.2}}, default=0.001)["A"].default is None
    assert ranked({"A": {0.1: 0.2}})["A"].default is None


def test_milliseconds_are_of_the_longest_runs():
    rungs = (10, 100)
    runs = [
        replace(run("A", 0.1, 0, 1.0, 0.5, rungs=rungs), seconds=0.2),
        replace(run("A", 0.1, 1, 1.0, 0.5, rungs=rungs), seconds=0.4),
        replace(run("A", 1.0, 0, 1.0, rungs=rungs), seconds=9.0),  # short, and slow as kernels were compiled
    ]
    (entry,) = rank(conditions(rungs), [candidate("A")], runs)
    assert entry.ms_per_step == pytest.approx(3.0)


def test_the_goal_is_found_between_evaluations():
    points = [Point(0, 0.0, 2.0), Point(10, 1.0, 1.0), Point(20, 3.0, 0.5), Point(30, 4.0, 0.7)]
    assert crossing(points, 0.75) == (15.0, 2.0)
    assert crossing(points, 2.5) == (0.0, 0.0)
    assert crossing(points, 0.4) is None
    assert crossing([Point(0, 0.0, nan), Point(10, 1.0, 0.1)], 0.75) == (10.0, 1.0)


def test_the_goal_must_be_reached_from_every_seed():
    def with_points(seed: int, *losses: float) -> Run:
        points = tuple(Point(10 * k, float(k), loss) for k, loss in enumerate(losses))
        return replace(run("A", 0.1, seed, losses[-1]), evaluations=points)

    def goal(*runs: Run) -> tuple[float | None, float | None]:
        (entry,) = rank(conditions(seeds=2, goal=1.0), [candidate("A")], runs)
        return entry.goal_steps, entry.goal_seconds

    assert goal(with_points(0, 3.0, 1.0, 0.5), with_points(1, 3.0, 2.0, 1.0)) == (15.0, 1.5)
    assert goal(with_points(0, 3.0, 1.0, 0.5), with_points(1, 3.0, 2.0, 1.1)) == (None, None)
    curve = replace(with_points(0, 3.0), evaluations=(), curve=(Point(1, 0.1, 3.0), Point(2, 0.2, 1.0)))
    assert goal(curve) == (2.0, 0.2)


def test_drift_is_the_best_rate_of_every_rung():
    rungs = (10, 100)
    runs = [
        run("A", 0.01, 0, 2.0, 0.5, rungs=rungs),
        run("A", 0.0316, 0, 1.0, 0.7, rungs=rungs),
        run("A", 0.0316, 1, 9.0, 0.7, rungs=rungs),  # of another seed: does not count
        run("A", 0.1, 0, 1.5, rungs=rungs),
    ]
    (entry,) = rank(conditions(rungs), [candidate("A")], [r for r in runs if r.seed == 0])
    assert (entry.lr, entry.drift) == (0.01, (0.0316, 0.01))
    assert any("the best rate was 3.2x larger at 10 % of the steps" in note for note in entry.notes)
    (entry,) = rank(conditions(rungs), [candidate("A")], runs)
    assert entry.drift == (0.0316, 0.01)


def test_a_rate_that_learned_nothing_is_noted():
    points = (Point(0, 0.0, 1.0), Point(100, 0.1, 1.02))
    (entry,) = rank(conditions(), [candidate("A")], [replace(run("A", 0.1, 0, 1.02), evaluations=points)])
    assert "nothing learned: the loss is not below its start of 1" in entry.notes


# ------------------------------------------------------------------------------------------------------------ partial


def test_an_interrupted_comparison_is_ranked_at_the_last_rung_that_all_share():
    rungs = (10, 30, 100)
    runs = [
        run("A", 0.1, 0, 3.0, 2.0, 0.1, rungs=rungs),
        run("A", 0.2, 0, 3.0, 1.9, rungs=rungs, status="unfinished"),
        run("B", 0.1, 0, 2.9, 1.0, rungs=rungs, status="unfinished"),
        run("B", 0.2, 0, 2.8, rungs=rungs),  # stopped
        run("C", 0.1, 0, inf, rungs=rungs),  # cannot go on, so it does not hold the others back
        run("D", 0.1, 0, rungs=rungs, status="unfinished"),  # had hardly begun
    ]
    entries = rank(conditions(rungs), [candidate(label) for label in "ABCDE"], runs)
    assert [(e.rank, e.label, e.loss) for e in entries[:3]] == [(1, "B", 1.0), (2, "A", 1.9), (3, "C", inf)]
    assert entries[1].lr == 0.2
    note = "ranked after 30 of 100 steps: not every optimizer has come further"
    assert all(note in entry.notes for entry in entries[:2])
    assert entries[3].notes == ("no run has come to the end of a rung", "1 run unfinished")
    assert entries[4].notes == ("not trained",)
    assert entries[3].by_lr == ()


def test_before_any_full_run():
    rungs = (10, 100)
    runs = [run(label, 0.1, 0, loss, rungs=rungs, status="unfinished") for label, loss in (("A", 2.0), ("B", 1.0))]
    entries = rank(conditions(rungs), [candidate("A"), candidate("B")], runs)
    assert [(entry.label, entry.loss) for entry in entries] == [("B", 1.0), ("A", 2.0)]


def test_a_complete_comparison_is_ranked_at_the_end_even_if_an_optimizer_never_got_there():
    rungs = (10, 100)
    runs = [
        run("A", 0.1, 0, 2.0, 1.0, rungs=rungs),
        run("B", 0.1, 0, 1.0, inf, rungs=rungs),
        run("B", 0.01, 0, 1.5, rungs=rungs),  # stopped
    ]
    entries = rank(conditions(rungs), [candidate("B"), candidate("A")], runs)
    assert [(entry.label, entry.loss) for entry in entries] == [("A", 1.0), ("B", inf)]
    assert entries[1].notes == ("every run diverged that was not stopped early",)


def test_no_runs_at_all():
    entries = rank(conditions(), [candidate("A"), candidate("B")], [])
    assert [(entry.rank, entry.tied, entry.notes) for entry in entries] == [(1, True, ("not trained",))] * 2


# ------------------------------------------------------------------------------------------------- of all comparisons

number = st.one_of(st.integers(-1000, 1000).map(lambda k: k / 64), st.just(inf), st.just(nan))
RATES = (0.001, 0.01, 0.1, 1.0)
losses_of_all = st.dictionaries(
    st.sampled_from(["A", "B", "C"]),
    st.dictionaries(st.sampled_from(RATES), st.lists(number, min_size=1, max_size=3), min_size=1),
    min_size=1,
)


def runs_of(losses: Losses, factor: float = 1.0) -> list[Run]:
    made = []
    for label, by_lr in losses.items():
        for lr, values in by_lr.items():
            assert isinstance(values, Sequence)
            made += [run(label, lr, seed, loss * factor) for seed, loss in enumerate(values)]
    return made


def essence(entries: Sequence[Entry], factor: float = 1.0) -> list[object]:
    """What must be the same; as text, since nan is not equal to itself."""
    return [repr((e.rank, e.tied, e.label, e.lr, e.loss / factor, e.window, e.window_open)) for e in entries]


@settings(max_examples=100, deadline=None)
@given(losses_of_all, st.randoms(use_true_random=False))
def test_the_order_of_the_runs_does_not_matter(losses, random):
    entrants, runs = [candidate(label) for label in losses], runs_of(losses)
    before = rank(conditions(seeds=3), entrants, runs)
    random.shuffle(runs)
    assert repr(rank(conditions(seeds=3), entrants, runs)) == repr(before)


@settings(max_examples=100, deadline=None)
@given(losses_of_all, st.sampled_from([2.0**-20, 0.5, 4.0, 2.0**30]))  # powers of two: scaling is exact
def test_the_unit_of_the_loss_does_not_matter(losses, factor):
    entrants = [candidate(label) for label in losses]
    before = rank(conditions(seeds=3), entrants, runs_of(losses))
    assert essence(rank(conditions(seeds=3), entrants, runs_of(losses, factor)), factor) == essence(before)


@settings(max_examples=100, deadline=None)
@given(losses_of_all)
def test_ranks_and_windows_are_consistent(losses):
    entries = rank(conditions(seeds=3), [candidate(label) for label in losses], runs_of(losses))
    assert sorted(entry.label for entry in entries) == sorted(losses)
    assert [entry.rank for entry in entries] == sorted(entry.rank for entry in entries)
    for place, entry in enumerate(entries, start=1):
        assert entry.rank == place or entry.rank == entries[place - 2].rank
        assert entry.tied == (sum(other.rank == entry.rank for other in entries) > 1)
        if math.isfinite(entry.loss):
            assert entry.window[0] <= entry.lr <= entry.window[1]
            assert entry.lr in losses[entry.label]


@settings(max_examples=100, deadline=None)
@given(losses_of_all, st.data())
def test_a_worse_rate_never_changes_the_best(losses, data):
    label = data.draw(st.sampled_from(sorted(losses)))
    entrants = [candidate(each) for each in losses]
    before = {entry.label: entry for entry in rank(conditions(seeds=3), entrants, runs_of(losses))}
    most = max(len(values) for values in losses[label].values())
    worst = max([0.0, *(loss for values in losses[label].values() for loss in values if math.isfinite(loss))])
    worse = [worst + 1 + data.draw(st.integers(0, 10)) for _ in range(data.draw(st.integers(1, most)))]
    more = {**losses, label: {**losses[label], 10.0: worse}}
    after = {entry.label: entry for entry in rank(conditions(seeds=3), entrants, runs_of(more))}
    if math.isfinite(before[label].loss):
        assert (after[label].lr, after[label].loss) == (before[label].lr, before[label].loss)
