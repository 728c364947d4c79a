"""Suite C: real data and real models: logistic regressions, a Lennard-Jones cluster and a small autoencoder.

The data sets ship inside scikit-learn. Logistic regressions are convex, so their minima are known; the cluster's is
published; the autoencoder's is not, and solvers are ranked on it by the loss they reach.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from .problem import Problem

LOGISTIC_MINIMA: dict[tuple[str, float], float] = {
    ("breast_cancer", 1e-3): 0.0534924568797,
    ("breast_cancer", 1e-5): 0.0295502641538,
    ("wine", 1e-3): 0.0266649257380,
    ("wine", 1e-5): 0.00118017639246,
    ("digits", 1e-3): 0.0875289836416,
    ("digits", 1e-5): 0.00535753612219,
}
LJ13_MINIMUM = -44.326801419534


@cache
def load(name: str) -> tuple[Tensor, Tensor]:
    """(features, classes) of a scikit-learn data set; float64, every feature with mean 0 and variance 1."""
    from sklearn import datasets

    data = getattr(datasets, f"load_{name}")()
    x = torch.tensor(data.data, dtype=torch.float64)
    scale = x.std(0, correction=0)
    return (x - x.mean(0)) / torch.where(scale == 0, 1.0, scale), torch.tensor(data.target)


def logistic(name: str, penalty: float) -> Problem:
    """Multinomial logistic regression: mean cross-entropy + penalty/2 |v|^2 over weights and biases, from zero.

    The variables are the weights (one row per class) and then the biases.
    """
    x, classes = load(name)
    features, k = x.shape[1], int(classes.max()) + 1
    inputs = {dtype: x.to(dtype) for dtype in (torch.float32, torch.float64)}

    def fun(v: Tensor) -> Tensor:
        w, bias = v[: k * features].view(k, features), v[k * features :]
        return cross_entropy(inputs[v.dtype] @ w.T + bias, classes) + penalty / 2 * (v * v).sum()

    start = torch.zeros(k * features + k, dtype=torch.float64)
    source = f"scikit-learn's {name}, penalty {penalty:g}"
    return Problem(f"{name} {penalty:g}", start, fun, (LOGISTIC_MINIMA[name, penalty],), source=source)


def icosahedron() -> Tensor:
    """The 13 points of a centred icosahedron of edge length 1, shape (13, 3), float64."""
    golden = (1 + math.sqrt(5)) / 2
    corners = [(0.0, a, b * golden) for a in (-1.0, 1.0) for b in (-1.0, 1.0)]
    points = [p[k:] + p[:k] for k in range(3) for p in corners]
    return torch.tensor([(0.0, 0.0, 0.0), *points], dtype=torch.float64) / 2


def lennard_jones() -> Problem:
    """13 atoms, from a distorted icosahedron; f = 4 sum(r^-12 - r^-6). Its minimum is in Hoare and Pal 1971."""
    first, second = torch.triu_indices(13, 13, 1)
    noise = torch.randn(13, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    start = (1.12 * icosahedron() + 0.1 * noise).flatten()

    def fun(v: Tensor) -> Tensor:
        points = v.view(13, 3)
        difference = points[first] - points[second]
        inverse = 1 / (difference * difference).sum(1) ** 3
        return 4 * (inverse * inverse - inverse).sum()

    return Problem("lj13", start, fun, (LJ13_MINIMUM,), source="Hoare, Pal 1971; Cambridge Cluster Database, LJ13")


def autoencoder() -> Problem:
    """64-16-64 with tanh on scikit-learn's digits, mean squared error; from torch.nn.Linear's weights, seed 0."""
    from sklearn.datasets import load_digits

    images = torch.tensor(load_digits().data, dtype=torch.float64) / 16
    inputs = {dtype: images.to(dtype) for dtype in (torch.float32, torch.float64)}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        layers = [torch.nn.Linear(64, 16), torch.nn.Linear(16, 64)]
    start = torch.cat([p.detach().flatten().double() for layer in layers for p in layer.parameters()])

    def fun(v: Tensor) -> Tensor:
        x = inputs[v.dtype]
        w1, b1, w2, b2 = v.split([1024, 16, 1024, 64])
        output = torch.tanh(x @ w1.view(16, 64).T + b1) @ w2.view(64, 16).T + b2
        return ((output - x) ** 2).mean()

    return Problem("autoencoder", start, fun, (), source="scikit-learn's digits, an autoencoder 64-16-64")


MAKERS: dict[str, Callable[[], Problem]] = {
    **{f"{name} {penalty:g}": partial(logistic, name, penalty) for name, penalty in LOGISTIC_MINIMA},
    "lj13": lennard_jones,
    "autoencoder": autoencoder,
}


def problems() -> tuple[Problem, ...]:
    """All of suite C; loading the data needs scikit-learn."""
    return tuple(make() for make in MAKERS.values())
