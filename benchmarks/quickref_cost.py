"""Cost of a step of every optimizer in the quick reference, as a multiple of SGD's with momentum.

Each optimizer takes steps of a 784-512-512-10 MLP's parameters (669,706 elements) with the options of the table, in
rounds that alternate. Muon updates the matrices and AdamW the biases beside it. L-BFGS evaluates a
closure: the time of that is taken off, and the rest divided by the number of evaluations, with a full history.
SparseAdam is compared with SGD on the sparse gradient of an embedding: 1,024 of 100,000 rows of 64. For scale, one
forward and backward pass of the MLP at batch 64 is timed as well.

    python benchmarks/quickref_cost.py            prints the table
    python benchmarks/quickref_cost.py --write    writes the numbers that the quick reference shows, too
"""

import argparse
import json
import math
import statistics
from collections.abc import Callable
from time import perf_counter

import torch
from measure import format_seconds, interleave, machine, machine_line, markdown_table
from step_time import SHAPES
from torch import nn

import descend
from descend.tools import quickref

ROWS, LOOKED_UP, WIDTH = 100_000, 1_024, 64
CALLS, MOST_CALLS = 5, 20  # of L-BFGS, with a full history and in all; a call makes 20 iterations


def dense_step(reference: quickref.Reference) -> Callable[[], object]:
    """A step of the MLP's parameters, gradients being there."""
    params = [nn.Parameter(0.05 * torch.randn(shape)) for shape in SHAPES["mlp"]()]
    for p in params:
        p.grad = 0.01 * torch.randn_like(p)
    own = [p for p in params if p.dim() == 2] if reference.name == "muon" else params
    optimizers = [reference.optimizer(own, lr=1e-5, **reference.options)]  # type: ignore[call-arg]
    if len(own) < len(params):
        optimizers.append(descend.AdamW([p for p in params if p.dim() != 2], lr=1e-5))

    def step() -> None:
        for optimizer in optimizers:
            optimizer.step()

    return step


def sparse_step(optimizer: type[torch.optim.Optimizer]) -> Callable[[], object]:
    """A step of an embedding of which a batch has looked up some rows."""
    table = nn.Embedding(ROWS, WIDTH, sparse=True)
    table(torch.randperm(ROWS)[:LOOKED_UP]).sum().backward()
    return optimizer(table.parameters(), lr=1e-5).step  # type: ignore[call-arg]


def training_pass() -> Callable[[], object]:
    """Loss and gradient of the MLP at batch 64."""
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    inputs, targets = torch.randn(64, 784), torch.randint(10, (64,))

    def evaluate() -> None:
        model.zero_grad()
        nn.functional.cross_entropy(model(inputs), targets).backward()

    return evaluate


def lbfgs_seconds() -> float:
    """Seconds of L-BFGS itself for an evaluation, with a full history of a vector as long as the MLP's parameters.

    What is minimised does not matter to them, as long as it takes more iterations than the history has pairs: the
    chained Rosenbrock function takes thousands.
    """
    x = nn.Parameter(torch.full((sum(math.prod(shape) for shape in SHAPES["mlp"]()),), -1.0))
    reference = quickref.TABLE["lbfgs"]
    optimizer = descend.LBFGS([x], lr=1.0, tolerance_grad=0, tolerance_change=0, **dict(reference.options))
    inside, evaluations = 0.0, 0

    def closure() -> torch.Tensor:
        nonlocal inside, evaluations
        start = perf_counter()
        optimizer.zero_grad()
        loss = (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).mean()
        loss.backward()
        inside += perf_counter() - start
        evaluations += 1
        return loss

    samples = []
    for _ in range(MOST_CALLS):
        inside, evaluations = 0.0, 0
        start = perf_counter()
        optimizer.step(closure)
        took = perf_counter() - start
        assert optimizer.result is not None
        if optimizer.result.pairs == optimizer.param_groups[0]["history_size"]:
            samples.append((took - inside) / evaluations)
        if len(samples) == CALLS:
            return statistics.median(samples)
    raise RuntimeError(f"L-BFGS stopped before its history was full: {optimizer.result}")


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {quickref.COST_FILE.name}")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    apart = {"sparseadam", "lbfgs"}
    calls = {name: dense_step(entry) for name, entry in quickref.TABLE.items() if name not in apart}
    calls |= {"forward and backward": training_pass()}
    dense = interleave(calls, rounds=arguments.rounds, max_seconds=60)
    sparse = interleave(
        {"sgd": sparse_step(descend.SGD), "sparseadam": sparse_step(descend.SparseAdam)},
        rounds=arguments.rounds,
        max_seconds=20,
    )
    seconds = {name: timing.median for name, timing in dense.items()} | {"lbfgs": lbfgs_seconds()}
    relative = {name: took / seconds["sgd"] for name, took in seconds.items()}
    relative["sparseadam"] = sparse["sparseadam"].median / sparse["sgd"].median
    seconds["sparseadam"] = sparse["sparseadam"].median

    info = machine()
    rows = [[n, quickref.TABLE[n].cls if n in quickref.TABLE else "", format_seconds(seconds[n]), f"{relative[n]:.2f}x"]
            for n in [*quickref.TABLE, "forward and backward"]]  # fmt: skip
    print(markdown_table(["optimizer", "class", "step", "of SGD's"], rows))
    print(f"\n{machine_line(info)}")
    if arguments.write:
        rounded = {name: float(f"{value:.3g}") for name, value in relative.items()}
        found = {
            "model": rounded.pop("forward and backward"),
            "relative": {name: rounded[name] for name in quickref.TABLE},
            "machine": machine_line(info),
        }
        quickref.COST_FILE.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
