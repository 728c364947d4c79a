"""Time of optimizer.step(): descend against torch.optim's default, foreach and fused implementations, side by side.

For every shape list and optimizer all contenders get equal parameters and the same gradients; after three steps
descend's parameters must equal torch's, then rounds are interleaved and medians compared. A ratio above 1: descend is
faster.

    python benchmarks/step_time.py --shapes line,many --optimizers adam,sgd --json FILE --markdown FILE
"""

import argparse
import inspect
import math
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
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

import descend

Shape = tuple[int, ...]

# Name on the command line: class (in descend and in torch.optim alike), constructor keywords.
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"lr": 1e-2}),
    "sgd-momentum": ("SGD", {"lr": 1e-2, "momentum": 0.9}),
    "adagrad": ("Adagrad", {"lr": 1e-2}),
    "rmsprop": ("RMSprop", {"lr": 1e-3}),
    "adam": ("Adam", {"lr": 1e-3}),
    "adamw": ("AdamW", {"lr": 1e-3}),
    "adadelta": ("Adadelta", {"lr": 1.0}),
    "adamax": ("Adamax", {"lr": 2e-3}),
    "asgd": ("ASGD", {"lr": 1e-2}),
    "nadam": ("NAdam", {"lr": 2e-3}),
    "radam": ("RAdam", {"lr": 1e-3}),
    "rprop": ("Rprop", {"lr": 1e-2}),
}

# How torch.optim is asked for each of its implementations; "default" is what a script that asks for nothing gets.
TORCH_VARIANTS: dict[str, dict[str, bool]] = {"default": {}, "foreach": {"foreach": True}, "fused": {"fused": True}}
OURS = "descend"


def mlp(*widths: int) -> list[Shape]:
    """Weights and biases of a fully connected network."""
    return [shape for n_in, n_out in pairwise(widths) for shape in ((n_out, n_in), (n_out,))]


def resnet50() -> list[Shape]:
    """ResNet-50 (He et al. 2015, arXiv:1512.03385) for 1000 classes: 161 tensors, 25,557,032 elements."""

    def conv_and_norm(n_out: int, n_in: int, size: int) -> list[Shape]:
        return [(n_out, n_in, size, size), (n_out,), (n_out,)]

    shapes = conv_and_norm(64, 3, 7)
    n_in = 64
    for blocks, width in ((3, 64), (4, 128), (6, 256), (3, 512)):
        for block in range(blocks):
            shapes += conv_and_norm(width, n_in, 1) + conv_and_norm(width, width, 3)
            shapes += conv_and_norm(4 * width, width, 1)
            if block == 0:  # the shortcut changes the number of channels
                shapes += conv_and_norm(4 * width, n_in, 1)
            n_in = 4 * width
    return [*shapes, (1000, n_in), (1000,)]


def gpt2(layers: int = 12, width: int = 768, vocabulary: int = 50257, context: int = 1024) -> list[Shape]:
    """GPT-2 small (Radford et al. 2019), output layer tied to the embedding: 148 tensors, 124,439,808 elements."""
    norm = [(width,), (width,)]
    attention = [(width, 3 * width), (3 * width,), (width, width), (width,)]
    feed_forward = [(width, 4 * width), (4 * width,), (4 * width, width), (width,)]
    return [(vocabulary, width), (context, width), *(layers * (norm + attention + norm + feed_forward)), *norm]


SHAPES: dict[str, Callable[[], list[Shape]]] = {
    "line": lambda: [(1, 1), (1,)],
    "mlp": lambda: mlp(784, 512, 512, 10),
    "many": lambda: 100 * [(32, 32), (32,)],
    "resnet50": resnet50,
    "gpt2-small": gpt2,
}


def torch_variants(class_name: str) -> dict[str, dict[str, bool]]:
    """The implementations that this torch.optim class has."""
    accepted = inspect.signature(getattr(torch.optim, class_name)).parameters
    return {name: option for name, option in TORCH_VARIANTS.items() if all(key in accepted for key in option)}


def check_equal(ours: list[torch.Tensor], theirs: list[torch.Tensor], what: str) -> None:
    """Refuses to time a step that does other work than torch: only the rounding of a few float32 steps may differ."""
    for index, (p, q) in enumerate(zip(ours, theirs, strict=True)):
        if not torch.allclose(p, q, rtol=1e-5, atol=1e-6):
            error = (p - q).abs().max().item()
            raise SystemExit(f"{what}: parameter {index} differs from torch.optim's by {error:.3g}")


def run_case(shapes_name: str, optimizer_name: str, *, rounds: int, max_seconds: float) -> dict[str, Any]:
    """Measures one shape list with one optimizer; returns what goes into the JSON file."""
    class_name, options = OPTIMIZERS[optimizer_name]
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=generator) for shape in SHAPES[shapes_name]()]
    gradients = [torch.randn(p.shape, generator=generator).mul_(1e-2) for p in start]

    contenders: dict[str, Callable[..., torch.optim.Optimizer]] = {}
    contenders[OURS] = partial(getattr(descend, class_name), **options)
    for name, option in torch_variants(class_name).items():
        contenders[name] = partial(getattr(torch.optim, class_name), **options, **option)

    parameters: dict[str, list[torch.Tensor]] = {}
    steps: dict[str, Callable[[], object]] = {}
    for name, make in contenders.items():
        parameters[name] = [p.clone().requires_grad_() for p in start]
        for p, gradient in zip(parameters[name], gradients, strict=True):
            p.grad = gradient  # shared: no optimizer writes to it
        steps[name] = make(parameters[name]).step
        for _ in range(3):
            steps[name]()
    check_equal(parameters[OURS], parameters["default"], f"{shapes_name}, {optimizer_name}")

    timings = interleave(steps, rounds=rounds, max_seconds=max_seconds)
    medians = {name: timing.median for name, timing in timings.items()}
    fastest = min((name for name in medians if name != OURS), key=medians.__getitem__)
    return {
        "shapes": shapes_name,
        "optimizer": optimizer_name,
        "options": options,
        "tensors": len(start),
        "elements": sum(math.prod(p.shape) for p in start),
        "seconds": medians,
        "quartiles": {name: [timing.lower, timing.upper] for name, timing in timings.items()},
        "rounds": timings[OURS].rounds,
        "calls_per_round": {name: timing.calls_per_round for name, timing in timings.items()},
        "fastest_torch": fastest,
        "ratio_to_fastest": medians[fastest] / medians[OURS],
        "ratio_to_default": medians["default"] / medians[OURS],
    }


HEADER = ["shapes", "optimizer", "tensors", "elements", OURS, *TORCH_VARIANTS, "vs fastest", "vs default"]


def table_row(result: dict[str, Any]) -> list[str]:
    """One line of the Markdown table; an implementation that torch does not have is a dash."""
    seconds = result["seconds"]
    return [
        result["shapes"],
        result["optimizer"],
        str(result["tensors"]),
        f"{result['elements']:,}",
        *(format_seconds(seconds[name]) if name in seconds else "-" for name in (OURS, *TORCH_VARIANTS)),
        f"{result['ratio_to_fastest']:.2f}x",
        f"{result['ratio_to_default']:.2f}x",
    ]


def main() -> None:
    """Runs the chosen cases, prints each as it is done, and writes the files asked for."""
    parser = argparse.ArgumentParser(description="Time of optimizer.step(), descend against torch.optim.")
    for flag, known in (("--shapes", SHAPES), ("--optimizers", OPTIMIZERS)):
        names = f"comma-separated: {', '.join(known)}"
        parser.add_argument(flag, type=names_from(known), default=list(known), help=names)
    parser.add_argument("--threads", type=int, default=2, help="torch.set_num_threads (default: 2)")
    parser.add_argument("--rounds", type=int, default=100, help="rounds per case at most (default: 100)")
    parser.add_argument("--seconds", type=float, default=5.0, help="time per case after warming up (default: 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all medians and the machine to FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table to FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    results = []
    for shapes_name in arguments.shapes:
        for optimizer_name in arguments.optimizers:
            results.append(
                run_case(shapes_name, optimizer_name, rounds=arguments.rounds, max_seconds=arguments.seconds)
            )
            print(" ".join(cell.rjust(12) for cell in table_row(results[-1])), file=sys.stderr, flush=True)

    info = machine()
    table = markdown_table(HEADER, [table_row(result) for result in results]) + f"\n\n{machine_line(info)}\n"
    print(table)
    save_json(arguments.json, info, results)
    save(arguments.markdown, table)


if __name__ == "__main__":
    main()
