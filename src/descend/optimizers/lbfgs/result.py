"""What a call of `LBFGS.step` tells about itself: why it stopped, where, and what it took."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """Why a minimisation stopped; the value is a sentence for people."""

    CONVERGED_GRADIENT = "Converged: the gradient is below tolerance_grad, absolutely and relative to the largest seen."
    CONVERGED_CHANGE = "Converged: loss or parameters changed by less than tolerance_change, and by a share below rtol."
    PRECISION = "Stopped at the precision of the loss: what is left to gain is below its rounding errors."
    MAX_ITER = "Stopped after max_iter iterations."
    MAX_EVAL = "Stopped after max_eval evaluations of the closure."
    LINE_SEARCH_FAILED = (
        "The line search found no lower loss along the quasi-Newton direction nor along the gradient: is the gradient "
        "that of the loss, and is the loss smooth and free of noise here?"
    )
    NONFINITE = (
        "The loss or its gradient is NaN or infinite where the step started; nothing was changed: begin at a point "
        "where they are finite."
    )
    NONFINITE_STEP = (
        "A step led to a NaN or infinite loss or gradient, and so did the shorter ones that were tried; "
        "it was taken back."
    )
    CALLBACK = "Stopped by the callback."
    FROZEN = "Nothing can move: every learning rate is 0."

    @property
    def converged(self) -> bool:
        """Whether this is a minimum as far as can be told."""
        return self in (Status.CONVERGED_GRADIENT, Status.CONVERGED_CHANGE, Status.PRECISION)


@dataclass(frozen=True)
class LBFGSResult:
    """The outcome of one call of `LBFGS.step`.

    Attributes:
        status: why it stopped.
        loss: the closure's value at the parameters as they are now; None if they were not evaluated (fixed steps end
            with a move that is not).
        grad_norm: largest absolute value of an element of the gradient there; with bounds of the projected gradient.
        step: length of the last step in units of its direction; 1 is a full quasi-Newton step.
        n_iter: iterations of this call.
        n_eval: calls of the closure in this call.
        pairs: pairs (s, y) in the history.
        skipped: pairs of this call that were not kept because their curvature was not positive.
        resets: how often the history was dropped.
        nonfinite_trials: evaluations that were NaN or infinite.
    """

    status: Status
    loss: float | None
    grad_norm: float
    step: float
    n_iter: int
    n_eval: int
    pairs: int
    skipped: int
    resets: int
    nonfinite_trials: int

    @property
    def message(self) -> str:
        """The status as a sentence."""
        return self.status.value

    @property
    def converged(self) -> bool:
        """Whether this is a minimum as far as can be told."""
        return self.status.converged
