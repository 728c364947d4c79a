"""L-BFGS: descend's against torch.optim's and scipy's, on problems with known minima, and against its own targets.

Suites: A the 35 problems of Moré, Garbow and Hillstrom in float64 and float32, B problems with 1000 variables, C real
data, D bounds, E robustness, H held out (never looked at while tuning), cost time and torch operations an iteration.
Evaluations are counted, and their values recorded in float64, by the benchmark itself: the same harness for everyone.

    python benchmarks/lbfgs.py --suites A,E --per-problem --json FILE --markdown FILE
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import lbfgs_suites
import torch
from lbfgs_runs import solvers
from lbfgs_suites import Result
from measure import machine, machine_line, markdown_table, names_from, save, save_json
from threadpoolctl import threadpool_limits


def main() -> None:
    """Runs the chosen suites, prints tables, and writes the files asked for."""
    every = solvers()
    suites: dict[str, Callable[[bool], Result]] = {
        "A": lambda detail: lbfgs_suites.suite_a(every, detail),
        "B": lambda detail: lbfgs_suites.suites_b_and_c(every, "B"),
        "C": lambda detail: lbfgs_suites.suites_b_and_c(every, "C"),
        "D": lambda detail: lbfgs_suites.suite_d(every),
        "E": lambda detail: lbfgs_suites.suite_e(),
        "H": lambda detail: lbfgs_suites.suite_h(every),
        "cost": lambda detail: lbfgs_suites.suite_cost(),
    }
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--suites", type=names_from(suites), default=list(suites), help="comma-separated; default: all")
    parser.add_argument("--per-problem", action="store_true", help="suite A problem by problem")
    parser.add_argument(
        "--threads", type=int, default=1, help="threads of torch and of scipy's BLAS, but for times; default: 1"
    )
    parser.add_argument("--json", type=Path, help="write every number to this file")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)

    with threadpool_limits(chosen.threads):  # of scipy's BLAS
        results = {name: suites[name](chosen.per_problem) for name in chosen.suites}
    gates = [gate for result in results.values() for gate in result.gates]
    rows = [[g.name, g.target, g.measured, g.rivals, "pass" if g.passed else "FAIL"] for g in gates]
    tables = [("Numbers to hold it to", markdown_table(["gate", "target", "measured", "others", ""], rows))]
    tables += [table for result in results.values() for table in result.tables]
    info = machine()
    text = "\n\n".join([*(f"{title}\n\n{table}" for title, table in tables), machine_line(info)]) + "\n"
    print(text)
    save(chosen.markdown, text)
    data = {"gates": [asdict(g) for g in gates], **{name: result.data for name, result in results.items()}}
    save_json(chosen.json, info, data)


if __name__ == "__main__":
    main()
