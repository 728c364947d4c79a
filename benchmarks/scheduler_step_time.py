"""Time of scheduler.step(): descend.lr_scheduler against torch.optim.lr_scheduler, and how it grows with groups.

Both schedulers are built alike, on an optimizer of torch each, and step in turns, round by round; once with one group,
and once with many, for what each further group costs.

    python benchmarks/scheduler_step_time.py --seconds 1 --markdown results/schedulers.md
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measure import (
    Timing,
    format_seconds,
    interleave,
    machine,
    machine_line,
    markdown_table,
    names_from,
    save,
    save_json,
)

from descend import lr_scheduler

LONG = 10**8  # epochs: no phase ends while it is timed
SCHEDULERS: dict[str, Callable[[Any, Any], Any]] = {
    "StepLR": lambda m, o: m.StepLR(o, 30, 0.9999),
    "MultiStepLR": lambda m, o: m.MultiStepLR(o, [30, 80]),
    "ConstantLR": lambda m, o: m.ConstantLR(o),
    "LinearLR": lambda m, o: m.LinearLR(o, total_iters=LONG),
    "ExponentialLR": lambda m, o: m.ExponentialLR(o, 0.99999),
    "PolynomialLR": lambda m, o: m.PolynomialLR(o, LONG),
    "CosineAnnealingLR": lambda m, o: m.CosineAnnealingLR(o, LONG),
    "LambdaLR": lambda m, o: m.LambdaLR(o, lambda k: 1.0),
    "MultiplicativeLR": lambda m, o: m.MultiplicativeLR(o, lambda k: 1.0),
    "CosineAnnealingWarmRestarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, 1000),
    "OneCycleLR": lambda m, o: m.OneCycleLR(o, 1.0, LONG),
    "CyclicLR": lambda m, o: m.CyclicLR(o, 0.1, 1.0),
    "ReduceLROnPlateau": lambda m, o: m.ReduceLROnPlateau(o, patience=LONG),
    "SequentialLR": lambda m, o: m.SequentialLR(o, [m.ConstantLR(o), m.ExponentialLR(o, 0.99999)], [2]),
    "ChainedScheduler": lambda m, o: m.ChainedScheduler([m.ConstantLR(o), m.ExponentialLR(o, 0.99999)]),
}
MODULES = {"descend": lr_scheduler, "torch": torch.optim.lr_scheduler}
HEADER = ("scheduler", "groups", "descend", "torch", "ratio", "further group", "torch's", "ratio ")


def step_of(name: str, module: Any, groups: int) -> Callable[[], object]:
    """The call to time: a scheduler's step after its first ones."""
    params = [{"params": [torch.nn.Parameter(torch.ones(1))]} for _ in range(groups)]
    optimizer = torch.optim.SGD(params, lr=0.1, momentum=0.9)
    scheduler = SCHEDULERS[name](module, optimizer)
    optimizer.step()
    if name == "ReduceLROnPlateau":
        return lambda: scheduler.step(1.0)
    step: Callable[[], object] = scheduler.step
    return step


def run_case(name: str, groups: int, rounds: int, seconds: float) -> dict[str, Timing]:
    """Medians of both for one scheduler and number of groups."""
    contenders = {key: step_of(name, module, groups) for key, module in MODULES.items()}
    return interleave(contenders, rounds=rounds, max_seconds=seconds)


def main() -> None:
    """Runs the chosen cases, prints each as it is done, and writes the files asked for."""
    parser = argparse.ArgumentParser(description="Time of scheduler.step(), descend against torch.optim.")
    names = f"comma-separated: {', '.join(SCHEDULERS)}"
    parser.add_argument("--schedulers", type=names_from(SCHEDULERS), default=list(SCHEDULERS), help=names)
    parser.add_argument("--groups", type=int, default=100, help="number of groups of the second timing (default: 100)")
    parser.add_argument("--rounds", type=int, default=200, help="rounds per case at most (default: 200)")
    parser.add_argument("--seconds", type=float, default=1.0, help="time per case after warming up (default: 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all medians and the machine to FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table to FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    rows, results = [], []
    for name in arguments.schedulers:
        one = run_case(name, 1, arguments.rounds, arguments.seconds)
        many = run_case(name, arguments.groups, arguments.rounds, arguments.seconds)
        medians = {key: one[key].median for key in MODULES}
        further = {key: (many[key].median - one[key].median) / (arguments.groups - 1) for key in MODULES}
        cells = [format_seconds(medians[key]) for key in MODULES] + [f"{medians['descend'] / medians['torch']:.2f}x"]
        cells += [format_seconds(further[key]) for key in MODULES] + [f"{further['descend'] / further['torch']:.2f}x"]
        rows.append([name, f"1, {arguments.groups}", *cells])
        results.append({"scheduler": name, "one_group": medians, "further_group": further})
        print(" ".join(cell.rjust(10) for cell in rows[-1]), file=sys.stderr, flush=True)

    info = machine()
    table = markdown_table(HEADER, rows) + f"\n\n{machine_line(info)}\n"
    print(table)
    save_json(arguments.json, info, results)
    save(arguments.markdown, table)


if __name__ == "__main__":
    main()
