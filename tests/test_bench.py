"""`descend bench`: each optimizer beside its twin from torch.optim, the suites, and the performance profile.

Numbers are checked against torch.optim and least squares; times only for being times.
"""

import json
import math
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import pytest
import torch

import descend
from descend.tools import bench, demos, plots, report
from descend.tools.bench import digits, line, logistic
from descend.tools.bench.training import Stopwatch, take_turns, train_with_closure
from descend.tools.demos.line import columns
from descend.tools.demos.logistic import minimum

LBFGS = "LBFGS 1 max_iter 20"
FIRST_ORDER = ["SGD 0.01", "SGD 0.01 momentum 0.9", "RMSprop 0.01", "Adam 0.001", "Adagrad 0.01"]
SETTINGS = [*FIRST_ORDER, LBFGS]


@pytest.fixture(scope="module")
def result() -> bench.Twins:
    return bench.twins("demo:line")


@pytest.fixture(scope="module")
def convex() -> bench.Twins:
    return bench.twins("demo:logistic")


# ------------------------------------------------------------------------------------------------------- the numbers


@pytest.mark.parametrize("number", range(len(FIRST_ORDER)), ids=FIRST_ORDER)
def test_learned_w_and_b_equal_those_of_torch(result: bench.Twins, number: int) -> None:
    row, setting = result.rows[number], line.SETTINGS[number]
    x, y = columns(torch.float32)
    torch.manual_seed(0)
    model = torch.nn.Linear(1, 1)
    start = {"w": model.weight.item(), "b": model.bias.item()}
    optimizer = getattr(torch.optim, setting.optimizer)(model.parameters(), **setting.options)
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert row.label == SETTINGS[number]
    assert result.start == start
    assert row.final["w"] == pytest.approx(model.weight.item(), abs=line.TOLERANCE, rel=0)
    assert row.final["b"] == pytest.approx(model.bias.item(), abs=line.TOLERANCE, rel=0)
    assert row.max_difference <= line.TOLERANCE
    assert row.max_difference == pytest.approx(
        max(abs(row.final["w"] - model.weight.item()), abs(row.final["b"] - model.bias.item())), abs=1e-12
    )
    # The loss is at most 4, and dloss/dw at most 50: w off by a rounding of 6e-8 moves it by 3e-6.
    assert row.curves["loss"] == pytest.approx(losses, abs=5e-6)
    assert len(row.curves["loss"]) == len(row.curves["w"]) == len(row.curves["b"]) == 100


def test_distance_and_times(result: bench.Twins) -> None:
    for row in result.rows:
        expected = math.hypot(row.final["w"] - result.reference["w"], row.final["b"] - result.reference["b"])
        assert row.distance == pytest.approx(expected, rel=1e-12)
        assert 0 < row.step_us < 1e5
        assert 0 < row.torch_step_us < 1e5
        assert row.ratio == row.torch_step_us / row.step_us
        assert row.engine == ("cpu" if row.label in FIRST_ORDER else "eager")
    assert [row.label for row in sorted(result.rows, key=lambda row: row.distance)][:2] == [SETTINGS[-1], SETTINGS[1]]


def test_both_twins_take_every_step_in_alternating_order() -> None:
    order: list[str] = []

    def steps(name: str, count: int) -> Iterator[None]:
        for _ in range(count):
            order.append(name)
            yield

    take_turns(steps("a", 3), steps("b", 3))
    assert order == ["a", "b", "b", "a", "a", "b"]


def test_seed_and_epochs(result: bench.Twins) -> None:
    short = bench.twins("demo:line", epochs=3)
    assert short.report_epochs == (1, 2, 3)
    assert [row.curves["loss"] for row in short.rows] == [row.curves["loss"][:3] for row in result.rows]
    other = bench.twins("demo:line", epochs=1, seed=7)
    assert other.start != short.start
    assert len({row.curves["loss"][0] for row in other.rows}) == 1, "all settings begin at the same loss"
    for bad in ({"epochs": 0}, {"seed": -1}, {"seed": 2**32}):
        with pytest.raises(ValueError, match=f"{next(iter(bad))} must be .* got {next(iter(bad.values()))}"):
            bench.twins("demo:line", **bad)


def test_twins_leave_the_callers_random_numbers_and_threads_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    bench.twins("demo:line", epochs=1)
    bench.twins("demo:digits", epochs=1)
    assert torch.equal(torch.rand(2), expected)
    assert torch.get_num_threads() == 2  # as conftest.py sets it


@pytest.mark.parametrize("name", ["demo:lines", "demo:convnet"])
def test_an_unknown_demo_is_told_those_that_have_twins(name: str) -> None:
    with pytest.raises(demos.UnknownDemo, match=rf"'{name}'(.|\n)*demo:line .*(.|\n)*demo:digits ") as caught:
        bench.twins(name)
    assert len(str(caught.value).splitlines()) == 4


def test_a_workload_of_ones_own() -> None:
    """Two settings on a parabola whose gradient step is known by hand: p <- p - lr * 2 p."""
    task = parabola(batches=2)
    workload = bench.Workload(
        name="parabola",
        title="p squared",
        setup=lambda seed: parabola(batches=2),
        settings=(bench.Setting("SGD", {"lr": 0.25}), bench.Setting("SGD", {"lr": 0.5})),
        epochs=3,
        reports=1,
        timing_runs=0,
        tables=lambda result: (report.Table("t", ("optimizer",), tuple((row.label,) for row in result.rows)),),
        draw=lambda result, figure: None,
    )
    assert len(list(task.batches(1))) == 2
    found = bench.twins(workload)
    assert [row.curves["p"] for row in found.rows] == [(1 / 4, 1 / 16, 1 / 64), (0.0, 0.0, 0.0)]
    assert found.rows[0].curves["loss"][0] == (1 + 1 / 4) / 2  # mean over the epoch's two batches
    assert found.rows[0].distance is None
    assert "SGD 0.25" in str(found)


# ------------------------------------------------------------------------------------------------- tables and JSON


def test_tables_show_every_setting_and_fit_80_columns(result: bench.Twins) -> None:
    text = str(result)
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 80
    losses, ended = result.tables()
    assert losses.header == ("optimizer", "20", "40", "60", "80", "100")
    assert [row[0] for row in losses.rows] == [row[0] for row in ended.rows] == SETTINGS
    for cells, row in zip(losses.rows, result.rows, strict=True):
        assert [float(cell) for cell in cells[1:]] == pytest.approx(row.curves["loss"][19::20], abs=5.1e-6)
    assert ended.header == ("optimizer", "w", "b", "distance", "us", "torch us", "ratio", "diff")
    for cells, row in zip(ended.rows, result.rows, strict=True):
        assert [float(cell) for cell in cells[1:4]] == pytest.approx(
            [row.final["w"], row.final["b"], row.distance], abs=5.1e-5
        )
    assert any("within 1e-06" in note for note in ended.notes)


def test_json_schema(result: bench.Twins) -> None:
    found = json.loads(result.to_json())
    assert found == json.loads(json.dumps(result.to_dict()))
    assert set(found) == {
        *("workload", "title", "seed", "epochs", "report_epochs"),
        *("start", "reference", "environment", "rows"),
    }
    assert found["workload"] == "demo:line"
    assert found["report_epochs"] == [20, 40, 60, 80, 100]
    assert set(found["start"]) == set(found["reference"]) == {"w", "b"}
    assert found["environment"] == {
        "descend": descend.__version__,
        "torch": torch.__version__,
        "python": sys.version.split()[0].rstrip("+"),
        "threads": 1,
    }
    assert [row["label"] for row in found["rows"]] == SETTINGS
    assert found["rows"][1]["options"] == {"lr": 0.01, "momentum": 0.9}
    for row, source in zip(found["rows"], result.rows, strict=True):
        assert set(row) == {
            *("label", "optimizer", "options", "engine", "final", "distance"),
            *("max_difference", "step_us", "torch_step_us", "ratio", "curves"),
        }
        assert row["curves"] == {name: list(values) for name, values in source.curves.items()}
        assert row["final"] == {name: values[-1] for name, values in source.curves.items()}


# ---------------------------------------------------------------------------------------------------------- pictures


def test_picture_is_a_real_png(result: bench.Twins, tmp_path: Path) -> None:
    file = tmp_path / "line.png"
    result.plot(file)
    content = file.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    assert width > 1500
    assert height > 700
    from matplotlib.image import imread

    pixels = imread(file)[..., :3]
    for colour in plots.COLOURS[: len(SETTINGS)]:  # every setting's colour is there, on more than a few pixels
        rgb = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        assert (abs(pixels - rgb).max(axis=-1) < 0.01).sum() > 200, colour


@pytest.mark.parametrize("seed", [0, 3])
def test_labels_do_not_overlap(result: bench.Twins, seed: int) -> None:
    from matplotlib.text import Text

    found = result if seed == 0 else bench.twins("demo:line", seed=seed)
    with plots.style():
        figure = plots.new_figure()
        found.workload.draw(found, figure)
        figure.draw_without_rendering()
        left, right = figure.axes
        for axes, expected in ((left, set(SETTINGS)), (right, {*SETTINGS, "start", "least squares"})):
            labels = {text.get_text(): text for text in axes.texts if not text.get_text().startswith("least squares 0")}
            assert set(labels) == expected
            boxes = [Text.get_window_extent(label) for label in labels.values()]
            for k, box in enumerate(boxes):
                assert not any(box.overlaps(other) for other in boxes[:k])
                assert figure.bbox.x0 <= box.x0
                assert box.x1 <= figure.bbox.x1 + 1  # a pixel: extents are rounded
        assert left.get_yscale() == "log"


def test_spread_keeps_order_distance_and_range() -> None:
    assert plots.spread([0.5], 0.1, 0, 1) == [0.5]
    assert plots.spread([0.2, 0.8], 0.1, 0, 1) == [0.2, 0.8]
    assert plots.spread([0.5, 0.5], 0.1, 0, 1) == pytest.approx([0.45, 0.55])
    assert plots.spread([0.0, 0.0, 0.05], 0.1, 0, 1) == pytest.approx([0.0, 0.1, 0.2])
    assert plots.spread([1.0, 0.2, 0.99], 0.1, 0, 1) == pytest.approx([1.0, 0.2, 0.9])
    crowded = plots.spread([0.3, 0.31, 0.29, 0.45, 0.9], 0.1, 0, 1)
    assert sorted(range(5), key=crowded.__getitem__) == [2, 0, 1, 3, 4]
    ordered = sorted(crowded)
    assert all(b - a >= 0.1 - 1e-9 for a, b in pairwise(ordered))


def test_picture_leaves_matplotlibs_settings_alone(result: bench.Twins, tmp_path: Path) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    result.plot(tmp_path / "line.svg")
    assert dict(matplotlib.rcParams) == before
    assert "<svg" in (tmp_path / "line.svg").read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------------------ demo:digits


def test_digits_come_in_batches_that_depend_on_seed_and_epoch() -> None:
    (_, targets), _ = demos.digits.load()
    task = digits.setup(0)
    batches = list(task.batches(1))
    assert [len(t) for _, t in batches] == [64] * 22 + [29]
    assert sorted(torch.cat([t for _, t in batches]).tolist()) == sorted(targets.tolist())
    again, other = list(digits.setup(0).batches(1)), list(task.batches(2))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(batches, again, strict=True))
    assert not torch.equal(batches[0][1], other[0][1])


def test_digits_learn_and_are_shown(tmp_path: Path) -> None:
    found = bench.twins("demo:digits", epochs=4)
    assert {row.optimizer for row in found.rows} == {"SGD", "RMSprop", "Adam", "Adagrad", "AdamW"}
    assert len(found.rows) == 6
    for row in found.rows:
        if row.optimizer != "SGD" or "momentum" in row.options:  # plain SGD takes its time
            assert row.final["validation_accuracy"] > 0.85
        assert row.final["validation_loss"] < 0.8 * found.start["validation_loss"]
        assert row.ratio > 0
    learned, timed = found.tables()
    assert learned.header == ("optimizer", "1", "2", "3", "4")
    assert max(map(len, report.plain("", [learned, timed]).splitlines())) <= 80
    cell = learned.rows[3][4].split()
    assert float(cell[0]) == pytest.approx(found.rows[3].final["validation_loss"], abs=5.1e-4)
    assert float(cell[1].rstrip("%")) == pytest.approx(100 * found.rows[3].final["validation_accuracy"], abs=0.051)
    found.plot(tmp_path / "digits.png")
    assert (tmp_path / "digits.png").stat().st_size > 20_000


def test_digits_training_is_torchs_training() -> None:
    """After one epoch, 23 steps, the weights are those of the torch.optim twin up to rounding.

    Adam and RMSprop divide by a root that starts near zero, so a gradient's last bit can move a step by a share of lr.
    """
    for row in bench.twins("demo:digits", epochs=1).rows:
        assert row.max_difference <= (1e-5 if row.optimizer == "SGD" else 0.1 * row.options["lr"]), row.label


# ----------------------------------------------------------------------- optimizers that are called with a closure


class Descent(torch.optim.Optimizer):
    """Evaluates the closure `evaluations` times and takes a step of gradient descent after each."""

    def __init__(self, params: Iterator[torch.nn.Parameter], lr: float, evaluations: int) -> None:
        super().__init__(params, {"lr": lr})
        self.evaluations = evaluations

    def step(self, closure: Callable[[], torch.Tensor]) -> torch.Tensor:  # type: ignore[override]
        for _ in range(self.evaluations):
            loss = closure()
            with torch.no_grad():
                for p in self.param_groups[0]["params"]:
                    p.sub_(self.param_groups[0]["lr"] * p.grad)
        return loss


def parabola(batches: int = 1) -> bench.Task:
    """A single parameter p = 1 with loss p^2: descent with lr = 1/4 halves it."""
    model = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(1.0)
    one = torch.ones(1, 1)
    return bench.Task(
        model=model,
        loss_fn=torch.nn.MSELoss(),
        batches=lambda epoch: [(one, 0 * one)] * batches,
        measure=lambda model: {"p": model.weight.item()},
    )


def trained(evaluations: int, epochs: int, epochs_per_call: int) -> tuple[list[Mapping[str, float]], int]:
    """The records of a training on the parabola, and how many steps it took."""
    task, records = parabola(), []
    stopwatch = Stopwatch(Descent(task.model.parameters(), 0.25, evaluations))
    take_turns(train_with_closure(task, stopwatch, epochs, epochs_per_call, records.append))
    return records, len(stopwatch.nanoseconds)


def test_an_evaluation_is_an_epoch() -> None:
    """Losses before each evaluation's step, and the parameter after it, as for optimizers that step once per epoch."""
    records, calls = trained(evaluations=3, epochs=6, epochs_per_call=3)
    assert calls == 2
    assert [r["loss"] for r in records] == [0.25**k for k in range(6)]
    assert [r["p"] for r in records] == [0.5 ** (k + 1) for k in range(6)]


def test_epochs_that_a_call_did_not_use_repeat_its_last_values() -> None:
    records, calls = trained(evaluations=2, epochs=8, epochs_per_call=4)
    assert calls == 2
    assert [r["p"] for r in records] == [1 / 2, 1 / 4, 1 / 4, 1 / 4, 1 / 8, 1 / 16, 1 / 16, 1 / 16]
    assert [r["loss"] for r in records] == [1, 1 / 4, 1 / 4, 1 / 4, 1 / 16, 1 / 64, 1 / 64, 1 / 64]


def test_evaluations_beyond_the_epochs_are_not_recorded() -> None:
    records, calls = trained(evaluations=5, epochs=3, epochs_per_call=2)
    assert calls == 2
    assert [r["p"] for r in records] == [1 / 2, 1 / 4, 1 / 64]


def test_the_closure_is_off_the_clock() -> None:
    task = parabola()
    stopwatch = Stopwatch(Descent(task.model.parameters(), 0.25, 1))
    loss_fn = task.loss_fn

    def slow(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        end = perf_counter() + 0.05
        while perf_counter() < end:
            pass
        return loss_fn(outputs, targets)

    slow_task = bench.Task(task.model, slow, task.batches, task.measure)
    take_turns(train_with_closure(slow_task, stopwatch, 1, 1, lambda values: None))
    assert stopwatch.nanoseconds[0] < 25e6


def test_a_setting_may_be_named() -> None:
    assert bench.Setting("LBFGS", {"lr": 1, "max_iter": 20}).label == LBFGS
    assert bench.Setting("LBFGS", {"lr": 1, "max_iter": 20}, name="L-BFGS").label == "L-BFGS"


def test_line_calls_lbfgs_five_times_and_it_ends_at_least_squares(result: bench.Twins) -> None:
    """As torch's: at most 20 iterations a call, from the same first loss.

    Near the solution a float32 loss of 0.17 cannot change by less than 1e-8; in the direction in which it is flattest
    (curvature 0.26) that is a distance of 3e-4, so 1e-4 means that slopes were used, and not only values.
    """
    row = result.rows[-1]
    assert row.label == LBFGS
    assert dict(row.options) == {"lr": 1, "max_iter": 20}
    assert line.SETTINGS[-1].closure_epochs == 20
    x, y = columns(torch.float32)
    torch.manual_seed(0)
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=1, max_iter=20)
    losses: list[float] = []

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        losses.append(loss.item())
        return loss

    optimizer.step(closure)
    assert row.curves["loss"][0] == pytest.approx(losses[0], rel=1e-6)
    assert row.curves["loss"][1] == pytest.approx(losses[1], rel=1e-5)
    assert len(row.curves["loss"]) == len(row.curves["w"]) == 100
    assert row.distance is not None
    assert row.distance <= 1e-4
    assert min(result.rows, key=lambda row: row.distance or math.inf) is row
    assert row.max_difference <= 2e-4  # both are at the solution within 1e-4
    assert row.curves["loss"][20] == pytest.approx(min(row.curves["loss"]), rel=1e-6), "the second call finds it solved"


# ---------------------------------------------------------------------------------------------------- demo:logistic


def test_lbfgs_is_far_ahead_of_the_first_order_methods(convex: bench.Twins) -> None:
    ours = convex.rows[-1]
    assert ours.optimizer == "LBFGS"
    assert ours.final["excess"] <= 1e-7
    for row in convex.rows[:-1]:
        assert 1e-5 <= row.final["excess"] <= 1e-2
        assert logistic.epochs_to(ours, 1e-5) != "-"
        assert logistic.epochs_to(row, 1e-5) == "-"
    assert int(logistic.epochs_to(ours, 1e-7)) <= 60


def test_excess_is_the_loss_above_its_minimum(convex: bench.Twins) -> None:
    """The training loss of an epoch is the objective before that epoch's update: the excess after the one before it."""
    for row in convex.rows[:-1]:
        for epoch in (2, 50, 100):
            # A float32 loss of at most 1 is off by a few roundings of 6e-8.
            expected = row.curves["excess"][epoch - 2] + minimum()
            assert row.curves["loss"][epoch - 1] == pytest.approx(expected, abs=1e-6, rel=1e-5)


def test_logistic_tables_fit_80_columns_and_the_picture_is_drawn(convex: bench.Twins, tmp_path: Path) -> None:
    text = str(convex)
    assert text.startswith("demo:logistic: 569 tumours")
    assert "Loss above its minimum of 0.0598279" in text
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 80
    for row in convex.rows:
        assert text.count(f"\n{row.label}  ") == 2
    convex.plot(tmp_path / "logistic.png")
    assert (tmp_path / "logistic.png").stat().st_size > 20_000
    assert json.loads(convex.to_json())["rows"][-1]["optimizer"] == "LBFGS"


def test_epochs_to_a_level_counts_until_it_stays_there() -> None:
    def row(*excess: float) -> bench.Row:
        return bench.Row("x", "SGD", {}, "cpu", {"excess": excess}, None, 0.0, 1.0, 1.0)

    assert logistic.epochs_to(row(3.0, 2.0, 1.0), 1.5) == "3"
    assert logistic.epochs_to(row(1.0, 2.0, 1.0, 0.5), 1.5) == "3"
    assert logistic.epochs_to(row(1.0, 1.0), 1.5) == "1"
    assert logistic.epochs_to(row(1.0, 2.0), 1.5) == "-"
    assert logistic.epochs_to(row(1.0, math.nan), 1.5) == "-"
