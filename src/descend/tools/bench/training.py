"""The training loops of the twins: one step per batch, or `step(closure)` for optimizers that evaluate the model.

Both pause after each step, so that two optimizers can take turns, and both have only the optimizer on the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from time import perf_counter_ns

import torch

from .base import Task

Record = Callable[[Mapping[str, float]], None]
"""Called once per epoch with the training loss and the task's measures."""


class Stopwatch:
    """An optimizer with its `step()` on the clock; the time that a closure takes is not the optimizer's."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self.nanoseconds: list[int] = []

    def zero_grad(self) -> None:
        """Off the clock."""
        self.optimizer.zero_grad()

    def step(self) -> None:
        """On the clock."""
        start = perf_counter_ns()
        self.optimizer.step()
        self.nanoseconds.append(perf_counter_ns() - start)

    def step_with(self, closure: Callable[[], torch.Tensor]) -> None:
        """`step(closure)` on the clock, and each evaluation of the closure off it."""
        evaluating = 0

        def clocked() -> torch.Tensor:
            nonlocal evaluating
            begin = perf_counter_ns()
            loss = closure()
            evaluating += perf_counter_ns() - begin
            return loss

        start = perf_counter_ns()
        self.optimizer.step(clocked)  # type: ignore[arg-type]  # torch's annotation says float, its docs a tensor
        self.nanoseconds.append(perf_counter_ns() - start - evaluating)


def train(task: Task, stopwatch: Stopwatch, epochs: int, record: Record) -> Iterator[None]:
    """The loop of every optimizer that takes a step per batch.

    Args:
        task: its model is trained in place.
        stopwatch: around the optimizer.
        epochs: how many.
        record: called after each epoch; its `loss` is the mean training loss, each batch before its update.
    """
    for epoch in range(1, epochs + 1):
        total, count = 0.0, 0
        for inputs, targets in task.batches(epoch):
            stopwatch.zero_grad()
            loss = task.loss_fn(task.model(inputs), targets)
            loss.backward()
            stopwatch.step()
            total += loss.item() * len(targets)
            count += len(targets)
            yield
        record({"loss": total / count, **task.measure(task.model)})


def train_with_closure(
    task: Task, stopwatch: Stopwatch, epochs: int, epochs_per_call: int, record: Record
) -> Iterator[None]:
    """The loop of an optimizer that is called with a closure; an evaluation on the whole batch counts as an epoch.

    A call that evaluates less often than `epochs_per_call` has stopped: the epochs it did not use repeat its last
    values. What one that evaluates more often does beyond them is not recorded.

    Args:
        task: its model is trained in place; an epoch of it has one batch.
        stopwatch: around the optimizer.
        epochs: how many are recorded.
        epochs_per_call: how many a call of `step(closure)` takes the place of.
        record: called for each epoch, as in `train`.
    """
    for first in range(1, epochs + 1, epochs_per_call):
        ((inputs, targets),) = task.batches(first)
        losses: list[float] = []
        measures: list[Mapping[str, float]] = []  # after each evaluation's step: at the next evaluation, or at the end

        def closure(
            inputs: torch.Tensor = inputs,
            targets: torch.Tensor = targets,
            losses: list[float] = losses,
            measures: list[Mapping[str, float]] = measures,
        ) -> torch.Tensor:
            if losses:
                measures.append(task.measure(task.model))
            stopwatch.zero_grad()
            loss = task.loss_fn(task.model(inputs), targets)
            loss.backward()
            losses.append(loss.item())
            return loss

        stopwatch.step_with(closure)
        measures.append(task.measure(task.model))
        for k in range(min(epochs_per_call, epochs - first + 1)):
            evaluation = min(k, len(losses) - 1)
            record({"loss": losses[evaluation], **measures[evaluation]})
        yield


def take_turns(*runs: Iterator[None]) -> None:
    """Advance every run by one step, in alternating order, until all have ended."""
    waiting = list(runs)
    while waiting:
        waiting = [run for run in waiting if next(run, waiting) is not waiting]
        waiting.reverse()
