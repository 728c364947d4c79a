"""Averages of weights along training: equal (Izmailov et al. 2018, arXiv:1803.05407) or exponential (Polyak averaging).

A rule like any other, with the average so far in the parameter's place and the model's parameter in the gradient's.
"""

from typing import Any

from .ops import abs, where
from .rule import Buffer, Rule


def averaging(p, g, exact, *, near, tiny, weight, rest):  # type: ignore[no-untyped-def]
    """a <- a + w (g - a): a the average, g the model.  w = 1/(n+1) (equal weights) or 1 - decay (exponential).

    For w > 1/2 in the form g - (1-w)(g - a), which gives g exactly when w = 1. An average in half precision is kept in
    float32 beside: `exact` is what was rounded to p. Where p is not its rounded value (|exact - p| > near |p| + tiny,
    half a unit in the last place), somebody has written to p, and p counts.
    """
    average = p
    if exact is not None:
        average = where(abs(exact - p) <= near * abs(p) + tiny, exact, p)
    if weight is not None:
        average = average + weight * (g - average)
    else:
        average = g - rest * (g - average)
    return average, average


def scalars(t: int, *, weight: float, near: float | None, tiny: float | None) -> dict[str, Any]:
    """One of the two forms; `near` and `tiny` belong to the dtype of p, None if nothing is kept beside."""
    light = weight <= 0.5
    return dict(near=near, tiny=tiny, weight=weight if light else None, rest=None if light else 1 - weight)


AVERAGING = Rule(averaging, scalars, dict(exact=Buffer()), counts_steps=False)
