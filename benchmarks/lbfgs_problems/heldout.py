"""Problems that were not looked at while L-BFGS was written and tuned: they tell whether its constants are general.

Five fits of NIST's statistical reference data sets with certified residual sums, CUTE problems outside suites A and B,
analytic functions of Surjanovic and Bingham's collection, and a Lennard-Jones cluster.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .mgh import count
from .problem import Problem, least_squares, tensor

NIST = "NIST StRD, {}; certified residual sum of squares"
CUTE = "CUTE 1995, {}"
SFU = "Surjanovic, Bingham, Virtual Library of Simulation Experiments, {}"

MISRA_X = tensor(77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0)
MISRA_Y = tensor(10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78)
BOXBOD_X = tensor(1, 2, 3, 5, 7, 10)
BOXBOD_Y = tensor(109, 149, 149, 191, 213, 224)
DANWOOD_X = tensor(1.309, 1.471, 1.490, 1.565, 1.611, 1.680)
DANWOOD_Y = tensor(2.138, 3.421, 3.597, 4.340, 4.882, 5.660)
RAT42_X = tensor(9, 14, 21, 28, 42, 57, 63, 70, 79)
RAT42_Y = tensor(8.93, 10.8, 18.59, 22.33, 39.35, 56.11, 61.73, 64.62, 67.08)
ROSZMAN_X = tensor(
    *(-4868.68, -4868.09, -4867.41, -3375.19, -3373.14, -3372.03, -2473.74, -2472.35, -2469.45, -1894.65, -1893.40),
    *(-1497.24, -1495.85, -1493.41, -1208.68, -1206.18, -1206.04, -997.92, -996.61, -996.31, -834.94, -834.66),
    *(-710.03, -530.16, -464.17),
)
ROSZMAN_Y = tensor(
    *(0.252429, 0.252141, 0.251809, 0.297989, 0.296257, 0.295319, 0.339603, 0.337731, 0.333820, 0.389510, 0.386998),
    *(0.438864, 0.434887, 0.427893, 0.471568, 0.461699, 0.461144, 0.513532, 0.506641, 0.505062, 0.535648, 0.533726),
    *(0.568064, 0.612886, 0.624169),
)


def fit(model: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> Callable[[Tensor], Tensor]:
    """The residual sum of squares of `model(parameters, x)`."""
    return least_squares(lambda b: y.to(b.dtype) - model(b, x.to(b.dtype)))


def growth(b: Tensor, x: Tensor) -> Tensor:
    """Misra1a and BoxBOD."""
    return b[0] * (1 - torch.exp(-b[1] * x))


def power_law(b: Tensor, x: Tensor) -> Tensor:
    """DanWood."""
    return b[0] * x ** b[1]


def sigmoid(b: Tensor, x: Tensor) -> Tensor:
    """Rat42."""
    return b[0] / (1 + torch.exp(b[1] - b[2] * x))


def quantum_defect(b: Tensor, x: Tensor) -> Tensor:
    """Roszman1."""
    return b[0] - b[1] * x - torch.atan(b[2] / (x - b[3])) / math.pi


def cliff(x: Tensor) -> Tensor:
    """A gentle slope that ends in an exponential wall."""
    a, b = x
    return ((a - 3) / 100) ** 2 - (a - b) + torch.exp(20 * (a - b))


def cube(x: Tensor) -> Tensor:
    """Leon's cubic valley."""
    a, b = x
    return (a - 1) ** 2 + 100 * (b - a**3) ** 2


def sisser(x: Tensor) -> Tensor:
    """A quartic with a singular Hessian at its minimum."""
    a, b = x
    return 3 * a**4 - 2 * a**2 * b**2 + 3 * b**4


def engval2(x: Tensor) -> Tensor:
    """Engvall's function 2."""
    a, b, c = x
    return (
        (a**2 + b**2 + c**2 - 1) ** 2
        + (a**2 + b**2 + (c - 2) ** 2 - 1) ** 2
        + (a + b + c - 1) ** 2
        + (a + b - c + 1) ** 2
        + (a**3 + 3 * b**2 + (5 * c - a + 1) ** 2 - 36) ** 2
    )


def denschna(x: Tensor) -> Tensor:
    """Dennis and Schnabel's function A."""
    a, b = x
    return a**4 + (a + b) ** 2 + (torch.exp(b) - 1) ** 2


def hilbert(x: Tensor) -> Tensor:
    """The quadratic form of the Hilbert matrix: condition 1.6e13 at n = 10."""
    i = count(len(x), x)
    return x @ ((1 / (i[:, None] + i - 1)) @ x)


def dqrtic(x: Tensor) -> Tensor:
    """Uncoupled quartics."""
    return ((x - count(len(x), x)) ** 4).sum()


def extrosnb(x: Tensor) -> Tensor:
    """The chained Rosenbrock function that is not separable."""
    return (x[0] - 1) ** 2 + 100 * ((x[1:] - x[:-1] ** 2) ** 2).sum()


def fletchcr(x: Tensor) -> Tensor:
    """Fletcher's chained function."""
    return 100 * ((x[1:] - x[:-1] + 1 - x[:-1] ** 2) ** 2).sum()


def testquad(x: Tensor) -> Tensor:
    """A diagonal quadratic with condition n."""
    return (count(len(x), x) * x**2).sum()


def himmelblau(x: Tensor) -> Tensor:
    """Four minima of value 0."""
    a, b = x
    return (a**2 + b - 11) ** 2 + (a + b**2 - 7) ** 2


def goldstein_price(x: Tensor) -> Tensor:
    """One global and three local minima."""
    a, b = x
    first = 1 + (a + b + 1) ** 2 * (19 - 14 * a + 3 * a**2 - 14 * b + 6 * a * b + 3 * b**2)
    second = 30 + (2 * a - 3 * b) ** 2 * (18 - 32 * a + 12 * a**2 + 48 * b - 36 * a * b + 27 * b**2)
    return first * second


def branin(x: Tensor) -> Tensor:
    """Three minima of one value."""
    a, b = x
    inner = b - 5.1 / (4 * math.pi**2) * a**2 + 5 / math.pi * a - 6
    return inner**2 + 10 * (1 - 1 / (8 * math.pi)) * torch.cos(a) + 10


def six_hump_camel(x: Tensor) -> Tensor:
    """Six minima of three values."""
    a, b = x
    return (4 - 2.1 * a**2 + a**4 / 3) * a**2 + a * b + (-4 + 4 * b**2) * b**2


def zakharov(x: Tensor) -> Tensor:
    """A plate-shaped function."""
    s = (count(len(x), x) * x).sum() / 2
    return (x * x).sum() + s**2 + s**4


def trid(x: Tensor) -> Tensor:
    """A quadratic; f* = -n (n+4) (n-1) / 6."""
    return ((x - 1) ** 2).sum() - (x[1:] * x[:-1]).sum()


def dixon_price(x: Tensor) -> Tensor:
    """A chain with a local minimum of value 2/3."""
    return (x[0] - 1) ** 2 + (count(len(x), x, 2) * (2 * x[1:] ** 2 - x[:-1]) ** 2).sum()


def raydan1(x: Tensor) -> Tensor:
    """f* = n (n+1) / 20."""
    return (count(len(x), x) / 10 * (torch.exp(x) - x)).sum()


def lennard_jones_7(v: Tensor) -> Tensor:
    """Seven atoms; the published minima have six digits and have been polished in float64."""
    first, second = torch.triu_indices(7, 7, 1)
    points = v.view(7, 3)
    difference = points[first] - points[second]
    inverse = 1 / (difference * difference).sum(1) ** 3
    return 4 * (inverse * inverse - inverse).sum()


def _constant(value: float, n: int) -> Tensor:
    return torch.full((n,), value, dtype=torch.float64)


_lj7 = torch.randn(7, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

HELD_OUT: tuple[Problem, ...] = (
    Problem(
        "misra1a",
        tensor(250, 5e-4),
        fit(growth, MISRA_X, MISRA_Y),
        (1.2455138894e-1,),
        source=NIST.format("Misra1a, start 2"),
    ),
    Problem(
        "boxbod",
        tensor(100, 0.75),
        fit(growth, BOXBOD_X, BOXBOD_Y),
        (1.1680088766e3,),
        source=NIST.format("BoxBOD, start 2"),
    ),
    Problem(
        "danwood",
        tensor(1, 5),
        fit(power_law, DANWOOD_X, DANWOOD_Y),
        (4.3173084083e-3,),
        source=NIST.format("DanWood, start 1"),
    ),
    Problem(
        "rat42",
        tensor(100, 1, 0.1),
        fit(sigmoid, RAT42_X, RAT42_Y),
        (8.0565229338,),
        source=NIST.format("Rat42, start 1"),
    ),
    Problem(
        "roszman1",
        tensor(0.2, -5e-6, 1200, -150),
        fit(quantum_defect, ROSZMAN_X, ROSZMAN_Y),
        (4.9484847331e-4,),
        source=NIST.format("Roszman1, start 2"),
    ),
    Problem("cliff", tensor(0, -1), cliff, (0.199786613671,), source=CUTE.format("CLIFF")),
    Problem("cube", tensor(-1.2, 1), cube, (0.0,), source=CUTE.format("CUBE")),
    Problem("sisser", tensor(1, 0.1), sisser, (0.0,), source=CUTE.format("SISSER")),
    Problem("engval2", tensor(1, 2, 0), engval2, (0.0,), source=CUTE.format("ENGVAL2")),
    Problem("denschna", tensor(1, 1), denschna, (0.0,), source=CUTE.format("DENSCHNA")),
    Problem("hilberta n=10", _constant(-3.0, 10), hilbert, (0.0,), source=CUTE.format("HILBERTA")),
    Problem("dqrtic n=1000", _constant(2.0, 1000), dqrtic, (0.0,), source=CUTE.format("DQRTIC")),
    Problem("extrosnb n=10", _constant(-1.0, 10), extrosnb, (0.0,), source=CUTE.format("EXTROSNB")),
    Problem("fletchcr n=100", _constant(0.0, 100), fletchcr, (0.0,), source=CUTE.format("FLETCHCR")),
    Problem("testquad n=1000", _constant(1.0, 1000), testquad, (0.0,), source=CUTE.format("TESTQUAD")),
    Problem("himmelblau", tensor(0, 0), himmelblau, (0.0,), source="Himmelblau 1972"),
    Problem(
        "goldstein-price", tensor(-0.5, 0.5), goldstein_price, (3.0, 30.0, 84.0, 840.0), source=SFU.format("goldpr")
    ),
    Problem("branin", tensor(2.5, 7.5), branin, (0.397887357729738,), source=SFU.format("branin")),
    Problem(
        "six-hump camel",
        tensor(1, 1),
        six_hump_camel,
        (-1.031628453489877, -0.215463824383714, 2.104250310311244),
        source=SFU.format("camel6"),
    ),
    Problem("zakharov n=10", _constant(1.0, 10), zakharov, (0.0,), source=SFU.format("zakharov")),
    Problem("trid n=30", _constant(0.0, 30), trid, (-4930.0,), source=SFU.format("trid")),
    Problem("dixon-price n=25", _constant(1.0, 25), dixon_price, (0.0, 2 / 3), source=SFU.format("dixonpr")),
    Problem(
        "raydan1 n=100",
        _constant(1.0, 100),
        raydan1,
        (505.0,),
        source="Raydan 1997, SIAM J. Optim. 7, Strictly Convex 2",
    ),
    Problem(
        "lj7",
        1.2 * _lj7.flatten(),
        lennard_jones_7,
        (-16.50538416801222, -15.935043060488894, -15.59321093819259, -15.533060054574872),
        source="Hoare, Pal 1971; Cambridge Cluster Database, LJ7",
    ),
)
