"""L-BFGS in `descend compare`: optimizers that are called with a closure, and the demo in which that pays."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from time import perf_counter

import pytest
import torch

from descend import tools
from descend.tools import cli
from descend.tools.training import Stopwatch, take_turns, train_with_closure
from descend.tools.workloads import line, logistic

LBFGS = "LBFGS 1 max_iter 20"


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


def parabola() -> tools.Task:
    """A single parameter p = 1 with loss p^2: descent with lr = 1/4 halves it."""
    model = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(1.0)
    one = torch.ones(1, 1)
    return tools.Task(
        model=model,
        loss_fn=torch.nn.MSELoss(),
        batches=lambda epoch: [(one, 0 * one)],
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

    slow_task = tools.Task(task.model, slow, task.batches, task.measure)
    take_turns(train_with_closure(slow_task, stopwatch, 1, 1, lambda values: None))
    assert stopwatch.nanoseconds[0] < 25e6


def test_a_setting_may_be_named() -> None:
    assert tools.Setting("LBFGS", {"lr": 1, "max_iter": 20}).label == LBFGS
    assert tools.Setting("LBFGS", {"lr": 1, "max_iter": 20}, name="L-BFGS").label == "L-BFGS"


# ------------------------------------------------------------------------------------------------------------ demo:line


def test_line_calls_lbfgs_five_times_and_it_ends_at_least_squares() -> None:
    """As torch's: at most 20 iterations a call, from the same first loss.

    Near the solution a float32 loss of 0.17 cannot change by less than 1e-8; in the direction in which it is flattest
    (curvature 0.26) that is a distance of 3e-4, so 1e-4 means that slopes were used, and not only values.
    """
    result = tools.compare("demo:line")
    row = result.rows[-1]
    assert row.label == LBFGS
    assert dict(row.options) == {"lr": 1, "max_iter": 20}
    assert line.SETTINGS[-1].closure_epochs == 20
    x, y = line.columns(torch.float32)
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


# -------------------------------------------------------------------------------------------------------- demo:logistic


@pytest.fixture(scope="module")
def result() -> tools.Comparison:
    return tools.compare("demo:logistic")


def test_minimum_is_where_the_gradient_vanishes() -> None:
    """scikit-learn's own solver, with C = 1/(n penalty), ends there as well; 1e-10 is what its tolerance leaves."""
    from sklearn.linear_model import LogisticRegression

    x, y = logistic.load()
    n = len(y)
    fitted = LogisticRegression(C=1 / (n * logistic.PENALTY), tol=1e-10, max_iter=10_000).fit(
        x.numpy(), y[:, 0].numpy()
    )
    weight, bias = torch.tensor(fitted.coef_), torch.tensor(fitted.intercept_)
    assert logistic.objective(weight, bias).item() == pytest.approx(logistic.minimum(), abs=1e-10)
    assert logistic.minimum() <= logistic.objective(weight, bias).item() + 1e-15
    weight.requires_grad_()
    logistic.objective(weight, bias).backward()
    assert weight.grad is not None
    assert weight.grad.abs().max() <= 1e-6


def test_lbfgs_is_far_ahead_of_the_first_order_methods(result: tools.Comparison) -> None:
    ours = result.rows[-1]
    assert ours.optimizer == "LBFGS"
    assert ours.final["excess"] <= 1e-7
    for row in result.rows[:-1]:
        assert 1e-5 <= row.final["excess"] <= 1e-2
        assert logistic.epochs_to(ours, 1e-5) != "-"
        assert logistic.epochs_to(row, 1e-5) == "-"
    assert int(logistic.epochs_to(ours, 1e-7)) <= 60


def test_excess_is_the_loss_above_its_minimum(result: tools.Comparison) -> None:
    """The training loss of an epoch is the objective before that epoch's update: the excess after the one before it."""
    for row in result.rows[:-1]:
        for epoch in (2, 50, 100):
            # A float32 loss of at most 1 is off by a few roundings of 6e-8.
            expected = row.curves["excess"][epoch - 2] + logistic.minimum()
            assert row.curves["loss"][epoch - 1] == pytest.approx(expected, abs=1e-6, rel=1e-5)


def test_logistic_tables_fit_80_columns_and_the_picture_is_drawn(result: tools.Comparison, tmp_path) -> None:
    text = str(result)
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 80
    for row in result.rows:
        assert text.count(f"\n{row.label}  ") == 2
    result.plot(tmp_path / "logistic.png")
    assert (tmp_path / "logistic.png").stat().st_size > 20_000
    assert json.loads(result.to_json())["rows"][-1]["optimizer"] == "LBFGS"


def test_epochs_to_a_level_counts_until_it_stays_there() -> None:
    def row(*excess: float) -> tools.Row:
        return tools.Row("x", "SGD", {}, "cpu", {"excess": excess}, None, 0.0, 1.0, 1.0)

    assert logistic.epochs_to(row(3.0, 2.0, 1.0), 1.5) == "3"
    assert logistic.epochs_to(row(1.0, 2.0, 1.0, 0.5), 1.5) == "3"
    assert logistic.epochs_to(row(1.0, 1.0), 1.5) == "1"
    assert logistic.epochs_to(row(1.0, 2.0), 1.5) == "-"
    assert logistic.epochs_to(row(1.0, math.nan), 1.5) == "-"


def test_logistic_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", "demo:logistic", "--epochs", "10", "--quiet", "--plot", "none"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("demo:logistic: 569 tumours")
    assert "Loss above its minimum of 0.0598279" in printed
