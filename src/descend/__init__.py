"""descend: torch.optim done again. Every algorithm is one small function, compiled to fused multi-tensor kernels.

`import descend as optim` in place of `import torch.optim as optim`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

if TYPE_CHECKING:
    from . import groups, lr_scheduler, schedules, swa_utils
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
    from .optimizers.lbfgs import LBFGS, LBFGSResult, MinimizeResult, Status, minimize
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

# Everything is imported when it is first asked for: whoever trains with Adam does not wait for the others.
_SUBPACKAGES = {"groups", "lr_scheduler", "schedules", "swa_utils"}
_ELSEWHERE = {
    "clip_grad_norm_": ".clipping",
    "swap_in_optimizer_params_and_state": ".optimizers.swapping",
    **dict.fromkeys(("Buffer", "Rule", "RuleError"), ".rules"),
    **dict.fromkeys(("LBFGS", "LBFGSResult", "MinimizeResult", "Status", "minimize"), ".optimizers.lbfgs"),
}


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return import_module(f".{name}", __name__)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_ELSEWHERE.get(name, ".optimizers"), __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
