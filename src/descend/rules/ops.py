"""The vocabulary of a rule: what each name means, on plain floats.

A rule imports these names and calls them; every engine binds its own version of the same meaning (torch operations in
the eager engine, machine instructions in the compiled ones). On plain floats they make a rule an ordinary Python
function, which is how tests hold rules against a float64 oracle.
"""

import builtins
import math

__all__ = ["abs", "maximum", "minimum", "sign", "sqrt", "where"]


def sqrt(x: float) -> float:
    """Square root, rounded to nearest; NaN for x < 0."""
    return math.sqrt(x) if not x < 0 else math.nan


def abs(x: float) -> float:
    """Absolute value."""
    return builtins.abs(x)


def sign(x: float) -> float:
    """-1, 0 or 1 with the sign of x; NaN for NaN."""
    return (x > 0) - (x < 0) if x == x else x


def where(condition: bool, a: float, b: float) -> float:
    """`a` where the condition holds, else `b`."""
    return a if condition else b


def maximum(a: float, b: float) -> float:
    """The larger of the two; NaN if either is NaN."""
    return a if a > b or a != a else b


def minimum(a: float, b: float) -> float:
    """The smaller of the two; NaN if either is NaN."""
    return a if a < b or a != a else b
