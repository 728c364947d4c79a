"""demo:line: the first example of every PyTorch tutorial, a straight line through 15 points, with two parameters."""

from functools import partial
from typing import Any

import torch
from torch import nn

import descend

X = (3.3, 4.4, 5.5, 6.71, 6.93, 4.168, 9.779, 6.182, 7.59, 2.167, 7.042, 10.791, 5.313, 7.997, 3.1)
Y = (1.7, 2.76, 2.09, 3.19, 1.694, 1.573, 3.366, 2.596, 2.53, 1.221, 2.827, 3.465, 1.65, 2.904, 1.3)


def columns(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    """The points as two columns of shape (15, 1)."""
    return torch.tensor(X, dtype=dtype)[:, None], torch.tensor(Y, dtype=dtype)[:, None]


def least_squares() -> dict[str, float]:
    """The w and b of the smallest mean squared error, in closed form and float64."""
    x, y = columns(torch.float64)
    w, b = torch.linalg.lstsq(torch.cat([x, torch.ones_like(x)], dim=1), y).solution.flatten().tolist()
    return {"w": w, "b": b}


def mean_squared_error(w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The loss at every (w, b) of two float64 tensors of one shape."""
    x, y = columns(torch.float64)
    return ((w[..., None] * x[:, 0] + b[..., None] - y[:, 0]) ** 2).mean(dim=-1)


def setup() -> dict[str, Any]:
    """All 15 points are the one batch; nothing is held out, so runs are ranked by the training loss."""
    return dict(
        title="nn.Linear(1, 1) on 15 points, mean squared error, full batch",
        model=lambda: nn.Linear(1, 1),
        loader=[columns()],
        loss_fn=nn.MSELoss(),
        steps=100,
        goal=0.17,  # the least-squares line has 0.16892
        optimizers=[
            partial(descend.SGD, momentum=0.9),
            descend.AdamW,
            descend.RMSprop,
            partial(descend.LBFGS, line_search_fn="strong_wolfe"),
        ],
        threads=1,
    )
