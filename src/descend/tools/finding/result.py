"""What `find_lr` returns: a learning rate, how far it may be off, and everything that it was read from."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer

from ..contenders import as_list
from ..records import spell
from . import drawing
from .range_test import RangeTest
from .short_runs import ShortRun

Confidence = Literal["good", "order of magnitude", "no answer: run compare()"]


@dataclass(frozen=True)
class LearningRate:
    """A learning rate for one optimizer on one problem; printing it shows all of it.

    Attributes:
        label: of the optimizer.
        line: the line that builds it, with `{lr}` for the rate.
        lr: the learning rate, two digits; None if there is no answer.
        interval: between which rates the best one is expected; None if there is no answer, or only one rate to use.
        confidence: "good" where short runs at neighbouring rates were worse on both sides, "order of magnitude" where
            something speaks against relying on it, "no answer: run compare()" where nothing could be read.
        reason: why, in a sentence or two.
        suggestions: by name what each rule says: `probe` is the range tests' own answer; `valley`, `slide`, `min/10`,
            `steep` are fastai's rules, `lightning` and `torch-lr-finder` theirs, all on the first test; `prodigy` is
            that algorithm's estimate of Adam's rate. None where a rule has no answer.
        tests: the range tests; the first one covers the whole range, the others the part that matters.
        runs: the short runs at constant rates, in the order of their rates; empty where there were none.
        name: of the problem.
        title: a line about it; may be empty.
        parameters: elements of all parameters.
        batch: examples in a batch; None without a loader.
        device: of the model.
        threads: of torch.
        steps: of each range test.
        check: steps of each short run; 0 for none.
        objective: what the short runs were compared by: "val loss" or "train loss".
        seed: the first one.
        seconds: that it took.
        versions: of descend, torch and Python.
        builder: builds the optimizer from parameters (or parameter groups) and a rate.
    """

    label: str
    line: str
    lr: float | None
    interval: tuple[float, float] | None
    confidence: Confidence
    reason: str
    suggestions: Mapping[str, float | None]
    tests: tuple[RangeTest, ...] = ()
    runs: tuple[ShortRun, ...] = ()
    name: str = ""
    title: str = ""
    parameters: int = 0
    batch: int | None = None
    device: str = "cpu"
    threads: int = 1
    steps: int = 0
    check: int = 0
    objective: str = "train loss"
    seed: int = 0
    seconds: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)
    builder: Callable[[Any, float], Any] | None = field(default=None, compare=False, repr=False)

    @property
    def constructor(self) -> str:
        """The line that builds the optimizer with this rate; empty if there is none."""
        return "" if self.lr is None else self.line.replace("{lr}", spell(self.lr))

    def build(self, params_or_model: Any) -> Any:
        """The optimizer with this learning rate.

        Args:
            params_or_model: parameters, parameter groups, or a module.

        Returns:
            An optimizer; a list of them where several share a model.

        Raises:
            ValueError: there is no rate to build it with.
        """
        if self.lr is None:
            raise ValueError(f"there is no learning rate to build {self.label} with: {self.reason}")
        if self.builder is None:
            raise ValueError("this result was read from a file and cannot build: paste its .constructor")
        params = params_or_model.parameters() if isinstance(params_or_model, nn.Module) else params_or_model
        built: list[Optimizer] = as_list(self.builder(list(params), self.lr), self.label)
        return built[0] if len(built) == 1 else built

    def table(self) -> str:
        """Everything as text: the answer, the curve, the other rules, the line to paste."""
        return drawing.text(self)

    def __str__(self) -> str:
        return self.table()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from ..notebook import learning_rate_html

        return learning_rate_html(self)

    def plot(self, file: str | PathLike | None = None, ax: Any = None) -> Any:
        """Draw the curves: training loss, probe, the suggestions, the zone of divergence.

        Args:
            file: save the figure there, too.
            ax: draw into these axes instead of new ones.

        Returns:
            The matplotlib Axes.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        from .. import pictures

        axes = pictures.range_test(self, ax=ax)
        if file is not None:
            axes.figure.savefig(file, bbox_inches="tight")
        return axes

    def to_dict(self) -> dict[str, Any]:
        """As plain values that JSON can hold: numbers that are not finite are words."""
        values = {key: value for key, value in asdict(_without_builder(self)).items() if key != "builder"}
        return {**_plain(values), "constructor": self.constructor}

    def to_json(self, file: str | PathLike | None = None) -> str:
        """Everything as JSON, which is returned, and written to a file if one is named."""
        text = json.dumps(self.to_dict(), indent=1)
        if file is not None:
            Path(file).write_text(text + "\n", encoding="utf-8")
        return text

    def to_csv(self, file: str | PathLike | None = None) -> str:
        """The curves as CSV, a row per step and per short run; returned, and written to a file if one is named.

        Columns: kind (`test` or `run`), number, lr, loss (of a step's batch before its update), probe_loss (after
        it). A run has its loss at the end, and no probe_loss.
        """
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("kind", "number", "lr", "loss", "probe_loss"))
        for number, test in enumerate(self.tests):
            writer.writerows(("test", number, *row) for row in zip(test.rates, test.losses, test.probe, strict=True))
        writer.writerows(("run", number, run.lr, run.loss, "") for number, run in enumerate(self.runs))
        if file is not None:
            Path(file).write_text(out.getvalue(), encoding="utf-8")
        return out.getvalue()


def _without_builder(found: LearningRate) -> LearningRate:
    """A copy that asdict can take apart: it would try to copy the optimizer that a builder holds."""
    values = {**vars(found), "builder": None, "suggestions": dict(found.suggestions), "versions": dict(found.versions)}
    return LearningRate(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value
