"""How a learning rate is read off the curve of a range test: our rule, and those of fastai, Lightning, torch-lr-finder.

Our rule reads the loss on a fixed probe batch, measured after every step. The others read the training loss, each with
the smoothing, the points left out at both ends and the stop of the library that it is the default of, so that a number
here is the number which that library would have named on the same run. They are shown for comparison; `find_lr`
never follows them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

DIVISOR = 4.0
"""The suggestion is the rate with the lowest probe loss, divided by this."""

INTERVAL = (12.0, 1.5)
"""What the same rate is divided by for the ends of the interval."""

FLAT = 0.05
"""A probe loss that falls by less than this share of its start has no descent region."""

Floats = npt.NDArray[np.float64]


def lowest(probe: Sequence[float]) -> int | None:
    """Where a curve is lowest; None if it has no finite value."""
    finite = [(value, i) for i, value in enumerate(probe) if math.isfinite(value)]
    return min(finite)[1] if finite else None


def too_high(loss: float, best: float, start: float) -> bool:
    """Whether a range test has seen enough: the loss is not finite, or beyond four times the best.

    A best loss of zero or less, as a log-likelihood can have, knows no factor: then the loss must have risen above its
    start by three times what it had fallen.
    """
    if not math.isfinite(loss):
        return True
    if best > 0:
        return loss > 4 * best
    return loss > start + 3 * max(start - best, abs(start))


def smoothed(losses: Sequence[float], beta: float = 0.98) -> list[float]:
    """The exponential average with the bias of its start taken out, as fastai's recorder keeps it."""
    average, out = 0.0, []
    for i, loss in enumerate(losses, start=1):
        average = beta * average + (1 - beta) * loss
        out.append(average / (1 - beta**i))
    return out


def fastai_curve(rates: Sequence[float], losses: Sequence[float], steps: int) -> tuple[Floats, Floats]:
    """The points that fastai's `lr_find` hands to its rules.

    Smoothed with 0.98 until that is four times its best; without the first tenth of the planned steps, the last five
    points, and whatever follows a NaN.
    """
    curve = smoothed(losses)
    end, best = len(curve), math.inf
    for i, loss in enumerate(curve):
        best = min(best, loss) if loss == loss else best
        if loss > 4 * best:
            end = i + 1
            break
    xs, ys = np.asarray(rates[:end], float)[steps // 10 : -5], np.asarray(curve[:end], float)[steps // 10 : -5]
    nan = np.flatnonzero(np.isnan(ys))
    return (xs[: nan[0]], ys[: nan[0]]) if nan.size else (xs, ys)


def valley(rates: Floats, losses: Floats) -> float:
    """The default of fastai: the middle of the longest decreasing subsequence, counted from its end."""
    count = len(losses)
    chain = [1] * count
    start = end = 0
    for i in range(1, count):
        for j in range(i):
            if losses[i] < losses[j] and chain[i] < chain[j] + 1:
                chain[i] = chain[j] + 1
            if chain[end] < chain[i]:
                end = i
                start = end - chain[end]
    third = (end - start) / 3
    return float(rates[start + int(third) + int(third / 2)])


def slide(rates: Floats, losses: Floats, width: int = 15, threshold: float = 0.005) -> float:
    """A sliding interval, by fastai: from the right, until the slopes at its two ends agree."""
    slope = np.gradient(losses)
    right, left = -1, -1 - width
    found = rates[left]
    while left >= -len(losses) and abs(slope[right] - slope[left]) > threshold:
        found = rates[left]
        right, left = right - 1, left - 1
    return float(found)


def minimum(rates: Floats, losses: Floats) -> float:
    """A tenth of the rate, by fastai, where the smoothed loss is lowest."""
    return float(rates[np.argmin(losses)]) / 10


def steep(rates: Floats, losses: Floats) -> float:
    """The steepest descent, by fastai, over the logarithm of the rate."""
    return float(rates[:-1][np.argmin(np.diff(losses) / np.diff(np.log(rates)))])


def lightning(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """Lightning's suggestion: the steepest descent over the rate itself (not its logarithm) of its own average.

    It divides by 1 - 0.98^(i+1) after i steps, one step too late, which makes the first averages too low: that is how
    Lightning 2.6 computes it, and why its suggestions are what they are.
    """
    beta, average, best = 0.98, 0.0, 0.0
    curve: list[float] = []
    for step, loss in enumerate(losses, start=1):
        average = beta * average + (1 - beta) * loss
        value = average / (1 - beta ** (step + 1))
        curve.append(value)
        if step > 1 and value > 4 * best:
            break
        if value < best or step == 1:
            best = value
    xs, ys = np.asarray(rates[: len(curve)], float)[10:-1], np.asarray(curve, float)[10:-1]
    xs, ys = xs[np.isfinite(ys)], ys[np.isfinite(ys)]
    return None if len(xs) < 2 else float(xs[np.argmin(np.gradient(ys, xs))])


def torch_lr_finder(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """torch-lr-finder's suggestion: the steepest step of its average, which follows the last loss by a twentieth.

    The run ends at five times the best, never at a NaN; ten points at the start and five at the end are left out.
    """
    curve: list[float] = []
    best = math.inf
    for loss in losses:
        value = 0.05 * loss + 0.95 * curve[-1] if curve else loss
        best = value if not curve or value < best else best
        curve.append(value)
        if value > 5 * best:
            break
    xs, ys = np.asarray(rates[: len(curve)], float)[10:-5], np.asarray(curve, float)[10:-5]
    return None if len(xs) < 2 else float(xs[np.argmin(np.gradient(ys))])


RULES = ("valley", "slide", "min/10", "steep", "lightning", "torch-lr-finder")
"""The names of what `classic` returns, in this order."""


def classic(rates: Sequence[float], losses: Sequence[float], steps: int) -> dict[str, float | None]:
    """What the well-known rules say to the same run.

    Args:
        rates: of each step.
        losses: of each step's batch, before its update.
        steps: how many had been planned.

    Returns:
        By name, in the order of RULES; None where too few points are left, or where the library fails.
    """
    xs, ys = fastai_curve(rates, losses, steps)
    found: dict[str, float | None] = {
        name: _or_none(rule, xs, ys)
        for name, rule in (("valley", valley), ("slide", slide), ("min/10", minimum), ("steep", steep))
    }
    with np.errstate(all="ignore"):  # a NaN or an infinity in a curve is the library's own affair here
        found["lightning"] = lightning(rates, losses)
        found["torch-lr-finder"] = torch_lr_finder(rates, losses)
    return found


def _or_none(rule: Callable[[Floats, Floats], float], rates: Floats, losses: Floats) -> float | None:
    try:
        with np.errstate(all="ignore"):
            return rule(rates, losses) if len(rates) > 1 else None
    except IndexError:  # slide: fewer points than its interval is wide
        return None
