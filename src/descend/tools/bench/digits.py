"""`descend bench demo:digits`: an MLP on scikit-learn's hand-written digits, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from .. import plots
from ..demos import TITLES
from ..demos.digits import Data, load, model
from ..report import Table
from .base import Setting, Task, Workload, seeded

if TYPE_CHECKING:
    from .lockstep import Twins

BATCH = 64
HELD_OUT = 360


def setup(seed: int) -> Task:
    """An MLP 64-128-128-10 and mini-batches of 64 in an order that depends on the seed and the epoch alone."""
    (images, targets), (held_out, answers) = load()
    with seeded(seed):
        net = model()

    def batches(epoch: int) -> Iterator[Data]:
        order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(1_000_003 * seed + epoch))
        for chosen in order.split(BATCH):
            yield images[chosen], targets[chosen]

    @torch.no_grad()
    def measure(model: nn.Module) -> dict[str, float]:
        logits = model(held_out)
        right = (logits.argmax(dim=1) == answers).double().mean()
        return {"validation_loss": cross_entropy(logits, answers).item(), "validation_accuracy": right.item()}

    return Task(model=net, loss_fn=nn.CrossEntropyLoss(), batches=batches, measure=measure)


def tables(result: Twins) -> tuple[Table, ...]:
    """Validation loss and accuracy by epoch, and the time of a step."""
    learned = Table(
        title=f"Loss and accuracy on {HELD_OUT} held-out images after epoch",
        header=("optimizer", *map(str, result.report_epochs)),
        rows=tuple(
            (
                row.label,
                *(f"{losses[epoch - 1]:.3f} {accuracies[epoch - 1]:6.1%}" for epoch in result.report_epochs),
            )
            for row in result.rows
            for losses, accuracies in [(row.curves["validation_loss"], row.curves["validation_accuracy"])]
        ),
    )
    timed = Table(
        title="Best epoch, and the time of optimizer.step() in microseconds",
        header=("optimizer", "best loss", "at epoch", "us", "torch us", "ratio"),
        rows=tuple(
            (
                row.label,
                f"{min(row.curves['validation_loss']):.3f}",
                str(1 + row.curves["validation_loss"].index(min(row.curves["validation_loss"]))),
                f"{row.step_us:.0f}",
                f"{row.torch_step_us:.0f}",
                f"{row.ratio:.1f}x",
            )
            for row in result.rows
        ),
        notes=("us, ratio: medians over the steps of both, taking turns; ratio = torch us / us",),
    )
    return learned, timed


def draw(result: Twins, figure: Any) -> None:
    """Left the validation loss, right the validation accuracy, by epoch."""
    figure.set_size_inches(13.6, 5.6)
    figure.suptitle(f"Hand-written digits, MLP 64-128-128-10, batches of {BATCH}: {HELD_OUT} held-out images")
    left, right = figure.subplots(1, 2)
    _draw_curves(result, left, "validation_loss", 1.0)
    left.set_yscale("log")
    left.set(title="Validation loss", ylabel="cross-entropy")
    plots.plain_log_ticks(left.yaxis)
    _draw_curves(result, right, "validation_accuracy", 100.0)
    # The first epochs of a slow start would squeeze what happens near the end into a few pixels.
    lowest = min(100 * row.final["validation_accuracy"] for row in result.rows)
    right.set(title="Validation accuracy", ylabel="per cent", ylim=(min(90.0, lowest - 2), 100.0))
    for axes, name, scale in ((left, "validation_loss", 1.0), (right, "validation_accuracy", 100.0)):
        plots.label_ends(axes, [(row.label, scale * row.final[name]) for row in result.rows], x=result.epochs)


def _draw_curves(result: Twins, axes: Any, name: str, scale: float) -> None:
    for number, row in enumerate(result.rows):
        curve = [scale * value for value in (result.start[name], *row.curves[name])]
        plots.draw_curve(axes, range(result.epochs + 1), curve, number)
    axes.set(xlabel="epoch", xlim=(0, result.epochs))
    axes.locator_params(axis="x", integer=True)
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)


DIGITS = Workload(
    name="demo:digits",
    title=TITLES["digits"],
    setup=setup,
    settings=(
        Setting("SGD", {"lr": 0.1}),
        Setting("SGD", {"lr": 0.05, "momentum": 0.9}),
        Setting("RMSprop", {"lr": 0.001}),
        Setting("Adam", {"lr": 0.001}),
        Setting("Adagrad", {"lr": 0.01}),
        Setting("AdamW", {"lr": 0.003}),
    ),
    epochs=20,
    reports=4,
    timing_runs=0,
    tables=tables,
    draw=draw,
    # A second thread gains nothing on matrices this small, and while other programs keep the cores busy, threads that
    # wait for each other made this run 50 times slower.
    threads=1,
)
