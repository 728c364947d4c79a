"""The line search of Moré and Thuente (ACM TOMS 20(3), 1994, 286-307), as in MINPACK-2's dcsrch.

A search is a generator. It yields the step that it wants evaluated and is sent what was evaluated, `Trial`: mostly the
same step, a shorter one where the loss was not finite. It returns when it cannot improve any more. Acceptance is not
its business: see `search.py`.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from math import inf, isfinite, sqrt

Trial = tuple[float, float, float, float]  # step, value, slope, longest step that is allowed from now on
Search = Generator[float, Trial, None]

DECREASE = 1e-4  # of the value, as a share of what the slope promises (Armijo)
_GROWTH_LEAST, _GROWTH_MOST = 1.1, 4.0


def more_thuente(f0: float, slope0: float, t: float, noise: float) -> Search:
    """Search for a step with sufficient decrease and a small slope.

    Args:
        f0: value at 0.
        slope0: slope at 0, negative.
        t: the first step to try.
        noise: not used; searches share a signature.
    """
    with suppress(ZeroDivisionError):  # numbers so small that interpolation breaks down: the best trial will do
        yield from _search(f0, slope0, t)


def _search(f0: float, slope0: float, t: float) -> Search:
    bracketed, first_stage = False, True
    test = DECREASE * slope0
    width, previous_width = inf, inf
    x, fx, gx = 0.0, f0, slope0  # the best step
    y, fy, gy = 0.0, f0, slope0  # the other end
    low, high = 0.0, t + _GROWTH_MOST * t
    longest = inf
    while True:
        t, f, g, longest = yield t
        line = f0 + t * test
        if first_stage and f <= line and g >= 0:
            first_stage = False
        if bracketed and (t <= low or t >= high):
            return
        if t >= longest and f <= line and g <= test:
            return
        if first_stage and fx >= f > line:  # work on the function less its line of sufficient decrease
            x, fx, gx, y, fy, gy, t, bracketed = _step(
                x,
                fx - x * test,
                gx - test,
                y,
                fy - y * test,
                gy - test,
                t,
                f - t * test,
                g - test,
                bracketed,
                low,
                high,
            )
            fx, gx, fy, gy = fx + x * test, gx + test, fy + y * test, gy + test
        else:
            x, fx, gx, y, fy, gy, t, bracketed = _step(x, fx, gx, y, fy, gy, t, f, g, bracketed, low, high)
        if bracketed:
            if abs(y - x) >= 0.66 * previous_width:
                t = x + 0.5 * (y - x)
            previous_width, width = width, abs(y - x)
            low, high = min(x, y), max(x, y)
        else:
            low = t + _GROWTH_LEAST * (t - x)
            high = t + _GROWTH_MOST * (t - x)
        if not isfinite(t):
            return
        t = max(0.0, min(t, longest))
        if bracketed and (t <= low or t >= high):
            return


def _step(  # noqa: PLR0915  (four cases of one formula)
    x: float, fx: float, gx: float, y: float, fy: float, gy: float,
    t: float, f: float, g: float, bracketed: bool, low: float, high: float,
) -> tuple[float, float, float, float, float, float, float, bool]:  # fmt: skip
    """A safeguarded step from cubic and quadratic interpolation, and the updated ends of the interval (dcstep)."""
    same_sign = g * gx > 0 if gx else False
    if f > fx:  # higher: the minimum is in between
        theta = 3 * (fx - f) / (t - x) + gx + g
        s = max(abs(theta), abs(gx), abs(g))
        gamma = s * sqrt(max(0.0, (theta / s) ** 2 - gx / s * (g / s)))
        if t < x:
            gamma = -gamma
        r = (gamma - gx + theta) / (gamma - gx + gamma + g)
        cubic = x + r * (t - x)
        quadratic = x + gx / ((fx - f) / (t - x) + gx) / 2 * (t - x)
        new = cubic if abs(cubic - x) <= abs(quadratic - x) else cubic + (quadratic - cubic) / 2
        bracketed = True
    elif not same_sign:  # lower, slope of the other sign: the minimum is in between
        theta = 3 * (fx - f) / (t - x) + gx + g
        s = max(abs(theta), abs(gx), abs(g))
        gamma = s * sqrt(max(0.0, (theta / s) ** 2 - gx / s * (g / s))) if s else 0.0
        if t > x:
            gamma = -gamma
        bottom = gamma - g + gamma + gx
        r = (gamma - g + theta) / bottom if bottom else 0.5
        cubic = t + r * (x - t)
        quadratic = t + g / (g - gx) * (x - t) if g != gx else cubic
        new = cubic if abs(cubic - t) > abs(quadratic - t) else quadratic
        bracketed = True
    elif abs(g) < abs(gx):  # lower, and flatter
        theta = 3 * (fx - f) / (t - x) + gx + g
        s = max(abs(theta), abs(gx), abs(g))
        gamma = s * sqrt(max(0.0, (theta / s) ** 2 - gx / s * (g / s)))
        if t > x:
            gamma = -gamma
        bottom = gamma + (gx - g) + gamma
        r = (gamma - g + theta) / bottom if bottom else 0.0
        if r < 0 and gamma != 0:
            cubic = t + r * (x - t)
        else:
            cubic = high if t > x else low
        quadratic = t + g / (g - gx) * (x - t)
        if bracketed:
            new = cubic if abs(cubic - t) < abs(quadratic - t) else quadratic
            limit = t + 0.66 * (y - t)
            new = min(limit, new) if t > x else max(limit, new)
        else:
            new = cubic if abs(cubic - t) > abs(quadratic - t) else quadratic
            new = max(low, min(high, new))
    elif bracketed:  # lower, and not flatter: between here and the other end
        theta = 3 * (f - fy) / (y - t) + gy + g
        s = max(abs(theta), abs(gy), abs(g))
        gamma = s * sqrt(max(0.0, (theta / s) ** 2 - gy / s * (g / s)))
        if t > y:
            gamma = -gamma
        r = (gamma - g + theta) / (gamma - g + gamma + gy)
        new = t + r * (y - t)
    else:
        new = high if t > x else low
    if f > fx:
        y, fy, gy = t, f, g
    else:
        if not same_sign:
            y, fy, gy = x, fx, gx
        x, fx, gx = t, f, g
    return x, fx, gx, y, fy, gy, new, bracketed
