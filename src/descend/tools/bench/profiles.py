"""Who is fast on many problems: the performance profile of Dolan and More (2002), on times to a goal."""

from __future__ import annotations

import math
from collections.abc import Mapping

TAUS = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""The factors of the best time that the tables show."""


def ratios(times: Mapping[str, Mapping[str, float | None]]) -> dict[str, dict[str, float]]:
    """How many times as long as the fastest each optimizer took.

    Args:
        times: seconds to the goal by problem and optimizer; None where the goal was not reached.

    Returns:
        By problem and optimizer; inf where the goal was not reached.

    Example:
        >>> ratios({"a": {"x": 2.0, "y": 3.0, "z": None}})
        {'a': {'x': 1.0, 'y': 1.5, 'z': inf}}
    """
    result = {}
    for problem, seconds in times.items():
        best = min((time for time in seconds.values() if time is not None), default=math.inf)
        result[problem] = {name: math.inf if time is None else time / best for name, time in seconds.items()}
    return result


def profile(times: Mapping[str, Mapping[str, float | None]], tau: float) -> dict[str, float]:
    """The share of all problems on which an optimizer's time to the goal was at most `tau` times the fastest's.

    A problem in which an optimizer took no part counts as one whose goal it did not reach, so that all shares are of
    the same number of problems.

    Args:
        times: as in `ratios`.
        tau: at least 1; the share at 1 is that of problems on which it was the fastest.

    Returns:
        By optimizer, in the order in which they are first met.

    Example:
        >>> profile({"a": {"x": 2.0, "y": 3.0}, "b": {"x": 4.0, "y": None}}, tau=1.5)
        {'x': 1.0, 'y': 0.5}
    """
    found = ratios(times)
    names = dict.fromkeys(name for problem in found.values() for name in problem)
    return {name: sum(problem.get(name, math.inf) <= tau for problem in found.values()) / len(found) for name in names}
