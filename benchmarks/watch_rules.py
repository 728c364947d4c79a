"""What `tools.watch` advises at good rates, at 10 times and at a hundredth of them: false alarms and detections.

Trains demos with three optimizers at a good rate (near the best of a sweep) and at rates that are not, and counts the
advice: at the good rate there should be none, at the others one that points the right way. Each training is judged with
the gauge alpha and, from the same checks, without it.

    python benchmarks/watch_rules.py --demos digits,convnet,regression --seeds 5
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from measure import machine, machine_line, markdown_table, names_from, save_json

import descend
from descend import tools
from descend.tools import demos
from descend.tools.problem import Problem
from descend.tools.watching.records import Advice
from descend.tools.watching.rules import Rules

# Rates near the best of a sweep in factors of about 3; (demo, optimizer) -> rate.
GOOD = {
    "digits": {"sgd": 0.1, "adamw": 1e-2, "rmsprop": 1e-2},
    "convnet": {"sgd": 0.1, "adamw": 1e-2, "rmsprop": 1e-2},
    "regression": {"sgd": 0.1, "adamw": 3e-3, "rmsprop": 1e-3},
    "characters": {"sgd": 0.1, "adamw": 1e-2, "rmsprop": 1e-3},
}
MAKERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": lambda params, lr: descend.SGD(params, lr=lr, momentum=0.9),
    "adamw": descend.AdamW,
    "rmsprop": torch.optim.RMSprop,
}
FACTORS = (0.001, 0.01, 1.0, 10.0, 100.0)
HIGH = {"weights-grew", "overshoot", "turning-back", "large-updates", "no-progress", "nonfinite", "loss-spikes"}
LOW = {"small-updates", "rate-too-low"}


def problem_of(name: str) -> Problem:
    """A demo as something to train."""
    setup = demos.find(f"demo:{name}").setup()
    keys = ("model", "loader", "loss_fn", "step", "val", "metric", "name", "title")
    return Problem(**{key: value for key, value in setup.items() if key in keys})


def trained(
    problem: Problem, maker: Callable[..., Any], lr: float, seed: int, steps: int, every: int
) -> tuple[list[Advice], list[Advice]]:
    """What was advised in one training, with the gauge alpha and without it."""
    model = problem.new_model(seed)
    torch.manual_seed(seed)
    optimizer = maker(model.parameters(), lr=lr)
    stream = problem.stream(seed)
    losses = []
    with tools.watch(optimizer, model, every=every, budget=None, progress="none") as w:
        for i in range(steps):
            batch = stream.batch(i)
            loss = problem.loss(model, batch)
            losses.append(float(loss.detach()))
            w.loss(loss)
            optimizer.zero_grad()
            loss.backward()
            w.check(partial(problem.loss, model, batch))
            optimizer.step()
    without = Rules()
    without.start(losses[0], set())
    for check in w.history:
        without.add(replace(check, alpha=None))
    return w.advice, without.given


def verdict(advice: Sequence[Advice], factor: float) -> bool:
    """Whether the advice fits: none at the good rate, at least one that points the right way elsewhere."""
    codes = {a.code for a in advice} | {"weights-grew" for a in advice if "lr may be 10x too high" in a.message}
    if factor == 1:
        return not codes
    return bool(codes & HIGH) and not codes & LOW if factor > 1 else bool(codes & LOW) and not codes & HIGH


def main() -> None:
    """Reads the command line, trains, prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demos", type=names_from(GOOD), default=list(GOOD), help="default: all four")
    parser.add_argument("--seeds", type=int, default=5, help="trainings at each rate")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--every", type=int, default=20)
    parser.add_argument("--json", type=Path, help="save results with the machine they are from")
    args = parser.parse_args()
    torch.set_num_threads(1)
    results: list[dict[str, Any]] = []
    for demo in args.demos:
        problem = problem_of(demo)
        for name, lr in GOOD[demo].items():
            for factor in FACTORS:
                for seed in range(args.seeds):
                    both = trained(problem, MAKERS[name], lr * factor, seed, args.steps, args.every)
                    row: dict[str, Any] = {"demo": demo, "optimizer": name, "factor": factor, "seed": seed}
                    for key, advice in zip(("with", "without"), both, strict=True):
                        row[key] = {"right": verdict(advice, factor), "codes": sorted({a.code for a in advice})}
                    results.append(row)
    header = ["demo", "optimizer", *(f"{factor:g} x good" for factor in FACTORS), "advice"]
    rows = []
    for demo in args.demos:
        for name in GOOD[demo]:
            cells, said = [], set()
            for factor in FACTORS:
                here = [r for r in results if (r["demo"], r["optimizer"], r["factor"]) == (demo, name, factor)]
                counts = [sum(r[key]["right"] for r in here) for key in ("with", "without")]
                cells.append(f"{counts[0]}, {counts[1]} of {len(here)}")
                if factor == 1:
                    said |= {code for r in here for code in r["with"]["codes"] + r["without"]["codes"]}
            rows.append([demo, name, *cells, ", ".join(sorted(said)) or "none"])
    print("Right verdicts with the gauge alpha, without it; in the last column what was said at the good rate.\n")
    print(markdown_table(header, rows))
    print("\n" + machine_line(machine()))
    save_json(args.json, machine(), results)


if __name__ == "__main__":
    main()
