"""demo:convnet: MNIST-1D, digits drawn as noisy signals of 40 values (Greydanus 2020), and three convolutions."""

from functools import lru_cache, partial
from typing import Any

import torch
from torch import nn

import descend
from descend.tools.demos.data import Batches, accuracy, random_numbers_untouched
from descend.tools.extras import need

Data = tuple[torch.Tensor, torch.Tensor]


@lru_cache(maxsize=1)
@random_numbers_untouched()
def load() -> tuple[Data, Data]:
    """(signals, digits) to train on, 4000, and held out, 1000; signals of shape (n, 1, 40)."""
    generator = need("mnist1d.data", "mnist1d", "demo:convnet", extra="data")
    made = generator.make_dataset(generator.get_dataset_args())  # takes a second; downloads nothing
    signals = {part: torch.tensor(made[part], dtype=torch.float32)[:, None] for part in ("x", "x_test")}
    return (signals["x"], torch.tensor(made["y"])), (signals["x_test"], torch.tensor(made["y_test"]))


def model() -> nn.Module:
    """Three convolutions with 25 channels and stride 2, then a linear layer: 5,210 parameters."""
    return nn.Sequential(
        nn.Conv1d(1, 25, kernel_size=5, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv1d(25, 25, kernel_size=3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv1d(25, 25, kernel_size=3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(125, 10),
    )


def setup() -> dict[str, Any]:
    """Cross-entropy on batches of 100: 30 epochs of them."""
    train, held_out = load()
    return dict(
        title="MNIST-1D, 5000 noisy signals, three convolutions, batches of 100",
        model=model,
        loader=Batches(*train, size=100),
        loss_fn=nn.CrossEntropyLoss(),
        val=[held_out],
        metric=accuracy,
        steps=1200,
        goal=0.35,
        optimizers=[partial(descend.SGD, momentum=0.9), descend.AdamW, descend.RMSprop],
        threads=1,
    )
