"""`define`: an optimizer class from a rule."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from torch.optim.optimizer import ParamsT

from ..rules import Rule
from . import checks
from .base import Optimizer
from .common import UNUSED

# Options of every defined optimizer, beside the rule's own.
_COMMON: dict[str, Any] = {
    "weight_decay": 0.0,
    "maximize": False,
    "differentiable": False,
    "decoupled_weight_decay": False,
}


def define(rule: Rule, *, name: str | None = None, **defaults: Any) -> type[Optimizer]:
    """Make an optimizer class of a rule: groups, state, checkpoints, precision and every engine come with it.

    Args:
        rule: the algorithm.
        name: class name; default: the rule's function name in CamelCase. Assign the class to a module variable of this
            name if its instances are to be pickled.
        defaults: default value of every hyperparameter of the rule (`lr` among them), and of `weight_decay`,
            `maximize`, `differentiable`, `decoupled_weight_decay` where they differ from 0 and False.

    Returns:
        A class to be called as `Cls(params, <hyperparameters>, *, weight_decay, maximize, differentiable,
        decoupled_weight_decay, engine, ...)`, the last being the options of every optimizer: see `descend.Optimizer`.

    Raises:
        TypeError: a hyperparameter of the rule has no default, or a default belongs to nothing; the names are listed.

    Example:
        >>> import torch, descend
        >>> def sign_descent(p, g, *, lr):
        ...     return p - lr * sign(g)
        >>> from descend.rules.ops import sign
        >>> SignDescent = descend.define(descend.Rule(sign_descent, lambda t, *, lr: dict(lr=lr)), lr=0.1)
        >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> optimizer = SignDescent([w])
        >>> (w ** 2).sum().backward(); optimizer.step(); w.data
        tensor([ 0.9000, -1.9000])
    """
    own = {key: value for key, value in defaults.items() if key not in _COMMON}
    lacks, extra = (
        [h for h in rule.hyperparameters if h not in own],
        [key for key in own if key not in rule.hyperparameters],
    )
    if lacks or extra:
        raise TypeError(
            f"define({rule.name}): "
            + (f"no default for {lacks}; " if lacks else "")
            + (f"unexpected {extra}; " if extra else "")
            + f"hyperparameters: {list(rule.hyperparameters)}, common options: {list(_COMMON)}"
        )
    common = {key: defaults.get(key, value) for key, value in _COMMON.items()}
    kind = inspect.Parameter
    signature = inspect.Signature(
        [kind("params", kind.POSITIONAL_OR_KEYWORD)]
        + [kind(key, kind.POSITIONAL_OR_KEYWORD, default=value) for key, value in own.items()]
        + [kind(key, kind.KEYWORD_ONLY, default=value) for key, value in {**common, "engine": "auto", **UNUSED}.items()]
    )
    title = name or "".join(part.capitalize() for part in rule.name.split("_"))

    def __init__(self: Optimizer, params: ParamsT, *args: Any, **options: Any) -> None:
        unknown = [key for key in options if key not in signature.parameters]
        if unknown:
            known = [key for key in signature.parameters if key != "params"]
            raise TypeError(f"{title}: unexpected {unknown}; known: {known}")
        bound = signature.bind(params, *args, **options)
        bound.apply_defaults()
        taken = ("params", "engine", *UNUSED)
        values = {key: value for key, value in bound.arguments.items() if key not in taken}
        self._check_group(values)
        Optimizer.__init__(self, params, values, **{key: bound.arguments[key] for key in taken[1:]})

    def _check_group(self: Optimizer, group: dict[str, Any]) -> None:
        if "lr" in group:
            checks.number("Invalid learning rate", "lr", group["lr"], tensor=True)
        checks.number("Invalid weight_decay value", "weight_decay", group["weight_decay"], tensor=True)
        if "betas" in group:
            checks.betas(group["betas"])
        for key in own:
            if key not in ("lr", "betas") and isinstance(group[key], float):
                checks.finite(f"Invalid {key} value", key, group[key])

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    caller = sys._getframe(1).f_globals.get("__name__", "__main__")
    return type(
        title,
        (Optimizer,),
        {
            "rule": rule,
            "__init__": __init__,
            "_check_group": _check_group,
            "__doc__": f"{rule.equation}\n\nMade by descend.define from the rule {rule.name}.",
            "__module__": caller,
            "__qualname__": title,
            "__signature__": signature,
        },
    )
