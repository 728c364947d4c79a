"""Which optimizer, at which learning rate: measured on your own model, in minutes, without a network or an account.

    from descend import tools

    found = tools.find_lr(model, loader, loss_fn, optimizer="adamw")     # a range test: seconds
    result = tools.compare(model, loader, loss_fn, val=val_loader)       # optimizers and rates: minutes
    with tools.watch(optimizer, model): ...                              # the training itself, as it runs

The model, the optimizer, random numbers and files are afterwards as they were before. The command `descend` does the
same from a shell. Nothing here is imported by `import descend`, and each part only when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import bench, demos, quickref
    from .comparing import Comparison, compare, load
    from .contenders import Contender, UnknownOptimizer
    from .extras import MissingExtra
    from .finding import LearningRate, find_lr
    from .records import Candidate, Conditions, Entry, Point, Run
    from .sources import SourceError
    from .watching import watch

__all__ = [
    "compare",
    "find_lr",
    "watch",
    "load",
    "Comparison",
    "LearningRate",
    "Entry",
    "Run",
    "Point",
    "Candidate",
    "Conditions",
    "Contender",
    "MissingExtra",
    "SourceError",
    "UnknownOptimizer",
    "bench",
    "demos",
    "quickref",
]

_PARTS = {"bench", "demos", "quickref"}
_HOMES = {
    **dict.fromkeys(("compare", "load", "Comparison"), ".comparing"),
    **dict.fromkeys(("find_lr", "LearningRate"), ".finding"),
    **dict.fromkeys(("Entry", "Run", "Point", "Candidate", "Conditions"), ".records"),
    **dict.fromkeys(("Contender", "UnknownOptimizer"), ".contenders"),
    "watch": ".watching",
    "MissingExtra": ".extras",
    "SourceError": ".sources",
}


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return import_module(f".{name}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name], __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
