"""Watching a training as it runs: `watch`, and what it says."""

from __future__ import annotations

import math
import time
from os import PathLike
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import nn

from ..command_line import unwritable
from .records import Advice, Check, Group
from .watcher import Watch
from .writing import Journal, Progress, TensorBoard, show_on

__all__ = ["watch", "Watch", "Check", "Group", "Advice"]


def watch(
    optimizer: torch.optim.Optimizer,
    model: nn.Module | None = None,
    *,
    every: int = 20,
    budget: float | None = 0.005,
    out: str | PathLike[str] | None = None,
    tensorboard: Any = None,
    progress: Progress | None = "auto",
    stream: TextIO | None = None,
    name: str = "",
) -> Watch:
    """Watch a training: what each step does to the weights, and which knob to turn if it goes wrong.

    Hooks on `optimizer.step()` look at every `every`-th step; the loop stays as it is, and so do parameters, gradients,
    state and random numbers. Works with any optimizer that derives from torch.optim.Optimizer.

    Args:
        optimizer: any; with stats=True, descend's own tell their statistics and nothing is computed twice.
        model: names the parameters in messages; needed by `Watch.check`.
        every: steps between two checks, at least 1.
        budget: the share of the time that checks may take, above 0, once fifty have been made: where steps are so short
            that a check at every `every`-th would take more, some are left out. None: no limit.
        out: a JSONL file to write, which `descend watch FILE` follows in another terminal.
        tensorboard: a directory, or a SummaryWriter (anything with `add_scalar`).
        progress: "line": a status line that is overwritten in place; "lines": a plain line every ten seconds; "none"
            or None: nothing; "auto": the first on a terminal, the second elsewhere. Advice is printed once, in yellow
            on a terminal unless NO_COLOR is set.
        stream: where to; None: stderr.
        name: written before the status line, to tell several watches apart.

    Returns:
        A context manager that ends watching when it is left; or call its `close()`.

    Raises:
        TypeError: the optimizer or the model is none.
        ValueError: `every`, `budget` or `progress` is not allowed, or `out` cannot be written.
        MissingExtra: `tensorboard` is a directory, and tensorboard is not installed.

    Example:
        >>> import torch, descend
        >>> from descend import tools
        >>> model = torch.nn.Linear(3, 1)
        >>> optimizer = descend.SGD(model.parameters(), lr=0.1)
        >>> with tools.watch(optimizer, model, every=1, budget=None, progress="none") as w:
        ...     for _ in range(2):
        ...         loss = model(torch.ones(4, 3)).square().mean()
        ...         optimizer.zero_grad(); loss.backward()
        ...         w.loss(loss)
        ...         optimizer.step()
        >>> [check.step for check in w.history], w.advice
        ([1, 2], [])
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(f"optimizer must be a torch.optim.Optimizer, got {type(optimizer).__name__}")
    if model is not None and not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module or None, got {type(model).__name__}")
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise ValueError(f"every must be a whole number >= 1, got {every!r}")
    if budget is not None and not budget > 0:
        raise ValueError(f"budget must be a share of the time above 0, or None, got {budget!r}")
    progress = "none" if progress is None else progress
    if progress not in ("auto", "line", "lines", "none"):
        raise ValueError(f"progress must be 'auto', 'line', 'lines' or 'none', got {progress!r}")
    if out is not None and (reason := unwritable(Path(out))):
        raise ValueError(f"out: {reason}")
    sinks: list[Any] = []
    if tensorboard is not None:
        sinks.append(TensorBoard(tensorboard, name))
    if out is not None:
        header = {
            "version": 1,
            "name": name,
            "optimizer": type(optimizer).__name__,
            "every": every,
            "groups": len(optimizer.param_groups),
            "started": time.strftime("%Y-%m-%dT%H:%M:%S"),
        }
        sinks.append(Journal(Path(out), header))
    display = show_on(stream, name, progress)
    if display is not None:
        sinks.append(display)
    return Watch(
        optimizer, model, every, math.inf if budget is None else budget, name or type(optimizer).__name__, sinks
    )
