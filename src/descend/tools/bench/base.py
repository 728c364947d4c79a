"""What twins are trained on: a model, data and a loss, the optimizers to try, and how to show the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from ..report import Table
    from .lockstep import Twins

Batches = Callable[[int], Iterable[tuple[torch.Tensor, torch.Tensor]]]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw initial weights from `seed`, and leave the caller's random numbers as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


@contextmanager
def use_threads(number: int | None) -> Iterator[None]:
    """Let torch use so many threads, and afterwards as many as before; None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if number is None else number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Setting:
    """One optimizer with its options, by the name it has in descend and in torch.optim.

    Attributes:
        optimizer: the class's name, `"SGD"`.
        options: its keyword arguments, `{"lr": 0.01, "momentum": 0.9}`.
        closure_epochs: for an optimizer that evaluates the model itself: how many epochs one call of `step(closure)`
            takes the place of, an evaluation on the whole batch being an epoch. None for one step per batch.
        name: what tables call it; made of the options where there is none.
    """

    optimizer: str
    options: Mapping[str, Any]
    closure_epochs: int | None = None
    name: str = ""

    @property
    def label(self) -> str:
        """`SGD 0.01 momentum 0.9`: the learning rate by its value, every other option by name."""
        if self.name:
            return self.name
        rest = (f"{name} {value}" for name, value in self.options.items() if name != "lr")
        return " ".join([self.optimizer, f"{self.options['lr']:g}", *rest])


@dataclass(frozen=True)
class Task:
    """A model at its start, and what to train it on.

    Attributes:
        model: freshly initialised from the seed.
        loss_fn: called as `loss_fn(model(inputs), targets)`; the mean over the batch.
        batches: the batches of an epoch (1, 2, ...); the same ones each time it is asked for the same epoch.
        measure: what to record of the model after every epoch besides the training loss, by name.
        reference: the values of some of those names at the known solution; empty where none is known.
    """

    model: nn.Module
    loss_fn: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    batches: Batches
    measure: Callable[[nn.Module], dict[str, float]]
    reference: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Workload:
    """Everything that `twins` needs to know.

    Attributes:
        name: what the command line calls it, `"demo:line"`.
        title: one line about it.
        setup: the task from a seed; called once per run, so every optimizer starts from the same weights.
        settings: the optimizers to train beside their twins.
        epochs: how long to train.
        reports: at how many epochs, evenly spaced and ending with the last, the tables show a value.
        timing_runs: how many more times to train for the clock alone, where one training has few steps for a median.
        tables: the result as tables.
        draw: the result as a picture on an empty matplotlib figure.
        threads: how many threads torch may use meanwhile; None for as many as it does now.
    """

    name: str
    title: str
    setup: Callable[[int], Task]
    settings: tuple[Setting, ...]
    epochs: int
    reports: int
    timing_runs: int
    tables: Callable[[Twins], tuple[Table, ...]]
    draw: Callable[[Twins, Any], None]
    threads: int | None = None
