"""Time of a whole training step (forward, backward, optimizer) of a 4-layer MLP: descend against torch's fused step.

What this is for: matrix products and the optimizer's kernel share the cores. An optimizer that is fast alone but leaves
a thread pool spinning slows the next matmul, which only a whole loop shows. At a ratio of 1 or more, descend's loop is
not slower.

    python benchmarks/training_loop.py --width 256 --batch-sizes 32,128,512
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measure import format_seconds, interleave, machine, machine_line, markdown_table, names_from, save_json
from torch import nn

import descend

# Learning rates small enough to leave the loss far from zero: gradients that underflow would slow the matrix products.
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd-momentum": ("SGD", {"lr": 1e-3, "momentum": 0.9}),
    "adagrad": ("Adagrad", {"lr": 1e-4}),
    "adam": ("Adam", {"lr": 1e-5}),
    "adamw": ("AdamW", {"lr": 1e-5}),
}
LAYERS, CLASSES = 4, 10
OURS, THEIRS = "descend", "fused"


def build_model(width: int) -> nn.Sequential:
    """Four linear layers, `width` wide but for the last, with ReLU between; the same weights every time."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(LAYERS - 1):
        layers += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, CLASSES))


def training_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor
) -> Callable[[], None]:
    """The usual four lines of a training loop, as a call."""

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def restore(model: nn.Module, start: list[torch.Tensor]) -> Callable[[], None]:
    """Sets the weights back, so that every round trains the same model and none ends at zero loss."""

    def call() -> None:
        with torch.no_grad():
            for p, value in zip(model.parameters(), start, strict=True):
                p.copy_(value)

    return call


def run_case(optimizer_name: str, batch: int, width: int, *, rounds: int, max_seconds: float) -> dict[str, Any]:
    """Measures one optimizer with one batch size."""
    class_name, options = OPTIMIZERS[optimizer_name]
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, width, generator=generator)
    y = torch.randint(CLASSES, (batch,), generator=generator)
    steps, resets = {}, {}
    for name, module, extra in ((OURS, descend, {}), (THEIRS, torch.optim, {"fused": True})):
        model = build_model(width)
        optimizer = getattr(module, class_name)(model.parameters(), **options, **extra)
        steps[name] = training_step(model, optimizer, x, y)
        resets[name] = restore(model, [p.detach().clone() for p in model.parameters()])
    timings = interleave(steps, rounds=rounds, max_seconds=max_seconds, round_seconds=20e-3, before_round=resets)
    seconds = {name: timing.median for name, timing in timings.items()}
    return {
        "optimizer": optimizer_name,
        "batch": batch,
        "width": width,
        "seconds": seconds,
        "quartiles": {name: [timing.lower, timing.upper] for name, timing in timings.items()},
        "rounds": timings[OURS].rounds,
        "ratio": seconds[THEIRS] / seconds[OURS],
    }


def main() -> None:
    """Runs all cases, prints the table, and writes the file asked for."""
    parser = argparse.ArgumentParser(description="Time of a training step, descend against torch's fused optimizers.")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--batch-sizes", default="32,128,512", help="comma-separated (default: 32,128,512)")
    names = f"comma-separated: {', '.join(OPTIMIZERS)}"
    parser.add_argument("--optimizers", type=names_from(OPTIMIZERS), default=list(OPTIMIZERS), help=names)
    parser.add_argument("--threads", type=int, default=2, help="torch.set_num_threads (default: 2)")
    parser.add_argument("--rounds", type=int, default=100, help="rounds per case at most (default: 100)")
    parser.add_argument("--seconds", type=float, default=5.0, help="time per case after warming up (default: 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all medians and the machine to FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    results = [
        run_case(name, int(batch), arguments.width, rounds=arguments.rounds, max_seconds=arguments.seconds)
        for name in arguments.optimizers
        for batch in arguments.batch_sizes.split(",")
    ]
    rows = [
        [
            result["optimizer"],
            f"batch {result['batch']}",
            *(format_seconds(result["seconds"][name]) for name in (OURS, THEIRS)),
            f"{result['ratio']:.3f}x",
        ]
        for result in results
    ]
    info = machine()
    print(markdown_table(["optimizer", "batch", OURS, f"torch {THEIRS}", "ratio"], rows))
    print(f"\n{machine_line(info)}")
    save_json(arguments.json, info, results)


if __name__ == "__main__":
    main()
