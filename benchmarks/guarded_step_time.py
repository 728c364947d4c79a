"""Time of a step with clipping, with a guard against NaN, and with statistics: descend's options against torch's ways.

torch: `torch.nn.utils.clip_grad_norm_` and then the fused step; a look at every gradient and then the step. descend:
the options `clip_grad_norm`, `nonfinite` and `stats` of the optimizer. Interleaved rounds, medians; a ratio above 1:
descend is faster. "plain" is descend's own step without any of them.

    OMP_NUM_THREADS=2 taskset -c 0,1 python benchmarks/guarded_step_time.py --shapes many,gpt2-small
"""

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measure import (
    format_seconds,
    interleave,
    machine,
    machine_line,
    markdown_table,
    names_from,
    save,
    save_json,
)
from step_time import SHAPES

import descend

CLIP = 1.0
# What is measured: descend's options, and what is done with torch before its fused step.
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "clip": {"clip_grad_norm": CLIP},
    "skip": {"nonfinite": "skip"},
    "stats": {"stats": True},
    "clip, skip, stats": {"clip_grad_norm": CLIP, "nonfinite": "skip", "stats": True},
}


def _clip(params: list[torch.Tensor]) -> bool:
    torch.nn.utils.clip_grad_norm_(params, CLIP)
    return True


def _look(params: list[torch.Tensor]) -> bool:
    return all(math.isfinite(float(p.grad.sum())) for p in params if p.grad is not None)


BEFORE: dict[str, Callable[[list[torch.Tensor]], bool]] = {"clip": _clip, "skip": _look}


def run_case(shapes: str, *, rounds: int, max_seconds: float) -> dict[str, Any]:
    """Medians of all cases for one list of shapes."""
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=generator) for shape in SHAPES[shapes]()]
    gradients = [torch.randn(p.shape, generator=generator).mul_(1e-2) for p in start]
    steps: dict[str, Callable[[], object]] = {}

    def fresh() -> list[torch.Tensor]:
        params = [p.clone().requires_grad_() for p in start]
        for p, gradient in zip(params, gradients, strict=True):
            p.grad = gradient.clone()
        return params

    ours: dict[str, list[torch.Tensor]] = {}
    for name, options in CASES.items():
        ours[name] = fresh()
        steps[f"descend {name}"] = descend.AdamW(ours[name], **options).step
    theirs = fresh()
    fused = torch.optim.AdamW(theirs, fused=True)
    steps["torch plain"] = fused.step
    for name, before in BEFORE.items():
        params = fresh()
        optimizer = torch.optim.AdamW(params, fused=True)

        def step(
            before: Callable[[list[torch.Tensor]], bool] = before,
            params: list[torch.Tensor] = params,
            optimizer: torch.optim.Optimizer = optimizer,
        ) -> None:
            if before(params):
                optimizer.step()

        steps[f"torch {name}"] = step
        step()
        steps[f"descend {name}"]()
        for index, (p, q) in enumerate(zip(ours[name], params, strict=True)):
            if not torch.allclose(p, q, rtol=1e-5, atol=1e-6):
                raise SystemExit(f"{shapes}, {name}: parameter {index} differs by {(p - q).abs().max().item():.3g}")
    timings = interleave(steps, rounds=rounds, max_seconds=max_seconds)
    seconds = {name: timing.median for name, timing in timings.items()}
    plain = seconds["descend plain"]
    return {
        "shapes": shapes,
        "seconds": seconds,
        "ratio_to_torch": {name: seconds[f"torch {name}"] / seconds[f"descend {name}"] for name in ("plain", *BEFORE)},
        "ratio_to_plain": {name: seconds[f"descend {name}"] / plain for name in CASES},
    }


HEADER = ["shapes", "step with", "descend", "torch", "vs torch", "vs our plain step"]


def table_rows(result: dict[str, Any]) -> list[list[str]]:
    """Lines of the Markdown table; what torch has no way to do is a dash."""
    seconds, ratios = result["seconds"], result["ratio_to_torch"]
    return [
        [
            result["shapes"],
            name,
            format_seconds(seconds[f"descend {name}"]),
            format_seconds(seconds[f"torch {name}"]) if name in ratios else "-",
            f"{ratios[name]:.2f}x" if name in ratios else "-",
            f"{result['ratio_to_plain'][name]:.2f}",
        ]
        for name in CASES
    ]


def main() -> None:
    """Runs the chosen shapes, prints the table, and writes the files asked for."""
    parser = argparse.ArgumentParser(description="Time of guarded steps, against torch.")
    parser.add_argument("--shapes", type=names_from(SHAPES), default=["many", "gpt2-small"], help="comma-separated")
    parser.add_argument("--threads", type=int, default=2, help="torch.set_num_threads (default: 2)")
    parser.add_argument("--rounds", type=int, default=100, help="rounds per case at most (default: 100)")
    parser.add_argument("--seconds", type=float, default=10.0, help="time per list of shapes (default: 10)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all medians and the machine to FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table to FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = []
    for shapes in arguments.shapes:
        results.append(run_case(shapes, rounds=arguments.rounds, max_seconds=arguments.seconds))
        print(f"{shapes} done", file=sys.stderr, flush=True)
    info = machine()
    rows = [row for result in results for row in table_rows(result)]
    table = markdown_table(HEADER, rows) + f"\n\n{machine_line(info)}\n"
    print(table)
    save_json(arguments.json, info, results)
    save(arguments.markdown, table)


if __name__ == "__main__":
    main()
