"""What watching a training records, as plain data: a group at a check, a check, an advice. All of it survives JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

GUIDE = "docs/watch.md"


@dataclass(frozen=True)
class Group:
    """One parameter group at a check; norms are Euclidean, over all parameters of the group that had a gradient.

    Attributes:
        lr: the learning rate; nan if the group has none.
        grad_norm: of the gradient as the optimizer was given it: before its own clipping, after unscaling.
        update_norm: of what the step added to the parameters, weight decay included.
        param_norm: of the parameters after the step.
        zero: share of gradient elements that are exactly zero.
        nonfinite: share of gradient elements that are NaN or infinite.
        cos: cosine between the update and the downhill direction (minus the gradient) at the next step: negative where
            the next step turns back. None if it is not known.
        elements: real numbers in those parameters.
        largest: (name, update over weight) of the weight that moved most, relative to its norm; biases and other
            vectors count only where there is nothing else.
        smallest: the same of the one that moved least.
        silent: names of parameters whose gradient is missing or zero throughout.
        lost: share of the elements with a gradient that the step left as they were; None unless they are stored in half
            precision, rounded to nearest.
    """

    lr: float
    grad_norm: float
    update_norm: float
    param_norm: float
    zero: float
    nonfinite: float
    cos: float | None
    elements: int
    largest: tuple[str, float]
    smallest: tuple[str, float]
    silent: tuple[str, ...] = ()
    lost: float | None = None

    @property
    def ratio(self) -> float:
        """Norm of the update over that of the parameters."""
        return over(self.update_norm, self.param_norm)


@dataclass(frozen=True)
class Check:
    """What was seen at one step.

    Attributes:
        step: calls of `optimizer.step()` until then, this one included.
        seconds: since watching began.
        loss: of this step; None if it was not told.
        z: how far the largest loss since the last check was above the median of the 50 before, in standard deviations
            (1.4826 times the median absolute deviation); None without losses.
        alpha: where the step ended on a parabola through the loss before and after on the same batch: -1 it did not
            move, 0 at the minimum, 1 on the other side at the same height, above it the loss rose. None without
            `check`, or where the step did not lead downhill.
        growth: norm of all parameters over what it was when watching began; None if other parameters are trained now.
        groups: one for each parameter group that had a gradient.
    """

    step: int
    seconds: float
    loss: float | None
    z: float | None
    alpha: float | None
    growth: float | None
    groups: tuple[Group, ...]

    def _norm(self, name: str) -> float:
        return math.hypot(*(getattr(group, name) for group in self.groups))

    @cached_property
    def grad_norm(self) -> float:
        """Of all groups together."""
        return self._norm("grad_norm")

    @cached_property
    def ratio(self) -> float:
        """Norm of the update over that of the parameters, of all groups together."""
        return over(self._norm("update_norm"), self._norm("param_norm"))

    @cached_property
    def cos(self) -> float | None:
        """Of the group with the most elements that has one: a mean over groups means little."""
        known = [(group.elements, group.cos) for group in self.groups if group.cos is not None]
        return max(known)[1] if known else None

    @cached_property
    def nonfinite(self) -> float:
        """Share of gradient elements that are NaN or infinite."""
        elements = sum(group.elements for group in self.groups)
        return sum(group.nonfinite * group.elements for group in self.groups) / max(1, elements)

    def to_dict(self) -> dict[str, Any]:
        """As plain values that JSON can hold: numbers that are not finite are the words nan, inf, -inf."""
        return spelled(asdict(self))

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Check:
        """The check that `to_dict` was called on."""
        groups = []
        for given in values["groups"]:
            group = {f.name: given[f.name] if f.name == "silent" else number(given[f.name]) for f in fields(Group)}
            for name in ("largest", "smallest"):
                group[name] = (str(given[name][0]), number(given[name][1]))
            groups.append(Group(**{**group, "silent": tuple(given["silent"])}))
        plain = {f.name: number(values[f.name]) for f in fields(Check) if f.name != "groups"}
        return Check(**plain, groups=tuple(groups))


@dataclass(frozen=True)
class Advice:
    """A knob to turn, because a rule held.

    Attributes:
        code: the rule's name, and that of its paragraph in docs/watch.md: `turning-back`.
        step: when it was given.
        subject: which parameter or group it is about; empty for the whole training.
        message: what was seen, and what to change, in one sentence.
    """

    code: str
    step: int
    subject: str
    message: str

    @property
    def link(self) -> str:
        """The paragraph that says what is behind it."""
        return f"{GUIDE}#{self.code}"

    def __str__(self) -> str:
        return f"step {self.step}: {self.message} [{self.link}]"

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {**asdict(self), "link": self.link}


def over(update: float, param: float) -> float:
    """Update over weight; infinite where a parameter that is zero was moved."""
    return update / param if param else (math.inf if update else 0.0)


_WORDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def spelled(value: Any) -> Any:
    """JSON has no nan and inf: they become words."""
    if isinstance(value, dict):
        return {key: spelled(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [spelled(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def number(value: Any) -> Any:
    """Such a word as the number it stands for; everything else as it is."""
    return _WORDS.get(value, value) if isinstance(value, str) else value
