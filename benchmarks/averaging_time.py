"""Time of AveragedModel.update_parameters: descend against torch.optim.swa_utils, side by side.

Models of linear layers, weights and biases. Both contenders average the same model; after four updates their averages
must be equal, then rounds are interleaved and medians compared. A ratio above 1: descend is faster. torch keeps a
bfloat16 average in bfloat16, where it stalls, so there only the time is compared.

    OMP_NUM_THREADS=2 taskset -c 2,3 python benchmarks/averaging_time.py --cases ema-200,swa-200 --json FILE
"""

import argparse
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.optim.swa_utils as torch_swa
from measure import format_seconds, interleave, machine, machine_line, markdown_table, names_from, save, save_json
from torch import nn

from descend import swa_utils

OURS, THEIRS = "descend", "torch"
DECAY = 0.999
TOLERANCE = 1e-5  # four float32 updates of values below 10, each rounded to 6e-8 of them


class Case(NamedTuple):
    """What is averaged: kind of average, number of linear layers, their width, and the dtype."""

    kind: str
    layers: int
    width: int
    dtype: torch.dtype = torch.float32


CASES = {
    "ema-200": Case("EMA", 100, 16),
    "swa-200": Case("SWA", 100, 16),
    "ema-20": Case("EMA", 10, 16),
    "ema-2000": Case("EMA", 1000, 4),
    "ema-large": Case("EMA", 24, 1024),
    "ema-200-bfloat16": Case("EMA", 100, 16, torch.bfloat16),
}


def averaged(library: Any, case: Case, model: nn.Module) -> Any:
    """An average of the model that has seen it once."""
    function = library.get_ema_multi_avg_fn(DECAY) if case.kind == "EMA" else None
    average = library.AveragedModel(model, multi_avg_fn=function)
    average.update_parameters(model)
    return average


@torch.no_grad()
def run_case(name: str, *, rounds: int, max_seconds: float) -> dict[str, Any]:
    """Measures one case; returns what goes into the JSON file."""
    case = CASES[name]
    model = nn.Sequential(*(nn.Linear(case.width, case.width) for _ in range(case.layers))).to(case.dtype)
    averages = {OURS: averaged(swa_utils, case, model), THEIRS: averaged(torch_swa, case, model)}
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=generator).to(p.dtype))
        for average in averages.values():
            average.update_parameters(model)
    if case.dtype == torch.float32:
        for ours, theirs in zip(*(average.parameters() for average in averages.values()), strict=True):
            if not torch.allclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE):
                raise SystemExit(f"{name}: averages differ by {(ours - theirs).abs().max().item():.3g}")

    def update(average: Any) -> Any:
        return lambda: average.update_parameters(model)

    contenders = {variant: update(average) for variant, average in averages.items()}
    timings = interleave(contenders, rounds=rounds, max_seconds=max_seconds)
    medians = {variant: timing.median for variant, timing in timings.items()}
    return {
        "case": name,
        "kind": case.kind,
        "layers": f"{case.layers} x Linear({case.width}, {case.width})",
        "dtype": str(case.dtype).removeprefix("torch."),
        "tensors": len(list(model.parameters())),
        "elements": sum(p.numel() for p in model.parameters()),
        "seconds": medians,
        "quartiles": {variant: [timing.lower, timing.upper] for variant, timing in timings.items()},
        "rounds": timings[OURS].rounds,
        "ratio": medians[THEIRS] / medians[OURS],
    }


HEADER = ["average", "model", "dtype", "tensors", "elements", OURS, THEIRS, "ratio"]


def table_row(result: dict[str, Any]) -> list[str]:
    """One line of the Markdown table."""
    return [
        result["kind"],
        result["layers"],
        result["dtype"],
        str(result["tensors"]),
        f"{result['elements']:,}",
        *(format_seconds(result["seconds"][name]) for name in (OURS, THEIRS)),
        f"{result['ratio']:.2f}x",
    ]


def main() -> None:
    """Runs the chosen cases, prints each as it is done, and writes the files asked for."""
    parser = argparse.ArgumentParser(description="Time of AveragedModel.update_parameters, against torch's.")
    help_text = f"comma-separated: {', '.join(CASES)}"
    parser.add_argument("--cases", type=names_from(CASES), default=list(CASES), help=help_text)
    parser.add_argument("--threads", type=int, default=2, help="torch.set_num_threads (default: 2)")
    parser.add_argument("--rounds", type=int, default=100, help="rounds per case at most (default: 100)")
    parser.add_argument("--seconds", type=float, default=5.0, help="time per case after warming up (default: 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all medians and the machine to FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table to FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    results = []
    for name in arguments.cases:
        results.append(run_case(name, rounds=arguments.rounds, max_seconds=arguments.seconds))
        print(" ".join(cell.rjust(12) for cell in table_row(results[-1])), file=sys.stderr, flush=True)

    info = machine()
    table = markdown_table(HEADER, [table_row(result) for result in results]) + f"\n\n{machine_line(info)}\n"
    print(table)
    save_json(arguments.json, info, results)
    save(arguments.markdown, table)


if __name__ == "__main__":
    main()
