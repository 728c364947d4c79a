"""demo:digits: scikit-learn's 1797 hand-written digits of 8 x 8 pixels, and a small MLP."""

from functools import lru_cache, partial
from typing import Any

import torch
from torch import nn

import descend
from descend.tools.demos.data import Batches, accuracy, random_numbers_untouched, split
from descend.tools.extras import need

Data = tuple[torch.Tensor, torch.Tensor]


@lru_cache(maxsize=1)
@random_numbers_untouched()
def load() -> tuple[Data, Data]:
    """(images, digits) to train on, 1437, and held out, 360; images float32 of shape (n, 64), from 0 to 1."""
    digits = need("sklearn.datasets", "scikit-learn", "demo:digits").load_digits()
    images = torch.tensor(digits.data, dtype=torch.float32) / 16
    targets = torch.tensor(digits.target)
    train, held_out = split(len(targets), 360)
    return (images[train], targets[train]), (images[held_out], targets[held_out])


def model() -> nn.Module:
    """An MLP 64-128-128-10 with 26,122 parameters."""
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))


def setup() -> dict[str, Any]:
    """Cross-entropy on batches of 64, about 19 epochs of them."""
    train, held_out = load()
    return dict(
        title="1797 hand-written digits, an MLP 64-128-128-10, batches of 64",
        model=model,
        loader=Batches(*train, size=64),
        loss_fn=nn.CrossEntropyLoss(),
        val=[held_out],
        metric=accuracy,
        steps=440,
        goal=0.10,
        optimizers=[partial(descend.SGD, momentum=0.9), descend.AdamW, descend.RMSprop],
        threads=1,
    )
