"""Suite B: problems of any size from CUTE and its literature, here with n = 1000 (dixmaan: 999).

Definitions follow Bongartz, Conn, Gould, Toint, "CUTE: constrained and unconstrained testing environment", ACM TOMS
21(1), 1995. Minima other than whole numbers have been polished in float64.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .mgh import count, penalty_1, powell_singular, rosenbrock
from .problem import Problem, least_squares, tensor

SOURCE = "CUTE 1995, {}"


def arwhead(x: Tensor) -> Tensor:
    """f* = 0."""
    return ((x[:-1] ** 2 + x[-1] ** 2) ** 2 - 4 * x[:-1] + 3).sum()


def bdqrtic(x: Tensor) -> Tensor:
    """Quartic with a banded Hessian and one dense column."""
    y = x**2
    quartic = y[:-4] + 2 * y[1:-3] + 3 * y[2:-2] + 4 * y[3:-1] + 5 * y[-1]
    return ((3 - 4 * x[:-4]) ** 2 + quartic**2).sum()


def genrose(x: Tensor) -> Tensor:
    """Nash's generalised Rosenbrock function."""
    return 1 + 100 * ((x[1:] - x[:-1] ** 2) ** 2).sum() + ((x[1:] - 1) ** 2).sum()


def cragglvy(x: Tensor) -> Tensor:
    """The extended Cragg and Levy function."""
    a, b, c, d = x[0:-2:2], x[1:-2:2], x[2::2], x[3::2]
    return ((torch.exp(a) - b) ** 4 + 100 * (b - c) ** 6 + (torch.tan(c - d) + c - d) ** 4 + a**8 + (d - 1) ** 2).sum()


def dixmaan(alpha: float, beta: float, gamma: float, delta: float, power: int) -> Callable[[Tensor], Tensor]:
    """The Dixon-Maany family; the first and last sums are weighted with (i/n) to a power."""

    def fun(x: Tensor) -> Tensor:
        n = len(x)
        m = n // 3
        weight = (count(n, x) / n) ** power
        return (
            1
            + alpha * (weight * x**2).sum()
            + beta * (x[:-1] ** 2 * (x[1:] + x[1:] ** 2) ** 2).sum()
            + gamma * (x[: 2 * m] ** 2 * x[m:] ** 4).sum()
            + delta * (weight[:m] * x[:m] * x[2 * m :]).sum()
        )

    return fun


def dixon3dq(x: Tensor) -> Tensor:
    """Dixon's tridiagonal quadratic."""
    return (x[0] - 1) ** 2 + ((x[1:-1] - x[2:]) ** 2).sum() + (x[-1] - 1) ** 2


def dqdrtic(x: Tensor) -> Tensor:
    """A diagonal quadratic."""
    return (x[:-2] ** 2 + 100 * x[1:-1] ** 2 + 100 * x[2:] ** 2).sum()


def edensch(x: Tensor) -> Tensor:
    """The extended Dennis and Schnabel function."""
    a, b = x[:-1], x[1:]
    return 16 + ((a - 2) ** 4 + (a * b - 2 * b) ** 2 + (b + 1) ** 2).sum()


def engval1(x: Tensor) -> Tensor:
    """Engvall's function 1."""
    return ((x[:-1] ** 2 + x[1:] ** 2) ** 2 - 4 * x[:-1] + 3).sum()


def liarwhd(x: Tensor) -> Tensor:
    """A simplified version of nondia."""
    return (4 * (x**2 - x[0]) ** 2 + (x - 1) ** 2).sum()


def nondia(x: Tensor) -> Tensor:
    """Shanno's nondiagonal extension of Rosenbrock's function."""
    return (x[0] - 1) ** 2 + 100 * ((x[0] - x[1:] ** 2) ** 2).sum()


def nondquar(x: Tensor) -> Tensor:
    """A nondiagonal quartic; the Hessian is singular at the minimum."""
    return (x[0] - x[1]) ** 2 + ((x[:-2] + x[1:-1] + x[-1]) ** 4).sum() + (x[-2] + x[-1]) ** 2


def power(x: Tensor) -> Tensor:
    """Oren's power function."""
    return (count(len(x), x) * x**2).sum() ** 2


def tquartic(x: Tensor) -> Tensor:
    """A quartic with nearly dependent gradients."""
    return (x[0] - 1) ** 2 + ((x[0] ** 2 - x[1:] ** 2) ** 2).sum()


def tridia(x: Tensor) -> Tensor:
    """Shanno's tridiagonal quadratic."""
    return (x[0] - 1) ** 2 + (count(len(x), x, 2) * (2 * x[1:] - x[:-1]) ** 2).sum()


def cosine(x: Tensor) -> Tensor:
    """Toint's cosine function."""
    return torch.cos(-0.5 * x[1:] + x[:-1] ** 2).sum()


_one = torch.ones(1000, dtype=torch.float64)
_alternating = tensor(1, -1).repeat(500)
_twos = torch.full((999,), 2.0, dtype=torch.float64)
_i = torch.arange(1, 1001, dtype=torch.float64)
_cragglvy = torch.full((1000,), 2.0, dtype=torch.float64)
_cragglvy[0] = 1.0

# name, function, start, minimum
_TABLE: tuple[tuple[str, Callable[[Tensor], Tensor], Tensor, float], ...] = (
    ("arwhead", arwhead, _one, 0.0),
    ("bdqrtic", bdqrtic, _one, 3983.81795057),
    ("genrose", genrose, _i / 1001, 1.0),
    ("cragglvy", cragglvy, _cragglvy, 336.423147873),
    ("dixmaana", dixmaan(1.0, 0.0, 0.125, 0.125, 0), _twos, 1.0),
    ("dixmaani", dixmaan(1.0, 0.0, 0.125, 0.125, 2), _twos, 1.0),
    ("dixmaanl", dixmaan(1.0, 0.26, 0.26, 0.26, 2), _twos, 1.0),
    ("dixon3dq", dixon3dq, -_one, 0.0),
    ("dqdrtic", dqdrtic, 3 * _one, 0.0),
    ("edensch", edensch, 0 * _one, 6003.284592021),
    ("engval1", engval1, 2 * _one, 1108.194718785),
    ("liarwhd", liarwhd, 4 * _one, 0.0),
    ("nondia", nondia, -_one, 0.0),
    ("nondquar", nondquar, _alternating, 0.0),
    ("power", power, _one, 0.0),
    ("tquartic", tquartic, 0.1 * _one, 0.0),
    ("tridia", tridia, _one, 0.0),
    ("cosine", cosine, _one, -999.0),
    ("penalty1", least_squares(penalty_1), _i, 9.68617543245e-3),
    ("extended rosenbrock", least_squares(rosenbrock), tensor(-1.2, 1).repeat(500), 0.0),
    ("extended powell", least_squares(powell_singular), tensor(3, -1, 0, 1).repeat(250), 0.0),
)

SCALABLE: tuple[Problem, ...] = tuple(
    Problem(name, start, fun, (minimum,), source=SOURCE.format(name.upper())) for name, fun, start, minimum in _TABLE
)
