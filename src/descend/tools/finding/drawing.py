"""A learning rate as text: the answer, the curve in block characters, the other rules, the line to paste."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from ..blocks import DIVERGED, row
from ..records import spell

if TYPE_CHECKING:
    from .range_test import RangeTest
    from .result import LearningRate

WIDTH = 60


def text(found: LearningRate) -> str:
    """All of a result, without control characters."""
    about = [found.label, found.name, f"{found.parameters:,} parameters"]
    about += [f"batch {found.batch}"] if found.batch is not None else ["full batch"]
    lines = ["  ".join([*about, found.device])]
    if found.tests:
        lines += ["", *curve(found)]
    if found.runs:
        lines += ["", f"{found.objective} of {found.check} steps at a constant rate"]
        cells = [(spell(run.lr), spell4(run.loss) if math.isfinite(run.loss) else DIVERGED) for run in found.runs]
        lines += rows(cells)
    if found.suggestions:
        lines += ["", "what each rule says"]
        lines += rows([(name, "-" if rate is None else spell(rate)) for name, rate in found.suggestions.items()])
    lines += ["", verdict(found)]
    if found.lr is not None:
        lines += [f"Use:  {found.constructor}"]
    return "\n".join(lines)


def verdict(found: LearningRate) -> str:
    """The answer and its reason."""
    if found.lr is None:
        return f"{found.confidence}. {found.reason}"
    between = f", between {spell(found.interval[0])} and {spell(found.interval[1])}" if found.interval else ""
    return f"learning rate {spell(found.lr)}{between} ({found.confidence}). {found.reason}"


def spell4(loss: float) -> str:
    """A loss in four digits."""
    return f"{loss:.4g}"


def rows(cells: Sequence[tuple[str, str]]) -> list[str]:
    """Two rows of text, one above the other, in columns."""
    widths = [max(len(above), len(below)) for above, below in cells]
    return ["  ".join(cell[k].rjust(width) for cell, width in zip(cells, widths, strict=True)) for k in (0, 1)]


def curve(found: LearningRate) -> list[str]:
    """The probe loss over the logarithm of the rate; x where it diverged, ^ below the rate found."""
    low, high = found.tests[0].rates[0], max(test.rates[-1] for test in found.tests)
    high = max(high, found.lr or 0.0, low * 1.001)
    values = sampled(found.tests, low, high)
    finite = [value for value in values if math.isfinite(value)]
    top = max(finite[0], min(finite)) if finite else 1.0
    drawn = row(values, high=top)
    ends = f"{spell(low)}{spell(high).rjust(WIDTH - len(spell(low)))}"
    lines = [f"{drawn}  probe loss {spell4(min(finite))} to {spell4(top)}" if finite else drawn]
    if found.lr is not None and found.lr >= low:
        lines.append(" " * column(found.lr, low, high) + "^")
    return [*lines, ends]


def column(rate: float, low: float, high: float) -> int:
    """Which of WIDTH columns a rate is in."""
    return min(WIDTH - 1, int(WIDTH * math.log(rate / low) / math.log(high / low)))


def sampled(tests: Sequence[RangeTest], low: float, high: float) -> list[float]:
    """The mean of all probe losses in each column; inf from where a test diverged, or was four times its best.

    Columns between two points of the first test, which covers the whole range, are interpolated.
    """
    sums: list[list[float]] = [[] for _ in range(WIDTH)]
    for test in tests:
        for rate, loss in zip(test.rates, test.probe, strict=True):
            if low <= rate <= high and math.isfinite(loss):
                sums[column(rate, low, high)].append(loss)
    values = [math.fsum(found) / len(found) if found else math.nan for found in sums]
    known = [k for k, value in enumerate(values) if math.isfinite(value)]
    for left, right in pairwise(known):
        for k in range(left + 1, right):
            values[k] = values[left] + (values[right] - values[left]) * (k - left) / (right - left)
    ends = [column(test.rates[-1], low, high) for test in tests if test.stop]
    if ends:
        end = min(ends)
        values[end:] = [math.inf] * (WIDTH - end)
    return values
