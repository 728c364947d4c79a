"""Suite D: problems of suite A between the bounds of D. M. Gay (1984), with the constrained minima published with them.

Bounds and minima as collected at mat.univie.ac.at/~neum/glopt/bounds.html, from where Ceres has them too. Two problems
differ. Box has m = 3 here. Gulf's published minimum, 5.8281431e-5, belongs to neither form of the function: with the
printed `y m i x2` no start of 31 ended below 8.08 (m = 99) and with suite A's `y - x2` none below 5.12. So Gulf is
suite A's, and its minimum the corner that all 31 starts reach, whose multipliers the tests check.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from .mgh import MGH, box_three_dimensional
from .problem import Problem, least_squares, tensor

SOURCE = "Gay 1984 (Lecture Notes in Mathematics 1066), on Moré, Garbow, Hillstrom 1981, problem {}"


def _problem(
    number: int,
    lower: Tensor,
    upper: Tensor,
    minimum: float,
    residuals: Callable[[Tensor], Tensor] | None = None,
) -> Problem:
    base = MGH[number - 1]
    fun = base.fun if residuals is None else least_squares(residuals)
    return Problem(base.name.partition(" m=")[0], base.start, fun, (minimum,), (lower, upper), SOURCE.format(number))


BOUNDED: tuple[Problem, ...] = (
    _problem(3, tensor(0, 1), tensor(1, 9), 1.51259e-10),
    _problem(4, tensor(0, 3e-5), tensor(1e6, 100), 784.0),
    _problem(5, tensor(0.6, 0.5), tensor(10, 100), 0.0),
    _problem(7, tensor(-100, -1, -1), tensor(0.8, 1, 1), 0.99042212),
    _problem(9, tensor(0.398, 1, -0.5), tensor(4.2, 2, 0.1), 1.12793276962e-8),
    _problem(11, tensor(1e-16, 0, 0), tensor(10, 10, 10), 5.121685715583),
    _problem(12, tensor(0, 5, 0), tensor(2, 9.5, 20), 3.0998153e-6, box_three_dimensional(3)),
    _problem(14, tensor(-100, -100, -100, -100), tensor(0, 10, 100, 100), 1.5567008),
    _problem(16, tensor(-10, 0, -100, -20), tensor(100, 15, 0, 0.2), 88860.479),
    _problem(18, tensor(0, 0, 0, 1, 0, 0), tensor(2, 8, 1, 7, 5, 5), 5.3209865e-4),
)
