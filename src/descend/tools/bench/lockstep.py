"""`twins`: train one model with several optimizers from the same start, each beside its twin from torch.optim.

Both twins train in lockstep, one step of the one and one step of the other in alternating order, with only
`optimizer.step()` on the clock. So the two times come from the same seconds of the same machine and from the steps a
user's own loop would make, after a real backward pass.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import dist
from os import PathLike
from statistics import median
from time import perf_counter_ns
from typing import Any

import torch

import descend

from .. import plots, report
from ..demos import DEMOS, UnknownDemo
from .base import Setting, Task, Workload, use_threads
from .training import Stopwatch, take_turns, train, train_with_closure


@dataclass(frozen=True)
class Row:
    """What one optimizer setting did.

    Attributes:
        label: `SGD 0.01 momentum 0.9`.
        optimizer: the class's name.
        options: the keyword arguments it was built with.
        engine: the engine that ran its parameters, as `optimizer.explain()` names it.
        curves: one value per epoch, by name: `loss` is the mean training loss as the loop sees it, each batch before
            its update; the others are the workload's measures after the epoch.
        distance: Euclidean distance of the final values to the known solution; None where none is known.
        max_difference: the largest absolute difference of any parameter to the model torch.optim trained.
        step_us: median time of `optimizer.step()` in microseconds.
        torch_step_us: the same for torch.optim with its default settings.
    """

    label: str
    optimizer: str
    options: Mapping[str, Any]
    engine: str
    curves: Mapping[str, tuple[float, ...]]
    distance: float | None
    max_difference: float
    step_us: float
    torch_step_us: float

    @property
    def final(self) -> dict[str, float]:
        """The last value of every curve."""
        return {name: values[-1] for name, values in self.curves.items()}

    @property
    def ratio(self) -> float:
        """How many times faster the step is than torch.optim's."""
        return self.torch_step_us / self.step_us


@dataclass(frozen=True)
class Twins:
    """The result of `twins`; `print` shows it as tables.

    Attributes:
        workload: the workload that was run.
        seed: of the initial weights and of the order of the batches.
        epochs: how long each setting trained.
        start: the workload's measures at the common start.
        reference: their values at the known solution; empty where none is known.
        rows: one per setting, in the workload's order.
        environment: versions and the number of threads.
    """

    workload: Workload
    seed: int
    epochs: int
    start: Mapping[str, float]
    reference: Mapping[str, float]
    rows: tuple[Row, ...]
    environment: Mapping[str, Any]

    @property
    def report_epochs(self) -> tuple[int, ...]:
        """The epochs (counted from 1) whose values the tables show."""
        reports = self.workload.reports
        return tuple(sorted({max(1, self.epochs * k // reports) for k in range(1, reports + 1)}))

    def tables(self) -> tuple[report.Table, ...]:
        """The result as tables of text."""
        return self.workload.tables(self)

    def heading(self) -> str:
        """Three lines: what was trained, how, and with which versions."""
        versions = self.environment
        engines = ", ".join(sorted({row.engine for row in self.rows}))
        threads = "1 thread" if versions["threads"] == 1 else f"{versions['threads']} threads"
        return (
            f"{self.workload.name}: {self.workload.title}\n"
            f"{self.epochs} epochs, seed {self.seed}, engine {engines}, {threads}\n"
            f"descend {versions['descend']}, torch {versions['torch']}, Python {versions['python']}"
        )

    def __str__(self) -> str:
        return report.plain(self.heading(), self.tables())

    def to_dict(self) -> dict[str, Any]:
        """The result as plain values; a number that is not finite becomes None, which JSON can hold."""
        return report.finite(
            {
                "workload": self.workload.name,
                "title": self.workload.title,
                "seed": self.seed,
                "epochs": self.epochs,
                "report_epochs": list(self.report_epochs),
                "start": dict(self.start),
                "reference": dict(self.reference),
                "environment": dict(self.environment),
                "rows": [
                    {
                        "label": row.label,
                        "optimizer": row.optimizer,
                        "options": dict(row.options),
                        "engine": row.engine,
                        "final": row.final,
                        "distance": row.distance,
                        "max_difference": row.max_difference,
                        "step_us": row.step_us,
                        "torch_step_us": row.torch_step_us,
                        "ratio": row.ratio,
                        "curves": {name: list(values) for name, values in row.curves.items()},
                    }
                    for row in self.rows
                ],
            }
        )

    def to_json(self, indent: int | None = 2) -> str:
        """The result as JSON text."""
        return report.json_text(self.to_dict(), indent)

    def plot(self, file: str | PathLike[str]) -> None:
        """Draw the workload's picture into `file`; its suffix (.png, .svg, .pdf) chooses the format.

        Raises:
            MissingExtra: matplotlib is not installed.
            ValueError: matplotlib cannot write that format.
        """
        with plots.style():
            figure = plots.new_figure()
            self.workload.draw(self, figure)
            plots.save(figure, file)


class Run:
    """One model, one optimizer, and what they leave behind: the curves and the time of each step."""

    def __init__(self, namespace: Any, setting: Setting, task: Task, epochs: int) -> None:
        self.task = task
        self.optimizer = getattr(namespace, setting.optimizer)(task.model.parameters(), **setting.options)
        self.stopwatch = Stopwatch(self.optimizer)
        self.curves: dict[str, list[float]] = {}
        if setting.closure_epochs is None:
            self.steps = train(task, self.stopwatch, epochs, self._record)
        else:
            self.steps = train_with_closure(task, self.stopwatch, epochs, setting.closure_epochs, self._record)

    def _record(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.curves.setdefault(name, []).append(value)

    @property
    def engine(self) -> str:
        """`cpu`, `eager`, or both joined by a plus; descend's optimizers only."""
        engines: Mapping[str, Any] = self.optimizer.explain(quiet=True).engines
        return "+".join(name for name, tensors in engines.items() if tensors)


def run_setting(workload: Workload, setting: Setting, seed: int, epochs: int) -> Row:
    """Train one setting and its torch.optim twin in lockstep, then again for the clock where that is asked for."""
    pairs = []
    for _ in range(1 + workload.timing_runs):
        pair = [Run(namespace, setting, workload.setup(seed), epochs) for namespace in (descend, torch.optim)]
        take_turns(*(run.steps for run in pair))
        pairs.append(pair)
    # The first step of a process may compile a kernel; a median over hundreds of steps does not see it.
    step_us, torch_step_us = (
        median(time for run in runs for time in run.stopwatch.nanoseconds) / 1e3 for runs in zip(*pairs, strict=True)
    )
    ours, theirs = pairs[0]
    reference = ours.task.reference
    twins = zip(ours.task.model.parameters(), theirs.task.model.parameters(), strict=True)
    return Row(
        label=setting.label,
        optimizer=setting.optimizer,
        options=dict(setting.options),
        engine=ours.engine,
        curves={name: tuple(values) for name, values in ours.curves.items()},
        distance=dist([ours.curves[name][-1] for name in reference], reference.values()) if reference else None,
        max_difference=max((p.detach() - q.detach()).abs().max().item() for p, q in twins),
        step_us=step_us,
        torch_step_us=torch_step_us,
    )


def workloads() -> dict[str, Workload]:
    """What twins can be trained on, by the name of the demo."""
    from . import digits, line, logistic  # here, because they show results of this module

    return {workload.name: workload for workload in (line.LINE, digits.DIGITS, logistic.LOGISTIC)}


def find(name: str) -> Workload:
    """The workload called `name`, for example `"demo:line"`.

    Raises:
        UnknownDemo: there is none of that name.
    """
    known = workloads()
    if name not in known:
        raise UnknownDemo(name, {demo: DEMOS[demo] for demo in known})
    return known[name]


def twins(
    workload: str | Workload = "demo:line",
    *,
    seed: int = 0,
    epochs: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Twins:
    """Train a demo with each of its optimizer settings, from the same start, beside torch.optim.

    Args:
        workload: `"demo:line"`, `"demo:digits"`, `"demo:logistic"`, or a `Workload`.
        seed: of the initial weights and of the order of the batches.
        epochs: how long to train each; the workload's own number by default.
        progress: called with one line of text as each setting ends.

    Returns:
        The result: `print(result)`, `result.rows`, `result.to_json()`, `result.plot("file.png")`.

    Raises:
        UnknownDemo: no demo has that name, or none that twins are trained on.
        MissingExtra: the demo's data come from a library that is not installed.
        ValueError: `epochs` is less than 1, or `seed` is not in 0 .. 2**32 - 1.

    Example:
        >>> result = twins("demo:line")
        >>> round(result.rows[0].final["w"], 4)
        0.2788
    """
    chosen = find(workload) if isinstance(workload, str) else workload
    epochs = chosen.epochs if epochs is None else epochs
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be in 0 .. 2**32 - 1, got {seed}")
    with use_threads(chosen.threads):
        task = chosen.setup(seed)
        rows = []
        for number, setting in enumerate(chosen.settings, start=1):
            start = perf_counter_ns()
            rows.append(run_setting(chosen, setting, seed, epochs))
            if progress is not None:
                seconds, loss = (perf_counter_ns() - start) / 1e9, rows[-1].final["loss"]
                progress(f"[{number}/{len(chosen.settings)}] {setting.label}: loss {loss:.4g}, {seconds:.1f} s")
        return Twins(
            workload=chosen,
            seed=seed,
            epochs=epochs,
            start=task.measure(task.model),
            reference=task.reference,
            rows=tuple(rows),
            environment={
                "descend": descend.__version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
                "threads": torch.get_num_threads(),
            },
        )
