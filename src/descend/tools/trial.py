"""A training run that can be stopped at any step, kept in a file, and continued: one optimizer, one rate, one seed.

What a user's own loop would do, and nothing else on the clock: batches are loaded before it starts, held-out data are
measured while it stands. Each run has random numbers of its own, so that runs may take turns.
"""

from __future__ import annotations

import inspect
import math
import traceback
from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .contenders import Contender
from .isolation import RandomState, derive, seed_everything
from .problem import Problem
from .records import Origin, Point, Run, Status

CURVE_POINTS = 200
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda share: 1.0,
    "linear": lambda share: 1.0 - share,
    "cosine": lambda share: (1.0 + math.cos(math.pi * share)) / 2,
}
"""Factor of the learning rate at a share of the training, from 0 to 1."""

EXPLODED = 4.0
"""A training loss so many times the first one, for a twentieth of the training (10 steps at least), has diverged."""


class Trial:
    """One optimizer at one learning rate from one seed.

    Args:
        problem: what to train.
        contender: what with.
        lr: the learning rate, finite and positive.
        seed: of weights, data and dropout; the same for runs that are compared.
        origin: why this rate is tried.
        total_steps: evaluations of loss and gradient in a full run: the schedule ends there.
        schedule: one of SCHEDULES.

    Attributes:
        status: "unfinished" while it can go on, "diverged" or "failed" once it cannot.
        step: evaluations of loss and gradient so far.
        updates: calls of optimizer.step() so far, a batch each.
        seconds: of training so far.
        losses: the training loss, a point a step.
        evaluations: the loss on held-out data.
    """

    def __init__(
        self,
        problem: Problem,
        contender: Contender,
        lr: float,
        seed: int,
        *,
        origin: Origin = "grid",
        total_steps: int,
        schedule: str = "constant",
    ) -> None:
        if schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, got {schedule!r}")
        if not (0 < lr < math.inf):
            raise ValueError(f"lr must be positive and finite, got {lr!r}")
        self.problem, self.contender, self.lr, self.seed, self.origin = problem, contender, lr, seed, origin
        self.total_steps, self.schedule = total_steps, schedule
        self.status: Status = "unfinished"
        self.message = ""
        self.step = self.updates = 0
        self.seconds = 0.0
        self.losses: list[Point] = []
        self.evaluations: list[Point] = []
        self.rung_losses: list[float] = []
        self.rung = -1
        self._exploded = 0  # steps in a row with a loss far above the first
        self._way = "plain"
        self.model: nn.Module
        self.optimizers: list[Optimizer]
        self._rates: list[float]
        self._random: RandomState
        outside = RandomState.now()
        try:
            self._set_up()
        except Exception as error:
            self.fail(error)
        finally:
            outside.restore()

    def _set_up(self) -> None:
        """Model and optimizer at their start."""
        self.model = self.problem.new_model(self.seed)
        seed_everything(derive("run", self.seed))
        self.optimizers = self.contender.build(self.model, self.lr)
        self._rates = [float(group["lr"]) for optimizer in self.optimizers for group in optimizer.param_groups]
        if len(self.optimizers) == 1 and _needs_closure(self.optimizers[0]):
            self._way = "closure"
        self._random = RandomState.now()

    # -------------------------------------------------------------------------------------------------- training

    def run(self, until: int, deadline: float | None = None) -> None:
        """Train to so many evaluations of loss and gradient; an optimizer that makes several at once may pass it.

        An exception of the model, the loss or the optimizer ends the run with status "failed"; only KeyboardInterrupt
        and its like come through.

        Args:
            until: as counted by `step`.
            deadline: a value of time.perf_counter() after which no further step begins.
        """
        if self.status != "unfinished":
            return
        due = self.due(until)
        outside = RandomState.now()
        self._random.restore()
        try:
            if not self.evaluations:
                self.evaluate(self.problem.start(self.seed))
            stream = self.problem.stream(self.seed)
            while self.step < until and self.status == "unfinished":
                if deadline is not None and perf_counter() > deadline:
                    break
                batch = stream.batch(self.updates)
                start = perf_counter()
                before = self.step
                self.apply_schedule()
                loss = self._advance(batch)
                self.updates += 1
                self.observe(loss, perf_counter() - start)
                if self.status == "unfinished" and any(before < step <= self.step for step in due):
                    self.evaluate()
        except Exception as error:
            self.fail(error)
        finally:
            self._random = RandomState.now()
            outside.restore()

    def due(self, until: int) -> list[int]:
        """After which steps held-out data are measured before `until`: ten times a full run, 3 times at the end."""
        every = max(1, self.total_steps // 10)
        gap = max(1, round(until / 30))
        last = {until - 2 * gap, until - gap, until}
        return sorted(step for step in {*range(every, until + 1, every), *last} if self.step < step <= until)

    def apply_schedule(self) -> None:
        """Set the learning rate of the next update."""
        if self.schedule != "constant":
            factor = SCHEDULES[self.schedule](min(1.0, self.step / self.total_steps))
            groups = (group for optimizer in self.optimizers for group in optimizer.param_groups)
            for group, rate in zip(groups, self._rates, strict=True):
                group["lr"] = rate * factor

    def _advance(self, batch: Any) -> float:
        """One update; counts its evaluations and returns the loss before it."""
        if self._way == "plain":
            return self._plain(batch) if self.updates else self._first(batch)
        return self._with_closure(batch)

    def _first(self, batch: Any) -> float:
        """The first update, which shows how the optimizer wants to be called."""
        try:
            return self._plain(batch)
        except _StepError as error:
            reason = error.__cause__
        # Some optimizers declare their closure optional and still need it: sharpness-aware minimisation.
        self._set_up()
        self._random.restore()
        self._way = "both"
        try:
            return self._with_closure(batch)
        except Exception as second:
            assert reason is not None
            raise reason from second

    def _plain(self, batch: Any) -> float:
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss = self.problem.backward(self.model, batch)
        try:
            for optimizer in self.optimizers:
                optimizer.step()
        except Exception as error:
            raise _StepError from error
        self.step += 1
        return loss.item()

    def _with_closure(self, batch: Any) -> float:
        (optimizer,) = self.optimizers
        losses: list[float] = []

        def closure() -> Tensor:
            optimizer.zero_grad()
            with torch.enable_grad():
                loss = self.problem.backward(self.model, batch)
            losses.append(loss.item())
            return loss

        if self._way == "both":
            closure()
        optimizer.step(closure)  # type: ignore[arg-type]  # torch's annotation says float, its docs a tensor
        self.step += max(1, len(losses))
        return losses[0] if losses else math.nan

    def observe(self, loss: float, seconds: float) -> None:
        """Note the loss of an update that has been made, and whether it has come to a bad end."""
        self.seconds += seconds
        self.losses.append(Point(self.step, self.seconds, loss))
        first = self.losses[0].loss
        if not math.isfinite(loss):
            self._diverge(f"the loss was {loss} at step {self.step}")
            return
        self._exploded = self._exploded + 1 if loss > first + (EXPLODED - 1) * abs(first) else 0
        if self._exploded >= max(10, self.total_steps // 20):
            self._diverge(f"the loss rose to {loss:.3g} from {first:.3g} until step {self.step}")

    def evaluate(self, value: float | None = None) -> None:
        """Measure held-out data now, if there are any.

        Args:
            value: the loss, where it is known already.
        """
        if self.problem.val is None:
            return
        loss, metric = self.problem.evaluate_with(self.model, self.optimizers) if value is None else (value, None)
        self.evaluations.append(Point(self.step, self.seconds, loss, metric))
        if not math.isfinite(loss):
            self._diverge(f"the loss on held-out data was {loss} at step {self.step}")

    def _diverge(self, message: str) -> None:
        self.status, self.message = "diverged", message

    def fail(self, error: Exception) -> None:
        """End the run with what was raised, and where."""
        self.status = "failed"
        while isinstance(error, _StepError) and isinstance(error.__cause__, Exception):
            error = error.__cause__
        frames = traceback.extract_tb(error.__traceback__)
        where = f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})" if frames else ""
        self.message = f"{type(error).__name__}: {error}{where}"
        self.error = error

    # --------------------------------------------------------------------------------------------------- results

    def close_rung(self, rung: int) -> float:
        """Note what this run is ranked by at the end of a rung, and return it: the mean over the last tenth of it.

        The mean of the measurements on held-out data there, or of the training losses; inf if the run has diverged,
        also where it ended above its start; nan if it failed.
        """
        self.rung = rung
        self.rung_losses.append(self._objective())
        return self.rung_losses[-1]

    def _objective(self) -> float:
        if self.status == "failed":
            return math.nan
        if self.status == "diverged" or not self.losses:
            return math.inf
        held_out = self.problem.val is not None
        points = self.evaluations if held_out else self.losses
        last = [point.loss for point in points if point.step > 0.9 * self.step] or [points[-1].loss]
        mean, start = math.fsum(last) / len(last), points[0].loss
        # A rate that is too small to move anything must pass: held-out losses are noisy by less than a tenth, but the
        # first training loss is that of one batch, and says nothing of the others.
        if mean > start + (0.1 if held_out else EXPLODED - 1) * abs(start):
            self._diverge(f"the loss ended at {mean:.3g}, above its start of {start:.3g}")
            return math.inf
        return mean

    def record(self, status: Status | None = None) -> Run:
        """The run so far as plain data.

        Args:
            status: how it ended, where it could have gone on.
        """
        ended = self.status if self.status != "unfinished" or status is None else status
        if ended == "failed":
            loss = math.nan
        elif ended == "diverged":
            loss = math.inf
        else:
            loss = self.rung_losses[-1] if self.rung_losses else math.nan
        return Run(
            optimizer=self.contender.label,
            lr=self.lr,
            seed=self.seed,
            origin=self.origin,
            status=ended,
            rung=self.rung,
            steps=self.step,
            loss=loss,
            rung_losses=tuple(self.rung_losses),
            metric=self.evaluations[-1].metric if self.evaluations else None,
            seconds=self.seconds,
            curve=tuple(_thinned(self.losses)),
            evaluations=tuple(self.evaluations),
            message=self.message,
        )

    # ------------------------------------------------------------------------------------------------ checkpoints

    def state_dict(self) -> dict[str, Any]:
        """All that continuing needs, as torch.save takes it; buffers that a model does not save are in it, too."""
        return {
            "model": {name: tensor.detach().clone() for name, tensor in _tensors(self.model).items()},
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "random": {"cpu": self._random.cpu, "cuda": list(self._random.cuda)},
            "numpy": self._random.numpy,
            "python": self._random.python,
            "way": self._way,
            "updates": self.updates,
            "exploded": self._exploded,
            "losses": [(p.step, p.seconds, p.loss) for p in self.losses],
            "run": self.record().to_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where the run that made `state` was; it had the same problem, contender, rate and seed."""
        tensors = _tensors(self.model)
        with torch.no_grad():
            for name, tensor in state["model"].items():
                tensors[name].copy_(tensor)
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self._random = RandomState(
            state["random"]["cpu"], tuple(state["random"]["cuda"]), state["numpy"], state["python"], ()
        )
        run = Run.from_dict(state["run"])
        self._way, self._exploded, self.updates = state["way"], state["exploded"], state["updates"]
        self.step, self.rung, self.seconds = run.steps, run.rung, run.seconds
        self.status, self.message = run.status, run.message
        self.losses = [Point(*point) for point in state["losses"]]
        self.evaluations, self.rung_losses = list(run.evaluations), list(run.rung_losses)


class _StepError(Exception):
    """optimizer.step() raised; the cause says what."""


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, a shared one once."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _needs_closure(optimizer: Optimizer) -> bool:
    """Whether step() cannot be called without an argument."""
    try:
        parameters = inspect.signature(optimizer.step).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def _thinned(points: list[Point]) -> list[Point]:
    """At most CURVE_POINTS of the points, evenly, the last one among them."""
    if len(points) <= CURVE_POINTS:
        return points
    return [points[round(k * (len(points) - 1) / (CURVE_POINTS - 1))] for k in range(CURVE_POINTS)]
