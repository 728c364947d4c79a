"""What the tools record, as plain data: a point of a curve, a run, a candidate, the conditions, a row of the ranking.

All of it survives `to_dict`, JSON and `from_dict` unchanged, numbers that are not finite included: results are written
while they are made, and read again to resume, to show and to draw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

Origin = Literal["grid", "extension", "refinement", "default"]
"""Why a rate was tried: in the first grid, beyond its edge, between its points, or as the optimizer's own default."""

Status = Literal["finished", "stopped", "diverged", "failed", "unfinished"]
"""finished: trained to the last rung. stopped: not among the best of a rung. diverged: the loss was not finite, or rose
above its start. failed: something raised. unfinished: time or the user ended it."""


@dataclass(frozen=True)
class Point:
    """A loss at a time.

    Attributes:
        step: evaluations of loss and gradient until then; L-BFGS makes several in a call of step().
        seconds: of training until then; what measuring took is not counted.
        loss: of the batch before its update on a training curve, of the held-out data in evaluations.
        metric: the user's own measure; None on training curves, and where there is no metric.
    """

    step: int
    seconds: float
    loss: float
    metric: float | None = None


@dataclass(frozen=True)
class Run:
    """One optimizer at one learning rate from one seed.

    Attributes:
        optimizer: the candidate's label.
        lr: the learning rate.
        seed: counted from 0: initial weights (where the model is made anew), order of the data, dropout.
        origin: why this rate was tried.
        status: how it ended.
        rung: the last rung that it completed, counted from 0; -1 for none.
        steps: evaluations of loss and gradient.
        loss: what runs are ranked by, at the end of that rung: the mean over its last tenth. inf if it diverged, nan if
            it failed or has completed no rung.
        rung_losses: the same at the end of every rung that it completed.
        metric: the user's own measure at that end; None without one.
        seconds: of training, what measuring took not counted.
        curve: the training loss, at most 200 points.
        evaluations: the loss on held-out data; empty if there are none.
        message: of the exception, or where and how it diverged; empty otherwise.
    """

    optimizer: str
    lr: float
    seed: int
    origin: Origin = "grid"
    status: Status = "finished"
    rung: int = -1
    steps: int = 0
    loss: float = math.nan
    rung_losses: tuple[float, ...] = ()
    metric: float | None = None
    seconds: float = 0.0
    curve: tuple[Point, ...] = ()
    evaluations: tuple[Point, ...] = ()
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain values that JSON can hold; points are lists."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["rung_losses"] = list(self.rung_losses)
        for name in ("curve", "evaluations"):
            values[name] = [[p.step, p.seconds, p.loss, p.metric] for p in values[name]]
        return _spelled(values)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Run:
        """The run that `to_dict` was called on."""
        read = _read(values)
        points = {name: tuple(Point(*point) for point in read[name]) for name in ("curve", "evaluations")}
        return Run(**{**read, **points, "rung_losses": tuple(read["rung_losses"])})


@dataclass(frozen=True)
class Candidate:
    """An optimizer that takes part, as data.

    Attributes:
        label: what tables call it, unique in a comparison: `SGD momentum=0.9`.
        line: the line that builds it, with `{lr}` for the learning rate: what a user pastes.
        default_lr: the constructor's own default; None if it has none.
        table_lr: where the quick-reference table says to start; None if it is not in the table.
        suggested_lr: what the range test suggested; None if it gave no answer or was not made.
    """

    label: str
    line: str
    default_lr: float | None = None
    table_lr: float | None = None
    suggested_lr: float | None = None

    def constructor(self, lr: float) -> str:
        """The line with a learning rate in it, as short as the number is exact."""
        return self.line.replace("{lr}", spell(lr))


@dataclass(frozen=True)
class Conditions:
    """What was trained, and how.

    Attributes:
        name: `demo:digits`, `train.py:setup`, or the model's class.
        title: one line about it; may be empty.
        parameters: elements of all parameters.
        batch: examples in the first batch; None if there is no loader.
        device: of the model: `cpu`, `cuda:0`.
        threads: of torch.
        rungs: steps at the end of each rung, increasing; the last is a full run.
        seeds: how many seeds the last rung has.
        seed: what they are derived from.
        objective: `val loss` or `train loss`: what runs are ranked by.
        metric: the metric's name; empty without one.
        goal: the loss whose first reaching is timed; None without one.
        schedule: of the learning rate: `constant`, `linear`, `cosine`.
        stacked: by candidate label, whether copies were trained in one batched run, and why: `no: the loop is faster`.
        cuts: what was left out to stay within the time, a line each.
        versions: of descend, torch and Python.
    """

    name: str
    title: str
    parameters: int
    batch: int | None
    device: str
    threads: int
    rungs: tuple[int, ...]
    seeds: int
    seed: int
    objective: str
    metric: str = ""
    goal: float | None = None
    schedule: str = "constant"
    stacked: Mapping[str, str] = field(default_factory=dict)
    cuts: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Of a full run."""
        return self.rungs[-1]


@dataclass(frozen=True)
class Entry:
    """A row of the ranking: one optimizer at the best rate found for it.

    Attributes:
        rank: from 1; tied rows share it.
        tied: whether another row shares it.
        label: the candidate's.
        lr: the best learning rate.
        loss: at the end of a full run, mean over seeds; inf if every rate diverged.
        sd: standard deviation over seeds; nan with one seed.
        metric: mean over seeds; None without a metric.
        default: (rate, loss) of the constructor's own default; None if it was not tried or there is none.
        table: (rate, loss) of the quick-reference table's rate; None as above.
        window: (lowest, highest) tried rate around the best whose loss is within max(10 %, 2 sd) of it.
        window_open: whether the window may reach beyond: (downwards, upwards).
        sensitivity: mean over the rates within one decade of the best of min(loss, loss at the start) - best loss, as
            in arXiv:2309.14322; nan if nothing else was tried there.
        ms_per_step: milliseconds an evaluation of loss and gradient with its share of the update.
        goal_steps: steps to the goal, mean over seeds; None if there is no goal or it was not reached by all.
        goal_seconds: the same in seconds of training.
        by_lr: (rate, loss, rung) of every rate tried, increasing: mean over the seeds of the last rung it reached; inf
            where it diverged, nan where it failed.
        drift: best rate at the end of each rung, for the first seed.
        notes: what a user should know: `window is one grid point`, `best rate at 10 % of the steps was 3.2x larger`.
    """

    rank: int
    tied: bool
    label: str
    lr: float
    loss: float
    sd: float
    metric: float | None
    default: tuple[float, float] | None
    table: tuple[float, float] | None
    window: tuple[float, float]
    window_open: tuple[bool, bool]
    sensitivity: float
    ms_per_step: float
    goal_steps: float | None
    goal_seconds: float | None
    by_lr: tuple[tuple[float, float, int], ...]
    drift: tuple[float, ...]
    notes: tuple[str, ...] = ()

    @property
    def decades(self) -> float:
        """The width of the window."""
        return math.log10(self.window[1] / self.window[0])


def to_plain(record: Candidate | Conditions | Entry) -> dict[str, Any]:
    """A record as plain values that JSON can hold."""
    return _spelled(asdict(record))


def candidate_from(values: Mapping[str, Any]) -> Candidate:
    """The candidate that `to_plain` was called on."""
    return Candidate(**_read(values))


def conditions_from(values: Mapping[str, Any]) -> Conditions:
    """The conditions that `to_plain` was called on."""
    read = _read(values)
    return Conditions(**{**read, "rungs": tuple(read["rungs"]), "cuts": tuple(read["cuts"])})


def spell(number: float) -> str:
    """A learning rate as one would type it: 0.1, 0.003, 3e-05; at most three digits."""
    return f"{number:.3g}"


_WORDS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def _spelled(value: Any) -> Any:
    """JSON has no inf and nan: they become words."""
    if isinstance(value, Mapping):
        return {key: _spelled(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_spelled(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


_TEXT = {"label", "line", "message", "optimizer", "name", "title", "origin", "status", "device", "objective"}
_TEXT |= {"metric", "schedule", "stacked", "cuts", "versions"}


def _read(values: Mapping[str, Any]) -> dict[str, Any]:
    """The words back to numbers; a field of text is left alone, whatever it says (a metric is a number in a run)."""
    return {
        key: value if key in _TEXT and not (key == "metric" and "lr" in values) else _numbers(value)
        for key, value in values.items()
    }


def _numbers(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return _WORDS.get(value, value) if isinstance(value, str) else value
