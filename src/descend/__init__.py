"""descend: torch.optim done again. Every algorithm is one small function, compiled to fused multi-tensor kernels.

`import descend as optim` in place of `import torch.optim as optim`.
"""

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
    "clip_grad_norm_",
    "define",
    "groups",
    "memory",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
    "schedules",
    "swap_in_optimizer_params_and_state",
]
