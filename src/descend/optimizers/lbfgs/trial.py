"""What a call of `step` goes by, and what one evaluation of the closure brings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from . import flat


@dataclass(frozen=True)
class Options:
    """What one call of `step` goes by; see `descend.LBFGS`."""

    lr: float
    max_iter: int
    max_eval: int
    tolerance_grad: float
    tolerance_change: float
    rtol: float | None
    history_size: int
    line_search_fn: str | None
    reuse_eval: bool


class Trial:
    """One evaluation.

    Attributes:
        t: the step; f: the loss, negated to maximise; slope: along the direction; largest: of the gradient's elements.
        numbers: all that was measured.
        finite: whether all of it can be used.
    """

    __slots__ = ("f", "finite", "largest", "numbers", "slope", "t")

    def __init__(self, t: float, f: float, numbers: Any) -> None:
        self.t, self.f, self.numbers = t, f, numbers
        head = numbers[: flat.D_D].tolist()
        self.slope = head[flat.SLOPE]
        self.largest = max(-head[flat.SMALLEST], head[flat.LARGEST])
        self.finite = math.isfinite(f) and all(map(math.isfinite, head))

    @property
    def products(self) -> Any:
        """Of the history's rows with the gradient."""
        return self.numbers[flat.HEAD :]
