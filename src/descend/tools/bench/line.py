"""`descend bench demo:line`: a straight line through 15 points.

Two parameters, so the whole descent can be drawn, and a closed-form solution, so the distance to it can be measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from .. import plots
from ..demos import TITLES
from ..demos.line import X, columns, least_squares, mean_squared_error
from ..report import Table
from .base import Setting, Task, Workload, seeded

if TYPE_CHECKING:
    from .lockstep import Twins

TOLERANCE = 1e-6
"""How far the learned w and b may be from torch.optim's: about ten roundings of a float32 near 1, after 100 steps."""


def setup(seed: int) -> Task:
    """nn.Linear(1, 1), mean squared error, and all 15 points as the one batch of an epoch."""
    batch = columns(torch.float32)
    with seeded(seed):
        model = nn.Linear(1, 1)
    return Task(
        model=model,
        loss_fn=nn.MSELoss(),
        batches=lambda epoch: [batch],
        measure=lambda model: dict(zip(("w", "b"), (p.item() for p in model.parameters()), strict=True)),
        reference=least_squares(),
    )


def tables(result: Twins) -> tuple[Table, ...]:
    """Loss by epoch; where each setting ended, and how long its step took."""
    losses = Table(
        title="Loss at epoch (as training prints it, before that epoch's update)",
        header=("optimizer", *map(str, result.report_epochs)),
        rows=tuple(
            (row.label, *(f"{row.curves['loss'][epoch - 1]:.5f}" for epoch in result.report_epochs))
            for row in result.rows
        ),
    )
    w, b = result.reference["w"], result.reference["b"]
    lowest = _loss_at(result.reference)
    with_closure = {setting.label for setting in result.workload.settings if setting.closure_epochs is not None}
    worst = max(row.max_difference for row in result.rows if row.label not in with_closure)
    ended = Table(
        title="Where it ended, and the time of optimizer.step() in microseconds",
        header=("optimizer", "w", "b", "distance", "us", "torch us", "ratio", "diff"),
        rows=tuple(
            (
                row.label,
                f"{row.final['w']:.4f}",
                f"{row.final['b']:.4f}",
                f"{row.distance:.4f}",
                f"{row.step_us:.1f}",
                f"{row.torch_step_us:.1f}",
                f"{row.ratio:.1f}x",
                f"{row.max_difference:.0e}",
            )
            for row in result.rows
        ),
        notes=(
            f"distance: to the least-squares solution w = {w:.4f}, b = {b:.4f}, loss {lowest:.5f}",
            "us, ratio: medians over the steps of both, taking turns; ratio = torch us / us",
            f"diff: of w and b to torch.optim's, {worst:.1e} at most: "
            + ("within" if worst <= TOLERANCE else "MORE THAN")
            + f" {TOLERANCE:g}",
            "LBFGS: a call of step(closure) every 20 epochs, an epoch being an evaluation;",
            "us: of a call, without evaluating; diff: both stop at the rounding of float32",
        ),
    )
    return losses, ended


def draw(result: Twins, figure: Any) -> None:
    """Left the loss curves, right the paths of (w, b) over the contours of the loss."""
    figure.set_size_inches(13.6, 5.8)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.3))
    figure.suptitle(f"A line through {len(X)} points: {result.epochs} epochs, every optimizer from the same start")
    _draw_losses(result, left)
    _draw_paths(result, right)


def _draw_losses(result: Twins, axes: Any) -> None:
    lowest = _loss_at(result.reference)
    axes.set_yscale("log")
    for number, row in enumerate(result.rows):
        plots.draw_curve(axes, range(1, result.epochs + 1), row.curves["loss"], number)
    axes.axhline(lowest, color=plots.INK, linewidth=1.0, linestyle=":")
    note = f"least squares {lowest:.3f}"
    axes.text(0.03, lowest * 0.97, note, va="top", transform=axes.get_yaxis_transform(), fontsize=10)
    axes.set(xlabel="epoch", ylabel="mean squared error", title="Loss")
    axes.set(xlim=(0, result.epochs), ylim=(lowest * 0.78, None))
    plots.plain_log_ticks(axes.yaxis)
    plots.label_ends(axes, [(row.label, row.curves["loss"][-1]) for row in result.rows], x=result.epochs)


def _draw_paths(result: Twins, axes: Any) -> None:
    begin = (result.start["w"], result.start["b"])
    solution = (result.reference["w"], result.reference["b"])
    paths = [
        plots.Path2D((begin, *zip(row.curves["w"], row.curves["b"], strict=True)), row.label, number)
        for number, row in enumerate(result.rows)
    ]
    every = [point for path in paths for point in path.points] + [solution]
    w_range, b_range = (plots.padded(values, 0.14) for values in zip(*every, strict=True))
    ws, bs = torch.meshgrid(*(torch.linspace(*limits, 240).double() for limits in (w_range, b_range)), indexing="xy")
    loss = mean_squared_error(ws, bs) - _loss_at(result.reference)
    # Levels evenly spaced in the logarithm of the loss above its minimum: the flat valley shows beside the steep walls.
    levels = torch.logspace(-3, loss.max().log10().item(), 15, dtype=torch.float64).tolist()
    grid = (ws.numpy(), bs.numpy(), loss.clamp_min(levels[0] / 2).numpy())
    greys = [f"{1 - 0.2 * k / len(levels):.3f}" for k in range(len(levels))]
    axes.contourf(*grid, levels=[levels[0] / 2, *levels], colors=greys)
    axes.contour(*grid, levels=levels, colors="#aaaaaa", linewidths=0.6)
    plots.draw_paths(axes, paths)
    axes.plot(
        *begin, "o", markersize=10, markerfacecolor="white", markeredgecolor=plots.INK, markeredgewidth=1.5, zorder=25
    )
    axes.plot(*solution, "*", markersize=19, color="#F0E442", markeredgecolor=plots.INK, markeredgewidth=1.1, zorder=19)
    axes.set(
        xlim=w_range, ylim=b_range, xlabel="w", ylabel="b", title="Path of (w, b), one dot per epoch, over the loss"
    )
    labels = [("least squares", solution, plots.INK), ("start", begin, plots.INK)]
    labels += [(path.label, path.points[-1], path.colour) for path in paths]
    plots.label_points(axes, labels, paths)


def _loss_at(point: Mapping[str, float]) -> float:
    w, b = (torch.tensor(point[name], dtype=torch.float64) for name in ("w", "b"))
    return mean_squared_error(w, b).item()


SETTINGS = (
    Setting("SGD", {"lr": 0.01}),
    Setting("SGD", {"lr": 0.01, "momentum": 0.9}),
    Setting("RMSprop", {"lr": 0.01}),
    Setting("Adam", {"lr": 0.001}),
    Setting("Adagrad", {"lr": 0.01}),
    Setting("LBFGS", {"lr": 1, "max_iter": 20}, closure_epochs=20),
)

LINE = Workload(
    name="demo:line",
    title=TITLES["line"],
    setup=setup,
    settings=SETTINGS,
    epochs=100,
    reports=5,
    timing_runs=4,
    tables=tables,
    draw=draw,
    threads=1,  # two parameters
)
