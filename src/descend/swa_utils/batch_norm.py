"""`update_bn`: statistics of batch normalisation, anew for averaged weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def _statistics(module: Module) -> dict[str, Tensor]:
    """Copies of a layer's running statistics, as far as it keeps any."""
    found = {name: getattr(module, name, None) for name in _STATISTICS}
    return {name: t.detach().clone() for name, t in found.items() if t is not None and not is_lazy(t)}


@torch.no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: int | torch.device | str | None = None) -> None:
    """Compute the running statistics of all batch normalisation layers anew, in one pass over the data.

    Afterwards every module is in the mode it was in and every layer has the momentum it had, also if the loader or the
    model raises; then the statistics are those of before, too.

    Args:
        loader: batches: tensors, or lists or tuples whose first element is the model's input.
        model: the model, usually an AveragedModel; in training mode meanwhile.
        device: where the batches are moved to; None: they stay where they are.

    Warns:
        UserWarning: the loader gave no batch; statistics are then left as they were.
    """
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not layers:
        return
    modes = [(module, module.training) for module in model.modules()]
    momenta = [layer.momentum for layer in layers]
    before = [_statistics(layer) for layer in layers]
    batches = 0
    done = False
    try:
        model.train()
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # a plain mean over all batches
        for batch in loader:
            batches += 1
            data = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(data if device is None else data.to(device))
        done = batches > 0
    finally:
        for layer, momentum, statistics in zip(layers, momenta, before, strict=True):
            layer.momentum = momentum
            if not done:
                for name, value in statistics.items():
                    getattr(layer, name).copy_(value)
        for module, mode in modes:
            module.training = mode
    if not batches:
        warnings.warn(
            "update_bn: the loader gave no batch (a generator that was used up?); statistics are as before",
            stacklevel=3,
        )
