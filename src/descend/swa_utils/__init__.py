"""Averages of weights: stochastic weight averaging and exponential moving averages, with torch's names.

from descend.swa_utils import AveragedModel, get_ema_multi_avg_fn

ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))
for batch in loader:
    ...  # a training step
    ema.update_parameters(model)
"""

from .averaged_model import AveragedModel
from .batch_norm import update_bn
from .functions import get_ema_avg_fn, get_ema_multi_avg_fn, get_swa_avg_fn, get_swa_multi_avg_fn
from .swalr import SWALR

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]
