"""demo:pinn: a network that solves a differential equation: -u_xx - u_yy = f on [-1, 1]^2, u = 0 on the boundary.

Its loss has second derivatives of the network with respect to its inputs (Raissi et al. 2019). f is chosen so that the
solution is u = sin(pi x) sin(pi y), and runs are ranked by the distance to it.
"""

from functools import lru_cache, partial
from math import pi
from typing import Any

import torch
from torch import Tensor, nn

import descend

WEIGHT = 100.0
"""Of the boundary: second derivatives of u are up to 2 pi^2 = 20 times as large as u."""


@lru_cache(maxsize=1)
def load() -> tuple[Tensor, Tensor, Tensor]:
    """800 points inside, 200 on the boundary, and a grid of 51 x 51 to measure the error on, all of shape (n, 2)."""
    generator = torch.Generator().manual_seed(0)
    inside = 2 * torch.rand(800, 2, generator=generator) - 1
    boundary = 2 * torch.rand(200, 2, generator=generator) - 1
    side = torch.arange(200)
    boundary[side, side % 2] = torch.where(side % 4 < 2, -1.0, 1.0)
    line = torch.linspace(-1, 1, 51)
    return inside, boundary, torch.cartesian_prod(line, line)


def solution(points: Tensor) -> Tensor:
    """The u that the network should find."""
    return torch.sin(pi * points).prod(dim=1)


def model() -> nn.Module:
    """An MLP 2-32-32-32-1 with tanh: 2,241 parameters."""
    return nn.Sequential(
        *(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh()), nn.Linear(32, 1)
    )


def step(model: nn.Module, batch: None) -> Tensor:
    """Mean square of what is wrong with the equation inside and with the value on the boundary."""
    inside, boundary, _ = load()
    points = inside.clone().requires_grad_()
    (slope,) = torch.autograd.grad(model(points).sum(), points, create_graph=True)
    curvature = sum(torch.autograd.grad(slope[:, k].sum(), points, create_graph=True)[0][:, k] for k in (0, 1))
    return (curvature + 2 * pi**2 * solution(inside)).square().mean() + WEIGHT * model(boundary).square().mean()


def relative_error(model: nn.Module) -> float:
    """|u - solution| / |solution|, Euclidean norms over the grid."""
    grid = load()[2]
    exact = solution(grid)
    return ((model(grid)[:, 0] - exact).norm() / exact.norm()).item()


def setup() -> dict[str, Any]:
    """All points at once, so there is no loader: `step` gives the loss."""
    return dict(
        title="a physics-informed network solves Poisson's equation on a square, full batch",
        model=model,
        step=step,
        val=relative_error,
        steps=600,
        goal=0.1,
        optimizers=[
            *(partial(descend.SGD, momentum=0.9), descend.AdamW, descend.RMSprop),
            partial(descend.LBFGS, line_search_fn="strong_wolfe"),
        ],
        threads=1,
    )
