"""demo:regression: the price of 53,940 diamonds from weight, cut, colour, clarity and measures, by an MLP."""

from functools import lru_cache, partial
from typing import Any

import torch
from torch import nn

import descend
from descend.tools.demos.data import Batches, r_data, split

NUMBERS = ("carat", "depth", "table", "x", "y", "z")
GRADES = {  # a column of zeros and ones for each
    "cut": ("Fair", "Good", "Very Good", "Premium", "Ideal"),
    "color": tuple("DEFGHIJ"),
    "clarity": ("I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"),
}


@lru_cache(maxsize=1)
def load() -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """(features, log price) to train on, 45,000, and held out, 8,940.

    The six numbers and the logarithm of the price are scaled to mean 0 and variance 1 over the training part.
    """
    frame = r_data("ggplot2", "diamonds", "demo:regression")
    train, held_out = split(len(frame), 8940)
    scaled = torch.tensor(frame[[*NUMBERS, "price"]].to_numpy(dtype="float64"))
    scaled[:, -1] = scaled[:, -1].log()
    scaled = ((scaled - scaled[train].mean(dim=0)) / scaled[train].std(dim=0)).float()
    columns = [torch.tensor((frame[name] == grade).to_numpy()) for name in GRADES for grade in GRADES[name]]
    # A few measures are slips of the pen (a diamond 59 mm wide), and would outweigh all others in a squared error.
    x, y = torch.cat([scaled[:, :-1].clamp(-5, 5), torch.stack(columns, dim=1).float()], dim=1), scaled[:, -1:]
    return (x[train], y[train]), (x[held_out], y[held_out])


def model() -> nn.Module:
    """An MLP 26-128-128-1 with 20,097 parameters."""
    return nn.Sequential(nn.Linear(26, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1))


def r2(outputs: torch.Tensor, targets: torch.Tensor) -> float:
    """The share of the variance that is explained."""
    return 1 - ((outputs - targets).square().sum() / (targets - targets.mean()).square().sum()).item()


def setup() -> dict[str, Any]:
    """Mean squared error on batches of 256, about 6 epochs of them."""
    train, held_out = load()
    return dict(
        title="53,940 diamonds, log price by an MLP 26-128-128-1, batches of 256",
        model=model,
        loader=Batches(*train, size=256),
        loss_fn=nn.MSELoss(),
        val=[held_out],
        metric=r2,
        steps=1000,
        goal=0.0130,
        optimizers=[partial(descend.SGD, momentum=0.9), descend.AdamW, descend.RMSprop],
        threads=1,
    )
