"""Time of optimizer.step() of Adafactor and Muon: descend against torch.optim's implementations, side by side.

These two work on whole tensors, so that what counts is how many matrices of a shape there are, and how large. Measured
as in step_time.py: equal parameters, the same gradients, equal results after three steps, interleaved rounds, medians.

    OMP_NUM_THREADS=2 taskset -c 2,3 python benchmarks/matrix_step_time.py --cases muon-small,adafactor-many --json FILE
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from measure import format_seconds, interleave, machine, machine_line, markdown_table, names_from, save, save_json
from step_time import SHAPES, Shape

import descend

OURS = "descend"
TORCH: dict[str, dict[str, dict[str, Any]]] = {
    "Adafactor": {"torch default": {}, "torch foreach": {"foreach": True}},
    "Muon": {"torch default": {}},
}
# What our parameters are compared with after three steps. torch's float32 norm of 38 million elements is off by 0.3 %,
# and Adafactor's update with it, so that torch in float64 is the measure there; Muon computes in bfloat16 in any case,
# and its products, summed in another order, differ by 2^-8 of an update of size lr.
REFERENCE: dict[str, tuple[torch.dtype, float, dict[str, Any]]] = {
    "Adafactor": (torch.float64, 1e-5, {"eps": (torch.finfo(torch.float32).eps, 1e-3)}),  # None would be float64's
    "Muon": (torch.float32, 1e-4, {}),
}


def matrices(count: int, size: int) -> list[Shape]:
    """So many square matrices of this size."""
    return [(size, size)] * count


def hidden_matrices() -> list[Shape]:
    """The 48 matrices of GPT-2 small that Muon is meant for: no embedding, bias or norm."""
    embeddings = (50257, 1024)
    return [shape for shape in SHAPES["gpt2-small"]() if len(shape) == 2 and shape[0] not in embeddings]


# Name on the command line: class, what the table calls the shapes, the shapes.
CASES: dict[str, tuple[str, str, Callable[[], list[Shape]]]] = {
    "muon-small": ("Muon", "64 x [64, 64]", partial(matrices, 64, 64)),
    "muon-medium": ("Muon", "32 x [256, 256]", partial(matrices, 32, 256)),
    "muon-gpt2": ("Muon", "GPT-2 small, hidden", hidden_matrices),
    "adafactor-line": ("Adafactor", "line", SHAPES["line"]),
    "adafactor-mlp": ("Adafactor", "mlp", SHAPES["mlp"]),
    "adafactor-many": ("Adafactor", "many", SHAPES["many"]),
    "adafactor-resnet50": ("Adafactor", "resnet50", SHAPES["resnet50"]),
    "adafactor-gpt2": ("Adafactor", "gpt2-small", SHAPES["gpt2-small"]),
}


def run_case(name: str, *, rounds: int, max_seconds: float) -> dict[str, Any]:
    """Measures one case; returns what goes into the JSON file."""
    class_name, title, shapes = CASES[name]
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=generator) for shape in shapes()]
    gradients = [torch.randn(p.shape, generator=generator).mul_(1e-2) for p in start]
    contenders: dict[str, Callable[..., torch.optim.Optimizer]] = {OURS: getattr(descend, class_name)}
    for variant, option in TORCH[class_name].items():
        contenders[variant] = partial(getattr(torch.optim, class_name), **option)

    parameters: dict[str, list[torch.Tensor]] = {}
    steps: dict[str, Callable[[], object]] = {}
    for variant, make in contenders.items():
        parameters[variant] = [p.clone().requires_grad_() for p in start]
        for p, gradient in zip(parameters[variant], gradients, strict=True):
            p.grad = gradient  # shared: no optimizer writes to it
        steps[variant] = make(parameters[variant]).step
        for _ in range(3):
            steps[variant]()
    check(name, class_name, parameters[OURS], start, gradients)

    timings = interleave(steps, rounds=rounds, max_seconds=max_seconds)
    medians = {variant: timing.median for variant, timing in timings.items()}
    fastest = min((variant for variant in medians if variant != OURS), key=medians.__getitem__)
    return {
        "case": name,
        "optimizer": class_name,
        "shapes": title,
        "tensors": len(start),
        "elements": sum(p.numel() for p in start),
        "seconds": medians,
        "quartiles": {variant: [timing.lower, timing.upper] for variant, timing in timings.items()},
        "rounds": timings[OURS].rounds,
        "fastest_torch": fastest,
        "ratio_to_fastest": medians[fastest] / medians[OURS],
    }


def check(
    name: str, class_name: str, ours: list[torch.Tensor], start: list[torch.Tensor], gradients: list[torch.Tensor]
) -> None:
    """Stop if three steps of ours did not end where torch's do."""
    dtype, tolerance, options = REFERENCE[class_name]
    for index, (p, first, gradient) in enumerate(zip(ours, start, gradients, strict=True)):
        q = first.to(dtype, copy=True).requires_grad_()
        q.grad = gradient.to(dtype)
        optimizer = getattr(torch.optim, class_name)([q], **options)
        for _ in range(3):
            optimizer.step()
        if not torch.allclose(p.to(dtype), q, rtol=tolerance, atol=tolerance):
            raise SystemExit(f"{name}: parameter {index} differs from torch's by {(p - q).abs().max().item():.3g}")


HEADER = ["optimizer", "shapes", "tensors", "elements", OURS, "torch default", "torch foreach", "vs fastest"]


def table_row(result: dict[str, Any]) -> list[str]:
    """One line of the Markdown table; an implementation that torch does not have is a dash."""
    seconds = result["seconds"]
    return [
        result["optimizer"],
        result["shapes"],
        str(result["tensors"]),
        f"{result['elements']:,}",
        *(format_seconds(seconds[name]) if name in seconds else "-" for name in HEADER[4:7]),
        f"{result['ratio_to_fastest']:.2f}x",
    ]


def main() -> None:
    """Runs the chosen cases, prints each as it is done, and writes the files asked for."""
    parser = argparse.ArgumentParser(description="Time of optimizer.step() of Adafactor and Muon, against torch.optim.")
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
