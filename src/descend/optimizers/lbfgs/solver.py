"""What the methods with and without a line search share: evaluations, the point, pairs, counters.

The flow of one iteration is in `robust.py` (with a line search) and `fixed.py` (without).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import flat
from .bounds import Box
from .flat import Bucket
from .history import History
from .result import LBFGSResult, Status
from .trial import Trial


class Solver:
    """The state of a minimisation, from the first call of `step` on.

    Attributes:
        f, largest: loss (negated to maximise) and largest element of the gradient at x.
        known: whether they and the gradient in the buckets are those at x.
        pending: whether the last move has not been evaluated yet; x is where it led, the gradient is that of before.
        t: length of the last step.
        largest_ever: largest element of any gradient at an iterate; what relative tolerances refer to.
    """

    def __init__(self, buckets: list[Bucket], history_size: int, box: Box | None) -> None:
        self.buckets = buckets
        self.box = box
        self.history = History(buckets, history_size)
        self.sign = buckets[0].sign
        self.f = self.largest = math.nan
        self.known = self.pending = False
        self.t = 1.0
        self.largest_ever = 0.0
        self.n_iter = self.func_evals = 0
        self.eps = max(torch.finfo(b.dtype).eps for b in buckets)
        self.loss_eps = self.eps
        self.last_loss: Any = None  # what the closure returned last
        self.as_torch = False  # steps without a search
        self.restarted = False  # the history was dropped after steps that were not finite
        self.pending_length = 0.0  # of the direction of the move that is pending
        self.begin()

    def begin(self) -> None:
        """Counters of one call of `step`."""
        self.evals = self.iterations = self.skipped = self.resets = self.nonfinite = 0

    # -------------------------------------------------------------------------------------------------- evaluations

    def evaluate(self, closure: Callable[[], Any], t: float) -> Trial:
        """The closure at x + t d."""
        buckets = self.buckets
        for bucket in buckets:
            bucket.move(t)
        loss = self.call(closure)
        slot = self.history.spare
        for bucket in buckets:
            bucket.measure(slot)
        packed = self._packed(loss)
        numbers = self.read()
        return Trial(t, self.sign * float(numbers[flat.LOSS]) if packed else self._value(loss), numbers)

    def _packed(self, loss: Any) -> bool:
        """Send the loss along with the other numbers, where a device is waited for and its precision is theirs."""
        bucket = self.buckets[0]
        if (
            bucket.host is not None
            or len(self.buckets) > 1
            or not isinstance(loss, Tensor)
            or loss.device != bucket.device
            or loss.dtype != bucket.dtype
        ):
            return False
        bucket.pack(loss)
        return True

    def call(self, closure: Callable[[], Any]) -> Any:
        """The closure where the parameters are, and its gradients into the buckets."""
        self.evals += 1
        self.func_evals += 1
        with torch.enable_grad():
            loss = closure()
        self.last_loss = loss
        for bucket in self.buckets:
            bucket.gather()
        return loss

    def evaluate_base(self, closure: Callable[[], Any]) -> Any:
        """The closure at x, into f and largest.

        Returns:
            What the closure returned.
        """
        loss = self.call(closure)
        f = self._value(loss)
        slot = self.history.spare
        for bucket in self.buckets:
            if self.pending:
                bucket.measure(slot)
            else:
                bucket.measure_base()
        numbers = self.read()
        largest = float(max(-numbers[flat.SMALLEST], numbers[flat.LARGEST]))
        self.known = math.isfinite(f) and math.isfinite(largest)
        if not self.known and self.pending:  # the last move of steps without a search led to nowhere: back
            self.nonfinite += 1
            for bucket in self.buckets:
                bucket.x.add_(bucket.d, alpha=-self.t)
            self.stay()
            self.forget()
            self.restarted = True
            self.pending = False
            return loss
        self.f, self.largest = f, largest
        if not self.known:
            self.nonfinite += 1
        elif self.pending:
            self.pending = False
            self.add_pair(self.t, numbers, self.pending_length)
        else:
            self.history.products = numbers[flat.HEAD :]
            for bucket in self.buckets:
                bucket.adopt_gradient()
        if self.known:
            self.largest = self.projected(self.largest)
        return loss

    def projected(self, largest: float) -> float:
        """The largest element of the gradient at x, or within bounds of the projected gradient."""
        return largest if self.box is None else self.box.largest()

    def _value(self, loss: Any) -> float:
        if isinstance(loss, Tensor):
            if loss.is_floating_point():
                self.loss_eps = max(self.eps, torch.finfo(loss.dtype).eps)
            return self.sign * float(loss.detach())
        return self.sign * float(loss)

    def read(self) -> Any:
        """The buckets' numbers, added up in float64."""
        buckets = self.buckets
        total = buckets[0].measured().astype(np.float64)
        for bucket in buckets[1:]:
            numbers = bucket.measured()
            ends = (
                min(total[flat.SMALLEST], numbers[flat.SMALLEST]),
                max(total[flat.LARGEST], numbers[flat.LARGEST]),
            )
            total += numbers
            total[flat.SMALLEST], total[flat.LARGEST] = ends
        return total

    @property
    def noise(self) -> float:
        """What rounding may do to the loss at x."""
        return 10.0 * self.loss_eps * abs(self.f)

    # --------------------------------------------------------------------------------------------------- directions

    def steepest(self) -> float:
        """Set d to -g; returns the length of the gradient."""
        for bucket in self.buckets:
            bucket.steepest()
        return flat.euclidean([bucket.g0 for bucket in self.buckets])

    def direct(self) -> None:
        """Set d to -H g."""
        history = self.history
        coefficients = history.solve(history.products)
        for bucket in self.buckets:
            bucket.quasi_newton(history.gamma, coefficients)

    def measure_direction(self) -> None:
        """d.d and d.g, to be read with the next evaluation."""
        for bucket in self.buckets:
            bucket.measure_direction()

    def direction_numbers(self) -> tuple[float, float]:
        """d.d and d.g now."""
        self.measure_direction()
        dd, slope = self.read()[flat.D_D : flat.SLOPE0 + 1].tolist()
        return dd, slope

    # -------------------------------------------------------------------------------------------------------- moves

    def arrive(self, trial: Trial) -> bool:
        """The trial that was evaluated last becomes the iterate, and its pair is kept if its curvature is positive.

        Returns:
            Whether the pair was kept.
        """
        t, numbers = trial.t, trial.numbers
        for bucket in self.buckets:
            bucket.arrive()
        kept = self.add_pair(t, numbers, math.sqrt(max(0.0, numbers[flat.D_D])))
        self.f, self.largest, self.t = trial.f, self.projected(trial.largest), t
        self.known = True
        return kept

    def add_pair(self, t: float, numbers: Any, length: float) -> bool:
        """Keep s = t d and the y in the spare slot if s.y > eps |s| |y|, a test without units; g becomes that at x.

        Steps without a search are torch's, with its test s.y > 1e-10.
        """
        history = self.history
        j = history.spare
        sy, yy, step_length = t * float(numbers[flat.CURVATURE]), float(numbers[flat.Y_Y]), t * length
        products = numbers[flat.HEAD :]
        least = 1e-10 if self.as_torch else self.eps * step_length * math.sqrt(yy)
        kept = sy > least and yy > 0 and 0 < sy / yy < math.inf
        if kept and history.add(sy, yy, step_length, products - history.products):
            for bucket in self.buckets:
                bucket.store_step(t, j)
            products[2 * j] = t * numbers[flat.SLOPE]
            history.products = products
            history.make_room()
        else:
            kept = False
            self.skipped += 1
            history.products = products
        for bucket in self.buckets:
            bucket.adopt_gradient()
        return kept

    def stay(self) -> None:
        """The parameters become x again, after trials that led nowhere."""
        for bucket in self.buckets:
            bucket.write_parameters()
            bucket.row[2 * self.history.spare + 1].zero_()  # it may hold what is not finite

    def forget(self) -> None:
        """Drop the history."""
        self.history.clear()
        self.resets += 1

    def catch_up(self) -> None:
        """Let x be the parameters' values, if somebody else may have changed them."""
        if any([bucket.moved() for bucket in self.buckets]):
            self.known = self.pending = False
            before = [bucket.x.clone() for bucket in self.buckets]
            for bucket in self.buckets:
                bucket.read_parameters()
            jump = flat.euclidean([b.x - old for b, old in zip(self.buckets, before, strict=True)])
            if self.history.order and not jump <= self.history.span:
                self.forget()
        if self.box is not None:
            self.box.project()
            for bucket in self.buckets:
                bucket.write_parameters()

    def result(self, status: Status, loss_known: bool = True) -> LBFGSResult:
        """What this call came to."""
        return LBFGSResult(
            status=status,
            loss=self.sign * self.f if loss_known else None,
            grad_norm=self.largest,
            step=self.t,
            n_iter=self.iterations,
            n_eval=self.evals,
            pairs=len(self.history.order),
            skipped=self.skipped,
            resets=self.resets,
            nonfinite_trials=self.nonfinite,
        )
