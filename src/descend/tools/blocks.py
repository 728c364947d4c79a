"""Numbers as block characters: a row of a heat map, a small curve, in the width of a word."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

BLOCKS = "▁▂▃▄▅▆▇█"
DIVERGED, NOTHING = "×", " "

_ASCII = str.maketrans(
    dict(zip(BLOCKS, "_.-:=+*#", strict=True))
    | {DIVERGED: "x", "±": "+-", "–": "-", "…": "...", "→": "->", "≥": ">=", "░": "."}
)


def levels(values: Sequence[float], low: float | None = None, high: float | None = None) -> list[float]:
    """Where numbers are between the smallest and the largest, from 0 to 1.

    On a logarithmic scale; on a linear one if a number is not positive. inf stays inf and nan stays nan.

    Args:
        values: what to scale.
        low: what is 0, if not the smallest; smaller ones are 0 as well.
        high: what is 1, if not the largest; larger ones are 1 as well.

    Example:
        >>> levels([1.0, 10.0, 100.0, float("inf")]), levels([-1.0, 0.0, 1.0]), levels([5.0])
        ([0.0, 0.5, 1.0, inf], [0.0, 0.5, 1.0], [0.0])
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return list(values)
    low, high = min(finite) if low is None else low, max(finite) if high is None else high
    logarithmic = min(low, *finite) > 0

    def scaled(value: float) -> float:
        if not math.isfinite(value):
            return value
        value = min(max(value, low), high)
        if high <= low:
            return 0.0
        if logarithmic:
            return math.log(value / low) / math.log(high / low)
        return value / (high - low) - low / (high - low)

    return [scaled(value) for value in values]


def row(values: Sequence[float], low: float | None = None, high: float | None = None) -> str:
    """A character for each number, higher for larger ones; x where it is infinite, a space where it is nan.

    Example:
        >>> row([2.3, 0.9, 0.1, 0.5, float("inf"), float("nan")])
        '█▆▁▅× '
    """
    signs = []
    for level in levels(values, low, high):
        if level != level:
            signs.append(NOTHING)
        elif math.isinf(level):
            signs.append(DIVERGED if level > 0 else BLOCKS[0])
        else:
            signs.append(BLOCKS[min(len(BLOCKS) - 1, int(level * len(BLOCKS)))])
    return "".join(signs)


def spark(values: Sequence[float], width: int = 40) -> str:
    """A curve in at most `width` characters: the median of each stretch of it.

    Example:
        >>> spark([8.0, 4.0, 4.0, 2.0, 1.0, 1.0], width=3)
        '█▅▁'
    """
    if len(values) <= width:
        return row(values)
    ends = [k * len(values) // width for k in range(width + 1)]
    return row([_middle(values[low:high]) for low, high in pairwise(ends)])


def _middle(values: Sequence[float]) -> float:
    """The median; inf if one of them is, as a stretch that diverged must be seen; nan if all are."""
    known = [value for value in values if value == value]
    return math.nan if not known else math.inf if math.inf in known else median(known)


def fit(text: str, encoding: str | None) -> str:
    """The text as it is if a stream can encode it, else with ASCII characters of the same meaning.

    Args:
        text: what is to be written.
        encoding: of the stream; None is taken for UTF-8.

    Example:
        >>> fit("0.09 ±0.01 ▁▂█×", "ascii")
        '0.09 +-0.01 _.#x'
    """
    try:
        text.encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return text.translate(_ASCII).encode("ascii", "replace").decode()
    return text
