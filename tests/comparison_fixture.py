"""A comparison as `compare` makes it, without the training: what tables, files and pictures are tested with.

`digits()` has the shape of demo:digits: four optimizers, three rungs, two seeds for the best two rates of each, a run
that was stopped early, ones that diverged, one that failed, a refinement, a goal and a metric. All numbers are
computed. `small()` is so small that every cell of its table can be checked by eye.
"""

import math

from descend.tools.comparing.result import Comparison
from descend.tools.records import Candidate, Conditions, Origin, Point, Run, Status

RUNGS = (44, 147, 440)
START = 2.31
GRID = (1e-4, 3.16e-4, 1e-3, 3.16e-3, 0.01, 0.0316, 0.1, 0.316, 1.0)

#            label: (best rate, loss there, loss per squared half-decade, diverges from, ms a step, what a seed changes)
SHAPES: dict[str, tuple[float, float, float, float, float, float]] = {
    "SGD momentum=0.9": (0.1, 0.086, 0.30, 1.0, 0.60, 0.004),
    "AdamW": (3.16e-3, 0.088, 0.16, 0.316, 0.81, -0.003),
    "RMSprop": (3.16e-3, 0.089, 0.21, 0.316, 0.70, -0.005),
    "Adagrad": (0.0316, 0.121, 0.12, math.inf, 0.66, 0.004),
}
CANDIDATES = (
    Candidate(
        "SGD momentum=0.9", "descend.SGD(model.parameters(), lr={lr}, momentum=0.9)", 1e-3, 0.1, suggested_lr=0.07
    ),
    Candidate("AdamW", "descend.AdamW(model.parameters(), lr={lr})", 1e-3, 1e-3, suggested_lr=4e-3),
    Candidate("RMSprop", "descend.RMSprop(model.parameters(), lr={lr})", 0.01, 1e-3),
    Candidate("Adagrad", "descend.Adagrad(model.parameters(), lr={lr})", 0.01, 0.01, suggested_lr=0.05),
)
CONDITIONS = Conditions(
    name="demo:digits",
    title="handwritten digits, 8x8 pixels: which of ten",
    parameters=26_122,
    batch=64,
    device="cpu",
    threads=1,
    rungs=RUNGS,
    seeds=2,
    seed=0,
    objective="val loss",
    metric="accuracy",
    goal=0.12,
    stacked={"SGD momentum=0.9": "no: the loop is faster", "AdamW": "no: the loop is faster"},
    cuts=("no seed 1 for Adagrad at 0.1",),
    versions={"descend": "0.1.0", "torch": "2.13.0", "python": "3.12.3"},
)


def loss_after(label: str, lr: float, seed: int, step: int) -> float:
    """Exponential approach to a parabola in the logarithm of the rate; slower for smaller rates, as in life."""
    best, floor, steep, _, _, noise = SHAPES[label]
    off = 2 * math.log10(lr / best)
    end = min(START, floor * (1 + steep * off * off) + noise * (seed - 0.5) * (1 + 0.3 * math.sin(5 * off)))
    pace = 30 * min(8.0, 10 ** (-off / 4)) if off < 0 else 30.0
    return end + (START - end) * math.exp(-step / pace)


def training(
    label: str,
    lr: float,
    seed: int,
    rung: int,
    origin: Origin = "grid",
    status: Status | None = None,
    rungs: tuple[int, ...] = RUNGS,
) -> Run:
    """The record of a run that has come to the end of a rung, or that has diverged on the way there."""
    *_, diverges, ms, _ = SHAPES[label]
    steps = rungs[rung]
    pace = ms / 1000 * (1 + 0.02 * seed)
    if lr >= diverges:
        points = tuple(Point(k, k * pace, START * 1.3**k) for k in range(1, 21))
        start = (Point(0, 0.0, START, 0.1),)
        return Run(
            label, lr, seed, origin, "diverged", 0, 20, math.inf, (math.inf,), 0.1, 20 * pace, points, start,
            f"the loss rose to {START * 1.3**20:.3g} from {START:.3g} until step 20",
        )  # fmt: skip
    every = max(1, steps // 200)
    wave = [1 + 0.25 * math.sin(1.7 * k + seed) for k in range(steps + 1)]  # batches differ
    curve = tuple(
        Point(k, k * pace, wave[k] * loss_after(label, lr, seed, k - 1)) for k in range(every, steps + 1, every)
    )
    ends_of_rungs = {end - round(end / 30) * back for end in rungs[: rung + 1] for back in range(3)}
    looks = sorted({0, *range(44, steps + 1, 44), *ends_of_rungs})
    losses = {k: loss_after(label, lr, seed, k) for k in looks if k <= steps}
    looked = tuple(Point(k, k * pace, loss, max(0.1, 1 - 0.35 * loss)) for k, loss in losses.items())
    ends = tuple(_mean([loss for k, loss in losses.items() if 0.9 * end < k <= end]) for end in rungs[: rung + 1])
    ended: Status = status or ("finished" if rung == len(rungs) - 1 else "stopped")
    return Run(
        label, lr, seed, origin, ended, rung, steps, ends[-1], ends, looked[-1].metric, steps * pace,
        curve[-200:], looked,
    )  # fmt: skip


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def digits() -> Comparison:
    """The comparison that most tests use."""
    runs: list[Run] = []
    for candidate in CANDIDATES:
        label = candidate.label
        best, *_ = SHAPES[label]
        order = sorted(GRID, key=lambda lr: abs(math.log10(lr / best)))
        finalists, middle = order[:2], order[:3]
        for lr in GRID:
            always = lr in (candidate.default_lr, candidate.table_lr)
            rung = 2 if lr in middle or always else 1 if lr in order[3:4] else 0
            runs.append(training(label, lr, 0, rung, "default" if always else "grid"))
        runs.append(training(label, float(f"{best * 1.78:.3g}"), 0, 2, "refinement"))
        runs += [training(label, lr, 1, 2) for lr in finalists]
    failed = Run(
        "Adagrad", 3.16, 0, "extension", "failed", 0, 3, math.nan, (math.nan,), None, 0.002,
        message="RuntimeError: value cannot be converted to type float without overflow (adagrad.py:88)",
    )  # fmt: skip
    return Comparison(CONDITIONS, CANDIDATES, (*runs, failed), interrupted=False, seconds=9.3)


def small() -> Comparison:
    """Two optimizers and seven runs, by hand."""
    conditions = Conditions("train.py:setup", "", 1234, 8, "cpu", 2, (10,), 2, 0, "val loss", versions={"git": "abc"})
    sgd = Candidate("SGD momentum=0.9", "descend.SGD(model.parameters(), lr={lr}, momentum=0.9)", 0.001)
    adamw = Candidate("AdamW", "descend.AdamW(model.parameters(), lr={lr})", 0.001, 0.001)

    def run(label: str, lr: float, seed: int, loss: float) -> Run:
        status = "diverged" if loss == math.inf else "finished"
        return Run(label, lr, seed, "grid", status, 0, 10, loss, (loss,), None, 0.005 if label == "AdamW" else 0.003)

    runs = (
        run(sgd.label, 0.001, 0, 2.0), run(sgd.label, 0.1, 0, 0.5), run(sgd.label, 0.1, 1, 0.6),
        run(sgd.label, 1.0, 0, math.inf), run(adamw.label, 0.001, 0, 0.25), run(adamw.label, 0.001, 1, 0.27),
        run(adamw.label, 0.01, 0, 0.26),
    )  # fmt: skip
    return Comparison(conditions, (sgd, adamw), runs, interrupted=True, seconds=1.25)
