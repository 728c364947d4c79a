"""Suite A: the 35 problems of Moré, Garbow, Hillstrom, "Testing unconstrained optimization software", TOMS 7(1) 1981.

Every function is a sum of squared residuals in the paper's order and numbering, from the paper's standard start. Where
the paper leaves the size open, n and m are those of the reference table this benchmark is compared with. Minima have
been polished in float64 and agree with the paper's, which gives six digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .problem import Problem, least_squares, tensor

SOURCE = "Moré, Garbow, Hillstrom 1981, problem {}"

MEYER = tensor(34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872)
BARD = tensor(0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39)
GAUSSIAN = tensor(
    *(0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989),
    *(0.3521, 0.2420, 0.1295, 0.0540, 0.0175, 0.0044, 0.0009),
)
KOWALIK_Y = tensor(0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246)
KOWALIK_U = tensor(4.0, 2.0, 1.0, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625)
OSBORNE_1 = tensor(
    *(0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751),
    *(0.718, 0.685, 0.658, 0.628, 0.603, 0.580, 0.558, 0.538, 0.522, 0.506, 0.490),
    *(0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411, 0.406),
)
OSBORNE_2 = tensor(
    *(1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746, 0.679, 0.608),
    *(0.655, 0.616, 0.606, 0.602, 0.626, 0.651, 0.724, 0.649, 0.649, 0.694, 0.644, 0.624, 0.661),
    *(0.612, 0.558, 0.533, 0.495, 0.500, 0.423, 0.395, 0.375, 0.372, 0.391, 0.396, 0.405, 0.428),
    *(0.429, 0.523, 0.562, 0.607, 0.653, 0.672, 0.708, 0.633, 0.668, 0.645, 0.632, 0.591, 0.559),
    *(0.597, 0.625, 0.739, 0.710, 0.729, 0.720, 0.636, 0.581, 0.428, 0.292, 0.162, 0.098, 0.054),
)


def count(n: int, x: Tensor, start: int = 1) -> Tensor:
    """start, start + 1, ..., n in the dtype of `x`."""
    return torch.arange(start, n + 1, dtype=x.dtype)


def rosenbrock(x: Tensor) -> Tensor:
    """Problems 1 and 21; n even."""
    a, b = x[0::2], x[1::2]
    return torch.cat([10 * (b - a**2), 1 - a])


def freudenstein_roth(x: Tensor) -> Tensor:
    """Problem 2."""
    a, b = x
    return torch.stack([-13 + a + ((5 - b) * b - 2) * b, -29 + a + ((b + 1) * b - 14) * b])


def powell_badly_scaled(x: Tensor) -> Tensor:
    """Problem 3."""
    a, b = x
    return torch.stack([1e4 * a * b - 1, torch.exp(-a) + torch.exp(-b) - 1.0001])


def brown_badly_scaled(x: Tensor) -> Tensor:
    """Problem 4."""
    a, b = x
    return torch.stack([a - 1e6, b - 2e-6, a * b - 2])


def beale(x: Tensor) -> Tensor:
    """Problem 5."""
    a, b = x
    return torch.stack([1.5 - a * (1 - b), 2.25 - a * (1 - b**2), 2.625 - a * (1 - b**3)])


def jennrich_sampson(x: Tensor) -> Tensor:
    """Problem 6, m = 10."""
    i = count(10, x)
    return 2 + 2 * i - (torch.exp(i * x[0]) + torch.exp(i * x[1]))


def helical_valley(x: Tensor) -> Tensor:
    """Problem 7."""
    a, b, c = x
    theta = torch.atan(b / a) / (2 * math.pi) + torch.where(a > 0, 0.0, 0.5)
    return torch.stack([10 * (c - 10 * theta), 10 * (torch.sqrt(a**2 + b**2) - 1), c])


def bard(x: Tensor) -> Tensor:
    """Problem 8."""
    u = count(15, x)
    v = 16 - u
    return BARD.to(x.dtype) - (x[0] + u / (v * x[1] + torch.minimum(u, v) * x[2]))


def gaussian(x: Tensor) -> Tensor:
    """Problem 9."""
    t = (8 - count(15, x)) / 2
    return x[0] * torch.exp(-x[1] * (t - x[2]) ** 2 / 2) - GAUSSIAN.to(x.dtype)


def meyer(x: Tensor) -> Tensor:
    """Problem 10."""
    return x[0] * torch.exp(x[1] / (45 + 5 * count(16, x) + x[2])) - MEYER.to(x.dtype)


def gulf(x: Tensor) -> Tensor:
    """Problem 11, m = 99; with `y - x2`, of which the paper's `y m i x2` is a misprint (its own minimum is not one)."""
    t = count(99, x) / 100
    y = 25 + (-50 * torch.log(t)) ** (2 / 3)
    return torch.exp(-(torch.abs(y - x[1]) ** x[2]) / x[0]) - t


def box_three_dimensional(m: int) -> Callable[[Tensor], Tensor]:
    """Problem 12."""

    def residuals(x: Tensor) -> Tensor:
        t = count(m, x) / 10
        return torch.exp(-t * x[0]) - torch.exp(-t * x[1]) - x[2] * (torch.exp(-t) - torch.exp(-10 * t))

    return residuals


def powell_singular(x: Tensor) -> Tensor:
    """Problems 13 and 22; n a multiple of 4."""
    a, b, c, d = x[0::4], x[1::4], x[2::4], x[3::4]
    return torch.cat([a + 10 * b, math.sqrt(5) * (c - d), (b - 2 * c) ** 2, math.sqrt(10) * (a - d) ** 2])


def wood(x: Tensor) -> Tensor:
    """Problem 14."""
    a, b, c, d = x
    ten = math.sqrt(10)
    return torch.stack(
        [10 * (b - a**2), 1 - a, math.sqrt(90) * (d - c**2), 1 - c, ten * (b + d - 2), (b - d) / ten],
    )


def kowalik_osborne(x: Tensor) -> Tensor:
    """Problem 15."""
    u = KOWALIK_U.to(x.dtype)
    return KOWALIK_Y.to(x.dtype) - x[0] * (u**2 + u * x[1]) / (u**2 + u * x[2] + x[3])


def brown_dennis(x: Tensor) -> Tensor:
    """Problem 16, m = 20."""
    t = count(20, x) / 5
    return (x[0] + t * x[1] - torch.exp(t)) ** 2 + (x[2] + x[3] * torch.sin(t) - torch.cos(t)) ** 2


def osborne_1(x: Tensor) -> Tensor:
    """Problem 17."""
    t = 10 * (count(33, x) - 1)
    return OSBORNE_1.to(x.dtype) - (x[0] + x[1] * torch.exp(-t * x[3]) + x[2] * torch.exp(-t * x[4]))


def biggs_exp6(x: Tensor) -> Tensor:
    """Problem 18, m = 13."""
    t = count(13, x) / 10
    y = torch.exp(-t) - 5 * torch.exp(-10 * t) + 3 * torch.exp(-4 * t)
    return x[2] * torch.exp(-t * x[0]) - x[3] * torch.exp(-t * x[1]) + x[5] * torch.exp(-t * x[4]) - y


def osborne_2(x: Tensor) -> Tensor:
    """Problem 19."""
    t = (count(65, x) - 1) / 10
    bells = torch.exp(-((t[:, None] - x[8:]) ** 2) * x[5:8]) @ x[1:4]
    return OSBORNE_2.to(x.dtype) - (x[0] * torch.exp(-t * x[4]) + bells)


def watson(x: Tensor) -> Tensor:
    """Problem 20."""
    n = len(x)
    t = count(29, x)[:, None] / 29
    j = count(n, x)
    powers = t ** (j - 1)
    slope = (powers[:, : n - 1] * (j[1:] - 1)) @ x[1:]
    return torch.cat([slope - (powers @ x) ** 2 - 1, x[:1], x[1:2] - x[:1] ** 2 - 1])


def penalty_1(x: Tensor) -> Tensor:
    """Problem 23."""
    return torch.cat([math.sqrt(1e-5) * (x - 1), (x @ x - 0.25)[None]])


def penalty_2(x: Tensor) -> Tensor:
    """Problem 24."""
    n, root = len(x), math.sqrt(1e-5)
    i = count(n, x, 2)
    y = torch.exp(i / 10) + torch.exp((i - 1) / 10)
    e = torch.exp(x / 10)
    last = (count(n, x).flip(0) * x**2).sum() - 1
    return torch.cat([x[:1] - 0.2, root * (e[1:] + e[:-1] - y), root * (e[1:] - math.exp(-0.1)), last[None]])


def variably_dimensioned(x: Tensor) -> Tensor:
    """Problem 25."""
    s = (count(len(x), x) * (x - 1)).sum()
    return torch.cat([x - 1, torch.stack([s, s**2])])


def trigonometric(x: Tensor) -> Tensor:
    """Problem 26."""
    n = len(x)
    cos = torch.cos(x)
    return n - cos.sum() + count(n, x) * (1 - cos) - torch.sin(x)


def brown_almost_linear(x: Tensor) -> Tensor:
    """Problem 27."""
    return torch.cat([x[:-1] + x.sum() - (len(x) + 1), (x.prod() - 1)[None]])


def discrete_boundary_value(x: Tensor) -> Tensor:
    """Problem 28."""
    n = len(x)
    h = 1 / (n + 1)
    zero = x.new_zeros(1)
    y = torch.cat([zero, x, zero])
    return 2 * x - y[:-2] - y[2:] + h**2 * (x + h * count(n, x) + 1) ** 3 / 2


def discrete_integral(x: Tensor) -> Tensor:
    """Problem 29."""
    n = len(x)
    h = 1 / (n + 1)
    t = h * count(n, x)
    cubes = (x + t + 1) ** 3
    below = torch.cumsum(t * cubes, 0)
    above = torch.cumsum(((1 - t) * cubes).flip(0), 0).flip(0) - (1 - t) * cubes
    return x + h * ((1 - t) * below + t * above) / 2


def broyden_tridiagonal(x: Tensor) -> Tensor:
    """Problem 30."""
    zero = x.new_zeros(1)
    y = torch.cat([zero, x, zero])
    return (3 - 2 * x) * x - y[:-2] - 2 * y[2:] + 1


def broyden_banded(x: Tensor) -> Tensor:
    """Problem 31: five variables below the diagonal and one above."""
    n = len(x)
    i = torch.arange(n)
    near = (i[None] >= i[:, None] - 5) & (i[None] <= i[:, None] + 1) & (i[None] != i[:, None])
    return x * (2 + 5 * x**2) + 1 - near.to(x.dtype) @ (x * (1 + x))


def linear_full_rank(x: Tensor) -> Tensor:
    """Problem 32, m = 20."""
    common = -2 / 20 * x.sum() - 1
    return torch.cat([x + common, common.expand(20 - len(x))])


def linear_rank_1(x: Tensor) -> Tensor:
    """Problem 33, m = 20."""
    return count(20, x) * (count(len(x), x) * x).sum() - 1


def linear_rank_1_zero(x: Tensor) -> Tensor:
    """Problem 34, m = 20: rank 1 with zero columns and rows."""
    s = (count(len(x) - 1, x, 2) * x[1:-1]).sum()
    factor = torch.cat([x.new_zeros(1), count(18, x), x.new_zeros(1)])
    return factor * s - 1


def chebyquad(x: Tensor) -> Tensor:
    """Problem 35, m = n: the means of shifted Chebyshev polynomials against their integrals."""
    n = len(x)
    y = 2 * x - 1
    polynomials = [torch.ones_like(y), y]
    while len(polynomials) <= n:
        polynomials.append(2 * y * polynomials[-1] - polynomials[-2])
    i = count(n, x)
    integrals = torch.where(i % 2 == 0, -1 / (i**2 - 1).clamp_min(1), torch.zeros_like(i))
    return torch.stack(polynomials[1:]).mean(1) - integrals


_i10 = torch.arange(1, 11, dtype=torch.float64)
_t10 = _i10 / 11

# name, residuals, start, minima
_TABLE: tuple[tuple[str, Callable[[Tensor], Tensor], Tensor, tuple[float, ...]], ...] = (
    ("rosenbrock", rosenbrock, tensor(-1.2, 1), (0.0,)),
    ("freudenstein-roth", freudenstein_roth, tensor(0.5, -2), (0.0, 48.98425367924)),
    ("powell badly scaled", powell_badly_scaled, tensor(0, 1), (0.0,)),
    ("brown badly scaled", brown_badly_scaled, tensor(1, 1), (0.0,)),
    ("beale", beale, tensor(1, 1), (0.0,)),
    ("jennrich-sampson", jennrich_sampson, tensor(0.3, 0.4), (124.36218235561,)),
    ("helical valley", helical_valley, tensor(-1, 0, 0), (0.0,)),
    ("bard", bard, tensor(1, 1, 1), (8.214877306579e-3,)),
    ("gaussian", gaussian, tensor(0.4, 1, 0), (1.12793276962e-8,)),
    ("meyer", meyer, tensor(0.02, 4000, 250), (87.945855170508,)),
    ("gulf m=99", gulf, tensor(5, 2.5, 0.15), (0.0,)),
    ("box 3d m=10", box_three_dimensional(10), tensor(0, 10, 20), (0.0,)),
    ("powell singular", powell_singular, tensor(3, -1, 0, 1), (0.0,)),
    ("wood", wood, tensor(-3, -1, -3, -1), (0.0,)),
    ("kowalik-osborne", kowalik_osborne, tensor(0.25, 0.39, 0.415, 0.39), (3.07505603849e-4,)),
    ("brown-dennis", brown_dennis, tensor(25, 5, -5, -1), (85822.201626356,)),
    ("osborne 1", osborne_1, tensor(0.5, 1.5, -1, 0.01, 0.02), (5.464894697483e-5,)),
    ("biggs exp6", biggs_exp6, tensor(1, 2, 1, 1, 1, 1), (0.0, 5.65564992550e-3)),
    ("osborne 2", osborne_2, tensor(1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5), (4.013773629355e-2,)),
    ("watson n=9", watson, torch.zeros(9, dtype=torch.float64), (1.399760138098e-6,)),
    ("extended rosenbrock n=100", rosenbrock, tensor(-1.2, 1).repeat(50), (0.0,)),
    ("extended powell n=100", powell_singular, tensor(3, -1, 0, 1).repeat(25), (0.0,)),
    ("penalty 1 n=10", penalty_1, _i10, (7.0876514671e-5,)),
    ("penalty 2 n=10", penalty_2, torch.full_like(_i10, 0.5), (2.93660530e-4,)),
    ("variably dimensioned n=10", variably_dimensioned, 1 - _i10 / 10, (0.0,)),
    ("trigonometric n=10", trigonometric, torch.full_like(_i10, 0.1), (0.0, 2.7950561219e-5)),
    ("brown almost linear n=10", brown_almost_linear, torch.full_like(_i10, 0.5), (0.0, 1.0)),
    ("discrete boundary value n=10", discrete_boundary_value, _t10 * (_t10 - 1), (0.0,)),
    ("discrete integral n=10", discrete_integral, _t10 * (_t10 - 1), (0.0,)),
    ("broyden tridiagonal n=10", broyden_tridiagonal, torch.full_like(_i10, -1.0), (0.0,)),
    ("broyden banded n=10", broyden_banded, torch.full_like(_i10, -1.0), (0.0,)),
    ("linear full rank 10x20", linear_full_rank, torch.ones_like(_i10), (10.0,)),
    ("linear rank 1 10x20", linear_rank_1, torch.ones_like(_i10), (190 / 41,)),
    ("linear rank 1 zero 10x20", linear_rank_1_zero, torch.ones_like(_i10), (227 / 37,)),
    ("chebyquad n=8", chebyquad, torch.arange(1, 9, dtype=torch.float64) / 9, (3.516873725678e-3,)),
)

MGH: tuple[Problem, ...] = tuple(
    Problem(f"{number:02d} {name}", start, least_squares(residuals), minima, source=SOURCE.format(number))
    for number, (name, residuals, start, minima) in enumerate(_TABLE, start=1)
)
