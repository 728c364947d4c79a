"""descend: torch.optim done again. Every algorithm is one small function, compiled to fused multi-tensor kernels.

`import descend as optim` in place of `import torch.optim as optim`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from . import groups, schedules
from .clipping import clip_grad_norm_
from .optimizers import (
    ASGD,
    SGD,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Explanation,
    Memory,
    Muon,
    NAdam,
    Optimizer,
    RAdam,
    RMSprop,
    Rprop,
    SparseAdam,
    define,
    memory,
)
from .optimizers.swapping import swap_in_optimizer_params_and_state
from .rules import Buffer, Rule, RuleError

if TYPE_CHECKING:
    from . import lr_scheduler, swa_utils
    from .optimizers.lbfgs import LBFGS, LBFGSResult, MinimizeResult, Status, minimize

__version__ = "0.1.0"

__all__ = [
    "ASGD",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Buffer",
    "Explanation",
    "LBFGS",
    "LBFGSResult",
    "MinimizeResult",
    "Memory",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "Rule",
    "RuleError",
    "SparseAdam",
    "Status",
    "clip_grad_norm_",
    "define",
    "groups",
    "lr_scheduler",
    "memory",
    "minimize",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
    "schedules",
    "swa_utils",
    "swap_in_optimizer_params_and_state",
]

_LAZY = {"lr_scheduler", "swa_utils"}  # subpackages that are imported when they are first asked for
_LAZY_NAMES = {"LBFGS", "LBFGSResult", "MinimizeResult", "Status", "minimize"}  # of optimizers.lbfgs, the same


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return import_module(f".{name}", __name__)
    if name in _LAZY_NAMES:
        return getattr(import_module(".optimizers.lbfgs", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
