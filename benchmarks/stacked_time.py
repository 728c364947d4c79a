"""How much faster many copies train in one batched run than one after the other: forward, backward and update.

    python benchmarks/stacked_time.py [--seconds 2] [--threads 1 2] [--copies 4 8 16]

Prints a Markdown table of the ratio loop / batched run, AdamW of this package, on random data. Above 1 the batched run
is faster. It is what `compare` measures for itself before it decides.
"""

import argparse
from collections.abc import Callable
from itertools import count, pairwise

import torch
from measure import interleave
from torch import Tensor, nn
from torch.nn import functional as F

from descend.tools.comparing.stack import Stack
from descend.tools.comparing.stacked import _update
from descend.tools.contenders import contenders
from descend.tools.problem import Problem
from descend.tools.trial import Trial


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def cnn() -> nn.Sequential:
    """Two convolutions on images of 8 x 8."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 10),
    )


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "MLP 16-32-32-10, batch 32": (lambda: mlp(16, 32, 32, 10), (32, 16)),
    "MLP 64-128-128-10, batch 64": (lambda: mlp(64, 128, 128, 10), (64, 64)),
    "CNN 8-16 on 8x8, batch 64": (cnn, (64, 1, 8, 8)),
    "MLP 64-256-256-10, batch 64": (lambda: mlp(64, 256, 256, 10), (64, 64)),
    "MLP 64-512-512-10, batch 64": (lambda: mlp(64, 512, 512, 10), (64, 64)),
}


def ratio(make: Callable[[], nn.Module], shape: tuple[int, ...], copies: int, seconds: float) -> float:
    """Time of a step of every copy alone over the time of a batched step."""
    data: list[tuple[Tensor, Tensor]] = [(torch.randn(shape), torch.randint(0, 10, shape[:1])) for _ in range(4)]
    problem = Problem(make(), data, F.cross_entropy)
    (contender,) = contenders(["adamw"], problem.model)
    trials = [Trial(problem, contender, 1e-4 * 1.2**k, 0, total_steps=10**9) for k in range(copies + 1)]
    alone, stack, stream, number = trials.pop(), Stack(trials), problem.stream(0), count()

    def loop() -> None:
        alone._plain(stream.batch(next(number) % 4))

    def batched() -> None:
        _update(stack, stream.batch(next(number) % 4))

    times = interleave({"loop": loop, "batched": batched}, rounds=200, max_seconds=seconds)
    return copies * times["loop"].median / times["batched"].median


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="for each cell")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--copies", type=int, nargs="+", default=[4, 8, 16])
    options = parser.parse_args()
    torch.manual_seed(0)
    columns = [(threads, copies) for threads in options.threads for copies in options.copies]
    print("| model | parameters |", *(f"{c} copies, {t} thread{'s' * (t > 1)} |" for t, c in columns))
    print("| --- | --- |", *("--- |" for _ in columns))
    for name, (make, shape) in MODELS.items():
        cells = []
        for threads, copies in columns:
            torch.set_num_threads(threads)
            cells.append(f"{ratio(make, shape, copies, options.seconds):.2f}x |")
        print(f"| {name} | {sum(p.numel() for p in make().parameters()):,} |", *cells, flush=True)


if __name__ == "__main__":
    main()
