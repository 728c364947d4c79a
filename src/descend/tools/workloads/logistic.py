"""`demo:logistic`: a convex problem on real data, where curvature pays: scikit-learn's breast cancer set.

Logistic regression of 569 tumours on 30 features with a small penalty on the weights. The minimum is unique and known
to ten digits from Newton's method, so the tables show what really counts: how far the loss is from it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from .. import plots
from ..extras import need
from ..report import Table
from .base import Setting, Task, Workload, seeded

if TYPE_CHECKING:
    from ..comparison import Comparison, Row

PENALTY = 1e-3
LEVELS = (1e-3, 1e-5, 1e-7)
FLOOR = 1e-9
"""Where curves end in the picture: the rounding of a float32 loss of 0.07 is 4e-9."""


@lru_cache(maxsize=1)
def load() -> tuple[torch.Tensor, torch.Tensor]:
    """Features with mean 0 and variance 1, shape (569, 30), and the class, 0 or 1, as a column; both float64."""
    data = need("sklearn.datasets", "scikit-learn", "demo:logistic").load_breast_cancer()
    x = torch.tensor(data.data, dtype=torch.float64)
    y = torch.tensor(data.target, dtype=torch.float64)
    return (x - x.mean(0)) / x.std(0, correction=0), y[:, None]


def objective(weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy + PENALTY/2 |w|^2 in float64, for a weight of shape (1, 30) and a bias of shape (1,)."""
    x, y = load()
    return binary_cross_entropy_with_logits(x @ weight.T + bias, y) + PENALTY / 2 * (weight * weight).sum()


@lru_cache(maxsize=1)
def minimum() -> float:
    """The smallest value of the objective: Newton's method in float64, until a step changes nothing any more."""
    x, y = load()
    inputs = torch.cat([x, torch.ones_like(y)], dim=1)
    penalties = torch.full((31,), PENALTY, dtype=torch.float64)
    penalties[-1] = 0.0
    v = torch.zeros(31, dtype=torch.float64)
    for _ in range(50):
        p = torch.sigmoid(inputs @ v)
        gradient = inputs.T @ (p - y[:, 0]) / len(y) + penalties * v
        hessian = (inputs.T * (p * (1 - p))) @ inputs / len(y) + torch.diag(penalties)
        step = torch.linalg.solve(hessian, gradient)
        v = v - step
        if step.abs().max() < 1e-12:
            break
    return objective(v[None, :30], v[30:]).item()


def setup(seed: int) -> Task:
    """nn.Linear(30, 1) in float32, and all 569 tumours as the one batch of an epoch."""
    x, y = (t.float() for t in load())
    with seeded(seed):
        model = nn.Linear(30, 1)

    def loss_fn(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return binary_cross_entropy_with_logits(logits, targets) + PENALTY / 2 * (model.weight * model.weight).sum()

    @torch.no_grad()
    def measure(model: nn.Module) -> dict[str, float]:
        weight, bias = (p.double() for p in model.parameters())
        right = ((x.double() @ weight.T + bias > 0) == (y > 0.5)).double().mean()
        return {"excess": objective(weight, bias).item() - minimum(), "accuracy": right.item()}

    return Task(model=model, loss_fn=loss_fn, batches=lambda epoch: [(x, y)], measure=measure)


def epochs_to(row: Row, level: float) -> str:
    """After how many epochs the excess was at most `level` and stayed there; a dash if never."""
    excess = row.curves["excess"]
    above = [epoch for epoch, value in enumerate(excess, start=1) if not value <= level]
    last = above[-1] if above else 0
    return "-" if last == len(excess) else str(last + 1)


def tables(result: Comparison) -> tuple[Table, ...]:
    """The distance to the minimum by epoch; how soon each level was reached, and the time of a step."""
    learned = Table(
        title=f"Loss above its minimum of {minimum():.10f}, in float64, after epoch",
        header=("optimizer", *map(str, result.report_epochs)),
        rows=tuple(
            (row.label, *(f"{row.curves['excess'][epoch - 1]:.1e}" for epoch in result.report_epochs))
            for row in result.rows
        ),
        notes=("an epoch: loss and gradient of all data, once; a step of L-BFGS takes several",),
    )
    reached = Table(
        title="Epochs until the loss stays that near, and the time of step() in microseconds",
        header=("optimizer", *(f"{level:.0e}" for level in LEVELS), "accuracy", "us", "torch us", "ratio"),
        rows=tuple(
            (
                row.label,
                *(epochs_to(row, level) for level in LEVELS),
                f"{row.final['accuracy']:.1%}",
                f"{row.step_us:.0f}",
                f"{row.torch_step_us:.0f}",
                f"{row.ratio:.1f}x",
            )
            for row in result.rows
        ),
        notes=("us, ratio: medians over the steps of both, taking turns; ratio = torch us / us",),
    )
    return learned, reached


def draw(result: Comparison, figure: Any) -> None:
    """The distance to the minimum by epoch."""
    figure.set_size_inches(9.6, 5.8)
    figure.suptitle("Logistic regression on the breast cancer data: loss above its minimum")
    axes = figure.subplots()
    axes.set_yscale("log")
    for number, row in enumerate(result.rows):
        curve = [max(value, FLOOR) for value in (result.start["excess"], *row.curves["excess"])]
        plots.draw_curve(axes, range(result.epochs + 1), curve, number)
    axes.set(xlabel="epoch (an evaluation of loss and gradient)", ylabel="loss - minimum", xlim=(0, result.epochs))
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)
    ends = [(row.label, max(row.final["excess"], FLOOR)) for row in result.rows]
    plots.label_ends(axes, ends, x=result.epochs)


LOGISTIC = Workload(
    name="demo:logistic",
    title="569 tumours, logistic regression on 30 features, full batch",
    setup=setup,
    # Learning rates: the best of 1, 2 and 5 times each power of ten after 100 epochs. L-BFGS has none to choose.
    settings=(
        Setting("SGD", {"lr": 10.0}),
        Setting("SGD", {"lr": 2.0, "momentum": 0.9}),
        Setting("RMSprop", {"lr": 0.1}),
        Setting("Adam", {"lr": 2.0}),
        Setting("Adagrad", {"lr": 2.0}),
        Setting(
            "LBFGS",
            {"lr": 1.0, "max_iter": 100, "max_eval": 100, "line_search_fn": "strong_wolfe"},
            closure_epochs=100,
            name="LBFGS 1 strong_wolfe",
        ),
    ),
    epochs=100,
    reports=5,
    timing_runs=0,
    tables=tables,
    draw=draw,
    threads=1,  # 569 x 30 numbers
)
