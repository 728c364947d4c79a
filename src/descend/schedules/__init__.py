"""Schedules: pure functions of the step for learning rates and every other hyperparameter.

    from descend.schedules import Cosine

    optimizer = descend.AdamW(model.parameters(), lr=Cosine(1e-3, 0.0, steps=10_000).warmup(500))

A schedule is a frozen value: it prints, compares, hashes, pickles and draws itself, and any step is computed directly.
Step 0 is the first step of the optimizer. See docs/schedules.md.
"""

from typing import TYPE_CHECKING, Any

from .base import Schedule

if TYPE_CHECKING:
    from .composed import Constant, Function, Piecewise, Product, Warmup, as_schedule
    from .phases import CosineRestarts, OneCycle, WarmupStableDecay
    from .shapes import Cosine, Exponential, InverseSqrt, Linear, MultiStep, Polynomial, Step

__all__ = [
    "Schedule",
    "Constant",
    "Linear",
    "Cosine",
    "Polynomial",
    "Exponential",
    "Step",
    "MultiStep",
    "InverseSqrt",
    "OneCycle",
    "CosineRestarts",
    "WarmupStableDecay",
    "Piecewise",
    "Function",
    "Warmup",
    "Product",
    "as_schedule",
]


def __getattr__(name: str) -> Any:
    """Load the schedules when the first of them is asked for: `import descend` needs only their base."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import composed, phases, shapes

    for module in (composed, shapes, phases):
        globals().update({key: value for key, value in vars(module).items() if key in __all__})
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
