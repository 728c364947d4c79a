"""How good the rates are that `tools.compare` picks, and what finding them costs, against a full grid.

The full grid of an optimizer: 13 rates half a decade apart, two seeds, all of them trained to the end: 26 runs. It has
the rates from a millionth of its largest one, 10 or as given below. A pick is good if its loss is at most 1.05 times
the best mean of the grid, and cheap if the search took at most 35 % of the grid's steps. Steps are evaluations of loss
and gradient; the short tests that centre the search are counted with what they cost, their probes included,
and so are the steps that measure the speed. Both use the same seeds: the same initial weights, the same batches.

    OMP_NUM_THREADS=1 python benchmarks/compare_cost.py --demos digits,logistic --markdown FILE --csv FILE
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from measure import markdown_table

from descend.tools import sources
from descend.tools.comparing import budget, compare, journal, plan
from descend.tools.comparing.settings import Settings, gather
from descend.tools.contenders import Contender
from descend.tools.trial import Trial

RATES = 13
TOP = {"demo:factors": 100.0, "demo:logistic": 100.0}  # the best rate of SGD is 1 and more there
SEEDS = 2
LOSS, COST = 1.05, 0.35


@dataclass(frozen=True)
class Row:
    """One optimizer on one demo."""

    demo: str
    optimizer: str
    grid_lr: float
    grid_loss: float
    picked_lr: float
    picked_loss: float
    ratio: float
    grid_steps: int
    search_steps: int
    share: float
    default_loss: float | None

    @property
    def passed(self) -> bool:
        """Whether the pick is good and cheap enough."""
        return self.ratio <= LOSS and self.share <= COST


def grid_rates(demo: str) -> list[float]:
    """Half a decade apart, the largest one last."""
    top = round(plan.place(TOP.get(demo, 10.0)))
    return [plan.rate(k) for k in range(top - RATES + 1, top + 1)]


def full_grid(settings: Settings, contender: Contender, rates: list[float], seed: int) -> tuple[float, float, int]:
    """The best rate, its loss, and the steps of all runs: those that diverge count as if they had gone on."""
    losses = {}
    for lr in rates:
        of_seeds = []
        for k in range(SEEDS):
            trial = Trial(settings.problem, contender, lr, seed + k, total_steps=settings.steps)
            for rung, until in enumerate(plan.rungs(settings.steps)):  # measured when the search measures, too
                trial.run(until)
                trial.close_rung(rung)
            of_seeds.append(trial.record("finished").loss)
        losses[lr] = sum(of_seeds) / SEEDS
    best = plan.best_first(losses)
    lr = best[0] if best else math.nan
    return lr, losses.get(lr, math.inf), len(rates) * SEEDS * settings.steps


def measure(demo: str, seed: int) -> list[Row]:
    """All optimizers of a demo."""
    settings = gather({**sources.resolve(demo), "lrs": "auto", "minutes": None, "seeds": SEEDS, "seed": seed,
                       "schedule": "constant"})  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        result = compare(demo, minutes=None, seeds=SEEDS, seed=seed, out=folder, progress=None)
        lines = journal.read(folder)
    tests = {
        line["name"].removeprefix("range test "): line["value"]["steps"]
        for line in lines
        if line["kind"] == "decision" and line["name"].startswith("range test ")
    }
    rows = []
    for contender in settings.contenders:
        if contender.rates is not None:
            continue  # its rate is known: there is nothing to search
        label = contender.label
        entry = next(entry for entry in result.entries if entry.label == label)
        steps = sum(run.steps for run in result.runs if run.optimizer == label) + tests.get(label, 0.0)
        steps += budget.WARM_UP + budget.MEASURED  # at most, to learn how fast it is
        begin = time.perf_counter()
        lr, loss, full = full_grid(settings, contender, grid_rates(demo), seed)
        print(f"{demo} {label}: full grid {time.perf_counter() - begin:.0f} s", file=sys.stderr)
        rows.append(Row(
            demo, label, lr, loss, entry.lr, entry.loss, entry.loss / loss, full, round(steps), steps / full,
            None if entry.default is None else entry.default[1],
        ))  # fmt: skip
    return rows


def as_markdown(rows: list[Row]) -> str:
    """The table, and what it says in a line."""
    header = ("demo", "optimizer", "full grid: lr", "loss", "compare: lr", "loss", "ratio", "steps", "default's loss")
    cells = [
        (
            row.demo, row.optimizer, f"{row.grid_lr:.3g}", f"{row.grid_loss:.4g}", f"{row.picked_lr:.3g}",
            f"{row.picked_loss:.4g}", f"{row.ratio:.3f}", f"{row.share:.0%}",
            "" if row.default_loss is None else f"{row.default_loss:.3g}",
        )
        for row in rows
    ]  # fmt: skip
    passed = sum(row.passed for row in rows)
    said = f"{passed} of {len(rows)}: loss at most {LOSS} x the full grid's best for at most {COST:.0%} of its steps."
    return f"{markdown_table(header, cells)}\n\n{said}\n"


def as_csv(rows: list[Row]) -> str:
    """A line per row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(asdict(rows[0])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()


def main() -> int:
    """Measure the demos that were asked for; fails if a row does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demos", default="digits,logistic,convnet", help="names, separated by commas")
    parser.add_argument("--seed", type=int, default=0, help="the first of the two seeds")
    parser.add_argument("--markdown", type=Path, help="write the table here as well")
    parser.add_argument("--csv", type=Path, help="write all numbers here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for demo in arguments.demos.split(",") for row in measure(f"demo:{demo}", arguments.seed)]
    text = as_markdown(rows)
    print(text)
    if arguments.markdown is not None:
        arguments.markdown.write_text(text, encoding="utf-8")
    if arguments.csv is not None:
        arguments.csv.write_text(as_csv(rows), encoding="utf-8")
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
