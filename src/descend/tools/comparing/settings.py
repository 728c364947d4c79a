"""The arguments of `compare`, checked and completed: from a source's setup, or from what is usual."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..contenders import Contender, contenders
from ..problem import Problem
from ..trial import SCHEDULES

OPTIMIZERS = ("sgd", "adamw", "rmsprop")
FEWEST, MOST, UNKNOWN = 200, 2000, 500
"""Steps of a full run where nothing is said: two epochs, within these bounds; the last one if that cannot be told."""


@dataclass(frozen=True)
class Settings:
    """What a comparison was asked for.

    Attributes:
        problem: what to train.
        contenders: with what.
        given: rates to try, by label; an optimizer that is not in it gets a grid.
        steps: of a full run.
        chosen: why so many: `two epochs`; empty if the caller said so.
        minutes: for everything; None for no limit.
        seeds: how many the best rates get.
        seed: the first one.
        goal: a loss whose first reaching is timed.
        schedule: of the learning rate.
    """

    problem: Problem
    contenders: tuple[Contender, ...]
    given: Mapping[str, tuple[float, ...]]
    steps: int
    chosen: str
    minutes: float | None
    seeds: int
    seed: int
    goal: float | None
    schedule: str

    def config(self, threads: int | None) -> dict[str, Any]:
        """What the numbers depend on, as plain values: a comparison with another config cannot be resumed."""
        return {
            "data and model": self.problem.fingerprint(),
            "goal": self.goal,
            "learning rates": {label: list(rates) for label, rates in self.given.items()} or "auto",
            "objective": self.problem.objective,
            "optimizers": [describe(contender) for contender in self.contenders],
            "schedule": self.schedule,
            "seed": self.seed,
            "seeds": self.seeds,
            "steps": self.steps,
            "threads": threads,
        }


def describe(contender: Contender) -> str:
    """An optimizer and its options in one line."""
    candidate = contender.candidate
    tried = [lr for lr in (candidate.default_lr, candidate.table_lr) if lr is not None]
    return f"{candidate.label}: {candidate.line}" + (f" (starts: {', '.join(map(repr, tried))})" if tried else "")


def gather(given: Mapping[str, Any], name: str = "") -> Settings:
    """Check everything before anything is run.

    Args:
        given: the arguments of `compare`, those of the setup among them; None where one is missing.
        name: what tables call the problem, if not its model's class.

    Raises:
        TypeError: an argument is of a type that cannot be used.
        ValueError: a value that cannot be used, or arguments that do not fit together.
    """
    steps, chosen = given.get("steps"), ""
    schedule = given["schedule"]
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, got {schedule!r}")
    minutes = given["minutes"]
    if minutes is not None and not (is_number(minutes) and 0 < minutes < math.inf):
        raise ValueError(f"minutes must be a positive number, or None for no limit, got {minutes!r}")
    goal = given.get("goal")
    if goal is not None and not (is_number(goal) and math.isfinite(goal)):
        raise ValueError(f"goal must be a loss, a finite number, or None, got {goal!r}")
    whole("seeds", given["seeds"], 1)
    whole("seed", given["seed"], 0)
    if given.get("threads") is not None:
        whole("threads", given["threads"], 1)
    if steps is not None:
        whole("steps", steps, 1)
    problem = Problem(
        given["model"],
        given.get("loader"),
        given.get("loss_fn"),
        step=given.get("step"),
        val=given.get("val"),
        metric=given.get("metric"),
        name=given.get("name") or name,
        title=given.get("title") or "",
    )
    if steps is None:
        steps, chosen = usual_steps(problem.loader)
    specs = given.get("optimizers")
    entrants = contenders(OPTIMIZERS if specs is None else specs, given["model"])
    lrs = given_rates(given["lrs"], entrants)
    return Settings(problem, entrants, lrs, steps, chosen, minutes, given["seeds"], given["seed"], goal, schedule)


def whole(name: str, value: Any, least: int) -> None:
    """Refuse what is no whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")


def is_number(value: Any) -> bool:
    """Whether it is a real number; True and False are none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def usual_steps(loader: Any) -> tuple[int, str]:
    """Steps of a full run where nothing is said, and why so many."""
    try:
        batches = len(loader)
    except TypeError:
        return UNKNOWN, "the loader does not say how long an epoch is" if loader is not None else "full batch"
    steps = min(MOST, max(FEWEST, 2 * batches))
    return steps, f"{steps / max(1, batches):.3g} epochs of {batches} batch{'es' if batches != 1 else ''}"


def given_rates(lrs: Any, entrants: Sequence[Contender]) -> dict[str, tuple[float, ...]]:
    """The rates to try, by label; nothing for optimizers that get a grid.

    Raises:
        TypeError: it is neither "auto", nor rates, nor rates by label.
        ValueError: a rate that cannot be used, or an optimizer that does not take part.
    """
    if isinstance(lrs, str) and lrs == "auto":
        return {}
    if not isinstance(lrs, Mapping):
        return {entrant.label: checked_rates(lrs, "lrs") for entrant in entrants}
    found = {}
    for label, rates in lrs.items():
        matching = [e.label for e in entrants if label in (e.label, e.name) or str(label).lower() == e.name.lower()]
        if not matching:
            known = ", ".join(entrant.label for entrant in entrants)
            raise ValueError(f"lrs: no optimizer is called {label!r}; those that take part are {known}")
        if not (isinstance(rates, str) and rates == "auto"):
            found.update({each: checked_rates(rates, f"lrs[{label!r}]") for each in matching})
    return found


def checked_rates(rates: Any, name: str) -> tuple[float, ...]:
    """Rates as numbers, increasing, each once."""
    if is_number(rates):
        rates = [rates]
    if isinstance(rates, str) or not isinstance(rates, Iterable):
        raise TypeError(
            f'{name} must be "auto", a list of learning rates, or a dict of them by optimizer, got {rates!r}'
        )
    values = list(rates)
    for value in values:
        if not (is_number(value) and 0 < value < math.inf):
            raise ValueError(f"{name}: learning rates are positive and finite, got {value!r}")
    if not values:
        raise ValueError(f"{name}: there must be at least one learning rate")
    return tuple(sorted({float(value) for value in values}))
