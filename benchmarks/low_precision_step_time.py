"""Time and memory of steps with low-precision state and parameters: descend against torch.optim's fastest float32 way.

Every row is one step of one optimizer in one setting, next to torch's fastest implementation of the same algorithm on
float32 parameters and state (Lion, which torch has not: next to descend's eager engine). Interleaved rounds, medians; a
ratio above 1: descend is faster.

    OMP_NUM_THREADS=2 taskset -c 0,1 python benchmarks/low_precision_step_time.py --optimizers adamw
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measure import format_seconds, interleave, machine, machine_line, markdown_table, names_from, save, save_json
from step_time import SHAPES

import descend
from descend.rules.ops import sign


def lion(p, g, exp_avg, *, lr, w1, w2):  # type: ignore[no-untyped-def]
    """Lion (Chen et al. 2023, arXiv:2302.06675, Alg. 2)."""
    p = p - lr * sign(exp_avg + w1 * (g - exp_avg))
    return p, exp_avg + w2 * (g - exp_avg)


def lion_scalars(t: int, *, lr: float, betas: tuple[float, float]) -> dict[str, float]:
    """Scalars of Lion's rule."""
    return dict(lr=lr, w1=1 - betas[0], w2=1 - betas[1])


Lion = descend.define(
    descend.Rule(lion, lion_scalars, dict(exp_avg=descend.Buffer())),
    lr=1e-4,
    betas=(0.9, 0.99),
    decoupled_weight_decay=True,
)

# Name: our class, torch's class if there is one, options, how torch is asked for its implementations.
FUSED: tuple[dict[str, Any], ...] = ({"fused": True},)
OTHER: tuple[dict[str, Any], ...] = ({}, {"foreach": True})
OPTIMIZERS: dict[str, tuple[Any, Any, dict[str, Any], tuple[dict[str, Any], ...]]] = {
    "adamw": (descend.AdamW, torch.optim.AdamW, {}, FUSED),
    "sgd-momentum": (descend.SGD, torch.optim.SGD, {"momentum": 0.9}, FUSED),
    "adagrad": (descend.Adagrad, torch.optim.Adagrad, {}, FUSED),
    "rmsprop": (descend.RMSprop, torch.optim.RMSprop, {}, OTHER),
    "lion": (Lion, None, {}, ()),
}
# Name: dtype of parameters and gradients, options.
SETTINGS: dict[str, tuple[torch.dtype, dict[str, Any]]] = {
    "float32": (torch.float32, {}),
    "bfloat16 state": (torch.float32, {"state_dtype": "bfloat16"}),
    "float16 state": (torch.float32, {"state_dtype": "float16"}),
    "int8 state": (torch.float32, {"state_dtype": "int8"}),
    "bfloat16, stochastic, int8 state": (torch.bfloat16, {"state_dtype": "int8", "rounding": "stochastic"}),
    "bfloat16, kahan, int8 state": (torch.bfloat16, {"state_dtype": "int8", "rounding": "kahan"}),
    "bfloat16, split master, int8 state": (torch.bfloat16, {"state_dtype": "int8", "master": "split"}),
}


def run_case(name: str, shapes: str, *, rounds: int, max_seconds: float) -> list[dict[str, Any]]:
    """Medians of one optimizer in all settings."""
    ours, theirs, options, ways = OPTIMIZERS[name]
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=generator) for shape in SHAPES[shapes]()]
    gradients = [torch.randn(p.shape, generator=generator).mul_(1e-2) for p in start]
    elements = sum(p.numel() for p in start)

    def fresh(dtype: torch.dtype) -> list[torch.Tensor]:
        params = [p.to(dtype, copy=True).requires_grad_() for p in start]
        for p, gradient in zip(params, gradients, strict=True):
            p.grad = gradient.to(dtype)
        return params

    made = {setting: ours(fresh(dtype), **options, **more) for setting, (dtype, more) in SETTINGS.items()}
    steps: dict[str, Callable[[], object]] = {setting: optimizer.step for setting, optimizer in made.items()}
    if theirs is None:
        steps["reference 0"] = ours(fresh(torch.float32), **options, engine="eager").step
    for k, way in enumerate(ways):
        steps[f"reference {k}"] = theirs(fresh(torch.float32), **options, **way).step
    timings = interleave(steps, rounds=rounds, max_seconds=max_seconds)
    seconds = {key: timing.median for key, timing in timings.items()}
    reference = min(value for key, value in seconds.items() if key.startswith("reference"))
    return [
        {
            "optimizer": name,
            "shapes": shapes,
            "setting": setting,
            "state_bytes": made[setting].memory().state / elements,
            "traffic_bytes": made[setting].explain(quiet=True).traffic,
            "seconds": seconds[setting],
            "reference_seconds": reference,
            "ratio": reference / seconds[setting],
        }
        for setting in SETTINGS
    ]


HEADER = ["optimizer", "kept as", "state, bytes", "traffic, bytes", "descend", "reference", "ratio"]


def table_row(result: dict[str, Any]) -> list[str]:
    """One line of the Markdown table; bytes are per parameter."""
    return [
        result["optimizer"],
        result["setting"],
        f"{result['state_bytes']:.2f}",
        f"{result['traffic_bytes']:.1f}",
        format_seconds(result["seconds"]),
        format_seconds(result["reference_seconds"]),
        f"{result['ratio']:.2f}x",
    ]


def main() -> None:
    """Runs the chosen cases, prints the table, and writes the files asked for."""
    parser = argparse.ArgumentParser(description="Time of low-precision steps, against torch.optim in float32.")
    parser.add_argument("--optimizers", type=names_from(OPTIMIZERS), default=list(OPTIMIZERS), help="comma-separated")
    parser.add_argument("--shapes", default="gpt2-small", choices=list(SHAPES), help="default: gpt2-small")
    parser.add_argument("--threads", type=int, default=2, help="torch.set_num_threads (default: 2)")
    parser.add_argument("--rounds", type=int, default=60, help="rounds per case at most (default: 60)")
    parser.add_argument("--seconds", type=float, default=15.0, help="time per optimizer (default: 15)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all medians and the machine to FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table to FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results: list[dict[str, Any]] = []
    for name in arguments.optimizers:
        results += run_case(name, arguments.shapes, rounds=arguments.rounds, max_seconds=arguments.seconds)
        print(f"{name} done", file=sys.stderr, flush=True)
    info = machine()
    table = markdown_table(HEADER, [table_row(result) for result in results]) + f"\n\n{machine_line(info)}\n"
    print(table)
    save_json(arguments.json, info, results)
    save(arguments.markdown, table)


if __name__ == "__main__":
    main()
