"""The pictures, read back from what was drawn: every number is where it belongs, and labels do not overlap."""

import dataclasses
import math
import subprocess
import sys
from itertools import combinations, pairwise

import pytest
from comparison_fixture import digits, small

from descend.tools import pictures, plots
from descend.tools.comparing.result import Comparison
from descend.tools.pictures import training_curves
from descend.tools.pictures.inputs import numbers, rate_points
from descend.tools.records import Point


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return digits()


def lines(axes, name: str) -> list:
    return [line for line in axes.get_lines() if (line.get_gid() or "").startswith(name)]


def margin_labels(axes) -> list:
    """Names beside the axes, drawn."""
    axes.figure.draw_without_rendering()
    return [text for text in axes.texts if text.get_text() and getattr(text, "arrow_patch", None) is not None]


def test_lr_curve_has_every_rate_and_a_star_at_the_best(comparison: Comparison):
    axes = pictures.lr_curve(comparison)
    stars = {line.get_gid(): (line.get_xdata()[0], line.get_ydata()[0]) for line in lines(axes, "best")}
    number = numbers(comparison)
    expected = {f"best {number[e.label]}": (e.lr, e.loss) for e in comparison.entries if math.isfinite(e.loss)}
    assert stars == expected
    drawn = {
        (float(x), float(y))
        for line in axes.get_lines()
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }
    for entry in comparison.entries:
        for p in rate_points(comparison, entry):
            if math.isfinite(p.loss):
                assert (p.lr, p.loss) in drawn, (entry.label, p.lr)


def test_lr_curve_marks_divergence_defaults_and_suggestions(comparison: Comparison):
    axes = pictures.lr_curve(comparison)
    number = numbers(comparison)
    for entry in comparison.entries:
        k = number[entry.label]
        lost = [lr for lr, loss, _ in entry.by_lr if loss == math.inf]
        crosses = [x for line in lines(axes, f"diverged {k}") for x in line.get_xdata()]
        assert crosses == lost
        candidate = comparison.candidates[k]
        for name, rate in (("default", candidate.default_lr), ("suggested", candidate.suggested_lr)):
            found = [line.get_xdata()[0] for line in lines(axes, f"{name} {k}")]
            assert found == ([] if rate is None else [rate])


def test_names_in_the_margin_do_not_overlap(comparison: Comparison):
    for axes in (pictures.lr_curve(comparison), pictures.curves(comparison)[1]):
        labels = margin_labels(axes)
        assert len(labels) == sum(math.isfinite(e.loss) for e in comparison.entries)
        from matplotlib.text import Text

        boxes = [Text.get_window_extent(label) for label in labels]
        assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_more_than_five_optimizers_get_a_legend(comparison: Comparison):
    first = comparison.candidates[0]
    runs = [run for run in comparison.runs if run.optimizer == first.label]
    candidates = tuple(dataclasses.replace(first, label=f"SGD {k}") for k in range(7))
    many = Comparison(
        comparison.conditions,
        candidates,
        tuple(dataclasses.replace(run, optimizer=c.label) for c in candidates for run in runs),
        False,
        1.0,
    )
    axes = pictures.lr_curve(many)
    assert margin_labels(axes) == []
    legends = [child for child in axes.get_children() if type(child).__name__ == "Legend"]
    assert any(len(legend.get_texts()) == 7 for legend in legends)


def test_curves_are_the_evaluations_of_the_best_runs(comparison: Comparison):
    left, right = pictures.curves(comparison)
    number = numbers(comparison)
    for entry in comparison.entries:
        run = training_curves.best_run(comparison, entry)
        if run is None:
            continue
        expected = training_curves.points(run)
        (by_step,) = lines(left, f"curve {number[entry.label]}")
        (by_second,) = lines(right, f"curve {number[entry.label]}")
        assert list(by_step.get_xdata()) == [p.step for p in expected]
        assert list(by_second.get_xdata()) == [p.seconds for p in expected]
        assert list(by_step.get_ydata()) == list(by_second.get_ydata()) == [p.loss for p in expected]
    assert len(lines(left, "goal")) == (comparison.conditions.goal is not None)
    assert lines(left, "given up"), "what was given up is there, in grey"


def test_training_losses_are_averaged_over_neighbours():
    curve = [Point(k + 1, k / 10, float(k % 2)) for k in range(120)]
    found = training_curves.smoothed(curve)
    assert len(found) == 30
    assert all(p.loss == 0.5 for p in found), "means of four alternating losses"
    assert (found[-1].step, found[-1].seconds) == (120, 11.9)
    assert training_curves.smoothed(curve[:30]) == curve[:30]


def test_heat_has_a_cell_for_every_rate_and_darker_is_better(comparison: Comparison):
    axes = pictures.heat(comparison)
    rates = sorted({lr for entry in comparison.entries for lr, _, _ in entry.by_lr})
    cells = {patch.get_gid(): patch for patch in axes.patches if (patch.get_gid() or "").startswith("cell")}
    assert len(cells) == sum(len(entry.by_lr) for entry in comparison.entries)
    shades = []
    for row, entry in enumerate(comparison.entries):
        for lr, loss, _ in entry.by_lr:
            cell = cells[f"cell {rates.index(lr)} {row}"]
            if math.isfinite(loss):
                shades.append((loss, sum(cell.get_facecolor()[:3])))
    shades.sort()
    assert all(a[1] <= b[1] + 1e-9 for a, b in pairwise(shades))
    crosses = [text for text in axes.texts if text.get_text() == "×"]
    assert len(crosses) == sum(loss == math.inf for e in comparison.entries for _, loss, _ in e.by_lr)
    assert [label.get_text() for label in axes.get_yticklabels()] == [e.label for e in comparison.entries]


def test_a_range_test_shows_every_rule_the_interval_and_where_it_broke_off():
    import torch

    from descend import tools

    x = torch.linspace(-1, 1, 64)[:, None]
    found = tools.find_lr(
        torch.nn.Linear(1, 1), [(x, 3 * x + 1)], torch.nn.MSELoss(), optimizer="sgd", check=0, progress=None
    )
    axes = pictures.range_test(found)
    low, high = axes.get_xlim()
    inside = {name for name, rate in found.suggestions.items() if rate is not None and low <= rate <= high}
    assert {text.get_text() for text in axes.texts} >= inside
    assert {line.get_gid() for line in lines(axes, "rule")} == {f"rule {name}" for name in inside}
    (suggestion,) = lines(axes, "suggestion")
    assert suggestion.get_xdata()[0] == found.lr
    for test, line in zip(found.tests, lines(axes, "probe loss"), strict=True):
        assert list(line.get_ydata()) == list(test.probe)
    zones = {patch.get_gid(): patch for patch in axes.patches}
    assert "diverged" in zones
    left = zones["interval"].get_x()
    assert (left, left + zones["interval"].get_width()) == pytest.approx(found.interval)
    assert low <= found.interval[0] <= found.interval[1] <= high


def test_axes_of_the_user_are_drawn_into_and_stay_theirs(comparison: Comparison):
    with plots.style():
        figure = plots.new_figure()
        figure.set_size_inches(18, 5)
        one, two, three = figure.subplots(1, 3)
    assert pictures.draw(comparison, "lr", ax=one) is one
    assert pictures.curves(comparison, axes=(two, three)) == (two, three)
    with pytest.raises(ValueError, match="axes must be two, for steps and for seconds; got 3"):
        pictures.curves(comparison, axes=(one, two, three))


def test_pyplot_is_never_loaded():
    code = (
        "import sys; sys.path.insert(0, 'tests'); from comparison_fixture import small; c = small();\n"
        "import io; from descend.tools import pictures\n"
        "for kind in pictures.KINDS: pictures.draw(c, kind)\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_one_rate_alone_and_losses_below_zero():
    comparison = small()
    axes = pictures.lr_curve(comparison)
    assert axes.get_xscale() == "log"
    below = tuple(
        dataclasses.replace(
            run, loss=run.loss - 10, rung_losses=tuple(loss - 10 for loss in run.rung_losses),
        )
        for run in comparison.runs
    )  # fmt: skip
    moved = dataclasses.replace(comparison, runs=below)
    assert pictures.lr_curve(moved).get_yscale() == "linear"
