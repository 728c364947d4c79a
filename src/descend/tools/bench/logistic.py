"""`descend bench demo:logistic`: a convex problem with a known minimum, and how far from it the loss is.

The demo is in float64; here weights are float32, as those of most models are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from .. import plots
from ..demos import TITLES
from ..demos.logistic import PENALTY, load, minimum, objective
from ..report import Table
from .base import Setting, Task, Workload, seeded

if TYPE_CHECKING:
    from .lockstep import Row, Twins

LEVELS = (1e-3, 1e-5, 1e-7)
FLOOR = 1e-9
"""Where curves end in the picture: the rounding of a float32 loss of 0.07 is 4e-9."""


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


def tables(result: Twins) -> tuple[Table, ...]:
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


def draw(result: Twins, figure: Any) -> None:
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
    title=TITLES["logistic"],
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
