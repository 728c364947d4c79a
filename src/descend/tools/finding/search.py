"""`find_lr`: range tests, short runs around what they name, and one rate with an honest word about it."""

from __future__ import annotations

import math
import numbers
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

import descend

from .. import sources
from ..contenders import Contender, contenders
from ..isolation import derive, random_numbers_of, untouched
from ..problem import Problem
from ..records import spell
from . import prodigy, rules
from .range_test import LR_MAX, LR_MIN, STEPS, RangeTest, range_test
from .result import LearningRate
from .short_runs import MOST, ShortRun, best_place, best_rate, short_runs

REPEATS = 3
CHECK = 200

ZOOM = 10**3.5
"""Range tests after the first one cover so much below the rate where that one ended."""

CHECKED = 3.0
"""The interval of a rate that short runs have confirmed, as a factor to both sides."""

DECADE = 10.0
"""Range tests whose answers differ by more than this disagree."""

LOWER = 1e-4
"""A test that diverged at once is repeated with a first rate so many times smaller, twice at most."""


def find_lr(
    source_or_model: str | nn.Module | Callable[[], nn.Module],
    loader: Iterable[Any] | None = None,
    loss_fn: Callable[..., Tensor] | None = None,
    *,
    optimizer: Any = "adamw",
    step: Callable[[nn.Module, Any], Tensor] | None = None,
    val: Any = None,
    lr_min: float | None = None,
    lr_max: float | None = None,
    steps: int = STEPS,
    repeats: int = REPEATS,
    check: int = CHECK,
    seed: int = 0,
    progress: Any = "auto",
    threads: int | None = None,
    name: str = "",
) -> LearningRate:
    """Find a learning rate for one optimizer on your own model.

    Range tests: copies of the model are trained with a rate that grows from step to step, and the loss on a fixed probe
    batch tells where learning is fastest and where it breaks. Then short runs: rates half a decade apart around that
    one, each constant from its start, until the best has a worse neighbour on both sides. In all that takes 1000 to
    1500 steps; `check=0` leaves out the short runs, and an order of magnitude is what remains.

    Nothing of yours is changed: not the model, not its gradients, not the optimizer, no state of random numbers.

    Args:
        source_or_model: a module, a function of no arguments that makes one, or the name of a setup: `"demo:digits"`,
            `"train.py:setup"`, `"package.module:setup"`. Arguments given here win over those of the setup.
        loader: batches to train on, anything that can be iterated anew; None where `step` needs no batch.
        loss_fn: called as `loss_fn(model(inputs), targets)`.
        optimizer: a name (`"adamw"`, `"sgd(momentum=0.9)"`, `"torch.Adam"`), a class, a partial, a function
            `(params, lr) -> optimizer`, or an optimizer of the model, whose groups keep the ratios of their rates.
        step: instead of `loss_fn`: `step(model, batch)` returns the loss.
        val: held-out batches, or a function `val(model)` that returns a loss: the short runs are compared by it.
            Default: by their training loss.
        lr_min: the first rate of the range tests. Default: 1e-6, or less where that is too much.
        lr_max: the last one; a test goes on beyond it while the loss still falls. Default: 10. With one of the two
            given, all tests cover the range between them; else only the first does, and the others the part of it that
            matters.
        steps: of each range test.
        repeats: range tests, each with another seed.
        check: steps of each short run, at least 10; 0 for no short runs.
        seed: the first of the seeds.
        progress: `"auto"` (a display that suits the terminal or notebook), None, or a function that gets lines.
        threads: of torch meanwhile. Default: the setup's, or as many as now.
        name: what the result calls the problem. Default: the setup, or the model's class.

    Returns:
        The rate and what it was read from: print it, `.lr`, `.interval`, `.confidence`, `.build(model)`, `.plot()`.

    Raises:
        ValueError: an argument cannot be used, or the optimizer has no rate that could be changed.
        TypeError: an argument is of a type that cannot be used.

    Example:
        >>> import torch
        >>> from descend import tools
        >>> x = torch.linspace(-1, 1, 64)[:, None]
        >>> model, loss_fn = torch.nn.Linear(1, 1), torch.nn.MSELoss()
        >>> found = tools.find_lr(model, [(x, 3 * x + 1)], loss_fn, optimizer="adamw", check=30, progress=None)
        >>> found.confidence, 0.03 < found.lr < 3
        ('good', True)
    """
    given: dict[str, Any] = {}
    if isinstance(source_or_model, str):
        given = sources.resolve(source_or_model, seed if isinstance(seed, int) else 0)
        if loss_fn is not None:  # the caller's loss replaces the setup's, whichever way that one was given
            given.pop("step", None)
        elif step is not None:
            given.pop("loss_fn", None)
    else:
        given["model"] = source_or_model
    explicit = dict(loader=loader, loss_fn=loss_fn, step=step, val=val, threads=threads, name=name or None)
    given |= {key: value for key, value in explicit.items() if value is not None}
    settings = _Settings(lr_min, lr_max, steps, repeats, check, seed)
    settings.validate(given.get("threads"))
    with untouched(given.get("loader"), given.get("val"), threads=given.get("threads")):
        keys = ("loader", "loss_fn", "step", "val", "name", "title")
        problem = Problem(given["model"], **{key: given[key] for key in keys if key in given})
        found = contenders(optimizer, given["model"])
        if len(found) != 1:
            raise ValueError(f"optimizer: find_lr takes one, got {len(found)}; tools.compare takes several")
        if progress is None:
            return _Search(problem, found[0], settings, lambda line: None).result()
        from .. import progress as display

        with display.make(progress) as shown:
            return _Search(problem, found[0], settings, shown.note).result()


@dataclass(frozen=True)
class _Settings:
    """The numbers of a call."""

    lr_min: float | None
    lr_max: float | None
    steps: int
    repeats: int
    check: int
    seed: int

    def validate(self, threads: Any) -> None:
        """Refuse what cannot be used."""
        for key, value in (("lr_min", self.lr_min), ("lr_max", self.lr_max)):
            if value is not None and not (isinstance(value, numbers.Real) and 0 < value < math.inf):
                raise ValueError(f"{key} must be a positive number, got {value!r}")
        if not self.lowest < self.highest:
            raise ValueError(f"lr_min must be below lr_max, got {self.lowest:g} and {self.highest:g}")
        least: tuple[tuple[str, Any, int], ...] = (("steps", self.steps, 20), ("repeats", self.repeats, 1))
        least += (("seed", self.seed, 0), ("check", self.check, 0))
        least += (("threads", threads, 1),) if threads is not None else ()
        for key, value, low in least:
            if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < low:
                raise ValueError(f"{key} must be a whole number of at least {low}, got {value!r}")
        if 0 < self.check < 10:
            raise ValueError(f"check must be 0, for no short runs, or at least 10 steps, got {self.check}")

    @property
    def lowest(self) -> float:
        return LR_MIN if self.lr_min is None else float(self.lr_min)

    @property
    def highest(self) -> float:
        return LR_MAX if self.lr_max is None else float(self.lr_max)

    @property
    def automatic(self) -> bool:
        """Whether the range may be chosen anew after the first test."""
        return self.lr_min is None and self.lr_max is None


class _Search:
    """One call of `find_lr`, its arguments checked."""

    def __init__(
        self, problem: Problem, contender: Contender, settings: _Settings, tell: Callable[[str], None]
    ) -> None:
        self.problem, self.contender, self.settings, self.tell = problem, contender, settings, tell
        self.began = perf_counter()

    def result(self) -> LearningRate:
        """Test, check, and judge."""
        if self.contender.rates is not None:
            rate = self.contender.rates[0]
            reason = (
                f"It searches along its direction in every step, so the rate stays at {spell(rate)}; nothing was run."
            )
            return self._found(rate, None, "good", reason, {})
        tests = self._tests()
        answers = [test.argmin for test in tests if test.argmin is not None]
        probe = middle(answers) / rules.DIVISOR if 2 * len(answers) > len(tests) else None
        suggestions = {"probe": probe, **tests[0].classic(), **self._prodigy()}
        if probe is None:
            return self._found(None, None, "no answer: run compare()", why_none(tests), suggestions, tests)
        spread = max(answers) / min(answers)
        if self.settings.check:
            return self._checked(probe, suggestions, tests)
        if spread > DECADE:
            reason = f"The range tests disagree by a factor of {spread:.0f}, and no short runs were made to decide."
            return self._found(None, None, "no answer: run compare()", reason, suggestions, tests)
        agree = (
            f"{len(answers)} range tests agree within x{spread:.1f}" if len(answers) > 1 else "One range test says so"
        )
        reason = f"{agree}; without short runs (check=0) more than an order of magnitude cannot be said."
        interval = (min(answers) / rules.INTERVAL[0], max(answers) / rules.INTERVAL[1])
        return self._found(probe, interval, "order of magnitude", reason, suggestions, tests)

    # ------------------------------------------------------------------------------------------------------- stages

    def _tests(self) -> tuple[RangeTest, ...]:
        """The first one over the whole range, the others where it matters."""
        settings = self.settings
        low, high = settings.lowest, settings.highest
        first = self._test(0, low, high)
        for _ in range(2):
            if not settings.automatic or first.reason not in ("bottom", "diverged at once"):
                break
            high, low = low * 10, low * LOWER
            self.tell(f"from {spell(low)} on, as everything above is too much")
            first = self._test(0, low, high)
        if settings.automatic and first.stop and first.argmin is not None:
            high = first.rates[-1]
            low = high / ZOOM
        return (first, *(self._test(number, low, high) for number in range(1, settings.repeats)))

    def _test(self, number: int, low: float, high: float) -> RangeTest:
        test = range_test(
            self.problem,
            self.contender,
            seed=self.settings.seed + number,
            steps=self.settings.steps,
            lr_min=low,
            lr_max=high,
        )
        said = f"lowest at {spell(test.argmin)}" if test.argmin is not None else f"no answer ({test.reason})"
        self.tell(f"range test {number + 1}/{self.settings.repeats}: {said}")
        return test

    def _prodigy(self) -> dict[str, float | None]:
        """Prodigy's estimate, where it speaks about the optimizer at all."""
        if "adam" not in self.contender.name.lower():
            return {}
        problem, seed = self.problem, self.settings.seed
        model = problem.new_model(seed)
        if any(p.is_complex() for p in model.parameters()):
            return {"prodigy": None}
        stream = problem.stream(seed)
        with random_numbers_of(derive("run", seed)):
            return {
                "prodigy": prodigy.estimate(
                    model.parameters(), lambda i: problem.backward(model, stream.batch(i)).item(), self.settings.steps
                )
            }

    def _checked(
        self, probe: float, suggestions: dict[str, float | None], tests: tuple[RangeTest, ...]
    ) -> LearningRate:
        """Let short runs at constant rates decide."""

        def tell(run: ShortRun) -> None:
            how = f"{self.problem.objective} {run.loss:.4g}" if math.isfinite(run.loss) else "diverged"
            self.tell(f"{run.steps} steps at {spell(run.lr)}: {how}")

        settings = self.settings
        runs = short_runs(self.problem, self.contender, probe, seed=settings.seed, steps=settings.check, tell=tell)
        rate, best = best_rate(runs, self.problem.val is not None), best_place([run.loss for run in runs])
        if rate is None or best is None:
            reason = f"Short runs at all of {len(runs)} rates, down to {spell(runs[0].lr)}, diverged."
            return self._found(None, None, "no answer: run compare()", reason, suggestions, tests, runs)
        interval = (rate / CHECKED, rate * CHECKED)
        if 0 < best < len(runs) - 1:
            below, at, above = (spell(run.lr) for run in runs[best - 1 : best + 2])
            diverged = not math.isfinite(runs[best + 1].loss)
            others = f"{below} did worse, {above} diverged" if diverged else f"{below} and {above} did worse"
            reason = f"Of {len(runs)} rates tried for {settings.check} steps {at} did best; {others}."
            return self._found(rate, interval, "good", reason, suggestions, tests, runs)
        reason = f"Of {MOST} rates the {'smallest' if best == 0 else 'largest'} did best: the end was not reached."
        return self._found(rate, interval, "order of magnitude", reason, suggestions, tests, runs)

    # ------------------------------------------------------------------------------------------------------- result

    def _found(
        self,
        rate: float | None,
        interval: tuple[float, float] | None,
        confidence: Any,
        reason: str,
        suggestions: dict[str, float | None],
        tests: tuple[RangeTest, ...] = (),
        runs: tuple[ShortRun, ...] = (),
    ) -> LearningRate:
        problem, candidate = self.problem, self.contender.candidate
        return LearningRate(
            label=candidate.label,
            line=candidate.line,
            lr=None if rate is None else two_digits(rate),
            interval=None if interval is None else (two_digits(interval[0]), two_digits(interval[1])),
            confidence=confidence,
            reason=reason,
            suggestions={name: None if value is None else float(f"{value:.3g}") for name, value in suggestions.items()},
            tests=tests,
            runs=runs,
            name=problem.name,
            title=problem.title,
            parameters=problem.parameters,
            batch=problem.batch_size,
            device=str(problem.device),
            threads=torch.get_num_threads(),
            steps=self.settings.steps,
            check=self.settings.check,
            objective=problem.objective,
            seed=self.settings.seed,
            seconds=perf_counter() - self.began,
            versions={"descend": descend.__version__, "torch": torch.__version__, "python": platform.python_version()},
            builder=self.contender.make,
        )


def middle(rates: list[float]) -> float:
    """The median over the logarithm."""
    return math.exp(median(math.log(rate) for rate in rates))


def two_digits(rate: float) -> float:
    """As exact as a rate can be known, and as short as one would type it."""
    return float(f"{rate:.1e}")


def why_none(tests: tuple[RangeTest, ...]) -> str:
    """What most of the tests without an answer say."""
    reasons = [test.reason for test in tests if test.argmin is None]
    reason = max(reasons, key=reasons.count)
    first, last = tests[0].rates[0], max(test.rates[-1] for test in tests)
    return {
        "flat": f"No rate made the probe loss fall by {rules.FLAT:.0%} of its start: there is no descent to read a "
        "rate from, as for a model that is trained already.",
        "top": f"The probe loss hardly moves, or still falls, at a rate of {spell(last)}: the range is too low.",
        "bottom": f"The probe loss is lowest at {spell(first)}, where the range begins: it is too high.",
        "diverged at once": f"The loss is not finite from the first steps on, at a rate of {spell(first)}.",
    }[reason]
