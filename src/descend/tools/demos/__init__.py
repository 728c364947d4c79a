"""The demos: eight problems with data that need no download, each a short file that is an example as well.

`demo:digits` on the command line and in `tools.compare("demo:digits")` means the function `setup` of digits.py here,
which returns the keyword arguments of `tools.compare`. A copy of such a file works as it is, `my_copy.py:setup`: put
your own model and data into it. Nothing is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import NamedTuple

__all__ = ["DEMOS", "Demo", "UnknownDemo", "find", "listing"]


class Demo(NamedTuple):
    """What there is to know of a demo before it is imported."""

    title: str
    module: str


TITLES = {
    "line": "nn.Linear(1, 1) on 15 points, mean squared error, full batch",
    "regression": "53,940 diamonds, log price by an MLP 26-128-128-1, batches of 256",
    "digits": "1797 hand-written digits, an MLP 64-128-128-10, batches of 64",
    "convnet": "MNIST-1D, 5000 noisy signals, three convolutions, batches of 100",
    "characters": "a transformer of 2 layers predicts the next character of Python's help texts",
    "logistic": "569 tumours, logistic regression on 30 features, full batch",
    "factors": "100,004 film ratings, 16 factors per user and film, batches of 1024",
    "pinn": "a physics-informed network solves Poisson's equation on a square, full batch",
}

DEMOS: dict[str, Demo] = {f"demo:{name}": Demo(title, f"{__name__}.{name}") for name, title in TITLES.items()}
"""By the name that the command line knows, `demo:line`."""


class UnknownDemo(ValueError):
    """No demo has that name; the message lists the ones that exist."""

    def __init__(self, name: str, known: dict[str, Demo] | None = None) -> None:
        super().__init__(f"unknown demo {name!r}; the ones that exist:\n{listing(known)}")


def listing(known: dict[str, Demo] | None = None) -> str:
    """The demos and their titles, a line each; all of them unless `known` says which."""
    return "\n".join(f"  {name:<15}  {demo.title}" for name, demo in (DEMOS if known is None else known).items())


def find(name: str) -> ModuleType:
    """The module of a demo; its function `setup()` returns the keyword arguments of `tools.compare`.

    Args:
        name: `"demo:digits"` or the like.

    Raises:
        UnknownDemo: there is none of that name.

    Example:
        >>> sorted(find("demo:line").setup())[:4]
        ['goal', 'loader', 'loss_fn', 'model']
    """
    if name not in DEMOS:
        raise UnknownDemo(name)
    return import_module(DEMOS[name].module)
