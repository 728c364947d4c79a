"""`schedule.plot()`: what is drawn is the schedule, nothing is left behind, and a missing matplotlib is explained."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from descend.schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    Function,
    InverseSqrt,
    Linear,
    MultiStep,
    OneCycle,
    Polynomial,
    Schedule,
    Step,
    WarmupStableDecay,
)

EACH = (
    Constant(0.3), Linear(1, 0, 300), Cosine(1, 0, 300), Polynomial(1, 0, 300, 2), Exponential(1, 0.99),
    Exponential(1, 0), Exponential(1, 1, 5), Exponential(1, 1.01), Step(1, 30), MultiStep(1, [20, 50]),
    MultiStep(1, []), InverseSqrt(1, 40), OneCycle(1, 100), CosineRestarts(1, 0, 20, 2), CosineRestarts(1, 0, 20),
    WarmupStableDecay(1, 10, 50, 20), WarmupStableDecay(1, 0, 0, 0), Linear(1, 0, 0), Cosine(1, 0, 3_000_000),
    Cosine(1, 0, 90).warmup(10), Linear(1, 0, 50).then(Step(0.5, 10), after=80), Step(1, 9) * Linear(1, 0, 500),
    Constant(2) * 3, Function(lambda step: step % 7),
)  # fmt: skip


@pytest.mark.parametrize("schedule", EACH, ids=repr)
def test_the_curve_is_the_schedule(schedule: Schedule) -> None:
    axes = schedule.plot()
    (line,) = axes.lines
    xs, ys = map(list, line.get_data())
    assert ys == schedule(xs)
    assert xs[0] == 0 and 2 <= len(xs) <= 1001 and xs == sorted(set(xs))
    assert axes.get_xlabel() == "step" and axes.get_ylabel() == "value" and axes.get_legend() is None


@pytest.mark.parametrize(
    ("schedule", "most"),
    [(Linear(1, 0, 300), 330), (OneCycle(1, 100), 105), (Cosine(1, 0, 90).warmup(10), 109), (Exponential(1, 0.5), 6)],
    ids=repr,
)
def test_by_default_all_of_it_is_shown(schedule: Schedule, most: int) -> None:
    assert max(schedule.plot().lines[0].get_xdata()) == pytest.approx(most, abs=1)


def test_whole_steps_are_drawn_as_long_as_there_are_few() -> None:
    axes = Step(1, 3).plot(20)
    assert list(axes.lines[0].get_xdata()) == list(range(21))
    assert axes.lines[0].get_marker() == "o"
    assert len(Step(1, 3).plot(0.5).lines[0].get_xdata()) == 1001


def test_several_on_one_picture_and_in_a_file(tmp_path: Path) -> None:
    axes = Cosine(1, 0, 100).plot(120, label="cosine")
    assert Linear(1, 0, 100).plot(120, axes=axes, label="linear", file=tmp_path / "two.png") is axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["cosine", "linear"]
    assert len({line.get_color() for line in axes.lines}) == 2
    assert (tmp_path / "two.png").read_bytes().startswith(b"\x89PNG")
    file = io.BytesIO()
    Constant(1).plot(axes=Figure().add_subplot(), file=file)
    assert file.getvalue().startswith(b"\x89PNG")


def test_the_axis_begins_at_zero_where_that_flattens_nothing() -> None:
    assert Linear(1, 0.1, 50).plot().get_ylim()[0] == 0
    assert Linear(0.95, 0.85, 50).plot().get_ylim()[0] > 0.8
    assert Linear(-1, 1, 50).plot().get_ylim()[0] < -0.9


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"matplotlib, which cannot be imported .*descend\[tools\]"):
        Constant(1).plot()


def test_no_window_and_no_pyplot() -> None:
    code = (
        "import sys; from descend.schedules import Step; before = 'matplotlib' in sys.modules; Step(1, 5).plot(); "
        "print(before, 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
