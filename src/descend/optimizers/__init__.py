"""Who calls it: torch-compatible optimizer classes, each imported when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adadelta import Adadelta
    from .adafactor import Adafactor
    from .adagrad import Adagrad
    from .adam import Adam, AdamW
    from .adamax import Adamax
    from .asgd import ASGD
    from .base import Optimizer
    from .defining import define
    from .explain import Explanation
    from .footprint import Memory, memory
    from .muon import Muon
    from .nadam import NAdam
    from .radam import RAdam
    from .rmsprop import RMSprop
    from .rprop import Rprop
    from .sgd import SGD
    from .sparse_adam import SparseAdam

__all__ = [
    "ASGD",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Explanation",
    "Memory",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "define",
    "memory",
]

# Where a name is found, unless it is the module's own in small letters.
_ELSEWHERE = {
    "AdamW": "adam",
    "SparseAdam": "sparse_adam",
    "Optimizer": "base",
    "Explanation": "explain",
    "Memory": "footprint",
    "memory": "footprint",
    "define": "defining",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_ELSEWHERE.get(name, name.lower())}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
