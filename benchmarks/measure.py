"""What the benchmarks share: interleaved rounds and medians, a description of the machine, Markdown tables.

Contenders take turns, round by round, so that a change of the machine's clock or load meets all of them. A round is a
batch of calls long enough for the timer (a step of a small model takes microseconds); medians over rounds are reported.
"""

import argparse
import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

ROUND_SECONDS = 2e-3  # a round takes at least this long (or one call), a thousand times what reading the timer costs
MIN_ROUNDS = 5
WARM_UP_CALLS = 3


@dataclass(frozen=True)
class Timing:
    """Seconds per call of one contender: the median over rounds, the quartiles, and how it was measured."""

    median: float
    lower: float
    upper: float
    rounds: int
    calls_per_round: int


def _round(call: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls


def interleave(
    contenders: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    max_seconds: float,
    round_seconds: float = ROUND_SECONDS,
    before_round: Mapping[str, Callable[[], object]] | None = None,
) -> dict[str, Timing]:
    """Times every contender in turn, `rounds` times or until `max_seconds` have passed (but at least five times).

    Args:
        contenders: for each name the call to time.
        rounds: how many rounds at most.
        max_seconds: start no further round after this long, warm-up not counted.
        round_seconds: each contender's batch of calls is sized so that a round takes at least this long.
        before_round: for each name something to do before its round, not timed.
    """
    prepare = before_round or {}
    calls = {}
    for name, call in contenders.items():
        _round(call, WARM_UP_CALLS)
        calls[name] = 1
        while (took := _round(call, calls[name]) * calls[name]) < round_seconds:
            calls[name] = max(calls[name] + 1, min(calls[name] * 10, int(calls[name] * 1.2 * round_seconds / took)))
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    gc.collect()
    gc.disable()
    try:
        end = time.perf_counter() + max_seconds
        for done in range(rounds):
            if done >= MIN_ROUNDS and time.perf_counter() > end:
                break
            for name, call in contenders.items():
                if name in prepare:
                    prepare[name]()
                samples[name].append(_round(call, calls[name]))
    finally:
        gc.enable()
    timings = {}
    for name, seconds in samples.items():
        lower, median, upper = statistics.quantiles(seconds, n=4, method="inclusive")
        timings[name] = Timing(median, lower, upper, len(seconds), calls[name])
    return timings


def machine() -> dict[str, Any]:
    """The processor, the versions and the number of threads: what a result depends on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        **{package: version(package) for package in ("torch", "numba", "numpy")},
    }


def machine_line(info: Mapping[str, Any]) -> str:
    """One line of text from `machine()`, to stand under a table."""
    versions = ", ".join(f"{name} {info[name]}" for name in ("torch", "numba", "numpy"))
    cpu = f"{info['cpu']}, {info['threads']} of {info['cores']} cores"
    return f"{cpu}, Python {info['python']}, {versions}, {info['date']}"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up in plain text too; every column but the first two is right-aligned."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    left = [i < 2 for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [c.ljust(w) if lft else c.rjust(w) for c, w, lft in zip(cells, widths, left, strict=True)]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * w if lft else "-" * (w - 1) + ":" for w, lft in zip(widths, left, strict=True)]
    return "\n".join([line(header), f"| {' | '.join(rule)} |", *(line(row) for row in rows)])


def save(path: Path | None, text: str) -> None:
    """Writes a file that the user asked for, and its folder."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def save_json(path: Path | None, info: Mapping[str, Any], results: object) -> None:
    """Writes the machine and the results, if the user asked for them."""
    save(path, json.dumps({"machine": info, "results": results}, indent=2) + "\n")


def names_from(known: Mapping[str, object]) -> Callable[[str], list[str]]:
    """For argparse's `type=`: a parser of comma-separated names out of a table."""

    def names(text: str) -> list[str]:
        chosen = text.split(",")
        unknown = [name for name in chosen if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
        return chosen

    return names


def format_seconds(seconds: float) -> str:
    """Three digits and a unit: 3.21 us, 45.6 ms."""
    for unit, scale in (("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 999.5:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s"
