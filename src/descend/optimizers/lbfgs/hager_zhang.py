"""The line search of Hager and Zhang (SIAM J. Optim. 16(1), 2005, 170-192; ACM TOMS 32(1), 2006, 113-137).

A generator, as in `more_thuente.py`. It brackets with slopes rather than values, which lets it work where values differ
by rounding errors only, and closes the bracket by double secant steps with bisections in between.
"""

from __future__ import annotations

from collections.abc import Generator
from math import isfinite

from .more_thuente import Search, Trial

_EXPANSION = 5.0
_BISECTION = 0.5
_SHRINKAGE = 0.66
_Point = tuple[float, float, float]  # step, value, slope


def hager_zhang(f0: float, slope0: float, t: float, noise: float) -> Search:
    """Search for a step with sufficient decrease and a small slope.

    Args:
        f0: value at 0.
        slope0: slope at 0, negative.
        t: the first step to try.
        noise: values up to f0 + noise count as not higher.
    """
    limit = f0 + noise
    a: _Point = (0.0, f0, slope0)
    point, longest = yield from _ask(t)
    while point[2] < 0:  # B1 to B3 of the paper: until the slope or the value turns
        if point[1] > limit:
            a, b = yield from _bisected(a, point, limit)
            break
        if point[0] >= longest:
            return
        a = point
        point, longest = yield from _ask(min(_EXPANSION * point[0], longest))
    else:
        b = point
    while b[0] - a[0] > 1e-15 * b[0]:
        before = b[0] - a[0]
        c = _secant(a, b)
        start = a, b
        a, b, hit = yield from _updated(a, b, c, limit)
        if hit is not None and (hit == b[0] or hit == a[0]):
            second = _secant(start[1], b) if hit == b[0] else _secant(start[0], a)
            a, b, _ = yield from _updated(a, b, second, limit)
        if b[0] - a[0] > _SHRINKAGE * before:
            a, b, _ = yield from _updated(a, b, (a[0] + b[0]) / 2, limit)


def _ask(t: float) -> Generator[float, Trial, tuple[_Point, float]]:
    t, f, g, longest = yield t
    return (t, f, g), longest


def _secant(a: _Point, b: _Point) -> float:
    return (a[0] * b[2] - b[0] * a[2]) / (b[2] - a[2]) if b[2] != a[2] else float("nan")


def _updated(
    a: _Point, b: _Point, c: float, limit: float
) -> Generator[float, Trial, tuple[_Point, _Point, float | None]]:
    """U0 to U3 of the paper; with the step that was evaluated, None if it was outside of the interval."""
    if not (isfinite(c) and a[0] < c < b[0]):
        return a, b, None
    point, _ = yield from _ask(c)
    if point[2] >= 0:
        return a, point, point[0]
    if point[1] <= limit:
        return point, b, point[0]
    low, high = yield from _bisected(a, point, limit)
    return low, high, point[0]


def _bisected(a: _Point, b: _Point, limit: float) -> Generator[float, Trial, tuple[_Point, _Point]]:
    """Between a low end that falls and a high end that falls, too: an interval whose slopes differ in sign."""
    while b[0] - a[0] > 1e-15 * b[0]:
        point, _ = yield from _ask(a[0] + _BISECTION * (b[0] - a[0]))
        if point[2] >= 0:
            return a, point
        if point[1] <= limit:
            a = point
        else:
            b = point
    return a, b
