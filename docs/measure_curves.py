"""Measures what the pages of the optimizers draw, and writes it to docs/curves.json: `compare` on three demos.

demo:digits takes every optimizer for mini-batches and dense gradients, demo:logistic those that want the full batch,
and demo:factors, with sparse gradients, SparseAdam; others run beside them. Some three minutes on one core.

    python docs/measure_curves.py
"""

from __future__ import annotations

import json
import math
import platform
from pathlib import Path
from typing import Any

import torch

from descend import tools
from descend.tools import demos, quickref
from descend.tools.records import Run

FILE = Path(__file__).with_name("curves.json")
DENSE = [name for name in quickref.TABLE if name not in ("sparseadam", "lbfgs")]
PLAN = {
    "demo:digits": DENSE,
    "demo:logistic": ["sgd", "adamw", "rprop", "lbfgs"],
    "demo:factors": ["sparseadam", "adagrad"],
}
OBJECTIVES = {"demo:logistic": "loss above its minimum"}  # elsewhere the loss on held-out data
POINTS = 60  # of a curve


def sparse_factors() -> dict[str, Any]:
    """demo:factors with a model whose embeddings have sparse gradients: a setup as a user writes one."""
    setup: dict[str, Any] = demos.find("demo:factors").setup()

    def model() -> torch.nn.Module:
        made: torch.nn.Module = setup["model"]()
        for module in made.modules():
            if isinstance(module, torch.nn.Embedding):
                module.sparse = True
        return made

    return {**setup, "model": model}


def measure(demo: str, names: list[str]) -> dict[str, Any]:
    """One comparison, as the pages read it."""
    source = f"{__file__}:sparse_factors" if "sparseadam" in names else demo
    found = tools.compare(source, optimizers=names, minutes=None)
    print(found, flush=True)
    name_of = {candidate.label: name for candidate, name in zip(found.candidates, names, strict=True)}
    return {
        "title": found.conditions.title,
        "steps": found.conditions.steps,
        "seeds": found.conditions.seeds,
        "objective": OBJECTIVES.get(demo, "held-out loss"),
        "optimizers": {name_of[entry.label]: values(entry, found.runs) for entry in found.entries},
    }


def values(entry: tools.Entry, runs: tuple[Run, ...]) -> dict[str, Any]:
    """An optimizer's rates with their losses, and the curve of the best one from its first seed."""
    last = max(rung for *_, rung in entry.by_lr)
    own = [run for run in runs if run.optimizer == entry.label and run.lr == entry.lr and run.seed == 0]
    curve = [[point.step, short(point.loss)] for point in own[0].evaluations] if own else []
    return {
        "best": entry.lr,
        "loss": short(entry.loss),
        "rates": [[lr, short(loss), rung == last] for lr, loss, rung in entry.by_lr],
        "curve": [point for point in curve[:: max(1, len(curve) // POINTS)] if point[1] is not None],
    }


def short(number: float) -> float | None:
    """Four digits; None for what is not finite, which JSON cannot hold."""
    return float(f"{number:.4g}") if math.isfinite(number) else None


def main() -> None:
    """Measure everything, then write."""
    measured = {demo: measure(demo, names) for demo, names in PLAN.items()}
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, one thread"
    written = {"command": "python docs/measure_curves.py", "machine": versions, "demos": measured}
    FILE.write_text(json.dumps(written, separators=(",", ":"), allow_nan=False) + "\n", encoding="utf-8")
    print(f"wrote {FILE}")


if __name__ == "__main__":
    main()
