"""demo:logistic: a convex problem on real data, where curvature pays: scikit-learn's breast cancer set.

The minimum is unique and known from Newton's method, so runs are ranked by how far the loss is from it.
"""

from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

import descend
from descend.tools.demos.data import random_numbers_untouched
from descend.tools.extras import need

PENALTY = 1e-3


@lru_cache(maxsize=1)
@random_numbers_untouched()
def load() -> tuple[Tensor, Tensor]:
    """Features with mean 0 and variance 1, shape (569, 30), and the class, 0 or 1, as a column; both float64."""
    data = need("sklearn.datasets", "scikit-learn", "demo:logistic").load_breast_cancer()
    x, y = (torch.tensor(part, dtype=torch.float64) for part in (data.data, data.target))
    return (x - x.mean(0)) / x.std(0, correction=0), y[:, None]


def objective(weight: Tensor, bias: Tensor) -> Tensor:
    """Mean cross-entropy + PENALTY/2 |w|^2 for a float64 weight of shape (1, 30) and a bias of shape (1,)."""
    x, y = load()
    return binary_cross_entropy_with_logits(x @ weight.T + bias, y) + PENALTY / 2 * (weight * weight).sum()


@lru_cache(maxsize=1)
def minimum() -> float:
    """The smallest value of the objective: Newton's method, until a step changes nothing any more."""
    x, y = load()
    inputs = torch.cat([x, torch.ones_like(y)], dim=1)
    penalties = torch.tensor([PENALTY] * 30 + [0.0], dtype=torch.float64)
    v = torch.zeros(31, dtype=torch.float64)
    for _ in range(50):
        p = torch.sigmoid(inputs @ v)
        gradient = inputs.T @ (p - y[:, 0]) / len(y) + penalties * v
        hessian = (inputs.T * (p * (1 - p))) @ inputs / len(y) + torch.diag(penalties)
        step = torch.linalg.solve(hessian, gradient)
        v = v - step
        if step.abs().max() < 1e-12:
            break
    return objective(v[None, :30], v[30:]).item()


def excess(model: nn.Linear) -> float:
    """The loss above its minimum; 1e-16, the last digit of float64, where it cannot be told apart."""
    return max(objective(model.weight.double(), model.bias.double()).item() - minimum(), 1e-16)


def setup() -> dict[str, Any]:
    """All data at once in float64, so there is no loader: `step` gives the loss."""
    minimum()  # loads the data now, so that a missing package is told before the training
    return dict(
        title="569 tumours, logistic regression on 30 features, full batch",
        model=lambda: nn.Linear(30, 1, dtype=torch.float64),
        step=lambda model, batch: objective(model.weight, model.bias),
        val=excess,
        steps=500,
        goal=1e-4,
        optimizers=[
            *(partial(descend.SGD, momentum=0.9), descend.AdamW, descend.RMSprop),
            partial(descend.LBFGS, line_search_fn="strong_wolfe"),
        ],
        threads=1,
    )
