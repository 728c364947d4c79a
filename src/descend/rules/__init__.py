"""What is computed: every elementwise algorithm as a rule, in order of increasing complexity. Standard library only."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .check import RuleError
from .rule import Buffer, Rule

if TYPE_CHECKING:
    from .adadelta import ADADELTA
    from .adagrad import ADAGRAD
    from .adam import ADAM
    from .adamax import ADAMAX
    from .asgd import ASGD
    from .nadam import NADAM
    from .radam import RADAM
    from .rmsprop import RMSPROP
    from .rprop import RPROP, RPROP_FOLLOWING
    from .sgd import SGD

__all__ = [
    "ADADELTA",
    "ADAGRAD",
    "ADAM",
    "ADAMAX",
    "ASGD",
    "NADAM",
    "RADAM",
    "RMSPROP",
    "RPROP",
    "RPROP_FOLLOWING",
    "SGD",
    "Buffer",
    "Rule",
    "RuleError",
]


def __getattr__(name: str) -> Any:
    """A rule, checked when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f".{name.partition('_')[0].lower()}", __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
