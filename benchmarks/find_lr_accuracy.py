"""How far find_lr's answer, and those of the well-known rules, are from the best learning rate of full-length runs.

Seven demos with three optimizers each. The best rate is that of a grid with two points a decade, extended while the
best is at its edge, each run as long as the demo says, mean over seeds, by the loss on held-out data; rates whose loss
is within 1 % of the lowest are as good, and the nearest one counts. `find_lr` runs with other seeds than the grid:
other weights, other batches. Printed is log10(answer / best rate): 0.5 is a factor of 3 too much, -1 one of 10 too
little, `-` no answer. The columns:

    find_lr     range tests and short runs, compared by the loss on held-out data, as the demo has it
    no val      the same without held-out data, compared by the training loss
    check=0     range tests only: the rate of the lowest probe loss, divided by 4
    the others  rules of fastai, Lightning and torch-lr-finder on the first range test; Prodigy's d

    python benchmarks/find_lr_accuracy.py --processes 2 --cache grid.json --csv find_lr.csv
"""

import argparse
import csv
import io
import json
import math
import os
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from measure import machine, machine_line, markdown_table, names_from, save

from descend import tools
from descend.tools.contenders import contenders
from descend.tools.finding import rules
from descend.tools.problem import Problem
from descend.tools.sources import resolve
from descend.tools.trial import Trial

DEMOS = {name: name for name in ("regression", "digits", "convnet", "characters", "logistic", "factors", "pinn")}
START = {"sgd": -2, "adamw": -5, "rmsprop": -6}  # of the grid, in half decades: a rate of 0.1, 0.003, 0.001
SEEDS = {"characters": 1}  # where one run takes a quarter of a minute; elsewhere 3
OTHER_SEED = 100
WORSE = 3  # a side of the grid ends after so many rates in a row that are worse than the best
TIE = 0.01
COLUMNS = ("find_lr", "no val", "check=0", *rules.RULES, "prodigy")

Grid = dict[int, list[float]]
"""By half decade the losses of all seeds at the end of a full run; inf where it diverged."""


def setup(name: str, **changes: Any) -> tuple[Problem, int]:
    """The problem of a demo, and how many steps a full run has."""
    given = resolve(f"demo:{name}")
    steps = given["steps"]
    keys = ("model", "loader", "loss_fn", "step", "val", "metric", "name")
    return Problem(**{**{key: given[key] for key in keys if key in given}, **changes}), steps


def grid(task: tuple[str, str]) -> Grid:
    """The losses of full runs, from the usual rate on outwards."""
    name, optimizer = task
    torch.set_num_threads(1)
    problem, steps = setup(name)
    (contender,) = contenders(optimizer)
    found: Grid = {}

    def mean(place: int) -> float:
        losses = []
        for seed in range(SEEDS.get(name, 3)):
            trial = Trial(problem, contender, 10 ** (place / 2), seed, total_steps=steps)
            trial.run(steps)
            if trial.status == "failed":
                raise RuntimeError(f"{name}, {optimizer}: {trial.message}")
            losses.append(trial.close_rung(0))
        found[place] = losses
        return sum(losses) / len(losses)

    best = mean(START[optimizer])
    for side in (1, -1):
        place, worse = START[optimizer], 0
        while worse < WORSE:
            place += side
            loss = mean(place)
            # Downwards one has to go on until something converges.
            worse = worse + 1 if loss > best or (math.isinf(best) and side > 0) else 0
            best = min(best, loss)
    return found


def best_places(found: Grid) -> list[float]:
    """log10 of the best rates."""
    means = {place / 2: sum(losses) / len(losses) for place, losses in found.items()}
    low = min(means.values())
    return [place for place, loss in means.items() if loss <= low + TIE * abs(low)]


def answers(task: tuple[str, str]) -> dict[str, Any]:
    """What everyone says, by column, and what find_lr says of itself."""
    name, optimizer = task
    torch.set_num_threads(1)
    given = resolve(f"demo:{name}")
    keys = ("model", "loader", "loss_fn", "step")
    bare = {key: given[key] for key in keys if key in given}
    options: dict[str, Any] = dict(optimizer=optimizer, seed=OTHER_SEED, threads=1, progress=None)
    with_val = tools.find_lr(
        bare["model"], **{k: v for k, v in bare.items() if k != "model"}, val=given["val"], **options
    )
    without = tools.find_lr(bare["model"], **{k: v for k, v in bare.items() if k != "model"}, **options)
    steps = sum(run.steps for run in with_val.runs) + sum(len(test.rates) + len(test.after) for test in with_val.tests)
    return {
        "find_lr": with_val.lr,
        "no val": without.lr,
        "check=0": with_val.suggestions["probe"],
        **{rule: with_val.suggestions.get(rule) for rule in (*rules.RULES, "prodigy")},
        "confidence": with_val.confidence,
        "interval": with_val.interval,
        "steps": steps,
        "seconds": with_val.seconds,
    }


def distance(answer: float | None, best: Iterable[float]) -> float | None:
    """log10 of the answer over the nearest best rate."""
    if answer is None:
        return None
    here = math.log10(answer)
    return min((here - place for place in best), key=abs)


def summary(distances: Mapping[str, list[float | None]]) -> list[list[str]]:
    """For each column: how many are within a factor of 3, of 10, without an answer; mean and spread."""
    rows = []
    for column, values in distances.items():
        given = [value for value in values if value is not None]
        if not given:
            continue
        mean = sum(given) / len(given)
        rms = math.sqrt(sum(value * value for value in given) / len(given))
        rows.append(
            [
                column,
                f"{len(values)}",
                # Half a decade, one step of the grid, is a factor of 3.16.
                f"{sum(abs(value) <= math.log10(3) for value in given)}",
                f"{sum(abs(value) <= 0.5 for value in given)}",
                f"{sum(abs(value) <= 1 for value in given)}",
                f"{len(values) - len(given)}",
                f"{mean:+.2f}",
                f"{rms:.2f}",
            ]
        )
    return rows


def main() -> int:
    """Run the grid and everyone's rule, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demos", type=names_from(DEMOS), default=list(DEMOS), metavar="A,B,..")
    parser.add_argument("--optimizers", type=names_from(START), default=list(START), metavar="A,B,..")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--cache", type=Path, metavar="FILE", help="keep the losses of the grid here, and use them again"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table as CSV")
    arguments = parser.parse_args()
    tasks = [(name, optimizer) for name in arguments.demos for optimizer in arguments.optimizers]
    known: dict[str, Any] = {}
    if arguments.cache is not None and arguments.cache.exists():
        known = json.loads(arguments.cache.read_text(encoding="utf-8"))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with ProcessPoolExecutor(arguments.processes) as pool:
        missing = [task for task in tasks if "/".join(task) not in known]
        for task, found in zip(missing, pool.map(grid, missing), strict=True):
            known["/".join(task)] = found
            save(arguments.cache, json.dumps(known))
            print(f"grid of {' '.join(task)}: {len(found)} rates", file=sys.stderr)
        told = list(pool.map(answers, tasks))
    report(tasks, known, told, arguments.csv)
    return 0


def report(tasks: list[tuple[str, str]], known: dict[str, Any], told: list[dict[str, Any]], file: Path | None) -> None:
    """Print both tables; write the first as CSV, with everything that was said."""
    distances: dict[str, list[float | None]] = {column: [] for column in COLUMNS}
    rows, out = [], io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("demo", "optimizer", "best", *COLUMNS, "confidence", "interval holds it", "steps", "seconds"))
    held = []
    for task, said in zip(tasks, told, strict=True):
        best = best_places({int(place): losses for place, losses in known["/".join(task)].items()})
        row = [distance(said[column], best) for column in COLUMNS]
        for column, value in zip(COLUMNS, row, strict=True):
            if column != "prodigy" or task[1] == "adamw":  # it says nothing about the others
                distances[column].append(value)
        inside = said["interval"] is not None and any(
            math.log10(said["interval"][0]) <= place <= math.log10(said["interval"][1]) for place in best
        )
        held.append(inside)
        rows.append(
            [
                *task,
                " to ".join(dict.fromkeys(f"{10**place:.2g}" for place in (min(best), max(best)))),
                *("-" if value is None else f"{value:+.2f}" for value in row),
            ]
        )
        rates = ["" if said[column] is None else f"{said[column]:.3g}" for column in COLUMNS]
        told_last = (said["confidence"], inside, said["steps"], f"{said['seconds']:.1f}")
        writer.writerow((*task, *(f"{10**place:.3g}" for place in best[:1]), *rates, *told_last))
    print(markdown_table(["demo", "optimizer", "best rate", *COLUMNS], rows))
    print()
    header = ["answer", "of", "within x3", "within x3.2", "within x10", "none", "mean", "rms"]
    print(markdown_table(header, summary(distances)))
    good = [said["confidence"] == "good" for said in told]
    near = [value is not None and abs(value) <= math.log10(3) for value in distances["find_lr"]]
    right = sum(a and b for a, b in zip(good, near, strict=True))
    print(f"\nfind_lr said good {sum(good)} times, and was within x3 in {right} of them; ", end="")
    print(f"its interval held the best rate in {sum(held)} of {len(held)}; ", end="")
    print(f"steps {min(s['steps'] for s in told)} to {max(s['steps'] for s in told)}")
    print(f"\n{machine_line(machine())}")
    save(file, out.getvalue())


if __name__ == "__main__":
    sys.exit(main())
