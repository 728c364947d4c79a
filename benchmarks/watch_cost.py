"""What `tools.watch` costs: a whole training step (forward, backward, optimizer) with it and without it.

Two models train the same data side by side, one of them watched, in paired rounds of 200 steps.
The order within a pair alternates, so that a change of the machine's clock or load meets both; the ratio is taken in
each pair, and its median over the pairs is reported. The clock is that of the process, so
that other programs on the machine do not count. The status line goes to the null device, as output that is piped.

    python benchmarks/watch_cost.py --every 20 --pairs 100
"""

import argparse
import gc
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch
from measure import format_seconds, machine, machine_line, markdown_table, names_from, save_json
from torch import nn

import descend
from descend import tools

MODELS = {
    "26k": ([64, 128, 128, 10], 64),  # widths, batch: the MLP of demo:digits
    "1.3M": ([256, 1024, 1024, 10], 64),
}
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "descend.AdamW": lambda params: descend.AdamW(params, lr=1e-5),
    "descend.AdamW, stats": lambda params: descend.AdamW(params, lr=1e-5, stats=True),
    "torch.optim.AdamW": lambda params: torch.optim.AdamW(params, lr=1e-5),
}
ROUND = 200  # steps


def mlp(widths: list[int]) -> nn.Sequential:
    """Linear layers with ReLU between; the same weights every time."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def rounds_of(model: nn.Module, optimizer: torch.optim.Optimizer, data: Any, told: Any) -> Callable[[], float]:
    """A function that trains for a round and returns the seconds of a step."""
    x, y = data
    loss_fn = nn.CrossEntropyLoss()

    def trained() -> float:
        start = time.process_time()
        for _ in range(ROUND):
            loss = loss_fn(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            if told is not None:
                told(loss)
            optimizer.step()
        return (time.process_time() - start) / ROUND

    return trained


def measured(widths: list[int], batch: int, maker: Callable[..., Any], every: int, pairs: int) -> dict[str, Any]:
    """Seconds of a step without and with watching, and the ratio."""
    torch.manual_seed(1)
    data = torch.randn(batch, widths[0]), torch.randint(widths[-1], (batch,))
    with ExitStack() as stack:
        stream = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
        ways: list[Callable[[], float]] = []
        for watched in (False, True):
            model = mlp(widths)
            optimizer = maker(model.parameters())
            told = None
            if watched:
                watching = stack.enter_context(tools.watch(optimizer, model, every=every, stream=stream))
                told = watching.loss
            ways.append(rounds_of(model, optimizer, data, told))
        for _ in range(every * 55 // ROUND + 1):  # past the first fifty checks, which are always made
            for way in ways:
                way()
        gc.collect()
        gc.disable()
        seconds: tuple[list[float], list[float]] = [], []
        for pair in range(pairs):
            for k in (0, 1) if pair % 2 else (1, 0):
                start = time.perf_counter()
                seconds[k].append(ways[k]())
                if k == 0:  # while the other trains, time does not count for the budget
                    watching._counted_from += time.perf_counter() - start
        gc.enable()
    plain, watched_seconds = seconds
    ratios = [b / a for a, b in zip(plain, watched_seconds, strict=True)]
    low, middle, high = quantiles(ratios, n=4)
    extra = median(b - a for a, b in zip(plain, watched_seconds, strict=True))
    return {"plain": median(plain), "extra": extra, "ratio": middle, "low": low, "high": high}


def main() -> None:
    """Reads the command line, measures, prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=names_from(MODELS), default=list(MODELS), help="default: both")
    parser.add_argument("--every", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="save results with the machine they are from")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    results, rows = [], []
    for name in args.models:
        widths, batch = MODELS[name]
        for label, maker in OPTIMIZERS.items():
            result = measured(widths, batch, maker, args.every, args.pairs)
            results.append({"model": name, "optimizer": label, "every": args.every, **result})
            rows.append(
                [
                    name,
                    label,
                    format_seconds(result["plain"]),
                    format_seconds(max(0.0, result["extra"])),
                    f"{result['ratio']:.3f}",
                    f"{result['low']:.3f} to {result['high']:.3f}",
                ]
            )
    header = ["model", "optimizer", "step", "watching adds", "ratio", "quartiles"]
    print(markdown_table(header, rows))
    print("\n" + machine_line(machine()))
    save_json(args.json, machine(), results)


if __name__ == "__main__":
    main()
